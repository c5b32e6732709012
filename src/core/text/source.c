/* source.c: texts and their documents. SPDX-License-Identifier: MIT */
#include "text/source.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/save.h"
#include "text/folder.h"
#include "text/hash.h"
#include "text/shard.h"
#include "text/stories.h"

enum { CORPUS_BYTES = 5500000, CORPUS_SEED = 1, LOOK_FOR_NUL = 1 << 16, LOOK_FOR_MARK = 1 << 20, HASH_BLOCK = 64 << 20 };
static const char mark[] = "<|endoftext|>";
enum { MARK = sizeof mark - 1 };

/* --- opening ------------------------------------------------------------------------------------------------------ */

void source_close(struct source *s)
{
	for (int i = 0; i < s->nfile; i++) {
		file_unmap(&s->file[i].map);
		free(s->file[i].path);
	}
	free(s->file);
	str_done(&s->made);
	*s = (struct source){0};
}

static size_t line_end(const char *s, size_t at, size_t n)
{
	const char *nl = at < n ? memchr(s + at, '\n', n - at) : NULL;
	return nl ? (size_t)(nl - s) : n;
}

/* The next line at or after `at` (a line's beginning) that is the mark: its beginning, n when there is none. *next: behind it. */
static size_t find_mark(const char *s, size_t n, size_t at, size_t *next)
{
	for (const char *p; at < n && (p = memmem(s + at, n - at, mark, MARK)); at = (size_t)(p - s) + MARK) {
		size_t from = (size_t)(p - s), to = from + MARK;
		to += to < n && s[to] == '\r';
		if ((from && s[from - 1] != '\n') || (to < n && s[to] != '\n'))
			continue;
		*next = MIN(to + 1, n);
		return from;
	}
	*next = n;
	return n;
}

static json_t *document_of(json_t *root)
{
	json_t *text = json_object_get(root, "text");
	return json_is_string(text) ? text : json_object_get(root, "story");
}

static int is_json_line(const char *s, size_t n)
{
	size_t at = 0, end;
	while (at < n && (s[at] == ' ' || s[at] == '\n' || s[at] == '\r' || s[at] == '\t'))
		at++;
	if (at == n || s[at] != '{')
		return 0;
	end = line_end(s, at, MIN(n, at + LOOK_FOR_MARK));
	json_t *root = json_loadb(s + at, end - at, JSON_ALLOW_NUL, NULL);
	int is = root && json_is_string(document_of(root));
	json_decref(root);
	return is;
}

static int ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n > k && !strcasecmp(s + n - k, end);
}

static enum source_kind kind_of(const struct source_file *f)
{
	size_t next;
	if (ends_in(f->path, ".jsonl") || ends_in(f->path, ".ndjson") || is_json_line(f->s, f->n))
		return SOURCE_JSONL;
	return find_mark(f->s, MIN(f->n, LOOK_FOR_MARK), 0, &next) < MIN(f->n, LOOK_FOR_MARK) ? SOURCE_MARKED : SOURCE_PLAIN;
}

static int open_file(struct source *s, const char *path, struct err *e)
{
	struct source_file *f = &s->file[s->nfile];
	if (!(f->path = mem_strdup(path)))
		return err_nomem(e, "data", strlen(path));
	s->nfile++; /* from here on it is closed with the others */
	int rc = file_map_keep(&f->map, path, "data", e);
	if (rc)
		return rc;
	const char *other = f->map.data ? shard_other(&f->map) : NULL;
	f->s = (const char *)f->map.data;
	f->n = f->map.size;
	const char *nul = f->n ? memchr(f->s, 0, MIN(f->n, LOOK_FOR_NUL)) : NULL;
	if (!f->n)
		return err_set(e, ERR_FORMAT, "data: %s: is empty", path);
	if (other)
		return err_set(e, ERR_FORMAT, "data: %s: is %s, no text", path, other);
	if (nul)
		return err_set(e, ERR_FORMAT, "data: %s: NUL byte at %zu: this is no text (token files end in .bin, .tok, .u16 or .u32)", path, (size_t)(nul - f->s));
	f->kind = kind_of(f);
	s->bytes += f->n;
	return 0;
}

