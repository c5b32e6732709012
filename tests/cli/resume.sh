#!/bin/sh
# resume.sh: twenty steps at once, and twenty steps with a save, an end and a beginning between them, are the same twenty steps.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
# Small steps are quick: what is tested is that nothing is forgotten, so every part that has a state is in use.
go() { eval "script --run \"\$1\" \"set lr.warmup 5\" \"set lr.steps 15\" \"set eval.every 6\" \"set accum 2\" \"set clip 0.5\" \"set data.order $order\" $2"; }

same() {
	python "$1" <<END
a, b = '$2', '$3'
sa, sb = steps(a), steps(b)
assert sorted(sa) == list(range(1, 21)), sorted(sa)
assert sa == sb, [(k, sa.get(k), sb.get(k)) for k in sorted(set(sa) | set(sb)) if sa.get(k) != sb.get(k)][:3]
wa, wb = weights(a + '/step-00000020.ckpt'), weights(b + '/step-00000020.ckpt')
assert any(k.startswith('adam.m.') for k in wa)
assert wa.keys() == wb.keys() and not [k for k in wa if wa[k] != wb[k]], [k for k in wa if wa[k] != wb[k]]
ea = {e['step']: (e['loss'], e['bits_per_byte']) for e in events(a) if e['event'] == 'eval'}
eb = {e['step']: (e['loss'], e['bits_per_byte']) for e in events(b) if e['event'] == 'eval'}
assert all(eb[k] == v for k, v in ea.items()), (ea, eb)
END
}

for order in random shuffle sequential; do
	go "straight-$order" '"train 20"'
	check "$order: twenty steps" eval 'is 0 && test -f straight-$order/step-00000020.ckpt'
done
order=random
for k in 1 7 19; do
	go "at-$k" "\"train $k\""
	plain --resume --run "at-$k" -e "train $((20 - k))"
	check "$k and $((20 - k)) steps" eval 'is 0 && in_err "resumed at-$k at step $k"'
	same "$k + resume + $((20 - k)): equal in every step, the same bytes in weights and moments" straight-random "at-$k"
	go "talk-$k" "\"sample 30\" \"train $k\" \"sample 30 Once\" \"sample 10\""
	plain --resume --run "talk-$k" -e 'sample 20' -e "train $((20 - k))" -e "sample 20 The"
	same "the same with samples on the way" straight-random "talk-$k"
done
for order in shuffle sequential; do
	go "o-$order" '"train 7"'
	plain --resume --run "o-$order" -e 'train 13'
	same "$order: 7 + resume + 13" "straight-$order" "o-$order"
done
order=random
go thrice '"train 3"'
for k in 4 6 7; do
	plain --resume --run thrice -e "train $k"
done
same "resumed three times" straight-random thrice

# --- a checkpoint in the middle, going back to it ---
go back '"train 7" "ckpt seven" "train 5" "load seven" "train 13"'
same "7 steps, a checkpoint, 5 more, back to it, 13" straight-random back
go saved '"set ckpt.every 4" "train 20"'
same "saving on the way changes nothing" straight-random saved
plain --run other -e 'load at-7/step-00000020.ckpt' -e 'train 1'
cp -r straight-random longer
plain --resume --run longer -e 'train 1'
check "a checkpoint taken into another run goes on as its own run does" eval 'is 0 && test -f other/step-00000021.ckpt'
python "and is the same there" <<'END'
assert weights('other/step-00000021.ckpt') == weights('longer/step-00000021.ckpt')
END

# --- ended by a signal in the middle of a step ---
long() {
	# Steps of many micro-steps: the signal comes within one.
	"$ANETUI" --plain --run "$1" -e "$small" -e 'set seq 32' -e 'set batch 2' -e 'set accum 50' -e train >out 2>err </dev/null &
	pid=$!
	wait_for 120 grep -q '"step":2,"event":"step"' "$1/metrics.jsonl" 2>/dev/null
}
for sig in TERM INT; do
	long "sig-$sig"
	kill -$sig $pid
	[ $sig = TERM ] || { sleep 0.2; kill -$sig $pid 2>/dev/null; }
	wait $pid
	status=$?
	[ $sig = TERM ] && want=143 || want=130
	if [ $sig = TERM ]; then
		check "SIGTERM in the middle: saved, status 143" eval 'is $want && in_err "^checkpoint: sig-TERM/step-"'
	else
		check "SIGINT: the script goes on to its end, or a second one ends it; saved in any case" eval '{ is 0 || is $want; } && in_err "^checkpoint: sig-INT/step-"'
	fi
	last=$(ls "sig-$sig" | sed -n 's/^step-0*\([0-9]*\)\.ckpt$/\1/p')
	plain --resume --run "sig-$sig" -e "train 2"
	check "$sig: goes on from step $last" eval 'is 0 && in_err "at step $last$"'
	script --run "sig-$sig-straight" 'set accum 50' "train $((last + 2))"
	python "$sig: nothing is lost, nothing is twice" <<END
a, b = steps('sig-$sig'), steps('sig-$sig-straight')
assert a == b, [(k, a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)][:3]
f = '/step-%08d.ckpt' % ($last + 2)
assert weights('sig-$sig' + f) == weights('sig-$sig-straight' + f)
END
done

# --- killed: what was saved last is gone on from ---
"$ANETUI" --plain --run killed -e "$small" -e 'set seq 32' -e 'set batch 2' -e 'set lr.warmup 5' -e 'set lr.steps 15' -e 'set eval.every 6' -e 'set accum 2' -e 'set clip 0.5' \
	-e 'set data.order random' -e 'set ckpt.every 4' -e 'train 10' -e 'lr 1' -e 'wait 100' >out 2>err </dev/null &
pid=$!
wait_for 60 grep -q '"key":"lr.max"' killed/metrics.jsonl
kill -KILL $pid
wait $pid 2>/dev/null
plain --resume --run killed -e 'train 12'
check "SIGKILL: goes on from the newest checkpoint" eval 'is 0 && in_err "resumed killed at step 8"'
same "as if it had never been: the change made after it is gone too" straight-random killed
plain -x killed/settings.cmd --run killed-again
check "its commands run" is 0
same "its commands make the same run" straight-random killed-again

# --- settings on resuming ---
plain --resume --run at-7 -e 'get lr.warmup' -e 'get accum' -e 'get data.order'
check "settings come back" eval 'is 0 && in_out "^lr.warmup 5" && in_out "^accum 2" && in_out "^data.order random"'
plain --resume --run at-7 --set lr.max=1e-4 -e 'train 1'
check "--set wins over what was saved, and is recorded" eval 'is 0 && grep -q "\"key\":\"lr.max\".*\"new\":0.0001" at-7/metrics.jsonl'
plain --resume --run at-1 -e 'set threads 1' -e 'train 1'
cp -r talk-1 one && plain --resume --run one -e 'set threads 2' -e 'train 1'
python "the number of threads does not show in the bytes" <<'END'
assert weights('at-1/step-00000021.ckpt') == weights('one/step-00000021.ckpt')
END
done_testing
