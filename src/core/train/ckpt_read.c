/* ckpt_read.c: checking and reading checkpoint files (contents: ckpt.h). Writes none.
 * SPDX-License-Identifier: MIT */
#include "train/ckpt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/safetensors.h"
#include "model/ema.h"
#include "model/lora.h"
#include "train/ckpt_blocks.h"
#include "train/ckpt_impl.h"
#include "train/ckpt_meta.h"

struct reader {
	struct st_file f;
	const char *shown;
	const uint32_t *crc;  /* of the file, f.n entries; may be unaligned: read by crc_at */
	struct model_config config;
	struct train_state state;
	struct pool *pool;
	struct ckpt_want *want; /* what is to be read: nwant of at most f.n */
	int nwant;
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
	if (!t || strcmp(t->name, ckpt_crc))
		return err_set(e, ERR_FORMAT, "ckpt: %s: no checkpoint of anetui (its last tensor is not %s)", r->shown, ckpt_crc);
	if (strcmp(t->dtype, "U32") || t->rank != 1 || t->dim[0] != (uint64_t)r->f.n)
		return err_set(e, ERR_FORMAT, "ckpt: %s: %s: %d sums of U32 expected", r->shown, ckpt_crc, r->f.n);
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

static int check_sum(const struct reader *r, const struct st_tensor *t, uint32_t found, struct err *e)
{
	int i = (int)(t - r->f.tensor);
	if (found != crc_at(r, i + 1))
		return err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s is damaged (CRC %08x, expected %08x)", r->shown, t->name, found,
			       crc_at(r, i + 1));
	return 0;
}

/* Small ones, where they lie. */
static int check_tensor(const struct reader *r, const struct st_tensor *t, struct err *e)
{
	return check_sum(r, t, crc32c(0, r->f.buffer + t->begin, (size_t)(t->end - t->begin)), e);
}

static int wants_begin(struct reader *r, struct err *e)
{
	r->nwant = 0;
	r->want = mem_zalloc((size_t)r->f.n, sizeof *r->want);
	return r->want ? 0 : err_nomem(e, "ckpt: tables", (uint64_t)r->f.n * sizeof *r->want);
}

/* Reads what has been asked for, and looks at every sum: the first that is wrong, in the order of asking, is told. */
static int wants_read(struct reader *r, struct err *e)
{
	int rc = ckpt_read_blocks(r->pool, &r->f, r->shown, r->want, r->nwant, e);
	for (int i = 0; !rc && i < r->nwant; i++)
		rc = check_sum(r, r->want[i].t, r->want[i].crc, e);
	r->nwant = 0;
	return rc;
}

static void reader_done(struct reader *r)
{
	free(r->want);
	st_close(&r->f);
}

int ckpt_verify_as(const char *path, const char *shown, struct err *e)
{
	struct reader r;
	int rc = reader_open(&r, path, shown, e);
	rc = rc ? rc : wants_begin(&r, e);
	for (int i = 0; !rc && i + 1 < r.f.n; i++)
		r.want[r.nwant++] = (struct ckpt_want){.t = &r.f.tensor[i]};
	rc = rc ? rc : wants_read(&r, e);
	reader_done(&r);
	return rc;
}

int ckpt_verify(const char *path, struct err *e)
{
	return ckpt_verify_as(path, path, e);
}

