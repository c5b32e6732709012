#!/bin/sh
# tokenizers.sh: a model folder carries its tokenizer: exported, taken up again without being named, told when it can not be used.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
plain -e "new demo layers=1 dim=64 heads=2 kv_heads=2 vocab=700 tokenizer=$ANETUI_ROOT/tests/reference/bpe.json" -e info -e 'sample 3 boat'
check "a tokenizer.json of Qwen's kind" eval 'is 0 && in_out "bpe qwen2 606"'
needs_data stories260K.v0.bin tok512.bin stories260K.greedy200.txt
plain -e "new $data/stories260K.v0.bin tokenizer=$data/tok512.bin" -e 'export safetensors folder' -e info
grep -o 'hash [0-9a-f]*' out >before
check "exported with its tokenizer" eval 'is 0 && [ -s before ] && [ -f folder/tokenizer.json ] && [ -f folder/tokenizer.model ] && [ -f folder/tokenizer_config.json ]'
plain -e 'new folder' -e info
grep -o 'hash [0-9a-f]*' out >after
check "the folder brings it along, with the same hash" eval 'is 0 && cmp -s before after'
plain -e 'new folder' -e 'set sample.temperature 0' -e 'sample 200'
check "and the golden text" eval 'is 0 && cmp -s out "$data/stories260K.greedy200.txt"'
rm folder/tokenizer.model
plain -e 'new folder' -e info
check "one that can not be read is told, the model is there" eval 'is 0 && in_out "tokenizer none" && grep -q "folder/tokenizer.json: model.byte_fallback: true" err'
done_testing
