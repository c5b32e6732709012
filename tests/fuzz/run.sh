#!/bin/sh
# run.sh FUZZERS PROGRAM SECONDS WORK: runs every target of a folder for some seconds, two at a time, then damage.c on the seeds; TAP. Inputs that fail stay in WORK.
# SPDX-License-Identifier: MIT
#
# Seeds are what the program itself writes, and corpus/NAME: texts by hand, and inputs that once failed. Dictionaries come from the program's own tables.
set -u
fuzzers=$1 program=$2 seconds=$3 work=$4
root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$work/seed"
rm -f "$work"/*.tap
mkdir -p "$work/seed" "$work/found" || exit 1
work=$(cd "$work" && pwd)
program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")

make_seeds() {
	cd "$work/seed" || exit 1
	printf 'hello world\nonce upon a time\n' >t.txt
	small='layers=1 dim=8 hidden=16 heads=2 vocab=260 context=16'
	"$program" --plain -e "new demo kv_heads=1 $small" -e 'train 1' -e 'set lora.rank 1' -e 'set ema.decay 0.5' -e 'train 1' -e ckpt -e 'set lora.rank 0' \
		-e 'export gguf m.gguf' -e 'export gguf-q8_0 q8.gguf' -e 'export llama2c m0.bin' -e 'export llama2c-v1 m1.bin' -e 'export llama2c-v2 m2.bin' \
		-e 'export safetensors hf' -e 'export safetensors-f16 hf16' -e 'tokenize t.txt t.tok' -e 'tokenize t.txt t.u32' -e 'tokenize t.txt t.u16' -e 'mil export mil' \
		-e "new demo $small" -e 'export upstream-v2 up2.bin' -e "new demo alpha=0.707107 $small" -e 'export upstream up4.bin' -e "new demo qk_norm=on $small" -e 'export safetensors-bf16 hfq' -e 'quit now' >log 2>&1 ||
		{ cat log; echo "Bail out! the seeds can not be made"; exit 1; }
	for f in runs/*/*.ckpt; do put ckpt "$f"; put safetensors "$f"; done
	for f in *.gguf; do put gguf "$f"; done
	for f in *.bin; do put llama2c "$f"; done
	put shard t.tok
	{ printf '\361\0'; tail -c +3 t.u16; } >ids.bin && put shard ids.bin
	{ printf '\362\0'; tail -c +3 t.u32; } >ids.u32 && put shard ids.u32
	put safetensors hf/model.safetensors
	put hf hf/config.json
	{ printf '{"weight_map":{' && grep -aoh '"[a-z_0-9.]*\.weight"' hf16/model.safetensors | sort -u | sed 's/$/:"a.safetensors"/' | paste -sd , - && printf '}}'; } >index.json
	folder one hf16/config.json hf16/model.safetensors
	folder index hf16/config.json - index.json hf16/model.safetensors
	folder twice hf16/config.json hf16/model.safetensors index.json hf16/model.safetensors
	folder qwen hfq/config.json hfq/model.safetensors
	put tokenizer hf/tokenizer.json
	[ -f "${ANETUI_TESTDATA:-}/tok512.bin" ] && cp "$ANETUI_TESTDATA/tok512.bin" . && put tokenizer tok512.bin
	small_spm >spm.model && put tokenizer spm.model
	for f in runs/*/metrics.jsonl; do put json "$f"; done
	printf 'xset lr.max 0.00025' >settings && put command settings
	printf 'lr.max 0.00025' >value && put setting value
	for f in mil/*/*/model.mil; do put mil "$f"; done
	for f in mil/fwdAttn/*/weights/*.bin; do { printf '\100\0\0\0\0\0\0\0'; cat "$f"; } >blob.tmp && put blob blob.tmp; done
}
# SentencePiece's form: a few pieces, byte-pair, spaces kept.
small_spm() {
	printf '\012\011\012\005<unk>\030\002\012\007\012\003<s>\030\003\012\010\012\004</s>\030\003\012\012\012\006<0x41>\030\006'
	printf '\012\012\012\001a\025\000\000\200\277\030\001\012\014\012\003\342\226\201\025\000\000\000\300\030\001\012\013\012\002ab\025\000\000\100\300\030\001'
	printf '\012\012\012\001b\025\000\000\200\300\030\001\022\002\030\002\032\006\030\001\040\000\050\001'
}
# folder NAME PART...: a model folder as fuzz_hf.c takes it; "-": a part that is not there.
folder() {
	mkdir -p in/hf
	_to=in/hf/folder_$1
	shift
	for _f in "$@"; do
		[ "$_f" = "$1" ] || printf '\363--\n'
		[ "$_f" = - ] || cat "$_f"
	done >"$_to"
}
put() { mkdir -p "in/$1" && cp "$2" "in/$1/$(echo "$2" | tr / _)"; }

dictionary() {
	case $1 in
	mil) sed -n 's/^MIL_OP([^,]*, *"\([^"]*\)", *[^,]*, *"\([^"]*\)".*/\1 \2/p' "$root/src/core/mil/ops.def" | tr ' ' '\n' | sed 's/:.*//'
		printf '%s\n' program func tensor const BLOBFILE fp16 fp32 int32 bool string '<ios18>' ;;
	command) sed -n 's/^COMMAND([^,]*, *"\([^"]*\)".*/\1/p' "$root/src/core/commands.def" ;;
	setting) sed -n 's/^SETTING([^,]*, *"\([^"]*\)".*/\1/p' "$root/src/core/train/settings.def"; printf '%s\n' auto on off 1e9 -1 nan inf ;;
	hf) grep -oh '"[a-z_0-9.]\{3,\}"' "$root/src/core/io/hf.c" "$root/src/core/io/hf_config.c" | tr -d '"'
		sed -n 's/.*{"\([a-z_.%]*weight\)", .*/\1/p' "$root/src/core/model/params.c" | sed 's/%d/0/'
		printf '%s\n' null true false '1e400' -1 dtype shape data_offsets F64 F32 F16 BF16 a.safetensors '--' ;;
	json) printf '%s\n' '"text":' '"story":' '"event":' ckpt '"path":' '"step":' '\u0000' '\ud800' ;;
	esac | sort -u | sed '/^$/d; s/[\\"]/\\&/g; s/.*/"&"/'
}

