#!/bin/sh
# pipeline.sh: static and dynamic programs train to the same losses; switching while a run goes on; what is recorded and shown.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
# Grouped queries, alpha, two layers; the last steps are past the warm-up.
small='new demo layers=2 dim=32 heads=4 kv_heads=2 hidden=48 head_dim=8 alpha=0.5'
go() {
	_run=$1
	shift
	script --run "$_run" 'set lr.warmup 5' 'set eval.every 25' "$@"
}

# Losses of two runs, at every step, and their validations, within a relative distance.
near() {
	python "$1" <<END
a, b = steps('$2'), steps('$3')
assert sorted(a) == sorted(b) == list(range(1, $5 + 1)), (len(a), len(b))
worst = max(abs(a[k][0] - b[k][0]) / a[k][0] for k in a)
assert worst <= $4, worst
va, vb = ([e['loss'] for e in events(r) if e['event'] == 'eval'] for r in ('$2', '$3'))
assert len(va) == len(vb) > 1 and max(abs(x - y) / x for x, y in zip(va, vb)) <= $4, (va, vb)
assert a[$5][0] < a[1][0] - 0.3, (a[1][0], a[$5][0])
END
}

# --- fifty steps ---
go static 'train 50'
check "fifty steps with static programs" is 0
go dynamic 'pipeline dynamic' 'train 50'
check "fifty steps with dynamic programs" is 0
near "their losses are the same to 1e-5" static dynamic 1e-5 50
go separate 'pipeline dynamic inputs=separate' 'train 50'
near "with weights as inputs of their own too" static separate 1e-5 50
python "and those are the packed ones' to the last bit" <<'END'
assert steps('dynamic') == steps('separate')
assert weights('dynamic/step-00000050.ckpt') == weights('separate/step-00000050.ckpt')
END

# --- switching ---
go live 'train 10' 'pipeline dynamic' 'train 10' 'pipeline dynamic inputs=separate' 'train 10' 'pipeline static' 'train 20'
check "switching three times on the way" is 0
near "changes no loss" static live 1e-5 50
check "is recorded like a setting" eval 'grep -q "^set pipeline.kind dynamic$" live/settings.cmd && grep -q "^set pipeline.inputs separate$" live/settings.cmd && grep -q "^set pipeline.kind static$" live/settings.cmd'
plain --run again -x live/settings.cmd
python "settings.cmd makes that run again, to the last bit" <<'END'
assert steps('live') == steps('again')
assert weights('live/step-00000050.ckpt') == weights('again/step-00000050.ckpt')
changes = [(e['key'], e['new'], e['step']) for e in events('again') if e['event'] == 'set' and e['key'].startswith('pipeline')]
assert [c for c in changes if c[2]] == [('pipeline.kind', 'dynamic', 10), ('pipeline.inputs', 'separate', 20), ('pipeline.kind', 'static', 30)], changes
END
go resumed 'pipeline dynamic' 'train 20'
plain --resume --run resumed -e info -e 'train 30'
check "a resumed run keeps its pipeline" in_out '^pipeline  dynamic: .* one input'
python "and is the same run" <<'END'
assert steps('dynamic') == steps('resumed')
END

# --- on the simulated device ---
go sim-static 'device sim budget=1000' 'train 50' device
check "static programs are compiled again for each of 51 states of the weights: two layers of five programs, and one without weights" in_out '^compiles: 511 used'
go sim-dynamic 'device sim' 'pipeline dynamic' 'train 50' device
check "dynamic ones once" in_out '^compiles: 10 used in this process, 109 left'
go sim-separate 'device sim' 'pipeline dynamic inputs=separate' 'train 50'
near "fp16 and static: the losses of fp32 to 5e-4" static sim-static 5e-4 50
near "fp16 and dynamic" static sim-dynamic 5e-4 50
near "fp16 and separate inputs" static sim-separate 5e-4 50

# --- shown ---
script pipeline 'pipeline dynamic' pipeline 'pipeline dynamic inputs=separate' info 'mil list' 'mil show qBwd'
check "pipeline alone says what is in use" eval 'in_out "^static: " && in_out "^dynamic: .* one input"'
check "and so does info" in_out '^pipeline  dynamic: .* inputs of their own'
check "mil list has the ten" eval '[ "$(grep -cE "^(sdpaFwd|woFwd|ffnFused|ffnBwdW2t|ffnBwdW13t|wotBwd|sdpaBwd1|sdpaBwd2|qBwd|kvBwd) +[0-9]+ +[0-9]+  [A-Za-z]" out)" -eq 10 ] && ! grep -q fwdAttn out'
check "a weight of its own is an input" eval 'in_out "func main<ios18>(tensor<fp16, \[1, 32, 1, 64\]> x, tensor<fp16, \[1, 32, 1, 32\]> wq)" && in_out "^// wq: wq columns 0..31$"'
script 'pipeline dynamic' 'mil show kvBwd' 'mil show fwdAttn'
check "packed it stands behind the activations" eval 'in_out "^// x: dk columns 0..63$" && in_out "^// x: wk columns 128..159$" && in_out "^// x: wv columns 160..191$"'
check "the other pipeline's programs are shown by name" in_out '^// out: xnorm channels'
script 'pipeline dynamic' 'mil show sdpaBwd1'
check "of two with one name, the one in use: dynamic" in_out '^// x: da channels'
script 'mil show sdpaBwd1'
check "static" in_out '^// x: dx2 channels'
done_testing
