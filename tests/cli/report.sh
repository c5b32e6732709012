#!/bin/sh
# report.sh: the efficiency report: its sums hold, what is not known is told as missing. SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

run report
check "before training: one line" eval 'is 1 && in_err "report: no micro-step yet (train)"'

script 'set accum 3' 'train 4' 'set batch 4' 'train 2' report
cp out first.txt
check "a report" eval 'is 0 && in_out "here 18 micro-steps, 1.54 k tokens" && in_out "^speed  *[0-9.]* GFLOP/s"'
check "no power source: missing, with a hint" in_out "^energy  *-- no source works"
script 'power estimate 50' 'train 3' 'wait 1' power report
cp out second.txt
check "watts that were estimated give joules, and are marked" in_out "^energy  *[0-9.e-]* J (estimated), "
count=sensors/sys/devices/system/cpu/cpu0/thermal_throttle
mkdir -p $count sensors/sys/class/thermal/thermal_zone0
echo x86_pkg_temp >sensors/sys/class/thermal/thermal_zone0/type
echo 61000 >sensors/sys/class/thermal/thermal_zone0/temp
ANETUI_SENSORS=$PWD/sensors run power
check "how often the processor was slowed down, where nobody counts it: missing, with the reason" eval 'is 0 && in_out "^processor 61 C .*slowed down -- (nobody counts it here)" && ! in_out "0 times"'
echo 7 >$count/package_throttle_count
ANETUI_SENSORS=$PWD/sensors run power
check "where somebody counts: a number" eval 'is 0 && in_out "^processor 61 C .*slowed down 0 times since the start"'
python "work and time add up; shares are a whole" <<'END'
import re
def text(f, pattern):
    return [float(x) for x in re.search(pattern, open(f).read()).groups()]
shares = text('first.txt', r'projections (\d+) %, attention (\d+) %, feed-forward (\d+) %, classifier (\d+) %')
assert abs(sum(shares) - 100) <= 2, shares
wall, micro, update, compile, rest = text('first.txt', r'time +([\d.]+) s .*micro-steps ([\d.]+), updates ([\d.]+), compiling ([\d.]+), all else ([\d.]+)')
assert abs(wall - micro - update - compile - rest) < 0.03 and micro > 0, (wall, micro, update, compile, rest)
# dim 32, hidden 64, 1 layer, 2 heads of 16, vocabulary 2048: 12 micro-steps of 2 x 32 tokens, 6 of 4 x 32
matrices = 4 * 32 * 32 + 3 * 32 * 64 + 2048 * 32
work = lambda batch: 6 * matrices * batch * 32 + 6 * batch * 32 * 32 * 32
want = 12 * work(2) + 6 * work(4)
have, = text('first.txt', r'work +([\d.]+) MFLOP here')
assert abs(have * 1e6 / want - 1) < 6e-3, (have, want)
END
done_testing
