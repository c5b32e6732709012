/* ckpt.c: laying out, writing and reading checkpoint files (contents: ckpt.h). The words of the metadata are in ckpt_meta.c.
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
#include "base/save.h"
#include "base/str.h"
#include "io/safetensors.h"
#include "train/ckpt_meta.h"

#define VERIFY_MAX ((uint64_t)1 << 30)
enum { BLOCK = 1 << 20, NAME_MAX_CKPT = 80 };

static const char crc_name[] = "anetui.crc", tokenizer_name[] = "tokenizer";

/* --- saving --- */

struct item {
	char name[NAME_MAX_CKPT];
	const void *data;
	int floats;        /* 1: must be finite */
};

struct plan {
	int n, cap;
	struct item *item;
	struct st_tensor *tensor;
	uint32_t *crc;
	unsigned char *tokenizer;  /* packed, filled up to a multiple of 4 */
	struct ckpt_meta *meta;
	struct str header;
};

static void plan_done(struct plan *pl)
{
	free(pl->item);
	free(pl->tensor);
	free(pl->crc);
	free(pl->tokenizer);
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

static void plan_params(struct plan *pl, const struct params *p, const char *prefix, const float *block)
{
	for (int i = 0; block && i < p->n; i++) {
		const struct param *r = &p->table[i];
		struct st_tensor *t = plan_add(pl, prefix, r->name, "F32", block + r->offset, 1);
		t->rank = r->rank;
		for (int d = 0; d < r->rank; d++)
			t->dim[d] = (uint64_t)r->dim[d];
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
	struct st_tensor *t = plan_add(pl, "", tokenizer_name, "U8", pl->tokenizer, 0);
	t->rank = 1;
	t->dim[0] = filled;
	ckpt_meta_put(pl->meta, "tokenizer.name", "%s", tokenizer_info(tok)->name);
	ckpt_meta_put(pl->meta, "tokenizer.bytes", "0x%zx", n);
	return 0;
}

static int plan_make(struct plan *pl, const struct params *p, const struct train_state *s, const struct tokenizer *tok, struct err *e)
{
	pl->cap = 3 * p->n + 2;
	pl->item = mem_zalloc((size_t)pl->cap, sizeof *pl->item);
	pl->tensor = mem_zalloc((size_t)pl->cap, sizeof *pl->tensor);
	pl->crc = mem_zalloc((size_t)pl->cap, sizeof *pl->crc);
	pl->meta = mem_zalloc(1, sizeof *pl->meta);
	if (!pl->item || !pl->tensor || !pl->crc || !pl->meta)
		return err_nomem(e, "ckpt: tables", (unsigned long long)pl->cap * sizeof *pl->item);
	ckpt_meta_write(pl->meta, &p->config, s);
	plan_params(pl, p, "", p->w);
	plan_params(pl, p, "adam.m.", p->m);
	plan_params(pl, p, "adam.v.", p->v);
	int rc = tok ? plan_tokenizer(pl, tok, e) : 0;
	if (rc)
		return rc;
	struct st_tensor *t = plan_add(pl, "", crc_name, "U32", pl->crc, 0);
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

static int write_item(struct save *sv, const struct plan *pl, int i, const char *path, struct err *e)
{
	const struct item *it = &pl->item[i];
	const unsigned char *p = it->data;
	size_t left = (size_t)(pl->tensor[i].end - pl->tensor[i].begin);
	uint32_t crc = 0;
	while (left) {
		size_t n = MIN(left, (size_t)BLOCK);
		if (it->floats && !all_finite((const float *)(const void *)p, n / sizeof(float)))
			return err_set(e, ERR_STATE, "ckpt: %s: weights are not finite (tensor %s), not saved", path, it->name);
		crc = crc32c(crc, p, n);
		int rc = save_write(sv, p, n, e);
		if (rc)
			return rc;
		p += n;
		left -= n;
	}
	if (i + 1 < pl->n)
		pl->crc[i + 1] = crc;
	return 0;
}

static int verify_as(const char *path, const char *shown, struct err *e);

static int write_all(struct save *sv, const struct plan *pl, const char *path, struct err *e)
{
	pl->crc[0] = crc32c(0, pl->header.s, pl->header.len);
	int rc = save_write(sv, pl->header.s, pl->header.len, e);
	for (int i = 0; !rc && i < pl->n; i++)
		rc = write_item(sv, pl, i, path, e);
	rc = rc ? rc : save_sync(sv, e);
	if (!rc && sv->bytes < VERIFY_MAX && (rc = verify_as(save_temp(sv), path, e)))
		err_set(e, (enum err_code)rc, "%s: read back after writing", e ? e->msg : "");
	return rc ? rc : save_commit(sv, e);
}

int ckpt_save(const char *path, const struct params *p, const struct train_state *s, const struct tokenizer *t, uint64_t *bytes, struct err *e)
{
	struct plan pl = {0};
	struct save sv;
	struct err mine;
	int rc = plan_make(&pl, p, s, t, &mine);
	if (!rc) {
		uint64_t total = pl.header.len + pl.tensor[pl.n - 1].end;
		rc = save_begin(&sv, path, total, &mine);
		rc = rc ? rc : write_all(&sv, &pl, path, &mine);
		save_abort(&sv);
		if (bytes)
			*bytes = total;
	}
	plan_done(&pl);
	if (!rc)
		return 0;
	/* Renamed, but the folder could not be synced: that message has a hint of its own. */
	int plain = rc == ERR_IO && !strstr(mine.msg, "(saved, ");
	return err_set(e, (enum err_code)rc, "%s%s", mine.msg, plain ? " (old checkpoint kept)" : "");
}

/* --- loading --- */

struct reader {
	struct st_file f;
	const char *shown;
	const uint32_t *crc;  /* of the file, f.n entries; may be unaligned: read by crc_at */
	struct model_config config;
	struct train_state state;
};

static uint32_t crc_at(const struct reader *r, int i)
{
	uint32_t v;
	memcpy(&v, (const char *)r->crc + 4 * (size_t)i, 4);
	return v;
}

static size_t header_bytes(const struct st_file *f)
{
	return (size_t)(f->buffer - f->map.data);
}

/* Finds the sums and checks the header against the first. */
static int check_header(struct reader *r, struct err *e)
{
	const struct st_tensor *t = r->f.n ? &r->f.tensor[r->f.n - 1] : NULL;
	if (!t || strcmp(t->name, crc_name))
		return err_set(e, ERR_FORMAT, "ckpt: %s: no checkpoint of anetui (its last tensor is not %s)", r->shown, crc_name);
	if (strcmp(t->dtype, "U32") || t->rank != 1 || t->dim[0] != (uint64_t)r->f.n)
		return err_set(e, ERR_FORMAT, "ckpt: %s: %s: %d sums of U32 expected", r->shown, crc_name, r->f.n);
	r->crc = (const uint32_t *)(const void *)(r->f.buffer + t->begin);
	uint32_t found = crc32c(0, r->f.map.data, header_bytes(&r->f));
	if (found != crc_at(r, 0))
		return err_set(e, ERR_FORMAT, "ckpt: %s: the header is damaged (CRC %08x, expected %08x)", r->shown, found, crc_at(r, 0));
	return 0;
}

static int reader_open(struct reader *r, const char *path, const char *shown, struct err *e)
{
	*r = (struct reader){.shown = shown};
	int rc = st_open_as(&r->f, path, "ckpt", shown, e);
	rc = rc ? rc : check_header(r, e);
	if (!rc && (rc = ckpt_meta_read(&r->f, &r->config, &r->state, e)))
		err_prefix(e, "ckpt: %s", shown);
	if (!rc && (rc = model_config_check(&r->config, e)))
		err_prefix(e, "ckpt: %s: config", shown);
	return rc;
}

static int check_tensor(const struct reader *r, int i, struct err *e)
{
	const struct st_tensor *t = &r->f.tensor[i];
	uint32_t found = crc32c(0, r->f.buffer + t->begin, (size_t)(t->end - t->begin));
	if (found != crc_at(r, i + 1))
		return err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s is damaged (CRC %08x, expected %08x)", r->shown, t->name, found,
			       crc_at(r, i + 1));
	return 0;
}

static int verify_as(const char *path, const char *shown, struct err *e)
{
	struct reader r;
	int rc = reader_open(&r, path, shown, e);
	for (int i = 0; !rc && i + 1 < r.f.n; i++)
		rc = check_tensor(&r, i, e);
	st_close(&r.f);
	return rc;
}

int ckpt_verify(const char *path, struct err *e)
{
	return verify_as(path, path, e);
}

static void shape_text(struct str *b, int rank, const uint64_t *dim)
{
	str_putc(b, '[');
	for (int i = 0; i < rank; i++)
		str_printf(b, "%s%" PRIu64, i ? ", " : "", dim[i]);
	str_putc(b, ']');
}

/* Expected: the table row's shape, in F32. */
static int check_shape(const struct reader *r, const struct st_tensor *t, const struct param *p, struct err *e)
{
	uint64_t want[2] = {(uint64_t)p->dim[0], (uint64_t)p->dim[1]};
	if (!strcmp(t->dtype, "F32") && t->rank == p->rank && !memcmp(t->dim, want, sizeof *want * (size_t)p->rank))
		return 0;
	struct str a = {0}, b = {0};
	shape_text(&a, t->rank, t->dim);
	shape_text(&b, p->rank, want);
	int rc = err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s: %s %s, the model needs F32 %s", r->shown, t->name, t->dtype,
			 a.s ? a.s : "", b.s ? b.s : "");
	str_done(&a);
	str_done(&b);
	return rc;
}

static int load_block(const struct reader *r, const struct params *p, const char *prefix, float *block, struct err *e)
{
	for (int i = 0; i < p->n; i++) {
		char name[NAME_MAX_CKPT];
		snprintf(name, sizeof name, "%s%s", prefix, p->table[i].name);
		const struct st_tensor *t = st_find(&r->f, name);
		if (!t)
			return err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s is missing", r->shown, name);
		int rc = check_shape(r, t, &p->table[i], e);
		rc = rc ? rc : check_tensor(r, (int)(t - r->f.tensor), e);
		if (rc)
			return rc;
		memcpy(block + p->table[i].offset, r->f.buffer + t->begin, (size_t)(t->end - t->begin));
	}
	return 0;
}

static int load_tokenizer(const struct reader *r, struct tokenizer **out, struct err *e)
{
	const struct st_tensor *t = st_find(&r->f, tokenizer_name);
	uint64_t n = 0;
	*out = NULL;
	if (!t)
		return 0;
	int rc = check_tensor(r, (int)(t - r->f.tensor), e);
	if (!rc && (rc = ckpt_meta_u64(&r->f, "tokenizer.bytes", &n, e)))
		return err_prefix(e, "ckpt: %s", r->shown);
	if (!rc && n > t->end - t->begin)
		return err_set(e, ERR_FORMAT, "ckpt: %s: tokenizer: %" PRIu64 " bytes, its tensor holds %" PRIu64, r->shown, n, t->end - t->begin);
	if (rc)
		return rc;
	const char *name = st_meta(&r->f, "tokenizer.name");
	*out = tokenizer_parse(r->f.buffer + t->begin, (size_t)n, name ? name : "", e);
	return *out ? 0 : err_prefix(e, "ckpt: %s", r->shown);
}

/* A model that the file can not hold is refused before memory is asked for. */
static int check_size(const struct reader *r, struct err *e)
{
	uint64_t need = model_params(&r->config);
	if (need > r->f.buffer_bytes / sizeof(float))
		return err_set(e, ERR_FORMAT, "ckpt: %s: its config has %" PRIu64 " parameters, the file holds %" PRIu64 " bytes", r->shown, need,
			       r->f.buffer_bytes);
	return 0;
}

/* Nothing that belongs to no model of this shape, and moments for all weights or for none. */
static int check_names(const struct reader *r, const struct params *p, struct err *e)
{
	int weights = 0, moments = 0;
	for (int i = 0; i < r->f.n; i++) {
		const char *name = r->f.tensor[i].name;
		int adam = !strncmp(name, "adam.m.", 7) || !strncmp(name, "adam.v.", 7);
		if (!strcmp(name, crc_name) || !strcmp(name, tokenizer_name))
			continue;
		if (!params_named(p, adam ? name + 7 : name))
			return err_set(e, ERR_FORMAT, "ckpt: %s: tensor %.100s: no part of this model", r->shown, name);
		weights += !adam;
		moments += adam;
	}
	if (weights != p->n || (moments && moments != 2 * p->n))
		return err_set(e, ERR_FORMAT, "ckpt: %s: %d weights and %d moments, the model has %d and %d", r->shown, weights, moments,
			       p->n, 2 * p->n);
	return 0;
}

static int load_params(const struct reader *r, struct params **out, struct err *e)
{
	int rc = check_size(r, e);
	if (rc)
		return rc;
	struct params *p = *out = params_new(&r->config, e);
	if (!p)
		return e ? e->code : ERR_NOMEM;
	rc = check_names(r, p, e);
	rc = rc ? rc : load_block(r, p, "", p->w, e);
	char first[NAME_MAX_CKPT];
	snprintf(first, sizeof first, "adam.m.%s", p->table[0].name);
	if (rc || !st_find(&r->f, first))
		return rc;
	rc = params_train(p, e);
	rc = rc ? rc : load_block(r, p, "adam.m.", p->m, e);
	return rc ? rc : load_block(r, p, "adam.v.", p->v, e);
}

int ckpt_load(const char *path, struct params **p, struct train_state *s, struct tokenizer **t, struct err *e)
{
	struct reader r;
	struct err mine;
	struct params *np = NULL;
	struct tokenizer *nt = NULL;
	int rc = reader_open(&r, path, path, &mine);
	rc = rc ? rc : load_params(&r, &np, &mine);
	rc = rc ? rc : load_tokenizer(&r, &nt, &mine);
	st_close(&r.f);
	if (rc) {
		params_free(np);
		return err_set(e, (enum err_code)rc, "%s", mine.msg);
	}
	*p = np;
	*s = r.state;
	*t = nt;
	return 0;
}
