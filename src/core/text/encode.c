/* encode.c: text to ids in blocks of about a MiB. Where a block ends depends on the text alone, so the ids do not depend on the number of threads.
 *
 * Documents are encoded each by itself. A plain text is cut where a line begins with something that is no blank, if the tokenizer makes no piece across that; then the
 * ids are those of the text in one go. Where such a place is not found in time, the text goes on piece by piece on one thread.
 * SPDX-License-Identifier: MIT */
#include "text/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/vocab.h"

enum { BLOCK = 1 << 20, CUT_WITHIN = 1 << 20, ROUND_MAX = 64, FIRST = 1 << 18 };

struct block {
	const struct source_file *f;
	size_t from, to;
	struct ids ids;
	struct source_doc doc;
	struct str aside;
	double bytes;              /* of text */
	struct err e;
};

struct job {
	const struct source *s;
	const struct tokenizer *t;
	struct shard_writer *w;
	const struct data_work *work;
	struct encoder **enc;      /* one for each thread */
	int nenc;
	struct block *block;
	int nblock;                /* of a round */
	int single;                /* a plain file that is alone: no separator */
	uint64_t done;             /* bytes of all files */
	double bytes;              /* of text so far */
	struct err *e;
};

/* --- one block ---------------------------------------------------------------------------------------------------- */

static int put_id(struct block *b, int id)
{
	if (mem_grow(&b->ids.id, &b->ids.cap, b->ids.n + 1, sizeof *b->ids.id))
		return err_nomem(&b->e, "data", b->ids.n * sizeof *b->ids.id);
	b->ids.id[b->ids.n++] = id;
	return 0;
}

/* A document, or the beginning of one: as a prompt is encoded. */
static int encode_begin(struct block *b, struct encoder *c, const struct tokenizer *t, const char *s, size_t n)
{
	int id = tokenizer_info(t)->separator;
	size_t pos = 0;
	if (id >= 0 && put_id(b, id))
		return b->e.code;
	str_clear(&b->aside);
	if (n && tokenizer_info(t)->blank) {
		str_putc(&b->aside, ' ');
		str_add(&b->aside, s, n);
		s = b->aside.s;
		n = b->aside.len;
	}
	return b->aside.failed ? err_nomem(&b->e, "data", n) : encoder_run(c, s, n, &pos, n, &b->ids, &b->e);
}

static int encode_docs(struct block *b, struct encoder *c, const struct tokenizer *t)
{
	int rc = 0;
	for (size_t at = b->from; at < b->to && !rc; at = b->doc.next) {
		rc = source_doc(b->f, at, b->to, &b->doc, &b->e);
		if (rc || !b->doc.s)
			continue;
		b->bytes += (double)b->doc.n;
		rc = encode_begin(b, c, t, b->doc.s, b->doc.n);
	}
	return rc;
}

