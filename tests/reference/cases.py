# cases.py: the small models of the reference, their folders and their training; python's standard library alone.
# SPDX-License-Identifier: MIT
"""Weights and tokens come from one integer formula, so that the folders are the same bytes wherever they are made.

A case: the keys of config.json (short names below), how the tensors are stored, and the run. `set` holds what anetui is told and
what the reference obeys; learning rates are constant unless `shape` says cosine."""
import json
import os
import struct

BASE = dict(type='llama', dim=64, hidden=96, layers=2, heads=4, kv=4, hd=16, vocab=160, context=128, theta=10000.0, eps=1e-5,
            tied=False, dtype='F32', files=1, seq=24, batch=2, accum=1, lr=2e-3, warmup=0, shape='constant', steps=12, minimum=0.1,
            beta1=0.9, beta2=0.95, adam_eps=1e-8, decay=0.1, clip=1.0, std=0.08, seed=1)

CASES = {
    'llama-mha': dict(),
    'llama-gqa': dict(heads=6, kv=2, dim=48, hd=8, hidden=80, tied=True, seq=33, batch=3, clip=0.25, seed=2),
    'llama-wide-heads': dict(heads=4, kv=1, dim=40, hd=24, hidden=56, theta=500000.0, dtype='BF16', files=3, accum=3, seq=16, clip=0.0, seed=3),
    'qwen3': dict(type='qwen3', dim=48, heads=6, kv=3, hd=16, hidden=112, tied=True, theta=1e6, eps=1e-6, seq=40, batch=2, accum=2, seed=4),
    'qwen3-untied': dict(type='qwen3', dim=64, heads=2, kv=2, hd=64, hidden=72, layers=3, theta=1e6, eps=1e-6, dtype='F16', files=2,
                         seq=17, batch=1, lr=3e-3, warmup=4, shape='cosine', beta2=0.99, decay=0.3, clip=0.5, seed=5),
}


def case(name):
    return dict(BASE, **CASES[name])


