#!/bin/sh
# bad_input.sh: whatever is typed or lies in a file, there is one clear line, and nothing that was there is lost.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
if ! have_python; then
	skip "needs python3"
	done_testing
fi

# --- files of every wrong kind ---
: >empty
: >empty.txt
: >empty.bin
: >empty.ckpt
printf 'x' >one.txt
mkdir folder
mkfifo pipe.txt
ln -s nowhere dangling.txt
python3 - <<'END'
import os, random, struct
random.seed(1)
put = lambda name, b: open(name, 'wb').write(b)
text = ' '.join(random.choice(['sun', 'moon', 'tree', 'fox', 'hen', 'and', 'the', 'saw']) for _ in range(4000)) + '.\n'
put('text.txt', text.encode())
put('nul.txt', text.encode()[:3000] + b'\0' + text.encode()[3000:])
put('binary.txt', bytes(range(256)) * 40)
put('odd.bin', b'abc')
put('five.bin', struct.pack('<5H', 1, 2, 3, 4, 5))
put('ids.bin', struct.pack('<4000H', *([i % 300 for i in range(3999)] + [60000])))
put('junk.ckpt', bytes(random.randrange(256) for _ in range(3000)))
put('junk.bin', bytes(random.randrange(256) for _ in range(3000)))
put('header.ckpt', struct.pack('<Q', 1 << 40) + b'{}')
put('other.ckpt', struct.pack('<Q', 64) + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(64) + b'\0' * 4)
put('model.bin', struct.pack('<7i', 64, 172, 5, 8, 4, 512, 512) + b'\0' * 100)
put('zero.bin', struct.pack('<7i', 0, 0, 0, 0, 0, 0, 0))
put('huge.bin', struct.pack('<7i', 65536, 65536, 1024, 64, 64, 16777216, 65536))
put('v9.bin', struct.pack('<Ii', 0x616b3432, 9) + b'\0' * 300)
put('tok.bin', struct.pack('<i', 8) + struct.pack('<fi', 0, -5))
# Whole entries, 300 of them, and weights of 512 ids.
put('tok300.bin', struct.pack('<i', 3) + b''.join(struct.pack('<fi', -i, 3) + b'%03d' % i for i in range(300)))
put('ids512.bin', struct.pack('<7i', 8, 8, 1, 1, 1, 512, 16) + b'\0' * 4 * (512 * 8 + 8 + 4 * 64 + 8 + 3 * 64 + 8 + 2 * 16 * 4))
put('latin1.cmd', 'get clip\n# caf\xe9\nget clip\n'.encode('latin-1'))
put('crlf.cmd', b'get clip\r\n# a comment\r\n\r\nget batch\r\n')
put('nul.cmd', b'get clip\nget\0clip\n')
put('long.cmd', b'get clip\nget ' + b'x' * 5000 + b'\nget clip\n')
END
gguf=
[ -f "$data/ggml-vocab-llama-spm.gguf" ] && gguf="data $data/ggml-vocab-llama-spm.gguf | no text
new $data/ggml-vocab-llama-spm.gguf | expected tensors, found none
new demo tokenizer=$data/ggml-vocab-llama-spm.gguf | tokenizer"

