#!/bin/sh
# fuzz.sh: every parser of what comes from outside against libFuzzer, under ASan and UBSan, for $ANETUI_FUZZ_SECONDS (5) each; see tests/fuzz/run.sh.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
if ! command -v clang >/dev/null 2>&1; then
	skip "needs clang"
	done_testing
fi
work=$ANETUI_ROOT/build/fuzz
if ! env -u MAKEFLAGS -u MAKELEVEL make -C "$ANETUI_ROOT" -j2 BUILD=fuzz CC=clang fuzzers >out 2>&1; then
	check "the fuzz targets are built" false
	done_testing
fi
sh "$ANETUI_ROOT/tests/fuzz/run.sh" "$work/fuzz" "$ANETUI" "${ANETUI_FUZZ_SECONDS:-5}" "$work/work"
