/* data_text.c: texts as token sources: the built-in corpus and any file, encoded once and cached under the hash of what went in.
 *
 * A text is mapped and encoded piece by piece, so that memory does not grow with it; the part that trains and the part that is held
 * out are encoded each by itself and can not share a token. A cached shard is believed when its checksum is right; else it is made anew.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "text/data.h"
#include "text/hash.h"
#include "text/shard.h"
#include "text/stories.h"
#include "text/vocab.h"

enum {
	CORPUS_BYTES = 5500000, CORPUS_SEED = 1,
	PART = 1 << 18,              /* text bytes between two looks at cancel */
	LOOK_FOR_NUL = 1 << 16,
	TRAIN_WHOLE = 64 << 20, SLICE = 64 << 10, SLICES = 256,
	FORMAT = 2,                  /* part of cache names: changes when the ids of a text would */
};

struct source {
	struct file_map map;
	struct str made;
	const char *s;    /* builtin: NULL until source_text */
	size_t n;
	uint64_t hash;
	int builtin;
};

static void source_close(struct source *s)
{
	file_unmap(&s->map);
	str_done(&s->made);
}

static int source_open(struct source *s, const char *path, struct err *e)
{
	*s = (struct source){.builtin = !strcmp(path, "builtin")};
	if (s->builtin) {
		int rc = stories_hash(&s->hash, e);
		s->hash = rng_mix(rng_mix(s->hash, CORPUS_BYTES), CORPUS_SEED);
		return rc;
	}
	int rc = file_map(&s->map, path, "data", e);
	if (rc)
		return rc;
	s->s = (const char *)s->map.data;
	s->n = s->map.size;
	const char *nul = s->n ? memchr(s->s, 0, MIN(s->n, LOOK_FOR_NUL)) : NULL;
	if (!s->n)
		rc = err_set(e, ERR_FORMAT, "data: %s: is empty", path);
	else if (nul)
		rc = err_set(e, ERR_FORMAT, "data: %s: NUL byte at %zu: this is no text (shards end in .bin or .tok)", path, (size_t)(nul - s->s));
	else
		s->hash = text_hash(1, s->s, s->n);
	if (rc)
		source_close(s);
	return rc;
}

/* A copy of the corpus in the cache, to be read by whoever wants to know what the model learns from. Never read back. */
static void keep_corpus(const struct source *s)
{
	char dir[3072], path[4096];
	if (file_cache_dir(dir, sizeof dir, NULL))
		return;
	snprintf(path, sizeof path, "%s/stories-%016llx.txt", dir, (unsigned long long)s->hash);
	if (file_is_dir(path) < 0)
		save_file(path, s->s, s->n, NULL); /* no harm when it can not be kept */
}

/* The corpus is told only when somebody needs it. */
static int source_text(struct source *s, struct err *e)
{
	if (!s->builtin || s->s)
		return 0;
	int rc = stories_generate(&s->made, CORPUS_BYTES, CORPUS_SEED, e);
	s->s = s->made.s;
	s->n = s->made.len;
	if (!rc)
		keep_corpus(s);
	return rc;
}

/* Where the held-out part begins: after a line end, for the corpus after an empty line; at the very place when the text has no lines. */
static size_t val_start(const struct source *s, double val_fraction)
{
	size_t at = s->n - (size_t)((double)s->n * val_fraction);
	const char *mark = s->builtin ? "\n\n" : "\n";
	const char *p = at < s->n ? memmem(s->s + at, s->n - at, mark, strlen(mark)) : NULL;
	if (p && (size_t)(p - s->s) + strlen(mark) < s->n)
		return (size_t)(p - s->s) + strlen(mark);
	while (at < s->n && ((unsigned char)s->s[at] & 0xc0) == 0x80)
		at++; /* not inside a character */
	return at;
}

struct job {
	const struct source *src;
	struct shard_writer w;
	struct encoder *enc;
	const struct tokenizer *t;
	struct ids ids;
	_Atomic float *progress;
	const atomic_int *cancel;
	struct err *e;
};

static int flush(struct job *j, size_t done)
{
	int rc = shard_write_ids(&j->w, j->ids.id, j->ids.n, j->e);
	j->ids.n = 0;
	if (j->progress)
		*j->progress = (float)done / (float)j->src->n;
	if (!rc && j->cancel && *j->cancel)
		rc = err_set(j->e, ERR_CANCEL, "data: interrupted");
	return rc;
}

static int encode_plain(struct job *j, size_t from, size_t to)
{
	for (size_t pos = 0; from + pos < to;) {
		int rc = encoder_run(j->enc, j->src->s + from, to - from, &pos, PART, &j->ids, j->e);
		if (!rc)
			rc = flush(j, from + pos);
		if (rc)
			return rc;
	}
	return 0;
}

