#!/bin/sh
# valgrind.sh: no wrong access, nothing lost, no descriptor left open, by valgrind: one step of a small model. ANETUI_GRIND (`make check-valgrind`): a long session, and these programs.
# SPDX-License-Identifier: MIT
#
# Valgrind knows no AVX-512 and says so through cpuid: program and BLAS then take their AVX2 kernels by themselves.
. "$ANETUI_ROOT/tests/support/cli.sh"
if ! command -v valgrind >/dev/null 2>&1; then
	skip "needs valgrind"
	done_testing
fi
case $ANETUI in
*/build/asan/* | */build/tsan/*) skip "a sanitizer is in it"; done_testing ;;
esac

# grind NAME COMMAND...: what libraries keep until the end can be reached and is no loss; descriptors that were there before have no place where
# they were opened, and the pipe of the signals is for as long as the process.
grind() {
	_title=$1
	shift
	valgrind --track-fds=yes --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=9 --log-file=grind.%p "$@" >out 2>err </dev/null
	status=$?
	cat grind.* >log
	rm -f grind.*
	open=$(awk '/Open / { head = 1 } head && / at 0x/ { ours = 1 } /: wake_open / { ours = 0 } $2 == "" { n += ours; ours = head = 0 } END { print n + 0 }' log)
	grep -q 'ERROR SUMMARY' log || open=unknown
	check "$_title" eval 'is 0 && [ "$open" = 0 ]'
	{ is 0 && [ "$open" = 0 ]; } || { echo "# descriptors left open: $open"; head -n 100 log | sed 's/^/# /'; }
}

if [ -z "${ANETUI_GRIND:-}" ]; then
	head -c 3000 "$ANETUI_ROOT/docs/architecture.md" >text.txt
	grind "one step" "$ANETUI" --plain -e 'new demo layers=1 dim=16 hidden=32 heads=2 vocab=260 context=64' -e 'data text.txt' -e 'set seq 16' -e 'train 1' -e quit
	done_testing
fi
cp "$ANETUI_ROOT/docs/architecture.md" text.txt
grind "a session of every kind of command" "$ANETUI" --plain -x "$ANETUI_ROOT/tests/session.cmd"
for t in $ANETUI_GRIND; do
	mkdir -p work && cd work || exit 1
	grind "$(basename "$t")" "$ANETUI_ROOT/$t"
	cd .. && rm -rf work
done
done_testing
