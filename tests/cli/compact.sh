#!/bin/sh
# compact.sh: `vocab.compact on` from end to end: what the classifier has, what is saved, resuming, sampling, other data.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
# Two texts with hardly a letter in common; a vocabulary of which most never occurs.
i=0
while [ $i -lt 300 ]; do
	echo 'Once upon a time there was a cat. The cat sat.'
	i=$((i + 1))
done >cat.txt
tr 'a-y' 'b-z' <cat.txt >other.txt
go() {
	_dir=$1
	shift
	script --run "$_dir" 'set lr.warmup 5' 'set lr.steps 20' 'set eval.every 7' 'data cat.txt' 'set vocab.compact on' "$@"
}

go straight 'train 20' info
check "the classifier has the rows that occur" eval 'is 0 && in_out "^compact  *[0-9]* of 2048 rows occur in the data"'
rows=$(sed -n 's/^compact  *\([0-9]*\) of.*/\1/p' out) work=$(sed -n 's/^work  *//p' out) memory=$(sed -n 's/^  *all  *\([^,]*\),.*/\1/p' out)
check "few of them" test "$rows" -gt 5 -a "$rows" -lt 200
script --run off 'set lr.warmup 5' 'data cat.txt' 'train 20' info
check "less work and less memory than with all rows" eval 'is 0 && ! in_out "^compact" && ! in_out "^work  *$work" && [ -n "$memory" ] && ! in_out "^  *all  *$memory,"'
python "the loss begins at ln(rows), the file holds all rows, and those that never occur have no moments" <<END
first = [e for e in events('straight') if e['event'] == 'eval'][0]['loss']
full = [e for e in events('off') if e['event'] == 'eval'][0]['loss']
assert abs(first - math.log($rows)) < 0.2 and abs(full - math.log(2048)) < 0.2, (first, full)
t, meta = st_read('straight/step-00000020.ckpt')
assert t['model.embed_tokens.weight'][1] == [2048, 32] and meta['set.vocab.compact'] == 'on'
def dead(path):
    b = st_read(path)[0]['adam.v.model.embed_tokens.weight'][2]
    return sum(not any(b[r * 128:(r + 1) * 128]) for r in range(2048))
assert dead('straight/step-00000020.ckpt') == 2048 - $rows, dead('straight/step-00000020.ckpt')
assert dead('off/step-00000020.ckpt') == 0
END

go parts 'train 7' 'sample 20'
plain --resume --run parts -e 'train 13'
python "7 steps, a sample, resumed, 13 steps: the same bytes" <<'END'
assert steps('straight') == steps('parts') and len(steps('parts')) == 20
assert weights('straight/step-00000020.ckpt') == weights('parts/step-00000020.ckpt')
END
plain -x straight/settings.cmd --run again
python "its commands make the same run" <<'END'
assert weights('straight/step-00000020.ckpt') == weights('again/step-00000020.ckpt')
END

# --- samples ---
# Flat logits: every id of the tokenizer is as likely as any other, if it were not for the rows that take no part.
go hot 'set sample.temperature 100' 'set sample.top_p 1' 'set sample.seed 7' 'train 2' 'sample 300'
check "a sample has only letters that occur" eval 'is 0 && [ "$(tr -d " \n.OTacehimnoprstuw" <out | wc -c)" -eq 0 ] && [ "$(wc -c <out)" -gt 300 ]'
script --run hotoff 'set sample.temperature 100' 'set sample.top_p 1' 'set sample.seed 7' 'data cat.txt' 'train 2' 'sample 300'
check "without compaction it has others" eval 'is 0 && [ "$(tr -d " \n.OTacehimnoprstuw" <out | wc -c)" -gt 0 ]'
plain --resume --run hot -e 'sample 300'
check "nor has one after resuming, before anything trains" eval 'is 0 && [ "$(tr -d " \n.OTacehimnoprstuw" <out | wc -c)" -eq 0 ]'

# --- changes ---
script --run live 'set lr.warmup 5' 'data cat.txt' 'train 3' 'set vocab.compact on' 'train 3' info 'data other.txt' 'train 3' info undo
check "on while it runs; other data are counted anew" eval 'is 0 && [ "$(sed -n "s/^compact  *\([0-9]*\) of.*/\1/p" out | sort -u | wc -l)" -eq 2 ]'
python "from the next step on" <<'END'
s = steps('live')
assert s[3][0] > 7 and s[4][0] < 5.5, s
assert [e['new'] for e in events('live') if e['event'] == 'set' and e['key'] == 'vocab.compact'][0] == 'on'
END
mv cat.txt gone.txt
plain --resume --run straight -e 'sample 5'
check "without the data nobody knows which rows occur" eval 'is 1 && in_err "cat.txt"'
plain --resume --run straight -e 'set vocab.compact off' -e 'sample 5'
check "off, a sample needs no data" is 0
done_testing
