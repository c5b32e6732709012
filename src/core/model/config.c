/* config.c: presets from assets/presets.conf, overrides, and whether the numbers make a model. No weights.
 *
 * The file is `[name]` sections of `key = value` lines; # begins a comment. It is read anew for each preset (it is small and
 * then nothing is shared between threads); only the list of names is kept, once. SPDX-License-Identifier: MIT */
#include "model/config.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { PRESETS_MAX = 64, PRESETS_BYTES = 1 << 20 };

enum key_kind { KEY_INT, KEY_FLOAT, KEY_BOOL, KEY_ROPE, KEY_DOUBLE };

/* One key: where it goes and what is legal. Keys with a dot are defaults of settings and not for `new KEY=VALUE`. */
static const struct key {
	const char *name;
	enum key_kind kind;
	size_t at;
	double min, max;
	int preset_only;
} keys[] = {
#define AT(field) offsetof(struct model_config, field)
	{"dim", KEY_INT, AT(dim), 1, 65536, 0},
	{"hidden", KEY_INT, AT(hidden), 1, 1 << 20, 0},
	{"layers", KEY_INT, AT(layers), 1, 1024, 0},
	{"heads", KEY_INT, AT(heads), 1, 1024, 0},
	{"kv_heads", KEY_INT, AT(kv_heads), 1, 1024, 0},
	{"head_dim", KEY_INT, AT(head_dim), 2, 4096, 0},
	{"vocab", KEY_INT, AT(vocab), 2, 1 << 24, 0},
	{"context", KEY_INT, AT(context), 1, 1 << 20, 0},
	{"tied", KEY_BOOL, AT(tied), 0, 1, 0},
	{"rope", KEY_ROPE, AT(rope), 0, 1, 0},
	{"theta", KEY_FLOAT, AT(rope_theta), 1, 1e12, 0},
	{"eps", KEY_FLOAT, AT(norm_eps), 1e-12, 0.1, 0},
	{"alpha", KEY_FLOAT, AT(alpha), 1e-4, 16, 0},
	{"qk_norm", KEY_BOOL, AT(qk_norm), 0, 1, 0},
	{"seq", KEY_INT, AT(seq), 1, 1 << 20, 1},
	{"batch", KEY_INT, AT(batch), 1, 4096, 1},
	{"accum", KEY_INT, AT(accum), 1, 65536, 1},
	{"lr.max", KEY_DOUBLE, AT(lr_max), 0, 10, 1},
	{"lr.min", KEY_DOUBLE, AT(lr_min), 0, 1, 1},
	{"lr.warmup", KEY_DOUBLE, AT(lr_warmup), 0, 1e9, 1},
	{"lr.steps", KEY_DOUBLE, AT(lr_steps), 1, 1e9, 1},
	{"sample.temperature", KEY_DOUBLE, AT(temperature), 0, 100, 1},
#undef AT
};

static const struct key *key_find(const char *name, int preset)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].name, name) && (preset || !keys[i].preset_only))
			return &keys[i];
	return NULL;
}

static int key_unknown(const char *name, int preset, struct err *e)
{
	const struct key *best = NULL;
	int d = 4;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		int v = str_distance(name, keys[i].name);
		if ((preset || !keys[i].preset_only) && v < d) {
			d = v;
			best = &keys[i];
		}
	}
	if (best)
		return err_set(e, ERR_USAGE, "model: %s: no such key (did you mean %s?)", name, best->name);
	return err_set(e, ERR_USAGE, "model: %s: no such key (dim hidden layers heads kv_heads head_dim vocab context tied "
		       "rope theta eps alpha qk_norm)", name);
}

/* Words for what is not a number; -1 when the word is none of them. */
static int word_value(enum key_kind kind, const char *value)
{
	static const struct { enum key_kind kind; const char *word; int value; } words[] = {
		{KEY_BOOL, "on", 1}, {KEY_BOOL, "yes", 1}, {KEY_BOOL, "true", 1}, {KEY_BOOL, "1", 1},
		{KEY_BOOL, "off", 0}, {KEY_BOOL, "no", 0}, {KEY_BOOL, "false", 0}, {KEY_BOOL, "0", 0},
		{KEY_ROPE, "interleaved", ROPE_INTERLEAVED}, {KEY_ROPE, "half", ROPE_HALF},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i].kind == kind && !strcasecmp(words[i].word, value))
			return words[i].value;
	return -1;
}

static int key_store_word(struct model_config *c, const struct key *k, const char *value, struct err *e)
{
	int v = word_value(k->kind, value);
	if (v < 0)
		return err_set(e, ERR_RANGE, "model: %s: %s: must be %s", k->name, value,
			       k->kind == KEY_BOOL ? "on or off" : "interleaved or half");
	if (k->kind == KEY_BOOL)
		*(int *)((char *)c + k->at) = v;
	else
		c->rope = (enum rope_layout)v;
	return 0;
}

