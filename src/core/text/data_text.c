/* data_text.c: texts as token sources: encoded once, cached under the hash of what went in; and the text that a tokenizer is trained on.
 *
 * The part that trains and the part that is held out are encoded each by itself and can not share a token. A cached shard is believed when its checksum is
 * right; else it is made anew. Where texts come from is in source.c, how they become ids in encode.c.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "text/data.h"
#include "text/encode.h"
#include "text/hash.h"
#include "text/shard.h"
#include "text/source.h"

enum {
	TRAIN_WHOLE = 64 << 20, SLICE = 64 << 10, SLICES = 256,
	FORMAT = 3,                  /* part of cache names: changes when the ids of a text would */
};

/* --- the cache ---------------------------------------------------------------------------------------------------- */

/* The cache folder's file for this hash. -1: there is no place for caches. */
static int cache_path(char *out, size_t n, uint64_t hash, const char *end)
{
	char dir[3900];
	if (file_cache_dir(dir, sizeof dir, NULL))
		return -1;
	snprintf(out, n, "%s/%016llx%s", dir, (unsigned long long)hash, end);
	return 0;
}

/* The shard as a file of its own in memory, so that closing is the same as for a file. */
static int map_memory(struct file_map *m, const struct str *s, struct err *e)
{
	int fd = -1;
	void *p = file_memory("anetui-data", s->len, &fd);
	if (!p)
		return err_nomem(e, "data", s->len);
	memcpy(p, s->s, s->len);
	*m = (struct file_map){p, s->len, MAX(fd, 0)};
	return 0;
}

/* Room for the one file that a text becomes. */
static int one_file(struct data *d, struct err *e)
{
	d->file = mem_zalloc(1, sizeof *d->file);
	d->nfile = d->file != NULL;
	return d->file ? 0 : err_nomem(e, "data", sizeof *d->file);
}

