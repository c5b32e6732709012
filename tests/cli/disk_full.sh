#!/bin/sh
# disk_full.sh: a disk that is full, a limit on files, an output that takes nothing: said once, training goes on, what was saved is whole.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
i=0
while [ $i -lt 400 ]; do
	echo "The hen saw the fox and the fox saw the hen, and $i times they said good day to one another."
	i=$((i + 1))
done >text.txt
small="$small vocab=600"
# limited BLOCKS OPTION...: with no file longer than BLOCKS of 512 bytes.
limited() {
	_blocks=$1
	shift
	(
		ulimit -f "$_blocks" || exit 99
		exec "$ANETUI" --plain "$@"
	) >out 2>err </dev/null
	status=$?
}

# --- a limit that a checkpoint does not keep within, and all else does ---
script 'data text.txt' 'train 4'
check "a run with a checkpoint" eval 'is 0 && test -f runs/demo/step-00000004.ckpt'
cp runs/demo/step-00000004.ckpt before.ckpt
size=$(wc -c <before.ckpt)
limited $(((size - 2000) / 512)) --resume -e 'set ckpt.every 2' -e 'train 5' -e 'get step' -e 'train 3'
check "wrong words still end the script" is 2
limited $(((size - 2000) / 512)) --resume -e 'set ckpt.every 2' -e 'train 5' -e 'train 3' -e 'eval' -e 'sample 5 The'
check "training goes on to its end; at the end the status says that it is not saved" eval 'is 1 && in_err "^step 12/12" && in_out "^step 12: validation" && in_out "^The"'
check "each checkpoint that failed is said once" eval 'err_lines 1 "step-00000006.ckpt: File too large" && err_lines 1 "step-00000008.ckpt" && err_lines 1 "step-00000010.ckpt"'
check "and that training goes on, and the old one is kept" in_err "step-00000006.ckpt: File too large (old checkpoint kept): training goes on"
check "the old checkpoint is the same as before" cmp -s runs/demo/step-00000004.ckpt before.ckpt
check "no half of a new one is left" eval '[ "$(ls runs/demo | tr "\n" " ")" = "lock metrics.jsonl settings.cmd step-00000004.ckpt " ]'
check "the record has the steps and the errors" eval 'grep -q "\"step\":12,\"event\":\"step\"" runs/demo/metrics.jsonl && grep -q "\"event\":\"error\",\"message\":\"disk: .*File too large" runs/demo/metrics.jsonl'
plain -e 'verify runs/demo/step-00000004.ckpt'
check "verify: whole" eval 'is 0 && in_out whole'
stop() { grep '"event":"stop"' "$1/metrics.jsonl" | tail -n 1; }
check "and its last word is that the last steps were not saved" eval 'stop runs/demo | grep -q "\"step\":12.*\"reason\":\"quit, not saved\",\"saved\":4}"'
cp -r runs/demo again
plain --replay again
check "a replay says it" in_err "stopped at step 12: quit, not saved; the last checkpoint is of step 4"
plain --run again --resume -e 'train 3' -e report -e ckpt -e report -e 'train 1'
lost="steps 5 to 12 were not saved by the session before (quit, not saved)"
check "who goes on is told which steps are made again, by the report, too" eval 'is 0 && err_lines 1 "again: $lost: they are made again" && [ "$(grep -c "$lost: made again here" out)" -eq 2 ]'
check "the report tells what checkpoints hold" eval 'in_out "^kept  *up to step 4; 3 steps since then are in no checkpoint" && in_out "^kept  *up to step 7: all"'
check "all was saved: the last word says so" eval 'stop again | grep -q "\"reason\":\"quit\",\"saved\":8}"'
plain --replay again
check "a replay has nothing to add then" in_err 'stopped at step 8: quit$'
plain --resume -e 'train 8'
check "with room again it goes on" eval 'is 0 && in_err "at step 4" && test -f runs/demo/step-00000012.ckpt'
limited $(((size - 2000) / 512)) --resume -e '-ckpt mine' -e 'train 1' -e 'ckpt yours' -e 'train 1'
check "ckpt that fails ends a script, unless it may" eval 'is 1 && in_err "mine.ckpt: File too large" && in_err "yours.ckpt: File too large" && in_err "^step 13/13" && ! in_err "^step 14"'

# --- 64 limits, each below what a checkpoint needs ---
rm -rf sizes && mkdir sizes && cp -r runs/demo sizes/run && rm -f sizes/run/step-0000001*.ckpt
cp sizes/run/metrics.jsonl sizes/record
i=0 wrong=
while [ $i -lt 64 ]; do
	cp sizes/record sizes/run/metrics.jsonl
	limited $((i * (size - 2000) / 512 / 63)) --run sizes/run --resume -e 'train 1' -e 'ckpt mine' -e 'get step'
	# With room for nothing not even the words come through: standard output and error are files, too.
	[ $((i * (size - 2000) / 63)) -lt 4096 ] || { is 1 && in_err '^step 5/5' && in_err 'mine.ckpt: File too large (old checkpoint kept)' && ! in_err 'step 6'; } || wrong="$wrong $i:said"
	[ $status -lt 128 ] || wrong="$wrong $i:$status"
	cmp -s sizes/run/step-00000004.ckpt before.ckpt || wrong="$wrong $i:changed"
	[ "$(ls sizes/run | tr '\n' ' ')" = "lock metrics.jsonl settings.cmd step-00000004.ckpt " ] || wrong="$wrong $i:left"
	i=$((i + 1))
