/* ckpt.c: laying out and writing checkpoint files (contents: ckpt.h). Reading is ckpt_read.c's, the words of the metadata are in ckpt_meta.c.
 *
 * Writing is one pass: each block of a tensor is looked at (finite?), added to its CRC and written, straight from where it
 * lies. Files are little-endian like every machine this runs on. SPDX-License-Identifier: MIT */
#include "train/ckpt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/save.h"
#include "base/str.h"
#include "io/safetensors.h"
#include "model/lora.h"
#include "train/ckpt_impl.h"
#include "train/ckpt_meta.h"

enum { BLOCK = 1 << 20 };

/* --- saving --- */

struct item {
	char name[CKPT_NAME];
	const void *data;
	int floats;        /* 1: must be finite */
};

struct plan {
	int n, cap;
	struct item *item;
	struct st_tensor *tensor;
	uint32_t *crc;
	unsigned char *tokenizer;  /* packed, filled up to a multiple of 4 */
	uint32_t *late[2];         /* see plan_late */
	struct ckpt_meta *meta;
	struct str header;
};

struct ckpt_file {
	char path[4096];
	const atomic_int *given_up;
	atomic_int at;          /* the item that is written now, or was */
	/* What ckpt_copy has made, behind has_copy; from there on only ckpt_write looks at it. */
	atomic_int has_copy;
	unsigned char *copy;    /* of the items from copy_from on, those of floats, one after the other */
	size_t copy_bytes;
	int copy_from;
	/* ckpt_write's */
	void (*all_read)(void *);
	void *all_read_ctx;
	struct plan plan;
};

static void plan_done(struct plan *pl)
{
	free(pl->item);
	free(pl->tensor);
	free(pl->crc);
	free(pl->tokenizer);
	free(pl->late[0]);
	free(pl->late[1]);
	free(pl->meta);
	str_done(&pl->header);
}

static struct st_tensor *plan_add(struct plan *pl, const char *prefix, const char *name, const char *dtype, const void *data, int floats)
{
	struct item *it = &pl->item[pl->n];
	struct st_tensor *t = &pl->tensor[pl->n++];
	snprintf(it->name, sizeof it->name, "%s%s", prefix, name);
	it->data = data;
	it->floats = floats;
	t->name = it->name;
	snprintf(t->dtype, sizeof t->dtype, "%s", dtype);
	return t;
}

static void plan_row(struct plan *pl, const struct param *r, const char *prefix, const float *block)
{
	struct st_tensor *t = plan_add(pl, prefix, r->name, "F32", block + r->offset, 1);
	t->rank = r->rank;
	for (int d = 0; d < r->rank; d++)
		t->dim[d] = (uint64_t)r->dim[d];
}

static void plan_weights(struct plan *pl, const struct params *p)
{
	for (int i = 0; i < p->n; i++)
		plan_row(pl, &p->table[i], "", p->w);
}

/* Moments that are zero because the tensor took part in no step are left out. */
static void plan_moments(struct plan *pl, const struct params *p, int adapters, uint64_t step)
{
	const float *const block[2] = {p->m, p->v};
	for (int k = 0; k < 2; k++)
		for (int i = 0; block[k] && i < p->n; i++)
			if (!ckpt_no_moments(&p->table[i], adapters, step))
				plan_row(pl, &p->table[i], ckpt_moments[k], block[k]);
}

/* How many updates each tensor has missed, in the order of the table; nothing when none has. */
static int plan_late(struct plan *pl, const struct params *p, int adapters, struct err *e)
{
	uint64_t any = 0;
	for (int i = 0; i < p->n; i++)
		any |= p->table[i].late;
	if (!any)
		return 0;
	uint32_t *late = pl->late[adapters] = mem_zalloc((size_t)p->n, 2 * sizeof *late);
	if (!late)
		return err_nomem(e, "ckpt: tables", (uint64_t)p->n * 2 * sizeof *late);
	for (int i = 0; i < p->n; i++) {
		late[2 * i] = (uint32_t)p->table[i].late;
		late[2 * i + 1] = (uint32_t)(p->table[i].late >> 32);
	}
	struct st_tensor *t = plan_add(pl, "", ckpt_late[adapters], "U32", late, 0);
	t->rank = 2;
	t->dim[0] = (uint64_t)p->n;
	t->dim[1] = 2;
	return 0;
}

/* Weights as they were without adapters, the adapters, and what they have of their own. */
static int plan_lora(struct plan *pl, const struct params *p, uint64_t step, struct err *e)
{
	if (!p->lora)
		return 0;
	ckpt_meta_put(pl->meta, ckpt_lora_rank, "%d", p->lora->rank);
	ckpt_meta_put(pl->meta, ckpt_lora_alpha, "%.17g", p->lora->alpha);
	plan_weights(pl, p->lora->low);
	plan_moments(pl, p->lora->low, 1, step);
	return plan_late(pl, p->lora->low, 1, e);
}

