#!/bin/sh
# attach.sh: a second process looks at a run, steers and ends it; a run that has ended is followed, and replayed.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

# Nothing of this stays behind, whatever fails.
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null' EXIT

# gone PID: waits for its end; rc tells how it ended. Nothing here runs for more than 100 seconds.
gone() {
	wait "$1"
	rc=$?
}
# begin DIR: a small run that trains in the background.
begin() {
	timeout -k 1 100 "$ANETUI" --plain --run "$1" -e "$small" -e 'set seq 32' -e 'set batch 2' -e 'train 100000000' >first.out 2>first.err </dev/null &
	pid=$!
	wait_for 60 test -S "$1/attach.sock"
	wait_for 60 grep -q '"event":"step"' "$1/metrics.jsonl"
}
attach() {
	"$ANETUI" --plain "$@" >out 2>err </dev/null
	status=$?
}

# A machine that is hot: an event that lasts.
mkdir -p tree/sys/class/hwmon/hwmon1
echo coretemp >tree/sys/class/hwmon/hwmon1/name
echo 100000 | tee tree/sys/class/hwmon/hwmon1/temp1_input >tree/sys/class/hwmon/hwmon1/temp1_max
ANETUI_SENSORS=$PWD/tree begin runs/one
check "the door is its owner's alone" test "$(ls -l runs/one/attach.sock | cut -c1-10)" = srw-------
attach -e 'get seed' -e 'lr 1e-4' -e 'set clip 0.25' -e 'kernels' -e 'sample 5 Once' attach one
check "questions are answered, changes are made there" eval 'is 0 && in_out 1337 && in_out "unaccounted" && grep -q "\"key\":\"clip\",\"old\":1,\"new\":0.25" runs/one/metrics.jsonl && kill -0 $pid'
check "a sample comes to who asked" in_out '^Once'
check "the first process does not hear the answers" eval '! grep -q unaccounted first.out && ! grep -q "^seed" first.out'
attach -e 'set nothing 1' attach runs/one
check "a failure is told there: status 2" eval 'is 2 && in_err "nothing: " && kill -0 $pid'
wait_for 60 grep -q 'warning: heat: ' first.err
attach -e 'alias mild set clip 0.125' -e 'on heat mild' -e 'on' -e 'get seed' attach one
check "a rule goes to the process that trains, and acts there" eval 'is 0 && in_out "^on heat: kept by the process that trains" && in_out "^on heat  *set clip 0.125" && in_err "^on heat: set clip 0.125" && wait_for 60 grep -q "\"key\":\"clip\",\"old\":0.25,\"new\":0.125" runs/one/metrics.jsonl'
attach -e '-on heta pause' -e '-on heat puase' -e 'on heat' -e 'on heat off' -e 'on' attach one
check "a rule that is none is told; one is taken away again" eval 'is 0 && in_err "heta: must be one of nan, spike" && in_err "did you mean pause" && in_out "^on heat  *set clip" && in_out "^no rule"'
mkdir -p rc/anetui
printf '%s\n' 'set clip 7' 'on heat set clip 6' 'alias seed get seed' >rc/anetui/anetuirc
XDG_CONFIG_HOME=$PWD/rc attach -e seed -e 'on' -e 'get clip' attach one
check "of anetuirc a view takes what changes nothing in the run" eval 'is 0 && in_out 1337 && in_out "^no rule" && in_out "^clip 0.125"'
timeout -k 1 100 "$ANETUI" --plain -e 'wait step 100000000000' attach runs/one >wait.out 2>wait.err </dev/null &
wpid=$!
wait_for 60 grep -q "begun at step" wait.err
sleep 0.5
kill -INT $wpid
gone $wpid
check "an interrupt ends the view, not the run" eval 'kill -0 $pid'
attach -e 'quit' attach runs/one
check "quit leaves the run alone" eval 'is 0 && sleep 0.5 && kill -0 $pid'
attach -e 'quit run' attach
gone $pid
check "quit run ends it: saved, status 0" eval 'is 0 && [ "$rc" -eq 0 ] && ls runs/one/step-*.ckpt >/dev/null && tail -n 1 runs/one/metrics.jsonl | grep -q "\"reason\":\"quit\""'
check "the door is taken away" eval '[ ! -e runs/one/attach.sock ]'

# --- a run that has ended ---
attach -e 'get seed' attach runs/one
check "nobody answers: told, status 1" eval 'is 1 && in_err "nobody answers"'
attach attach nowhere
check "no such run: status 1" eval 'is 1 && in_err "run: nowhere: no such folder"'
attach attach a b
check "too many words: status 2" eval 'is 2 && in_err "usage: anetui"'
plain --replay runs/one -e 'replay speed 100000' -e 'replay go'
check "a replay, to its end" eval 'is 0 && in_err "^begun at step 0" && in_err "^set: clip 1 -> 0.25" && in_err "^stopped at step"'
plain --replay one -e 'train'
check "a replay trains nothing: status 1" eval 'is 1 && in_err "nothing is trained here"'
plain --replay runs/one -e '-on nan pause' -e '-replay to' -e 'replay 100'
check "a record is asked what it can not do: each is said in a line that helps, status 2" eval 'is 2 && in_err "^on: this is the record of a run" && in_err "replay: to: a number is missing" && in_err "100: a step or a speed? (.replay to 100., .replay speed 100.)"'
plain --replay runs/one --resume
check "--replay with --resume: status 2" eval 'is 2'

plain --run runs/one --resume -e 'get seed'
check "a run that is gone on with: its samples of before are not printed once more" eval 'is 0 && in_out 1337 && ! in_out Once && ! in_err Once'

# --- the terminal is lost, the run goes on ---
if command -v setsid >/dev/null 2>&1; then
	setsid timeout -k 1 100 "$ANETUI" --plain --on-hup go-on --run runs/two -e "$small" -e 'set seq 32' -e 'train 100000000' >two.out 2>two.err </dev/null &
	wait_for 60 test -S runs/two/attach.sock
	wait_for 60 grep -q '"event":"step"' runs/two/metrics.jsonl
	two=$(cat runs/two/lock)
	kill -HUP "$two"
	wait_for 60 eval 'ls runs/two/step-*.ckpt >/dev/null 2>&1'
	attach -e 'get seed' -e 'quit run' attach runs/two
	check "found again after SIGHUP, and ended" eval 'is 0 && in_out 1337 && wait_for 30 grep -q "\"reason\":\"quit\"" runs/two/metrics.jsonl'
else
	skip "needs setsid"
fi

# --- the watched process is replaced for its compile budget ---
timeout -k 1 100 "$ANETUI" --plain --run runs/three -e "$small" -e 'set seq 32' -e 'set batch 2' -e 'device sim chip=m1 budget=60' -e 'train 100000000' >first.out 2>first.err </dev/null &
pid=$!
wait_for 60 test -S runs/three/attach.sock
wait_for 60 grep -q "of 60 compiles" first.err
attach -e 'get seed' attach runs/three
seen=$status
# Between two processes nobody answers: another try.
wait_for 60 eval 'attach -e "quit run" attach runs/three; is 0'
gone $pid
check "through restarts of the watched process" eval '[ "$seen" -le 1 ] && tail -n 1 runs/three/metrics.jsonl | grep -q "\"reason\":\"quit\""'

done_testing
