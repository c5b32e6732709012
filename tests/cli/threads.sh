#!/bin/sh
# threads.sh: a run has the same bytes for any number of threads, also when the number changes on the way: devices, pipelines, an odd shape, options. TAP.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
demo='new demo layers=2'
odd='new demo layers=3 dim=90 heads=5 kv_heads=1 hidden=137 head_dim=18'
steps_all=4

# go DIR THREADS COMMAND...: with what $device, $pipeline, $shape, $model and $more say.
go() {
	_dir=$1 _threads=$2
	shift 2
	plain --run "$_dir" -e "set threads $_threads" -e "$device" -e "$model" -e "$pipeline" -e 'set accum 2' -e 'set lr.warmup 1' -e 'set eval.every 2' -e 'set eval.batches 1' -e "$shape" -e "$more" "$@"
}

same_bytes() {
	python "$1" <<END
one = weights('one/step-0000000$steps_all.ckpt')
assert any(k.startswith('adam.v.') for k in one) and len(one) > 20, len(one)
for other in '$2'.split():
    w = weights(other + '/step-0000000$steps_all.ckpt')
    assert w.keys() == one.keys(), other
    bad = [k for k in one if w[k] != one[k]]
    assert not bad, (other, bad[:3])
    a, b = steps('one'), steps(other)
    assert a == b, (other, a, b)
END
}

try() {
	rm -rf one live back
	go one 1 -e "train $steps_all"
	check "$1: a run" is 0
	go live 4 -e 'train 1' -e 'set threads 1' -e 'train 1' -e 'set threads 3' -e 'train 1' -e 'set threads 2' -e 'train 1'
	go back 3 -e 'train 2'
	plain --resume --run back --set threads=4 -e "train $((steps_all - 2))"
	same_bytes "$1: one thread; 4, 1, 3 and 2, changed while it runs; resumed with others: the same bytes" "live back"
}

if ! have_python; then
	skip "no python3"
	done_testing
fi
device='device cpu' pipeline='pipeline static' model=$demo shape='set batch 2' more='set clip 1'
try "cpu, static"
pipeline='pipeline dynamic' model=$odd shape='set batch 3' more='set seq 37'
try "cpu, dynamic, odd sizes"
pipeline='pipeline static' more='set recompute on' model="$odd vocab=700"
try "cpu, static, odd sizes, recompute"
device='device sim budget=100000' more='set seq 37' model='new demo layers=2 dim=96 heads=4 kv_heads=2 hidden=160 head_dim=24' shape='set batch 1'
try "sim, static"
pipeline='pipeline dynamic'
try "sim, dynamic"
done_testing