static void encode_block(void *arg, int task, int thread)
{
	struct job *j = arg;
	struct block *b = &j->block[task];
	struct encoder *c = j->enc[thread];
	size_t pos = 0, n = b->to - b->from;
	b->ids.n = 0;
	b->bytes = 0;
	err_clear(&b->e);
	if (b->f->kind != SOURCE_PLAIN && (b->f->kind != SOURCE_STORIES || tokenizer_info(j->t)->separator >= 0)) {
		encode_docs(b, c, j->t);
		return;
	}
	b->bytes = (double)n;
	if (b->from == 0 && !j->single)
		encode_begin(b, c, j->t, b->f->s, n);
	else
		encoder_run(c, b->f->s + b->from, n, &pos, n, &b->ids, &b->e);
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

static int told(const struct job *j)
{
	if (j->work->progress)
		*j->work->progress = j->s->bytes ? (float)((double)j->done / (double)j->s->bytes) : 1;
	return j->work->cancel && *j->work->cancel ? err_set(j->e, ERR_CANCEL, "data: interrupted") : 0;
}

static int take(struct job *j, const struct block *b)
{
	if (b->e.code)
		return err_set(j->e, (enum err_code)b->e.code, "%s", b->e.msg);
	j->bytes += b->bytes;
	j->done += b->to - b->from;
	file_forget(&b->f->map, b->from, b->to - b->from);
	return shard_write_ids(j->w, b->ids.id, b->ids.n, j->e);
}

/* The blocks that have been collected: made side by side, written in their order. */
static int flush(struct job *j)
{
	int rc = 0, n = j->nblock;
	if (n)
		pool_run(j->work->pool, n, encode_block, j);
	for (int i = 0; i < n && !rc; i++)
		rc = take(j, &j->block[i]);
	j->nblock = 0;
	return rc ? rc : told(j);
}

/* Where a block that begins at `from` ends: at most `end`; 0: nowhere in time. */
static size_t block_end(const struct job *j, const struct source_file *f, size_t from, size_t end)
{
	if (end - from <= BLOCK)
		return end;
	if (f->kind != SOURCE_PLAIN && (f->kind != SOURCE_STORIES || tokenizer_info(j->t)->separator >= 0))
		return MIN(source_begin(f, from + BLOCK), end);
	return encoder_cut(j->t, f->s, end, from + BLOCK, MIN(CUT_WITHIN, end - from - BLOCK));
}

/* Piece after piece on one thread, until about a block has been made: for a text without a place to cut. */
static int go_on_alone(struct job *j, const struct source_file *f, size_t *at, size_t end)
{
	struct block *b = &j->block[0];
	int rc = flush(j);
	size_t pos = 0;
	if (rc)
		return rc;
	b->ids.n = 0;
	b->f = f;
	b->from = *at;
	err_clear(&b->e);
	if (*at == 0 && !j->single) {
		/* The blank in front would have to stand before what is not copied: such a text begins without it. */
		int id = tokenizer_info(j->t)->separator;
		rc = id >= 0 ? put_id(b, id) : 0;
	}
	if (!rc)
		rc = encoder_run(j->enc[0], f->s + *at, end - *at, &pos, BLOCK, &b->ids, &b->e);
	*at += pos;
	b->to = *at;
	b->bytes = (double)pos;
	rc = take(j, b);
	return rc ? rc : told(j);
}

static int encode_range(struct job *j, const struct source_file *f, size_t from, size_t end)
{
	int rc = 0, round = MIN(2 * j->nenc, ROUND_MAX);
	for (size_t at = from, to; at < end && !rc; at = to) {
		to = block_end(j, f, at, end);
		if (!to) {
			to = at;
			rc = go_on_alone(j, f, &to, end);
			continue;
		}
		struct block *b = &j->block[j->nblock++];
		b->f = f;
		b->from = at;
		b->to = to;
		if (j->nblock == round)
			rc = flush(j);
	}
	return rc ? rc : flush(j);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

/* The first file and the place in it that are held out. */
static int val_begin(const struct source *s, double fraction, size_t *at)
{
	*at = 0;
	if (s->ntrain < s->nfile)
		return s->ntrain;
	uint64_t from = s->bytes - (uint64_t)((double)s->bytes * fraction);
	for (int i = 0; i < s->nfile; i++) {
		if (from < s->file[i].n) {
			*at = source_begin(&s->file[i], (size_t)from);
			return i;
		}
		from -= s->file[i].n;
	}
	return s->nfile;
}

static int encode_parts(struct job *j, double val_fraction)
{
	const struct source *s = j->s;
	size_t at;
	int k = val_begin(s, val_fraction, &at), rc = 0;
	for (int i = 0; i < s->nfile && !rc && i <= k; i++)
		rc = encode_range(j, &s->file[i], 0, i < k ? s->file[i].n : at);
	j->w->ntrain = j->w->ntoken;
	double train = j->bytes;
	for (int i = k; i < s->nfile && !rc; i++)
		rc = encode_range(j, &s->file[i], i > k ? 0 : at, s->file[i].n);
	j->w->text_bytes = j->bytes;
	j->w->val_bytes = j->bytes - train;
	return rc;
}

static int job_init(struct job *j)
{
	j->nenc = j->work->pool ? pool_threads(j->work->pool) : 1;
	j->enc = mem_zalloc((size_t)j->nenc, sizeof *j->enc);
	j->block = mem_zalloc(ROUND_MAX, sizeof *j->block);
	for (int i = 0; j->enc && i < j->nenc; i++)
		if (!(j->enc[i] = encoder_new(j->t)))
			return err_nomem(j->e, "data", 1 << 20);
	return j->enc && j->block ? 0 : err_nomem(j->e, "data", ROUND_MAX * sizeof *j->block);
}

static void job_done(struct job *j)
{
	for (int i = 0; j->enc && i < j->nenc; i++)
		encoder_free(j->enc[i]);
	for (int i = 0; j->block && i < ROUND_MAX; i++) {
		ids_done(&j->block[i].ids);
		str_done(&j->block[i].doc.own);
		str_done(&j->block[i].aside);
	}
	free(j->enc);
	free(j->block);
}

int encode_source(const struct source *s, const struct tokenizer *t, double val_fraction, struct shard_writer *w, const struct data_work *work, struct err *e)
{
	struct job j = {.s = s, .t = t, .w = w, .work = work, .single = s->nfile == 1 && s->file[0].kind == SOURCE_PLAIN, .e = e};
	int rc = job_init(&j);
	if (!rc)
		rc = encode_parts(&j, val_fraction);
	job_done(&j);
	return rc;
}

double encode_rate(const struct source *s, const struct tokenizer *t)
{
	static const struct data_work alone;
	struct err e = {0};
	struct job j = {.s = s, .t = t, .work = &alone, .single = 1, .e = &e};
	double rate = 1;
	if (!job_init(&j) && s->file[0].s) {
		struct block *b = &j.block[0];
		b->f = &s->file[0];
		b->to = MIN(b->f->n, FIRST);
		while (b->f->kind == SOURCE_JSONL && b->to < b->f->n && b->to && b->f->s[b->to - 1] != '\n')
			b->to--; /* whole lines; when the first is longer, its beginning is no JSON, and the rate is not known */
		encode_block(&j, 0, 0);
		if (!b->e.code && b->to)
			rate = (double)b->ids.n / (double)b->to;
	}
	job_done(&j);
	return rate;
}
