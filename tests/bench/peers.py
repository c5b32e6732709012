# peers.py: the same micro-step in anetui, in PyTorch, and in llm.c, in pairs taken one after the other; prints ratios. See peers.sh. SPDX-License-Identifier: MIT
import contextlib
import io
import json
import os
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

PRESETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../assets/presets.conf')
# name: preset, sequences of a micro-step, what the ratio should reach
CASES = {
    'demo': ('demo', 2, 4.0),
    'stories15m': ('stories15m', 8, 2.2),
    'stories110m': ('stories110m', 1, 3.3),
    'stories110m-4': ('stories110m', 4, 1.8),
}
LLMC_BAR = 8.5


def shape(preset):
    c, here = {}, None
    for line in open(PRESETS):
        line = line.split('#')[0].strip()
        if line.startswith('['):
            here = line[1:-1]
        elif line and here == preset:
            k, v = (x.strip() for x in line.split('=', 1))
            c[k] = v
    c = {k: int(c[k]) for k in ('dim', 'hidden', 'layers', 'heads', 'vocab', 'seq') + (('kv_heads',) if 'kv_heads' in c else ())}
    c.setdefault('kv_heads', c['heads'])
    return c


# --- PyTorch: a process that answers one request a line -----------------------------------------------------------

def torch_child():
    import torch
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import llama_torch
    torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))
    models = {}
    print(json.dumps({'torch': torch.__version__}), flush=True)
    for line in sys.stdin:
        r = json.loads(line)
        key = r['preset']
        if key not in models:
            models.clear()
            with contextlib.redirect_stdout(io.StringIO()):  # model.py warns of its slow attention once a layer
                models[key] = llama_torch.make(shape(key), os.environ.get('LLAMA2C'))
        model, loss = models[key]
        c = shape(key)
        x, y = (torch.randint(c['vocab'], (r['batch'], c['seq'])) for _ in range(2))
        took = []
        for _ in range(1 + r['reps']):
            t = time.perf_counter()
            loss(x, y).backward()
            took.append((time.perf_counter() - t) * 1e3)
        print(json.dumps({'ms': statistics.median(took[1:])}), flush=True)


class Torch:
    def __init__(self, python, threads, kernels):
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
        if kernels:
            env['OPENBLAS_CORETYPE'] = kernels
        self.name = '%d thread%s, %s' % (threads, 's' * (threads > 1), kernels + ' kernels forced' if kernels else 'kernels as they come')
        self.p = subprocess.Popen([python, __file__, 'torch'], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = json.loads(self.p.stdout.readline())['torch']

    def ms(self, preset, batch, reps):
        self.p.stdin.write(json.dumps({'preset': preset, 'batch': batch, 'reps': reps}) + '\n')
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())['ms']

    def close(self):
        self.p.stdin.close()
        self.p.wait()


# --- anetui -------------------------------------------------------------------------------------------------------

