#!/bin/sh
# extras.sh: `extras on` from end to end: the same losses, the programs to be seen, resuming, with compaction, both pipelines, simulated.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
go() {
	_dir=$1
	shift
	script --run "$_dir" 'set lr.warmup 5' 'set lr.steps 20' 'set eval.every 7' "$@"
}
near() {
	python "$1" <<END
a, b = steps('$2'), steps('$3')
assert sorted(a) == sorted(b) == list(range(1, 21)), (len(a), len(b))
worst = max(abs(a[k][0] - b[k][0]) / a[k][0] for k in a)
assert worst <= $4, worst
END
}
bytes() {
	python "$1" <<END
assert steps('$2') == steps('$3') and len(steps('$3')) == 20
assert weights('$2/step-00000020.ckpt') == weights('$3/step-00000020.ckpt')
END
}

go off 'train 20'
go on 'set extras on' 'train 20' 'mil list' 'mil show normBwd' 'kernels'
check "the programs are listed, shown and timed" eval 'is 0 && in_out "^classifierBwd .*extras" && in_out "dy: dy channels 0..31" && in_out "^softmax  *1  *[0-9.]"'
check "what the host did before has no row" eval '! in_out "^final norm"'
near "the same losses" off on 2e-5
go again 'set extras on' 'train 7'
plain --resume --run again -e 'train 13'
bytes "resumed with them: the same bytes" on again
go live 'train 10' 'set extras on' 'train 10'
near "on while it runs" off live 2e-5
go dynamic 'pipeline dynamic' 'set extras on' 'train 20'
near "in the dynamic pipeline" off dynamic 2e-5
go compact 'set vocab.compact on' 'train 20'
go both 'set vocab.compact on' 'set extras on' 'train 20'
near "with vocab.compact" compact both 2e-5
go sim 'device sim budget=100000' 'set extras on' 'set loss_scale 1024' 'set batch 2' 'train 20'
check "on the simulated device" is 0
near "losses of fp16 near those of fp32" off sim 2e-2
plain -e 'new demo vocab=151936' -e 'set seq 64' -e 'set batch 1' -e 'device sim chip=m4' -e 'set extras on' -e 'mil show classifier'
check "a vocabulary of 151,936 is cut below the chip's 65,536 channels" eval 'is 0 && in_out "// logits: logits channels 0\.\.50645"'
done_testing