one() {
	name=$(basename "$1") short=${name#fuzz_}
	mkdir -p "$work/corpus/$short" "$work/seed/in/$short"
	given=
	[ -d "$root/tests/fuzz/corpus/$short" ] && given=$root/tests/fuzz/corpus/$short
	dictionary "$short" >"$work/$short.dict"
	dict=
	[ -s "$work/$short.dict" ] && dict=-dict=$work/$short.dict
	# shellcheck disable=SC2086
	ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 "$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=65536 \
		-print_final_stats=1 -artifact_prefix="$work/found/$short-" $dict "$work/corpus/$short" "$work/seed/in/$short" $given >"$work/$short.log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$short.log")
	cover=$(sed -n 's/.*cov: \([0-9]*\) .*/\1/p' "$work/$short.log" | tail -n 1)
	if [ $status = 0 ] && [ "${runs:-0}" -gt 0 ]; then echo "ok 1 - $name: $runs inputs in $seconds s, $cover edges"
	else
		echo "not ok 1 - $name: status $status (inputs: $work/found)"
		grep -E 'ERROR|SUMMARY|does not hold|runtime error|Test unit' "$work/$short.log" | head -n 5 | sed 's/^/# /'
	fi >"$work/$short.tap"
}

# damage NAME SEED CUTS BITS [HEAD]: no more of the cut files than CUTS, and of those with a turned bit no more than BITS, may be taken for whole (any: not looked at,
# where the format has a place for it: lines, a name, a number). HEAD: bytes whose bits are turned.
damage() {
	seed=$(ls "$work/seed/in/$1"/*$2* | head -n 1)
	errors=$work/damage-$1-$2.err
	say=$("$fuzzers/damage_$1" "$seed" ${5:-} 2>"$errors")
	set -- $say "$1" "$2" "$3" "$4"
	# whole yes, cuts C of N taken, bits B of M taken NAME SEED CUTS BITS
	if [ "$say" ] && [ "$2" = yes, ] && { [ "${15}" = any ] || [ "$4" -le "${15}" ]; } && { [ "${16}" = any ] || [ "$9" -le "${16}" ]; }; then
		echo "ok 1 - damage ${13}, ${14}: $say"
	else
		echo "not ok 1 - damage ${13} ($seed): $say"
		grep -E 'ERROR|SUMMARY|does not hold|runtime error' "$errors" | head -n 5 | sed 's/^/# /'
	fi
}
damages_1() {
	damage ckpt .ckpt 0 0
	damage mil fwdFFN 1 any # the line's end
	damage json metrics any any
	damage hf config 0 any
	damage hf folder_index 1 any 0 # config.json alone
	damage command settings any any # a shorter number is one
	damage setting value any any
}
damages_2() {
	damage safetensors hf 0 any
	damage gguf q8 0 any
	damage llama2c m0 0 any 28
	damage llama2c m1 0 any
	damage llama2c m2 0 any
	damage llama2c up2 0 any 96
	damage llama2c up4 0 any
	damage shard t.tok 0 any
	damage shard ids.u32 any any
	damage tokenizer json 0 any
	damage tokenizer spm 0 any
	damage blob blob 0 any
}

(make_seeds) || exit 1
running=0
for t in "$fuzzers"/fuzz_*; do
	[ -x "$t" ] || continue
	one "$t" &
	running=$((running + 1))
	[ $((running % 2)) = 0 ] && wait
done
wait
damages_1 >"$work/zz1.tap" &
damages_2 >"$work/zz2.tap"
wait
for t in "$work"/*.tap; do cat "$t"; done | awk '/^(not )?ok / { sub(/ok 1 -/, "ok " ++n " -") } { print; if (/^not ok/) bad = 1 } END { print "1.." n; exit bad }'
