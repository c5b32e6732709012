#!/bin/sh
# run_folder.sh: what a run leaves behind: names, lock, events and their keys, commands that make it again, checkpoints that any reader opens.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
printf 'One day a fox met a hen. "Good day," said the hen. "Good day," said the fox, and he went home.\n%.0s' 1 2 3 4 5 6 7 8 >fox.txt
cat fox.txt fox.txt fox.txt fox.txt fox.txt fox.txt fox.txt fox.txt >foxes.txt

# --- a run with something of everything ---
script -e 'set eval.every 5' -e 'set ckpt.every 8' -e 'set accum 2' -e 'train 12' -e 'lr 5e-4' -e 'sample 20 Once upon a time' -e 'set sample.stop "say \"hi\" \\ "' \
	-e 'train 4' -e 'ckpt mine' -e 'train 2'
check "a run" is 0
check "its parts" eval '[ "$(ls runs/demo | tr "\n" " ")" = "best.ckpt lock metrics.jsonl mine.ckpt settings.cmd step-00000008.ckpt step-00000016.ckpt step-00000018.ckpt " ]'
check "the lock names nobody when the run has ended" empty runs/demo/lock

python "every event has the keys it should, and nothing is out of order" <<'END'
want = {
    'start': {'settings', 'params', 'vocab', 'device', 'blas', 'kernels', 'threads'},
    'step': {'loss', 'grad_norm', 'lr', 'tokens', 'ms', 'micro_ms', 'watts'},
    'eval': {'loss', 'bits_per_byte'}, 'set': {'key', 'old', 'new'}, 'ckpt': {'file', 'bytes', 'ms', 'stall_ms'},
    'sample': {'text'}, 'error': {'message'}, 'stop': {'reason', 'saved'},
}
exact = set(want) - {'start'}
text = open('runs/demo/metrics.jsonl', 'rb').read()
assert text.endswith(b'\n')
ev = events('runs/demo')
t = step = 0
for e in ev:
    kind, keys = e['event'], set(e) - {'event', 't', 'step'}
    assert isinstance(e['t'], (int, float)) and isinstance(e['step'], int), e
    assert e['t'] >= t and (e['step'] >= step or kind == 'ckpt'), e
    t, step = e['t'], max(step, e['step'])
    assert want[kind] <= keys, (kind, want[kind] - keys)
    assert kind not in exact or keys == want[kind], (kind, keys - want[kind])
kinds = [e['event'] for e in ev]
assert kinds[0] == 'start' and kinds[-1] == 'stop' and kinds.count('start') == kinds.count('stop') == 1
assert kinds[1] == 'eval' and ev[1]['step'] == 0, 'validation at step 0'
assert [e['step'] for e in ev if e['event'] == 'step'] == list(range(1, 19))
assert [e['step'] for e in ev if e['event'] == 'eval'] == [0, 5, 10, 15]
assert [e['file'] for e in ev if e['event'] == 'ckpt' and e['file'][0] == 's'] == ['step-%08d.ckpt' % k for k in (8, 16, 18)]
assert all(e['step'] == int(e['file'][5:13]) for e in ev if e['event'] == 'ckpt' and e['file'][0] == 's'), 'the step that is in the file'
assert all(0 <= e['stall_ms'] <= e['ms'] for e in ev if e['event'] == 'ckpt')
assert [e['text'][:16] for e in ev if e['event'] == 'sample'] == ['Once upon a time']
sets = [(e['key'], e['old'], e['new'], e['step']) for e in ev if e['event'] == 'set']
assert ('lr.max', 0.001, 0.0005, 12) in [(k, round(o, 9) if k == 'lr.max' else o, n, s) for k, o, n, s in sets] or \
       any(k == 'lr.max' and n == 0.0005 and s == 12 for k, o, n, s in sets), sets
