/* data_shard.c: token files as token sources: one, or a folder of them. Their formats are in shard.c.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/data.h"
#include "text/folder.h"
#include "text/shard.h"

struct opening {
	struct data *d;
	const struct data_how *how;
	double text_bytes;         /* of all; < 0: not known of some file */
	struct shard_about own;    /* of the last file of ours */
	int nown;
	struct err *e;
};

int data_is_shard(const char *path)
{
	struct file_map m;
	int dir = file_is_dir(path);
	if (dir == 1)
		return folder_has_tokens(path);
	if (dir < 0 || file_map(&m, path, "data", NULL))
		return shard_name(path);
	int is = shard_kind_of(&m, path) != SHARD_NONE;
	file_unmap(&m);
	return is;
}

static int made_with_another(const struct opening *o, const char *path, uint64_t hash)
{
	char with[100];
	snprintf(with, sizeof with, "%.60s (%016llx)", o->how->tokenizer ? o->how->tokenizer : "the weights'", (unsigned long long)o->how->tokenizer_hash);
	return err_set(o->e, ERR_FORMAT, "data: %s: its ids are of tokenizer %016llx, the model's is %s: tokenize the text again, or `new` with the tokenizer it was made with", path,
		       (unsigned long long)hash, with);
}

static int read_ours(struct opening *o, struct data_file *f, const char *path)
{
	int rc = shard_read_tail(f, path, &o->own, &o->how->work, o->e);
	if (rc)
		return rc;
	o->nown++;
	if (o->how->tokenizer_hash && o->own.tokenizer_hash != o->how->tokenizer_hash)
		return made_with_another(o, path, o->own.tokenizer_hash);
	if (o->d->tokenizer_hash && o->own.tokenizer_hash != o->d->tokenizer_hash)
		return err_set(o->e, ERR_FORMAT, "data: %s: its ids are of tokenizer %016llx, those of the files before it of %016llx (tokenize all with one)", path,
			       (unsigned long long)o->own.tokenizer_hash, (unsigned long long)o->d->tokenizer_hash);
	o->d->tokenizer_hash = o->own.tokenizer_hash;
	o->text_bytes = o->text_bytes < 0 ? o->text_bytes : o->text_bytes + o->own.text_bytes;
	return 0;
}

static int read_head(struct opening *o, struct data_file *f, const char *path)
{
	static const char *const kinds[] = {"", "", "llm.c's header, ", "no header, "};
	const char *other = shard_other(&f->map);
	enum shard_kind kind = shard_kind_of(&f->map, path);
	if (!f->map.size)
		return err_set(o->e, ERR_FORMAT, "data: %s: is empty", path);
	if (other && (kind == SHARD_BARE || kind == SHARD_NONE))
		return err_set(o->e, ERR_FORMAT, "data: %s: is %s, no tokens", path, other);
	if (kind == SHARD_NONE && !o->how->width)
		return err_set(o->e, ERR_FORMAT, "data: %s: is a text, no tokens (headerless ids are told by width=2 or width=4)", path);
	int rc = kind == SHARD_OURS ? read_ours(o, f, path) : kind == SHARD_LLMC ? shard_read_llmc(f, path, o->e) :
		shard_read_bare(f, path, o->how->width, o->how->vocab, o->e);
	if (kind != SHARD_OURS)
		o->text_bytes = -1;
	if (!rc && kind != SHARD_OURS && kind != SHARD_LLMC)
		kind = SHARD_BARE;
	if (!rc)
		snprintf(o->d->about, sizeof o->d->about, "%s%d-byte ids", kinds[kind], f->width);
	return rc;
}

/* The end of the path, for people. */
static void name_file(struct data_file *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	snprintf(f->name, sizeof f->name, "%s", slash && slash[1] ? slash + 1 : path);
}

static int add_file(struct opening *o, const char *path)
{
	struct data *d = o->d;
	struct data_file *f = &d->file[d->nfile], *before = d->nfile ? f - 1 : NULL;
	int rc = file_map_keep(&f->map, path, "data", o->e), ours = o->nown == d->nfile;
	if (rc)
		return rc;
	d->nfile++; /* from here on it is closed with the others */
	name_file(f, path);
	rc = read_head(o, f, path);
	if (rc)
		return rc;
	if (before && (f->width != before->width || (ours && o->nown < d->nfile) || (!ours && o->nown)))
		return err_set(o->e, ERR_FORMAT, "data: %s: %s, unlike %s: a folder must hold one kind", path, d->about, before->name);
	f->first = d->ntoken;
	d->ntoken += f->n;
	return 0;
}