static int adopt(struct data *d, const char *path, const struct tokenizer *t, const struct data_work *w, struct err *e)
{
	struct shard_about a;
	struct data_file *f = &d->file[0];
	uint64_t foreign;
	const struct tokenizer_info *info = tokenizer_info(t);
	if (!shard_is_ours(&f->map))
		return err_set(e, ERR_FORMAT, "data: %s: not a token file of ours", path);
	int rc = shard_read_tail(f, path, &a, w, e);
	if (!rc)
		rc = shard_find_foreign(f, (uint32_t)info->vocab, w, 0, 1, &foreign, e);
	if (rc)
		return rc;
	if (a.tokenizer_hash != info->hash || foreign < f->n)
		return err_set(e, ERR_FORMAT, "data: %s: made with another tokenizer", path);
	if (f->n < 2)
		return err_set(e, ERR_FORMAT, "data: %s: %llu ids, at least 2 are needed", path, (unsigned long long)f->n);
	d->ntoken = f->n;
	d->ntrain = a.ntrain;
	d->val_bytes = a.val_bytes;
	d->tokenizer_hash = a.tokenizer_hash;
	shard_hash(d);
	return 0;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* Into the file `cache`, or into memory when that is "". */
static int make_shard(struct data *d, struct source *s, const char *path, const struct tokenizer *t, const char *cache, double val_fraction,
		      const struct data_work *w, struct err *e)
{
	struct save save;
	struct shard_writer out = {.width = tokenizer_info(t)->vocab <= 1 << 16 ? 2 : 4};
	int rc = source_tell(s, e);
	if (rc)
		return rc;
	if (*cache && !save_begin(&save, cache, s->bytes / 2 + SHARD_TAIL, NULL))
		out.save = &save;
	rc = encode_source(s, t, val_fraction, &out, w, e);
	if (!rc)
		rc = shard_write_tail(&out, t, e);
	if (rc && out.save)
		save_abort(&save);
	if (!rc && out.save)
		rc = save_commit(&save, e);
	if (!rc)
		rc = one_file(d, e);
	if (!rc)
		rc = out.save ? file_map_keep(&d->file[0].map, cache, "data", e) : map_memory(&d->file[0].map, &out.memory, e);
	str_done(&out.memory);
	return rc ? rc : adopt(d, path, t, w, e);
}

static void tell_about(struct data *d, const struct source *s)
{
	static const char *const kinds[] = {"", "documents by <|endoftext|>", "", "JSON lines"};
	if (s->nfile > 1)
		snprintf(d->about, sizeof d->about, "%d texts, %d of them held out", s->nfile, s->nfile - s->ntrain);
	else
		snprintf(d->about, sizeof d->about, "%s", kinds[s->file[0].kind]);
}

/* From the cache, else made. */
static int open_source(struct data *d, struct source *s, const char *path, const struct tokenizer *t, double val_fraction, const struct data_work *w, struct err *e)
{
	char cache[4096] = "";
	uint64_t key[] = {FORMAT, s->hash, tokenizer_info(t)->hash, (uint64_t)(val_fraction * 1e9)};
	if (cache_path(cache, sizeof cache, text_hash(4, key, sizeof key), ".tok"))
		cache[0] = 0;
	if (*cache && !one_file(d, NULL) && !file_map_keep(&d->file[0].map, cache, "data", NULL) && !adopt(d, path, t, NULL, NULL))
		return 0;
	data_close(d);
	int rc = make_shard(d, s, path, t, cache, val_fraction, w, e);
	if (rc == ERR_IO && *cache) { /* the disk is full or gone: without a cache then */
		data_close(d);
		rc = make_shard(d, s, path, t, "", val_fraction, w, e);
	}
	return rc;
}

int data_open_source(struct data *d, const char *path, const struct tokenizer *t, double val_fraction, const struct data_work *w, struct err *e)
{
	struct source s;
	*d = (struct data){0};
	if (!(val_fraction >= 0 && val_fraction <= 0.9))
		return err_set(e, ERR_RANGE, "data: val=%g: must be 0 to 0.9", val_fraction);
	int rc = source_open(&s, path, e);
	if (!rc)
		rc = source_hash(&s, w, e);
	if (!rc)
		rc = open_source(d, &s, path, t, val_fraction, w, e);
	if (rc) {
		data_close(d);
	} else {
		snprintf(d->name, sizeof d->name, "%s", path);
		tell_about(d, &s);
	}
	source_close(&s);
	if (w->progress)
		*w->progress = 1;
	return rc;
}

int data_open_text(struct data *d, const char *path, const struct tokenizer *t, double val_fraction, _Atomic float *progress,
		   const atomic_int *cancel, struct err *e)
{
	struct data_work w = {NULL, progress, cancel};
	return data_open_source(d, path, t, val_fraction, &w, e);
}

/* --- text for a tokenizer ----------------------------------------------------------------------------------------- */

/* The text of [from, to) of a file: whole documents, or whatever stands there. */
static int copy_range(struct str *out, const struct source_file *f, size_t from, size_t to, struct err *e)
{
	struct source_doc d = {0};
	int rc = 0;
	if (f->kind == SOURCE_PLAIN || f->kind == SOURCE_STORIES) {
		str_add(out, f->s + from, to - from);
		return 0;
	}
	for (; from < to && !rc; from = d.next) {
		rc = source_doc(f, from, to, &d, e);
		if (rc || !d.s)
			continue;
		str_add(out, d.s, d.n);
		str_putc(out, '\n');
	}
	str_done(&d.own);
	return rc;
}

/* Lines from all over a long text. */
static int copy_slices(struct str *out, const struct source *s, struct err *e)
{
	int rc = 0;
	for (uint64_t k = 0; k < SLICES && !rc; k++) {
		uint64_t at = (s->bytes - SLICE) / (SLICES - 1) * k;
		const struct source_file *f = s->file;
		while (at >= f->n)
			at -= (f++)->n;
		size_t from = source_begin(f, (size_t)at), to = source_begin(f, (size_t)MIN(at + SLICE, f->n));
		if (from > at + SLICE) /* nothing begins there: the middle of it will do */
			from = f->kind == SOURCE_PLAIN ? (size_t)at : from;
		if (f->kind == SOURCE_PLAIN)
			to = MIN(to, from + SLICE);
		rc = copy_range(out, f, from, to, e);
	}
	return rc;
}

static int copy_text(struct str *out, struct source *s, struct err *e)
{
	int rc = source_tell(s, e);
	if (rc)
		return rc;
	if (s->bytes > TRAIN_WHOLE)
		rc = copy_slices(out, s, e);
	for (int i = 0; !rc && i < s->nfile && s->bytes <= TRAIN_WHOLE; i++)
		rc = copy_range(out, &s->file[i], 0, s->file[i].n, e);
	return rc ? rc : out->failed ? err_nomem(e, "data", s->bytes) : 0;
}

int data_text(struct str *out, const char *path, struct err *e)
{
	struct source s;
	*out = (struct str){0};
	int rc = source_open(&s, path, e);
	if (!rc)
		rc = copy_text(out, &s, e);
	source_close(&s);
	if (rc)
		str_done(out);
	return rc;
}

static struct tokenizer *tokenizer_of(struct source *s, int vocab, const atomic_int *cancel, struct err *e)
{
	struct str text = {0};
	struct data_work w = {NULL, NULL, cancel};
	char cache[4096] = "";
	struct tokenizer *t = NULL;
	if (source_hash(s, &w, e))
		return NULL;
	uint64_t key[] = {FORMAT, s->hash, (uint64_t)vocab};
	int have = !cache_path(cache, sizeof cache, text_hash(5, key, sizeof key), ".tokenizer");
	if (have)
		t = tokenizer_load(cache, NULL);
	if (!t && !copy_text(&text, s, e)) {
		t = tokenizer_train(text.s, text.len, vocab, cancel, e);
		if (t && have)
			tokenizer_save(t, cache, NULL); /* a cache that can not be written costs time only */
	}
	str_done(&text);
	return t;
}

struct tokenizer *data_tokenizer(const char *path, int vocab, const atomic_int *cancel, struct err *e)
{
	struct source s;
	struct tokenizer *t = source_open(&s, path, e) ? NULL : tokenizer_of(&s, vocab, cancel, e);
	source_close(&s);
	return t;
}
