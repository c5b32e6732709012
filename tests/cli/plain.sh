#!/bin/sh
# plain.sh: the program without a screen: scripts, exit statuses, what lands in the run folder. Not: how well it learns.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

# The program with a pipe that brings what printf makes of $1.
piped() {
	format=$1
	shift
	printf -- "$format" | { "$ANETUI" "$@" >out 2>err; echo $? >status; }
	status=$(cat status)
}

# --- options ---
run --version
check "version" test "$(cat out)" = "anetui $(sed -n 's/^VERSION = //p' "$ANETUI_ROOT/Makefile")"
run --help
check "help has every option" eval 'is 0 && in_out "--on-hup" && in_out "-x FILE" && empty err'
run --man
check "the manual page has commands and settings" eval 'is 0 && grep -q "^\.TH ANETUI 1" out && in_out "fBkernels" && in_out "fBlr.warmup"'
if command -v groff >/dev/null 2>&1; then
	groff -man -ww -Tutf8 out >/dev/null 2>man.err
	check "groff reads it without a word" empty man.err
fi
run --plian
check "an unknown option: status 2, the nearest is named" eval 'is 2 && in_err "did you mean --plain"'
run --run
check "an option without its value: status 2" eval 'is 2 && in_err "DIR is missing"'
# --- the whole line ---
piped "$small\nset seq 32\ntrain 40\nsample 60 Once upon a time\nckpt\nquit\n" --plain
check "train, sample, ckpt, quit: status 0" is 0
check "the sample is alone on standard output, prompt first" eval 'in_out "^Once upon a time" && ! in_out "^step [0-9]"'
check "steps are told on standard error, without carriage returns" eval 'in_err "^step 40/40 loss [0-9.]* lr [0-9.e-]* .*tok/s .* ms" && ! grep -q "$(printf "\r")" err'
check "the run folder has its parts" eval 'test -s runs/demo/settings.cmd && test -s runs/demo/metrics.jsonl && test -s runs/demo/step-00000040.ckpt'
check "settings.cmd makes the same model" eval 'grep -q "^new demo.*layers=1" runs/demo/settings.cmd && grep -q "seq 32" runs/demo/settings.cmd'
check "forty step events, a start and a stop" eval '[ "$(grep -c "\"event\":\"step\"" runs/demo/metrics.jsonl)" -eq 40 ] && grep -q "\"event\":\"start\"" runs/demo/metrics.jsonl && tail -n 1 runs/demo/metrics.jsonl | grep -q "\"event\":\"stop\""'

piped "$small\nset seq 32\ntrain 3\n" --plain
check "the end of the input is quit: what is unsaved is saved, in a folder of its own" eval 'is 0 && test -s runs/demo-2/step-00000003.ckpt'
piped "$small\nset seq 32\ntrain 3\nquit now\n" --plain
check "quit now saves nothing" eval 'is 0 && [ -z "$(ls runs/demo-3/*.ckpt 2>/dev/null)" ]'
piped 'train 2\n' --plain --resume --run runs/demo-2
check "--resume goes on" eval 'is 0 && in_err "step 5" && test -s runs/demo-2/step-00000005.ckpt'
plain --resume --run nowhere -e 'train 2'
check "--resume without a run: status 1, nothing is done" eval 'is 1 && in_err "nowhere" && [ ! -e nowhere ]'
plain --run there -e "$small" -e 'set seq 32' -e 'train 2'
check "--run names the folder" eval 'is 0 && test -s there/step-00000002.ckpt'

# --- failures ---
piped 'info presets\nqick\ninfo\n' --plain
check "an unknown command: status 2, line, nearest" eval 'is 2 && in_err "^stdin:2: command: qick: no such command (did you mean"'
piped 'verify nowhere.ckpt\ninfo presets\n' --plain
check "a command that fails ends the script: status 1" eval 'is 1 && in_err "^stdin:1: .*nowhere.ckpt" && ! in_out stories'
piped '-verify nowhere.ckpt\ninfo presets\n' --plain
check "a line with a minus may fail" eval 'is 0 && in_err nowhere.ckpt && in_out stories15m'
printf '# a script\nset clip 2\n\nset clip -1\n' >bad.cmd
plain -x bad.cmd
check "a script file: file, line, legal range" eval 'is 1 && in_err "^bad.cmd:4: .*-1: must be 0 to"'
plain -x nowhere.cmd
check "a script that is not there" eval 'is 1 && in_err "nowhere.cmd: No such file"'
plain -e 'set clpi 1'
check "an unknown key: status 2, nearest" eval 'is 2 && in_err "did you mean clip"'
plain -e 'rerun x'
check "rerun of a run that there is not: status 1, the file" eval 'is 1 && in_err "x/settings.cmd: No such file"'
plain -e 'zoom loss'
check "what needs the screen says so" eval 'is 1 && in_err "zoom: needs the screen"'
plain -e 'load nowhere'
check "load of nothing" eval 'is 1 && in_err "nowhere"'
plain -e 'new nowhere.bin'
check "new of nothing" eval '! is 0 && in_err "nowhere"'
plain -e 'data nowhere.txt'
check "data of nothing" eval 'is 1 && in_err "nowhere.txt: No such file"'
plain -e 'sample 0'
check "sample 0: the range is named" eval '! is 0 && in_err "must be 1 to"'
plain -e 'train -5'
check "train -5" eval '! is 0 && in_err "train: -5"'

