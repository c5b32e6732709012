/* blas_memory.c: see blas_memory.h. A value that is not as we write it makes the whole file unusable: it is measured anew and written over.
 * SPDX-License-Identifier: MIT */
#include "device/blas_memory.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "device/blas.h"

enum { FORM = 1, FILE_MAX = 65536, CPUS_MAX = 65536 };

static int place(char *path, size_t n, const struct blas_choice *c, const struct blas_choice_how *how, struct err *e)
{
	uint32_t crc = crc32c(0, c->processor, strlen(c->processor));
	crc = crc32c(crc, c->simd, strlen(c->simd));
	crc = crc32c(crc, &c->cpus, sizeof c->cpus);
	crc = crc32c(crc, &how->asked_for, sizeof how->asked_for);
	for (int i = 0; how->names[i]; i++)
		crc = crc32c(crc, how->names[i], strlen(how->names[i]) + 1);
	int k = snprintf(path, n, "%s/machine-%08x.json", how->folder, (unsigned)crc);
	return k < 0 || (size_t)k >= n ? err_set(e, ERR_RANGE, "machine: %.60s: the path is too long", how->folder) : 0;
}

/* --- writing --- */

static void put_text(struct str *s, const char *key, const char *v)
{
	str_printf(s, ",\"%s\":", key);
	str_json(s, v, strlen(v));
}

static void put(struct str *s, const struct blas_choice *c)
{
	str_printf(s, "{\"form\":%d", FORM);
	put_text(s, "version", ANETUI_VERSION);
	put_text(s, "processor", c->processor);
	put_text(s, "simd", c->simd);
	put_text(s, "kernels", c->kernels);
	str_printf(s, ",\"cpus\":%d,\"busy\":%s,\"libraries\":[", c->cpus, c->busy ? "true" : "false");
	for (int i = 0; i < c->nlib; i++) {
		const struct blas_tried *t = &c->tried[i];
		str_printf(s, "%s\n{\"bytes\":%llu,\"mtime\":%lld,\"gflops\":%.9g", i ? "," : "", (unsigned long long)t->bytes, (long long)t->mtime, t->gflops);
		put_text(s, "name", t->name);
		put_text(s, "path", t->path);
		put_text(s, "library", t->library);
		put_text(s, "kernels", t->kernels);
		str_putc(s, '}');
	}
	str_printf(s, "],\n\"library\":%d,\"counts\":[", c->lib);
	for (int i = 0; i < c->ncount; i++)
		str_printf(s, "%s{\"threads\":%d,\"gflops\":%.9g}", i ? "," : "", c->count[i].threads, c->count[i].gflops);
	str_printf(s, "],\"threads\":%d}\n", c->threads);
}

int blas_memory_write(const struct blas_choice *c, const struct blas_choice_how *how, struct err *e)
{
	char path[4200];
	struct str s = {0};
	int rc = place(path, sizeof path, c, how, e);
	if (rc)
		return rc;
	put(&s, c);
	rc = s.failed ? err_nomem(e, "machine", s.cap) : save_file(path, s.s, s.len, e);
	str_done(&s);
	return rc;
}

/* --- reading --- */

/* Each of them 0, or -1 for what is not there, of another type, or out of bounds. */
static int get_text(const json_t *j, const char *key, char *out, size_t n)
{
	const json_t *v = json_object_get(j, key);
	if (!json_is_string(v) || json_string_length(v) >= n || strlen(json_string_value(v)) != json_string_length(v))
		return -1;
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return 0;
}

static int get_int(const json_t *j, const char *key, json_int_t least, json_int_t most, json_int_t *out)
{
	const json_t *v = json_object_get(j, key);
	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= least && *out <= most ? 0 : -1;
}

static int get_rate(const json_t *j, double *out)
{
	const json_t *v = json_object_get(j, "gflops");
	*out = json_number_value(v);
	return json_is_number(v) && *out >= 0 && isfinite(*out) ? 0 : -1;
}

