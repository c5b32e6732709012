/* tokenizer.c: the outward side of tokenizers: files, encoding, pieces. Training is in bpe_train.c, the kinds in bpe.c, spm.c and merges.c, bytes in tokenizer_pack.c.
 * SPDX-License-Identifier: MIT */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "text/splitter.h"
#include "text/vocab.h"

void ids_done(struct ids *v)
{
	free(v->id);
	*v = (struct ids){0};
}

void tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	free(t->bytes);
	free(t->off);
	free(t->type);
	free(t->added.id);
	free(t->merge);
	free(t->made);
	idmap_done(&t->pair);
	splitter_free(t->splitter);
	free(t->score);
	idmap_done(&t->text);
	idmap_done(&t->joint);
	free(t->raw);
	free(t);
}

const struct tokenizer_info *tokenizer_info(const struct tokenizer *t)
{
	return &t->info;
}

/* Of a file that others wrote; `path` is NULL when it is no file. */
static struct tokenizer *parse_parts(const unsigned char *data, size_t n, const char *name, const char *path, struct err *e)
{
	struct tokenizer_parts p;
	tokenizer_parts_init(&p);
	int rc = spm_model_is(data, n) ? spm_model_read(&p, data, n, name, e) : tokenizer_json_read(&p, data, n, name, e);
	if (!rc && path)
		rc = tokenizer_folder_read(&p, path, e);
	struct tokenizer *t = rc ? NULL : tokenizer_new(&p, name, e);
	tokenizer_parts_done(&p);
	return t;
}

static struct tokenizer *parse(const unsigned char *data, size_t n, const char *name, const char *path, struct err *e)
{
	if (spm_model_is(data, n) || tokenizer_json_is(data, n))
		return parse_parts(data, n, name, path, e);
	return tokenizer_unpack(data, n, name, e);
}

struct tokenizer *tokenizer_parse(const void *data, size_t n, const char *name, struct err *e)
{
	return parse(data, n, name, NULL, e);
}

struct tokenizer *tokenizer_load(const char *path, struct err *e)
{
	struct file_map m;
	if (file_is_dir(path) == 1)
		return tokenizer_load_folder(path, e);
	if (file_map(&m, path, "tokenizer", e))
		return NULL;
	struct tokenizer *t = parse(m.data ? m.data : (const unsigned char *)"", m.size, path, path, e);
	file_unmap(&m);
	const char *slash = strrchr(path, '/');
	if (t && t->info.kind == TOKENIZER_LLAMA2C)
		snprintf(t->info.name, sizeof t->info.name, "%.60s", slash ? slash + 1 : path);
	return t;
}

static int save_json(const struct tokenizer *t, const char *path, struct err *e)
{
	struct str s = {0};
	int rc = tokenizer_json(t, &s, e);
	if (!rc)
		rc = save_file(path, s.s, s.len, e);
	str_done(&s);
	return rc;
}

int tokenizer_save(const struct tokenizer *t, const char *path, struct err *e)
{
	size_t len = strlen(path);
	if (len > 5 && !strcmp(path + len - 5, ".json"))
		return save_json(t, path, e);
	if (t->info.kind == TOKENIZER_LLAMA2C) /* other programs read it too: as it was */
		return save_file(path, t->raw, t->nraw, e);
	unsigned char *p;
	size_t n;
	int rc = tokenizer_pack(t, &p, &n, e);
	if (!rc)
		rc = save_file(path, p, n, e);
	free(p);
	return rc;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, int how, struct ids *out, struct err *e)
{
	char *own = NULL;
	if ((how & TOKENIZE_START) && n && t->info.blank) {
		if (!(own = malloc(n + 1)))
			return err_nomem(e, "tokenizer", n + 1);
		own[0] = ' ';
		memcpy(own + 1, text, n++);
		text = own;
	}
	struct encoder *c = encoder_new(t);
	size_t pos = 0;
	if (c && how & TOKENIZE_SPECIAL)
		encoder_take_special(c);
	int rc = c ? encoder_run(c, text, n, &pos, n, out, e) : err_nomem(e, "tokenizer", 1 << 20);
	encoder_free(c);
	free(own);
	return rc;
}

int tokenizer_is_end(const struct tokenizer *t, int id)
{
	for (int i = 0; i < t->nend; i++)
		if (t->end[i] == id)
			return 1;
	return id >= 0 && (id == t->info.bos || id == t->info.eos);
}

const char *tokenizer_piece(const struct tokenizer *t, int prev, int id, size_t *n)
{
	static const char every[256] = {
#define ROW(h) h, h + 1, h + 2, h + 3, h + 4, h + 5, h + 6, h + 7, h + 8, h + 9, h + 10, h + 11, h + 12, h + 13, h + 14, h + 15
		ROW(0),	   ROW(16),  ROW(32),  ROW(48),	 ROW(64),  ROW(80),  ROW(96),  ROW(112),
		ROW(-128), ROW(-112), ROW(-96), ROW(-80), ROW(-64), ROW(-48), ROW(-32), ROW(-16),
#undef ROW
	};
	*n = 0;
	if (id < 0 || id >= t->info.vocab || t->type[id] == TOKENIZER_CONTROL)
		return "";
	const char *s = t->bytes + t->off[id];
	*n = t->off[id + 1] - t->off[id];
	if (t->type[id] == TOKENIZER_BYTE) {
		*n = 1;
		return &every[spm_byte_of_piece(s, 6)];
	}
	if (t->info.blank && prev == t->info.bos && prev >= 0 && *n && s[0] == ' ') {
		s++;
		--*n;
	}
	return s;
}
