#!/bin/sh
# options.sh: freeze and early stop from end to end: answers, what stays as it was, resuming, restarts, going back to the best.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
model='new demo layers=2 dim=32 heads=2 kv_heads=2 hidden=64 head_dim=16'
go() {
	_dir=$1
	shift
	"$ANETUI" --plain --run "$_dir" -e "$model" -e 'set seq 32' -e 'set batch 2' -e 'set accum 2' -e 'set eval.every 6' -e 'set lr.warmup 5' -e 'set lr.steps 15' "$@" >out 2>err </dev/null
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
ea = [(e['step'], e['loss']) for e in events(a) if e['event'] == 'eval']
eb = [(e['step'], e['loss']) for e in events(b) if e['event'] == 'eval']
assert ea == eb, (ea, eb)
END
}
# resumed NAME OPTION...: 1, 7 and 19 steps, an end, and the rest are the run at once.
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
	plain --run "$_what-again" -x "$_what/settings.cmd"
	same "$_what: its commands make it again" "$_what" "$_what-again"
}

# --- freeze ---
go frozen -e 'freeze embed* layers.0.*' -e 'freeze norm' -e freeze -e 'train 3' -e info
check "says how much is frozen" eval 'is 0 && in_err "^freeze: 11 of 20 tensors, 75.9 k of 86.* k parameters" && in_out "^frozen: 11 of 20 tensors" && in_out "^frozen  *11 of 20 tensors.*(embed\* layers.0.\* norm)"'
go none -e 'ckpt start' -e 'freeze embed* layers.0.*' -e 'freeze none' -e 'train 3'
go plain -e 'train 3'
python "frozen tensors stay as they were, have no moments in the file; none is as never" <<'END'
a, b, start, plain = (weights(f) for f in ('frozen/step-00000003.ckpt', 'none/step-00000003.ckpt', 'none/start.ckpt', 'plain/step-00000003.ckpt'))
kept = [k for k in start if not k.startswith('adam.') and a[k] == start[k]]
assert len(kept) == 11 and all('embed' in k or 'layers.0.' in k or k == 'model.norm.weight' for k in kept), kept
assert not [k for k in kept if 'adam.m.' + k in a or 'adam.v.' + k in a]
assert len([k for k in a if k.startswith('adam.m.')]) == 9 and 'adam.late' in a and 'adam.late' not in b
assert b == plain
END
go bad -e 'freeze nothing'
check "a name that is no tensor's is refused" eval 'is 2 && in_err "^freeze: nothing: no tensor of demo has such a name"'
go bad -e 'freeze *'
check "all of it is refused" eval 'is 2 && in_err "^freeze: \*: all 20 tensors would be frozen"'
go bad -e 'freeze embed*' -e 'freeze none norm'
check "none stands alone" eval 'is 2 && in_err "^freeze: none: stands alone"'
go live -e 'train 2' -e 'freeze embed*' -e 'train 2' -e undo -e 'freeze' -e 'train 1'
check "undo takes it back" eval 'is 0 && in_out "^frozen: 0 of 20"'
check "marked in the record" eval 'grep -q "\"step\":2,\"event\":\"set\",\"key\":\"freeze\",\"old\":\"\",\"new\":\"embed\*\"" live/metrics.jsonl && grep -q "\"step\":4,\"event\":\"set\",\"key\":\"freeze\",\"old\":\"embed\*\",\"new\":\"\"" live/metrics.jsonl'
resumed froz -e 'freeze embed* q_proj layers.0.mlp.*'
go moving -e 'train 3' -e 'freeze layers.*' -e 'train 6' -e 'freeze none' -e 'freeze embed*' -e 'train 11'
go moving-5 -e 'train 3' -e 'freeze layers.*' -e 'train 2'
plain --resume --run moving-5 -e 'train 4' -e 'freeze none' -e 'freeze embed*' -e 'train 11'
same "frozen, let go, others frozen, with an end between" moving moving-5

# --- early stop ---
go early -e 'set eval.every 2' -e 'set eval.patience 3' -e 'set lr 3' -e 'train 100' -e 'sample 5'
check "patience ends train, the script goes on" eval 'is 0 && in_err "^early stop at step 6: 3 evaluations without a new best, validation loss .* at step 0"'
check "the record says why" eval 'tail -n 1 early/metrics.jsonl | grep -q "\"step\":6,\"event\":\"stop\",\"reason\":\"early stop at step 6: .*; quit\""'
go early-0 -e 'set ckpt.every 0' -e 'set eval.every 2' -e 'set eval.patience 3' -e 'set lr 3' -e 'train 100'
check "what was not kept is not promised" eval 'is 0 && in_err "^early stop at step 6: .* at step 0 (ckpt.every is 0: it was not kept)$"'
plain --run early-again -x early/settings.cmd
check "its commands stop there, too" eval 'is 0 && in_err "^early stop at step 6"'
plain --resume --run early -e 'load best' -e 'train 1' -e info
check "load best goes back to it" eval 'is 0 && in_err "^loaded early/best.ckpt: demo at step 0" && in_out "step 1,.*best validation .* at step 0"'
go early-2 -e 'set eval.every 2' -e 'set eval.patience 3' -e 'set lr 3' -e 'train 3'
plain --resume --run early-2 -e 'train 100'
check "resuming counts on" eval 'is 0 && in_err "^early stop at step 6: 3 evaluations"'
plain --resume --run early-2 -e 'train 100'
check "who trains on has their patience anew" eval 'is 0 && in_err "^early stop at step 12: 3 evaluations"'
go delta -e 'set eval.every 2' -e 'set eval.patience 2' -e 'set eval.min_delta 100' -e 'wait step 100'
check "a new best has to be better by min_delta; wait is ended too" eval 'is 0 && in_err "^early stop at step 4: 2 evaluations"'
done_testing
