#!/usr/bin/env python3
# torch_losses.py: makes losses.txt with PyTorch in double precision. Not needed by the tests; run it when cases.py changes.
# SPDX-License-Identifier: MIT
"""Usage: python3 torch_losses.py > losses.txt   (torch 1.13 or later)

Reads the very folders that cases.py writes. The model is written out here: RMSNorm, half-split RoPE, grouped-query attention, SwiGLU,
for qwen3 an RMSNorm of each head of q and k before RoPE. Steps are AdamW with decay on tensors of two or more dimensions only, after
clipping by the global norm. A line: case, step, mean loss of the step's micro-steps before the update, gradient norm before clipping."""
import json
import os
import struct
import sys
import tempfile

import torch
import torch.nn.functional as F

import cases


def read(folder):
    out = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith('.safetensors'):
            continue
        b = open(folder + '/' + name, 'rb').read()
        n = struct.unpack('<Q', b[:8])[0]
        for key, t in json.loads(b[8:8 + n]).items():
            if key == '__metadata__':
                continue
            kind = {'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16}[t['dtype']]
            lo, hi = t['data_offsets']
            out[key] = torch.frombuffer(bytearray(b[8 + n + lo:8 + n + hi]), dtype=kind).reshape(t['shape']).double().requires_grad_(True)
    return out


def norm(x, w, eps):
    return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w


def rope(x, theta):
    """[batch, heads, seq, hd], pairs (i, i + hd/2)"""
    seq, hd = x.shape[-2:]
    a = torch.arange(seq).double()[:, None] * theta ** (-torch.arange(0, hd, 2).double() / hd)[None]
    cos, sin = a.cos(), a.sin()
    lo, hi = x[..., :hd // 2], x[..., hd // 2:]
    return torch.cat([lo * cos - hi * sin, hi * cos + lo * sin], -1)


def loss_of(w, cfg, x, y):
    b, s = x.shape
    h, kv, hd, eps = cfg['num_attention_heads'], cfg['num_key_value_heads'], cfg['head_dim'], cfg['rms_norm_eps']
    r = w['model.embed_tokens.weight'][x]
    for i in range(cfg['num_hidden_layers']):
        p = 'model.layers.%d.' % i
        n = norm(r, w[p + 'input_layernorm.weight'], eps)
        q = (n @ w[p + 'self_attn.q_proj.weight'].T).view(b, s, h, hd)
        k = (n @ w[p + 'self_attn.k_proj.weight'].T).view(b, s, kv, hd)
        v = (n @ w[p + 'self_attn.v_proj.weight'].T).view(b, s, kv, hd).transpose(1, 2)
        if cfg['model_type'] == 'qwen3':
            q = norm(q, w[p + 'self_attn.q_norm.weight'], eps)
            k = norm(k, w[p + 'self_attn.k_norm.weight'], eps)
        q, k = rope(q.transpose(1, 2), cfg['rope_theta']), rope(k.transpose(1, 2), cfg['rope_theta'])
        k, v = k.repeat_interleave(h // kv, 1), v.repeat_interleave(h // kv, 1)
        score = q @ k.transpose(2, 3) / hd ** 0.5
        score = score.masked_fill(torch.ones(s, s).triu(1).bool(), float('-inf'))
        r = r + (score.softmax(-1) @ v).transpose(1, 2).reshape(b, s, h * hd) @ w[p + 'self_attn.o_proj.weight'].T
        n = norm(r, w[p + 'post_attention_layernorm.weight'], eps)
        r = r + (F.silu(n @ w[p + 'mlp.gate_proj.weight'].T) * (n @ w[p + 'mlp.up_proj.weight'].T)) @ w[p + 'mlp.down_proj.weight'].T
    head = w['model.embed_tokens.weight'] if cfg['tie_word_embeddings'] else w['lm_head.weight']
    logits = norm(r, w['model.norm.weight'], eps) @ head.T
    return F.cross_entropy(logits.view(b * s, -1), y.reshape(-1))


def run(name, folder):
    c = cases.write(name, folder)
    cfg, w = json.load(open(folder + '/config.json')), read(folder)
    data = open(folder + '.bin', 'rb').read()
    ids = torch.tensor(struct.unpack('<%dH' % (len(data) // 2), data))
    groups = [{'params': [t for t in w.values() if t.dim() >= 2], 'weight_decay': c['decay']},
              {'params': [t for t in w.values() if t.dim() < 2], 'weight_decay': 0.0}]
    adam = torch.optim.AdamW(groups, lr=c['lr'], betas=(c['beta1'], c['beta2']), eps=c['adam_eps'])
    n, micro = c['seq'] * c['batch'], 0
    for step in range(c['steps']):
        total = 0.0
        adam.zero_grad()
        for _ in range(c['accum']):
            x, y = ids[micro * n:micro * n + n], ids[micro * n + 1:micro * n + n + 1]
            loss = loss_of(w, cfg, x.view(c['batch'], -1), y.view(c['batch'], -1)) / c['accum']
            loss.backward()
            total += loss.item()
            micro += 1
        g = torch.nn.utils.clip_grad_norm_(w.values(), c['clip'] or float('inf'))
        for group in adam.param_groups:
            group['lr'] = cases.rate(c, step)
        adam.step()
        print(name, step + 1, '%.12f' % total, '%.12g' % g.item())


torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as top:
    print('# made by torch_losses.py with torch', torch.__version__.split('+')[0], 'in double precision: case, step, loss, gradient norm')
    for one in cases.CASES:
        run(one, top + '/' + one)
        sys.stdout.flush()
