/* tokenizer_folder.c: the tokenizer of a model's folder, and what tokenizer_config.json, generation_config.json and config.json say of its special ids. The files
 * themselves are read elsewhere.
 *
 * bos, eos, unk and pad come from tokenizer_config.json where it names them, eos else from generation_config.json, else from config.json; all ids that
 * generation_config.json ends with end a text. Whether texts begin with bos is add_bos_token's to say, else the tokenizer's own file's.
 * SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "text/vocab.h"

enum { CONFIG_MAX = 64 << 20 };

/* *v is NULL when the file is not there. */
static int read_json(json_t **v, const char *dir, const char *name, struct err *e)
{
	char path[4096];
	struct str s = {0};
	json_error_t why;
	*v = NULL;
	if ((size_t)snprintf(path, sizeof path, "%s%s", dir, name) >= sizeof path)
		return err_set(e, ERR_RANGE, "tokenizer: %.80s...: the path is too long", dir);
	if (file_is_dir(path) != 0)
		return 0;
	int rc = file_read(&s, path, "tokenizer", CONFIG_MAX, e);
	if (!rc && !(*v = json_loadb(s.s, s.len, JSON_ALLOW_NUL, &why)))
		rc = err_set(e, ERR_FORMAT, "tokenizer: %s: line %d, column %d: %.200s", path, why.line, why.column, why.text);
	else if (!rc && !json_is_object(*v))
		rc = err_set(e, ERR_FORMAT, "tokenizer: %s: not an object", path);
	if (rc) {
		json_decref(*v);
		*v = NULL;
	}
	str_done(&s);
	return rc;
}

static int find_text(const struct tokenizer_parts *p, const char *s, size_t n)
{
	for (int id = 0; id < p->vocab; id++)
		if (p->type[id] != TOKENIZER_UNUSED && p->off[id + 1] - p->off[id] == n && !memcmp(p->bytes.s + p->off[id], s, n))
			return id;
	return -1;
}

/* A token of tokenizer_config.json: its text, or an object that holds it. null: there is none. */
static int take_token(const struct tokenizer_parts *p, const json_t *config, const char *key, int *id, const char *dir, struct err *e)
{
	const json_t *v = json_object_get(config, key);
	if (json_is_object(v))
		v = json_object_get(v, "content");
	if (json_is_null(v))
		*id = -1;
	if (!json_is_string(v))
		return 0;
	*id = find_text(p, json_string_value(v), json_string_length(v));
	if (*id < 0)
		return err_set(e, ERR_FORMAT, "tokenizer: %stokenizer_config.json: %s: \"%.80s\" is no token of the vocabulary", dir, key, json_string_value(v));
	return 0;
}

static int take_end(struct tokenizer_parts *p, const json_t *v, int *has_eos, const char *dir, const char *file, struct err *e)
{
	json_int_t id = json_integer_value(v);
	if (!json_is_integer(v) || id < 0 || id >= p->vocab)
		return err_set(e, ERR_FORMAT, "tokenizer: %s%s: eos_token_id: %lld, the vocabulary has %d", dir, file, (long long)(json_is_integer(v) ? id : -1), p->vocab);
	if (!*has_eos) {
		p->eos = (int)id;
		*has_eos = 1;
	} else if (id != p->eos && p->nend < TOKENIZER_ENDS) {
		p->end[p->nend++] = (int)id;
	}
	return 0;
}

/* eos_token_id: a number, or a list of them. */
static int take_ends(struct tokenizer_parts *p, const json_t *config, int *has_eos, const char *dir, const char *file, struct err *e)
{
	const json_t *v = json_object_get(config, "eos_token_id");
	int rc = 0;
	if (json_is_integer(v))
		return take_end(p, v, has_eos, dir, file, e);
	for (size_t i = 0; i < json_array_size(v) && !rc; i++)
		rc = take_end(p, json_array_get(v, i), has_eos, dir, file, e);
	return rc;
}

static int take_config(struct tokenizer_parts *p, const json_t *config, int *has_eos, const char *dir, struct err *e)
{
	const json_t *bos = json_object_get(config, "add_bos_token"), *eos = json_object_get(config, "add_eos_token");
	int rc = take_token(p, config, "bos_token", &p->bos, dir, e), id = -1;
	rc = rc ? rc : take_token(p, config, "eos_token", &id, dir, e);
	rc = rc ? rc : take_token(p, config, "unk_token", &p->unk, dir, e);
	rc = rc ? rc : take_token(p, config, "pad_token", &p->pad, dir, e);
	if (id >= 0) {
		p->eos = id;
		*has_eos = 1;
	}
	if (json_is_boolean(bos))
		p->add_bos = json_is_true(bos) && p->bos >= 0;
	if (json_is_boolean(eos))
		p->add_eos = json_is_true(eos) && p->eos >= 0;
	p->add_bos &= p->bos >= 0;
	return rc;
}

int tokenizer_folder_read(struct tokenizer_parts *p, const char *path, struct err *e)
{
	static const char *const file[] = {"tokenizer_config.json", "generation_config.json", "config.json"};
	const char *slash = strrchr(path, '/');
	char dir[4096];
	json_t *v[3] = {0};
	int has_eos = 0, rc = 0;
	if ((size_t)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash + 1 - path) : 0, path) >= sizeof dir)
		return err_set(e, ERR_RANGE, "tokenizer: %.80s...: the path is too long", path);
	for (size_t i = 0; i < ARRAY_LEN(file) && !rc; i++)
		rc = read_json(&v[i], dir, file[i], e);
	if (!rc && v[0])
		rc = take_config(p, v[0], &has_eos, dir, e);
	if (!rc)
		rc = take_ends(p, v[1], &has_eos, dir, file[1], e);
	if (!rc && !has_eos) /* only where nothing else says it */
		rc = take_ends(p, v[2], &has_eos, dir, file[2], e);
	for (size_t i = 0; i < ARRAY_LEN(file); i++)
		json_decref(v[i]);
	return rc;
}

static const char *const usual[] = {"tokenizer.json", "tokenizer.model", "tokenizer.bin"};

static int path_in(char *out, size_t n, const char *dir, const char *name)
{
	size_t k = strlen(dir);
	return (size_t)snprintf(out, n, "%s%s%s", dir, k && dir[k - 1] == '/' ? "" : "/", name) < n && file_is_dir(out) == 0;
}

int tokenizer_in_folder(const char *dir)
{
	char path[4096];
	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (path_in(path, sizeof path, dir, usual[i]))
			return 1;
	return 0;
}

/* The first of the usual files that can be read; the first one's fault when none can. */
struct tokenizer *tokenizer_load_folder(const char *dir, struct err *e)
{
	char path[4096];
	struct err first = {0}, other = {0};
	for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
		if (!path_in(path, sizeof path, dir, usual[i]))
			continue;
		struct tokenizer *t = tokenizer_load(path, first.code ? &other : &first);
		if (t)
			return t;
	}
	if (first.code)
		err_set(e, (enum err_code)first.code, "%s", first.msg);
	else
		err_set(e, ERR_FORMAT, "tokenizer: %s: no tokenizer.json, tokenizer.model or tokenizer.bin in it", dir);
	return NULL;
}