# Each line: a command, a bar, what its one line of message must contain. In doubt `|` in a command is not needed.
cat >table <<END
data nowhere.txt | ^data: nowhere.txt: No such file
data dangling.txt | dangling.txt: No such file
data pipe.txt | pipe.txt: not a regular file
data empty.txt | empty.txt: is empty
data empty.bin | empty.bin: is empty
data one.txt | one.txt: .*at least
data nul.txt | nul.txt: NUL byte at 3000
data binary.txt | NUL byte at 0
data folder | folder: is a folder
data odd.bin | odd.bin: 3 bytes: odd
data five.bin | five.bin: 5 tokens .* 33
data ids.bin | ids.bin: id 60000 at position 3999: .*vocabulary
data /dev/zero | not a regular file
data text.txt order=sideways | sequential random shuffle
data text.txt val=0.9 | 0 to 0.5
data text.txt val=x | 0 to 0.5
data text.txt split=3 | split=3
new nowhere | no such preset .did you mean
new demmo | did you mean demo
new nowhere.bin | nowhere.bin: No such file
new ./folder | folder: expected a model folder, found no config.json
new empty | empty: expected a llama2.c model
new empty.bin | at least 28 bytes, found 0
new model.bin | expected 1056540 bytes, found 128
new zero.bin | no llama2.c model
new huge.bin | more bytes than there can be\\|expected .* found 28
new v9.bin | version 9: unknown
new junk.bin | no llama2.c model
new text.txt | no llama2.c model
new junk.ckpt | no llama2.c model
new demo tokenizer=nowhere.bin | tokenizer: nowhere.bin: No such file
new demo tokenizer=empty.bin | tokenizer: empty.bin
new demo tokenizer=tok.bin | tokenizer: tok.bin
new ids512.bin tokenizer=tok300.bin | tok300.bin: 300 ids, the model was trained with 512
new demo tokenizer=folder | ^tokenizer: folder: no tokenizer.json, tokenizer.model or tokenizer.bin in it
new demo tokenizer=text.txt | tokenizer: text.txt
new demo layers=0 | layers: 0: .*1 to 1024
new demo layers=4000 | layers: 4000: .*1 to 1024
new demo layers=1e99 | 1 to 1024
new demo layers=99999999999999999999 | 1 to 1024
new demo layers=x | 1 to 1024
new demo heads=3 | dim 128: not divisible by heads 3
new demo kv_heads=3 heads=4 | heads
new demo layer=2 | did you mean layers
new demo layers | KEY=VALUE
new demo rope=round | interleaved or half
new stories110m layers=1000 | [0-9.]* [GT]iB .*[0-9.]* [MG]iB
new stories110m vocab=16777216 dim=65536 hidden=65536 layers=1024 heads=64 kv_heads=64 | [0-9.]* [GTPE]iB .*[0-9.]* [MG]iB
load nowhere | nowhere.*: No such file
load junk.ckpt | junk.ckpt: header of
load empty.ckpt | 0 bytes: too short
load header.ckpt | header.ckpt: .*header of
load other.ckpt | no checkpoint of anetui
load folder | is a folder
verify nowhere | nowhere: No such file
verify junk.ckpt | header of
verify empty.ckpt | 0 bytes: too short
verify other.ckpt | no checkpoint of anetui
verify text.txt | not a safetensors file
verify /dev/zero | not a regular file
set batch 0 | 1 to 4096
set batch 4097 | 1 to 4096
set seq 65536 | context is 256
set seq 1.5 | not a whole number
set lr.max 11 | 0 to 10
set lr.max nan | 0 to 10
set lr.max inf | 0 to 10
set lr.max -1e-300 | 0 to 10
set lr.max 1e | 0 to 10
set lr.max "" | 0 to 10
set lr.max 0,5 | 0 to 10
set seed -1 | 0 to 9
set threads 257 | auto or a whole number, 1 to 256
set threads many | auto or a whole number, 1 to 256
set nice 20 | 0 to 19
set lr.shape sine | constant cosine linear wsd
set nan maybe | stop skip rewind
set clip -0.1 | 0 to 1e.09
set sample.tempreture 1 | did you mean sample.temperature
set lrmax 1 | did you mean lr.max
set Batch 2 | did you mean batch
set sample.stop aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | at most 127
set | usage: set KEY VALUE
set a b c | usage: set KEY VALUE
get sead | did you mean seed
lr fast | 0 to 10
lr 1e-3 sine | sine
lr max=20 | 0 to 10
lr warmup=-1 | 0 to 1000000000
train 0 | at least 1
train -1 | at least 1
train 1.5 | at least 1
train many | at least 1
train 1e400 | at least 1
step no | at least 1
wait | usage: wait
wait step x | step number
wait loss | step N, loss<X or seconds
wait loss< | above 0
wait loss<nan | above 0
wait -1 | seconds
sample | usage: sample N
sample 0 x | 1 to 1000000
sample 1.5 x | 1 to 1000000
sample 2000000 x | 1 to 1000000
sample lots x | 1 to 1000000
mil | usage: mil
mil list all | usage: mil list
mil show | usage: mil list
mil show fwdattn | no such program
mil run | usage: mil run
mil run nowhere.mil | nowhere.mil: No such file
mil run text.txt | ^mil: text.txt:1:1: expected
mil run empty.txt | ^mil: empty.txt:1:1: expected
device gpu | no such device .cpu, sim, ane.
device ane | ^device: ane: needs macOS on Apple silicon .try: device sim chip=m4.$
device sim chip=m9 | no such chip .one of m1 .*m5max
device sim budget=0 | 1 or more
device sim fail=parse:1 | STAGE:N
device sim fast | no such option .chip=NAME
pipeline sideways | static.*dynamic
pipeline dynamic inputs=loose | packed.*separate
pipeline dynamic fast | wanted inputs=packed
pipeline static inputs=packed | only the dynamic
kernels sort=size | sort=ms
power estimate lots | watts
power estimate -1 | watts
info everything | presets
tokenize nowhere.txt ids | nowhere.txt: No such file
tokenize empty.txt ids | empty.txt
tokenize folder ids | folder: is a folder
tokenize text.txt folder | ^tokenize: folder: expected a file or nothing, found a folder
tokenize text.txt no/such/ids | no/such: No such file
tokenize text.txt | usage: tokenize FILE OUT
detokenize nowhere.bin out | nowhere.bin: No such file
detokenize text.txt out | text.txt: is a text, no tokens
detokenize ids.bin out | ids.bin: id 280 at position 280: .*vocabulary
detokenize odd.bin out width=3 | width=2 or width=4
data ids.bin width=3 | width=3
undo all | usage: undo
ckpt a/b | plain name
ckpt .hidden | plain name
trian 3 | did you mean train
qiut | did you mean quit
smaple 10 x | did you mean sample
set "a | quote not closed
help trian | did you mean train
rerun x | a program of its own: anetui rerun x
export x y | no such format
zoom loss | needs the screen
layout wide | needs the screen
layout sideways | must be one of\\|needs the screen
quit later | must be one of now
$gguf
END
# In one script, with steps before, between and after; the same steps without all this.
{
	echo "$small"
	printf 'set seq 32\nset batch 2\ndata text.txt\ntrain 3\n'
	sed -n '/|/s/^\(.*\) | .*$/-\1/p' table
	echo 'train 3'
} >all.cmd
printf '%s\nset seq 32\nset batch 2\ndata text.txt\ntrain 6\n' "$small" >straight.cmd
plain --run much -x all.cmd
check "every one of them may fail, the script goes on" is 0
cp err all.err
python3 - >table.tap <<'END'
import re
lines = [l.rstrip('\n').split(' | ', 1) for l in open('table') if ' | ' in l]
err = open('all.err', encoding='utf-8', errors='replace').read().split('\n')
for i, (cmd, want) in enumerate(lines):
    where = 'all.cmd:%d: ' % (i + 6)
    hits = [l[len(where):] for l in err if l.startswith(where)]
    ok = len(hits) == 1 and re.search(want.replace('\\|', '|'), hits[0]) and len(hits[0]) < 300
    print('ok' if ok else 'not', cmd[:60].replace('#', ''), '=>', hits)
