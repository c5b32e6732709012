/* fuzz_ckpt.c: checkpoints. The sums would stop nearly every change at once, so the input is loaded a second time with sums that fit. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "io/safetensors.h"
#include "train/ckpt.h"

static int load(const char *path)
{
	struct params *p = NULL;
	struct tokenizer *t = NULL;
	struct train_state *s = calloc(1, sizeof *s);
	struct err e = {0};
	FUZZ_CHECK(s);
	int rc = ckpt_load(path, &p, s, &t, &e);
	fuzz_said(rc, &e);
	if (!rc) {
		FUZZ_CHECK(p);
		params_free(p);
		tokenizer_free(t);
	}
	free(s);
	return rc;
}

/* The sums of what is there, where the file's last tensor has room for them. 1: changed. */
static int mend(unsigned char *file, const char *path)
{
	struct st_file f = {0};
	struct err e = {0};
	if (st_open(&f, path, &e))
		return 0;
	const struct st_tensor *sums = f.n ? &f.tensor[f.n - 1] : NULL;
	int ok = sums && !strcmp(sums->name, "anetui.crc") && sums->end - sums->begin == 4 * (uint64_t)f.n;
	size_t head = f.map.size - (size_t)f.buffer_bytes;
	for (int i = 0; ok && i < f.n; i++) {
		uint32_t sum = i ? crc32c(0, f.buffer + f.tensor[i - 1].begin, (size_t)(f.tensor[i - 1].end - f.tensor[i - 1].begin))
				 : crc32c(0, f.map.data, head);
		memcpy(file + head + sums->begin + 4 * (size_t)i, &sum, 4);
	}
	st_close(&f);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *path = fuzz_file("x.ckpt", data, n);
	struct err e = {0};
	int rc = load(path), checked = ckpt_verify(path, &e);
	fuzz_said(checked, &e);
	FUZZ_CHECK(rc || !checked);
	fuzz_accepted += !rc;
	unsigned char *file = malloc(n ? n : 1);
	FUZZ_CHECK(file);
	memcpy(file, data, n);
	if (rc && mend(file, path))
		load(fuzz_file("x.ckpt", file, n));
	free(file);
	return 0;
}