static int key_store(struct model_config *c, const struct key *k, const char *value, struct err *e)
{
	if (k->kind == KEY_BOOL || k->kind == KEY_ROPE)
		return key_store_word(c, k, value, e);
	char *end;
	double v = strtod(value, &end);
	if (end == value || *end || !(v >= k->min && v <= k->max) || (k->kind == KEY_INT && v != floor(v)))
		return err_set(e, ERR_RANGE, "model: %s: %.40s: must be %s%.10g to %.10g", k->name, value,
			       k->kind == KEY_INT ? "a whole number, " : "", k->min, k->max);
	void *at = (char *)c + k->at;
	if (k->kind == KEY_INT)
		*(int *)at = (int)v;
	else if (k->kind == KEY_FLOAT)
		*(float *)at = (float)v;
	else
		*(double *)at = v;
	return 0;
}

static void follow_head_dim(struct model_config *c)
{
	if (c->head_dim_follows && c->heads > 0)
		c->head_dim = c->dim / c->heads;
}

int model_config_set(struct model_config *c, const char *key, const char *value, struct err *e)
{
	const struct key *k = key_find(key, 0);
	if (!k)
		return key_unknown(key, 0, e);
	int r = key_store(c, k, value, e);
	if (r)
		return r;
	if (!strcmp(key, "head_dim"))
		c->head_dim_follows = 0;
	if (c->seq > c->context && !strcmp(key, "context"))
		c->seq = c->context; /* the preset's, which no key of `new` changes */
	follow_head_dim(c);
	return 0;
}

/* --- the file --- */

struct presets {
	int n;
	struct model_config list[PRESETS_MAX];
};

static void preset_begin(struct model_config *c, const char *name)
{
	*c = (struct model_config){.tied = 1, .rope = ROPE_INTERLEAVED, .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 1,
				   .head_dim_follows = 1};
	snprintf(c->name, sizeof c->name, "%s", name);
}

static char *trim(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	size_t n = strlen(s);
	while (n && strchr(" \t\r", s[n - 1]))
		s[--n] = 0;
	return s;
}

static int parse_section(struct presets *p, char *s, struct err *e)
{
	size_t n = strlen(s);
	if (s[n - 1] != ']' || n < 3 || n - 2 >= sizeof p->list->name)
		return err_set(e, ERR_FORMAT, "%s: expected [name]", s);
	s[n - 1] = 0;
	s = trim(s + 1);
	for (int i = 0; i < p->n; i++)
		if (!strcmp(p->list[i].name, s))
			return err_set(e, ERR_FORMAT, "[%s]: stands there twice", s);
	if (p->n == PRESETS_MAX)
		return err_set(e, ERR_FORMAT, "[%s]: more than %d presets", s, PRESETS_MAX);
	preset_begin(&p->list[p->n++], s);
	return 0;
}

static int parse_line(struct presets *p, char *s, struct err *e)
{
	if (*s == '[')
		return parse_section(p, s, e);
	char *eq = strchr(s, '=');
	if (!eq)
		return err_set(e, ERR_FORMAT, "%s: expected key = value or [name]", s);
	*eq = 0;
	char *key = trim(s), *value = trim(eq + 1);
	if (!p->n)
		return err_set(e, ERR_FORMAT, "%s: stands before the first [name]", key);
	struct model_config *c = &p->list[p->n - 1];
	const struct key *k = key_find(key, 1);
	if (!k)
		return key_unknown(key, 1, e);
	if (!strcmp(key, "head_dim"))
		c->head_dim_follows = 0;
	return key_store(c, k, value, e);
}

/* What a section may leave out, and whether the rest is a model. */
static int presets_finish(struct presets *p, struct err *e)
{
	if (!p->n)
		return err_set(e, ERR_FORMAT, "no presets in it");
	for (int i = 0; i < p->n; i++) {
		struct model_config *c = &p->list[i];
		if (!c->kv_heads)
			c->kv_heads = c->heads;
		follow_head_dim(c);
		int r = model_config_check(c, e);
		if (r)
			return r;
	}
	return 0;
}

static int presets_parse(struct presets *p, char *text, struct err *e)
{
	int line = 0, r;
	for (char *s = text, *next; s; s = next) {
		line++;
		if ((next = strchr(s, '\n')))
			*next++ = 0;
		char *hash = strchr(s, '#');
		if (hash)
			*hash = 0;
		s = trim(s);
		if (*s && (r = parse_line(p, s, e)))
			return err_prefix(e, "%d", line);
	}
	return presets_finish(p, e);
}

static struct presets *presets_read(struct err *e)
{
	char path[4096];
	struct str text = {0};
	if (file_asset(path, sizeof path, "presets.conf", e))
		return NULL;
	struct presets *p = mem_zalloc(1, sizeof *p);
	if (!p) {
		err_nomem(e, "presets", sizeof *p);
		return NULL;
	}
	int r = file_read(&text, path, "presets", PRESETS_BYTES, e);
	if (!r && (r = presets_parse(p, text.s ? text.s : (char[1]){0}, e)))
		err_prefix(e, "presets: %s", path);
	str_done(&text);
	if (r) {
		free(p);
		return NULL;
	}
	return p;
}

