#!/bin/sh
# sim_train.sh: training on the simulated device with loss scaling follows the cpu, from trained weights and from scratch; what is lost without is told.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

# go RUN MODEL LINE...: two hundred steps, nothing in between.
go() {
	_run=$1
	_model=$2
	shift 2
	for _line in "$@"; do
		set -- "$@" -e "$_line"
		shift
	done
	plain --run "$_run" -e "$_model" -e 'set eval.every 0' -e 'set ckpt.every 0' "$@" -e 'train 200' -e info
	cp err "$_run.err"
	cp out "$_run.out"
}

# One budget for all: how training goes on across processes is tested elsewhere.
pair() {
	_pair=$1
	shift
	go "$_pair-cpu" "$@" 'device cpu'
	check "$_pair: 200 steps on cpu" is 0
	go "$_pair-sim" "$@" 'device sim budget=1000000'
	check "$_pair: 200 steps on sim" eval 'is 0 && in_out "^fp16 *loss scale [0-9]* (auto), [0-9.]* % of the gradient entries come back as zero"'
	go "$_pair-off" "$@" 'device sim budget=1000000' 'set loss_scale off'
	check "$_pair: and without loss scaling" eval 'is 0 && in_out "^fp16 *loss scale 1 (off)" && in_err "come back from the device as zero with loss scale 1 .*set loss_scale auto"'
	python "$_pair: smoothed losses within 2 % of cpu, and fewer gradients are lost with scaling" <<END
import re
def smooth(run):
    s = w = 0
    out = []
    for e in events(run):
        if e['event'] == 'step':
            s, w = 0.95 * s + 0.05 * e['loss'], 0.95 * w + 0.05
            out.append(s / w)
    return out
def flushed(run):
    return float(re.search(r'fp16.*, ([0-9.]+) % of the gradient', open(run + '.out').read()).group(1))
cpu, sim = smooth('$_pair-cpu'), smooth('$_pair-sim')
assert len(cpu) == len(sim) == 200
worst = max(abs(a - b) / a for a, b in zip(cpu, sim))
print(worst, cpu[-1], sim[-1], flushed('$_pair-sim'), flushed('$_pair-off'))
assert worst <= 0.02, worst
assert cpu != sim, 'sim computes in fp32?'
assert flushed('$_pair-sim') < flushed('$_pair-off'), (flushed('$_pair-sim'), flushed('$_pair-off'))
END
}

pair demo "$small" 'set seq 64' 'set batch 2' 'set lr.warmup 10'
needs_data stories260K.v0.bin tok512.bin
pair stories "new $data/stories260K.v0.bin tokenizer=$data/tok512.bin" 'set seq 64' 'set batch 2' 'set lr.max 3e-4' 'set lr.warmup 20' 'set lr.steps 2000'
done_testing
