/* model_file.c: which format a file has, and what the formats share in writing.
 * SPDX-License-Identifier: MIT */
#include "io/model_file.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/gguf_model.h"
#include "io/hf.h"
#include "io/llama2c.h"
#include "io/peft.h"
#include "io/upstream.h"

static const struct format {
	const char *name;
	int folder;
	int (*probe)(const char *path);
	struct params *(*load)(const char *path, struct err *e);
	model_save_fn *save;
	int variant;
	const char *help;
} formats[] = {
#define FORMAT(ID, name, folder, probe, load, save, variant, help) {name, folder, probe, load, save, variant, help},
#include "io/formats.def"
#undef FORMAT
};

const char *model_format(int i, const char **help)
{
	if (i < 0 || i >= (int)ARRAY_LEN(formats))
		return NULL;
	if (help)
		*help = formats[i].help;
	return formats[i].name;
}

void model_file_name(char *out, size_t n, const char *path)
{
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	size_t from = len;
	while (from && path[from - 1] != '/')
		from--;
	snprintf(out, n, "%.*s", (int)(len - from), path + from);
	if (!*out || !strcmp(out, ".") || !strcmp(out, "..") || !strcmp(out, "/"))
		snprintf(out, n, "model");
}

int model_file_config(const struct model_config *c, const char *path, struct err *e)
{
	struct err why = {0};
	char prefix[sizeof c->name + 16];
	if (!model_config_check(c, &why))
		return 0;
	size_t n = (size_t)snprintf(prefix, sizeof prefix, "model: %s: ", c->name); /* the path says more than the name */
	return err_set(e, ERR_FORMAT, "model: %s: %s", path, why.msg + (strncmp(why.msg, prefix, n) ? 0 : n));
}

/* --- reading --- */

/* The row whose probe knows the path, or NULL. */
static const struct format *told(const char *path, int folder)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (formats[i].probe && formats[i].folder == folder && formats[i].probe(path))
			return &formats[i];
	return NULL;
}

int model_file_load(struct model_import *out, const char *path, struct err *e)
{
	int folder = file_is_dir(path) == 1;
	const struct format *f = told(path, folder);
	*out = (struct model_import){.format = f ? f->name : ""};
	if (f && f->load == gguf_load && gguf_load_tokenizer(&out->tok, path, e))
		return err_code_or(e, ERR_FORMAT);
	if (f)
		out->params = f->load(path, e);
	else if (folder)
		return err_set(e, ERR_FORMAT, "model: %s: expected a model folder, found no config.json in it", path);
	else
		out->params = llama2c_load(path, e); /* its message says what was expected, and what the file looks like */
	if (out->params)
		return 0;
	tokenizer_free(out->tok);
	out->tok = NULL;
	return err_code_or(e, ERR_FORMAT);
}

/* --- what formats share --- */

/* Row (of a head, of HD) of the model's layout that row i of the wanted one is. */
static int64_t row_from(enum rope_layout want, int64_t i, int64_t hd)
{
	int64_t half = hd / 2;
	if (want == ROPE_HALF)
		return i < half ? 2 * i : 2 * (i - half) + 1;
	return i % 2 ? i / 2 + half : i / 2;
}

static int turns(enum param_kind k)
{
	return k == PARAM_WQ || k == PARAM_WK || k == PARAM_NORM_Q || k == PARAM_NORM_K;
}

const float *model_source_tensor(const struct model_source *s, const struct param *t, enum rope_layout want, float *scratch)
{
	const float *w = s->w + t->offset;
	int64_t hd = s->params->config.head_dim, cols = t->rank == 2 ? t->dim[1] : 1;
	if (!turns(t->kind) || want == s->params->config.rope)
		return w;
	for (int64_t r = 0; r < t->dim[0]; r++)
		memcpy(scratch + r * cols, w + (r / hd * hd + row_from(want, r % hd, hd)) * cols, (size_t)cols * sizeof *w);
	return scratch;
}

size_t model_source_scratch(const struct model_source *s)
{
	size_t n = 0;
	for (int i = 0; i < s->params->n; i++)
		n = MAX(n, s->params->table[i].count);
	return n;
}

int model_source_finite(const struct model_source *s, const char *path, struct err *e)
{
	for (int i = 0; i < s->params->n; i++) {
		const struct param *t = &s->params->table[i];
		for (size_t k = 0; k < t->count; k++)
			if (!isfinite(s->w[t->offset + k]))
				return err_set(e, ERR_STATE, "export: %s: weights are not finite (tensor %s), not written", path, t->name);
	}
	return 0;
}

/* --- writing --- */

static int no_such_format(const char *format, struct err *e)
{
	struct str all = {0};
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		str_printf(&all, "%s%s", i ? " " : "", formats[i].name);
	int rc = err_set(e, ERR_USAGE, "export: %.60s: no such format (there are: %s)", format, all.s ? all.s : "");
	str_done(&all);
	return rc;
}

static int folder_is_empty(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;
	if (!d)
		return 0;
	for (const struct dirent *f; (f = readdir(d));)
		n += strcmp(f->d_name, ".") && strcmp(f->d_name, "..");
	closedir(d);
	return !n;
}

/* May `path` be written? Somebody's other file or folder is not replaced. */
static int may_write(const struct format *f, const char *path, struct err *e)
{
	struct stat st;
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : err_set(e, ERR_IO, "export: %s: %s", path, strerror(errno));
	if (f->folder && S_ISDIR(st.st_mode) && folder_is_empty(path))
		return 0;
	if (f->folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return err_set(e, ERR_STATE, "export: %s: expected a %s or nothing, found something else (choose another name)", path, f->folder ? "folder" : "file");
	const struct format *there = told(path, f->folder);
	if (there && there->save == f->save)
		return 0;
	return err_set(e, ERR_STATE, "export: %s: is there and no model of this format (choose another name)", path);
}

int model_file_save(const char *format, const char *path, const struct model_source *s, struct str *report, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (strcmp(formats[i].name, format))
			continue;
		int rc = may_write(&formats[i], path, e);
		if (!rc)
			rc = model_source_finite(s, path, e);
		if (!rc)
			rc = formats[i].save(s, path, formats[i].variant, report, e);
		return rc;
	}
	return no_such_format(format, e);
}