assert any(k == 'sample.stop' and n == 'say "hi" \\ ' for k, o, n, s in sets), sets
assert ev[-1]['reason'] == 'quit'
s = ev[0]['settings']
assert s['seq'] == 32 and s['batch'] == 2 and s['accum'] == 2 and s['lr.shape'] in ('constant', 'cosine', 'linear', 'wsd'), s
assert ev[0]['device'] == 'cpu' and ev[0]['params'] > 0 and ev[0]['vocab'] > 0 and ev[0]['threads'] > 0
tokens = [e['tokens'] for e in ev if e['event'] == 'step']
assert tokens == [32 * 2 * 2 * k for k in range(1, 19)], tokens
END
python "numbers have nine significant digits" <<'END'
import re
for line in open('runs/demo/metrics.jsonl', encoding='utf-8'):
    if '"event":"step"' in line:
        for num in re.findall(r'":(-?[0-9.]+(?:e[-+][0-9]+)?)[,}]', line):
            digits = re.sub(r'e.*', '', num).replace('-', '').replace('.', '').lstrip('0')
            assert len(digits) <= 9 or '.' not in num, num
losses = [e['loss'] for e in events('runs/demo') if e['event'] == 'step']
assert max(len(('%.9g' % x).replace('.', '').lstrip('0')) for x in losses) >= 8, losses
END
python "a checkpoint is a safetensors file: no holes, no rest, moments for every weight" <<'END'
import glob, os
ev = events('runs/demo')
size = {e['file']: e['bytes'] for e in ev if e['event'] == 'ckpt'}
for path in glob.glob('runs/demo/*.ckpt'):
    t, meta = st_read(path)
    assert size[os.path.basename(path)] == os.path.getsize(path)
    names = [k for k in t if k not in ('anetui.crc', 'tokenizer')]
    w = [k for k in names if not k.startswith('adam.')]
    assert sorted(names) == sorted(w + ['adam.m.' + k for k in w] + ['adam.v.' + k for k in w]), names
    assert sum(len(t[k][2]) // 4 for k in w) == ev[0]['params']
    assert list(t)[-1] == 'anetui.crc' and t['anetui.crc'][0] == 'U32'
    assert all(isinstance(v, str) for v in meta.values())
    for k in w:
        v = struct.unpack('<%df' % (len(t[k][2]) // 4), t[k][2])
        assert all(math.isfinite(x) for x in v), k
END
cat >crc32c.py <<'END'
table = []
for i in range(256):
    for _ in range(8):
        i = (i >> 1) ^ (0x82F63B78 if i & 1 else 0)
    table.append(i)
def crc(data):
    c = 0xFFFFFFFF
    for b in data:
        c = table[(c ^ b) & 255] ^ (c >> 8)
    return c ^ 0xFFFFFFFF
END
python "the sums of a checkpoint are CRC-32C of the header and of each tensor before" <<'END'
from crc32c import crc
assert crc(b'123456789') == 0xE3069283
path = 'runs/demo/step-00000018.ckpt'
raw = open(path, 'rb').read()
t, meta = st_read(path)
n = struct.unpack('<Q', raw[:8])[0]
sums = struct.unpack('<%dI' % (len(t['anetui.crc'][2]) // 4), t['anetui.crc'][2])
parts = [raw[:8 + n]] + [v[2] for k, v in t.items() if k != 'anetui.crc']
assert len(sums) == len(parts)
for have, p in zip(sums, parts):
    if len(p) < 300000:
        assert have == crc(p)
END
plain -e 'verify runs/demo/step-00000018.ckpt' -e 'verify runs/demo/mine.ckpt'
check "verify agrees" eval 'is 0 && [ "$(grep -c whole out)" -eq 2 ]'

# --- the commands make it again ---
again() {
	plain -x "$1/settings.cmd" --run "$2"
	check "$3: the commands run" is 0
	python "$3: every step is the same" <<END
a, b = steps('$1'), steps('$2')
assert len(a) > 1 and a == b, [(k, a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)][:3]
END
}
again runs/demo again "changed on the way"
plain --run alter -e 'set seed 5' -e "$small" -e 'set seed 6' -e 'data foxes.txt order=shuffle val=0.1' -e 'set seed 7' -e 'set seq 16' -e 'set adam.eps 1.000000000001e-8' \
	-e 'train 3' -e 'data fox.txt order=sequential' -e 'train 3' -e 'set batch 3' -e 'undo' -e 'train 2'
check "seeds, data and undo on the way" is 0
again alter alter-again "seeds, data and undo"
plain --run back -e "$small" -e 'set seq 16' -e 'train 4' -e 'ckpt four' -e 'train 3' -e 'load four' -e 'lr 1e-4' -e 'train 4'
check "back to a checkpoint and another way from there" eval 'is 0 && grep -q "^load " back/settings.cmd'
again back back-again "gone back"
check "by its name, so that the other run has its own" grep -q "^load four.ckpt$" back/settings.cmd
plain --run undone -e "$small" -e 'set seq 16' -e 'lr 0.01' -e 'train 2' -e 'ckpt a' -e 'undo' -e 'train 2' -e 'ckpt a' -e 'eval' -e 'load a' -e 'train 1' -e 'ckpt a' -e 'load a' \
	-e 'lr 1e-3 constant' -e 'train 2' -e 'load best' -e 'train 2'
check "there and back with settings taken back" is 0
again undone undone-again "there and back"
plain --run ids -e "$small" -e 'set seq 16' -e 'data foxes.txt' -e 'tokenize fox.txt fox.bin' -e 'data fox.bin' -e 'train 3' -e 'data foxes.txt' -e 'train 2'
check "ids of a tokenizer that was learned before" is 0
again ids ids-again "ids"
plain --run from -e 'load back/four.ckpt' -e 'train 2'
check "a run that begins with a checkpoint" eval 'is 0 && grep -q "\"resumed\":4" from/metrics.jsonl'
again from from-again "from a checkpoint"
mkdir -p 'odd "na#me'
cp fox.txt 'odd "na#me/te xt.txt'
plain --run odd -e "$small" -e 'set seq 16' -e 'data "odd \"na#me/te xt.txt"' -e 'train 3'
check "a path with blanks and quotes" is 0
again odd odd-again "a path with blanks and quotes"

# --- names ---
script -e 'train 1'
script -e 'train 1'
check "a new run never writes into a folder that holds one" eval 'test -f runs/demo-2/step-00000001.ckpt && test -f runs/demo-3/step-00000001.ckpt'
script -e 'train 1' -e "$small layers=2" -e 'train 2'
check "new ends the run and opens another" eval 'is 0 && test -f runs/demo-4/step-00000001.ckpt && test -f runs/demo-5/step-00000002.ckpt && tail -n 1 runs/demo-4/metrics.jsonl | grep -q "\"stop\".*new model"'
script --run one/two -e 'train 1'
script --run one/two/ -e 'train 1'
check "--run DIR makes folders; the second is DIR-2" eval 'is 0 && test -f one/two/step-00000001.ckpt && test -f one/two-2/step-00000001.ckpt'
mkdir mine && echo precious >mine/notes
script --run mine -e 'train 1'
check "a folder without a run may be used, what lies there stays" eval 'is 0 && test -f mine/step-00000001.ckpt && [ "$(cat mine/notes)" = precious ]'
mkdir demo
script --run demo -e 'train 1'
check "a folder that is called like a preset does not hide the preset" eval 'is 0 && test -f demo/step-00000001.ckpt'
plain -e 'info'
check "nor when the demo is made by itself" eval 'is 0 && in_out "^model *demo"'
rmdir demo 2>/dev/null || rm -r demo
script -e 'ckpt best'
check "best.ckpt is not for the user to write" eval '! is 0 && in_err "ckpt: best: .*own"'
script -e 'train 1' -e '-ckpt ../x' -e '-ckpt .x' -e '-ckpt "a\nb"' -e '-ckpt step-00000009'
check "names of checkpoints that would do harm" eval 'is 0 && err_lines 4 "^ckpt: " && [ ! -e runs/x.ckpt ]'
script --run keep -e 'set ckpt.every 1' -e 'set ckpt.keep 2' -e 'set eval.every 2' -e 'train 3' -e 'ckpt mine' -e 'train 5'
check "ckpt.keep: two numbered ones, best and what has a name" eval '[ "$(ls keep | grep -c "^step-")" -eq 2 ] && test -f keep/step-00000008.ckpt && test -f keep/mine.ckpt && test -f keep/best.ckpt'
plain -e 'runs'
check "runs lists them" eval 'is 0 && in_out "^runs/demo-5 " && in_out "^runs/demo  *18 "'

# --- the lock, and resuming ---
mkfifo gate
"$ANETUI" --plain --run keep --resume <gate >lock.out 2>lock.err &
pid=$!
exec 3>gate
wait_for 60 grep -q resumed lock.err
plain --run keep --resume -e 'train 1'
check "a run in use: status 1, says by whom" eval 'is 1 && in_err "keep: in use by process $pid"'
script --run keep -e 'train 1'
check "a new run goes elsewhere meanwhile" eval 'is 0 && test -f keep-2/step-00000001.ckpt'
echo 'train 2' >&3
exec 3>&-
wait $pid
check "the first goes on undisturbed" test -f keep/step-00000010.ckpt
plain --resume -e 'train 1'
check "--resume without --run takes the newest below runs/" eval 'is 0 && in_err "resumed runs/demo-"'
plain --resume --run runs/demo -e 'train 2'
check "--resume --run DIR" eval 'is 0 && test -f runs/demo/step-00000020.ckpt && grep -q "\"event\":\"start\".*\"resumed\":18" runs/demo/metrics.jsonl'
plain -x runs/demo/settings.cmd --run again2
check "the commands still make the whole run" is 0
python "and every step of it" <<'END'
a, b = steps('runs/demo'), steps('again2')
assert len(a) == 20 and a == b, [(k, a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)][:3]
END
cp -r runs/demo torn
printf '{"t":9.1,"step":2' >>torn/metrics.jsonl
head -c 5000 runs/demo/step-00000020.ckpt >torn/step-00000020.ckpt
plain --resume --run torn -e 'train 1'
check "a torn log line is cut, a torn checkpoint passed over" eval 'is 0 && in_err "step-00000020.ckpt.*skipped" && in_err "resumed torn at step 18"'
python "the log is whole again" <<'END'
ev = events('torn')
assert [e['step'] for e in ev if e['event'] == 'step'][-1] == 19
END

# --- a folder that somebody has made: its links lead nothing of ours elsewhere ---
for file in lock metrics.jsonl; do
	rm -rf linked
	cp -r runs/demo linked
	rm linked/$file
	printf 'precious\nno line end' >precious
	ln -s ../precious linked/$file
	plain --resume --run linked -e 'train 1'
	check "$file is a link: refused, what it leads to stays" eval 'is 1 && in_err "linked/$file: is a link" && [ "$(cat precious; echo .)" = "$(printf "precious\nno line end.")" ]'
	rm linked/$file
	mkfifo linked/$file
	plain --resume --run linked -e 'train 1'
	check "$file is a pipe: refused" eval 'is 1 && in_err "linked/$file: not a regular file"'
done
rm -rf linked
cp -r runs/demo linked
echo precious >precious
for file in step-00000021.ckpt best.ckpt settings.cmd settings.cmd.tmp-1-0; do
	ln -sf ../precious linked/$file
done
plain --resume --run linked -e 'set eval.every 1' -e 'train 1'
check "checkpoints and commands that are links: replaced, not followed" eval 'is 0 && [ "$(cat precious)" = precious ] && test -f linked/step-00000021.ckpt && ! test -h linked/step-00000021.ckpt && ! test -h linked/settings.cmd'

# Its model's name is no way out of runs/.
cat >rename.py <<'END'
import json, struct, sys
from crc32c import crc
raw = open('runs/demo/step-00000020.ckpt', 'rb').read()
n = struct.unpack('<Q', raw[:8])[0]
head = json.loads(raw[8:8 + n])
head['__metadata__']['config.name'] = sys.argv[1]
text = json.dumps(head).encode()
text += b' ' * (-len(text) % 8)
body = bytearray(raw[8 + n:])
at = head['anetui.crc']['data_offsets'][0]
body[at:at + 4] = struct.pack('<I', crc(struct.pack('<Q', len(text)) + text))
open('named.ckpt', 'wb').write(struct.pack('<Q', len(text)) + text + body)
END
if have_python; then
	for name in ../../away ../away /away .. . "" away/away; do
		rm -rf inside
		mkdir -p inside/inside
		python3 rename.py "$name"
		(cd inside/inside && plain -e 'load ../../named.ckpt' -e 'train 1' && cp out err ../..; echo $status >../../status)
		status=$(cat status)
		check "a checkpoint of a model called \"$name\": its run lies below runs/" eval 'is 0 && test -f inside/inside/runs/model/step-00000021.ckpt && [ "$(ls inside)" = inside ] && [ "$(ls inside/inside/runs)" = model ]'
	done
else
	skip "needs python3"
fi

# --- a folder that goes away under the run ---
# under DO: a run of three steps, saved; DO; two more steps, `ckpt x`, `ckpt`, another rate, one more step, the end.
under() {
	rm -rf here there other
	"$ANETUI" --plain --run here <gate >out 2>err 3>&- &
	pid=$!
	exec 3>gate
	printf '%s\nset seq 32\nset batch 2\ntrain 3\nckpt\n' "$small" >&3
	wait_for 60 grep -q '^checkpoint: here/step-00000003' err
	eval "$1"
	printf 'train 2\n-ckpt x\n-ckpt\nset lr.max 1e-4\ntrain 1\n' >&3
	exec 3>&-
	wait $pid
	status=$?
}
whole() { [ "$(ls "$1" | grep -c '^step-0000000[356].ckpt$')" -eq "$2" ] && test -f "$1/x.ckpt" && grep -q '^set lr.max 1e-4$\|^set lr.max 0.0001$' "$1/settings.cmd" && grep -q '"stop".*"saved":6' "$1/metrics.jsonl"; }
under 'mv here there'
check "moved: told once, everything goes on in the new place" eval 'is 0 && err_lines 1 "^warning: run: .*/there: its folder was moved" && whole there 3 && ! [ -e here ]'
under 'mv here there; "$ANETUI" --plain --run here -e "$small layers=2" -e "set ckpt.keep 1" -e "train 1" </dev/null >out2 2>&1; cp -r here other'
check "moved, and another run made in its place: that one is not touched" eval 'is 0 && whole there 3 && diff -r here other && test -f here/step-00000001.ckpt'
under 'rm -rf here'
check "removed: each save is refused in one line, status 1, nothing is made" eval 'is 1 && err_lines 2 "^stdin:[0-9]*: run: here: was moved or removed" && err_lines 1 "^run: here: was moved or removed" && ! [ -e here ]'
under 'rm -rf here; mkdir here; echo precious >here/notes'
check "removed and made again: told once, saved there" eval 'is 0 && err_lines 1 "^warning: run: here: its folder had gone" && whole here 2 && test -f here/notes && grep -q "\"start\"" here/metrics.jsonl'
under 'rm here/lock'
check "its lock deleted: it is locked again" eval 'is 0 && whole here 3 && test -f here/lock'
mkfifo gate2
under 'rm here/lock; "$ANETUI" --plain --run here --resume <gate2 >out2 2>err2 3>&- & second=$!; exec 4>gate2; wait_for 60 grep -q resumed err2'
check "its lock deleted, and another process in it: refused, with that one's number" eval 'is 1 && err_lines 2 "^stdin:[0-9]*: run: here: in use by process $second" && ! [ -e here/x.ckpt ]'
exec 4>&-
wait $second
rm torn/*.ckpt
plain --resume --run torn -e 'train 1'
check "no checkpoint: says so, status 1" eval 'is 1 && in_err "no checkpoint to go on from"'
done_testing
