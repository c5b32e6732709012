#!/bin/sh
# decode.sh: decoding by anetui beside llama2.c's run and runq on the same random model: interleaved pairs, medians, ratios. Fetches and builds nothing.
# SPDX-License-Identifier: MIT
#
#     RUN=FILE RUNQ=FILE TOKENIZER=FILE tests/bench/decode.sh [pairs=5] [preset=stories110m] [tokens=128] [threads=2]
#
# RUN, RUNQ   llama2.c's programs, built: gcc -Ofast -fopenmp -march=native run.c -lm -o run, and runq.c as runq. Either may be missing.
# TOKENIZER   a tokenizer.bin of llama2.c with 32,000 tokens
# ANETUI      the program (./anetui)
#
# The preset is exported once as v0 (fp32) and v2 (int8); all programs read these. Tokens a second from the first token decoded to the last, greedy: ours from
# `trace`, theirs as they print it. The 8-bit copy is not in it, as reading a quantised file is not in theirs. Memory: 1.5 GB and 600 MB of disk for stories110m.
# Only a quiet machine counts: beside other work the threads of OpenMP wait for one another, and every ratio is too good.
# The status is 1 when a bar was missed: fp32 1.0 of run, int8 1.8 of runq.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
: "${ANETUI:=$root/anetui}" "${RUN:=}" "${RUNQ:=}" "${TOKENIZER:=}"
export ANETUI_ASSETS="$root/assets"
prompt=Once # a random model says that again, and not the start token, at which they stop
pairs=5 preset=stories110m tokens=128 threads=2
for a in "$@"; do
	case $a in
	pairs=*) pairs=${a#*=} ;;
	preset=*) preset=${a#*=} ;;
	tokens=*) tokens=${a#*=} ;;
	threads=*) threads=${a#*=} ;;
	*) echo "decode.sh: $a: unknown (see the head of the file)" >&2; exit 2 ;;
	esac
done
if [ ! -f "$TOKENIZER" ] || { [ -z "$RUN" ] && [ -z "$RUNQ" ]; }; then
	echo "decode.sh: TOKENIZER, and RUN or RUNQ, must name files (see the head of the file)" >&2
	exit 2
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT INT TERM
"$ANETUI" --plain -e "new $preset" -e "export llama2c $dir/fp32.bin" -e "export llama2c-v2 $dir/int8.bin" >"$dir/log" 2>&1 </dev/null || { cat "$dir/log" >&2; exit 1; }

# ours on|off: tokens a second.
ours() {
	(cd "$dir" && "$ANETUI" --plain --set sample.temperature=0 -e "set threads $threads" -e "set sample.int8 $1" -e "new ./fp32.bin tokenizer=$TOKENIZER" \
		-e 'trace trace.json' -e "sample $tokens $prompt" -e 'trace stop' >log 2>&1 </dev/null) || { cat "$dir/log" >&2; return 1; }
	python3 - "$dir/trace.json" <<'END'
import json, sys
t = json.load(open(sys.argv[1]))
s = [e for e in (t['traceEvents'] if isinstance(t, dict) else t) if e.get('name') == 'decode' and 'dur' in e]
first, last = min(e['ts'] for e in s), max(e['ts'] + e['dur'] for e in s)
print('%.2f' % ((len(s) - 1) / (last - first) * 1e6)) # the last span stands for a token that is not decoded
END
}
# theirs PROGRAM MODEL
theirs() {
	OMP_NUM_THREADS=$threads "$1" "$2" -z "$TOKENIZER" -t 0 -n "$tokens" -i "$prompt" 2>&1 >/dev/null | sed -n 's|^achieved tok/s: ||p'
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { if (NR) printf "%.2f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
# compare WHAT on|off PROGRAM MODEL BAR
failed=0
compare() {
	[ -n "$3" ] || { echo "$1: -- (no program of llama2.c was named)"; return; }
	_name=$(basename "$3")
	_k=0
	rm -f "$dir/a" "$dir/b" "$dir/r"
	while [ "$_k" -lt "$pairs" ]; do
		_k=$((_k + 1))
		_a=$(ours "$2") || exit 1
		_b=$(theirs "$3" "$4")
		[ -n "$_b" ] || { echo "decode.sh: $_name: gave no figure" >&2; exit 1; }
		echo "$_a" >>"$dir/a"
		echo "$_b" >>"$dir/b"
		awk "BEGIN { print $_a / $_b }" >>"$dir/r"
		echo "  $1, pair $_k: anetui $_a, $_name $_b tokens/s"
	done
	_r=$(median "$dir/r")
	echo "$1: anetui $(median "$dir/a"), $_name $(median "$dir/b") tokens/s, ratio $_r (median of $pairs pairs; $5 is the bar)"
	awk "BEGIN { exit !($_r >= $5) }" || failed=1
}
echo "$preset, $tokens tokens, $threads threads"
compare fp32 off "$RUN" "$dir/fp32.bin" 1.0
compare int8 on "$RUNQ" "$dir/int8.bin" 1.8
exit $failed
