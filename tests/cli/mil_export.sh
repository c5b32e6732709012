#!/bin/sh
# mil_export.sh: exported programs: their weight files by the byte, against the checkpoint; run again from the folder; what is refused.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
shape='new demo layers=2 dim=12 hidden=20 heads=4 kv_heads=2 head_dim=6 vocab=300'
plain --run r -e "$shape" -e 'set seq 5' -e 'set batch 2' -e 'train 2' -e 'ckpt now' -e 'mil export d' -e 'mil export v verbose'
check "mil export says what it wrote" eval 'is 0 && in_out "^6 programs, 2 layers: 11 folders, .*iB in d (program(1.3), ios18)$" && in_out "in v (program(1.0), ios16)$"'
check "its texts are in the dialect that was asked for" eval 'head -n 1 d/fwdAttn/layer01/model.mil | grep -qx "program(1.3)" && head -n 1 v/sdpaBwd2/model.mil | grep -qx "program(1.0)"'
plain -e "$shape" -e 'set seq 5' -e 'set batch 2' -e 'mil show fwdAttn'
grep -v '^// ' out >shown
check "and are those that mil show shows" cmp -s shown d/fwdAttn/layer00/model.mil
if ! have_python; then
	skip "needs python3"
	done_testing
fi
cat >blobs.py <<'END'
import glob, os, re, struct

def half(v):
    return struct.pack('<%de' % len(v), *v)

def read_blob(path, offset):
    """The one tensor of a weight file by the layout of its bytes: (type, data)"""
    f = open(path, 'rb').read()
    count, version = struct.unpack('<II', f[:8])
    assert (count, version) == (1, 2) and f[8:64] == bytes(56), path
    assert offset == 64 and len(f) % 64 == 0, path
    mark, kind, size, at, padding = struct.unpack('<IIQQQ', f[64:96])
    assert mark == 0xDEADBEEF and padding == 0 and f[96:128] == bytes(32), path
    assert at == 128 and at + size <= len(f) < at + size + 64, path
    assert f[at + size:] == bytes(len(f) - at - size), path
    return kind, f[at:at + size]

def blobfiles(text):
    """{name: (dims, offset)} of the BLOBFILEs of a program, bare or verbose"""
    out = {}
    for dims, name, offset in re.findall(r'tensor<fp16, \[([0-9, ]+)\]>\(BLOBFILE\(path = (?:string|tensor<string, \[\]>)\("@model_path/weights/(\w+\.bin)"\), offset = (?:uint64|tensor<uint64, \[\]>)\((\d+)\)', text):
        out[name] = [int(d) for d in dims.split(',')], int(offset)
    return out

models = sorted(os.path.dirname(p) for p in glob.glob('d/**/model.mil', recursive=True))
END
python "every weight that a text names is a file beside it, laid out as the format says, and no other file is there" <<'END'
from blobs import *
for d in models + [m.replace('d/', 'v/', 1) for m in models]:
    named = blobfiles(open(d + '/model.mil').read())
    assert sorted(named) == sorted(os.listdir(d + '/weights')) and named, d
    for name, (dims, offset) in named.items():
        kind, data = read_blob(d + '/weights/' + name, offset)
        assert kind == 1 and len(data) == 2 * math.prod(dims), (d, name)
listed = [l for l in open('d/anetui-export.txt').read().split('\n')[1:] if l]
assert sorted(listed) == sorted(os.path.relpath(os.path.join(a, f), 'd') for a, _, fs in os.walk('d') for f in fs if f != 'anetui-export.txt')
END
python "the numbers in them are the checkpoint's, rounded to fp16, the transposed ones turned" <<'END'
from blobs import *
w = weights(glob.glob('r/*now*.ckpt')[0])
kinds = {'wq': 'self_attn.q_proj', 'wk': 'self_attn.k_proj', 'wv': 'self_attn.v_proj', 'wo': 'self_attn.o_proj',
         'w1': 'mlp.gate_proj', 'w2': 'mlp.down_proj', 'w3': 'mlp.up_proj', 'rms1': 'input_layernorm', 'rms2': 'post_attention_layernorm'}
