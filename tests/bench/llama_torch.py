# llama_torch.py: a Llama in PyTorch, as plainly as the shapes allow, for peers.py to time. With LLAMA2C it is that folder's model.py. SPDX-License-Identifier: MIT
import importlib.util
import os

import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.weight


def rotate(x, cos, sin):
    """x [B, S, H, HD]: neighbours are pairs."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Layer(nn.Module):
    def __init__(self, dim, hidden, heads, kv_heads):
        super().__init__()
        self.heads, self.kv_heads, self.size = heads, kv_heads, dim // heads
        kv = kv_heads * self.size
        line = lambda i, o: nn.Linear(i, o, bias=False)
        self.q, self.k, self.v, self.o = line(dim, dim), line(dim, kv), line(dim, kv), line(dim, dim)
        self.w1, self.w2, self.w3 = line(dim, hidden), line(hidden, dim), line(dim, hidden)
        self.norm_att, self.norm_ffn = Norm(dim), Norm(dim)

    def attention(self, x, cos, sin, mask):
        b, s, d = x.shape
        q = rotate(self.q(x).view(b, s, self.heads, -1), cos, sin)
        k = rotate(self.k(x).view(b, s, self.kv_heads, -1), cos, sin)
        v = self.v(x).view(b, s, self.kv_heads, -1)
        if self.kv_heads != self.heads:
            k, v = (t.repeat_interleave(self.heads // self.kv_heads, 2) for t in (k, v))
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(2, 3) * self.size ** -0.5 + mask
        return self.o((F.softmax(scores, -1) @ v).transpose(1, 2).reshape(b, s, d))

    def forward(self, x, *rest):
        x = x + self.attention(self.norm_att(x), *rest)
        h = self.norm_ffn(x)
        return x + self.w2(F.silu(self.w1(h)) * self.w3(h))


class Llama(nn.Module):
    def __init__(self, vocab, dim, hidden, layers, heads, kv_heads, seq):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.layers = nn.ModuleList(Layer(dim, hidden, heads, kv_heads) for _ in range(layers))
        self.norm = Norm(dim)
        nn.init.normal_(self.embed.weight, std=0.02)
        size = dim // heads
        angle = torch.outer(torch.arange(seq).float(), 10000.0 ** (-torch.arange(0, size, 2).float() / size))
        self.rest = angle.cos()[:, None], angle.sin()[:, None], torch.full((seq, seq), float('-inf')).triu(1)

    def forward(self, x, y):
        h = self.embed(x)
        for layer in self.layers:
            h = layer(h, *self.rest)
        logits = F.linear(self.norm(h), self.embed.weight)
        return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def llama2c(folder, c):
    """The same shape by llama2.c's model.py, and how to get its loss."""
    spec = importlib.util.spec_from_file_location('model', os.path.join(folder, 'model.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    m = module.Transformer(module.ModelArgs(dim=c['dim'], n_layers=c['layers'], n_heads=c['heads'], n_kv_heads=c['kv_heads'], vocab_size=c['vocab'],
                                            hidden_dim=c['hidden'], max_seq_len=c['seq'], dropout=0.0))

    def loss(x, y):
        m(x, y)
        return m.last_loss
    return m, loss


def make(c, folder=None):
    torch.manual_seed(1)
    if folder:
        return llama2c(folder, c)
    m = Llama(c['vocab'], c['dim'], c['hidden'], c['layers'], c['heads'], c['kv_heads'], c['seq'])
    return m, m
