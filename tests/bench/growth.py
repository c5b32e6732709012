# growth.py: `bench growth format=json` on standard input, tables for docs/performance.md on standard output. Measures nothing. SPDX-License-Identifier: MIT
import json
import sys

PARTS = (
    ('attention', ('fwdAttn', 'sdpaBwd1', 'sdpaBwd2', 'qkvBwd')),
    ('feed-forward', ('fwdFFN', 'ffnBwd')),
    ('weight gradients', ('host: dW',)),
    ('classifier, loss', ('host: classifier', 'host: loss')),
)


def group(rows):
    """{kind: {value: {row: ...}}} in the order of the file."""
    out = {}
    for r in rows:
        head, name = r['name'].split(': ', 1)
        kind, value = head.split()
        out.setdefault(kind, {}).setdefault(int(value), {})['micro' if name.startswith('micro-step') else name] = r
    return out


def table(kind, points):
    first = next(iter(points.values()))['micro']
    print('| %s | micro-step | of the first | FLOP, of the first | of sgemm\'s rate | %s | rest | update |' % (kind, ' | '.join(n for n, _ in PARTS)))
    print('|' + '---:|' * (7 + len(PARTS)))
    for value, rows in points.items():
        m = rows['micro']
        parts = [sum(rows[n]['ms'] for n in names if n in rows) for _, names in PARTS]
        cells = ['%d' % value, '1' if m is first else '%.2f' % (m['ms'] / first['ms']), '1' if m is first else '%.2f' % (m['flops'] / first['flops']), '%.2f' % m['share']]
        cells.insert(1, '%.2f' % (m['ms'] / m['floor_ms']))
        cells += ['%.0f %%' % (100 * p / m['ms']) for p in parts] + ['%.0f %%' % (100 * max(0, 1 - sum(parts) / m['ms']))]
        cells.append('%.2f' % ((rows['update (AdamW)']['ms'] + rows['gradient norm']['ms']) / m['ms']))
        print('| ' + ' | '.join(cells) + ' |')
    print()


def main():
    b = json.load(sys.stdin)
    print('<!-- tests/bench/growth.sh: anetui %s, %s, %s kernels, %d threads -->' % (b['version'], b['blas'], b['kernels'], b['threads']))
    for kind, points in group(b['rows']).items():
        table(kind, points)


main()
