#!/bin/sh
# signals.sh: ended from outside at every moment: what was trained is saved, the status tells, a script goes on where it should.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
i=0
while [ $i -lt 400 ]; do
	echo "The hen saw the fox and the fox saw the hen, and $i times they said good day to one another."
	i=$((i + 1))
done >text.txt

# begin DIR OPTION...: in the background, the small model on the small text.
begin() {
	_dir=$1
	shift
	rm -rf "$_dir" out err
	: >out
	: >err
	"$ANETUI" --plain --run "$_dir" "$@" >out 2>err </dev/null &
	pid=$!
}
model() { printf '%s\nset seq 32\nset batch 2\ndata text.txt\n' "$small"; }
{ model; echo train; echo 'get clip'; } >train.cmd
ended() {
	wait $pid
	status=$?
}
trains() { wait_for 120 grep -q "\"step\":$2,\"event\":\"step\"" "$1/metrics.jsonl" 2>/dev/null; }
saved() {
	last=$(ls "$1" | sed -n 's/^step-0*\([0-9]*\)\.ckpt$/\1/p' | tail -n 1)
	[ -n "$last" ] && "$ANETUI" --plain -e "verify $1/step-$(printf %08d "$last").ckpt" >/dev/null 2>&1 &&
		[ "$(grep -c '"event":"step"' "$1/metrics.jsonl")" -eq "$last" ]
}
stopped_by() { tail -n 1 "$1/metrics.jsonl" | grep -q "\"event\":\"stop\",\"reason\":\"$2\""; }

# --- SIGTERM ---
begin term -x train.cmd
trains term 3
kill -TERM $pid
ended
check "SIGTERM while training: the last step is saved, status 143" eval 'is 143 && saved term && stopped_by term SIGTERM && ! in_out clip'
{ model; echo 'train 2'; echo 'set sample.temperature 1'; echo 'sample 1000000'; } >sample.cmd
begin term -x sample.cmd
wait_for 120 test -s out
kill -TERM $pid
ended
check "SIGTERM while sampling" eval 'is 143 && saved term && stopped_by term SIGTERM'
{ model; echo 'train 2'; echo 'wait 100000'; } >wait.cmd
begin term -x wait.cmd
wait_for 120 grep -q '^step 2' err
kill -TERM $pid
ended
check "SIGTERM while waiting" eval 'is 143 && saved term'
{ model; echo 'train 1'; echo 'set eval.batches 100000'; echo 'set batch 1'; echo 'set seq 2'; i=0; while [ $i -lt 500 ]; do echo eval; i=$((i + 1)); done; } >eval.cmd
begin term -x eval.cmd
wait_for 120 grep -q '^step 1: validation' out
kill -TERM $pid
ended
check "SIGTERM while validating" eval 'is 143 && saved term'
XDG_CACHE_HOME=$PWD/cold begin term -e 'train 5'
wait_for 60 test -d cold
kill -TERM $pid
ended
check "SIGTERM while a corpus is made for the first time: ends, no run" eval 'is 143 && [ ! -e term/metrics.jsonl ]'
XDG_CACHE_HOME=$PWD/cold plain --run cold-run -e "$small" -e 'set seq 32' -e 'set batch 2' -e 'train 2'
check "the cache is none the worse for it" eval 'is 0 && saved cold-run'
rm -rf cold
begin term
ended
check "no input at all: done at once" is 0
mkfifo gate
"$ANETUI" --plain --run term <gate >out 2>err &
pid=$!
exec 3>gate
{ model; echo 'train 2'; echo 'get clip'; } >&3
wait_for 60 grep -q clip out
kill -TERM $pid
ended
exec 3>&-
check "SIGTERM while the next line is waited for" eval 'is 143 && saved term'

# --- SIGINT ---
begin int -x train.cmd
trains int 3
kill -INT $pid
ended
check "SIGINT once: training without a number ends, the script goes on, status 0" eval 'is 0 && in_out "^clip" && saved int && stopped_by int quit'
{ model; echo '-train 100000000'; echo 'sample 5 The'; echo '-wait 100000'; echo 'get batch'; } >many.cmd
begin int -x many.cmd
trains int 3
kill -INT $pid
wait_for 60 grep -q '^The' out
sleep 0.3
kill -INT $pid
ended
check "SIGINT once for each command that may fail" eval 'is 0 && in_out "^batch" && in_err "interrupted"'
{ model; echo 'train 100000000'; echo 'get batch'; } >number.cmd
begin int -x number.cmd
trains int 3
kill -INT $pid
ended
check "SIGINT: train N that was not reached is a failure" eval 'is 1 && ! in_out batch && in_err "number.cmd:5: train: interrupted" && saved int'
begin int -x sample.cmd
wait_for 120 test -s out
kill -INT $pid
ended
check "SIGINT ends a sample; what it said stays" eval 'is 1 && [ -s out ] && in_err "sample: interrupted" && saved int'
{ model; echo 'set accum 20000'; echo train; echo 'get clip'; } >slow.cmd
begin int -x slow.cmd
wait_for 120 grep -q '"step":0,"event":"eval"' int/metrics.jsonl 2>/dev/null
kill -INT $pid
ended
check "SIGINT within a step: the step was never" eval 'is 0 && in_out clip && [ "$(grep -c "\"event\":\"step\"" int/metrics.jsonl)" -eq 0 ]'
{ model; echo train; echo train; echo 'get clip'; } >twice.cmd
begin int -x twice.cmd
trains int 3
kill -INT $pid
before=$(grep -c '"event":"step"' int/metrics.jsonl)
wait_for 60 eval '[ "$(grep -c "\"event\":\"step\"" int/metrics.jsonl)" -gt $((before + 2)) ]'
kill -INT $pid
ended
check "SIGINT for each of two commands" eval 'is 0 && in_out clip && saved int'
"$ANETUI" --plain --run int <gate >out 2>err &
pid=$!
exec 3>gate
{ model; echo 'train 2'; echo 'get clip'; } >&3
wait_for 60 grep -q clip out
kill -INT $pid
ended
exec 3>&-
check "SIGINT when nothing runs: the end, status 130, all is saved" eval 'is 130 && saved int'
# Two at once, by a command that does not look at the first one between its steps.
begin int -x train.cmd
trains int 3
kill -STOP $pid
kill -INT $pid
kill -TERM $pid
kill -CONT $pid
ended
check "SIGINT and SIGTERM together: the end" eval '{ is 143 || is 130; } && saved int && ! in_out clip'

