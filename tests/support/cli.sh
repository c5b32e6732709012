# cli.sh: what the tests of the whole program share: TAP lines, ways to run it, small python checks. Sourced, not run.
# SPDX-License-Identifier: MIT
set -u
n=0 bad=0 status=0
data=${ANETUI_TESTDATA:-}
small='new demo layers=1 dim=32 heads=2 kv_heads=2 hidden=64 head_dim=16'

# check NAME COMMAND...: one line of TAP; what was printed is shown when it failed.
check() {
	n=$((n + 1))
	_name=$1
	shift
	if "$@"; then
		echo "ok $n - $_name"
	else
		bad=$((bad + 1))
		echo "not ok $n - $_name"
		echo "# status $status"
		[ -f out ] && head -c 3000 out | sed 's/^/# out: /'
		[ -f err ] && head -c 3000 err | sed 's/^/# err: /'
	fi
}
skip() {
	n=$((n + 1))
	echo "ok $n # SKIP $1"
}
# All that follows needs NAME below $ANETUI_TESTDATA.
needs_data() {
	for _f in "$@"; do
		if [ ! -f "$data/$_f" ]; then
			skip "needs ANETUI_TESTDATA"
			done_testing
		fi
	done
}
have_python() { command -v python3 >/dev/null 2>&1; }
done_testing() {
	echo "1..$n"
	[ "$bad" -eq 0 ]
	exit
}

# plain OPTION...: the program without a screen; out, err and $status tell the rest.
plain() {
	"$ANETUI" --plain "$@" >out 2>err </dev/null
	status=$?
}
run() {
	"$ANETUI" "$@" >out 2>err </dev/null
	status=$?
}
# script [--run DIR] LINE...: the small model with small batches, then the lines, as -e options.
script() {
	_dir=
	if [ "$1" = --run ]; then
		_dir=$2
		shift 2
	fi
	_rest=$#
	set -- "$@" -e "$small" -e 'set seq 32' -e 'set batch 2'
	while [ "$_rest" -gt 0 ]; do
		_word=$1
		shift
		set -- "$@" -e "$_word"
		_rest=$((_rest - 1))
	done
	[ -z "$_dir" ] || set -- --run "$_dir" "$@"
	plain "$@"
}
is() { [ "$status" -eq "$1" ]; }
in_out() { grep -q -e "$1" out; }
in_err() { grep -q -e "$1" err; }
empty() { [ ! -s "$1" ]; }
# Exactly K lines of standard error match.
err_lines() { [ "$(grep -c -e "$2" err)" -eq "$1" ]; }
# wait_for SECONDS COMMAND...: until it is true; no test fails because a machine is slow, so seconds are many.
wait_for() {
	_left=$(($1 * 10))
	shift
	while [ "$_left" -gt 0 ]; do
		"$@" && return 0
		sleep 0.1
		_left=$((_left - 1))
	done
	return 1
}

# A reader of safetensors files that shares nothing with the program: `from st import *`.
python_parts() {
	cat >st.py <<'END'
import json, math, struct, sys

def st_read(path):
    """{name: (dtype, shape, bytes)}, metadata"""
    f = open(path, 'rb').read()
    n = struct.unpack('<Q', f[:8])[0]
    head = json.loads(f[8:8 + n].decode('utf-8'))
    meta = head.pop('__metadata__', {})
    body, end, out = f[8 + n:], 0, {}
    size = {'F32': 4, 'U32': 4, 'U8': 1}
    for name, t in sorted(head.items(), key=lambda x: x[1]['data_offsets']):
        a, b = t['data_offsets']
        assert a == end, 'hole before ' + name
        assert b - a == size[t['dtype']] * math.prod(t['shape']), name
        end = b
        out[name] = (t['dtype'], t['shape'], body[a:b])
    assert end == len(body), 'bytes follow'
    return out, meta

def events(run):
    return [json.loads(l) for l in open(run + '/metrics.jsonl', encoding='utf-8')]

def steps(run, last=None):
    """What must be equal in every step event; of several with one number the last."""
    s = {}
    for e in events(run):
        if e['event'] == 'step' and (last is None or e['step'] <= last):
            s[e['step']] = tuple(e[k] for k in ('loss', 'grad_norm', 'lr', 'tokens'))
    return s

def weights(path):
    return {k: v for k, v in st_read(path)[0].items() if k not in ('anetui.crc', 'tokenizer')}
END
}
# python NAME: a check written in python on standard input; an assertion that fails is the failure.
python() {
	_title=$1
	if ! have_python; then
		skip "$_title: needs python3"
		return
	fi
	[ -f st.py ] || python_parts
	{ echo 'from st import *'; cat; } >check.py
	n=$((n + 1))
	if python3 check.py >py.out 2>&1; then
		echo "ok $n - $_title"
	else
		bad=$((bad + 1))
		echo "not ok $n - $_title"
		tail -n 15 py.out | sed 's/^/# /'
	fi
}