/* What of the average is no longer as the weights are. */
static void plan_ema(struct plan *pl, const struct params *p)
{
	if (!p->ema)
		return;
	ckpt_meta_put(pl->meta, ckpt_ema, "1");
	for (int i = 0; i < p->n; i++) {
		const struct param *r = &p->table[i];
		if (memcmp(p->ema->w + r->offset, p->w + r->offset, r->count * sizeof *p->w))
			plan_row(pl, r, ckpt_ema_prefix, p->ema->w);
	}
}

static int plan_tokenizer(struct plan *pl, const struct tokenizer *tok, struct err *e)
{
	unsigned char *packed = NULL;
	size_t n = 0;
	int rc = tokenizer_pack(tok, &packed, &n, e);
	if (rc)
		return rc;
	size_t filled = (n + 3) / 4 * 4;
	pl->tokenizer = realloc(packed, filled ? filled : 4);
	if (!pl->tokenizer) {
		free(packed);
		return err_nomem(e, "ckpt: tokenizer", filled);
	}
	memset(pl->tokenizer + n, 0, filled - n);
	struct st_tensor *t = plan_add(pl, "", ckpt_tokenizer, "U8", pl->tokenizer, 0);
	t->rank = 1;
	t->dim[0] = filled;
	ckpt_meta_put(pl->meta, "tokenizer.name", "%s", tokenizer_info(tok)->name);
	ckpt_meta_put(pl->meta, "tokenizer.bytes", "0x%zx", n);
	ckpt_meta_put(pl->meta, "tokenizer.hash", "0x%llx", (unsigned long long)tokenizer_info(tok)->hash);
	return 0;
}

static int plan_make(struct plan *pl, const struct params *p, const struct train_state *s, const struct tokenizer *tok, struct err *e)
{
	pl->cap = 3 * p->n + 4 + (p->ema ? p->n : 0) + (p->lora ? 3 * p->lora->low->n : 0);
	pl->item = mem_zalloc((size_t)pl->cap, sizeof *pl->item);
	pl->tensor = mem_zalloc((size_t)pl->cap, sizeof *pl->tensor);
	pl->crc = mem_zalloc((size_t)pl->cap, sizeof *pl->crc);
	pl->meta = mem_zalloc(1, sizeof *pl->meta);
	if (!pl->item || !pl->tensor || !pl->crc || !pl->meta)
		return err_nomem(e, "ckpt: tables", (unsigned long long)pl->cap * sizeof *pl->item);
	ckpt_meta_write(pl->meta, &p->config, s);
	plan_weights(pl, p);
	plan_moments(pl, p, 0, s->step);
	int rc = plan_late(pl, p, 0, e);
	if (!rc)
		rc = plan_lora(pl, p, s->step, e);
	plan_ema(pl, p);
	if (!rc && tok)
		rc = plan_tokenizer(pl, tok, e);
	if (rc)
		return rc;
	struct st_tensor *t = plan_add(pl, "", ckpt_crc, "U32", pl->crc, 0);
	t->rank = 1;
	t->dim[0] = (uint64_t)pl->n;
	if (ckpt_meta_full(pl->meta))
		return err_set(e, ERR_STATE, "ckpt: more metadata than there is room for");
	return st_header(&pl->header, pl->tensor, pl->n, pl->meta->row, pl->meta->n, e);
}

/* An exponent of ones is infinity or NaN; adding one to it carries into the sign's place. 16 at a time for the vectoriser. */
static int all_finite(const float *x, size_t n)
{
	uint32_t bad[16] = {0}, u[16], any = 0;
	size_t i = 0;
	for (; i + 16 <= n; i += 16) {
		memcpy(u, x + i, sizeof u);
		for (size_t j = 0; j < 16; j++)
			bad[j] |= (u[j] & 0x7f800000u) + 0x00800000u;
	}
	for (; i < n; i++) {
		memcpy(u, x + i, sizeof *u);
		any |= (u[0] & 0x7f800000u) + 0x00800000u;
	}
	for (size_t j = 0; j < 16; j++)
		any |= bad[j];
	return !(any & 0x80000000u);
}

static int check_wanted(const struct ckpt_file *f, struct err *e)
{
	if (!f->given_up || !atomic_load(f->given_up))
		return 0;
	return err_set(e, ERR_CANCEL, "ckpt: %s: given up, not saved (older checkpoints are as they were)", f->path);
}

static size_t item_bytes(const struct plan *pl, int i)
{
	return (size_t)(pl->tensor[i].end - pl->tensor[i].begin);
}

int ckpt_copy(struct ckpt_file *f, uint64_t room)
{
	const struct plan *pl = &f->plan;
	int from = atomic_load(&f->at);
	size_t bytes = 0;
	for (int i = from; i < pl->n; i++)
		bytes += pl->item[i].floats ? item_bytes(pl, i) : 0;
	unsigned char *to = bytes && bytes <= room && !f->copy ? pages_new(bytes) : NULL;
	if (!to)
		return ERR_NOMEM;
	pages_touch(to, bytes);
	f->copy = to;
	f->copy_bytes = bytes;
	f->copy_from = from;
	for (int i = from; i < pl->n; i++)
		if (pl->item[i].floats) {
			memcpy(to, pl->item[i].data, item_bytes(pl, i));
			to += item_bytes(pl, i);
		}
	atomic_store(&f->has_copy, 1);
	return 0;
}