seen = 0
for d in models:
    layer = re.search(r'layer(\d+)', d)
    for name in os.listdir(d + '/weights'):
        stem, turned = name[:-4], name.endswith('t.bin')
        if stem in kinds or stem[:-1] in kinds and turned:
            dtype, dims, raw = w['model.layers.%d.%s.weight' % (int(layer.group(1)), kinds[stem[:-1] if turned else stem])]
            v = struct.unpack('<%df' % (len(raw) // 4), raw)
            if turned:
                v = [v[r * dims[1] + c] for c in range(dims[1]) for r in range(dims[0])]
            assert read_blob(d + '/weights/' + name, 64)[1] == half(v), (d, name)
            seen += 1
        elif stem == 'mask':
            assert set(struct.unpack('<%de' % (2 * 25), read_blob(d + '/weights/' + name, 64)[1])) == {0.0, -10000.0}
        elif stem.startswith('rope'):
            f = math.cos if 'cos' in stem else math.sin
            want = [f(t % 5 * 10000.0 ** (-2 * i / 6)) for i in range(3) for t in range(10)]
            got = struct.unpack('<30e', read_blob(d + '/weights/' + name, 64)[1])
            assert all(abs(a - b) <= 2.0 ** -11 for a, b in zip(got, want)), name
assert seen == 2 * (5 + 4 + 3 + 1 + 3), seen
END
# Round trip: from the folder, and from the same numbers given raw, the bits must be the same; and both dialects are one program.
cat >inputs.py <<'END'
from blobs import *
from st import *
import random
random.seed(7)
for d in models:
    text = open(d + '/model.mil').read()
    flat = d.replace('/', '.')
    os.makedirs('raw/' + flat, exist_ok=True)
    for name, (dims, offset) in blobfiles(text).items():
        v = struct.unpack('<%de' % math.prod(dims), read_blob(d + '/weights/' + name, offset)[1])
        open('raw/%s/%s.f32' % (flat, name[:-4]), 'wb').write(struct.pack('<%df' % len(v), *v))
    line = [d, flat]
    for dims, name in re.findall(r'tensor<fp16, \[([0-9, ]+)\]> (\w+)', re.search(r'func main<ios18>\((.*)\) \{', text).group(1)):
        n = math.prod(int(x) for x in dims.split(','))
        open('%s.%s.f32' % (flat, name), 'wb').write(struct.pack('<%df' % n, *[random.uniform(-1, 1) for _ in range(n)]))
        line.append('%s=%s.%s.f32' % (name, flat, name))
    outs = re.search(r'\} -> \((.*)\);', text).group(1).split(', ')
    print(' '.join(line), '|', ' '.join('out%s=@%s' % ('.' + o if len(outs) > 1 else '', o) for o in outs))
END
python3 inputs.py >jobs
same=0 jobs=0
while read -r d flat rest; do
	inputs=${rest%%|*} outputs=${rest#*| }
	jobs=$((jobs + 1))
	# shellcheck disable=SC2086
	for way in folder verbose raw; do
		case $way in
		folder) text=$d/model.mil where=$d ;;
		verbose) text=v/${d#d/}/model.mil where=v/${d#d/} ;;
		raw) text=$d/model.mil where=raw/$flat ;;
		esac
		run mil run "$text" weights="$where" $inputs $(echo "$outputs" | sed "s/@/$way.$flat./g")
		is 0 || break
	done
	is 0 || break
	for o in raw."$flat".*; do
		cmp -s "$o" "folder.${o#raw.}" && cmp -s "$o" "verbose.${o#raw.}" || break 2
	done
	same=$((same + 1))
done <jobs
check "mil run on each exported folder: the same bits as with the same numbers given raw, in both dialects" [ "$same" -eq 11 ]

# --- what is not overwritten ---
find d -type f -exec cksum {} + | sort >before
find d -type f -exec touch -d '2001-01-01' {} +
plain -e 'load r/now.ckpt' -e 'set seq 5' -e 'set batch 2' -e 'mil export d'
check "the same programs again: replaced, and said so" eval 'is 0 && in_out "an export of the same programs was there and is replaced"'
find d -type f -exec cksum {} + | sort >after
check "all were written, and the checkpoint's weights give the same bytes" eval 'cmp -s before after && [ -z "$(find d -type f ! -newermt 2002-01-01)" ]'
plain -e "$shape layers=3" -e 'mil export d'
check "an export of another model is left alone" eval 'is 1 && in_err "^mil: d: holds an export of other programs"'
mkdir mine && echo text >mine/notes && cp -r mine mine2
plain -e "$shape" -e 'mil export mine'
check "a folder of somebody else is left alone" eval 'is 1 && in_err "^mil: mine: is not empty, and mil export did not write it (choose a new folder)" && diff -r mine mine2'
plain -e "$shape" -e 'mil export mine/notes'
check "a file is no folder" eval 'is 1 && in_err "^mil: mine/notes: Not a directory"'
mkdir empty
plain -e "$shape" -e 'mil export empty'
check "an empty folder is taken" is 0
plain -e "$shape" -e 'mil export x sideways'
check "an unknown dialect" eval 'is 2 && in_err "^mil: export: sideways: wanted bare or verbose" && [ ! -e x ]'

# --- weight files in the wild ---
cat >conv.mil <<'END'
program(1.3)
{
    func main<ios18>(tensor<fp16, [1, 2, 1, 3]> x) {
        tensor<fp16, [2, 2, 1, 1]> a = const()[val = tensor<fp16, [2, 2, 1, 1]>(BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64)))];
        tensor<fp16, [2, 2, 1, 1]> b = const()[val = tensor<fp16, [2, 2, 1, 1]>(BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(136)))];
        tensor<fp16, [1, 2, 1, 3]> h = conv(weight = a, x = x);
        tensor<fp16, [1, 2, 1, 3]> y = conv(weight = b, x = h);
    } -> (y);
}
END
python3 - <<'END'
import os, struct
def record(kind, size, at):
    return struct.pack('<IIQQQ', 0xDEADBEEF, kind, size, at, 0).ljust(64, b'\0')
