#!/bin/sh
# memory_plan.sh: what training takes is told before it is taken, and what does not fit is refused in one line.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

small='new qwen3-0.6b layers=2 dim=32 hidden=48 heads=4 kv_heads=2 head_dim=16 vocab=300'

plain -e "$small" -e info
check "info has a row for every part" eval '[ "$(grep -cE "^ +(weights|gradients|moments|activations|logits|device|all|KV cache|scratch) +[0-9.]+ ?[KMGT]?i?B" out)" = 9 ]'
check "and says for which shape" grep -q '^memory    to train, batch 1, seq 256$' out
check "and what the whole context takes" grep -q 'KV cache .* for 1024 tokens, .* for the whole context' out
plain -e "$small" -e 'set recompute on' -e 'set batch 8' -e info
check "the plan follows the settings" grep -q '^memory    to train, batch 8, seq 256$' out

plain -e "$small" -e 'set ema.decay 0.9' -e info
check "an average of the weights is in the plan" eval 'grep -qE "^ +beside +[0-9.]+ [KM]iB" out'
plain -e "$small" -e 'set lora.rank 2' -e info
check "so are adapters" eval 'grep -qE "^ +beside +[0-9.]+ [KM]iB" out'

one_line() {
	[ $status = 1 ] && [ ! -s out ] && [ "$(grep -c . err)" = 1 ] && grep -Eq "$1" err
}
plain -e 'new qwen3-0.6b layers=1000'
check "more layers than memory: every part, and what there is" one_line '^model: qwen3-0.6b: [0-9.]+ [GT]iB needed to train \(weights .*, gradients .*, moments .*, activations .* at batch 1, seq 256, logits .*, device .*\), .* free \(fewer layers'
plain -e 'set batch 4096' -e '-new qwen3-0.6b' -e 'get batch'
check "a batch that is too large for it" grep -q 'at batch 4096, seq 256, .* free (set recompute on, a smaller batch or seq' err
plain -e 'set batch 4096' -e 'set recompute on' -e '-new qwen3-0.6b'
check "no word of recompute where it is on" grep -q ' free (a smaller batch or seq' err
plain -e "$small" -e '-new qwen3-0.6b layers=1000' -e info
check "the model that is there stays" grep -q '^model     qwen3-0.6b: .* dim 32,' out

plain -e 'new qwen3-0.6b heads=6'
check "numbers that are no model" one_line '^model: qwen3-0.6b: heads 6: not divisible by kv_heads 8$'
plain -e 'new qwen3-0.6b qk_norm=maybe'
check "a word that is none" one_line '^model: qk_norm: maybe: must be on or off$'
plain -e "$small context=64" -e 'set ckpt.every 0' -e 'train 2' -e 'sample 5 Once'
check "a small one trains and samples" eval '[ $status = 0 ] && grep -q "^step 2/2 loss" err && grep -q "^Once" out'
plain --run dyn -e "$small" -e 'device sim chip=m4' -e 'pipeline dynamic' -e 'set seq 32' -e 'train 2'
check "so it does on the simulator" eval '[ $status = 0 ] && grep -q "^step 2/2 loss" err'

# Less memory than the machine has (ulimit -v): a library of products that gets none would wait for it for ever.
limited() {
	(
		ulimit -v "$1"
		shift
		timeout -s KILL 300 "$ANETUI" --plain "$@" >out 2>err </dev/null
	)
	status=$?
}
case $ANETUI in
*/build/asan/* | */build/tsan/*) skip "a sanitizer wants more address space than there is memory"; done_testing ;;
esac
if [ "$(uname)" != Linux ]; then
	skip "ulimit -v is Linux's"
	done_testing
fi
limited 250000 -e "$small context=64" -e 'set seq 32' -e 'train 2' -e info
check "in 250 MB of address space it trains, without a library" eval 'is 0 && in_out "^BLAS  *built-in,.*; memory is limited" && grep -q "^checkpoint: .*step-00000002" err'
limited 2000000 -e 'new qwen3-0.6b'
check "in 2 GB a large model is refused, as on a machine that has no more" one_line '^model: qwen3-0.6b: .* needed to train .*, 1.[0-9] GiB free'
done_testing