static int encode_story(struct job *j, const char *s, size_t n, struct str *aside)
{
	size_t pos = 0;
	if (mem_grow(&j->ids.id, &j->ids.cap, j->ids.n + 1, sizeof *j->ids.id))
		return err_nomem(j->e, "data", j->ids.n * sizeof *j->ids.id);
	j->ids.id[j->ids.n++] = tokenizer_info(j->t)->separator;
	str_clear(aside);
	if (tokenizer_info(j->t)->blank) {
		str_putc(aside, ' '); /* as a prompt is encoded */
		str_add(aside, s, n);
		s = aside->s;
		n = aside->len;
	}
	return aside->failed ? err_nomem(j->e, "data", n) : encoder_run(j->enc, s, n, &pos, n, &j->ids, j->e);
}

static int encode_stories(struct job *j, size_t from, size_t to)
{
	struct str aside = {0};
	int rc = 0;
	for (size_t pos = from, flushed = from; pos < to && !rc;) {
		const char *s = j->src->s + pos, *end = memmem(s, to - pos, "\n\n", 2);
		size_t n = end ? (size_t)(end - s) : to - pos, step = end ? n + 2 : n;
		while (n && s[n - 1] == '\n')
			n--;
		rc = encode_story(j, s, n, &aside);
		pos += step;
		if (!rc && (pos - flushed >= PART || pos >= to)) {
			rc = flush(j, pos);
			flushed = pos;
		}
	}
	str_done(&aside);
	return rc;
}

static int encode_range(struct job *j, size_t from, size_t to)
{
	return j->src->builtin && tokenizer_info(j->t)->separator >= 0 ? encode_stories(j, from, to) : encode_plain(j, from, to);
}

/* Both parts, then (when asked) the tail. */
static int encode_all(struct job *j, double val_fraction, int with_tail)
{
	size_t split = val_start(j->src, val_fraction);
	j->w.width = tokenizer_info(j->t)->vocab <= 1 << 16 ? 2 : 4;
	j->w.text_bytes = (double)j->src->n;
	j->w.val_bytes = (double)(j->src->n - split);
	j->enc = encoder_new(j->t);
	int rc = j->enc ? encode_range(j, 0, split) : err_nomem(j->e, "data", 1 << 20);
	j->w.ntrain = j->w.ntoken;
	if (!rc)
		rc = encode_range(j, split, j->src->n);
	if (!rc && with_tail)
		rc = shard_write_tail(&j->w, j->t, j->e);
	encoder_free(j->enc);
	ids_done(&j->ids);
	return rc;
}