head = struct.pack('<II', 1, 2).ljust(64, b'\0')
a, b = struct.pack('<4e', 1, 2, 3, 4), struct.pack('<4e', 0.5, 0, 0, 0.25)
for name, f in (
    # several tensors, the header counts one, the second record straight behind the first one's data
    ('packed', head + record(1, 8, 128) + a + record(1, 8, 200) + b),
    # one byte of the record's size, nothing else
    ('bench', head + record(1, 0x080000, 0) + bytes(0x080000))):
    os.makedirs(name)
    open(name + '/weight.bin', 'wb').write(f)
open('x3.f32', 'wb').write(struct.pack('<6f', 1, 0, 2, 0, 1, 3))
END
run mil run conv.mil weights=packed x=x3.f32 out=y.f32
check "a count of one over two tensors, records off the grid: read, with a note" eval 'is 0 && in_out "^note: packed/weight.bin: record at 136: the header counts fewer tensors than there are"'
python "and read right" <<'END'
import struct
assert struct.unpack('<6f', open('y.f32', 'rb').read()) == (0.5, 1.0, 4.0, 0.75, 1.0, 4.5)
END
run mil run conv.mil weights=bench x=x3.f32 out=y.f32
check "a record that was never filled in: refused, one line, why" eval 'is 1 && [ "$(wc -l <err)" -eq 1 ] && in_err "bench/weight.bin: record at 64: malformed: the offset of its data was never written (0), and the size says 524288 bytes"'
done_testing
