#!/bin/sh
# lora.sh: adapters and the average of the weights from end to end: info, files, resuming, restarts, samples, fine-tuning a model that comes from elsewhere.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
model='new demo layers=2 dim=32 heads=2 kv_heads=2 hidden=64 head_dim=16'
go() {
	_dir=$1
	shift
	"$ANETUI" --plain --run "$_dir" -e "$model" -e 'set seq 32' -e 'set batch 1' -e 'set accum 2' -e 'set eval.every 6' -e 'set lr.warmup 5' -e 'set lr.steps 15' "$@" >out 2>err </dev/null
	status=$?
}
same() {
	python "$1" <<END
a, b = '$2', '$3'
sa, sb = steps(a), steps(b)
assert sorted(sa) == list(range(1, 21)), sorted(sa)
assert sa == sb, [(k, sa.get(k), sb.get(k)) for k in sorted(set(sa) | set(sb)) if sa.get(k) != sb.get(k)][:3]
wa, wb = weights(a + '/step-00000020.ckpt'), weights(b + '/step-00000020.ckpt')
assert wa.keys() == wb.keys() and not [k for k in wa if wa[k] != wb[k]], [k for k in wa if wa[k] != wb[k]]
ea = {e['step']: e['loss'] for e in events(a) if e['event'] == 'eval'}
eb = {e['step']: e['loss'] for e in events(b) if e['event'] == 'eval'}
assert ea and all(eb[k] == v for k, v in ea.items()), (ea, eb)
END
}
resumed() {
	_what=$1
	shift
	go "$_what" "$@" -e 'train 20'
	check "$_what: twenty steps" is 0
	for k in 1 7 19; do
		go "$_what-$k" "$@" -e "train $k"
		plain --resume --run "$_what-$k" -e "train $((20 - k))"
		same "$_what: $k, an end, $((20 - k)): the same bytes" "$_what" "$_what-$k"
	done
}

# --- adapters ---
go start -e 'set lora.rank 4' -e info -e 'ckpt start' -e 'train 3' -e info -e 'set lora.rank 0' -e 'train 2' -e 'undo' -e 'train 1'
check "info says what is trained, the log what begins and ends" eval 'is 0 && in_out "^lora  *rank 4, begins with the next step" && in_out "^lora  *rank 4, alpha 16: 4 matrices have adapters, 1.02 k parameters" &&
	err_lines 2 "^lora: adapters of rank 4 for 4 matrices, 1024 parameters are trained" && err_lines 1 "^lora: the adapters of rank 4 have ended, what they added stays"'
