#!/bin/sh
# texts.sh: texts of people, English and Japanese: what is held out is understood better and better, and samples are whole characters.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
needs_data tinyshakespeare.txt wagahaiwa.txt
for text in tinyshakespeare wagahaiwa; do
	plain --run "$text" -e 'new demo layers=2 dim=64 heads=4 kv_heads=4 head_dim=16 hidden=128 vocab=1024' -e "data $data/$text.txt" -e 'set seq 64' -e 'set batch 8' \
		-e 'set lr.max 3e-3' -e 'set lr.warmup 10' -e 'set lr.steps 240' -e 'set eval.every 40' -e 'train 240' \
		-e 'sample 200' -e 'sample 100 私は' -e 'set sample.temperature 2' -e 'set sample.top_p 1' -e 'sample 200'
	check "$text: trains" eval 'is 0 && test -f $text/step-00000240.ckpt'
	python "$text: validation loss falls from one time to the next" <<END
v = [(e['step'], e['loss'], e['bits_per_byte']) for e in events('$text') if e['event'] == 'eval']
assert [s for s, l, b in v] == [0, 40, 80, 120, 160, 200, 240], v
# The noise of so short a training is far below the first falls, and not far below the last.
assert all(b[1] < a[1] + 0.01 for a, b in zip(v, v[1:])), v
assert v[1][1] < v[0][1] - 0.5 and v[-1][1] < v[1][1] - 0.2 and v[-1][2] < 0.85 * v[0][2], v
END
	python "$text: samples are UTF-8, printed and recorded alike" <<END
out = open('out', 'rb').read().decode('utf-8')
ev = [e['text'] for e in events('$text') if e['event'] == 'sample']
assert len(ev) == 3 and out == ''.join(t + '\\n' for t in ev), (len(ev), out[:100], ev[0][:100])
assert ev[1].startswith('私は')
if '$text' == 'wagahaiwa':
    # Which of many good samples comes depends on the BLAS's kernels, and some are mostly punctuation: Japanese is kana, kanji, its
    # punctuation and the full-width forms.
    both = ev[0] + ev[1]
    japanese = sum('\\u3000' <= c <= '\\u9fff' or '\\uff01' <= c <= '\\uffef' for c in both)
    assert japanese > 0.6 * len(both), both
    assert sum('\\u3040' <= c <= '\\u30ff' for c in both) > 0.05 * len(both), both
    assert both.count('\\ufffd') < 0.1 * len(both), both
END
done
# The text itself comes back from its tokens, byte for byte, in what is predicted: bits per byte are of the text's bytes.
python "bits per byte are the loss over the bytes of the text" <<'END'
import glob, os
for text in ('tinyshakespeare', 'wagahaiwa'):
    e = [e for e in events(text) if e['event'] == 'eval'][0]
    ratio = e['loss'] / math.log(2) / e['bits_per_byte']
    assert 1.5 < ratio < 6, (text, ratio)   # bytes of one token
END
# Lines of three kinds of ends, a BOM, and a text of one long line.
printf '\357\273\277first line\r\nsecond line\rthird line\n%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 >ends.txt
head -c 60000 "$data/wagahaiwa.txt" | tr -d '\n' >long.txt
for f in ends long; do
	script --run "$f" 'set seq 16' "data $f.txt" 'train 5' 'sample 20'
	check "$f.txt" eval 'is 0 && [ -s out ]'
done
done_testing
