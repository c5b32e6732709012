#!/bin/sh
# recompute.sh: `set recompute on` from end to end: losses and files as without, live changes, resuming, kernels, work, memory.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
go() {
	_dir=$1
	shift
	"$ANETUI" --plain --run "$_dir" -e "new demo layers=5 dim=32 heads=2 kv_heads=2 hidden=64 head_dim=16" -e 'set seq 64' -e 'set batch 2' \
		-e 'set eval.every 4' -e 'set accum 2' "$@" >out 2>err </dev/null
	status=$?
}

go off -e 'train 6' -e info
memory=$(sed -n 's/^  *activations  *//p' out) work=$(sed -n 's/^work  *//p' out)
go on -e 'set recompute on' -e 'train 6' -e info -e kernels
check "every layer but the last goes forward twice" eval 'is 0 && in_out "^fwdAttn  *9 " && in_out "^fwdFFN  *9 " && in_out "^ffnBwd  *5 " && in_out "^keep inputs  *8 "'
check "the work that is counted is the model's, not the second pass" in_out "^work  *$work"
check "less memory" eval 'test -n "$memory" && ! in_out "^  *activations  *$memory$"'
go changes -e 'train 2' -e 'set recompute on' -e 'train 2' -e 'set recompute off' -e 'train 2'
check "changed while it runs" is 0
go parts -e 'set recompute on' -e 'train 3'
plain --resume --run parts -e 'train 3' -e 'get recompute'
check "resuming keeps it" eval 'is 0 && in_out "^recompute on"'
python "the same losses, gradient norms and weights" <<'END'
want = steps('off')
assert len(want) == 6
for other in 'on', 'changes', 'parts':
    assert steps(other) == want, other
    a, b = (st_read(d + '/step-00000006.ckpt')[0] for d in ('off', other))
    assert all(a[k][2] == b[k][2] for k in a if k != 'anetui.crc'), other
END
done_testing
