/* fuzz_blob.c: MIL weight files: every record that is found lies inside the file. The first 8 bytes are the offset that a program names. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "mil/blob.h"

static volatile unsigned char seen; /* every byte is read */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 8)
		return 0;
	uint64_t offset;
	memcpy(&offset, data, 8);
	size_t size = n - 8;
	/* As a map would have it: aligned, and not a byte behind the end. */
	unsigned char *file = malloc(size ? size : 1);
	FUZZ_CHECK(file);
	memcpy(file, data + 8, size);
	struct mil_blob b = {0};
	struct err e = {0};
	int rc = mil_blob_find(&b, file, size, offset, "w.bin", &e);
	fuzz_said(rc, &e);
	if (!rc) {
		fuzz_accepted++;
		const unsigned char *at = b.data;
		FUZZ_CHECK(b.bytes <= size && at >= file && (size_t)(at - file) <= size - b.bytes);
		for (uint64_t i = 0; i < b.bytes; i++)
			seen ^= at[i];
		struct mil_type t = {b.dtype, 1, {(int64_t)(b.bytes / 2)}};
		fuzz_said(mil_blob_fits(&b, &t, "w.bin", &e), &e);
	}
	free(file);
	return 0;
}
