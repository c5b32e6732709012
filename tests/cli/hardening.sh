#!/bin/sh
# hardening.sh: what the compiler and the linker were asked to protect is protected in the program that is shipped. ELF only.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
if ! command -v readelf >/dev/null 2>&1 || ! readelf -h "$ANETUI" >/dev/null 2>&1; then
	skip "needs readelf and an ELF program"
	done_testing
fi
case $ANETUI in
*/build/*) skip "not the release build"; done_testing ;;
esac
readelf -hldsW "$ANETUI" >out 2>err
check "a program of its own address at each start" in_out 'Type: *DYN'
check "tables of functions are read-only" eval 'in_out GNU_RELRO && in_out "FLAGS.*BIND_NOW\|FLAGS_1.*NOW"'
check "no stack that can be run" eval 'in_out "GNU_STACK.* RW " && ! in_out "GNU_STACK.*RWE"'
check "stacks are checked" in_out '__stack_chk_fail'
check "copies are checked" in_out '__[a-z]*_chk@'
done_testing
