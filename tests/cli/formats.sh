#!/bin/sh
# formats.sh: models out of and into other programs' files: the known text through every format, what a script of its own reads out of
# ours and writes for us, and folders that are wrong in one place. SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
ref=$ANETUI_ROOT/tests/reference
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$ref
export PYTHONDONTWRITEBYTECODE PYTHONPATH

run export nothing x
check "no such format: one line, which there are" eval 'is 2 && in_err "export: nothing: no such format (there are: safetensors .* gguf-q8_0.*)$"'
names=$(sed -n 's/.*there are: \(.*\))$/\1/p' err | tr ' ' ',')
check "completion offers the same" grep -q "COMMAND(EXPORT.*choice:$names path" "$ANETUI_ROOT/src/core/commands.def"

if have_python; then
	# --- folders that are wrong in one place: one line that names file, what, expected, found ---
	cat >bad.py <<'END'
import cases, json, os, shutil, struct, sys
name, kind = sys.argv[1:3]
cases.write('llama-gqa' if kind == 'tied' else 'qwen3' if kind.startswith('qwen') else 'llama-mha', name)
file = name + '/model.safetensors'
config = json.load(open(name + '/config.json'))
b = open(file, 'rb').read()
n = struct.unpack('<Q', b[:8])[0]
head = json.loads(b[8:8 + n])
tensors = [(k, v['dtype'], v['shape'], b[8 + n + v['data_offsets'][0]:8 + n + v['data_offsets'][1]]) for k, v in head.items() if k != '__metadata__']
def change(which, new):
    global tensors
    tensors = [t if t[0] != which else new(t) for t in tensors]
norm, q = 'model.norm.weight', 'model.layers.1.self_attn.q_proj.weight'
if kind == 'missing': tensors = [t for t in tensors if t[0] != q]
elif kind == 'shape': change(q, lambda t: (t[0], t[1], [32, 128], t[3]))
elif kind == 'dtype': change(norm, lambda t: (t[0], 'I32', t[2], t[3]))
elif kind == 'extra': tensors.append(('model.layers.2.mlp.up_proj.weight', 'F32', [1], bytes(4)))
elif kind == 'bias': tensors.append(('model.layers.0.self_attn.q_proj.bias', 'F32', [64], bytes(256)))
elif kind == 'inv_freq': tensors.append(('model.layers.0.self_attn.rotary_emb.inv_freq', 'F32', [8], bytes(32)))
elif kind == 'vocab': config['vocab_size'] = 161
elif kind == 'heads': config['num_attention_heads'] = 8
elif kind == 'tied': tensors.append(('lm_head.weight',) + tensors[0][1:3] + (bytes(len(tensors[0][3])),))
elif kind == 'twice': tensors.append(('norm.weight',) + tensors[-2][1:])
elif kind == 'qwen-no-norm': tensors = [t for t in tensors if 'q_norm' not in t[0]]
elif kind == 'family': config['model_type'] = 'mistral'
elif kind == 'rope': config['rope_scaling'] = {'rope_type': 'llama3', 'factor': 8}
elif kind == 'rope-default': config['rope_parameters'] = {'rope_type': 'default', 'rope_theta': config.pop('rope_theta')}
elif kind == 'act': config['hidden_act'] = 'gelu'
elif kind == 'attention-bias': config['attention_bias'] = True
elif kind == 'no-dim': del config['hidden_size']
elif kind == 'huge': config['hidden_size'] = 1 << 40
elif kind == 'text-dim': config['hidden_size'] = 'big'
elif kind == 'eps': config['rms_norm_eps'] = -1
elif kind == 'kv-heads': config['num_key_value_heads'] = 3
elif kind == 'context': config['max_position_embeddings'] = 1 << 24
elif kind == 'bias-text': config['mlp_bias'] = 'yes'
elif kind == 'family-escape': config['model_type'] = 'a\nb\x1b[31m'
elif kind == 'name-escape': tensors.append(('a\nb\x1b[31m\x07', 'F32', [1], bytes(4)))
elif kind == 'shape-long': change(norm, lambda t: (t[0], t[1], [0] + 7 * [(1 << 63) - 1], b''))
if kind not in ('plain',): cases.safetensors(file, tensors)
json.dump(config, open(name + '/config.json', 'w'))
if kind == 'cut': open(file, 'wb').write(b[:len(b) - 5])
elif kind == 'cut-header': open(file, 'wb').write(b[:100])
elif kind == 'no-file': os.remove(file)
elif kind == 'no-json': open(name + '/config.json', 'w').write('{"model_type": llama}')
elif kind == 'no-config': os.remove(name + '/config.json')
elif kind == 'index-gone':
    os.rename(file, name + '/a.safetensors')
    json.dump({'weight_map': {t[0]: 'b.safetensors' for t in tensors}}, open(name + '/model.safetensors.index.json', 'w'))
