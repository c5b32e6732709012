#!/bin/sh
# agenda.sh: alias, on, watch and record in scripts: what is run when, and that a record does the same again.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

# --- alias ---
script 'alias t train' 't 3' 'alias'
check "an alias is a command" eval 'is 0 && in_err "^step 3/3" && in_out "^alias t  *train"'
script 'alias train pause'
check "a command keeps its name: status 2" eval 'is 2 && in_err "alias: train: is a command already"'
mkdir -p rc/anetui
echo 'alias go train 2' >rc/anetui/anetuirc
XDG_CONFIG_HOME=$PWD/rc plain -e "$small" -e 'set seq 32' -e go
check "anetuirc is a place for them" eval 'is 0 && in_err "^step 2/2"'

# --- on ---
script 'on done sample 5 Once' 'on done' 'train 4' 'wait 0.2'
check "on done: once, when the end is reached" eval 'is 0 && [ "$(grep -c "^Once" out)" -eq 1 ] && in_err "^on done: sample 5 Once" && in_out "^on done  *sample"'
script 'on done quit' 'train 4' 'train 1000000'
check "on done quit ends the script: saved, status 0" eval 'is 0 && [ -s runs/demo-4/step-00000004.ckpt ]'
script 'on nan quit' 'set lr.warmup 0' 'set adam.decay 1' 'lr 10 constant' 'train 400'
check "on nan: the loss breaks, the rule runs" eval 'in_err "^on nan: quit"'
script 'set nan skip' 'on nan pause' 'set lr.warmup 0' 'set adam.decay 1' 'lr 10 constant' '-train 400'
check "on nan, such steps skipped" eval 'is 0 && in_err "^on nan: pause"'
script 'on spike set seed 7' 'train 25' 'lr 3 constant warmup=0' '-train 5' 'get seed'
check "on spike: the loss jumps, the rule runs" eval 'is 0 && in_err "spike: loss" && err_lines 1 "^on spike: set seed 7" && in_out "^seed 7"'
(
	ulimit -f 100 # a checkpoint is longer, all else is not
	script --run full 'on disk set seed 7' 'train 2' '-ckpt' '-ckpt' 'get seed' 'quit now'
	exit "$status"
)
status=$?
check "on disk: a checkpoint can not be written, the rule runs once" eval 'is 0 && in_err "File too large" && err_lines 1 "^on disk: set seed 7" && in_out "^seed 7"'
script 'on nna pause'
check "an event that there is not: status 2, the list" eval 'is 2 && in_err "must be one of nan, spike"'
script 'on done verify nothing.ckpt' 'train 2' 'wait 0.2'
check "a rule that fails is told, and ends nothing" eval 'is 0 && in_err "^on: .*nothing.ckpt"'

# --- watch ---
script 'watch 0.1 kernels' 'wait 1' 'watch off' 'train 20' 'get seed'
check "watch before there is something to see: told once, ended" eval 'is 0 && err_lines 1 "^watch: kernels: no micro-step yet"'
script 'train 2' 'watch 0.1 kernels' 'wait 1' 'watch off' 'wait 0.3' 'get seed'
check "watch repeats while the next commands run" eval 'is 0 && [ "$(grep -c "^kernel " out)" -ge 3 ] && [ "$(grep -c "^kernel " out)" -le 11 ]'
script 'watch 2 quit'
check "what can not be repeated: status 2" eval 'is 2 && in_err "watch: quit: can not be repeated"'

# --- record ---
script --run first 'record it.cmd' 'train 3' 'lr 1e-4' 'set clip 0.5' 'train 2' 'record off' 'get seed'
check "a record" eval 'is 0 && grep -q "^lr 1e-4" it.cmd && ! grep -q "get seed" it.cmd && grep -q "^wait step 5" it.cmd'
plain --run second -e "$small" -e 'set seq 32' -e 'set batch 2' -x it.cmd
check "done again" eval 'is 0 && [ -s second/step-00000005.ckpt ]'
python "step for step the same losses" <<'END'
assert steps('first') == steps('second') and len(steps('first')) == 5, (steps('first'), steps('second'))
END
echo 'mine, and much longer than the line that a record begins with, is it not' >mine.cmd
script 'record mine.cmd' 'train 1'
check "a file of somebody else is left alone" eval 'is 1 && in_err "record: mine.cmd: is there and was not recorded" && [ "$(wc -l <mine.cmd)" -eq 1 ]'

# --- through a restart ---
plain --run again -e "$small" -e 'set seq 32' -e 'set batch 2' -e 'device sim chip=m1 budget=20' -e 'alias t train' -e 'on done sample 5 Once' -e 'record sim.cmd' -e 't 6' -e 'wait 0.2'
check "alias, rule and record go through a new process" eval 'is 0 && [ "$(grep -c "^Once" out)" -eq 1 ] && grep -q "^train 6" sim.cmd && grep -q "^wait step 6" sim.cmd && in_err "of 20 compiles"'


# --- what the machine tells, on an imitated /sys: it is well at first ---
put() { mkdir -p "$(dirname "tree/sys/$1")" && echo "$2" >new && mv new "tree/sys/$1"; }
put class/hwmon/hwmon1/name coretemp
put class/hwmon/hwmon1/temp1_input 61000
put class/hwmon/hwmon1/temp1_max 100000
put class/power_supply/BAT0/type Battery
put class/power_supply/BAT0/status Discharging
put class/power_supply/BAT0/capacity 63
{ echo "$small"; echo 'set seq 32'; echo 'set batch 2'; echo 'on heat set clip 0.25'; echo 'on battery quit'; echo 'train'; } >well.cmd
: >err
ANETUI_SENSORS=$PWD/tree "$ANETUI" --plain --run well -x well.cmd >out 2>err </dev/null &
pid=$!
wait_for 60 grep -q '"event":"step"' well/metrics.jsonl
check "heat and battery: nothing happens while all is well" eval '[ $? -eq 0 ] && ! in_err "^on "'
put class/hwmon/hwmon1/temp1_input 100000
wait_for 60 grep -q '^on heat' err
check "on heat: its command is run" eval '[ $? -eq 0 ] && in_err "^on heat: set clip 0.25"'
wait_for 60 grep -q '"key":"clip"' well/metrics.jsonl
check "... and is in the record" test $? -eq 0
put class/power_supply/BAT0/capacity 19
wait $pid
status=$?
check "on battery quit: saved, status 0" eval 'is 0 && in_err "^on battery: quit" && ls well/step-*.ckpt >/dev/null'

# --- hot and low before there is a rule: the line is written when the machine has been seen ---
: >err
{
	echo "$small"
	wait_for 60 grep -q '^battery: 19' err
	echo 'on heat set clip 0.5'
	wait_for 60 grep -q '^on heat' err
	echo 'on battery quit'
	wait_for 60 grep -q '^on battery' err
} | ANETUI_SENSORS=$PWD/tree "$ANETUI" --plain --run late >out 2>err
status=$?
check "a rule that is made while it is hot, and one while the battery is low, are run at once" eval 'is 0 && in_err "^on heat: set clip 0.5" && in_err "^on battery: quit"'
done_testing