static void tell_all_read(struct ckpt_file *f)
{
	if (f->all_read)
		f->all_read(f->all_read_ctx);
	f->all_read = NULL;
}

/* Where the rest of item i is read, `done` bytes of it being written: a copy that has been made meanwhile is taken from here on. */
static const unsigned char *rest_of(struct ckpt_file *f, int i, size_t done)
{
	const struct plan *pl = &f->plan;
	if (!pl->item[i].floats || !atomic_load(&f->has_copy))
		return (const unsigned char *)pl->item[i].data + done;
	size_t at = done;
	for (int k = f->copy_from; k < i; k++)
		at += pl->item[k].floats ? item_bytes(pl, k) : 0;
	tell_all_read(f);
	return f->copy + at;
}

static int write_item(struct save *sv, struct ckpt_file *f, int i, struct err *e)
{
	struct plan *pl = &f->plan;
	const struct item *it = &pl->item[i];
	size_t left = item_bytes(pl, i), bytes = left;
	uint32_t crc = 0;
	atomic_store(&f->at, i);
	while (left) {
		size_t n = MIN(left, (size_t)BLOCK);
		const unsigned char *p = rest_of(f, i, bytes - left);
		if (it->floats && !all_finite((const float *)(const void *)p, n / sizeof(float)))
			return err_set(e, ERR_STATE, "ckpt: %s: weights are not finite (tensor %s), not saved", f->path, it->name);
		crc = crc32c(crc, p, n);
		int rc = check_wanted(f, e);
		if (rc || (rc = save_write(sv, p, n, e)))
			return rc;
		left -= n;
	}
	if (i + 1 < pl->n)
		pl->crc[i + 1] = crc;
	return 0;
}

static int write_all(struct save *sv, struct ckpt_file *f, struct err *e)
{
	const struct plan *pl = &f->plan;
	pl->crc[0] = crc32c(0, pl->header.s, pl->header.len);
	int rc = save_write(sv, pl->header.s, pl->header.len, e);
	for (int i = 0; !rc && i < pl->n; i++)
		rc = write_item(sv, f, i, e);
	if (!rc)
		tell_all_read(f);
	rc = rc ? rc : save_sync(sv, e);
	rc = rc ? rc : check_wanted(f, e);
	if (!rc && (rc = ckpt_verify_as(save_temp(sv), f->path, e)))
		err_set(e, (enum err_code)rc, "%s: read back after writing", e ? e->msg : "");
	rc = rc ? rc : check_wanted(f, e);
	return rc ? rc : save_commit(sv, e);
}

struct ckpt_file *ckpt_begin(const char *path, const struct params *p, const struct train_state *s, const struct tokenizer *t, struct err *e)
{
	struct ckpt_file *f = mem_zalloc(1, sizeof *f);
	if (!f)
		err_nomem(e, "ckpt: tables", sizeof *f);
	else if ((size_t)snprintf(f->path, sizeof f->path, "%s", path) >= sizeof f->path)
		err_set(e, ERR_RANGE, "ckpt: %.60s...: path too long", path);
	else if (!plan_make(&f->plan, p, s, t, e))
		return f;
	ckpt_end(f);
	return NULL;
}

uint64_t ckpt_bytes(const struct ckpt_file *f)
{
	return f->plan.header.len + f->plan.tensor[f->plan.n - 1].end;
}

int ckpt_write(struct ckpt_file *f, const atomic_int *given_up, void (*all_read)(void *), void *ctx, struct err *e)
{
	struct save sv;
	struct err mine;
	f->given_up = given_up;
	f->all_read = all_read;
	f->all_read_ctx = ctx;
	int rc = save_begin(&sv, f->path, ckpt_bytes(f), &mine);
	rc = rc ? rc : write_all(&sv, f, &mine);
	save_abort(&sv);
	if (!rc)
		return 0;
	/* Renamed, but the folder could not be synced: that message has a hint of its own. */
	int plain = rc == ERR_IO && !strstr(mine.msg, "(saved, ");
	return err_set(e, (enum err_code)rc, "%s%s", mine.msg, plain ? " (old checkpoint kept)" : "");
}

void ckpt_end(struct ckpt_file *f)
{
	if (f) {
		plan_done(&f->plan);
		pages_free(f->copy, f->copy_bytes);
	}
	free(f);
}

int ckpt_save(const char *path, const struct params *p, const struct train_state *s, const struct tokenizer *t, uint64_t *bytes, struct err *e)
{
	struct err mine;
	struct ckpt_file *f = ckpt_begin(path, p, s, t, &mine);
	if (!f)
		return err_set(e, mine.code, "%s", mine.msg);
	if (bytes)
		*bytes = ckpt_bytes(f);
	int rc = ckpt_write(f, NULL, NULL, NULL, e);
	ckpt_end(f);
	return rc;
}
