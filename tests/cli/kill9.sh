#!/bin/sh
# kill9.sh: a run that saves every step is killed at random moments: it goes on from a whole step that is never older than the last announced one, and its
# steps are those of a run that nobody disturbed. ANETUI_KILLS: how often (30; `make soak` takes 1000).
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
kills=${ANETUI_KILLS:-30}
script --run k 'set ckpt.every 1' 'train 2'
check "a run that saves every step" eval 'is 0 && test -f k/step-00000002.ckpt'
hundredths() { od -An -N2 -tu2 /dev/urandom | awk '{printf "0.%02d\n", $1 % 60}'; }
# The last announced step: what the record says was written, read back and renamed.
announced() { sed -n 's/.*"event":"ckpt","file":"step-0*\([0-9]*\)\.ckpt".*/\1/p' k/metrics.jsonl | tail -n 1; }
i=0 lost=0 skipped=0 failed=0 within=0
said=$(announced)
while [ "$i" -lt "$kills" ]; do
	: >err # what the process before has said is not this one's, however long it takes to begin
	"$ANETUI" --plain --resume --run k -e train >out 2>err </dev/null &
	pid=$!
	wait_for 60 grep -q 'resumed k at step' err
	sleep "$(hundredths)"
	kill -KILL $pid
	wait $pid 2>/dev/null
	at=$(sed -n 's/.*resumed k at step \([0-9]*\).*/\1/p' err)
	[ -n "$at" ] || { failed=$((failed + 1)); grep -v '^step\|^validation' err | sed 's/^/# does not go on: /'; }
	[ "${at:-0}" -ge "$said" ] || { lost=$((lost + 1)); echo "# step $at, and $said was announced"; }
	grep -q 'skipped' err && skipped=$((skipped + 1))
	ls k/*.tmp-* >/dev/null 2>&1 && within=$((within + 1))
	said=$(announced)
	i=$((i + 1))
done
echo "# $kills kills, $within of them within a save, up to step $said"
check "each time it goes on" [ "$failed" -eq 0 ]
check "never from an older step than the last that was announced" [ "$lost" -eq 0 ]
check "no file was half written under its name" [ "$skipped" -eq 0 ]
end=$((said + 3))
plain --resume --run k -e "wait step $end"
check "and to an end" eval 'is 0 && test -f k/step-$(printf %08d $end).ckpt'
check "what was left half written is swept away" eval '! ls k/*.tmp-* >/dev/null 2>&1'
script --run straight 'set ckpt.every 0' "train $end" 'ckpt'
python "the same steps and the same bytes as without a kill" <<END
a, b = steps('k'), steps('straight')
assert sorted(a) == list(range(1, $end + 1)), 'a step is missing'
assert a == b, [(k, a.get(k), b.get(k)) for k in sorted(a) if a[k] != b.get(k)][:3]
f = '/step-%08d.ckpt' % $end
assert weights('k' + f) == weights('straight' + f)
END
done_testing
