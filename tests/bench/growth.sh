#!/bin/sh
# growth.sh: how a micro-step grows with sequence, layers, vocabulary, batch and threads, as the tables of docs/performance.md. Judges nothing. SPDX-License-Identifier: MIT
#
#     tests/bench/growth.sh >tables.md          two minutes on a quiet machine, 2 GB
#     tests/bench/growth.sh FILE.json >tables.md  from what `anetui bench growth format=json` has written
#
# Everything is measured by one process, with sgemm(2048) timed before and after each micro-step: all figures are ratios.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
: "${ANETUI:=$root/anetui}"
if [ $# -gt 0 ]; then
	python3 "$root/tests/bench/growth.py" <"$1"
else
	"$ANETUI" bench growth format=json </dev/null | python3 "$root/tests/bench/growth.py"
fi
