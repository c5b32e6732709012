#!/bin/sh
# machine.sh: which library and how many threads: measured at the first start, remembered, shown; `threads` and `nice` while it runs. TAP.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
export XDG_CACHE_HOME="$PWD/cache"
unset ANETUI_BLAS
memory() { find "$XDG_CACHE_HOME" -name 'machine-*.json'; }
# A machine where others compute is measured again when they no longer do: what is remembered here says that nobody did.
settle() { sed 's/"busy":true/"busy":false/' "$(memory)" >settled && cp settled "$(memory)"; }

run info
check "the first start measures and says so once" eval 'is 0 && err_lines 1 "^machine: .* GFLOP/s on [0-9]* thread.*(measured at this start"'
check "info tells what was measured" in_out '^measured  .*built-in [0-9]* GFLOP/s on [0-9]* thread.*(measured at this start'
check "it is remembered in one file" eval '[ "$(memory | wc -l)" -eq 1 ]'
settle
run info
check "the second start remembers, and is silent about it" eval 'is 0 && err_lines 0 "^machine" && in_out "(measured earlier"'
cp "$(memory)" good
head -c 100 good >"$(memory)"
run info
check "a file that is cut: one line, measured anew" eval 'is 0 && err_lines 1 "machine: .*/machine-.*: measured anew$" && in_out "(measured at this start"'
settle
run info
check "... and written over" eval 'is 0 && in_out "(measured earlier"'
run device
check "device tells it too" in_out '^measured: .*built-in'

if have_python; then
	script 'train 1'
	python "the run's record has library, why and rates" <<'END'
start = events('runs/demo')[0]
c = start['blas_choice']
assert start['blas'] in c['libraries'] and 'built-in' in c['libraries'], c
assert all(v > 0 for v in c['libraries'].values()) and all(v > 0 for v in c['threads'].values()), c
assert str(start['threads']) in c['threads'] and str(c['cpus']) in c['threads'] and c['measured'] == 'earlier', c
assert start['settings']['threads'] == 'auto' and start['settings']['nice'] == 0, start['settings']
END
else
	skip "no python3"
fi

: >no-folder
XDG_CACHE_HOME=$PWD/no-folder run info
check "no cache folder to be had: no failure, nothing written, nothing said of it" eval 'is 0 && in_out "measured at this start" && ! grep -q "not remembered" err && [ ! -s no-folder ]'
XDG_CACHE_HOME='' HOME=/proc/none run info
check "... nor a home" eval 'is 0 && in_out "measured at this start"'
ANETUI_BLAS=built-in run info
check "the library that is asked for is taken" eval 'is 0 && in_out "^BLAS      built-in" && in_out "^measured  built-in"'
ANETUI_BLAS=./no-such.so run info
check "one that does not open: the built-in product, and why" eval 'is 0 && in_out "^BLAS      built-in.*no-such.so does not open"'

if command -v taskset >/dev/null 2>&1; then
	taskset -c "$(taskset -cp $$ | sed 's/.*[ ,-]//')" "$ANETUI" info >out 2>err </dev/null
	status=$?
	check "on one processor of several: one thread" eval 'is 0 && in_out "^BLAS .* 1 threads" && in_out "^measured .* on 1 thread "'
else
	skip "no taskset"
fi

# --- threads and nice, while it runs ---
niceness() { for _t in /proc/"$1"/task/*; do sed 's/.*) //' "$_t/stat" | cut -d' ' -f17; done 2>/dev/null | sort -n | tr '\n' ' '; }
script 'train 1' 'set threads 3' 'train 1' 'get threads' 'set threads auto' 'train 1' 'get threads' 'set nice 1' 'train 1' 'get nice'
check "threads and nice change between steps" eval 'is 0 && in_out "^threads 3" && in_out "^threads auto" && in_out "^nice 1" && in_err "set: nice 0 -> 1$"'
check "they stand among the run's commands" eval 'grep -q "^set threads 3" runs/*/settings.cmd && grep -q "^set threads auto" runs/*/settings.cmd && grep -q "^set nice 1" runs/*/settings.cmd'
if [ -r /proc/self/stat ]; then
	"$ANETUI" --plain -e "$small" -e 'set seq 32' -e 'set threads 2' -e 'set nice 3' -e 'train 100000' >out 2>err </dev/null &
	pid=$!
	wait_for 60 in_err 'set: nice' && wait_for 60 eval '[ "$(niceness $pid | wc -w)" -ge 3 ]'
	base=$(nice)
	seen=$(niceness $pid)
	kill -TERM $pid
	wait $pid
	check "the threads that compute are nice, the one that listens is not ($seen)" eval 'case $seen in "$base "*" $((base + 3)) $((base + 3)) ") ;; "$base $((base + 3)) $((base + 3)) ") ;; *) false ;; esac'
else
	skip "no /proc"
fi
done_testing
