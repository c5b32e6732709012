#!/bin/sh
# darwin.sh: the ane device, the power sources and what they stand on, compiled for macOS on arm64 without a Mac: clang, and headers written by hand. Runs nothing.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
if ! command -v clang >/dev/null 2>&1; then
	skip "needs clang"
	done_testing
fi
stubs=$ANETUI_ROOT/tests/ane/darwin
compile() {
	_file=$1
	rm -f object.o
	clang --target=arm64-apple-macosx15.0 -nostdlibinc -isystem "$stubs" -std=c11 -O2 -D_DARWIN_C_SOURCE -Wall -Wextra -Wshadow -Wvla \
		-Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Werror -I"$ANETUI_ROOT/src/core" -c -o object.o "$ANETUI_ROOT/$_file" >out 2>err
	status=$?
}
# The head of a 64-bit Mach-O file for arm64.
is_macho() { [ "$(od -An -tx1 -N8 object.o | tr -d ' ')" = cffaedfe0c000001 ]; }
cd "$ANETUI_ROOT" || exit 1
files=$(echo src/core/device/ane/*.c src/core/device/weight_file.c src/core/device/device.c src/core/meter/power*.c src/core/meter/smc.c src/core/meter/machine.c src/core/mil/*.c src/core/base/err.c src/core/base/str.c)
cd - >/dev/null || exit 1
for f in $files; do
	compile "$f"
	check "$f: an object of macOS on arm64, without a warning" eval 'is 0 && is_macho'
done
# Calls go by exact prototypes: nothing may be called as the variadic function that objc_msgSend is declared to be.
printf '#include "device/ane/api.h"\nint f(const struct ane_api *a);\nint f(const struct ane_api *a) { a->objc_msgSend(a); return 0; }\n' >wrong.c
clang --target=arm64-apple-macosx15.0 -nostdlibinc -isystem "$stubs" -std=c11 -I"$ANETUI_ROOT/src/core" -fsyntax-only wrong.c >out 2>err
status=$?
check "an uncast call of objc_msgSend does not compile" eval '! is 0 && in_err "too many arguments"'
done_testing