rest = [l for l in err if l and not l.startswith('all.cmd:') and not re.match(r'step |set: |model: |run: |data: |validation: |checkpoint: |reading|learning', l)]
print('ok' if not rest else 'not', 'and not a line beside =>', rest)
END
while IFS= read -r line; do
	n=$((n + 1))
	name=${line#* }
	case $line in
	ok*) echo "ok $n - ${name%% => *}" ;;
	*)
		bad=$((bad + 1))
		echo "not ok $n - $name"
		;;
	esac
done <table.tap
plain --run straight -x straight.cmd
python "nothing was lost: the steps around are those of a run without all this" <<'END'
a, b = steps('straight'), steps('much')
assert len(a) == 6 and a == b, (a, b)
assert weights('straight/step-00000006.ckpt') == weights('much/step-00000006.ckpt')
END
# Without the minus: status 2 for wrong words, 1 for what failed, nothing more is done, and what was trained is saved.
first() { script --run "$1" 'train 2' "$2" 'train 1'; }
first one 'set lr.max 11'
check "a failure ends a script: status 1, what was trained is saved" eval 'is 1 && test -f one/step-00000002.ckpt && ! test -f one/step-00000003.ckpt'
first two 'set lrmax 1'
check "wrong words: status 2" eval 'is 2 && test -f two/step-00000002.ckpt'
first three 'data folder'
check "a file of the wrong kind: status 1" eval 'is 1 && test -f three/step-00000002.ckpt'

