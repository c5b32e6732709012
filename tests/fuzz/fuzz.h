/* fuzz.h: what the fuzz targets share: an input as a file, and what every message must be. One target a file, fuzz_NAME.c; seeds in corpus/NAME.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TESTS_FUZZ_H
#define ANETUI_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Ends the process with a word on what was wrong: the fuzzer keeps the input. */
#define FUZZ_CHECK(cond, ...) do { if (!(cond)) fuzz_fail(#cond); } while (0)
void fuzz_fail(const char *what) __attribute__((noreturn));

/* The path of a folder of this process' own, gone at its end. */
const char *fuzz_dir(void);
/* Writes the input as fuzz_dir()/name; its path, in a static buffer that the next call overwrites. */
const char *fuzz_file(const char *name, const void *data, size_t n);
/* A call that failed must have said why: a code of err.h, and one line of printable UTF-8 without control characters. One that did not fail: nothing is asked. */
void fuzz_said(int failed, const struct err *e);

/* Counts inputs that were taken for what the target reads, and whole: each target adds to it. damage.c asks. */
extern unsigned long fuzz_accepted;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif
