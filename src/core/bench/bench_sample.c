/* bench_sample.c: prefill and decoding with random weights, and checkpoints of them. No text.
 * SPDX-License-Identifier: MIT */
#include "bench/bench_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "sample/sample.h"
#include "train/ckpt.h"

enum { PREFILL = 128, DECODE = 32 };

/* --- sampling --- */

struct talk {
	struct decoder *d;
	const atomic_int *cancel;
	int id[PREFILL];
};

static int prefill_call(void *arg, struct err *e)
{
	struct talk *t = arg;
	float *logits;
	decoder_reset(t->d);
	return decoder_next(t->d, t->id, PREFILL, &logits, t->cancel, e);
}

static int decode_call(void *arg, struct err *e)
{
	struct talk *t = arg;
	int rc = 0;
	float *logits;
	decoder_reset(t->d);
	for (int i = 0; i < DECODE && !rc; i++)
		rc = decoder_next(t->d, t->id + i, 1, &logits, t->cancel, e);
	return rc;
}

static int copy_call(void *arg, struct err *e)
{
	return decoder_int8(((struct talk *)arg)->d, 1, e);
}

static int talk(struct bench *b, const char *preset, struct err *e)
{
	struct model_config c;
	struct talk t = {.cancel = b->o->cancel};
	struct params *p = NULL;
	char name[64];
	double ms;
	int rc = model_preset(&c, preset, e);
	if (!rc && !(p = params_new(&c, e)))
		rc = e->code;
	if (!rc) {
		params_init(p, 1);
		for (int i = 0; i < PREFILL; i++)
			t.id[i] = (i * 7 + 1) % c.vocab;
		if (!(t.d = decoder_new(p, b->o->pool, e)))
			rc = e->code;
	}
	if (!rc && !(rc = bench_time(b, prefill_call, &t, 3, 300, &ms, e))) {
		snprintf(name, sizeof name, "%s: prefill of %d tokens", preset, PREFILL);
		/* Forward alone, without the classifier of all but the last token: a third of what training counts, less that part. */
		double head = 2.0 * c.vocab * c.dim;
		bench_row(b, name, ms, model_flops(&c, 1, PREFILL) / 3 - head * (PREFILL - 1), 0, PREFILL, "");
		rc = bench_time(b, decode_call, &t, 3, 300, &ms, e);
	}
	if (!rc) {
		snprintf(name, sizeof name, "%s: decode a token, fp32", preset);
		/* Every matrix is read once a token. */
		bench_row(b, name, ms / DECODE, 0, 4.0 * (double)model_matrix_params(&c), 1, "");
		rc = bench_time(b, copy_call, &t, 3, 300, &ms, e);
	}
	if (!rc) {
		snprintf(name, sizeof name, "%s: 8-bit copy", preset);
		bench_row(b, name, ms, 0, 4.0 * (double)model_matrix_params(&c) + (double)decoder_int8_bytes(&c), 0, "read and written once");
		rc = bench_time(b, decode_call, &t, 3, 300, &ms, e);
	}
	if (!rc) {
		snprintf(name, sizeof name, "%s: decode a token, int8", preset);
		bench_row(b, name, ms / DECODE, 0, (double)decoder_int8_bytes(&c), 1, "");
	}
	decoder_free(t.d);
	params_free(p);
	return rc;
}

int bench_sample(struct bench *b, struct err *e)
{
	static const char *const presets[] = {"demo", "stories15m", "stories110m"};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(presets) && !rc; i++)
		rc = talk(b, presets[i], e);
	return rc;
}

/* --- checkpoints --- */

enum { PLAIN_BLOCK = 4 << 20 };

struct keep {
	struct pool *pool;
	unsigned char *block;
	char path[4200];
	struct params *p;
	struct train_state state;
	uint64_t bytes;
};

/* A plain file of as many bytes, written and synced: what the disk takes. */
static int plain_call(void *arg, struct err *e)
{
	struct keep *k = arg;
	struct save f;
	int rc = save_begin(&f, k->path, k->bytes, e);
	for (uint64_t at = 0; at < k->bytes && !rc; at += PLAIN_BLOCK)
		rc = save_write(&f, k->block, (size_t)MIN(k->bytes - at, PLAIN_BLOCK), e);
	if (!rc)
		rc = save_commit(&f, e);
	else
		save_abort(&f);
	return rc;
}

/* *ms: what that takes; NAN when memory for the block is out. */
static int plain_file(struct bench *b, struct keep *k, double *ms, struct err *e)
{
	*ms = NAN;
	if (!(k->block = mem_aligned(PLAIN_BLOCK, 1)))
		return 0;
	for (size_t i = 0; i < PLAIN_BLOCK; i++)
		k->block[i] = (unsigned char)(i * 2654435761u >> 13);
	int rc = bench_time(b, plain_call, k, 2, 200, ms, e);
	free(k->block);
	return rc;
}

static int save_call(void *arg, struct err *e)
{
	struct keep *k = arg;
	return ckpt_save(k->path, k->p, &k->state, NULL, &k->bytes, e);
}

static int load_call(void *arg, struct err *e)
{
	struct keep *k = arg;
	struct params *p = NULL;
	struct tokenizer *t = NULL;
	struct train_state s;
	int rc = ckpt_load_on(k->pool, k->path, &p, &s, &t, e);
	params_free(p);
	tokenizer_free(t);
	return rc;
}

static int keep_begin(struct keep *k, const char *preset, struct err *e)
{
	struct model_config c;
	int rc = file_cache_dir(k->path, sizeof k->path - 64, e);
	if (!rc)
		rc = model_preset(&c, preset, e);
	if (!rc && (!(k->p = params_new(&c, e)) || params_train(k->p, e)))
		rc = e->code;
	if (rc)
		return rc;
	size_t n = strlen(k->path);
	snprintf(k->path + n, sizeof k->path - n, "/bench-%ld.ckpt", (long)getpid());
	params_init(k->p, 1);
	settings_init(&k->state.settings);
	return 0;
}

static int keep(struct bench *b, const char *preset, struct err *e)
{
	struct keep k = {.pool = b->o->pool};
	char name[64];
	double save, load, disk;
	int rc = keep_begin(&k, preset, e);
	if (!rc)
		rc = bench_time(b, save_call, &k, 2, 200, &save, e);
	if (!rc)
		rc = bench_time(b, load_call, &k, 2, 200, &load, e);
	if (!rc)
		rc = plain_file(b, &k, &disk, e);
	if (!rc) {
		snprintf(name, sizeof name, "%s: a plain file, %.0f MiB", preset, (double)k.bytes / 1048576);
		bench_row_beside(b, name, disk, NAN, (double)k.bytes, isnan(disk) ? "too little memory" : "written and synced: what the disk takes");
		snprintf(name, sizeof name, "%s: save", preset);
		bench_row_beside(b, name, save, disk, (double)k.bytes, "synced and read back; beside the plain file");
		snprintf(name, sizeof name, "%s: load", preset);
		bench_row(b, name, load, 0, (double)k.bytes, 0, "");
	}
	unlink(k.path);
	params_free(k.p);
	return rc;
}

int bench_ckpt(struct bench *b, struct err *e)
{
	int rc = keep(b, "demo", e);
	return rc ? rc : keep(b, "stories15m", e);
}
