#!/bin/sh
# data_texts.sh: JSON lines, folders of texts, tokenize and detokenize through the whole program: there and back, interrupted, with progress, on a disk without room.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
small="$small vocab=400"
python "texts" <<'END'
import os, random
random.seed(5)
words = 'the fox saw a hen and said good day to it then they went home über 猫'.split()
docs = ['\n'.join(' '.join(random.choice(words) for _ in range(12)) for _ in range(4)) for _ in range(300)]
os.mkdir('set')
with open('docs.jsonl', 'w', encoding='utf-8') as f:
    for i, d in enumerate(docs):
        f.write(json.dumps({'id': i, ('text', 'story')[i % 2]: d}) + '\n')
with open('docs.want', 'w', encoding='utf-8') as f:
    f.write('\n\n'.join(docs))
for name, part in (('train', docs[:280]), ('valid', docs[280:])):
    with open('set/stories-%s.txt' % name, 'w', encoding='utf-8') as f:
        for d in part:
            f.write(d + '\n<|endoftext|>\n')
with open('plain.txt', 'w', encoding='utf-8') as f:
    f.write('\n'.join(docs))
os.mkdir('shards')
END

script --run folder 'data set' 'train 3' 'info'
check "a folder of texts: the one that is called valid is held out" eval 'is 0 && in_out "^data *set: .*; 2 texts, 1 of them held out"'
script --run json 'data docs.jsonl' 'train 3' 'eval' 'info' 'tokenize docs.jsonl docs.tok' 'detokenize docs.tok back.txt' 'detokenize docs.tok back.jsonl' 'tokenize plain.txt plain.u32' \
	'detokenize plain.u32 plain.back' 'tokenize set set.tok' 'data set.tok' 'info' 'tokenize plain.txt shards/a.bin' 'tokenize set/stories-valid.txt shards/val.bin' 'data shards' \
	'train 2' 'detokenize shards shards.back'
check "JSON lines" eval 'is 0 && in_out "^data *docs.jsonl: .*; JSON lines"'
check "there and back: text" cmp -s docs.want back.txt
check "there and back: plain, 4 bytes an id" cmp -s plain.txt plain.back
check "what tokenize tells" in_out "^docs.tok: [0-9]* tokens of 2 bytes, [0-9. ]*KiB of text, [0-9.]* bytes a token$"
check "the part that is called valid stays the held-out part" in_out "^set.tok: the last [0-9]* are of files called validation, and it says so$"
python "there and back: JSON lines; sizes and parts" <<'END'
import os
a = [json.loads(l) for l in open('docs.jsonl', encoding='utf-8')]
b = [json.loads(l) for l in open('back.jsonl', encoding='utf-8')]
assert [d.get('text') or d['story'] for d in a] == [d['text'] for d in b]
out = open('out', encoding='utf-8').read()
import re
n = {m[1]: (int(m[2]), int(m[3])) for m in re.finditer(r'^(\S+): (\d+) tokens of (\d) bytes', out, re.M)}
assert os.path.getsize('plain.u32') == n['plain.u32'][0] * 4 and n['plain.u32'][1] == 4
assert os.path.getsize('shards/a.bin') == n['shards/a.bin'][0] * 2
held = int(re.search(r'^set.tok: the last (\d+) are', out, re.M)[1])
assert re.search(r'^data +set.tok: %d tokens, %d of them held out' % (n['set.tok'][0], held), out, re.M), out
assert open('shards.back', encoding='utf-8').read().startswith(open('plain.txt', encoding='utf-8').read())
END
# --- what is read is not written over, nor anything that is no file; a link to nowhere is not passed over ---
cp plain.txt keep.txt
mkfifo pipe
mkdir links
ln -s nowhere links/a.bin
cp shards/a.bin links/b.bin
ln -s keep.txt other-name.txt
while IFS='|' read -r line want; do
	script --run over "$line"
	check "$line: refused" eval 'is 1 && in_err "$want" && cmp -s keep.txt plain.txt && [ -p pipe ]'