def anetui(preset):
    """All rows of `bench PRESET` by name, and what the machine is."""
    out = subprocess.run([os.environ['ANETUI'], 'bench', preset, 'format=json'], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    b = json.loads(out)
    return {r['name']: r for r in b['rows']}, b


def micro(rows, batch, seq):
    return rows['micro-step, batch %d x %d' % (batch, seq)]


# --- llm.c --------------------------------------------------------------------------------------------------------

GPT2 = dict(context=1024, vocab=50257, padded=50304, layers=12, heads=12, dim=768)


def gpt2_flops(batch, seq):
    """As ours are counted: 6 a matrix parameter and token, the causal half of attention."""
    g = GPT2
    matrices = g['vocab'] * g['dim'] + g['layers'] * 12 * g['dim'] ** 2
    return 6.0 * batch * seq * matrices + 6.0 * batch * seq * seq * g['dim'] * g['layers']


def gpt2_files(folder):
    """A checkpoint of that shape with random weights, and random tokens, in llm.c's formats."""
    import random
    g, d = GPT2, GPT2['dim']
    sizes = [g['padded'] * d, g['context'] * d] + [g['layers'] * n for n in
             (d, d, 3 * d * d, 3 * d, d * d, d, d, d, 4 * d * d, 4 * d, 4 * d * d, d)] + [d, d]
    ones = {2, 8, 14}  # the norms' weights
    rng = random.Random(1)
    some = struct.pack('<65536f', *(rng.gauss(0, 0.02) for _ in range(65536)))
    one = struct.pack('<f', 1.0)
    with open(os.path.join(folder, 'gpt2_124M.bin'), 'wb') as f:
        f.write(struct.pack('<256i', 20240326, 3, g['context'], g['vocab'], g['layers'], g['heads'], d, g['padded'], *[0] * 248))
        for i, n in enumerate(sizes):
            if i in ones:
                f.write(one * n)
                continue
            for at in range(0, n, 65536):
                f.write(some[:4 * min(65536, n - at)])
    tokens = os.path.join(folder, 'dev/data/tinyshakespeare')
    os.makedirs(tokens)
    for name in ('tiny_shakespeare_train.bin', 'tiny_shakespeare_val.bin'):
        n = 32768
        with open(os.path.join(tokens, name), 'wb') as f:
            f.write(struct.pack('<256i', 20240520, 1, n, *[0] * 253))
            f.write(struct.pack('<%dH' % n, *(rng.randrange(g['vocab']) for _ in range(n))))


class Llmc:
    """train_gpt2 with sequences as long as ours; its own clock. It is stopped while others are measured."""

    def __init__(self, source, folder, threads):
        text = open(os.path.join(source, 'train_gpt2.c')).read()
        for was, now in (('int B = 4;', 'int B = 1;'), ('int T = 64;', 'int T = 256;')):
            assert was in text, 'train_gpt2.c: %s not found' % was
            text = text.replace(was, now)
        # One validation batch will do: it is not timed.
        text = text.replace('int val_num_batches = 5;', 'int val_num_batches = 1;')
        with open(os.path.join(folder, 'train_gpt2.c'), 'w') as f:
            f.write(text)
        subprocess.run([os.environ.get('CC', 'cc'), '-O3', '-Ofast', '-march=native', '-fopenmp', '-DOMP', '-w', '-I', source, '-o', 'train_gpt2', 'train_gpt2.c', '-lm'],
                       cwd=folder, check=True)
        gpt2_files(folder)
        self.p = subprocess.Popen(['stdbuf', '-oL', './train_gpt2'], cwd=folder, stdout=subprocess.PIPE, text=True, env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
        self.step()
        self.pause()

    def step(self):
        for line in self.p.stdout:
            if line.startswith('step ') and 'took' in line:
                return float(line.split('took')[1].split()[0])
        raise RuntimeError('train_gpt2 has ended')

    def pause(self):
        self.p.send_signal(signal.SIGSTOP)

    def ms(self):
        self.p.send_signal(signal.SIGCONT)
        self.step()  # the pause lies in this one
        t = self.step()
        self.pause()
        return t

    def close(self):
        self.p.send_signal(signal.SIGCONT)
        self.p.kill()
        self.p.wait()


# --- pairs --------------------------------------------------------------------------------------------------------

def told(name, ratios, bar, ours, theirs):
    r = statistics.median(ratios)
    print('%-16s %9.1f ms %9.1f ms   %5.2f  (%.2f to %.2f, %d pairs)   bar %.1f: %s' %
          (name, statistics.median(ours), statistics.median(theirs), r, min(ratios), max(ratios), len(ratios), bar, 'reached' if r >= bar else 'MISSED'), flush=True)
    return r >= bar


def against_torch(python, name, pairs, threads, kernels):
    preset, batch, bar = CASES[name]
    seq = shape(preset)['seq']
    reps = 20 if preset == 'demo' else 5 if preset == 'stories15m' else 2
    best, found = None, []
    for n in sorted({1, threads}):
        for k in (None, kernels):
            t = Torch(python, n, k)
            ms = t.ms(preset, batch, reps)
            found.append('%s %.0f ms' % (t.name, ms))
            if not best or ms < best[0]:
                if best:
                    best[1].close()
                best = (ms, t)
            else:
                t.close()
    t = best[1]
    print('# %s: PyTorch %s with %s (%s)' % (name, t.version, t.name, '; '.join(found)), flush=True)
    ratios, ours, theirs = [], [], []
    for _ in range(pairs):
        rows, _ = anetui(preset)
        ours.append(micro(rows, batch, seq)['ms'])
        theirs.append(t.ms(preset, batch, reps))
        ratios.append(theirs[-1] / ours[-1])
    t.close()
    return told(name, ratios, bar, ours, theirs)


def against_llmc(source, pairs, threads):
    with tempfile.TemporaryDirectory(prefix='anetui-peers-') as folder:
        l = Llmc(source, folder, threads)
        ratios, ours, theirs = [], [], []
        try:
            for _ in range(pairs):
                rows, _ = anetui('stories110m')
                m = micro(rows, 1, 256)
                # Theirs is a whole step: ours is, too.
                ms = m['ms'] + rows['gradient norm']['ms'] + rows['update (AdamW)']['ms']
                ours.append(ms / m['flops'] * 1e12)
                theirs.append(l.ms() / gpt2_flops(1, 256) * 1e12)
                ratios.append(theirs[-1] / ours[-1])
        finally:
            l.close()
    print('# llm.c: a whole step of a model like GPT-2 124M, 1 x 256, and of stories110m; ms a TFLOP')
    return told('llm.c', ratios, LLMC_BAR, ours, theirs)


def main():
    if sys.argv[1:] == ['torch']:
        return torch_child()
    pairs, only = 3, list(CASES) + ['llmc']
    for a in sys.argv[1:]:
        if a.startswith('pairs='):
            pairs = int(a[6:])
        elif a.startswith('only='):
            only = a[5:].split(',')
        else:
            sys.exit('peers: %s: wanted pairs=N, only=CASE,... (%s, llmc)' % (a, ', '.join(CASES)))
    _, machine = anetui('sgemm')
    python, threads, kernels = os.environ.get('PYTHON', ''), machine['threads'], machine['kernels']
    print('# anetui: %s, %s kernels, %d threads; the other side: its best settings of those tried, same machine, in turn' % (machine['blas'], kernels, threads))
    print('%-16s %12s %12s   %5s' % ('micro-step', 'anetui', 'other', 'ratio'), flush=True)
    good = True
    for name in CASES:
        if name not in only:
            continue
        if not python:
            print('%-16s --: no python3 with torch (PYTHON=...)' % name)
            continue
        good &= against_torch(python, name, pairs, threads, kernels)
    if 'llmc' in only:
        if os.environ.get('LLMC'):
            good &= against_llmc(os.environ['LLMC'], pairs, threads)
        else:
            print('%-16s --: LLMC= names no folder with train_gpt2.c' % 'llm.c')
    sys.exit(0 if good else 1)


main()
