# screen.py: what the screen costs: training beside it, the time from a key to the screen, the processor time of its thread. See screen.sh. SPDX-License-Identifier: MIT
import fcntl
import json
import os
import pty
import random
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

ANETUI = os.environ['ANETUI']
QUIET = [w for k in ('eval.every=0', 'ckpt.every=0', 'sample.every=0', 'lr.steps=1000000') for w in ('--set', k)]
WARM = 3.0  # seconds at the beginning that do not count


class Screen:
    """The program on a terminal of our own; a thread takes what it writes."""

    def __init__(self, run, w=120, h=40, glyphs=''):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ['TERM'] = 'xterm-256color'
            os.environ['ANETUI_GLYPHS'] = glyphs
            # The program is to begin with the size that it keeps.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', h, w, 0, 0))
            os.execv(ANETUI, [ANETUI, '--no-rc', '--run', run] + QUIET)
        self.seen = threading.Condition()
        self.want, self.at, self.bytes, self.gone = None, None, 0, False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                b = os.read(self.fd, 65536)
            except OSError:
                b = b''
            now = time.perf_counter()
            with self.seen:
                self.gone = not b
                self.bytes += len(b)
                if self.want and self.want in b:
                    self.at, self.want = now, None
                self.seen.notify_all()
            if not b:
                return

    def key(self, k, want=None, wait=5.0):
        """Seconds until `want` is written; None: never."""
        with self.seen:
            self.want, self.at = want, None
        t = time.perf_counter()
        os.write(self.fd, k)
        if want is None:
            return None
        with self.seen:
            self.seen.wait_for(lambda: self.at is not None or self.gone, wait)
            return self.at - t if self.at is not None else None

    def ui_seconds(self):
        """Processor time of the main thread, which is the screen's."""
        f = open('/proc/%d/task/%d/stat' % (self.pid, self.pid)).read().rsplit(')', 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf('SC_CLK_TCK')

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Plain:
    def __init__(self, run):
        self.p = subprocess.Popen([ANETUI, '--plain', '--no-rc', '--run', run] + QUIET + ['-e', 'new demo', '-e', 'train 1000000000'], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait()


def rate(run):
    """Tokens a second, without the beginning."""
    steps = [e for e in map(json.loads, open(os.path.join(run, 'metrics.jsonl'))) if e['event'] == 'step' and e['t'] >= WARM]
    assert len(steps) > 2, 'too short: %d steps after the first %g s' % (len(steps), WARM)
    return (steps[-1]['tokens'] - steps[0]['tokens']) / (steps[-1]['t'] - steps[0]['t'])


def trained(kind, folder, seconds):
    run = os.path.join(folder, 'run')
    p = kind(run)
    time.sleep(seconds + WARM)
    p.stop()
    r = rate(run)
    shutil.rmtree(run)
    return r


def verdict(name, text, good):
    print('%-30s %s: %s' % (name, text, 'reached' if good else 'MISSED'), flush=True)
    return good


def pairs_of(folder, pairs, seconds):
    slower = []
    for i in range(pairs):
        order = (Screen, Plain) if i % 2 else (Plain, Screen)
        r = {k: trained(k, folder, seconds) for k in order}
        slower.append(100 * (r[Plain] / r[Screen] - 1))
        print('# pair %d: plain %.0f tokens/s, screen %.0f, %.2f %% slower' % (i + 1, r[Plain], r[Screen], slower[-1]), flush=True)
    m = statistics.median(slower)
    return verdict('training beside the screen', '%.2f %% slower (median of %d pairs of %g s; bar 1 %%)' % (m, pairs, seconds), m <= 1)


def thread_share(s, seconds):
    c, b, t = s.ui_seconds(), s.bytes, time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - t
    share = 100 * (s.ui_seconds() - c) / took
    return verdict('the screen\'s thread', '%.2f %% of a core over %.0f s, %.1f KiB/s to the terminal (bar 2 %%)' % (share, took, (s.bytes - b) / took / 1024), share < 2)


# KB/s at ten frames a second when every cell is another dot in every frame: what must not be needed.
SCROLLED = {(80, 24): 49, (120, 40): 131, (200, 60): 338}


def traffic(folder, seconds):
    """Bytes to the terminal by size and glyphs, each from the start of a run on."""
    good = True
    for (w, h), bar in SCROLLED.items():
        for glyphs in ('ascii', 'braille'):
            s = Screen(os.path.join(folder, 'traffic-%d-%s' % (w, glyphs)), w, h, glyphs)
            time.sleep(WARM)
            b, t, each = s.bytes, time.perf_counter(), []
            for _ in range(seconds):
                before = s.bytes
                time.sleep(1)
                each.append((s.bytes - before) / 1e3)
            mean = (s.bytes - b) / 1e3 / (time.perf_counter() - t)
            s.stop()
            good &= verdict('%dx%d %s' % (w, h, glyphs), '%.1f KB/s, %.1f in the busiest of %d seconds (bar %d)' % (mean, max(each), seconds, bar), mean < bar)
    return good


def latency(s, keys):
    """A letter that nothing else on the screen has, and back, at moments that nothing is in step with."""
    s.key(b':')
    time.sleep(0.5)
    took, lost, rng = [], 0, random.Random(1)
    for _ in range(keys):
        t = s.key(b'Z', b'Z')
        lost += t is None
        took += [t * 1e3] if t is not None else []
        time.sleep(0.04)
        s.key(b'\x7f')
        time.sleep(0.06 + 0.1 * rng.random())
    took.sort()
    assert took, 'no key ever came to the screen'
    p99 = took[min(len(took) - 1, int(0.99 * len(took)))]
    return verdict('from a key to the screen', '%.1f ms median, %.1f at the 99th percentile, %.1f at most, %d of %d keys lost (bar 50 ms)' %
                   (took[len(took) // 2], p99, took[-1], lost, keys), p99 < 50 and not lost)


def main():
    n = {'pairs': 3, 'seconds': 20, 'keys': 200, 'traffic': 0}
    for a in sys.argv[1:]:
        k, _, v = a.partition('=')
        if k not in n or not v.isdigit():
            sys.exit('screen: %s: wanted pairs=N, seconds=N, keys=N, traffic=N' % a)
        n[k] = int(v)
    good = True
    with tempfile.TemporaryDirectory(prefix='anetui-screen-') as folder:
        if n['traffic']:
            sys.exit(0 if traffic(folder, n['traffic']) else 1)
        s = Screen(os.path.join(folder, 'look'))
        time.sleep(WARM + 2)
        good &= thread_share(s, n['seconds'])
        if n['keys']:
            good &= latency(s, n['keys'])
        s.stop()
        if n['pairs']:
            good &= pairs_of(folder, n['pairs'], n['seconds'])
    sys.exit(0 if good else 1)


main()