static int preset_unknown(const struct presets *p, const char *name, struct err *e)
{
	int best = 0, d = 1 << 20;
	for (int i = 0; i < p->n; i++) {
		int v = str_distance(name, p->list[i].name);
		if (v < d) {
			d = v;
			best = i;
		}
	}
	return err_set(e, ERR_USAGE, "model: %.60s: no such preset (did you mean %s?)", name, p->list[best].name);
}

int model_preset(struct model_config *c, const char *name, struct err *e)
{
	struct presets *p = presets_read(e);
	if (!p)
		return err_code_or(e, ERR_IO);
	int i = 0;
	while (i < p->n && strcmp(p->list[i].name, name))
		i++;
	int r = 0;
	if (i == p->n)
		r = preset_unknown(p, name, e);
	else
		*c = p->list[i];
	free(p);
	return r;
}

/* The names are read once and then never change, so that any thread may hold them. */
static char name_text[PRESETS_MAX][64];
static const char *name_list[PRESETS_MAX + 1];
static struct err name_err;
static pthread_once_t name_once = PTHREAD_ONCE_INIT;

static void names_read(void)
{
	struct presets *p = presets_read(&name_err);
	for (int i = 0; p && i < p->n; i++) {
		memcpy(name_text[i], p->list[i].name, sizeof name_text[i]);
		name_list[i] = name_text[i];
	}
	free(p);
}

const char *const *model_preset_names(struct err *e)
{
	pthread_once(&name_once, names_read);
	if (name_list[0])
		return name_list;
	err_set(e, name_err.code, "%s", name_err.msg);
	return NULL;
}

/* --- questions --- */

static int check_range(const struct model_config *c, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *k = &keys[i];
		const void *at = (const char *)c + k->at;
		double v = k->kind == KEY_INT || k->kind == KEY_BOOL ? *(const int *)at :
			   k->kind == KEY_ROPE ? (double)c->rope : k->kind == KEY_FLOAT ? *(const float *)at : *(const double *)at;
		if (k->preset_only && v == 0) /* not given */
			continue;
		/* Limits such as 1e-12 are not exact in float. */
		if (!(v >= k->min * (1 - 1e-6) && v <= k->max * (1 + 1e-6)))
			return err_set(e, ERR_RANGE, "model: %s: %s %.10g: must be %.10g to %.10g", c->name, k->name, v, k->min,
				       k->max);
	}
	return 0;
}

int model_config_check(const struct model_config *c, struct err *e)
{
	if (c->head_dim_follows && c->heads > 0 && c->dim % c->heads)
		return err_set(e, ERR_RANGE, "model: %s: dim %d: not divisible by heads %d (or give head_dim)", c->name, c->dim,
			       c->heads);
	int r = check_range(c, e);
	if (r)
		return r;
	if (c->heads % c->kv_heads)
		return err_set(e, ERR_RANGE, "model: %s: heads %d: not divisible by kv_heads %d", c->name, c->heads, c->kv_heads);
	if (c->head_dim % 2)
		return err_set(e, ERR_RANGE, "model: %s: head_dim %d: must be even (RoPE turns pairs)", c->name, c->head_dim);
	if (c->seq > c->context)
		return err_set(e, ERR_RANGE, "model: %s: seq %d: longer than the context of %d", c->name, c->seq, c->context);
	return 0;
}

static uint64_t layer_matrices(const struct model_config *c)
{
	uint64_t d = (uint64_t)c->dim, q = (uint64_t)model_q_dim(c), kv = (uint64_t)model_kv_dim(c), f = (uint64_t)c->hidden;
	return 2 * d * q + 2 * d * kv + 3 * d * f;
}

uint64_t model_matrix_params(const struct model_config *c)
{
	return (uint64_t)c->layers * layer_matrices(c) + (uint64_t)c->vocab * (uint64_t)c->dim;
}

uint64_t model_params(const struct model_config *c)
{
	uint64_t table = (uint64_t)c->vocab * (uint64_t)c->dim, norms = (2 * (uint64_t)c->layers + 1) * (uint64_t)c->dim;
	if (c->qk_norm)
		norms += 2 * (uint64_t)c->layers * (uint64_t)c->head_dim;
	return model_matrix_params(c) + norms + (c->tied ? 0 : table);
}

double model_flops(const struct model_config *c, int batch, int seq)
{
	double tokens = (double)batch * seq;
	/* Scores and their product with V: 2 * S * S * HD each a head, half of it behind the mask; backward is twice forward. */
	double attention = 6.0 * batch * seq * seq * model_q_dim(c) * c->layers;
	return 6.0 * (double)model_matrix_params(c) * tokens + attention;
}
