#!/bin/sh
# mil.sh: programs listed, shown, and run on files, against a few lines of plain python.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
plain -e 'mil list'
check "mil list names the six programs" eval 'is 0 && [ "$(grep -cE "^(fwdAttn|fwdFFN|ffnBwd|sdpaBwd1|sdpaBwd2|qkvBwd) +[0-9]+ +[0-9]+  [a-z]" out)" -eq 6 ]'
if ! have_python; then
	skip "needs python3"
	done_testing
fi
cat >ref.py <<'END'
import array, math, os, random, re, struct

def rnd(n, scale=1.0):
    return [random.uniform(-1, 1) * scale for _ in range(n)]

def put(path, v):
    open(path, 'wb').write(struct.pack('<%df' % len(v), *v))

def get(path):
    b = open(path, 'rb').read()
    return list(struct.unpack('<%df' % (len(b) // 4), b))

def f32(v):
    return list(struct.unpack('<%df' % len(v), struct.pack('<%df' % len(v), *v)))

def half(v):
    return list(struct.unpack('<%de' % len(v), struct.pack('<%de' % len(v), *v)))

# A weight file: header, one record, the data. The program names the offset of the record: 64.
def put_blob(path, v, kind):
    data = struct.pack('<%de' % len(v), *v) if kind == 1 else struct.pack('<%df' % len(v), *v)
    record = struct.pack('<IIQQQ', 0xDEADBEEF, kind, len(data), 128, 0).ljust(64, b'\0')
    open(path, 'wb').write(struct.pack('<II', 1, 2).ljust(64, b'\0') + record + data)

def weights_of(text):
    """{file: dims} of the BLOBFILEs in a program."""
    out = {}
    for dims, name in re.findall(r'tensor<fp(?:16|32), \[([0-9, ]+)\]>\(BLOBFILE\(path = \w+(?:<[^>]*>)?\("@model_path/weights/(\w+)\.bin"', text):
        out[name] = [int(d) for d in dims.split(',')]
    return out

def channels(text):
    """{surface: {name: (first, last)}} from the comment lines behind a shown program."""
    t = {}
    for s, n, a, b in re.findall(r'// (\w+): (\w+) channels (\d+)\.\.(\d+)', text):
        t.setdefault(s, {})[n] = (int(a), int(b))
    return t

def near(a, b, tol, what):
    assert len(a) == len(b), (what, len(a), len(b))
    num = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))
    den = math.sqrt(sum(y * y for y in b))
    assert num <= tol * den, (what, num / den if den else num)

def conv(w, x, rows, cols, n):
    """w [rows, cols] times x [cols, n]"""
    return [sum(w[r * cols + c] * x[c * n + t] for c in range(cols)) for r in range(rows) for t in range(n)]

def rmsnorm(x, w, dim, n, eps):
    out = [0.0] * (dim * n)
    for t in range(n):
        r = 1 / math.sqrt(sum(x[c * n + t] ** 2 for c in range(dim)) / dim + eps)
        for c in range(dim):
            out[c * n + t] = x[c * n + t] * r * w[c]
    return out
END
# The shape: grouped queries, odd sizes, two sequences.
shape='new demo layers=1 dim=12 hidden=20 heads=3 kv_heads=1 head_dim=6 vocab=300'
for p in fwdAttn fwdFFN ffnBwd sdpaBwd1 sdpaBwd2 qkvBwd; do
	plain -e "$shape" -e 'set seq 5' -e 'set batch 2' -e "mil show $p"
	check "mil show $p: a whole program, and where its channels are" eval 'is 0 && head -n 1 out | grep -q "^program(1.3)" && in_out "^// [a-z]*: .* channels 0\.\."'
	cp out "$p.mil"
done
cat >files.py <<'END'
import sys
from ref import *
random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
S, B, HD, THETA = 5, 2, 6, 10000.0
kind = sys.argv[1]
for p in ('fwdAttn', 'fwdFFN', 'ffnBwd', 'sdpaBwd1', 'sdpaBwd2', 'qkvBwd'):
    text = open(p + '.mil').read()
    d = '%s.%s' % (p, kind)
    os.makedirs(d, exist_ok=True)
    for name, dims in sorted(weights_of(text).items()):
        n = math.prod(dims)
        if name == 'eps':
            v = [1e-5]
        elif name.startswith('rope'):
            f = math.cos if 'cos' in name else math.sin
            v = [f(t % S * THETA ** (-2 * i / HD)) for i in range(dims[1]) for t in range(B * S)]
        elif name == 'mask':
            rows, cols = dims[2], dims[3]
            v = [0.0 if c <= r % S else -1e4 for r in range(rows) for c in range(cols)]
        elif name.startswith('scale'):
            v = [1 / math.sqrt(HD)]
        else:
            v = rnd(n, 0.5)
        if kind == 'raw':
            put('%s/%s.bin' % (d, name), v)
        elif kind == 'f32':
            put('%s/%s.f32' % (d, name), v)
        else:
            os.makedirs(d + '/weights', exist_ok=True)
            put_blob('%s/weights/%s.bin' % (d, name), v, 1)
    for inp, dims in re.findall(r'tensor<fp16, \[([0-9, ]+)\]> (\w+)[,)]', text.split('func main')[1].split('{')[0]) and \
            [(b, a) for a, b in re.findall(r'tensor<fp16, \[([0-9, ]+)\]> (\w+)', text.split('func main')[1].split('{')[0])]:
        put('%s.%s.f32' % (p, inp), rnd(math.prod(int(x) for x in dims.split(','))))
END
for kind in raw f32 half; do
	python3 files.py $kind
	for p in fwdAttn fwdFFN ffnBwd sdpaBwd1 sdpaBwd2 qkvBwd; do
		inputs=
		for f in $p.*.f32; do
			[ -f "$f" ] || continue
			name=${f#"$p".}
			inputs="$inputs ${name%.f32}=$f"
		done
		case $p in sdpaBwd1) outputs="out.ps=$p.$kind.out out.dv=$p.$kind.dv" ;; *) outputs=out=$p.$kind.out ;; esac
		run mil run $p.mil weights=$p.$kind $inputs $outputs
		check "mil run $p with $kind weights: shapes and time" eval 'is 0 && in_out "^[a-z]* fp.* -> $p.$kind.out" && in_out "compile .* ms, run .* ms"'
	done
