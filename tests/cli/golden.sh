#!/bin/sh
# golden.sh: a trained model of others, sampled greedily, says what their own program made it say.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
needs_data stories260K.v0.bin stories260K.v1.bin tok512.bin stories260K.greedy200.txt
# Without the line's end that their program prints last.
printf '%s' "$(cat "$data/stories260K.greedy200.txt")" >golden
size=$(wc -c <golden)

begins() { head -c "$size" out | cmp -s - golden; }
for v in v0 v1; do
	new="new $data/stories260K.$v.bin tokenizer=$data/tok512.bin"
	plain -e "$new" -e 'set sample.temperature 0' -e 'sample 200'
	check "$v: 200 tokens at temperature 0, and nothing else, on standard output" eval 'is 0 && begins && cmp -s out "$data/stories260K.greedy200.txt"'
	# A beginning of the same text as the prompt: the rest is the same.
	for prompt in 'Once' 'Once upon a time' 'Once upon a time, there was a little girl named Lily. She loved to'; do
		plain -e "$new" -e 'set sample.temperature 0' -e "sample 200 $prompt"
		check "$v: after the prompt '$(printf %.20s "$prompt")'" eval 'is 0 && begins'
	done
	plain --set sample.temperature=0 -e "$new" -e 'sample 5 Once upon a time'
	check "$v: the prompt comes first, then five tokens" eval 'is 0 && in_out "^Once upon a time, there was" && [ "$(wc -c <out)" -lt 60 ]'
done
plain -e "$new" -e 'set sample.temperature 0' -e 'set seq 64' -e 'data builtin' -e 'lr 1e-4 constant' -e 'undo' -e 'sample 200'
check "what is changed is told on standard error, not between the text" eval 'is 0 && begins'
plain -e "$new" -e 'set sample.temperature 0.9' -e 'sample 200' -e 'sample 200'
check "another seed each time" eval 'is 0 && [ "$(head -c 300 out)" != "$(tail -c 301 out | head -c 300)" ]'
plain -e "$new" -e 'set sample.seed 7' -e 'sample 100'
cp out first
plain -e "$new" -e 'set sample.seed 7' -e 'sample 100'
check "the same seed, the same text" cmp -s out first
plain -e "$new" -e 'set sample.temperature 0' -e 'sample 1500'
check "longer than the context: goes on, and says that it let something go" eval 'is 0 && begins && in_err "context is full"'
check "one line about it, or a few" eval '[ "$(grep -c "context is full" err)" -le 12 ]'
plain -e "$new" -e 'set sample.temperature 0' -e 'set sample.stop Lily.' -e 'sample 200'
check "the stop text ends it" eval 'is 0 && [ "$(wc -c <out)" -lt 70 ]'
done_testing
