#!/bin/sh
# rerun.sh: a recorded run is executed again, live changes included, and ends with the same bytes; what only looks changes none. SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

script --run r 'set lr.warmup 2' 'train 4' 'lr 1e-3' 'set accum 2' 'train 3' eval 'sample 5 The' 'set batch 3' 'train 2' 'freeze *norm*' 'train 2'
check "a run with changes while it goes on" is 0
run rerun r
check "executed again: the same bytes" eval 'is 0 && in_out "^equals: r/step-00000011.ckpt: weights and moments are equal to the byte at step 11"'
check "... in a run of its own" test -f runs/demo/step-00000011.ckpt
cp -r r changed
sed 's/^set lr.max 0.001$/set lr.max 0.0011/' r/settings.cmd >changed/settings.cmd
check "(the change is there)" eval '! cmp -s r/settings.cmd changed/settings.cmd'
run rerun changed
check "another rate: told, status 1" eval 'is 1 && in_err "^equals: changed/step-00000011.ckpt: .* differ from element"'

# A settings.cmd that somebody has written: what no run records is told, and nothing of the file is done. The program's own words are, however they are written.
echo precious >precious
for line in 'detokenize r/settings.cmd precious' '-tokenize r/settings.cmd precious' ':export gguf precious' 'det r/settings.cmd precious' 'trace precious' 'record precious2' 'say x' 'quit now' 'on step say x' 'nonsense x'; do
	rm -rf evil evil-run
	mkdir evil
	{ cat r/settings.cmd; echo "$line"; } >evil/settings.cmd
	run --run evil-run rerun evil
	check "$line: not executed" eval 'is 2 && err_lines 1 "evil/settings.cmd:[0-9]*: " && [ "$(wc -l <err)" -eq 1 ] && ! [ -e evil-run ] && ! [ -e precious2 ] && [ "$(cat precious)" = precious ]'
done
{ cat r/settings.cmd; printf '\n# by hand\n:set seed 3\n- lr 1e-3\ntrain 1\n'; } >evil/settings.cmd
run --run evil-run rerun evil
check "more training by hand is" eval 'is 1 && in_err "evil/step-00000012.ckpt: No such file" && test -f evil-run/step-00000012.ckpt'
run rerun nothing
check "no such run" eval 'is 1 || is 2'

# One that is only looked at while it trains, and one that is left alone.
script --run alone 'train 6'
script --run looked 'set sample.every 0.01' 'train 2' 'sample 20 A' eval gradcheck kernels 'trace t.json' 'train 3' 'trace stop' report 'train 1' 'equals alone'
check "samples, evaluations, gradcheck, a timeline: the same bytes as without" eval 'is 0 && in_out "equal to the byte at step 6"'
check "gradcheck: programs, plain model, differences agree" eval 'in_out "^programs  *[0-9.e-]* at most from the plain model" && in_out "^plain model [0-9.e-]* at most from finite differences"'
check "... and says what it compared" in_out "^loss  *[0-9.]* by programs, [0-9.]* by the plain model, 32 tokens"
script 'device sim' 'train 1' gradcheck
check "gradcheck in fp16" is 0
script 'set accum 4' 'set lora.rank 2' 'train 1' gradcheck
check "with adapters: one line" eval 'is 1 && in_err "gradcheck: with adapters"'
done_testing