static int get_tried(const json_t *j, struct blas_tried *t)
{
	json_int_t bytes, mtime;
	if (get_text(j, "name", t->name, sizeof t->name) || get_text(j, "path", t->path, sizeof t->path) || get_text(j, "library", t->library, sizeof t->library) ||
	    get_text(j, "kernels", t->kernels, sizeof t->kernels) || get_int(j, "bytes", 0, INT64_MAX, &bytes) || get_int(j, "mtime", INT64_MIN, INT64_MAX, &mtime))
		return -1;
	t->bytes = (uint64_t)bytes;
	t->mtime = mtime;
	return get_rate(j, &t->gflops);
}

static int get_lists(const json_t *j, struct blas_choice *c)
{
	const json_t *libs = json_object_get(j, "libraries"), *counts = json_object_get(j, "counts");
	size_t nlib = json_array_size(libs), ncount = json_array_size(counts);
	json_int_t v;
	if (!nlib || nlib > BLAS_LIBS || !ncount || ncount > BLAS_COUNTS)
		return -1;
	c->nlib = (int)nlib;
	c->ncount = (int)ncount;
	for (size_t i = 0; i < nlib; i++)
		if (get_tried(json_array_get(libs, i), &c->tried[i]))
			return -1;
	for (size_t i = 0; i < ncount; i++) {
		const json_t *k = json_array_get(counts, i);
		if (get_int(k, "threads", 1, c->cpus, &v) || get_rate(k, &c->count[i].gflops))
			return -1;
		c->count[i].threads = (int)v;
	}
	return 0;
}

/* What the choice says must be one of what it lists. */
static int get_choice(const json_t *j, struct blas_choice *c)
{
	json_int_t lib, threads;
	int listed = 0;
	if (get_int(j, "library", 0, c->nlib - 1, &lib) || get_int(j, "threads", 1, c->cpus, &threads) || !c->tried[lib].library[0])
		return -1;
	c->lib = (int)lib;
	c->threads = (int)threads;
	for (int i = 0; i < c->ncount; i++)
		listed |= c->count[i].threads == c->threads;
	return listed ? 0 : -1;
}

static int get(const json_t *j, struct blas_choice *c)
{
	json_int_t cpus;
	memset(c, 0, sizeof *c);
	if (get_text(j, "processor", c->processor, sizeof c->processor) || get_text(j, "simd", c->simd, sizeof c->simd) ||
	    get_text(j, "kernels", c->kernels, sizeof c->kernels) || get_int(j, "cpus", 1, CPUS_MAX, &cpus) || !json_is_boolean(json_object_get(j, "busy")))
		return -1;
	c->cpus = (int)cpus;
	c->busy = json_is_true(json_object_get(j, "busy"));
	return get_lists(j, c) || get_choice(j, c) ? -1 : 0;
}

int blas_memory_read(struct blas_choice *old, const struct blas_choice *now, const struct blas_choice_how *how, struct err *e)
{
	char path[4200], version[32];
	struct str text = {0};
	json_error_t why;
	json_int_t form;
	int rc = place(path, sizeof path, now, how, e);
	if (rc)
		return rc;
	if (file_is_dir(path) < 0)
		return 0;
	if ((rc = file_read(&text, path, "machine", FILE_MAX, e)))
		return rc;
	json_t *j = json_loadb(text.s ? text.s : "", text.len, 0, &why);
	str_done(&text);
	if (!j)
		return err_set(e, ERR_FORMAT, "machine: %s: line %d: %s", path, why.line, why.text);
	if (get_int(j, "form", 0, INT32_MAX, &form) || get_text(j, "version", version, sizeof version))
		rc = err_set(e, ERR_FORMAT, "machine: %s: no form and version of this program", path);
	else if (form != FORM || strcmp(version, ANETUI_VERSION))
		rc = 0;
	else if (get(j, old))
		rc = err_set(e, ERR_FORMAT, "machine: %s: a value is missing or out of bounds", path);
	else
		rc = 1;
	json_decref(j);
	return rc;
}