static int open_folder(struct source *s, const char *dir, struct err *e)
{
	struct folder f;
	int rc = folder_open(&f, dir, e);
	if (!rc && f.tokens)
		rc = err_set(e, ERR_FORMAT, "data: %s: is a folder of token files, texts are needed", dir);
	if (!rc && !(s->file = mem_zalloc((size_t)f.n, sizeof *s->file)))
		rc = err_nomem(e, "data", (size_t)f.n * sizeof *s->file);
	for (int i = 0; !rc && i < f.n; i++)
		rc = open_file(s, f.path[i], e);
	s->ntrain = f.n - f.nval;
	folder_done(&f);
	return rc;
}

int source_open(struct source *s, const char *path, struct err *e)
{
	*s = (struct source){.builtin = !strcmp(path, "builtin"), .ntrain = 1};
	if (!s->builtin && file_is_dir(path) == 1)
		return open_folder(s, path, e);
	if (!(s->file = mem_zalloc(1, sizeof *s->file)))
		return err_nomem(e, "data", sizeof *s->file);
	if (!s->builtin)
		return open_file(s, path, e);
	s->file[0].kind = SOURCE_STORIES;
	s->nfile = 1;
	s->file[0].path = mem_strdup(path);
	return s->file[0].path ? 0 : err_nomem(e, "data", strlen(path));
}

int source_hash(struct source *s, const struct data_work *w, struct err *e)
{
	if (s->builtin) {
		int rc = stories_hash(&s->hash, e);
		s->hash = rng_mix(rng_mix(s->hash, CORPUS_BYTES), CORPUS_SEED);
		return rc;
	}
	uint64_t about[] = {(uint64_t)s->nfile, (uint64_t)s->ntrain}, h = text_hash(1, about, sizeof about);
	for (int i = 0; i < s->nfile; i++) {
		const struct source_file *f = &s->file[i];
		h = rng_mix(h, (uint64_t)f->kind);
		for (size_t at = 0; at < f->n; at += HASH_BLOCK) {
			h = text_hash(h, f->s + at, MIN(f->n - at, HASH_BLOCK));
			file_forget(&f->map, at, MIN(f->n - at, HASH_BLOCK));
			if (w && w->cancel && *w->cancel && at + HASH_BLOCK < f->n)
				return err_set(e, ERR_CANCEL, "data: interrupted");
		}
	}
	s->hash = h ? h : 1;
	return 0;
}

/* A copy of the corpus in the cache, to be read by whoever wants to know what the model learns from. Never read back. */
static void keep_corpus(const struct source *s)
{
	char dir[3072], path[4096];
	uint64_t hash;
	if (file_cache_dir(dir, sizeof dir, NULL) || stories_hash(&hash, NULL))
		return;
	hash = rng_mix(rng_mix(hash, CORPUS_BYTES), CORPUS_SEED);
	snprintf(path, sizeof path, "%s/stories-%016llx.txt", dir, (unsigned long long)hash);
	if (file_is_dir(path) < 0)
		save_file(path, s->made.s, s->made.len, NULL); /* no harm when it can not be kept */
}

int source_tell(struct source *s, struct err *e)
{
	if (!s->builtin || s->file[0].s)
		return 0;
	int rc = stories_generate(&s->made, CORPUS_BYTES, CORPUS_SEED, e);
	if (rc)
		return rc;
	s->file[0].s = s->made.s;
	s->file[0].n = s->bytes = s->made.len;
	keep_corpus(s);
	return 0;
}

/* --- documents ---------------------------------------------------------------------------------------------------- */

