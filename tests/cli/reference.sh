#!/bin/sh
# reference.sh: fixed-order runs of models from Hugging Face folders against numbers that PyTorch made in double precision
# (tests/reference/torch_losses.py): losses within 5e-6, gradient norms within 2e-5 of themselves. SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
if ! have_python; then
	skip "needs python3"
	done_testing
fi
ref=$ANETUI_ROOT/tests/reference
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$ref
export PYTHONDONTWRITEBYTECODE PYTHONPATH

# compare NAME RUN: every step of the run beside losses.txt.
compare() {
	python "$1: losses and gradient norms are PyTorch's" <<END
want = [l.split() for l in open('$ref/losses.txt') if l.split()[0] == '$1']
have = [e for e in events('$2') if e['event'] == 'step']
assert len(want) == 12 and len(have) == 12, len(have)
for (_, step, loss, norm), e in zip(want, have):
    loss, norm = float(loss), float(norm)
    assert e['step'] == int(step), e
    assert abs(e['loss'] - loss) <= 5e-6, (step, e['loss'], loss)
    assert abs(e['grad_norm'] / norm - 1) <= 2e-5, (step, e['grad_norm'], norm)
END
}

for name in $(python3 -c 'import cases; print(*cases.CASES)'); do
	python3 -c "import cases; cases.write('$name', '$name'); print(*cases.commands('$name', '$name'), sep='\n')" >"$name.cmd"
	plain --run "run-$name" -x "$name.cmd"
	check "$name: 12 steps" is 0
	compare "$name" "run-$name"
	plain --run "dyn-$name" -e 'pipeline dynamic' -x "$name.cmd"
	compare "$name" "dyn-$name"
done
done_testing
