/* convert.c: texts into token files, and back. Memory stays bounded, whatever their size; no half file ever has the final name.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/save.h"
#include "text/data.h"
#include "text/encode.h"
#include "text/shard.h"
#include "text/source.h"

/* What is asked of the disk beforehand: what the first part of the file lets expect, and a tenth. */
enum { MARGIN = 64 << 10, LOOK_IDS = 1 << 16, STEP_IDS = 1 << 18 };

static int ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n > k && !strcasecmp(s + n - k, end);
}

static unsigned long long expected(double bytes)
{
	return (unsigned long long)(bytes * 1.1) + MARGIN;
}

/* What stands at `out` is replaced by the end: never what is being read, and nothing but a file. `read` is one of the files that are. */
static int check_out(const char *what, const char *out, const struct file_map *read, struct err *e)
{
	struct stat is, from;
	if (stat(out, &is))
		return 0;
	if (!S_ISREG(is.st_mode))
		return err_set(e, ERR_STATE, "%s: %s: expected a file or nothing, found %s (choose another name)", what, out, S_ISDIR(is.st_mode) ? "a folder" : "something else");
	if (read->fd && !fstat(read->fd, &from) && from.st_dev == is.st_dev && from.st_ino == is.st_ino)
		return err_set(e, ERR_STATE, "%s: %s: is what is read (choose another name)", what, out);
	return 0;
}

/* --- text to ids -------------------------------------------------------------------------------------------------- */

static int out_width(const char *out, int vocab, struct err *e)
{
	if (ends_in(out, ".u32"))
		return 4;
	if (ends_in(out, ".u16") && vocab > 1 << 16)
		return err_set(e, ERR_RANGE, "tokenize: %s: a vocabulary of %d does not fit 2-byte ids (name it .u32, .bin or .tok)", out, vocab);
	return vocab > 1 << 16 ? 4 : 2;
}

static int encode_to(struct source *s, const struct tokenizer *t, const char *out, struct shard_writer *w, const struct data_work *work, struct err *e)
{
	struct save save;
	int ours = ends_in(out, ".tok"), rc = source_tell(s, e);
	if (!rc)
		rc = save_begin(&save, out, expected((double)s->bytes * encode_rate(s, t) * w->width), e);
	if (rc)
		return rc;
	w->save = &save;
	rc = encode_source(s, t, 0, w, work, e);
	if (!rc && !w->ntoken)
		rc = err_set(e, ERR_FORMAT, "tokenize: %s: there is no text in it", s->file[0].path);
	if (!rc && ours)
		rc = shard_write_tail(w, t, e);
	if (!rc)
		return save_commit(&save, e);
	save_abort(&save);
	return rc;
}

int data_tokenize(const char *path, const struct tokenizer *t, const char *out, const struct data_work *work, struct data_made *made, struct err *e)
{
	struct source s;
	int width = out_width(out, tokenizer_info(t)->vocab, e);
	if (width < 0)
		return width;
	struct shard_writer w = {.width = width};
	int rc = source_open(&s, path, e);
	for (int i = 0; i < s.nfile && !rc; i++)
		rc = check_out("tokenize", out, &s.file[i].map, e);
	if (!rc)
		rc = encode_to(&s, t, out, &w, work, e);
	source_close(&s);
	if (made)
		*made = (struct data_made){w.ntoken, w.ntoken - w.ntrain, (uint64_t)w.text_bytes, width};
	return rc;
}

/* --- ids to text -------------------------------------------------------------------------------------------------- */

struct decoding {
	const struct data *d;
	const struct tokenizer *t;
	int json;                  /* one document a line */
	int separator, prev, begun; /* begun: a document is open (json), or something was written */
	struct str text;           /* of the document, or since the last write */
	struct str line;
	uint64_t bytes;
	struct save *save;         /* NULL: nothing is written */
	struct err *e;
};

static int put(struct decoding *c, struct str *s)
{
	int rc = s->failed ? err_nomem(c->e, "detokenize", s->len) : 0;
	c->bytes += s->len;
	if (!rc && c->save && s->len)
		rc = save_write(c->save, s->s, s->len, c->e);
	str_clear(s);
	return rc;
}

