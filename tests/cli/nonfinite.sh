#!/bin/sh
# nonfinite.sh: a run that breaks down ends with status 1 and one line, and leaves nothing bad behind. SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

# No decay and no warm-up, a rate that no model survives.
script --run r 'set lr.warmup 0' 'set adam.decay 1' 'set ckpt.every 2' 'set clip 0' 'set adam.eps 0' 'lr 10 constant' 'train 2000'
check "training that breaks down: status 1, what and where" eval 'is 1 && in_err "is not finite at step [0-9]*; .*data: [a-z]*, sequences [0-9]* to [0-9]* of epoch"'
check "... and the checkpoints that are there are whole" eval 'for c in r/step-*.ckpt; do "$ANETUI" verify "$c" >/dev/null 2>&1 || exit 1; done; ls r/step-*.ckpt >/dev/null'
python "... and all of their numbers are finite" <<'END2'
import glob
for f in glob.glob('r/*.ckpt'):
    for name, (dtype, shape, b) in st_read(f)[0].items():
        if dtype == 'F32':
            assert all(math.isfinite(x) for x in struct.unpack('<%df' % (len(b) // 4), b)), (f, name)
END2
done_testing
