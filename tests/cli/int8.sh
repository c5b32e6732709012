#!/bin/sh
# int8.sh: sample.int8 from end to end: nearly the same text, training as if nobody had sampled, the setting in script, restart and memory plan. No speed: that is bench's.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
sure='set sample.temperature 0'

# --- the setting ---
plain -e "$small" -e 'get sample.int8' -e info -e 'set sample.int8 on' -e info -e 'sample 5 A' -e 'set sample.int8 off' -e 'sample 5 A' -e info -e 'undo' -e 'get sample.int8'
check "off at first; info names the copy while it is on; undo" eval 'is 0 && in_out "^sample.int8 *off" && in_out "^sample.int8 *on" && [ "$(grep -c "^ *8-bit copy *[0-9.]* [KM]iB" out)" -eq 1 ]'
plain -e "$small" -e 'set sample.int8 maybe'
check "on or off, nothing else" eval '! is 0 && in_err "sample.int8"'

# --- training does not see it ---
script --run quiet 'train 6'
script --run talk 'set sample.int8 on' 'sample 20' 'train 2' 'sample 20 Once' 'sample 5' 'set sample.int8 off' 'sample 5' 'train 2' 'set sample.int8 on' 'sample 9' 'eval' 'sample 9' 'train 2'
check "samples with and without it while training" is 0
python "the same losses and weights as without samples" <<'END'
sa, sb = steps('quiet'), steps('talk')
assert sorted(sa) == [1, 2, 3, 4, 5, 6] and sa == sb, (sa, sb)
import glob
wa, wb = weights(sorted(glob.glob('quiet/step-*.ckpt'))[-1]), weights(sorted(glob.glob('talk/step-*.ckpt'))[-1])
assert wa.keys() == wb.keys() and not [k for k in wa if wa[k] != wb[k]]
END
check "the script of the run has it" eval 'grep -q "^set sample.int8 on" talk/settings.cmd'
plain --resume --run talk -e 'get sample.int8'
check "and so has the run that goes on" eval 'is 0 && in_out "^sample.int8 *on"'

# --- the copy is of the weights as they are now ---
fast='lr 0.05 constant'
text() {
	_to=$1
	shift
	script --run "run-$_to" "$fast" "$sure" "$@"
	mv out "$_to"
	[ "$status" -eq 0 ] && [ -s "$_to" ]
}
check "before training" text before 'set sample.int8 on' 'sample 30 A'
check "after it" text after 'train 8' 'set sample.int8 on' 'sample 30 A'
check "before and after" text both 'set sample.int8 on' 'sample 30 A' 'train 8' 'sample 30 A'
cat before after >want
check "after training the copy is made anew" eval 'cmp -s both want && ! cmp -s before after'
check "between two trainings" text between 'train 4' 'set sample.int8 on' 'sample 30 A' 'train 4' 'sample 30 A'
check "and so it is there" eval '[ "$(tail -c "$(wc -c <after)" between)" = "$(cat after)" ] && [ "$(head -c "$(wc -c <after)" between)" != "$(cat after)" ]'
for threads in 1 2 3; do
	script --run "t$threads" "set threads $threads" "$sure" 'set sample.int8 on' 'train 2' 'sample 40 A' 'sample 40'
	mv out "text.$threads"
done
check "the same text on one, two and three threads" eval 'test -s text.1 && cmp -s text.1 text.2 && cmp -s text.1 text.3'
check "weights, with an average kept" text weights 'set ema.decay 0.9' 'set sample.int8 on' 'train 8' 'sample 30 A'
check "the average, then the weights" text average 'set ema.decay 0.9' 'set sample.int8 on' 'set sample.ema on' 'train 8' 'sample 30 A' 'set sample.ema off' 'sample 30 A'
check "the copy is of the one that is asked for" eval '[ "$(tail -c "$(wc -c <weights)" average)" = "$(cat weights)" ] && [ "$(head -c 40 average)" != "$(head -c 40 weights)" ]'

# --- a new process ---
script --run again 'device sim chip=m1 budget=20' "$sure" 'set sample.int8 on' 'train 6' 'get sample.int8' 'sample 20 A'
mv out again.out
check "a restarted process keeps it" eval 'is 0 && in_err "^restart [0-9]" && grep -q "^sample.int8 *on" again.out'

# --- a trained model ---
needs_data stories260K.v0.bin tok512.bin stories260K.greedy200.txt
plain -e "new $data/stories260K.v0.bin tokenizer=$data/tok512.bin" -e "$sure" -e 'set sample.int8 on' -e 'sample 200'
check "the story begins as fp32 tells it" eval 'is 0 && [ "$(head -c 150 out)" = "$(head -c 150 "$data/stories260K.greedy200.txt")" ]'
done_testing
