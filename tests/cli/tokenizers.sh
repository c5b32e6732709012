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
python "a folder of 2,000 ids" <<'END'
import os
c = dict(model_type='llama', hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, vocab_size=2000, tie_word_embeddings=True, rms_norm_eps=1e-5)
d, p = 8, 'model.layers.0.'
shapes = {'model.embed_tokens.weight': [2000, d], 'model.norm.weight': [d], p + 'input_layernorm.weight': [d], p + 'post_attention_layernorm.weight': [d]}
shapes.update({p + n + '.weight': [d, d] for n in ('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj')})
head, at = {}, 0
for k, s in shapes.items():
    n = 4 * math.prod(s)
    head[k] = {'dtype': 'F32', 'shape': s, 'data_offsets': [at, at + n]}
    at += n
os.mkdir('many')
json.dump(c, open('many/config.json', 'w'))
h = json.dumps(head).encode()
open('many/model.safetensors', 'wb').write(struct.pack('<Q', len(h)) + h + bytes(at))
END
plain -e 'new many tokenizer=folder/tokenizer.model'
check "one of 512 ids beside weights of 2,000: told, llama2.c's refused" eval 'is 1 && in_err "tokenizer: .*: 512 ids, the model was trained with 2000"'
plain -e "new many tokenizer=$ANETUI_ROOT/tests/reference/bpe.json"
check "... one that may be so is told of" eval 'is 0 && in_err "^warning: tokenizer: .*bpe.json: 606 ids, the model has 2000 (another model.s?)$"'
rm folder/tokenizer.model
plain -e 'new folder' -e info
check "one that can not be read is told, the model is there" eval 'is 0 && in_out "tokenizer none" && grep -q "folder/tokenizer.json: model.byte_fallback: true" err'
done_testing