# --- settings and one command ---
plain --set clip=0.5 --set sample.stop='The End' -e 'get clip' -e 'get sample.stop'
check "--set" eval 'is 0 && in_out "0.5" && in_out "The End"'
check "its answer is not printed" eval '! in_out "->"'
plain --set clip=x -e 'get clip'
check "--set of a bad value fails" eval '! is 0 && in_err "clip: x"'
mkdir -p "$XDG_CONFIG_HOME/anetui"
printf 'set clip 0.25\n' >"$XDG_CONFIG_HOME/anetui/anetuirc"
plain -e 'get clip'
check "anetuirc is read first" eval 'is 0 && in_out "0.25"'
plain --no-rc -e 'get clip'
check "--no-rc" eval 'is 0 && ! in_out "0.25"'
plain --set clip=0.75 -e 'get clip'
check "--set comes after anetuirc" eval 'is 0 && in_out "0.75"'
printf 'info presets\nset clip nonsense\n' >"$XDG_CONFIG_HOME/anetui/anetuirc"
plain -e 'get clip'
check "an error in anetuirc has its file and line" eval 'is 1 && in_err "anetuirc:2: "'
rm "$XDG_CONFIG_HOME/anetui/anetuirc"
run info presets
check "one command: info presets" eval 'is 0 && in_out demo && in_out stories110m'
run info
check "one command: info" is 0
run mil list
check "one command: mil list names the programs" eval 'is 0 && in_out fwdAttn && in_out qkvBwd'
run mil show fwdAttn
check "one command: mil show" eval 'is 0 && in_out "program(" && in_out "main"'
run help lr
check "one command: help" eval 'is 0 && in_out "lr.warmup"'
run tain
check "one command: an unknown one" eval 'is 2 && in_err "did you mean train"'
run set
check "one command: usage" eval 'is 2 && in_err "usage: set KEY VALUE"'
piped 'get clip\n'
check "a script on standard input needs no --plain" eval 'is 0 && in_out clip'
TERM=dumb "$ANETUI" -e 'get clip' </dev/null >out 2>err
status=$?
check "a dumb terminal" eval 'is 0 && in_out clip'

# --- the kernels of the BLAS ---
env -u OPENBLAS_CORETYPE "$ANETUI" --plain -e device >own 2>err </dev/null
if grep -q "kernels named from what the processor can do" own; then
	own=$(sed -n 's/^cpu: .*(\(.*\) kernels).*/\1/p' own)
	OPENBLAS_CORETYPE=Nehalem "$ANETUI" --plain -e device >out 2>err </dev/null
	status=$?
	check "an environment that names poorer kernels is set aside, and that is said" eval \
		'is 0 && in_out "($own kernels)" && in_out "not the environment.s OPENBLAS_CORETYPE=Nehalem"'
	# OpenBLAS by name: with such kernels the built-in product may well be the faster one.
	ANETUI_BLAS=libopenblas.so.0 ANETUI_BLAS_KERNELS=Nehalem "$ANETUI" --plain -e device >out 2>err </dev/null
	status=$?
	check "a name for us is taken" eval 'is 0 && in_out "(Nehalem kernels)"'
fi

# --- signals ---
"$ANETUI" --plain -e "$small" -e 'set seq 32' -e train >out 2>err </dev/null &
pid=$!
i=0
while [ $i -lt 300 ] && ! in_err '^step '; do
	sleep 0.1
	i=$((i + 1))
done
kill -TERM $pid
wait $pid 2>/dev/null
status=$?
check "SIGTERM: saved, and the signal is seen" eval 'is 143 && in_err "^checkpoint: "'
"$ANETUI" info presets | true
status=0
check "a reader that goes away does not hang it" is 0

done_testing
