#!/bin/sh
# screen.sh: what the screen costs while the demo trains on all cores, at 120x40: against --plain in interleaved pairs, from a key to the screen, its thread.
# SPDX-License-Identifier: MIT
#
#     tests/bench/screen.sh [pairs=3] [seconds=20] [keys=200]       pairs=10 seconds=60 takes 22 minutes on a quiet machine
#     tests/bench/screen.sh traffic=15                              instead: bytes to the terminal at three sizes, in ASCII and braille; two minutes
#
# Bars: at most 1 % slower than --plain (median of the pairs), 99 of 100 keys on the screen within 50 ms, less than 2 % of a core for the screen's thread.
# The status is 1 when one was missed. A pseudo-terminal whose other end reads at once stands for the terminal.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
: "${ANETUI:=$root/anetui}"
export ANETUI ANETUI_ASSETS="$root/assets"
exec python3 "$root/tests/bench/screen.py" "$@"
