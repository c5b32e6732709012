#!/bin/sh
# data_shards.sh: token files through the whole program: read exactly in their order, told what they are, gone on with after a stop.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
small='new demo layers=1 dim=16 heads=2 kv_heads=2 hidden=32 head_dim=8 vocab=64'
# shards LINE...: the small model with seq 8 and batch 2, so that a micro-step reads 16 ids; then the lines. Into the run $run.
shards() {
	_rest=$#
	set -- "$@" -e "$small" -e 'set seq 8' -e 'set batch 2'
	while [ "$_rest" -gt 0 ]; do
		_word=$1
		shift
		set -- "$@" -e "$_word"
		_rest=$((_rest - 1))
	done
	plain --run "$run" "$@"
}
python "files of ids" <<'END'
import os, random
random.seed(3)
ids = [random.randrange(1, 64) for _ in range(12 * 16 + 1)]
def put(name, fmt, v, head=b''):
    with open(name, 'wb') as f:
        f.write(head + struct.pack('<%d%s' % (len(v), fmt), *v))
put('exact.bin', 'H', ids)
put('exact.u32', 'I', ids)
put('llmc.bin', 'H', ids, struct.pack('<256i', 20240520, 1, len(ids), *([0] * 253)))
put('llama3', 'I', ids, struct.pack('<256i', 20240801, 7, len(ids), *([0] * 253)))
os.mkdir('dir')
for k in range(3):
    put('dir/part%d.bin' % k, 'H', ids[64 * k:64 * k + 65])
END

# --- N steps over N*seq*batch + 1 ids: all of them, once ---
run=exact
shards 'data exact.bin order=sequential' 'train 12' 'info' 'train 1' 'info'
check "12 micro-steps fit exactly" eval 'is 0 && in_out "^data .*exact.bin: 193 tokens, 0 of them held out; no header, 2-byte ids, epoch 1.00" && in_out "^position *sequential, in this epoch 24 sequences of 24, epoch 1$"'
check "the next wraps" in_out "^position *sequential, in this epoch 2 sequences of 24, epoch 2$"
check "nothing is held out, and it says so" in_err "^data: exact.bin: read as it stands from its first id, nothing is held out"
run=set
shards 'set data.order sequential' 'data exact.bin' 'train 12'
run=held
shards 'data exact.bin order=sequential val=0.1' 'train 2' 'info'
check "val= holds a tail out" eval 'is 0 && in_out "193 tokens, 19 of them held out"'
run=user
shards 'set data.val 0.1' 'data exact.bin order=sequential' 'train 2' 'info'
check "so does data.val, when it was set" eval 'is 0 && in_out "193 tokens, 19 of them held out"'
run=text
ids=$small
small='new demo layers=1 dim=16 heads=2 kv_heads=2 hidden=32 head_dim=8 vocab=300'
yes 'one line of a text' | head -n 100 >text.txt
shards 'data text.txt order=sequential' 'train 2' 'info'
check "a text keeps its held-out part" eval 'is 0 && ! in_out "tokens, 0 of them held out"'
small=$ids
for f in exact.u32 llmc.bin llama3; do
	run=other-$f
	shards "data $f order=sequential" 'train 13'
done
python "the same ids give the same losses, whatever file they come in" <<'END'
want = steps('exact')
assert len(want) == 13
for r in ('other-exact.u32', 'other-llmc.bin', 'other-llama3'):
    assert steps(r) == want, r
assert steps('set') == {k: v for k, v in want.items() if k <= 12}
assert not any(e['event'] == 'eval' for e in events('exact'))
assert any(e['event'] == 'eval' for e in events('held'))
END
run=wide
shards 'data exact.bin order=sequential width=4' 'train 2'
check "4-byte ids of a file of an odd length: no" eval 'is 1 && in_err "exact.bin: 386 bytes: no multiple of 4"'

# --- what resuming keeps ---
run=cut
shards 'data exact.bin order=sequential' 'train 5'
plain --resume --run cut -e 'info' -e 'train 8'
check "the place is told after resuming" eval 'is 0 && in_out "^position *sequential, in this epoch 10 sequences of 24, epoch 1$"'
run=later
shards 'data exact.bin order=sequential' 'train 5' 'set data.val 0.4' 'set data.order random' 'train 1'
plain --resume --run later -e 'info'
check "the split is the one that was opened, whatever was set since" eval 'is 0 && in_out "193 tokens, 0 of them held out"'
run=before
shards 'data exact.bin order=sequential' 'set data.val 0.4' 'train 3'
plain -x before/settings.cmd --run before-again
check "and in the commands that make it again" is 0
python "resumed is straight" <<'END'
assert steps('cut') == steps('exact')
assert steps('before') == steps('before-again')
assert steps('before') == {k: v for k, v in steps('exact').items() if k <= 3}
END
run=folder
shards 'data dir order=sequential' 'train 4' 'info'
check "a folder, one file after the other" eval 'is 0 && in_out "^data *dir: 195 tokens, 0 of them held out; 3 files, 0 of them held out; no header, 2-byte ids" && in_out "in this epoch 8 sequences of 24"'
plain --resume --run folder -e 'train 9'
run=random
shards 'data dir' 'train 1' 'info'
check "of a folder the first file is held out" eval 'is 0 && in_out "195 tokens, 65 of them held out; 3 files, 1 of them held out"'
python "files that overlap by one id are read like one" <<'END'
assert steps('folder') == steps('exact')
END
run=width
shards 'data exact.bin order=sequential width=2' 'train 2' 'data llama3' 'train 1'
check "the width that was told stays in the record" eval 'is 0 && grep -q "^data exact.bin width=2$" width/settings.cmd && grep -q "^data llama3$" width/settings.cmd'

# --- another tokenizer ---
small='new demo layers=1 dim=16 heads=2 kv_heads=2 hidden=32 head_dim=8 vocab=300'
run=tok
shards 'data text.txt' 'tokenize text.txt text.tok' 'data text.tok' 'train 1'
check "ids of the model's own tokenizer" is 0
head -c 200 text.tok >cut.tok
shards '-data cut.tok' 'data cut.tok width=2' 'train 1'
check "a .tok file that was cut is not taken for headerless ids, unless one says so" eval 'is 0 && err_lines 1 "^data: cut.tok: 200 bytes without the tail that a .tok file ends with"'
yes 'quite another text, with other words' | head -n 100 >other.txt
run=tok2
shards 'data other.txt' '-data text.tok' 'tokenize other.txt other.tok' 'data other.tok' 'train 1' '-data text.tok'
check "ids of another tokenizer are refused" eval 'is 0 && err_lines 2 "^data: text.tok: its ids are of tokenizer [0-9a-f]*, the model.s is .*: tokenize the text again"'
run=none
shards 'data text.tok' 'train 2' '-data other.tok' 'data text.tok' 'train 1'
check "a model without a tokenizer: the first ids that it learns bind it" eval 'is 0 && err_lines 1 "^data: other.tok: its ids are of tokenizer"'
plain --resume --run none-2 -e '-data other.tok' -e 'train 1'
[ -d none-2 ] || plain --resume --run none -e '-data other.tok' -e 'train 1'
check "after resuming too" eval 'is 0 && err_lines 1 "^data: other.tok: its ids are of tokenizer"'
done_testing