/* Every id, file by file. */
static int check_ids(const struct opening *o, char *const *path)
{
	const struct data *d = o->d;
	double done = 0;
	for (int i = 0; i < d->nfile; i++) {
		const struct data_file *f = &d->file[i];
		double part = d->ntoken ? (double)f->n / (double)d->ntoken : 0;
		uint64_t at;
		int rc = shard_find_foreign(f, (uint32_t)o->how->vocab, &o->how->work, done, part, &at, o->e);
		if (rc)
			return rc;
		if (at < f->n)
			return err_set(o->e, ERR_FORMAT, "data: %s: id %u at position %llu: the vocabulary has %d ids (another tokenizer's shard%s?)", path[i],
				       (unsigned)data_id(d, f->first + at), (unsigned long long)at, o->how->vocab,
				       f->width == 2 && !o->how->width && f->map.size % 4 == 0 && !f->start ? ", or 4-byte ids: width=4" : "");
		done += part;
	}
	return 0;
}

/* Where the validation part begins. */
static void split(struct opening *o, int nval)
{
	struct data *d = o->d;
	uint64_t held = (uint64_t)((double)d->ntoken * o->how->val);
	if (d->nfile > 1) {
		d->ntrain = nval ? d->file[d->nfile - nval].first : d->ntoken;
		held = d->ntoken - d->ntrain;
	} else if (o->how->own_split && o->nown && o->own.ntrain < d->ntoken) {
		d->ntrain = o->own.ntrain;
		d->val_bytes = o->own.val_bytes;
		return;
	}
	d->ntrain = d->ntoken - held;
	d->val_bytes = o->text_bytes > 0 ? o->text_bytes * (double)held / (double)d->ntoken : 0;
}

static int open_files(struct opening *o, char *const *path, int n, int nval)
{
	struct data *d = o->d;
	int rc = 0;
	d->file = mem_zalloc((size_t)n, sizeof *d->file);
	if (!d->file)
		return err_nomem(o->e, "data", (size_t)n * sizeof *d->file);
	for (int i = 0; i < n && !rc; i++)
		rc = add_file(o, path[i]);
	if (!rc && d->ntoken < 2)
		rc = err_set(o->e, ERR_FORMAT, "data: %s: %llu ids, at least 2 are needed", d->name, (unsigned long long)d->ntoken);
	if (!rc)
		rc = check_ids(o, path);
	if (rc)
		return rc;
	split(o, nval);
	shard_hash(d);
	return 0;
}

/* llama2.c holds out its first file: it goes to the end. */
static void first_is_last(char **path, int n)
{
	char *first = path[0];
	memmove(path, path + 1, (size_t)(n - 1) * sizeof *path);
	path[n - 1] = first;
}

static int open_folder(struct opening *o, const char *dir)
{
	struct folder f;
	char kind[sizeof o->d->about];
	int rc = folder_open(&f, dir, o->e);
	if (!rc && !f.tokens)
		rc = err_set(o->e, ERR_FORMAT, "data: %s: is a folder of texts, token files are needed", dir);
	if (!rc && f.n > 1 && !f.nval && o->how->val > 0) {
		first_is_last(f.path, f.n);
		f.nval = 1;
	}
	if (!rc)
		rc = open_files(o, f.path, f.n, f.nval);
	if (!rc) {
		snprintf(kind, sizeof kind, "%s", o->d->about);
		snprintf(o->d->about, sizeof o->d->about, "%d files, %d of them held out; %.24s", f.n, f.n > 1 ? f.nval : 0, kind);
	}
	folder_done(&f);
	return rc;
}

int data_open_tokens(struct data *d, const char *path, const struct data_how *how, struct err *e)
{
	struct opening o = {.d = d, .how = how, .e = e};
	*d = (struct data){0};
	if (!(how->val >= 0 && how->val <= 0.9))
		return err_set(e, ERR_RANGE, "data: val=%g: must be 0 to 0.9", how->val);
	snprintf(d->name, sizeof d->name, "%s", path);
	char *one = mem_strdup(path);
	int rc = !one ? err_nomem(e, "data", strlen(path)) : file_is_dir(path) == 1 ? open_folder(&o, path) : open_files(&o, &one, 1, 0);
	free(one);
	if (rc)
		data_close(d);
	return rc;
}

int data_open_shard(struct data *d, const char *path, int vocab, double val_fraction, struct err *e)
{
	struct data_how how = {.vocab = vocab, .val = val_fraction};
	return data_open_tokens(d, path, &how, e);
}
