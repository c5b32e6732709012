# peers.py: the same micro-step in anetui, in PyTorch, and in llm.c, in pairs taken one after the other; prints ratios. See peers.sh. SPDX-License-Identifier: MIT
import contextlib
import io
import json
import os
import signal
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

PRESETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../assets/presets.conf')
# name: preset, sequences of a micro-step, what the ratio should reach beside PyTorch as it comes
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


def untold(**more):
    """The environment without what tells libraries how many threads and which kernels to take."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(('OMP_', 'OPENBLAS_', 'GOTO_', 'MKL_', 'BLIS_', 'KMP_', 'GOMP_'))}
    return dict(env, **more)


# --- PyTorch: a process that answers one request a line -----------------------------------------------------------

def torch_child():
    import torch
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import llama_torch
    if 'OMP_NUM_THREADS' in os.environ:
        torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))
    models = {}
    print(json.dumps({'torch': torch.__version__, 'threads': torch.get_num_threads()}), flush=True)
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
    """threads None: nothing is set, neither here nor in the environment."""

    def __init__(self, python, threads=None, kernels=None):
        env = untold()
        if threads:
            env.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
        if kernels:
            env['OPENBLAS_CORETYPE'] = kernels
        self.p = subprocess.Popen([python, __file__, 'torch'], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        told = json.loads(self.p.stdout.readline())
        self.version = told['torch']
        self.name = '%d thread%s, %s' % (told['threads'], 's' * (told['threads'] > 1), kernels + ' kernels' if kernels else "the library's own kernels")
        if not threads:
            self.name = 'as it comes (%s)' % self.name

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
    os.makedirs(tokens, exist_ok=True)
    for name in ('tiny_shakespeare_train.bin', 'tiny_shakespeare_val.bin'):
        n = 32768
        with open(os.path.join(tokens, name), 'wb') as f:
            f.write(struct.pack('<256i', 20240520, 1, n, *[0] * 253))
            f.write(struct.pack('<%dH' % n, *(rng.randrange(g['vocab']) for _ in range(n))))


class Llmc:
    """train_gpt2 by its own clock, with the update told apart. It is stopped while others are measured.

    compiler: what its Makefile makes of it with that one, its own sequences (4 x 64), nothing set. Forced: our flags, sequences as long as ours (1 x 256), all threads.
    """

    def __init__(self, source, folder, compiler, threads=None):
        self.batch, self.seq = (1, 256) if threads else (4, 64)
        text = open(os.path.join(source, 'train_gpt2.c')).read()
        # One validation batch will do: it is not timed. The update gets a clock.
        edits = [('int val_num_batches = 5;', 'int val_num_batches = 1;'),
                 ('        gpt2_update(&model, 1e-4f', '        struct timespec before; clock_gettime(CLOCK_MONOTONIC, &before);\n        gpt2_update(&model, 1e-4f'),
                 ('printf("step %d: train loss %f (took %f ms)\\n", step, model.mean_loss, time_elapsed_s * 1000);',
                  'printf("step %d: took %f update %f\\n", step, time_elapsed_s * 1000, (end.tv_sec - before.tv_sec) * 1e3 + (end.tv_nsec - before.tv_nsec) / 1e6);')]
        if threads:
            edits += [('int B = 4;', 'int B = 1;'), ('int T = 64;', 'int T = 256;')]
        for was, now in edits:
            assert was in text, 'train_gpt2.c: %s not found' % was
            text = text.replace(was, now)
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns('.git'))
        with open(os.path.join(folder, 'train_gpt2.c'), 'w') as f:
            f.write(text)
        flags = ['-O3', '-Ofast', '-march=native', '-fopenmp', '-DOMP', '-w']
        make = [compiler] + flags + ['-I.', '-o', 'train_gpt2', 'train_gpt2.c', '-lm'] if threads else ['make', 'CC=' + compiler, 'train_gpt2']
        subprocess.run(make, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        gpt2_files(folder)
        env = untold(OMP_NUM_THREADS=str(threads)) if threads else untold()
        self.p = subprocess.Popen(['stdbuf', '-oL', './train_gpt2'], cwd=folder, stdout=subprocess.PIPE, text=True, env=env)
        self.step()
        self.pause()

    def step(self):
        """(whole step, its update) in ms."""
        for line in self.p.stdout:
            if line.startswith('step ') and 'took' in line:
                w = line.split()
                return float(w[3]), float(w[5])
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

class Row:
    """One line of the table: pairs of ours and theirs."""

    def __init__(self, name, unit='ms'):
        self.name, self.unit, self.ours, self.theirs = name, unit, [], []

    def add(self, ours, theirs):
        self.ours.append(ours)
        self.theirs.append(theirs)

    def tell(self, bar):
        """bar None: the line is not judged."""
        ratios = [t / o for o, t in zip(self.ours, self.theirs)]
        r = statistics.median(ratios)
        judged = 'not judged' if bar is None else 'bar %.1f: %s' % (bar, 'reached' if r >= bar else 'MISSED')
        print('%-36s %9.1f %9.1f %-8s %6.2f  (%.2f to %.2f, %d pairs)   %s' %
              (self.name, statistics.median(self.ours), statistics.median(self.theirs), self.unit, r, min(ratios), max(ratios), len(ratios), judged), flush=True)
        return bar is None or r >= bar


def best_forced(python, preset, batch, reps, threads, kernels):
    """The fastest of the settings that can be forced, still running, and what each took."""
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
    return best[1], found


def against_torch(python, name, pairs, threads, kernels):
    preset, batch, bar = CASES[name]
    seq = shape(preset)['seq']
    reps = 20 if preset == 'demo' else 5 if preset == 'stories15m' else 2
    best, found = best_forced(python, preset, batch, reps, threads, kernels)
    plain, even = Torch(python), Torch(python, threads)
    print('# %s: PyTorch %s; %s; forced: %s' % (name, plain.version, plain.name, '; '.join(found)), flush=True)
    rows = Row(name + ', PyTorch as it comes'), Row('%s, PyTorch on %d threads' % (name, threads)), Row('%s, best of %d forced' % (name, len(found)))
    for _ in range(pairs):
        ours = micro(anetui(preset)[0], batch, seq)['ms']
        for row, t in zip(rows, (plain, even, best)):
            row.add(ours, t.ms(preset, batch, reps))
    for t in (plain, even, best):
        t.close()
    good = [row.tell(b) for row, b in zip(rows, (bar, bar, None))]
    return all(good)


def against_llmc(source, pairs, threads):
    """Milliseconds a TFLOP: the models differ a little. Micro-step beside micro-step, and both with their updates; both count 6 a matrix parameter and token, and half of attention."""
    good = True
    with tempfile.TemporaryDirectory(prefix='anetui-peers-') as folder:
        cc = os.environ.get('CC', 'cc')
        ways = [('llm.c by clang', 'clang', None, LLMC_BAR)] if shutil.which('clang') else []
        ways += [('llm.c by ' + cc, cc, None, None if ways else LLMC_BAR), ('llm.c, forced', cc, threads, None)]
        for what, compiler, n, bar in ways:
            l = Llmc(source, os.path.join(folder, what.replace(' ', '-')), compiler, n)
            flops = gpt2_flops(l.batch, l.seq) / 1e12
            print('# %s: a model like GPT-2 124M, %d x %d, %.3f TFLOP; stories110m, 1 x 256' % (what, l.batch, l.seq, flops), flush=True)
            bare, whole = Row(what + ', micro-step', 'ms/TFLOP'), Row(what + ', with update', 'ms/TFLOP')
            try:
                for _ in range(pairs):
                    rows, _ = anetui('stories110m')
                    m = micro(rows, 1, 256)
                    ours, scale = m['ms'], m['flops'] / 1e12
                    step, update = l.ms()
                    bare.add(ours / scale, (step - update) / flops)
                    whole.add((ours + rows['gradient norm']['ms'] + rows['update (AdamW)']['ms']) / scale, step / flops)
            finally:
                l.close()
            good &= bare.tell(bar)
            whole.tell(None)
    return good


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
    # Our own product names what the processor can do; OpenBLAS's kernels of that kind have other names.
    forced = {'AVX-512': 'SkylakeX', 'AVX2': 'Haswell'}.get(kernels, kernels)
    print('# anetui: %s, %s kernels, %d threads; the others in turn on the same machine' % (machine['blas'], kernels, threads))
    print('%-36s %9s %9s %-8s %6s' % ('micro-step', 'anetui', 'other', '', 'ratio'), flush=True)
    good = True
    for name in CASES:
        if name not in only:
            continue
        if not python:
            print('%-36s --: no python3 with torch (PYTHON=...)' % name)
            continue
        good &= against_torch(python, name, pairs, threads, forced)
    if 'llmc' in only:
        if os.environ.get('LLMC'):
            good &= against_llmc(os.environ['LLMC'], pairs, threads)
        else:
            print('%-36s --: LLMC= names no folder with train_gpt2.c' % 'llm.c')
    sys.exit(0 if good else 1)


main()
