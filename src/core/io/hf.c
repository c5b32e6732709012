/* hf.c: a folder's safetensors files into params. What config.json says is read in hf_config.c.
 *
 * The files are mapped and each tensor is converted from there, so that never more than the model itself is in memory. Names are the params table's;
 * a base model's, which lack the leading "model.", are taken too. SPDX-License-Identifier: MIT */
#include "io/hf.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fp16.h"
#include "base/mem.h"
#include "io/safetensors.h"

enum { FILES_MAX = 1000, INDEX_MAX = 64 << 20 };

struct folder {
	const char *path;
	int n, cap_missing;
	struct { char path[4352]; struct st_file st; unsigned char *used; } *file;
};

static void folder_done(struct folder *f)
{
	for (int i = 0; i < f->n; i++) {
		st_close(&f->file[i].st);
		free(f->file[i].used);
	}
	free(f->file);
}

static int add_file(struct folder *f, const char *name, struct err *e)
{
	size_t cap = (size_t)f->n;
	if (f->n == FILES_MAX)
		return err_set(e, ERR_RANGE, "model: %s: more than %d weight files", f->path, FILES_MAX);
	if (mem_grow(&f->file, &cap, (size_t)f->n + 1, sizeof *f->file))
		return err_nomem(e, "model: files", ((size_t)f->n + 1) * sizeof *f->file);
	memset(&f->file[f->n], 0, sizeof f->file[f->n]);
	if ((size_t)snprintf(f->file[f->n].path, sizeof f->file->path, "%s/%s", f->path, name) >= sizeof f->file->path)
		return err_set(e, ERR_RANGE, "model: %.200s: the path of %.60s is too long", f->path, name);
	int rc = st_open_as(&f->file[f->n].st, f->file[f->n].path, "model", f->file[f->n].path, e);
	if (rc)
		return rc;
	f->file[f->n].used = mem_zalloc((size_t)f->file[f->n].st.n + 1, 1);
	f->n++;
	return f->file[f->n - 1].used ? 0 : err_nomem(e, "model: table of tensors", (unsigned long long)f->file[f->n - 1].st.n);
}

static int have_file(const struct folder *f, const char *name)
{
	size_t skip = strlen(f->path) + 1;
	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->file[i].path + skip, name))
			return 1;
	return 0;
}

/* The files that the index names; they lie in the folder itself. */
static int add_indexed(struct folder *f, const char *index, struct err *e)
{
	struct str text = {0};
	json_error_t je;
	const char *key;
	json_t *v;
	int rc = file_read(&text, index, "model", INDEX_MAX, e);
	json_t *root = rc ? NULL : json_loadb(text.s, text.len, JSON_REJECT_DUPLICATES, &je);
	json_t *map = json_object_get(root, "weight_map");
	if (!rc && !root)
		rc = err_set(e, ERR_FORMAT, "model: %s:%d: no JSON: %s", index, je.line, je.text);
	else if (!rc && !json_object_size(map))
		rc = err_set(e, ERR_FORMAT, "model: %s: weight_map: expected an object of tensors and files, found none", index);
	json_object_foreach(map, key, v) {
		const char *name = json_string_value(v);
		if (rc)
			break;
		if (!name || !*name || strchr(name, '/') || *name == '.')
			rc = err_set(e, ERR_FORMAT, "model: %s: tensor %.100s: expected a file's name in this folder, found %.60s", index, key,
				     name ? name : "no string");
		else if (!have_file(f, name))
			rc = add_file(f, name, e);
	}
	json_decref(root);
	str_done(&text);
	return rc;
}

static int open_files(struct folder *f, struct err *e)
{
	char one[4352], index[4352];
	if ((size_t)snprintf(one, sizeof one, "%s/model.safetensors", f->path) >= sizeof one ||
	    (size_t)snprintf(index, sizeof index, "%s/model.safetensors.index.json", f->path) >= sizeof index)
		return err_set(e, ERR_RANGE, "model: %.200s...: path too long", f->path);
	if (!file_is_dir(index))
		return add_indexed(f, index, e);
	if (!file_is_dir(one))
		return add_file(f, "model.safetensors", e);
	return err_set(e, ERR_IO, "model: %s: neither model.safetensors nor model.safetensors.index.json (pytorch_model.bin and other forms are not read)", f->path);
}

/* --- tensors --- */

struct found {
	const struct st_tensor *t;
	const unsigned char *data;
	const char *file;
};

static const char *bare(const char *name)
{
	return strncmp(name, "model.", 6) ? name : name + 6;
}

/* 1: found and marked as used. A tensor in two files: the first counts, the second is left over. */
static int look_up(struct folder *f, const char *name, struct found *out)
{
	for (int i = 0; i < f->n; i++)
		for (int k = 0; k < f->file[i].st.n; k++) {
			const struct st_tensor *t = &f->file[i].st.tensor[k];
			if (f->file[i].used[k] || strcmp(bare(t->name), bare(name)))
				continue;
			f->file[i].used[k] = 1;
			*out = (struct found){t, f->file[i].st.buffer + t->begin, f->file[i].path};
			return 1;
		}
	return 0;
}

enum { SHAPE_TEXT = 24 * ST_MAX_RANK };

