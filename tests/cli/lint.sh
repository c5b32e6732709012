#!/bin/sh
# lint.sh: the house rules that a machine can see: which room includes which, what core never calls, file heads and sizes. TAP.
# SPDX-License-Identifier: MIT
set -u
cd "${ANETUI_ROOT:-$(dirname "$0")/../..}" || exit 1
n=0 status=0

# verdict NAME COMMAND...: fails with the lines that the command prints, if it prints any.
verdict() {
	name=$1
	shift
	found=$("$@")
	n=$((n + 1))
	if [ -z "$found" ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		echo "$found" | sed 's/^/# /'
		status=1
	fi
}

# core/ROOM/... : "file: included header" for includes of other rooms of core than those allowed.
# The engine's and the commands' files lie in src/core itself and may include all of it.
rooms() {
	room=$1 allowed=$2
	[ -d "src/core/$room" ] || return 0
	grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "src/core/$room" |
		sed -E 's/^([^:]*:[0-9]+):[^"]*"([^"]*)".*/\1 \2/' |
		while read -r at header; do
			to=${header%%/*}
			[ "$to" = "$header" ] && to=.
			case " $room $allowed " in
			*" $to "*) ;;
			*) echo "$at: includes \"$header\": $room may include only: $allowed" ;;
			esac
		done
}

verdict "base includes nothing else" rooms base ""
verdict "text includes base" rooms text "base"
verdict "mil includes base" rooms mil "base"
verdict "device includes base, mil" rooms device "base mil"
verdict "model includes base, text, mil, device, io, meter" rooms model "base text mil device io meter"
verdict "train includes base to model, io, meter" rooms train "base text mil device model io meter"
verdict "sample includes base to model, io, meter" rooms sample "base text mil device model io meter"
verdict "bench includes base to sample" rooms bench "base text mil device model train sample meter"
verdict "io includes base, text, model" rooms io "base text model"
verdict "meter includes base" rooms meter "base"

# includes PATTERN FOLDER...: where a header whose name matches is included.
includes() {
	pattern=$1
	shift
	grep -rnE --include='*.c' --include='*.h' "#[[:space:]]*include[[:space:]]*[<\"]$pattern" "$@"
}

verdict "core never includes repl or tui" includes '(repl|tui)/' src/core
verdict "repl never includes tui" includes 'tui/' src/repl
verdict "only tui includes curses" includes '([^>"]*/)?n?curses[a-z]*\.h|term\.h' src/core src/repl src/main.c
verdict "only repl includes libedit" includes '(histedit|editline)' src/core src/tui src/main.c

# calls FOLDER NAMES: calls of these functions, comments (lines that begin as one) and strings taken out.
calls() {
	call="(^|[^a-zA-Z0-9_>.])($2)[[:space:]]*\\("
	grep -rnE --include='*.c' --include='*.h' "$call" "$1" | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(\*|//|/\*)' |
		sed -E 's/"([^"\\]|\\.)*"/""/g' | grep -E "$call"
}

verdict "core neither exits, asserts nor prints" calls src/core 'exit|abort|assert|printf|vprintf|puts|putchar|perror'

prints_to_streams() {
	grep -rnE --include='*.c' --include='*.h' '(printf|fputs|fputc|putc|fwrite)[[:space:]]*\([^;]*std(out|err)' src/core
}

verdict "core does not write to standard output or error" prints_to_streams

# This tree's own sources, without what was built and without data.
sources() {
	{ git ls-files 2>/dev/null || true; } | grep . >/dev/null && list='git ls-files' || list='find src tests tools Makefile -type f'
	$list | grep -E '\.(c|h|def|sh)$|^Makefile$' | while read -r f; do
		[ ! -f "$f" ] || echo "$f"
	done
}

without_spdx() {
	sources | while read -r f; do
		head -n 40 "$f" | grep -q 'SPDX-License-Identifier: MIT' || echo "$f: no SPDX line"
	done
}

too_long() {
	sources | while read -r f; do
		lines=$(($(wc -l <"$f")))
		[ "$lines" -le 800 ] || echo "$f: $lines lines (at most 800)"
	done
}

without_purpose() {
	sources | grep '\.[ch]$' | while read -r f; do
		base=$(basename "$f")
		case $(head -n 1 "$f") in
		"/* $base: "* | "/* $base, "*) ;;
		*) echo "$f: the first line should say what it is: /* $base: ..." ;;
		esac
	done
}

# What tests and runs leave in the folder that they are started in is no part of the project.
stray() {
	git -C "$ANETUI_ROOT" ls-files 2>/dev/null | sed 's|/.*||' | sort -u | grep -vxE '\.ci|\.gitignore|[A-Z]+(\.md)?|Makefile|assets|docs|src|tests|tools'
}

# Split so that this line does not find itself.
unfinished() {
	sources | xargs grep -nE "(TO""DO|FIX""ME|not impl""emented)"
}

# What the environment can ask for stands in the manual; ANETUI_RESTART is between two processes.
untold() {
	grep -rhoE 'getenv\("ANETUI_[A-Z_]*"\)' src | grep -oE 'ANETUI_[A-Z_]*' | sort -u | while read -r v; do
		grep -q "{\"$v\", " src/repl/man.c || echo "$v: not in the list of src/repl/man.c"
	done
}

# What the long goals run they build, and it is a test: a word of theirs that names no program would only be missed by who starts them.
unbuilt() {
	for goal in check-asan check-tsan check-valgrind soak; do
		programs=$(env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -n "$goal" 2>/dev/null | grep 'sh tests/run.sh' | tr -s ' "=' '\n' | grep '/test_')
		[ -n "$programs" ] || echo "$goal: runs no test program"
		for t in $programs; do
			case $t in build/*/tests/test_*) [ -f "tests/unit/${t##*/}.c" ] && continue ;; esac
			echo "$goal: $t"
		done
	done
}

careless() {
	sources | grep -E '\.[ch]$' | xargs grep -nE '[[:space:]]$'
	grep -n 'fast-''math' Makefile
}

verdict "every source has the SPDX line" without_spdx
verdict "no source has more than 800 lines" too_long
verdict "every C file begins with what it is" without_purpose
verdict "nothing else stands beside the folders of the project" stray
verdict "every variable of the environment stands in the manual" untold
verdict "what the long goals run are the tests of this tree" unbuilt
verdict "no unfinished business" unfinished
verdict "no blanks at the end of a line, no fast math" careless

echo "1..$n"
exit $status