static int end_document(struct decoding *c)
{
	if (!c->json || !c->begun)
		return 0;
	str_puts(&c->line, "{\"text\":");
	str_json(&c->line, c->text.s ? c->text.s : "", c->text.len);
	str_puts(&c->line, "}\n");
	c->line.failed |= c->text.failed;
	str_clear(&c->text);
	return put(c, &c->line);
}

static int take_id(struct decoding *c, int id)
{
	size_t n;
	const char *s = tokenizer_piece(c->t, c->prev, id, &n);
	int rc = 0;
	if (id == c->separator) {
		if (c->json)
			rc = end_document(c);
		else if (c->begun)
			str_puts(&c->text, "\n\n");
		c->begun = 1;
	} else if (n) {
		str_add(&c->text, s, n);
		c->begun = 1;
	}
	c->prev = id;
	return rc;
}

/* Ids [0, n), with what is left at the end. */
static int decode(struct decoding *c, uint64_t n, const struct data_work *w)
{
	int rc = 0, id[512];
	for (int k = 0; k < c->d->nfile && !rc; k++) {
		const struct data_file *f = &c->d->file[k];
		uint64_t upto = MIN(n, f->first + f->n), kept = 0;
		for (uint64_t i = f->first; i < upto && !rc;) {
			size_t m = (size_t)MIN(upto - i, ARRAY_LEN(id));
			data_ids(c->d, i, m, id);
			for (size_t j = 0; j < m && !rc; j++)
				rc = take_id(c, id[j]);
			i += m;
			if (i - f->first - kept < STEP_IDS && i < upto)
				continue;
			file_forget(&f->map, (size_t)(f->start + kept * (uint64_t)f->width), (size_t)((i - f->first - kept) * (uint64_t)f->width));
			kept = i - f->first;
			if (!rc && !c->json)
				rc = put(c, &c->text);
			if (w && w->progress)
				*w->progress = (float)((double)i / (double)n);
			if (!rc && w && w->cancel && *w->cancel)
				rc = err_set(c->e, ERR_CANCEL, "data: interrupted");
		}
	}
	if (!rc)
		rc = c->json ? end_document(c) : put(c, &c->text);
	return rc;
}

static void decoding_done(struct decoding *c)
{
	str_done(&c->text);
	str_done(&c->line);
}

/* Bytes that the first ids become, for each. */
static double decode_rate(const struct decoding *like)
{
	struct decoding c = *like;
	uint64_t n = MIN(c.d->ntoken, LOOK_IDS);
	int rc = decode(&c, n, NULL);
	decoding_done(&c);
	return rc ? 1 : (double)c.bytes / (double)n;
}

int data_detokenize(const char *path, const struct tokenizer *t, const char *out, int width, const struct data_work *work, struct data_made *made, struct err *e)
{
	struct data d;
	struct save save;
	const struct tokenizer_info *info = tokenizer_info(t);
	struct data_how how = {.vocab = info->vocab, .width = width, .tokenizer_hash = info->hash, .tokenizer = info->name, .work = *work};
	int rc = data_open_tokens(&d, path, &how, e);
	if (rc)
		return rc;
	struct decoding c = {.d = &d, .t = t, .json = ends_in(out, ".jsonl") || ends_in(out, ".ndjson"), .separator = info->separator, .prev = -1, .e = e};
	for (int i = 0; i < d.nfile && !rc; i++)
		rc = check_out("detokenize", out, &d.file[i].map, e);
	if (!rc)
		rc = save_begin(&save, out, expected((double)d.ntoken * decode_rate(&c)), e);
	if (!rc) {
		c.save = &save;
		rc = decode(&c, d.ntoken, work);
		if (rc)
			save_abort(&save);
		else
			rc = save_commit(&save, e);
	}
	*made = (struct data_made){d.ntoken, 0, c.bytes, d.file[0].width};
	decoding_done(&c);
	data_close(&d);
	return rc;
}
