/* hf_config.c: config.json of a Hugging Face folder into a model's shape: one table of keys. No weights.
 *
 * A key that is not there has the default that the family's own configuration has; a key that asks for what this program does not compute is refused
 * by its name. All others are passed over. SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/hf.h"

enum { CONFIG_MAX = 4 << 20, NEEDED = -1, DERIVED = 0 };
enum family { LLAMA, QWEN3, FAMILIES };

struct config_file {
	char path[4352];
	json_t *root;
	enum family family;
	struct err *e;
};

static const struct { const char *name; int context, head_dim; } families[FAMILIES] = {
	[LLAMA] = {"llama", 2048, DERIVED}, [QWEN3] = {"qwen3", 32768, 128},
};

#define AT(field) offsetof(struct model_config, field)
static const struct { const char *key; size_t at; int missing; } ints[] = {
	{"hidden_size", AT(dim), NEEDED}, {"intermediate_size", AT(hidden), NEEDED}, {"num_hidden_layers", AT(layers), NEEDED},
	{"num_attention_heads", AT(heads), NEEDED}, {"num_key_value_heads", AT(kv_heads), DERIVED}, {"head_dim", AT(head_dim), DERIVED},
	{"vocab_size", AT(vocab), NEEDED}, {"max_position_embeddings", AT(context), DERIVED},
};

static int present(const json_t *v)
{
	return v && !json_is_null(v);
}

static int read_ints(const struct config_file *f, struct model_config *c)
{
	for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
		const json_t *v = json_object_get(f->root, ints[i].key);
		int *to = (int *)(void *)((char *)c + ints[i].at);
		*to = 0;
		if (!present(v) && ints[i].missing != NEEDED)
			continue;
		if (!json_is_integer(v))
			return err_set(f->e, ERR_FORMAT, "model: %s: %s: expected a whole number, found %s", f->path, ints[i].key, present(v) ? "something else" : "none");
		json_int_t n = json_integer_value(v);
		if (n < 1 || n > 1 << 30)
			return err_set(f->e, ERR_FORMAT, "model: %s: %s: expected 1 to %d, found %" JSON_INTEGER_FORMAT, f->path, ints[i].key, 1 << 30, n);
		*to = (int)n;
	}
	return 0;
}

static int read_number(const struct config_file *f, const json_t *from, const char *key, float *out, double missing)
{
	const json_t *v = json_object_get(from, key);
	*out = (float)missing;
	if (!present(v))
		return 0;
	if (!json_is_number(v) || !(json_number_value(v) > 0))
		return err_set(f->e, ERR_FORMAT, "model: %s: %s: expected a number above 0, found %s", f->path, key, json_is_number(v) ? "one that is not" : "something else");
	*out = (float)json_number_value(v);
	return 0;
}

/* A switch that must be off. */
static int must_be_off(const struct config_file *f, const char *key, const char *what)
{
	const json_t *v = json_object_get(f->root, key);
	if (!present(v) || json_is_false(v))
		return 0;
	return err_set(f->e, ERR_FORMAT, "model: %s: %s: expected false, found %s (%s can not be computed)", f->path, key, json_is_true(v) ? "true" : "something else", what);
}

static int read_family(struct config_file *f)
{
	const json_t *v = json_object_get(f->root, "model_type");
	const char *type = json_string_value(v);
	for (int i = 0; type && i < FAMILIES; i++)
		if (!strcmp(type, families[i].name)) {
			f->family = (enum family)i;
			return 0;
		}
	return err_set(f->e, ERR_FORMAT, "model: %s: model_type: expected llama or qwen3, found %.60s", f->path, type ? type : present(v) ? "no string" : "none");
}