# --- stopped and going on ---
begin stop -x train.cmd
trains stop 2
kill -STOP $pid
sleep 0.3
kill -CONT $pid
before=$(grep -c '"event":"step"' stop/metrics.jsonl)
wait_for 60 eval '[ "$(grep -c "\"event\":\"step\"" stop/metrics.jsonl)" -gt $((before + 2)) ]'
check "SIGSTOP and SIGCONT: goes on" test $? -eq 0
kill -TERM $pid
ended
check "what was measured across it is no speed: one step with a gap" eval '[ "$(grep -c "\"ms\":null,\"micro_ms\":null.*\"gap\":" stop/metrics.jsonl)" -eq 1 ] && [ "$(grep -c "\"gap\":" stop/metrics.jsonl)" -eq 1 ] && in_err "no speed is told"'
plain --run stop --resume -e "train 1"
check "and the run goes on" eval 'is 0 && [ "$(grep -c gap stop/metrics.jsonl)" -eq 1 ]'

# --- SIGHUP ---
begin hup -x train.cmd
trains hup 3
kill -HUP $pid
ended
check "SIGHUP: saved, status 129" eval 'is 129 && saved hup && stopped_by hup SIGHUP'
for how in continue checkpoint,continue go-on; do
	{ model; echo train; echo 'train 3'; } >on.cmd
	begin hup --on-hup "$how" -x on.cmd
	trains hup 3
	kill -HUP $pid
	wait_for 60 eval 'ls hup/step-*.ckpt >/dev/null 2>&1'
	size=$(wc -c <err)
	before=$(grep -c '"event":"step"' hup/metrics.jsonl)
	wait_for 60 eval '[ "$(grep -c "\"event\":\"step\"" hup/metrics.jsonl)" -gt $((before + 2)) ]'
	kill -INT $pid
	ended
	check "--on-hup $how: a checkpoint, and training goes on without a word" eval 'is 0 && saved hup && [ "$(wc -c <err)" -eq "$size" ]'
done
plain --on-hup sometimes -e 'get clip'
check "--on-hup: what it may be" eval 'is 2 && in_err "must be stop or go-on"'
(
	trap '' HUP
	exec "$ANETUI" --plain --run hup3 -x on.cmd >out 2>err </dev/null
) &
pid=$!
trains hup3 3
kill -HUP $pid
before=$(grep -c '"event":"step"' hup3/metrics.jsonl)
wait_for 60 eval '[ "$(grep -c "\"event\":\"step\"" hup3/metrics.jsonl)" -gt $((before + 2)) ]'
check "started with SIGHUP ignored (nohup): it stays so" kill -0 $pid
kill -TERM $pid
ended

# --- SIGPIPE ---
{ "$ANETUI" --plain -e 'info presets' -e 'get' -e 'help' </dev/null 2>err; echo $? >status; } | head -n 1 >out
check "| head -n 1: ends, no noise" eval 'wait_for 30 test -s status && [ "$(wc -l <out)" -eq 1 ] && [ "$(grep -c . err)" -le 1 ]'
{ model; echo 'train 2'; echo 'set sample.temperature 1'; i=0; while [ $i -lt 30 ]; do echo 'sample 200'; echo 'train 1'; i=$((i + 1)); done; } >talk.cmd
rm -f status
{ "$ANETUI" --plain --run pipe -x talk.cmd </dev/null 2>err; echo $? >status; } | head -c 1 >out
wait_for 60 test -s status
status=$(cat status)
check "a reader who goes: the end, what was trained is saved, no message" eval '! is 0 && saved pipe && ! in_err "anetui: standard output"'
mkfifo reader
head -n 1 <reader >first &
"$ANETUI" --plain --run pipe2 -x train.cmd >out 2>reader </dev/null &
pid=$!
wait_for 60 test -s first
trains pipe2 3
before=$(grep -c '"event":"step"' pipe2/metrics.jsonl)
wait_for 60 eval '[ "$(grep -c "\"event\":\"step\"" pipe2/metrics.jsonl)" -gt $((before + 2)) ]'
kill -TERM $pid
ended
check "nobody reads standard error: training goes on" eval 'is 143 && saved pipe2'
done_testing