done
for kind in raw half; do
	python "fwdFFN with $kind weights is norm, SwiGLU and the residual" <<END
from ref import *
D, F, n = 12, 20, 10
text = open('fwdFFN.mil').read()
load = lambda name: get('fwdFFN.raw/%s.bin' % name) if '$kind' == 'raw' else half(get('fwdFFN.raw/%s.bin' % name))
x, out, ch = get('fwdFFN.x.f32'), get('fwdFFN.$kind.out'), channels(text)['out']
part = lambda name: out[ch[name][0] * n:(ch[name][1] + 1) * n]
eps = load('eps')[0]
xn = rmsnorm(x, load('rms2'), D, n, eps)
h1, h3 = conv(load('w1'), xn, F, D, n), conv(load('w3'), xn, F, D, n)
gate = [a / (1 + math.exp(-a)) * b for a, b in zip(h1, h3)]
y = [a + b for a, b in zip(x, conv(load('w2'), gate, D, F, n))]
for name, want in (('x2norm', xn), ('h1', h1), ('h3', h3), ('gate', gate), ('y', y)):
    near(part(name), want, 1e-5, name)
END
	python "fwdAttn with $kind weights is norm, rotation, causal attention of grouped queries and the residual" <<END
from ref import *
D, H, KV, HD, S, B = 12, 3, 1, 6, 5, 2
n = B * S
text = open('fwdAttn.mil').read()
load = lambda name: get('fwdAttn.raw/%s.bin' % name) if '$kind' == 'raw' else half(get('fwdAttn.raw/%s.bin' % name))
x, out, ch = get('fwdAttn.x.f32'), get('fwdAttn.$kind.out'), channels(text)['out']
part = lambda name: out[ch[name][0] * n:(ch[name][1] + 1) * n]
xn = rmsnorm(x, load('rms1'), D, n, load('eps')[0])
cos, sin = load('rope_cos'), load('rope_sin')
def rotate(v, heads):
    v = list(v)
    for h in range(heads):
        for i in range(HD // 2):
            for t in range(n):
                a, b = (h * HD + 2 * i) * n + t, (h * HD + 2 * i + 1) * n + t
                c, s = cos[i * n + t], sin[i * n + t]
                v[a], v[b] = v[a] * c - v[b] * s, v[b] * c + v[a] * s
    return v
q = rotate(conv(load('wq'), xn, H * HD, D, n), H)
k = rotate(conv(load('wk'), xn, KV * HD, D, n), KV)
v = conv(load('wv'), xn, KV * HD, D, n)
scale = load('scale')[0]
attn = [0.0] * (H * HD * n)
for b in range(B):
    for h in range(H):
        g = h // (H // KV)
        for t in range(S):
            score = [scale * sum(q[(h * HD + i) * n + b * S + t] * k[(g * HD + i) * n + b * S + u] for i in range(HD)) for u in range(t + 1)]
            m = max(score)
            e = [math.exp(s - m) for s in score]
            for i in range(HD):
                attn[(h * HD + i) * n + b * S + t] = sum(p * v[(g * HD + i) * n + b * S + u] for u, p in enumerate(e)) / sum(e)
x2 = [a + b for a, b in zip(x, conv(load('wo'), attn, D, H * HD, n))]
for name, want in (('xnorm', xn), ('q', q), ('k', k), ('v', v), ('attn', attn), ('x2', x2)):
    near(part(name), want, 2e-5, name)
END
done
python "names in .f32 and in .bin mean the same, and every output is finite" <<'END'
from ref import *
for p in ('fwdAttn', 'fwdFFN', 'ffnBwd', 'sdpaBwd1', 'sdpaBwd2', 'qkvBwd'):
    assert open(p + '.raw.out', 'rb').read() == open(p + '.f32.out', 'rb').read(), p
    for kind in ('raw', 'half'):
        assert all(math.isfinite(x) for x in get('%s.%s.out' % (p, kind))), p
END

# --- a program by hand: several outputs, both ways of writing ---
cat >two.mil <<'END'
program(1.3)
[buildInfo = dict<string, string>({{"coremlc-version", "3505.4.1"}})]
{
    func main<ios18>(tensor<fp32, [1, 4, 1, 3]> a, tensor<fp32, [1, 4, 1, 3]> b) {
        tensor<fp32, [1, 4, 1, 3]> total = add(x = a, y = b)[name = string("total")];
        tensor<fp32, [2, 4, 1, 1]> w = const()[name = string("w"), val = tensor<fp32, [2, 4, 1, 1]>(BLOBFILE(path = string("@model_path/weights/w.bin"), offset = uint64(64)))];
        string valid = const()[name = string("valid"), val = string("valid")];
        tensor<fp32, [1, 2, 1, 3]> mixed = conv(weight = w, x = total, pad_type = valid)[name = string("mixed")];
        tensor<int32, [1]> axis = const()[name = string("axis"), val = tensor<int32, [1]>([1])];
        bool keep = const()[name = string("keep"), val = bool(true)];
        tensor<fp32, [1, 1, 1, 3]> top = reduce_max(axes = axis, keep_dims = keep, x = mixed)[name = string("top")];
    } -> (mixed, top);
}
END
sed -e 's/program(1.3)/program(1.0)/; s/ios18/ios16/; s/dict<string, string>({{"coremlc-version", "3505.4.1"}})/dict<tensor<string, []>, tensor<string, []>>({{tensor<string, []>("coremlc-version"), tensor<string, []>("3505.4.1")}})/' \
	-e 's/string(\("[^"]*"\))/tensor<string, []>(\1)/g; s/uint64(64)/tensor<uint64, []>(64)/; s/bool(true)/tensor<bool, []>(true)/; s/^        string valid/        tensor<string, []> valid/; s/^        bool keep/        tensor<bool, []> keep/' two.mil >two-typed.mil
mkdir w
python3 - <<'END'
from ref import *
random.seed(3)
put('a.f32', rnd(12)); put('b.f32', rnd(12)); put('w/w.bin', rnd(8)); put('short.f32', rnd(11)); put('long.f32', rnd(13))
os.makedirs('blob/weights'); put_blob('blob/weights/w.bin', get('w/w.bin'), 2)
os.makedirs('bad'); put('bad/w.bin', rnd(7))
os.makedirs('wrong'); put_blob('wrong/w.bin', rnd(7), 2)
os.makedirs('type'); put_blob('type/w.bin', rnd(8), 1)
put('nan.f32', [float('nan'), float('inf')] + rnd(10))
open('empty.f32', 'wb')
END
for v in two two-typed; do
	for w in w blob; do
		rm -f mixed.f32 top.f32
		run mil run $v.mil weights=$w a=a.f32 b=b.f32 out.mixed=mixed.f32 out.top=top.f32
		check "$v: two outputs, $w weights" eval 'is 0 && in_out "^mixed .* -> mixed.f32" && in_out "^top .* -> top.f32"'
		python "$v, $w: the sums are right" <<'END'
from ref import *
a, b, w = get('a.f32'), get('b.f32'), get('w/w.bin')
mixed = conv(w, [x + y for x, y in zip(a, b)], 2, 4, 3)
near(get('mixed.f32'), mixed, 1e-6, 'mixed')
near(get('top.f32'), [max(mixed[t], mixed[3 + t]) for t in range(3)], 1e-6, 'top')
END
	done
done
run mil run two.mil weights=w a=a.f32 b=b.f32 out.top=top.f32
check "an output that is not wanted is named" eval 'is 0 && in_out "^mixed .*not written: out.NAME=FILE"'
run mil run two.mil weights=w a=nan.f32 b=b.f32 out.mixed=mixed.f32
check "numbers that are none go through" is 0
# 64 values of fp16: the weight file is as long as 64 raw fp32 values.
sed -e 's/\[1, 4, 1, 3\]/[1, 8, 1, 3]/g; s/\[2, 4, 1, 1\]/[8, 8, 1, 1]/g; s/\[1, 2, 1, 3\]/[1, 8, 1, 3]/g; s/tensor<fp32, \[8, 8, 1, 1\]>/tensor<fp16, [8, 8, 1, 1]>/g; s/fp32/fp16/g' two.mil >eight.mil
python3 - <<'END'
from ref import *
random.seed(4)
put('a8.f32', rnd(24)); put('b8.f32', rnd(24))
os.makedirs('w8'); put_blob('w8/w.bin', rnd(64), 1)
assert os.path.getsize('w8/w.bin') == 256
os.makedirs('w8raw'); random.seed(4); rnd(48); put('w8raw/w.bin', half(rnd(64)))
END
run mil run eight.mil weights=w8 a=a8.f32 b=b8.f32 out.mixed=m1.f32
cp err err1
run mil run eight.mil weights=w8raw a=a8.f32 b=b8.f32 out.mixed=m2.f32
check "64 values in a weight file are not taken for raw ones" eval 'is 0 && cmp -s m1.f32 m2.f32'

# --- what does not fit ---
fails() {
	_what=$1
	_want=$2
	shift 2
	rm -f o.f32
	run mil run "$@"
	check "$_what" eval '{ is 1 || is 2; } && err_lines 1 "" && in_err "$_want" && [ ! -e o.f32 ]'
}
fails "an input that is too short: both sizes" "short.f32: 44 bytes, input a .*48 bytes" two.mil weights=w a=short.f32 b=b.f32 out.top=o.f32
fails "an input that is too long" "long.f32: 52 bytes, .*48 bytes" two.mil weights=w a=a.f32 b=long.f32 out.top=o.f32
fails "an empty input" "empty.f32: 0 bytes" two.mil weights=w a=empty.f32 b=b.f32 out.top=o.f32
fails "an input that is not there" "nowhere.f32: No such file" two.mil weights=w a=nowhere.f32 b=b.f32 out.top=o.f32
fails "an input that is not given" "input b .*is not given" two.mil weights=w a=a.f32 out.top=o.f32
fails "a name that is none" "c=a.f32: .*no such input" two.mil weights=w a=a.f32 b=b.f32 c=a.f32 out.top=o.f32
fails "out= with two outputs" "out=o.f32" two.mil weights=w a=a.f32 b=b.f32 out=o.f32
fails "an output that is none" "out.low=o.f32" two.mil weights=w a=a.f32 b=b.f32 out.low=o.f32
fails "no weights" "weights=DIR" two.mil a=a.f32 b=b.f32 out.top=o.f32
fails "weights that are not there" "not in nowhere" two.mil weights=nowhere a=a.f32 b=b.f32 out.top=o.f32
fails "raw weights of the wrong length" "w.bin" two.mil weights=bad a=a.f32 b=b.f32 out.top=o.f32
fails "a weight file of the wrong length" "w.bin" two.mil weights=wrong a=a.f32 b=b.f32 out.top=o.f32
fails "a weight file of the wrong type" "w.bin" two.mil weights=type a=a.f32 b=b.f32 out.top=o.f32
fails "an output in a folder that is not there" "no/such" two.mil weights=w a=a.f32 b=b.f32 out.top=no/such/o.f32
fails "a folder" "is a folder" w
fails "no program" "nowhere.mil: No such file" nowhere.mil
# Each a change of the program, and what the message must contain: always the file, the line and the column.
while IFS='|' read -r change want; do
	[ -n "$change" ] || continue
	sed -e "$change" two.mil >wrong.mil
	fails "$change" "^mil: wrong.mil:[0-9]*:[0-9]*: .*$want" wrong.mil weights=w a=a.f32 b=b.f32 out.top=o.f32
done <<'END'
s/add(/plus(/|plus
s/total = add(x = a/total = add(x = aa/|aa
s/\[1, 2, 1, 3\]/[1, 3, 1, 3]/|\[1, 2, 1, 3\]
s/x = a, y = b/x = a/|y
s/x = a, y = b/x = a, y = b, z = a/|z
s/;$//|expected
s/(mixed, top)/(mixed, bottom)/|bottom
s/uint64(64)/uint64(-1)/|
s/\[2, 4, 1, 1\]/[2, 99999999, 9999999, 99999]/g|
s/\[1, 4, 1, 3\]/[1, 0, 1, 3]/g|
s/\[1, 4, 1, 3\]/[1, -4, 1, 3]/g|
s/\[1, 4, 1, 3\]/[1, 4, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1]/g|
s/fp32/fp64/g|fp64
s/axes = axis/axes = keep/|
s/tensor<int32, \[1\]>(\[1\])/tensor<int32, [1]>([7])/|
s/string("valid"), val = string("valid")/string("valid"), val = string("sideways")/|pad_type
s/program(1.3)/program(9.9/|
END
sed 's/@model_path/..\/../' two.mil >wrong.mil
fails "weights outside of their folder" "leaves its folder" wrong.mil weights=w a=a.f32 b=b.f32 out.top=o.f32
printf '%s' "$(head -c 300 two.mil)" >cut.mil
fails "a program that is cut" "^mil: cut.mil:[0-9]*:[0-9]*: " cut.mil weights=w a=a.f32 b=b.f32 out.top=o.f32
tr 'a' '\000' <two.mil >zero.mil
fails "a program with zero bytes" "^mil: zero.mil:[0-9]*:[0-9]*: " zero.mil weights=w a=a.f32 b=b.f32 out.top=o.f32
{ head -n 4 two.mil; i=0; while [ $i -lt 3000 ]; do printf '((((((((((((((((((((((((((((((((('; i=$((i + 1)); done; } >deep.mil
fails "brackets a hundred thousand deep" "^mil: deep.mil:[0-9]*:[0-9]*: " deep.mil weights=w a=a.f32 b=b.f32 out.top=o.f32
sed 's/\[1, 4, 1, 3\]/[1, 4, 1, 500000000]/g; s/\[1, 2, 1, 3\]/[1, 2, 1, 500000000]/g; s/\[1, 1, 1, 3\]/[1, 1, 1, 500000000]/g' two.mil >big.mil
fails "inputs of eight gigabytes, files of 48 bytes" "a.f32: 48 bytes" big.mil weights=w a=a.f32 b=b.f32 out.top=o.f32
cat >tile.mil <<'END'
program(1.3)
{
    func main<ios18>(tensor<fp32, [1, 4, 1, 3]> a) {
        tensor<int32, [4]> reps = const()[name = string("reps"), val = tensor<int32, [4]>([1, 40000, 1, 4000])];
        tensor<fp32, [1, 160000, 1, 12000]> t = tile(reps = reps, x = a)[name = string("t")];
        tensor<fp32, [1, 160000, 1, 12000]> u = exp(x = t)[name = string("u")];
        tensor<fp32, [1, 160000, 1, 12000]> v = add(x = t, y = u)[name = string("v")];
    } -> (t, u, v);
}
END
fails "results beyond the memory: how much is needed, how much there is" "[0-9] GiB.*, there are .*iB" tile.mil a=a.f32 out.v=o.f32
done_testing
