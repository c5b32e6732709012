/* ckpt_meta.c: one table row a field, so that writing and reading can not drift apart.
 * SPDX-License-Identifier: MIT */
#include "train/ckpt_meta.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum kind { INT, U64, FLOAT, DOUBLE, TEXT, ORDER, ROPE };

struct field {
	const char *key;
	enum kind kind;
	size_t at, size;
};

static const struct field config_fields[] = {
#define F(name, kind) {"config." #name, kind, offsetof(struct model_config, name), sizeof ((struct model_config *)0)->name}
	F(name, TEXT), F(dim, INT), F(hidden, INT), F(layers, INT), F(heads, INT), F(kv_heads, INT), F(head_dim, INT),
	F(vocab, INT), F(context, INT), F(tied, INT), F(rope, ROPE), F(rope_theta, FLOAT), F(norm_eps, FLOAT), F(alpha, FLOAT),
	F(seq, INT), F(batch, INT), F(accum, INT), F(lr_max, DOUBLE), F(lr_min, DOUBLE), F(lr_warmup, DOUBLE),
	F(lr_steps, DOUBLE), F(temperature, DOUBLE),
#undef F
};

static const struct field state_fields[] = {
#define F(name, kind) {"state." #name, kind, offsetof(struct train_state, name), sizeof ((struct train_state *)0)->name}
	F(step, U64), F(tokens, U64), F(seconds, DOUBLE), F(best_loss, DOUBLE), F(best_step, U64), F(cursor.order, ORDER),
	F(cursor.seed, U64), F(cursor.rng.s[0], U64), F(cursor.rng.s[1], U64), F(cursor.rng.s[2], U64), F(cursor.rng.s[3], U64),
	F(cursor.index, U64), F(cursor.epoch, U64), F(sample_count, U64), F(skipped, U64), F(data_name, TEXT), F(data_hash, U64),
	F(blas, TEXT),
#undef F
};

/* Keys that came later: a file without them has zeros there. */
static const struct field later_config[] = {
#define F(name, kind) {"config." #name, kind, offsetof(struct model_config, name), sizeof ((struct model_config *)0)->name}
	F(qk_norm, INT),
#undef F
};

static const struct field later_fields[] = {
#define F(name, kind) {"state." #name, kind, offsetof(struct train_state, name), sizeof ((struct train_state *)0)->name}
	F(loss_scale, DOUBLE), F(scale_good, U64), F(device, TEXT), F(data_how, TEXT), F(tokenizer_hash, U64), F(patience_loss, DOUBLE),
	F(patience_used, U64), F(kept_loss, DOUBLE), F(kept_step, U64),
#undef F
};

static const char *const order_words[] = {[DATA_SEQUENTIAL] = "sequential", [DATA_RANDOM] = "random", [DATA_SHUFFLE] = "shuffle"};
static const char *const rope_words[] = {[ROPE_INTERLEAVED] = "interleaved", [ROPE_HALF] = "half"};

void ckpt_meta_put(struct ckpt_meta *m, const char *key, const char *fmt, ...)
{
	int i = m->n++;
	if (i >= CKPT_META_MAX)
		return;
	va_list ap;
	va_start(ap, fmt);
	int v = vsnprintf(m->value[i], CKPT_META_VALUE, fmt, ap);
	va_end(ap);
	int k = snprintf(m->key[i], CKPT_META_KEY, "%s", key);
	if (v >= CKPT_META_VALUE || k >= CKPT_META_KEY)
		m->n = CKPT_META_MAX + 1;
	m->row[i] = (struct st_meta){m->key[i], m->value[i]};
}

int ckpt_meta_full(const struct ckpt_meta *m)
{
	return m->n > CKPT_META_MAX;
}

/* --- writing --- */

/* The shorter of two forms that reads back the same. */
static void put_double(struct ckpt_meta *m, const char *key, double v)
{
	char buf[40];
	snprintf(buf, sizeof buf, "%.9g", v);
	ckpt_meta_put(m, key, strtod(buf, NULL) == v || isnan(v) ? "%.9g" : "%.17g", v);
}

static void put_float(struct ckpt_meta *m, const char *key, float v)
{
	ckpt_meta_put(m, key, "%.9g", (double)v); /* 9 digits are enough for any float */
}

static void put_field(struct ckpt_meta *m, const struct field *f, const void *base)
{
	const void *p = (const char *)base + f->at;
	switch (f->kind) {
	case INT: ckpt_meta_put(m, f->key, "%d", *(const int *)p); break;
	case U64: ckpt_meta_put(m, f->key, "0x%" PRIx64, *(const uint64_t *)p); break;
	case FLOAT: put_float(m, f->key, *(const float *)p); break;
	case DOUBLE: put_double(m, f->key, *(const double *)p); break;
	case TEXT: ckpt_meta_put(m, f->key, "%s", (const char *)p); break;
	case ORDER: ckpt_meta_put(m, f->key, "%s", order_words[*(const enum data_order *)p]); break;
	case ROPE: ckpt_meta_put(m, f->key, "%s", rope_words[*(const enum rope_layout *)p]); break;
	}
}

static void put_setting(struct ckpt_meta *m, const struct settings *s, enum setting_id id)
{
	const struct setting_row *r = setting_row(id);
	char key[CKPT_META_KEY], text[SETTING_TEXT_MAX];
	snprintf(key, sizeof key, "set.%s", r->key);
	if (r->kind == SETTING_FLOAT || (r->kind == SETTING_AUTO && s->num[id] > SETTING_IS_OFF))
		put_double(m, key, s->num[id]);
	else
		ckpt_meta_put(m, key, "%s", setting_text(s, id, text));
	snprintf(key, sizeof key, "user.%s", r->key);
	if (s->set[id])
		ckpt_meta_put(m, key, "1");
}