elif kind == 'index-outside':
    json.dump({'weight_map': {t[0]: '../x.safetensors' for t in tensors}}, open(name + '/model.safetensors.index.json', 'w'))
END
	while IFS='|' read -r kind want; do
		kind=${kind% } want=${want# }
		python3 bad.py "f-$kind" "$kind"
		run import "f-$kind"
		check "$kind: refused in one line" eval 'is 1 && [ "$(wc -l <err)" -eq 1 ] && in_err "$want"'
	done <<'END'
missing | f-missing: tensor model.layers.1.self_attn.q_proj.weight: expected by config.json, found in none of 1 weight files
shape | f-shape/model.safetensors: tensor model.layers.1.self_attn.q_proj.weight: expected shape \[64, 64\] .*, found \[32, 128\]
dtype | f-dtype/model.safetensors: tensor model.norm.weight: expected F32, F16, BF16 or F64, found I32
extra | f-extra/model.safetensors: tensor model.layers.2.mlp.up_proj.weight: config.json expects no such tensor
bias | f-bias/model.safetensors: tensor model.layers.0.self_attn.q_proj.bias: config.json expects no such tensor
vocab | tensor model.embed_tokens.weight: expected shape \[161, 64\] .*, found \[160, 64\]
heads | tensor model.layers.0.self_attn.q_proj.weight: expected shape \[128, 64\] .*, found \[64, 64\]
tied | tensor lm_head.weight: expected the embedding (tie_word_embeddings is true), found 0 instead of
twice | tensor norm.weight: config.json expects no such tensor (or it is there twice)
qwen-no-norm | tensor model.layers.0.self_attn.q_norm.weight: expected by config.json, found in none
family | f-family/config.json: model_type: expected llama or qwen3, found mistral
rope | f-rope/config.json: rope_scaling: expected none, or of type default, found llama3
act | f-act/config.json: hidden_act: expected silu, found gelu
attention-bias | f-attention-bias/config.json: attention_bias: expected false, found true
no-dim | f-no-dim/config.json: hidden_size: expected a whole number, found none
huge | f-huge/config.json: hidden_size: expected 1 to 1073741824, found 1099511627776
text-dim | f-text-dim/config.json: hidden_size: expected a whole number, found something else
eps | f-eps/config.json: rms_norm_eps: expected a number above 0
kv-heads | model: f-kv-heads/config.json: heads 4: not divisible by kv_heads 3$
context | model: f-context/config.json: context 16777216: must be 1 to
bias-text | f-bias-text/config.json: mlp_bias: expected false, found something else
family-escape | f-family-escape/config.json: model_type: expected llama or qwen3, found a?b?\[31m$
name-escape | f-name-escape/model.safetensors: tensor a?b?\[31m?: config.json expects no such tensor
shape-long | tensor model.norm.weight: expected shape \[64\] .*, found \[0, 9223372036854775807, .*, 9223372036854775807\]
cut | f-cut/model.safetensors: 5 bytes short .*: tensor .*: expected [0-9]* bytes, found [0-9]*
cut-header | f-cut-header/model.safetensors: .*header
no-file | f-no-file: neither model.safetensors nor model.safetensors.index.json
no-json | f-no-json/config.json:1: no JSON
no-config | f-no-config: expected a model folder, found no config.json
index-gone | f-index-gone/b.safetensors: No such file
index-outside | weight_map\|expected a file's name in this folder, found ../x.safetensors
END
	for kind in inv_freq rope-default; do
		python3 bad.py "f-$kind" $kind
		run import "f-$kind"
		check "$kind: taken" is 0
	done

	# --- what we write, read by a script of its own ---
	python3 -c "import cases; cases.write('qwen3', 'theirs')"
	plain -e 'import theirs' -e 'export safetensors ours'
	check "a folder out of a folder" eval 'is 0 && in_out "ours: Hugging Face folder, family qwen3, F32"'
	python "every tensor is the same, lm_head left out, config.json says the same" <<'END'
a, _ = st_read('theirs/model.safetensors')
b, meta = st_read('ours/model.safetensors')
assert meta == {'format': 'pt'} and a == b and 'lm_head.weight' not in b
x, y = json.load(open('theirs/config.json')), json.load(open('ours/config.json'))
for k in y:
    assert k == 'anetui_version' or x[k] == y[k], (k, x.get(k), y[k])
END
	plain -e "new demo dim=32 heads=2 kv_heads=1 hidden=64 layers=1 vocab=300 tied=off" -e 'export llama2c m0' -e 'export safetensors m' -e 'export llama2c-v2 m2'
	check "interleaved: llama2.c and a folder" is 0
	python "half-split rows of q are every second one, v2's groups give the weights back" <<'END'
import array
t, _ = st_read('m/model.safetensors')
f = open('m0', 'rb').read()
d, h, L, H, K, V, S = struct.unpack('<7i', f[:28])
assert (d, h, L, H, K, V) == (32, 64, 1, 2, 1, -300), 'untied: negative'
at = 28 + 4 * (300 * 32 + 32)
q = array.array('f', f[at:at + 4096])
mine = array.array('f', t['model.layers.0.self_attn.q_proj.weight'][2])
for head in range(2):
    for i in range(8):
        for half in range(2):
            a, b = head * 16 + i + 8 * half, head * 16 + 2 * i + half
            assert mine[a * 32:a * 32 + 32] == q[b * 32:b * 32 + 32]
g = open('m2', 'rb').read()
assert struct.unpack('<Ii7iBi', g[:41])[:2] == (0x616b3432, 2) and struct.unpack('<i', g[37:41])[0] == 32 and g[36] == 0
at = 256 + 4 * 3 * 32
ids, scales = array.array('b', g[at:at + 9600]), array.array('f', g[at + 9600:at + 9600 + 1200])
embed = array.array('f', f[28:28 + 38400])
for i in range(9600):
    assert abs(ids[i] * scales[i // 32] - embed[i]) <= 0.5001 * scales[i // 32], i
END

	# --- checkpoints of maderix/ANE, written and read by a script of its own ---
	cat >up.py <<'END'
import array, math, struct
def rope_half(x, heads, hd, cols):
    """Interleaved rows of each head in half-split order."""
    rows = [x[i * cols:(i + 1) * cols] for i in range(heads * hd)]
    return array.array('f', [v for h in range(heads) for i in list(range(0, hd, 2)) + list(range(1, hd, 2)) for v in rows[h * hd + i]])
def write(name, version, L=2, V=40, D=24, F=36, H=2, K=1, HD=20, seq=64):
    if version == 2: K, HD = H, D // H
    head = struct.pack('<10i2f3d6i', 0x424C5A54, version, 700, 1000, L, V, D, F, H, seq, 1e-4, 2.5, 1.0, 2.0, 3.0, 70, 700, 70, *((K, HD, H * HD) if version == 4 else (0x01020304, 0, 0)))
    assert len(head) == 96
    out, tensors, count = [head], {}, [0]
    def tensor(key, n):
        count[0] += 1
        t = tensors[key] = array.array('f', [math.sin(i * 0.7 + count[0]) * 0.1 for i in range(n)])
        out.append(t.tobytes())
        return n
    def moments(n): out.append(array.array('f', [7.0] * (2 * n)).tobytes())
    for l in range(L):
        p = 'model.layers.%d.' % l
        sizes = [('self_attn.q_proj', H * HD * D), ('self_attn.k_proj', K * HD * D), ('self_attn.v_proj', K * HD * D), ('self_attn.o_proj', H * HD * D),
                 ('mlp.gate_proj', F * D), ('mlp.down_proj', F * D), ('mlp.up_proj', F * D), ('input_layernorm', D), ('post_attention_layernorm', D)]
        moments(sum(tensor(p + k + '.weight', n) for k, n in sizes))
    moments(tensor('model.norm.weight', D))
    moments(tensor('model.embed_tokens.weight', V * D))
    open(name, 'wb').write(b''.join(out))
    for k in tensors:
        if 'q_proj' in k: tensors[k] = rope_half(tensors[k], H, HD, D)
        if 'k_proj' in k: tensors[k] = rope_half(tensors[k], K, HD, D)
    return tensors
END
	python3 -c "import up; up.write('u2.bin', 2); up.write('u4.bin', 4)"
	plain -e 'import ./u2.bin' -e 'export safetensors u2' -e 'export upstream-v2 u2-again.bin'
	check "upstream v2: read, written" eval 'is 0 && in_out "u2-again.bin: upstream checkpoint v2, .*, step 0, moments zero"'
	plain -e 'import ./u4.bin' -e 'info' -e 'export upstream u4-again.bin' -e 'import ./u4-again.bin' -e 'export upstream u4-twice.bin' -e 'export safetensors u4'
	check "upstream v4: read, written; a folder can not say its residual scale" eval 'is 1 && in_err "export: u4: .*no residual scale, the model has 0.5"'
	check "... and again the same bytes" cmp u4-again.bin u4-twice.bin
	python "every tensor of v2 is where the script put it; ours differs in header and moments alone" <<'END'
import array, up
want = up.write('u2.bin', 2)
t, _ = st_read('u2/model.safetensors')
assert set(t) == set(want)
for k in want: assert bytes(t[k][2]) == want[k].tobytes(), k
for name in 'u2', 'u4':
    a, b = open(name + '.bin', 'rb').read(), open(name + '-again.bin', 'rb').read()
    assert len(a) == len(b) and a[16:40] == b[16:40] and a[4:8] == b[4:8] and (name == 'u2' or a[84:96] == b[84:96])
    x, y = array.array('f', a[96:]), array.array('f', b[96:])
    assert all(p == q or (p == 7.0 and q == 0.0) for p, q in zip(x, y))
assert struct.unpack('<i', b[8:12])[0] == 0
END
	# --- GGUF, read by a script of its own ---
	plain -e "new demo dim=64 heads=4 kv_heads=2 hidden=96 layers=2 vocab=300 tied=off" -e 'export gguf g.gguf' -e 'export gguf-q8_0 q.gguf' -e 'export gguf-f16 h.gguf' -e 'export gguf-bf16 b.gguf' -e 'export llama2c g.bin'
	check "GGUF in four types" is 0
	python "GGUF: keys, names, order, every weight" <<'END'
import array
one = {0: 'B', 1: 'b', 2: 'H', 3: 'h', 4: 'I', 5: 'i', 6: 'f', 7: '?', 10: 'Q', 11: 'q', 12: 'd'}
def gguf(name):
    b, at = open(name, 'rb').read(), 24
    def num(c):
        nonlocal at
        v, = struct.unpack_from('<' + c, b, at)
        at += struct.calcsize('<' + c)
        return v
    def text():
        nonlocal at
        n = num('Q')
        at += n
        return b[at - n:at].decode()
    def value(t):
        if t == 9:
            e, n = num('I'), num('Q')
            return [value(e) for _ in range(n)]
        return text() if t == 8 else num(one[t])
    assert b[:8] == b'GGUF\3\0\0\0'
    nt, nk = struct.unpack('<QQ', b[8:24])
    keys = {}
    for _ in range(nk):
        k = text()
        keys[k] = value(num('I'))
    infos = [(text(), [num('Q') for _ in range(num('I'))], num('I'), num('Q')) for _ in range(nt)]
    start, out = (at + 31) // 32 * 32, {}
    for name, dim, t, off in infos:
        n, at = dim[0] * (dim[1] if len(dim) > 1 else 1), start + off
        assert off % 32 == 0
        if t == 8:
            x = [s * q for k in range(n // 32) for s in struct.unpack_from('<e', b, at + 34 * k) for q in struct.unpack_from('<32b', b, at + 34 * k + 2)]
        elif t == 30:
            x = [struct.unpack('<f', b'\0\0' + b[at + 2 * k:at + 2 * k + 2])[0] for k in range(n)]
        else:
            x = struct.unpack_from('<%d%s' % (n, 'e' if t == 1 else 'f'), b, at)
        out[name] = (t, dim, list(x))
    return keys, out
k, g = gguf('g.gguf')
assert k['general.architecture'] == 'llama' and k['llama.block_count'] == 2 and k['llama.attention.head_count_kv'] == 2 and k['llama.rope.dimension_count'] == 16
assert len(g) == 2 * 9 + 3 and g['blk.1.ffn_down.weight'][1] == [96, 64] and g['output.weight'][1] == [64, 300]
f = array.array('f', open('g.bin', 'rb').read()[28:])
assert g['token_embd.weight'][2] == list(f[:300 * 64])
at = 300 * 64 + 2 * 64
for l in range(2):
    assert g['blk.%d.attn_q.weight' % l][2] == list(f[at + l * 4096:at + l * 4096 + 4096]), 'interleaved in both'
for name, want, step in (('q.gguf', 8, 0.51 / 127), ('h.gguf', 1, 1 / 2048), ('b.gguf', 30, 1 / 256)):
    _, t = gguf(name)
    for n, (kind, dim, x) in t.items():
        y = g[n][2]
        assert kind == (want if len(dim) == 2 else 0) and dim == g[n][1], n
        for i in range(0, len(x), 32):
            top = max(abs(v) for v in y[i:i + 32])
            assert all(abs(p - q) <= step * top + top / 2000 * (want == 8) + 1e-7 for p, q in zip(x[i:i + 32], y[i:i + 32])), (name, n, i)
END
fi

needs_data stories260K.v0.bin stories260K.v1.bin tok512.bin stories260K.greedy200.txt
golden=$data/stories260K.greedy200.txt
for format in safetensors safetensors-f16 llama2c llama2c-v1; do
	plain -e "new $data/stories260K.v0.bin tokenizer=$data/tok512.bin" -e "export $format a-$format" -e "new ./a-$format tokenizer=$data/tok512.bin" -e "export $format b-$format" \
		-e 'set sample.temperature 0' -e 'sample 200'
	check "$format: still writes the known text" eval 'is 0 && grep -v "^[ab]-$format: " out | head -c "$(wc -c <"$golden")" | cmp -s - "$golden"'
	check "... and its file again has the same bytes" diff -r "a-$format" "b-$format"
done
for format in upstream upstream-v2; do
	plain -e "new $data/stories260K.v0.bin tokenizer=$data/tok512.bin" -e "export $format no"
	check "$format: can not say it, and says why in one line" eval 'is 1 && in_err "export: no: upstream v[24] .*(export" && [ ! -e no ]'
done
plain -e "new $data/stories260K.v0.bin tokenizer=$data/tok512.bin" -e "export gguf a.gguf" -e "new ./a.gguf" -e "set sample.temperature 0" -e "sample 200"
check "gguf: with the tokenizer inside the known text again" eval 'is 0 && grep -v "^a.gguf: " out | head -c "$(wc -c <"$golden")" | cmp -s - "$golden"'
check "v1 is the published file" cmp a-llama2c-v1 "$data/stories260K.v1.bin"
done_testing