/* Behind the next `end` that begins at or after `at`, but not at the very end of the text. */
static size_t behind(const struct source_file *f, size_t at, const char *end)
{
	const char *p = at < f->n ? memmem(f->s + at, f->n - at, end, strlen(end)) : NULL;
	size_t to = p ? (size_t)(p - f->s) + strlen(end) : f->n;
	return to;
}

size_t source_begin(const struct source_file *f, size_t at)
{
	size_t to = f->n, next;
	if (at == 0 || at >= f->n)
		return MIN(at, f->n);
	switch (f->kind) {
	case SOURCE_STORIES: return behind(f, at, "\n\n");
	case SOURCE_JSONL: return behind(f, at - 1, "\n");
	case SOURCE_MARKED:
		find_mark(f->s, f->n, at, &next);
		return next;
	case SOURCE_PLAIN:
		to = behind(f, at - 1, "\n");
		break;
	}
	if (to < f->n)
		return to;
	while (at < f->n && ((unsigned char)f->s[at] & 0xc0) == 0x80)
		at++; /* not inside a character */
	return at;
}

static int bad_line(const struct source_file *f, size_t at, const char *why, struct err *e)
{
	unsigned long long line = 1;
	for (const char *p = f->s, *end = f->s + at; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		line++;
	return err_set(e, ERR_FORMAT, "data: %s:%llu: %s", f->path, line, why);
}

static int json_doc(const struct source_file *f, size_t at, size_t end, struct source_doc *d, struct err *e)
{
	json_error_t je;
	size_t to = line_end(f->s, at, end), from = at;
	if (!at && to >= 3 && !memcmp(f->s, "\xef\xbb\xbf", 3))
		from = 3;
	while (from < to && (f->s[from] == ' ' || f->s[from] == '\t' || f->s[from] == '\r'))
		from++;
	d->next = MIN(to + 1, end);
	if (from == to)
		return 0;
	json_t *root = json_loadb(f->s + from, to - from, JSON_ALLOW_NUL, &je), *text = root ? document_of(root) : NULL;
	int rc = 0;
	if (!root) {
		char why[240];
		snprintf(why, sizeof why, "column %d: %s (one JSON object a line is wanted)", je.column, je.text);
		rc = bad_line(f, at, why, e);
	} else if (!json_is_string(text)) {
		rc = bad_line(f, at, json_is_object(root) ? "neither \"text\" nor \"story\" is a string in it" : "is no JSON object", e);
	} else {
		str_clear(&d->own);
		str_add(&d->own, json_string_value(text), json_string_length(text));
		rc = d->own.failed ? err_nomem(e, "data", json_string_length(text)) : 0;
		d->s = d->own.s ? d->own.s : "";
		d->n = d->own.len;
	}
	json_decref(root);
	return rc;
}

/* Without the line ends around it. */
static void trimmed(struct source_doc *d, const char *s, size_t from, size_t to)
{
	while (to > from && (s[to - 1] == '\n' || s[to - 1] == '\r'))
		to--;
	while (from < to && (s[from] == '\n' || s[from] == '\r'))
		from++;
	d->s = to > from ? s + from : NULL;
	d->n = to - from;
}

int source_doc(const struct source_file *f, size_t at, size_t end, struct source_doc *d, struct err *e)
{
	size_t to;
	const char *p;
	d->s = NULL;
	d->n = 0;
	switch (f->kind) {
	case SOURCE_JSONL: return json_doc(f, at, end, d, e);
	case SOURCE_MARKED:
		to = find_mark(f->s, end, at, &d->next);
		trimmed(d, f->s, at, to);
		return 0;
	case SOURCE_STORIES:
		p = memmem(f->s + at, end - at, "\n\n", 2);
		to = p ? (size_t)(p - f->s) : end;
		d->next = p ? to + 2 : end;
		while (to > at && f->s[to - 1] == '\n')
			to--;
		d->s = f->s + at;
		d->n = to - at;
		return 0;
	case SOURCE_PLAIN: break;
	}
	d->s = f->s + at;
	d->n = end - at;
	d->next = end;
	return 0;
}
