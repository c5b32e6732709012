#!/bin/sh
# bench.sh: `bench`: every figure has its line and its JSON, nothing is left behind. No figure is judged. SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

run bench mil
check "a benchmark by name: its lines" eval 'is 0 && in_out "demo: all programs, compiled and bound  *[0-9]" && in_out "stories110m: all programs"'
run bench ckpt
check "checkpoints: saved beside a plain file of that size, and loaded" eval 'is 0 && in_out "demo: a plain file, .* MiB  *[0-9.]* .* --  *--" && in_out "demo: save  *[0-9.]* .*GB/s  *[0-9.]*  *[0-9.]" && in_out "demo: load  *[0-9].*GB/s"'
check "... and none is left behind" eval '[ -z "$(find "$XDG_CACHE_HOME" -name "bench-*")" ]'

run bench start
check "from the start of a process to its first step" eval 'is 0 && in_out "demo: start to first step  *[0-9]" && in_out "demo: resume to first step  *[0-9]"'
check "... whose run is not left behind either" eval '[ -z "$(find "$XDG_CACHE_HOME" -name "bench-*")" ]'

run bench demo format=json
cp out bench.json
check "as JSON" is 0
python "JSON: rows, each beside its floor; programs and host work make up the micro-step" <<'END'
b = json.load(open('bench.json'))
assert b['threads'] >= 1 and b['blas'] and b['version'], b
rows = {r['name']: r for r in b['rows']}
micro = rows['micro-step, batch 2 x 256']
assert micro['tokens'] == 512 and micro['flops'] > 1e9 and micro['ms'] > 0
for r in rows.values():
    assert r['group'] == 'demo' and r['ms'] > 0, r
    if r['floor_ms'] is not None:
        assert abs(r['share'] - r['floor_ms'] / r['ms']) < 1e-6 * r['share'], r
    else:
        assert r['share'] is None and r['flops'] is None and r['bytes'] is None, r
parts = [r for n, r in rows.items() if n not in ('micro-step, batch 2 x 256', 'gradient norm', 'update (AdamW)')]
assert len(parts) >= 10 and 0.5 * micro['ms'] < sum(r['ms'] for r in parts) < 2 * micro['ms'], (micro, parts)
assert rows['fwdAttn']['flops'] > 0 and rows['host: embed']['bytes'] > 0 and rows['update (AdamW)']['bytes'] > 0
END

run bench nothing
check "no such benchmark: one line, which there are" eval 'is 2 && in_err "bench: nothing: no such benchmark (there are: sgemm memory .* growth)$" && empty out'
names=$(sed -n 's/.*there are: \(.*\))$/\1/p' err | tr ' ' ',')
check "completion offers the same" grep -q "COMMAND(BENCH.*choice:$names " "$ANETUI_ROOT/src/core/commands.def"
run bench sgemm xml
check "usage" eval 'is 2 && in_err "bench: xml: wanted"'
done_testing