go file -e 'set lora.rank 4' -e 'set lora.targets q_proj' -e 'train 3'
python "the file: the sum, what it was without, adapters and their moments, no others" <<'END'
a, start = weights('file/step-00000003.ckpt'), weights('start/start.ckpt')
shape = {k: v[1] for k, v in a.items()}
import struct
def floats(t): return struct.unpack('<%df' % (len(t[2]) // 4), t[2])
names = [k for k in start if not k.startswith('adam.')]
q = ['model.layers.%d.self_attn.q_proj' % l for l in (0, 1)]
assert [k for k in names if a[k] != start[k]] == [n + '.weight' for n in q]
assert sorted(k for k in a if k.startswith('adam.')) == sorted(['adam.late'] + ['adam.%s.%s.lora_%s.weight' % (m, n, x) for m in 'mv' for n in q for x in 'AB'])
for n in q:
    assert a['lora.base.' + n + '.weight'][2] == start[n + '.weight'][2]
    assert shape[n + '.lora_A.weight'] == [4, 32] and shape[n + '.lora_B.weight'] == [32, 4]
    w, w0, A, B = (floats(a[k]) for k in (n + '.weight', 'lora.base.' + n + '.weight', n + '.lora_A.weight', n + '.lora_B.weight'))
    assert any(B) and all(abs(x) <= 1 / math.sqrt(32) + 0.02 for x in A)
    for o in range(32):
        for i in range(32):
            want = w0[32 * o + i] + 16 / 4 * sum(B[4 * o + r] * A[32 * r + i] for r in range(4))
            assert abs(w[32 * o + i] - want) <= 1e-7, (n, o, i)
END
resumed lora -e 'set lora.rank 3' -e 'set lora.targets *_proj'
resumed both -e 'set lora.rank 3' -e 'set ema.decay 0.9' -e 'freeze layers.0.*' -e 'set eval.patience 100'
resumed ema -e 'set ema.decay 0.8'
go talk -e 'set ema.decay 0.8' -e 'train 5' -e 'sample 10' -e 'set sample.ema on' -e 'sample 10' -e 'eval' -e 'train 2' -e 'sample 5' -e 'ckpt x' -e 'train 13'
same "samples of the average, and looking on the way, change nothing" ema talk
go refused -e 'set lora.targets norm'
check "a norm is no matrix" eval 'is 2 && in_err "^lora.targets: norm: no matrix of demo has such a name"'
go refused -e 'freeze embed* layers.*' -e 'set lora.rank 2' -e 'train 1'
check "nothing left to adapt" eval 'is 1 && in_err "^lora: demo: no matrix to adapt"'

# --- files for others ---
go out-start -e 'export safetensors base'
go out-tuned -e 'set lora.rank 4' -e 'set lora.targets *_proj' -e 'set ema.decay 0.5' -e 'set lr 0.01' -e 'train 4' -e 'export safetensors merged' -e 'export peft adapters' -e 'set sample.ema on' -e 'export safetensors average'
check "merged, adapters alone, the average" eval 'is 0 && in_out "^adapters: adapters of rank 4 for 14 matrices, for PEFT" && in_out "^average: the average of the weights"'
python "base and adapters make what is merged, rows of q and k as the folder has them" <<'END'
import json, struct
def read(path): return {k: (s, struct.unpack('<%df' % (len(b) // 4), b)) for k, (d, s, b) in st_read(path)[0].items()}
base, merged, average, low = (read(p) for p in ('base/model.safetensors', 'merged/model.safetensors', 'average/model.safetensors', 'adapters/adapter_model.safetensors'))
c = json.load(open('adapters/adapter_config.json'))
assert c['peft_type'] == 'LORA' and c['r'] == 4 and c['lora_alpha'] == 16 and len(c['target_modules']) == 14 and len(low) == 28, c
moved = 0
for m in c['target_modules']:
    (sa, A), (sb, B), (sw, w), (s0, w0) = low['base_model.model.' + m + '.lora_A.weight'], low['base_model.model.' + m + '.lora_B.weight'], merged[m + '.weight'], base[m + '.weight']
    assert sa == [4, sw[1]] and sb == [sw[0], 4]
    for o in range(sw[0]):
        for i in range(sw[1]):
            d = 16 / c['r'] * sum(B[4 * o + r] * A[sw[1] * r + i] for r in range(4))
            assert abs(w[sw[1] * o + i] - w0[sw[1] * o + i] - d) <= 1e-6, (m, o, i)
            moved = max(moved, abs(d))
assert moved > 1e-3
assert all(merged[k] == base[k] for k in base if k[:-7] not in c['target_modules'])
ck = st_read('out-tuned/step-00000004.ckpt')[0]
o = 'model.layers.1.self_attn.o_proj.weight'
assert average[o][1] == struct.unpack('<1024f', ck['ema.' + o][2]) != merged[o][1]
END
go refused -e 'export peft nothing'
check "no adapters, no such folder" eval 'is 1 && in_err "^export: nothing: there are no adapters" && ! test -e nothing'

# --- the simulator, and a new process when its compiles are spent ---
sim='set lora.rank 2'
go sim -e 'device sim budget=100000' -e "$sim" -e 'set ema.decay 0.9' -e 'freeze layers.0.mlp*' -e 'train 20'
check "on the simulator" eval 'is 0 && err_lines 0 "^restart"'
go sim-restarts -e 'device sim budget=60' -e "$sim" -e 'set ema.decay 0.9' -e 'freeze layers.0.mlp*' -e 'train 20'
check "again with restarts" eval 'is 0 && in_err "^restart 2: "'
same "restarts change nothing" sim sim-restarts
go sim-plain -e 'device sim budget=100000' -e 'freeze embed* q_proj layers.0.*' -e 'train 20'
go sim-plain-restarts -e 'device sim budget=60' -e 'freeze embed* q_proj layers.0.*' -e 'train 20'
check "frozen, with restarts" eval 'is 0 && in_err "^restart 2: "'
same "restarts change nothing there" sim-plain sim-plain-restarts

# --- the average ---
python "with an average the validation is its own" <<'END'
e = [e for e in events('ema') if e['event'] == 'eval']
assert [x['step'] for x in e] == [0, 6, 12, 18] and all(x.get('weights') == 'ema' for x in e[1:]) and 'weights' not in e[0], e
f = [e for e in events('lora') if e['event'] == 'eval']
assert all('weights' not in x for x in f)
w = weights('ema/best.ckpt')
assert 'ema.model.embed_tokens.weight' in w
END
look() { plain -e 'load ema/step-00000020.ckpt' -e 'set sample.seed 7' -e 'set sample.temperature 1' -e 'set sample.top_p 1' -e 'set sample.top_k 40' "$@" -e 'sample 40'; }
look
cp out weights.out
look -e 'set sample.ema on'
check "samples of the average are others" eval 'is 0 && test -s weights.out && ! cmp -s out weights.out'
look -e 'set sample.ema on' -e 'set sample.ema off'
check "and those of the weights are back" cmp -s out weights.out

# --- fine-tuning what comes from elsewhere ---
if [ -f "$data/stories260K.v0.bin" ] && [ -f "$data/tinyshakespeare.txt" ]; then
	tune() {
		_dir=$1
		shift
		plain --run "$_dir" -e "new $data/stories260K.v0.bin tokenizer=$data/tok512.bin" -e "data $data/tinyshakespeare.txt" -e 'set seq 64' -e 'set batch 4' -e 'set lr.warmup 5' \
			-e 'set lr.steps 60' -e 'set eval.every 20' -e 'set ckpt.every 0' "$@"
	}
	tune full -e 'set lr.max 1e-3' -e 'train 60'
	check "fine-tuning of all weights" is 0
	tune adapters -e 'set lr.max 1e-2' -e 'set lora.rank 8' -e 'set lora.targets *_proj' -e 'train 60' -e 'sample 20 To be'
	check "fine-tuning of adapters" eval 'is 0 && grep -q "^To be" out'
	python "validation loss on the new text falls, schedule and moments begin anew, the tokenizer stays the model's" <<'END'
for run, least in (('full', 0.4), ('adapters', 0.3)):
    v = [e['loss'] for e in events(run) if e['event'] == 'eval']
    assert len(v) == 4 and v[-1] < v[0] - least and all(b < a for a, b in zip(v, v[1:])), (run, v)
    s = [e for e in events(run) if e['event'] == 'step']
    assert s[0]['step'] == 1 and abs(s[0]['lr'] / s[4]['lr'] - 0.2) < 1e-6, s[0]
    assert [e['vocab'] for e in events(run) if e['event'] == 'start'] == [512]
END
else
	skip "needs ANETUI_TESTDATA"
fi
done_testing