static const char *shape_text(char buf[SHAPE_TEXT], int rank, const uint64_t *dim)
{
	size_t n = (size_t)snprintf(buf, SHAPE_TEXT, "[");
	for (int i = 0; i < rank; i++)
		n += (size_t)snprintf(buf + n, SHAPE_TEXT - n, "%s%" PRIu64, i ? ", " : "", dim[i]);
	snprintf(buf + n, SHAPE_TEXT - n, "]");
	return buf;
}

static int check_tensor(const struct found *f, const struct param *want, struct err *e)
{
	const uint64_t dim[2] = {(uint64_t)want->dim[0], (uint64_t)want->dim[1]};
	char a[SHAPE_TEXT], b[SHAPE_TEXT];
	if (f->t->rank != want->rank || memcmp(f->t->dim, dim, (size_t)want->rank * sizeof *dim))
		return err_set(e, ERR_FORMAT, "model: %s: tensor %s: expected shape %s (by config.json), found %s", f->file, f->t->name,
			       shape_text(a, want->rank, dim), shape_text(b, f->t->rank, f->t->dim));
	if (strcmp(f->t->dtype, "F32") && strcmp(f->t->dtype, "F16") && strcmp(f->t->dtype, "BF16") && strcmp(f->t->dtype, "F64"))
		return err_set(e, ERR_FORMAT, "model: %s: tensor %s: expected F32, F16, BF16 or F64, found %s", f->file, f->t->name, f->t->dtype);
	return 0;
}

static float number_at(const struct found *f, size_t i)
{
	uint16_t h;
	double d;
	float s;
	switch (f->t->dtype[1]) {
	case '3': memcpy(&s, f->data + 4 * i, 4); return s;
	case '6': memcpy(&d, f->data + 8 * i, 8); return (float)d;
	case '1': memcpy(&h, f->data + 2 * i, 2); return fp16_to_f32(h);
	default: memcpy(&h, f->data + 2 * i, 2); return bf16_to_f32(h);
	}
}

static void take(float *w, const struct found *f, size_t n)
{
	if (!strcmp(f->t->dtype, "F32")) {
		memcpy(w, f->data, n * sizeof *w);
		return;
	}
	for (size_t i = 0; i < n; i++)
		w[i] = number_at(f, i);
}

static int take_all(struct params *p, struct folder *f, struct err *e)
{
	for (int i = 0; i < p->n; i++) {
		const struct param *t = &p->table[i];
		struct found found;
		if (!look_up(f, t->name, &found))
			return err_set(e, ERR_FORMAT, "model: %s: tensor %s: expected by config.json, found in none of %d weight files", f->path, t->name, f->n);
		int rc = check_tensor(&found, t, e);
		if (rc)
			return rc;
		take(p->w + t->offset, &found, t->count);
	}
	return 0;
}

/* The classifier that is stored beside a tied embedding must be the same matrix: else one of them would be lost. */
static int check_tied(const struct params *p, struct folder *f, struct err *e)
{
	const struct param *embed = params_find(p, PARAM_EMBED, -1);
	struct found head;
	if (!p->config.tied || !look_up(f, "lm_head.weight", &head))
		return 0;
	int rc = check_tensor(&head, embed, e);
	for (size_t i = 0; i < embed->count && !rc; i++) {
		float v = number_at(&head, i), w = p->w[embed->offset + i];
		if (memcmp(&v, &w, sizeof v))
			rc = err_set(e, ERR_FORMAT, "model: %s: tensor lm_head.weight: expected the embedding (tie_word_embeddings is true), found %g "
				     "instead of %g at %zu (set tie_word_embeddings to false?)", head.file, v, w, i);
	}
	return rc;
}

static int check_left_over(const struct folder *f, struct err *e)
{
	static const char ignored[] = "rotary_emb.inv_freq";
	for (int i = 0; i < f->n; i++)
		for (int k = 0; k < f->file[i].st.n; k++) {
			const char *name = f->file[i].st.tensor[k].name;
			size_t n = strlen(name), m = sizeof ignored - 1;
			if (!f->file[i].used[k] && !(n >= m && !strcmp(name + n - m, ignored)))
				return err_set(e, ERR_FORMAT, "model: %s: tensor %.100s: config.json expects no such tensor (or it is there twice)", f->file[i].path, name);
		}
	return 0;
}

/* A model that the files can not hold is refused before memory is asked for; no number takes less than two bytes. */
static int check_size(const struct folder *f, const struct model_config *c, struct err *e)
{
	uint64_t need = model_params(c), have = 0;
	for (int i = 0; i < f->n; i++)
		have += f->file[i].st.buffer_bytes;
	if (need > have / 2)
		return err_set(e, ERR_FORMAT, "model: %s: config.json makes a model of %" PRIu64 " parameters, its weight files (%d) hold %" PRIu64 " bytes", f->path, need, f->n, have);
	return 0;
}

struct params *hf_load(const char *path, struct err *e)
{
	struct folder f = {.path = path};
	struct model_config c;
	struct params *p = NULL;
	int rc = hf_config(&c, path, e);
	if (!rc)
		rc = open_files(&f, e);
	if (!rc)
		rc = check_size(&f, &c, e);
	if (!rc && !(p = params_new(&c, e)))
		rc = err_code_or(e, ERR_NOMEM);
	if (!rc)
		rc = take_all(p, &f, e);
	if (!rc)
		rc = check_tied(p, &f, e);
	if (!rc)
		rc = check_left_over(&f, e);
	folder_done(&f);
	if (rc) {
		params_free(p);
		return NULL;
	}
	return p;
}