int ckpt_peek(const char *path, struct train_state *s, struct err *e)
{
	struct reader r;
	int rc = reader_open(&r, path, path, e);
	*s = r.state;
	reader_done(&r);
	return rc;
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

/* To be read by the next wants_read. A tensor is asked for once: names are. */
static int load_row(struct reader *r, const struct param *p, const char *prefix, float *block, struct err *e)
{
	char name[CKPT_NAME];
	snprintf(name, sizeof name, "%s%s", prefix, p->name);
	const struct st_tensor *t = st_find(&r->f, name);
	if (!t)
		return err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s is missing", r->shown, name);
	int rc = check_shape(r, t, p, e);
	if (!rc && r->nwant == r->f.n)
		rc = err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s: wanted twice", r->shown, name);
	if (!rc)
		r->want[r->nwant++] = (struct ckpt_want){.t = t, .to = block + p->offset};
	return rc;
}

/* The ids that the weights have learned are those of this very tokenizer. Older files do not tell. */
static int check_hash(const struct reader *r, const struct tokenizer_info *t, struct err *e)
{
	uint64_t want = t->hash;
	if (st_meta(&r->f, "tokenizer.hash") && ckpt_meta_u64(&r->f, "tokenizer.hash", &want, e))
		return err_prefix(e, "ckpt: %s", r->shown);
	if (want == t->hash)
		return 0;
	return err_set(e, ERR_FORMAT, "ckpt: %s: its weights were trained with tokenizer %016" PRIx64 ", the one in it (%s) is %016" PRIx64 " (written by another version?)", r->shown, want,
		       t->name, t->hash);
}

static int load_tokenizer(const struct reader *r, struct tokenizer **out, struct err *e)
{
	const struct st_tensor *t = st_find(&r->f, ckpt_tokenizer);
	uint64_t n = 0;
	*out = NULL;
	if (!t)
		return 0;
	int rc = check_tensor(r, t, e);
	if (!rc && (rc = ckpt_meta_u64(&r->f, "tokenizer.bytes", &n, e)))
		return err_prefix(e, "ckpt: %s", r->shown);
	if (!rc && n > t->end - t->begin)
		return err_set(e, ERR_FORMAT, "ckpt: %s: tokenizer: %" PRIu64 " bytes, its tensor holds %" PRIu64, r->shown, n, t->end - t->begin);
	if (rc)
		return rc;
	const char *name = st_meta(&r->f, "tokenizer.name");
	*out = tokenizer_parse(r->f.buffer + t->begin, (size_t)n, name ? name : "", e);
	rc = *out ? check_hash(r, tokenizer_info(*out), e) : err_prefix(e, "ckpt: %s", r->shown);
	if (rc) {
		tokenizer_free(*out);
		*out = NULL;
	}
	return rc;
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

/* The name without "adam.m." or "adam.v.", or NULL. */
static const char *moment_of(const char *name)
{
	for (int k = 0; k < 2; k++)
		if (!strncmp(name, ckpt_moments[k], strlen(ckpt_moments[k])))
			return name + strlen(ckpt_moments[k]);
	return NULL;
}

static int known_name(const struct params *p, const char *name)
{
	const size_t k = sizeof ckpt_ema_prefix - 1;
	const char *const others[] = {ckpt_crc, ckpt_tokenizer, ckpt_late[0], ckpt_late[1]};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (!strcmp(name, others[i]))
			return 1;
	const char *adam = moment_of(name);
	return (p->ema && !strncmp(name, ckpt_ema_prefix, k) && params_named(p, name + k)) || params_named(p, adam ? adam : name) ||
		(p->lora && params_named(p->lora->low, adam ? adam : name));
}

/* Nothing that belongs to no model of this shape, and moments for all weights that have any, or for none. */
static int check_names(const struct reader *r, const struct params *p, int *has_moments, struct err *e)
{
	int weights = 0, moments = 0, want = 0;
	for (int i = 0; i < r->f.n; i++) {
		const char *name = r->f.tensor[i].name, *adam = moment_of(name);
		if (!known_name(p, name))
			return err_set(e, ERR_FORMAT, "ckpt: %s: tensor %.100s: no part of this model", r->shown, name);
		weights += !adam && params_named(p, name);
		moments += adam && params_named(p, adam);
	}
	for (int i = 0; i < p->n; i++)
		want += ckpt_no_moments(&p->table[i], 0, r->state.step) ? 0 : 2;
	*has_moments = moments > 0 || st_find(&r->f, ckpt_late[0]);
	if (weights != p->n || (*has_moments && moments != want))
		return err_set(e, ERR_FORMAT, "ckpt: %s: %d weights and %d moments, the model has %d and %d", r->shown, weights, moments,
			       p->n, want);
	return 0;
}

static int load_late(const struct reader *r, struct params *p, int adapters, struct err *e)
{
	const char *name = ckpt_late[adapters];
	const struct st_tensor *t = st_find(&r->f, name);
	if (!t)
		return 0;
	if (strcmp(t->dtype, "U32") || t->rank != 2 || t->dim[0] != (uint64_t)p->n || t->dim[1] != 2)
		return err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s: U32 [%d, 2] expected", r->shown, name, p->n);
	int rc = check_tensor(r, t, e);
	for (int i = 0; !rc && i < p->n; i++) {
		uint32_t v[2];
		memcpy(v, r->f.buffer + t->begin + sizeof v * (size_t)i, sizeof v);
		p->table[i].late = (uint64_t)v[1] << 32 | v[0];
		if (p->table[i].late > r->state.step)
			rc = err_set(e, ERR_FORMAT, "ckpt: %s: tensor %s: %s has missed %" PRIu64 " updates of %" PRIu64, r->shown, name, p->table[i].name,
				     p->table[i].late, r->state.step);
	}
	return rc;
}

static int load_weights(struct reader *r, struct params *p, struct err *e)
{
	int rc = 0;
	for (int i = 0; !rc && i < p->n; i++)
		rc = load_row(r, &p->table[i], "", p->w, e);
	return rc;
}

static int load_moments(struct reader *r, struct params *p, int adapters, struct err *e)
{
	int rc = params_train(p, e);
	for (int i = 0; !rc && i < p->n; i++) {
		if (ckpt_no_moments(&p->table[i], adapters, r->state.step))
			continue;
		rc = load_row(r, &p->table[i], ckpt_moments[0], p->m, e);
		rc = rc ? rc : load_row(r, &p->table[i], ckpt_moments[1], p->v, e);
	}
	return rc;
}

/* A rank whose matrices the file can not hold is refused before memory is asked for. */
static int lora_size(const struct reader *r, const struct params *p, const unsigned char *hit, double rank, struct err *e)
{
	double floats = 0;
	for (int i = 0; i < p->n; i++)
		floats += hit[i] ? rank * (double)(p->table[i].dim[0] + p->table[i].dim[1]) : 0;
	if (!(rank >= 1 && rank == (int)rank && floats <= (double)r->f.buffer_bytes / sizeof(float)))
		return err_set(e, ERR_FORMAT, "ckpt: %s: adapters of rank %.9g: the file holds %" PRIu64 " bytes", r->shown, rank, r->f.buffer_bytes);
	return 0;
}

/* p->lora, still empty: the matrices whose weights without adapters are in the file. */
static int make_lora(const struct reader *r, struct params *p, struct err *e)
{
	const char *rank_text = st_meta(&r->f, ckpt_lora_rank), *alpha_text = st_meta(&r->f, ckpt_lora_alpha);
	double rank, alpha;
	if (!rank_text)
		return 0;
	if (str_number(rank_text, &rank) || rank > 65536 || !alpha_text || str_number(alpha_text, &alpha) || !(alpha > 0 && alpha <= 1e6))
		return err_set(e, ERR_FORMAT, "ckpt: %s: metadata: %s, %s: no adapters", r->shown, ckpt_lora_rank, ckpt_lora_alpha);
	unsigned char *hit = mem_zalloc((size_t)p->n, 1);
	if (!hit)
		return err_nomem(e, "ckpt: tables", (uint64_t)p->n);
	for (int i = 0; i < p->n; i++) {
		char name[CKPT_NAME];
		snprintf(name, sizeof name, "lora.base.%s", p->table[i].name);
		hit[i] = p->table[i].rank == 2 && st_find(&r->f, name);
	}
	int rc = lora_size(r, p, hit, rank, e);
	rc = rc ? rc : lora_adopt(p, hit, (int)rank, alpha, -1, e);
	free(hit);
	return rc;
}

static int load_lora(struct reader *r, struct params *p, struct err *e)
{
	if (!p->lora)
		return 0;
	int rc = load_late(r, p->lora->low, 1, e);
	rc = rc ? rc : load_weights(r, p->lora->low, e);
	return rc ? rc : load_moments(r, p->lora->low, 1, e);
}

/* What is not in the file is as the weights are. */
static int load_ema(struct reader *r, struct params *p, struct err *e)
{
	int rc = 0;
	if (!p->ema)
		return 0;
	memcpy(p->ema->w, p->w, p->total * sizeof *p->w);
	for (int i = 0; !rc && i < p->n; i++) {
		char name[CKPT_NAME];
		snprintf(name, sizeof name, "%s%s", ckpt_ema_prefix, p->table[i].name);
		if (st_find(&r->f, name))
			rc = load_row(r, &p->table[i], ckpt_ema_prefix, p->ema->w, e);
	}
	return rc ? rc : wants_read(r, e);
}

static int load_params(struct reader *r, struct params **out, struct err *e)
{
	int moments = 0, rc = check_size(r, e);
	if (rc)
		return rc;
	struct params *p = *out = params_new(&r->config, e);
	if (!p)
		return err_code_or(e, ERR_NOMEM);
	rc = make_lora(r, p, e);
	if (!rc && st_meta(&r->f, ckpt_ema))
		rc = ema_begin(p, e);
	rc = rc ? rc : load_late(r, p, 0, e);
	rc = rc ? rc : check_names(r, p, &moments, e);
	rc = rc ? rc : load_weights(r, p, e);
	rc = rc || !moments ? rc : load_moments(r, p, 0, e);
	rc = rc ? rc : load_lora(r, p, e);
	rc = rc ? rc : wants_read(r, e);
	return rc ? rc : load_ema(r, p, e);
}

int ckpt_load(const char *path, struct params **p, struct train_state *s, struct tokenizer **t, struct err *e)
{
	return ckpt_load_on(NULL, path, p, s, t, e);
}

int ckpt_load_on(struct pool *pool, const char *path, struct params **p, struct train_state *s, struct tokenizer **t, struct err *e)
{
	struct reader r;
	struct err mine;
	struct params *np = NULL;
	struct tokenizer *nt = NULL;
	int rc = reader_open(&r, path, path, &mine);
	r.pool = pool;
	rc = rc ? rc : wants_begin(&r, &mine);
	rc = rc ? rc : load_params(&r, &np, &mine);
	rc = rc ? rc : load_tokenizer(&r, &nt, &mine);
	reader_done(&r);
	if (rc) {
		params_free(np);
		return err_set(e, (enum err_code)rc, "%s", mine.msg);
	}
	*p = np;
	*s = r.state;
	*t = nt;
	return 0;
}