void ckpt_meta_write(struct ckpt_meta *m, const struct model_config *c, const struct train_state *s)
{
	ckpt_meta_put(m, "format", "pt");
	ckpt_meta_put(m, "anetui.version", "1");
	for (size_t i = 0; i < ARRAY_LEN(config_fields); i++)
		put_field(m, &config_fields[i], c);
	for (size_t i = 0; i < ARRAY_LEN(later_config); i++)
		put_field(m, &later_config[i], c);
	for (size_t i = 0; i < ARRAY_LEN(state_fields); i++)
		put_field(m, &state_fields[i], s);
	for (size_t i = 0; i < ARRAY_LEN(later_fields); i++)
		put_field(m, &later_fields[i], s);
	for (int i = 0; i < SET_N; i++)
		put_setting(m, &s->settings, (enum setting_id)i);
}

/* --- reading --- */

static int bad(const char *key, const char *text, const char *what, struct err *e)
{
	return err_set(e, ERR_FORMAT, "metadata: %s: %.60s is no %s", key, text, what);
}

static int get_text(const struct st_file *f, const char *key, const char **text, struct err *e)
{
	*text = st_meta(f, key);
	return *text ? 0 : err_set(e, ERR_FORMAT, "metadata: %s is missing", key);
}

int ckpt_meta_u64(const struct st_file *f, const char *key, uint64_t *out, struct err *e)
{
	const char *t;
	int rc = get_text(f, key, &t, e);
	if (rc)
		return rc;
	size_t digits = strncmp(t, "0x", 2) ? 0 : strspn(t + 2, "0123456789abcdef");
	if (!digits || digits > 16 || t[2 + digits])
		return bad(key, t, "hexadecimal number", e);
	*out = strtoull(t + 2, NULL, 16);
	return 0;
}

static int get_double(const char *key, const char *t, double *out, struct err *e)
{
	char *end;
	*out = strtod(t, &end);
	return end == t || *end ? bad(key, t, "number", e) : 0;
}

static int get_int(const char *key, const char *t, int *out, struct err *e)
{
	char *end;
	long v = strtol(t, &end, 10);
	if (end == t || *end || v < INT_MIN || v > INT_MAX)
		return bad(key, t, "whole number", e);
	*out = (int)v;
	return 0;
}

static int get_word(const char *key, const char *t, const char *const *words, int n, struct err *e)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(words[i], t))
			return i;
	return bad(key, t, "word known here", e);
}

static int get_field(const struct st_file *f, const struct field *d, void *base, struct err *e)
{
	void *p = (char *)base + d->at;
	const char *t;
	double v = 0;
	int rc = get_text(f, d->key, &t, e);
	if (rc)
		return rc;
	switch (d->kind) {
	case INT: return get_int(d->key, t, p, e);
	case U64: return ckpt_meta_u64(f, d->key, p, e);
	case FLOAT:
		rc = get_double(d->key, t, &v, e);
		*(float *)p = (float)v;
		return rc;
	case DOUBLE: return get_double(d->key, t, p, e);
	case TEXT:
		if (strlen(t) >= d->size)
			return bad(d->key, t, "text of legal length", e);
		memcpy(p, t, strlen(t) + 1);
		return 0;
	case ORDER:
		rc = get_word(d->key, t, order_words, ARRAY_LEN(order_words), e);
		*(enum data_order *)p = rc < 0 ? DATA_RANDOM : (enum data_order)rc;
		return MIN(rc, 0);
	case ROPE:
		rc = get_word(d->key, t, rope_words, ARRAY_LEN(rope_words), e);
		*(enum rope_layout *)p = rc < 0 ? ROPE_HALF : (enum rope_layout)rc;
		return MIN(rc, 0);
	}
	return 0;
}

static int get_setting(const struct st_file *f, struct settings *s, enum setting_id id, struct err *e)
{
	char key[CKPT_META_KEY];
	snprintf(key, sizeof key, "set.%s", setting_row(id)->key);
	const char *t = st_meta(f, key);
	if (!t)
		return 0;
	if (setting_parse(id, t, &s->num[id], s->text[id], e))
		return err_prefix(e, "metadata: set");
	snprintf(key, sizeof key, "user.%s", setting_row(id)->key);
	s->set[id] = st_meta(f, key) != NULL;
	return 0;
}

int ckpt_meta_read(const struct st_file *f, struct model_config *c, struct train_state *s, struct err *e)
{
	const char *version;
	int rc = get_text(f, "anetui.version", &version, e);
	if (!rc && strcmp(version, "1"))
		rc = err_set(e, ERR_FORMAT, "written by a newer anetui (format %.20s, 1 is known here)", version);
	memset(c, 0, sizeof *c);
	memset(s, 0, sizeof *s);
	settings_init(&s->settings);
	for (size_t i = 0; !rc && i < ARRAY_LEN(config_fields); i++)
		rc = get_field(f, &config_fields[i], c, e);
	for (size_t i = 0; !rc && i < ARRAY_LEN(later_config); i++)
		rc = st_meta(f, later_config[i].key) ? get_field(f, &later_config[i], c, e) : 0;
	for (size_t i = 0; !rc && i < ARRAY_LEN(state_fields); i++)
		rc = get_field(f, &state_fields[i], s, e);
	for (size_t i = 0; !rc && i < ARRAY_LEN(later_fields); i++)
		rc = st_meta(f, later_fields[i].key) ? get_field(f, &later_fields[i], s, e) : 0;
	for (int i = 0; !rc && i < SET_N; i++)
		rc = get_setting(f, &s->settings, (enum setting_id)i, e);
	return rc;
}
