#!/bin/sh
# picture.sh: makes docs/screen.svg, the picture of the README: half a minute of the demo in a terminal of 120 x 36 (tmux), taken by `screen`.
# SPDX-License-Identifier: MIT
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
tm() { tmux -L "anetui-picture.$$" -f /dev/null "$@"; }
trap 'tm kill-server 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
tm new-session -d -x 120 -y 36 "LC_ALL=C.UTF-8 TERM=xterm-256color ANETUI_GLYPHS=braille '$root/anetui' --no-rc -e 'set sample.every 6'"
sleep "${SECONDS_1:-25}"
tm send-keys ':lr 1e-3' Enter
sleep "${SECONDS_2:-15}"
tm send-keys ':screen screen.svg' Enter
sleep 2
tm send-keys ':quit now' Enter
sleep 1
test -s screen.svg
cp screen.svg "$root/docs/screen.svg"
echo "docs/screen.svg"