done
check "64 limits: training goes on, it is said, the old checkpoint is whole and alone:$wrong" [ -z "$wrong" ]
limited 8 -e 'get' -e 'get' -e 'get'
check "standard output in a file that may not grow: status 1 and a word, no signal" eval 'is 1 && in_err "standard output: File too large"'
limited 100 -e "$small" -e 'set seq 32' -e 'sample 5 The'
check "a limit below the weights' size: they are no file of anybody's" eval 'is 0 && in_out "^The"'
limited 1 -x text.txt
check "a limit on everything: a message, no crash" eval '[ "$status" -eq 2 ]'

# --- outputs that take nothing ---
if [ -c /dev/full ]; then
	"$ANETUI" --plain --run full -e "$small" -e 'set seq 32' -e 'data text.txt' -e 'train 3' -e 'sample 20' -e 'train 3' >/dev/full 2>err </dev/null
	status=$?
	check "standard output that is full: status 1, said once, what was trained is saved" eval 'is 1 && err_lines 1 "standard output: No space left" && test -f full/step-00000003.ckpt'
	"$ANETUI" --plain --run full2 -e "$small" -e 'set seq 32' -e 'data text.txt' -e 'train 3' >out 2>/dev/full </dev/null
	status=$?
	check "standard error that is full is no reason to stop" eval 'is 0 && test -f full2/step-00000003.ckpt'
	plain -e '-tokenize text.txt /dev/full' -e "-mil run /dev/full"
	check "a device is no file to write or read" eval 'is 0 && in_err "/dev/full: expected a file or nothing, found something else" && in_err "/dev/full: not a regular file"'
else
	skip "needs /dev/full"
fi
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
	rm -rf closed
	eval "\"\$ANETUI\" --plain --run closed -e \"\$small\" -e 'set seq 32' -e 'data text.txt' -e 'train 3' -e 'sample 3' $closed" >/dev/null 2>&1
	eval "\"\$ANETUI\" --plain --run closed2 -e \"\$small\" -e 'set seq 32' -e 'data text.txt' -e 'train 3' -e 'sample 3' $closed"
	status=$?
	plain -e 'verify closed2/step-00000003.ckpt'
	check "closed $closed: nothing is written where it should not be" eval 'is 0 && ! grep -qv "^{" closed2/metrics.jsonl'
	rm -rf closed closed2
done

# --- no cache ---
mkdir -p ro
XDG_CACHE_HOME=$PWD/text.txt "$ANETUI" --plain --run nocache -e "$small" -e 'set seq 32' -e 'data text.txt' -e 'train 2' >out 2>err </dev/null
status=$?
check "a cache that can not be: all works, slower" eval 'is 0 && test -f nocache/step-00000002.ckpt'
touch file
plain --run file -e "$small" -e 'data text.txt' -e 'set seq 32' -e 'train 1'
check "a run folder whose name is taken by a file: the next name" eval 'is 0 && test -f file-2/step-00000001.ckpt'
plain --run file/below -e "$small" -e 'data text.txt' -e 'set seq 32' -e '-train 1' -e 'sample 3'
check "a run folder that can not be: train fails, the rest goes on" eval 'is 0 && err_lines 1 "file" && [ -s out ]'

# --- a disk of three mebibytes ---
mkdir disk
if [ "$(id -u)" -ne 0 ] || ! mount -t tmpfs -o size=3m none disk 2>/dev/null; then
	skip "needs to mount a small file system"
	done_testing
fi
trap 'umount disk' EXIT
mkfifo gate
"$ANETUI" --plain --run disk/run >out 2>err <gate &
pid=$!
exec 3>gate
printf '%s\nset seq 32\nset batch 2\nset ckpt.keep 9\ndata text.txt\ntrain 5\nckpt\ninfo\n' "$small" >&3
wait_for 60 grep -q '^version' out
cat /dev/zero >disk/filler 2>/dev/null
printf 'train 3\n-ckpt\ntrain 40\nset clip 0.9\n-ckpt\nlr\n' >&3
wait_for 60 grep -q '^lr .*step 48' out
check "the disk is full: training goes on" in_err '^step 48/48'
check "the record's loss is said once" err_lines 1 'metrics.jsonl: No space left'
check "a checkpoint says how much is needed and how much there is" in_err 'disk: disk/run/step-00000008.ckpt: .*iB needed, .* free (old checkpoint kept)'
check "settings.cmd too, once" eval '[ "$(grep -c "settings.cmd" err)" -eq 1 ]'
rm disk/filler
printf 'train 2\nckpt\nquit\n' >&3
exec 3>&-
wait $pid
status=$?
check "there is room again: all is saved, status 0" eval 'is 0 && test -f disk/run/step-00000050.ckpt'
plain -e 'verify disk/run/step-00000005.ckpt' -e 'verify disk/run/step-00000050.ckpt'
check "both checkpoints are whole" is 0
python "the record has whole lines: what was before, and what came after" <<'END'
s = [e['step'] for e in events('disk/run') if e['event'] == 'step']
assert s[:5] == [1, 2, 3, 4, 5] and s[-2:] == [49, 50] and len(s) < 50, s
END
check "settings.cmd is whole again" eval 'grep -q "clip 0.9" disk/run/settings.cmd && tail -n 1 disk/run/settings.cmd | grep -q "wait step 50"'
done_testing