/* rope_theta stands by itself or, in newer files, in rope_parameters; a scaling must be the one that scales nothing. */
static int read_rope(const struct config_file *f, struct model_config *c)
{
	static const char *const places[] = {"rope_scaling", "rope_parameters"};
	const json_t *theta = f->root;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		const json_t *r = json_object_get(f->root, places[i]), *type = json_object_get(r, "rope_type");
		if (!present(r))
			continue;
		if (!type)
			type = json_object_get(r, "type");
		if (!json_is_object(r) || (type && (!json_is_string(type) || strcmp(json_string_value(type), "default"))))
			return err_set(f->e, ERR_FORMAT, "model: %s: %s: expected none, or of type default, found %.40s (can not be computed)", f->path, places[i],
				       json_is_string(type) ? json_string_value(type) : "something else");
		if (json_object_get(r, "rope_theta"))
			theta = r;
	}
	c->rope = ROPE_HALF;
	return read_number(f, theta, "rope_theta", &c->rope_theta, 10000);
}

static int read_rest(const struct config_file *f, struct model_config *c)
{
	const json_t *act = json_object_get(f->root, "hidden_act"), *tied = json_object_get(f->root, "tie_word_embeddings");
	int rc = read_rope(f, c);
	if (!rc)
		rc = read_number(f, f->root, "rms_norm_eps", &c->norm_eps, 1e-6);
	if (!rc && present(act) && (!json_is_string(act) || (strcmp(json_string_value(act), "silu") && strcmp(json_string_value(act), "swish"))))
		rc = err_set(f->e, ERR_FORMAT, "model: %s: hidden_act: expected silu, found %.40s", f->path, json_is_string(act) ? json_string_value(act) : "no string");
	if (!rc && present(tied) && !json_is_boolean(tied))
		rc = err_set(f->e, ERR_FORMAT, "model: %s: tie_word_embeddings: expected true or false", f->path);
	if (!rc)
		rc = must_be_off(f, "attention_bias", "a bias");
	if (!rc)
		rc = must_be_off(f, "mlp_bias", "a bias");
	if (!rc)
		rc = must_be_off(f, "use_sliding_window", "a sliding window");
	c->tied = json_is_true(tied);
	c->qk_norm = f->family == QWEN3;
	c->alpha = 1;
	return rc;
}

static int derive(const struct config_file *f, struct model_config *c)
{
	if (!c->kv_heads)
		c->kv_heads = c->heads;
	if (!c->context)
		c->context = families[f->family].context;
	if (!c->head_dim && families[f->family].head_dim)
		c->head_dim = families[f->family].head_dim;
	if (!c->head_dim && c->dim % c->heads)
		return err_set(f->e, ERR_FORMAT, "model: %s: hidden_size %d: expected a multiple of num_attention_heads %d, or a head_dim", f->path, c->dim, c->heads);
	if (!c->head_dim)
		c->head_dim = c->dim / c->heads;
	return model_file_config(c, f->path, f->e);
}

static int config_path(char out[4352], const char *path)
{
	return (size_t)snprintf(out, 4352, "%s/config.json", path) < 4352 ? 0 : -1;
}

int hf_probe(const char *path)
{
	char config[4352];
	return !config_path(config, path) && !file_is_dir(config);
}

int hf_config(struct model_config *c, const char *path, struct err *e)
{
	struct config_file f = {.e = e};
	struct str text = {0};
	json_error_t je;
	memset(c, 0, sizeof *c);
	if (config_path(f.path, path))
		return err_set(e, ERR_RANGE, "model: %.200s...: path too long", path);
	int rc = file_read(&text, f.path, "model", CONFIG_MAX, e);
	if (!rc && !(f.root = json_loadb(text.len ? text.s : "", text.len, JSON_REJECT_DUPLICATES, &je)))
		rc = err_set(e, ERR_FORMAT, "model: %s:%d: no JSON: %s", f.path, je.line, je.text);
	else if (!rc && !json_is_object(f.root))
		rc = err_set(e, ERR_FORMAT, "model: %s: expected an object", f.path);
	model_file_name(c->name, sizeof c->name, path);
	if (!rc)
		rc = read_family(&f);
	if (!rc)
		rc = read_ints(&f, c);
	if (!rc)
		rc = read_rest(&f, c);
	if (!rc)
		rc = derive(&f, c);
	json_decref(f.root);
	str_done(&text);
	return rc;
}
