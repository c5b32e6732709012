#!/bin/sh
# last_save.sh: signals while the last checkpoint is written, and a data file that is cut under training: nothing half is left, nothing old is lost, and it is said.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
disk=$ANETUI_OUT/tests/libdisk.so here=$(pwd -P)
if [ ! -f "$disk" ]; then
	skip "needs a library between the program and the disk (Linux; make check builds it)"
	done_testing
fi
i=0
while [ $i -lt 400 ]; do
	echo "The hen saw the fox and the fox saw the hen, and $i times they said good day to one another."
	i=$((i + 1))
done >text.txt
script --run old 'data text.txt' 'train 2'
check "a run with a checkpoint of step 2" eval 'is 0 && test -f old/step-00000002.ckpt'

# held CALL: the run goes on to step 3, and its last save stands still before CALL.
held() {
	rm -rf run gate
	cp -r old run
	mkdir gate
	LD_PRELOAD=$disk ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} DISK_HOLD=$1 DISK_GATE=$here/gate "$ANETUI" --plain --run run --resume -e 'train 1' >out 2>err </dev/null &
	pid=$!
	wait_for 120 test -f gate/at || check "the save stands still before $1" false
}
ended() {
	wait $pid
	status=$?
}
ckpts() { ls run | sed -n 's/^\(.*ckpt.*\)$/\1/p' | tr '\n' ' '; }
whole() { "$ANETUI" --plain -e "verify run/step-0000000$1.ckpt" >/dev/null 2>&1; }
old_kept() { cmp -s old/step-00000002.ckpt run/step-00000002.ckpt; }
goes_on() { "$ANETUI" --plain --run run --resume -e 'train 1' >more 2>&1 </dev/null && grep -q "at step $1" more && whole $(($1 + 1)); }
gave_up='interrupted: the last save is given up (once more: ends at once)'

for call in write fsync; do
	held $call
	kill -INT $pid
	wait_for 120 grep -q "$gave_up" err
	: >gate/go
	ended
	check "^C while the last save stands at $call: given up, and said" eval 'is 130 && err_lines 1 "$gave_up" && err_lines 1 "run/step-00000003.ckpt: given up, not saved (older checkpoints are as they were)"'
	check "nothing half is left, the old one is as it was" eval '[ "$(ckpts)" = "step-00000002.ckpt " ] && old_kept'
	check "the record's last word says so" eval 'tail -n 1 run/metrics.jsonl | grep -q "\"event\":\"stop\",\"reason\":\"[a-z]*, not saved\",\"saved\":2}"'
	check "the run goes on from there" goes_on 2
done
held rename
kill -INT $pid
wait_for 120 grep -q "$gave_up" err
: >gate/go
ended
check "^C when the file is as good as there: it counts" eval 'is 130 && in_err "^checkpoint: run/step-00000003.ckpt" && ! in_err "not saved" && [ "$(ckpts)" = "step-00000002.ckpt step-00000003.ckpt " ] && whole 3'
held fsync
kill -INT $pid
wait_for 120 grep -q "$gave_up" err
kill -INT $pid
ended
check "^C once more, on a disk that does not answer: ends at once" eval 'is 130 && old_kept && ! test -f run/step-00000003.ckpt'
check "the run goes on from there" goes_on 2
check "and says that nobody said how it ended" grep -q "run: steps 3 to 3 were not saved by the session before (it did not end in order): they are made again" more
check "and what was left of the save is gone" eval '! ckpts | grep -q tmp'
for sig in TERM HUP; do
	held fsync
	kill -$sig $pid
	kill -$sig $pid
	: >gate/go
	ended
	check "SIG$sig while the last save is written: it is finished" eval 'is 0 && [ "$(ckpts)" = "step-00000002.ckpt step-00000003.ckpt " ] && whole 3'
done

# --- a data file that another program cuts just after it was looked at ---
plain -e 'tokenize text.txt ids.tok'
check "a file of ids" is 0
rm -rf run gate
mkdir gate
LD_PRELOAD=$disk ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} DISK_CUT=$here/ids.tok DISK_GATE=$here/gate "$ANETUI" --plain --run run -e "$small" -e 'set seq 32' -e 'set batch 2' \
	-e 'data ids.tok' -e 'train 3' -e ckpt -e train >out 2>err </dev/null &
pid=$!
wait_for 120 test -f run/step-00000003.ckpt
: >gate/cut
{ ended; } 2>/dev/null
check "cut while it is read: the end, in one line that names it" eval '[ "$status" -gt 128 ] && err_lines 1 "^anetui: $here/ids.tok: cut short by another program, or unreadable, while it was in use: ended"'
check "the last checkpoint is whole" whole 3
done_testing