done <<'END'
tokenize keep.txt keep.txt|^tokenize: keep.txt: is what is read (choose another name)$
tokenize keep.txt other-name.txt|^tokenize: other-name.txt: is what is read
detokenize shards/a.bin shards/a.bin|^detokenize: shards/a.bin: is what is read
tokenize set set/stories-valid.txt|^tokenize: set/stories-valid.txt: is what is read
tokenize keep.txt pipe|^tokenize: pipe: expected a file or nothing, found something else
tokenize keep.txt set|^tokenize: set: expected a file or nothing, found a folder
data links|^data: links/a.bin: No such file
END
script --run bits 'data plain.u32' 'train 1'
check "bits a byte of a text that is not known are no number" eval 'is 0 && in_err "^validation: step 0 loss [0-9.]*, bits/byte -- (" && ! grep -q nan err'

# --- a token file that is cut while it is trained on: a line, no end of the process ---
head -c 800000 /dev/zero >live.bin
mkfifo lines
"$ANETUI" --plain --run live <lines >out 2>err &
pid=$!
exec 3>lines
printf '%s\n' "$small" 'set seq 32' 'set batch 2' 'data live.bin order=sequential' 'train 2' >&3
wait_for 60 grep -q '^step 2/2' err
: >live.bin
printf '%s\n' '-train 2' '-eval' 'data plain.u32' 'train 2' >&3
exec 3>&-
wait $pid
status=$?
check "a token file is cut while it is in use: told, training goes on with another" eval 'is 0 && in_err "data: live.bin: expected 800000 bytes as when it was opened, found 0 (cut" && in_err "^step 4/4"'

# --- the ids are those of the format ---
if [ -f "$data/tok32000.bin" ]; then
	printf '{"text":"One day"}\n{"text":"I was"}\n' >two.jsonl
	small2="new demo layers=1 dim=32 heads=2 kv_heads=2 hidden=64 head_dim=16 vocab=32000 tokenizer=$data/tok32000.bin"
	plain -e "$small2" -e 'tokenize two.jsonl two.bin'
	python "a document begins with BOS and has no EOS, as llama2.c's do" <<'END'
assert struct.unpack('<6H', open('two.bin', 'rb').read()) == (1, 3118, 2462, 1, 306, 471), open('two.bin', 'rb').read()
END
else
	skip "needs ANETUI_TESTDATA"
fi
# --- wrong ---
printf '{"text":"one"}\n{"text":"two"\n' >bad.jsonl
: >keep.tok
script '-data bad.jsonl' '-tokenize bad.jsonl new.tok' '-tokenize bad.jsonl keep.tok' '-detokenize docs.jsonl x.txt' '-detokenize docs.tok x.txt' '-detokenize plain.u32 x.txt width=3' '-tokenize plain.txt x.u16 y'
check "one line each, with file and line" eval 'is 0 && err_lines 3 "^data: bad.jsonl:2: column 13: .*one JSON object a line" && err_lines 1 "docs.tok: its ids are of tokenizer" && in_err "width=2 or width=4" && in_err "usage: tokenize" && in_err "docs.jsonl: is a text, no tokens"'
check "nothing is left, what was there stays" eval '[ ! -e new.tok ] && [ -f keep.tok ] && [ ! -s keep.tok ] && [ ! -e x.txt ] && [ -z "$(ls | grep tmp-)" ]'
# --- interrupted ---
python "a long text" <<'END'
line = 'a line that is written again and again, until the file is as long as it has to be\n'
with open('long.txt', 'w') as f:
    for i in range(60):
        f.write(line * 12000)
END
"$ANETUI" --plain -e "$small" -e 'set threads 1' -e 'tokenize long.txt long.tok' >out 2>err </dev/null &
pid=$!
wait_for 60 eval 'ls | grep -q "^long.tok.tmp-"'
kill -INT $pid
wait $pid
status=$?
check "an interrupt ends it, and nothing is left" eval '[ "$status" -ne 0 ] && in_err "^data: interrupted" && [ ! -e long.tok ] && [ -z "$(ls | grep tmp-)" ]'
rm -f long.txt
done_testing