def mix(x):
    """One round of splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) & (1 << 64) - 1
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & (1 << 64) - 1
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & (1 << 64) - 1
    return x ^ x >> 31


def numbers(seed, n):
    """n values in [-1, 1), each a multiple of 2^-7 so that every dtype holds std times them nearly alike."""
    return [(mix(seed * 1000003 + i) >> 56) / 128.0 - 1 for i in range(n)]


def shapes(c):
    """(name, shape) of every tensor, in the order in which the folder holds them."""
    q, kv, d, f = c['heads'] * c['hd'], c['kv'] * c['hd'], c['dim'], c['hidden']
    out = [('model.embed_tokens.weight', [c['vocab'], d])]
    for i in range(c['layers']):
        p = 'model.layers.%d.' % i
        out += [(p + 'input_layernorm.weight', [d]), (p + 'self_attn.q_proj.weight', [q, d]), (p + 'self_attn.k_proj.weight', [kv, d]),
                (p + 'self_attn.v_proj.weight', [kv, d]), (p + 'self_attn.o_proj.weight', [d, q]),
                (p + 'post_attention_layernorm.weight', [d]), (p + 'mlp.gate_proj.weight', [f, d]),
                (p + 'mlp.up_proj.weight', [f, d]), (p + 'mlp.down_proj.weight', [d, f])]
        if c['type'] == 'qwen3':
            out += [(p + 'self_attn.q_norm.weight', [c['hd']]), (p + 'self_attn.k_norm.weight', [c['hd']])]
    out.append(('model.norm.weight', [d]))
    if not c['tied']:
        out.append(('lm_head.weight', [c['vocab'], d]))
    return out


def values(c, index, name, shape):
    n = shape[0] * (shape[1] if len(shape) > 1 else 1)
    v = numbers(c['seed'] * 131 + index, n)
    return [1 + 0.25 * x for x in v] if len(shape) == 1 else [c['std'] * 1.7 * x for x in v]


def packed(v, dtype):
    if dtype == 'F32':
        return struct.pack('<%df' % len(v), *v)
    if dtype == 'F16':
        return struct.pack('<%de' % len(v), *v)
    out = []
    for x in v:  # BF16: to nearest, ties to even
        u = struct.unpack('<I', struct.pack('<f', x))[0]
        out.append((u + 0x7FFF + (u >> 16 & 1)) >> 16)
    return struct.pack('<%dH' % len(out), *out)


def tokens(c):
    """A text with something to learn: mostly the successor in a fixed cycle, now and then anything."""
    n = c['steps'] * c['accum'] * c['seq'] * c['batch'] + 1
    out, at = [], 1
    for i in range(n):
        r = mix(c['seed'] * 7919 + i)
        at = (at * 5 + 3) % c['vocab'] if r % 4 else (r >> 20) % c['vocab']
        out.append(at)
    return out


def safetensors(path, tensors):
    head, at = {'__metadata__': {'format': 'pt'}}, 0
    for name, dtype, shape, data in tensors:
        head[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [at, at + len(data)]}
        at += len(data)
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + b''.join(t[3] for t in tensors))


def write(name, folder):
    """The folder of a case (config.json, safetensors) and its token file, folder/../NAME.bin."""
    c = case(name)
    os.makedirs(folder, exist_ok=True)
    config = dict(architectures=['Qwen3ForCausalLM' if c['type'] == 'qwen3' else 'LlamaForCausalLM'], model_type=c['type'],
                  hidden_size=c['dim'], intermediate_size=c['hidden'], num_hidden_layers=c['layers'], num_attention_heads=c['heads'],
                  num_key_value_heads=c['kv'], head_dim=c['hd'], vocab_size=c['vocab'], max_position_embeddings=c['context'],
                  rms_norm_eps=c['eps'], rope_theta=c['theta'], rope_scaling=None, tie_word_embeddings=c['tied'], hidden_act='silu',
                  attention_bias=False, attention_dropout=0.0, initializer_range=0.02, use_cache=True,
                  torch_dtype={'F32': 'float32', 'F16': 'float16', 'BF16': 'bfloat16'}[c['dtype']])
    with open(folder + '/config.json', 'w') as f:
        json.dump(config, f, indent=2)
    all_tensors = [(n, c['dtype'], s, packed(values(c, i, n, s), c['dtype'])) for i, (n, s) in enumerate(shapes(c))]
    if c['files'] == 1:
        safetensors(folder + '/model.safetensors', all_tensors)
    else:
        where, k = {}, c['files']
        for part in range(k):
            file = 'model-%05d-of-%05d.safetensors' % (part + 1, k)
            mine = all_tensors[part::k]
            safetensors(folder + '/' + file, mine)
            where.update({t[0]: file for t in mine})
        with open(folder + '/model.safetensors.index.json', 'w') as f:
            json.dump({'metadata': {'total_size': sum(len(t[3]) for t in all_tensors)}, 'weight_map': where}, f)
    t = tokens(c)
    with open(folder.rstrip('/') + '.bin', 'wb') as f:
        f.write(struct.pack('<%dH' % len(t), *t))
    return c


def rate(c, step):
    """The learning rate of update `step` (from 0): linear warm-up, then constant, or a cosine down to `minimum` times the highest."""
    import math
    if step < c['warmup']:
        return c['lr'] * (step + 1) / c['warmup']
    if c['shape'] == 'constant':
        return c['lr']
    p = min(1, (step - c['warmup']) / (c['steps'] - c['warmup']))
    return c['lr'] * (c['minimum'] + (1 - c['minimum']) * 0.5 * (1 + math.cos(math.pi * p)))


def commands(name, folder):
    """What anetui is told."""
    c = case(name)
    out = ['new ' + folder, 'set seq %d' % c['seq'], 'set batch %d' % c['batch'], 'set accum %d' % c['accum'],
           'data %s.bin order=sequential' % folder.rstrip('/'),
           'lr %r %s warmup=%d steps=%d min=%r' % (c['lr'], c['shape'], c['warmup'], c['steps'], c['minimum']),
           'set clip %r' % c['clip'], 'set adam.beta1 %r' % c['beta1'], 'set adam.beta2 %r' % c['beta2'], 'set adam.eps %r' % c['adam_eps'],
           'set adam.decay %r' % c['decay'], 'train %d' % c['steps']]
    return out