/* The shard as a file of its own in memory, so that closing is the same as for a file. */
static int map_memory(struct file_map *m, const struct str *s, struct err *e)
{
	int fd = -1;
	void *p = file_memory("anetui-data", s->len, &fd);
	if (!p) {
		if (fd >= 0)
			close(fd);
		return err_nomem(e, "data", s->len);
	}
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

static int adopt(struct data *d, const char *path, const struct tokenizer *t, struct err *e)
{
	struct shard_about a;
	struct data_file *f = &d->file[0];
	uint64_t foreign;
	const struct tokenizer_info *info = tokenizer_info(t);
	if (!shard_is_ours(&f->map))
		return err_set(e, ERR_FORMAT, "data: %s: not a token file of ours", path);
	int rc = shard_read_tail(f, path, &a, NULL, e);
	if (!rc)
		rc = shard_find_foreign(f, (uint32_t)info->vocab, NULL, 0, 1, &foreign, e);
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

/* The cache folder's file for this hash. -1: there is no place for caches. */
static int cache_path(char *out, size_t n, uint64_t hash, const char *end)
{
	char dir[3900];
	if (file_cache_dir(dir, sizeof dir, NULL))
		return -1;
	snprintf(out, n, "%s/%016llx%s", dir, (unsigned long long)hash, end);
	return 0;
}

static int make_shard(struct data *d, struct source *s, const char *path, const char *cache, struct job *j, double val_fraction)
{
	struct save save;
	int rc = source_text(s, j->e);
	if (rc)
		return rc;
	if (*cache && !save_begin(&save, cache, s->n / 2 + SHARD_TAIL, NULL))
		j->w.save = &save;
	rc = encode_all(j, val_fraction, 1);
	if (rc) {
		if (j->w.save)
			save_abort(&save);
	} else if (!j->w.save) {
		rc = one_file(d, j->e);
		if (!rc)
			rc = map_memory(&d->file[0].map, &j->w.memory, j->e);
	} else {
		rc = save_commit(&save, j->e);
		if (!rc)
			rc = one_file(d, j->e);
		if (!rc)
			rc = file_map_keep(&d->file[0].map, cache, "data", j->e);
	}
	str_done(&j->w.memory);
	return rc ? rc : adopt(d, path, j->t, j->e);
}

int data_open_text(struct data *d, const char *path, const struct tokenizer *t, double val_fraction, _Atomic float *progress,
		   const atomic_int *cancel, struct err *e)
{
	struct source s;
	char cache[4096] = "";
	*d = (struct data){0};
	if (!(val_fraction >= 0 && val_fraction <= 0.9))
		return err_set(e, ERR_RANGE, "data: val=%g: must be 0 to 0.9", val_fraction);
	int rc = source_open(&s, path, e);
	if (rc)
		return rc;
	uint64_t key[] = {FORMAT, s.hash, tokenizer_info(t)->hash, (uint64_t)(val_fraction * 1e9)};
	if (cache_path(cache, sizeof cache, text_hash(4, key, sizeof key), ".tok"))
		cache[0] = 0;
	if (!*cache || one_file(d, NULL) || file_map_keep(&d->file[0].map, cache, "data", NULL) || adopt(d, path, t, NULL)) {
		data_close(d);
		struct job j = {.src = &s, .t = t, .progress = progress, .cancel = cancel, .e = e};
		rc = make_shard(d, &s, path, cache, &j, val_fraction);
		if (rc == ERR_IO && *cache) { /* the disk is full or gone: without a cache then */
			data_close(d);
			j.w = (struct shard_writer){0};
			rc = make_shard(d, &s, path, "", &j, val_fraction);
		}
	}
	source_close(&s);
	if (rc)
		data_close(d);
	else
		snprintf(d->name, sizeof d->name, "%s", path);
	if (progress)
		*progress = 1;
	return rc;
}

int data_tokenize(const char *path, const struct tokenizer *t, const char *out, uint64_t *ntoken, _Atomic float *progress,
		  const atomic_int *cancel, struct err *e)
{
	struct source s;
	struct save save;
	int vocab = tokenizer_info(t)->vocab;
	size_t n = strlen(out);
	int ours = n > 4 && !strcmp(out + n - 4, ".tok");
	if (!ours && vocab > 1 << 16)
		return err_set(e, ERR_RANGE, "tokenize: %s: a vocabulary of %d does not fit 2-byte ids (name it .tok)", out, vocab);
	int rc = source_open(&s, path, e);
	if (rc)
		return rc;
	rc = source_text(&s, e);
	if (!rc)
		rc = save_begin(&save, out, s.n / 2 + SHARD_TAIL, e);
	if (!rc) {
		struct job j = {.src = &s, .t = t, .progress = progress, .cancel = cancel, .e = e, .w = {.save = &save}};
		rc = encode_all(&j, 0, ours);
		if (ntoken)
			*ntoken = j.w.ntoken;
		if (rc)
			save_abort(&save);
		else
			rc = save_commit(&save, e);
	}
	source_close(&s);
	return rc;
}

/* Lines from all over a long text. */
static void sample_lines(struct str *out, const char *s, size_t n)
{
	for (size_t k = 0; k < SLICES; k++) {
		const char *from = s + (n - SLICE) / (SLICES - 1) * k, *to = from + SLICE;
		const char *first = k ? memchr(from, '\n', SLICE) : from;
		const char *begin = first && k ? first + 1 : from, *end = to;
		while (end > begin && end[-1] != '\n')
			end--;
		str_add(out, begin, (size_t)((end > begin ? end : to) - begin));
	}
}

static int copy_text(struct str *out, struct source *s, struct err *e)
{
	int rc = source_text(s, e);
	if (rc)
		return rc;
	if (s->builtin) {
		*out = s->made;
		s->made = (struct str){0};
	} else if (s->n <= TRAIN_WHOLE) {
		str_add(out, s->s, s->n);
	} else {
		sample_lines(out, s->s, s->n);
	}
	return out->failed ? err_nomem(e, "data", s->n) : 0;
}

int data_text(struct str *out, const char *path, struct err *e)
{
	struct source s;
	*out = (struct str){0};
	int rc = source_open(&s, path, e);
	if (rc)
		return rc;
	rc = copy_text(out, &s, e);
	source_close(&s);
	if (rc)
		str_done(out);
	return rc;
}

struct tokenizer *data_tokenizer(const char *path, int vocab, const atomic_int *cancel, struct err *e)
{
	struct source s;
	struct str text = {0};
	char cache[4096] = "";
	if (source_open(&s, path, e))
		return NULL;
	uint64_t key[] = {FORMAT, s.hash, (uint64_t)vocab};
	struct tokenizer *t = NULL;
	int have = !cache_path(cache, sizeof cache, text_hash(5, key, sizeof key), ".tokenizer");
	if (have)
		t = tokenizer_load(cache, NULL);
	if (!t && !copy_text(&text, &s, e)) {
		t = tokenizer_train(text.s, text.len, vocab, cancel, e);
		if (t && have)
			tokenizer_save(t, cache, NULL); /* a cache that can not be written costs time only */
	}
	str_done(&text);
	source_close(&s);
	return t;
}
