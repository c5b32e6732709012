/* fuzz_hf.c: a model folder: config.json, and behind separators what else lies in it: weights, their index, a second file of weights. What loads holds as many numbers
 * as its shape says. Without separators it is config.json alone. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "io/hf.h"

static const char *const names[] = {"config.json", "model.safetensors", "model.safetensors.index.json", "a.safetensors"};
enum { NAMES = sizeof names / sizeof *names };
static const uint8_t separator[] = {0xf3, '-', '-', '\n'};

/* The folder as the input has it; how many parts there are. A part that is empty is no file. */
static int put_folder(const uint8_t *data, size_t n)
{
	int parts = 0;
	for (int i = 0; i < NAMES; i++) {
		char path[160];
		const uint8_t *end = data ? memmem(data, n, separator, sizeof separator) : NULL;
		size_t len = end ? (size_t)(end - data) : n;
		parts += data != NULL;
		if (data && (len || !i))
			fuzz_file(names[i], data, len);
		else {
			snprintf(path, sizeof path, "%s/%s", fuzz_dir(), names[i]);
			unlink(path);
		}
		data = end ? end + sizeof separator : NULL;
		n = end ? n - len - sizeof separator : 0;
	}
	return parts;
}

static volatile float sum; /* every number is read */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int parts = put_folder(data ? data : (const uint8_t *)"", n);
	struct model_config c;
	struct err e = {0};
	int rc = hf_config(&c, fuzz_dir(), &e);
	fuzz_said(rc, &e);
	if (!rc)
		FUZZ_CHECK(c.layers > 0 && c.dim > 0 && c.heads > 0 && c.vocab > 0);
	struct params *p = hf_load(fuzz_dir(), &e);
	fuzz_said(!p, &e);
	FUZZ_CHECK(!p || (!rc && parts > 1));
	fuzz_accepted += p || (!rc && parts == 1);
	for (int i = 0; p && i < p->n; i++)
		for (size_t k = 0; k < p->table[i].count; k++)
			sum += p->w[p->table[i].offset + k];
	params_free(p);
	return 0;
}
