#!/bin/sh
# tinystories.sh: fetches the TinyStories texts into a folder that `data FOLDER` reads, and checks them. Only this script opens the network, never the program.
# SPDX-License-Identifier: MIT
#
#   sh tinystories.sh [FOLDER]      default: TinyStories
#
# The set of R. Eldan and Y. Li (arXiv 2305.07759; read its licence at its home before you pass it on): two texts, stories divided by lines that say
# <|endoftext|>; the one that is called valid is what anetui holds out. About 2.2 GB. What was begun and broke off goes on where it was.
#
# Checks: the length that the server tells, whole stories at both ends, no HTML page in the place of a text. No sum is known beforehand (the author of this
# script had no way to the originals), so the sum of the first whole download is written beside the file, FILE.sha256, and every later run is held to it;
# a FILE.sha256 from somebody whom you trust does the same before the first download.
#
# TINYSTORIES_URL: another place that has the two files, also file:///... ; CURL=none takes wget instead.
set -u
dir=${1:-TinyStories}
url=${TINYSTORIES_URL:-https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main}
files='TinyStoriesV2-GPT4-valid.txt TinyStoriesV2-GPT4-train.txt'

die() {
	echo "tinystories: $*" >&2
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
size_of() { wc -c <"$1" | tr -d ' '; }
sum_of() {
	if have sha256sum; then
		sha256sum "$1" | cut -d ' ' -f 1
	elif have shasum; then
		shasum -a 256 "$1" | cut -d ' ' -f 1
	else
		openssl dgst -sha256 "$1" | sed 's/.* //'
	fi
}

if [ "${CURL:-curl}" != none ] && have curl; then
	get=curl
elif have wget; then
	get=wget
else
	die "neither curl nor wget is here"
fi

# The length of the file at $1, or nothing where the server does not tell. After redirections the last one counts.
length_of() {
	case $get in
	curl) curl -fsIL "$1" ;;
	wget) wget -q --spider -S "$1" 2>&1 ;;
	esac | tr -d '\r' | sed -n 's/^ *[Cc]ontent-[Ll]ength: *\([0-9][0-9]*\) *$/\1/p' | tail -n 1
}

# Goes on with $2 if it has a beginning.
fetch() {
	case $get in
	curl) curl -fL --retry 3 -C - -o "$2" "$1" ;;
	wget) wget -c -t 3 -O "$2" "$1" ;;
	esac
}

# Is $1 a text of whole stories?
check_text() {
	[ -s "$1" ] || die "$1: is empty"
	if head -c 512 "$1" | grep -qi '<html\|<!doctype\|git-lfs'; then
		die "$1: a page about the file, not the file (delete it; is the address right?)"
	fi
	if [ "$(head -c 65536 "$1" | tr -d '\000' | wc -c)" -ne "$(head -c 65536 "$1" | wc -c)" ]; then
		die "$1: bytes that are no text"
	fi
	head -c 1048576 "$1" | grep -q '^<|endoftext|>' || die "$1: no line <|endoftext|> in its first MiB: not this set"
	tail -c 64 "$1" | grep -q '<|endoftext|>' || die "$1: ends within a story (half a file?)"
}

# Of a file that has its final name: is it what it was?
check_sum() {
	sum=$(sum_of "$1")
	if [ -f "$1.sha256" ]; then
		[ "$sum" = "$(cut -d ' ' -f 1 <"$1.sha256")" ] || die "$1: its sha256 is $sum, $1.sha256 says $(cut -d ' ' -f 1 <"$1.sha256") (delete the file to fetch it anew)"
		echo "$1: $(size_of "$1") bytes, sha256 as in $1.sha256"
	else
		(cd "$dir" && echo "$sum  ${1##*/}" >"${1##*/}.sha256") || die "$1.sha256: can not be written"
		echo "$1: $(size_of "$1") bytes, sha256 $sum (written to $1.sha256 for the next time)"
	fi
}

mkdir -p "$dir" || die "$dir: can not be made"
for f in $files; do
	to=$dir/$f part=$dir/.$f.part
	if [ ! -f "$to" ]; then
		want=$(length_of "$url/$f")
		have_now=0
		[ -f "$part" ] && have_now=$(size_of "$part")
		if [ -n "$want" ] && [ "$have_now" -gt "$want" ]; then
			rm -f "$part" # of another file
			have_now=0
		fi
		if [ -z "$want" ] || [ "$have_now" -ne "$want" ]; then
			fetch "$url/$f" "$part" || die "$url/$f: the download broke off ($([ -f "$part" ] && size_of "$part" || echo 0) bytes are kept; run this again to go on)"
		fi
		got=$(size_of "$part")
		[ -z "$want" ] || [ "$got" -eq "$want" ] || die "$part: $got bytes, the server has $want (run this again to go on)"
		check_text "$part"
		mv "$part" "$to" || die "$to: can not be written"
	fi
	check_text "$to"
	check_sum "$to"
done
echo "now: anetui, then  :data $dir"