# --- a folder for the run, as long as there is room for, and longer ---
part=$(printf '%0100d' 0)
long=$part/$part/$part/$part/$part/$part/$part/$part/$part/$part
long=$long/$(printf '%012d' 0) # 1,022 characters
script --run "${long}1" 'data text.txt' 'train 1'
check "--run with 1,023 characters is taken as it is" eval 'is 0 && test -f "${long}1/step-00000001.ckpt"'
script --run "${long}12" 'data text.txt' 'train 1'
check "--run with 1,024 is refused and nothing is made" eval '! is 0 && err_lines 1 "^anetui: --run: 000.*: 1024 bytes: at most 1023 (" && [ ! -e "${long}12" ] && [ "$(ls "$(dirname "$long")")" = "$(basename "${long}1")" ]'

# --- sizes beyond the memory ---
plain -e 'new stories110m layers=1000'
check "a model beyond the memory: how much is needed, how much there is" eval 'is 1 && in_err "[0-9] [GT]iB .*[0-9] [MG]iB"'
plain -e "$small" -e 'set seq 256' -e 'set batch 4096' -e 'get batch'
check "a batch beyond the memory, or taken" eval 'is 0 && in_out "batch 4096" || { is 1 && in_err "batch: 4096: .*need .*iB.* are .*iB"; }'
plain -e 'new stories110m' -e '-set batch 4096' -e 'get batch'
check "a batch beyond the memory: both sizes, the old one stays" eval 'is 0 && in_err "batch: 4096: .*need .*iB.* are .*iB" && ! in_out "4096"'

# --- scripts ---
plain -x latin1.cmd
check "a comment that is no UTF-8" eval 'is 0 && [ "$(grep -c clip out)" -eq 2 ]'
plain -x crlf.cmd
check "lines that end as on Windows" eval 'is 0 && in_out "^clip" && in_out "^batch"'
plain -x nul.cmd
check "a zero byte in a script" eval 'is 1 && in_err "nul.cmd:2: a zero byte"'
plain -x long.cmd
check "a line too long" eval '! is 0 && in_err "^long.cmd:2: .*at most"'
plain -x folder
check "a folder as a script" eval 'is 1 && in_err "folder: is a folder"'
plain -x pipe.txt
check "a pipe as a script" eval 'is 1 && in_err "not a regular file"'
python3 -c "import random, sys; random.seed(7); sys.stdout.buffer.write(bytes(random.randrange(1, 256) for _ in range(20000)))" >noise
"$ANETUI" --plain <noise >out 2>err
status=$?
check "noise on standard input: a failure, and a line that names its place" eval '! is 0 && in_err "^stdin:[0-9]*: "'
tr '\n\0' '  ' <noise | fold -w 300 2>/dev/null | sed 's/^/-/' >noise.cmd
"$ANETUI" --plain <noise.cmd >out 2>err
status=$?
check "noise of which every line may fail" is 0
printf 'get clip\nget\0clip\nget batch\n' | { "$ANETUI" --plain >out 2>err; echo $? >status; }
status=$(cat status)
check "a zero byte on standard input is no end of a command" eval '! is 0 && in_err "^stdin:2: "'
{ printf 'get '; head -c 3000000 /dev/zero | tr '\0' x; printf '\nget clip\n'; } | { "$ANETUI" --plain >out 2>err; echo $? >status; }
status=$(cat status)
check "a line of three million characters" eval 'is 2 && in_err "^stdin:1: .*at most" && [ "$(wc -c <err)" -lt 1000 ]'
printf 'get clip' | { "$ANETUI" --plain >out 2>err; echo $? >status; }
status=$(cat status)
check "a last line without its end" eval '[ "$(cat status)" -eq 0 ] && in_out "^clip"'
done_testing
