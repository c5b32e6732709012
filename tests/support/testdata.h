/* testdata.h: files that tests read: others' data, own scratch files.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TESTDATA_H
#define TESTS_SUPPORT_TESTDATA_H

#include "base/str.h"

/* $ANETUI_TESTDATA/name into out; 0, or -1 (with the reason printed) when it is not there: then skip(). */
int testdata_read(struct str *out, const char *name);
/* Its path, or NULL (reason printed). Static buffer. */
const char *testdata_path(const char *name);
/* Writes n bytes to `name` in the current folder (tests run in one of their own); returns name. */
const char *scratch_write(const char *name, const void *data, size_t n);
/* The folder and the files in it are gone; one that is not there is no fault. */
void scratch_empty(const char *dir);

#endif
