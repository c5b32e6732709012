/* gguf_tokenizer.c: the keys tokenizer.ggml.* into a tokenizer and back: model "llama" (by score) and "gpt2" (by merges). No tensors.
 *
 * What these keys can not say is written beside them under names of our own, which others pass over: the exact split of our own tokenizers, NFC, and the
 * ids that end a text. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "io/gguf_model.h"
#include "text/tokenizer_parts.h"

#define KEY "tokenizer.ggml."
#define OUR_SPLIT "anetui.tokenizer.split"
#define OUR_NFC "anetui.tokenizer.nfc"
#define OUR_ENDS "anetui.tokenizer.ends"

static int is(const char *s, size_t n, const char *want)
{
	return n == strlen(want) && !memcmp(s, want, n);
}

/* --- reading --- */

static int read_split(const struct gguf_file *f, struct tokenizer_parts *p, struct err *e)
{
	/* Names of the same splits. */
	static const struct { const char *name; enum tokenizer_split split; } also[] = {
		{"default", TOKENIZER_SPLIT_GPT2}, {"gpt2", TOKENIZER_SPLIT_GPT2}, {"llama3", TOKENIZER_SPLIT_LLAMA3}, {"llama-v3", TOKENIZER_SPLIT_LLAMA3},
	};
	const char *s = "default";
	size_t n = 7;
	char shown[64];
	int rc = gguf_get_string(f, OUR_SPLIT, &s, &n, e);
	if (!rc)
		rc = gguf_get_string(f, KEY "pre", &s, &n, e);
	if (rc < 0)
		return rc;
	int split = tokenizer_split_find(gguf_shown(shown, s, n));
	for (size_t i = 0; i < ARRAY_LEN(also) && split < 0; i++)
		if (is(s, n, also[i].name))
			split = (int)also[i].split;
	if (split < 0)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: key " KEY "pre: expected gpt-2, qwen2, llama-bpe or default, found %s", f->path, shown);
	p->split = (enum tokenizer_split)split;
	p->nfc = split == TOKENIZER_SPLIT_QWEN2; /* no key says so; Qwen's own tokenizers do it */
	p->ignore_merges = split == TOKENIZER_SPLIT_LLAMA3;
	rc = gguf_get_bool(f, OUR_NFC, &p->nfc, e);
	return rc < 0 ? rc : 0;
}

static int same_length(const struct gguf_file *f, const char *name, const struct gguf_key *a, uint64_t want, struct err *e)
{
	return !a || a->n == want ? 0 : err_set(e, ERR_FORMAT, "tokenizer: %s: key %s: expected %" PRIu64 " elements as there are tokens, found %" PRIu64, f->path, name, want, a->n);
}

static int read_pieces(const struct gguf_file *f, struct tokenizer_parts *p, struct err *e)
{
	const struct gguf_key *tokens = NULL, *scores = NULL, *types = NULL;
	int rc = gguf_get_array(f, KEY "tokens", GGUF_STRING, &tokens, e);
	if (!rc)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: key " KEY "tokens: expected an array of strings, found none", f->path);
	if (rc > 0)
		rc = gguf_get_array(f, KEY "scores", GGUF_FLOAT32, &scores, e);
	if (!rc && p->algorithm == TOKENIZER_BY_SCORE)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: key " KEY "scores: expected an array of f32, found none", f->path);
	if (rc >= 0)
		rc = gguf_get_array(f, KEY "token_type", GGUF_I32, &types, e);
	if (rc >= 0)
		rc = same_length(f, KEY "scores", scores, tokens->n, e);
	if (!rc)
		rc = same_length(f, KEY "token_type", types, tokens->n, e);
	const unsigned char *at = rc ? NULL : tokens->data;
	for (uint64_t i = 0; !rc && i < tokens->n; i++) {
		size_t n;
		const char *s = gguf_next_string(&at, &n);
		uint32_t type = types ? gguf_u32(types->data + 4 * i) : TOKENIZER_NORMAL;
		if (type < TOKENIZER_NORMAL || type > TOKENIZER_BYTE)
			return err_set(e, ERR_FORMAT, "tokenizer: %s: key " KEY "token_type: id %" PRIu64 ": expected 1 to 6, found %d", f->path, i, (int)type);
		rc = tokenizer_parts_add_text(p, s, n, scores ? gguf_f32(scores->data + 4 * i) : 0, (enum tokenizer_type)type, e);
	}
	return rc;
}

static int read_merges(const struct gguf_file *f, struct tokenizer_parts *p, struct err *e)
{
	const struct gguf_key *merges = NULL;
	int rc = gguf_get_array(f, KEY "merges", GGUF_STRING, &merges, e);
	if (!rc)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: key " KEY "merges: expected an array of strings, found none", f->path);
	const unsigned char *at = rc < 0 ? NULL : merges->data;
	rc = rc < 0 ? rc : 0;
	for (uint64_t i = 0; !rc && i < merges->n; i++) {
		size_t n;
		const char *s = gguf_next_string(&at, &n);
		rc = tokenizer_parts_merge_line(p, s, n, e);
	}
	return rc;
}

static int read_id(const struct gguf_file *f, const char *name, int missing, int vocab, int *out, struct err *e)
{
	int64_t v = missing < vocab ? missing : -1;
	int rc = gguf_get_int(f, name, 0, vocab - 1, &v, e);
	*out = (int)v;
	return rc < 0 ? rc : 0;
}

static void add_end(struct tokenizer_parts *p, int id)
{
	for (int i = 0; i < p->nend; i++)
		if (p->end[i] == id)
			return;
	if (id >= 0 && p->nend < TOKENIZER_ENDS)
		p->end[p->nend++] = id;
}

static int read_ends(const struct gguf_file *f, struct tokenizer_parts *p, struct err *e)
{
	static const char *const names[] = {KEY "eot_token_id", KEY "eom_token_id"};
	const struct gguf_key *ends = NULL;
	int rc = gguf_get_array(f, OUR_ENDS, GGUF_U32, &ends, e);
	if (rc > 0) {
		for (uint64_t i = 0; i < ends->n; i++) {
			uint32_t id = gguf_u32(ends->data + 4 * i);
			if (id >= (uint32_t)p->vocab)
				return err_set(e, ERR_FORMAT, "tokenizer: %s: key " OUR_ENDS ": expected ids below %d, found %" PRIu32, f->path, p->vocab, id);
			add_end(p, (int)id);
		}
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(names) && !rc; i++) {
		int id;
		rc = read_id(f, names[i], -1, p->vocab, &id, e);
		if (!rc)
			add_end(p, id);
	}
	return rc;
}

static int read_special(const struct gguf_file *f, struct tokenizer_parts *p, struct err *e)
{
	int by_score = p->algorithm == TOKENIZER_BY_SCORE;
	const struct { const char *name; int missing, *to; } ids[] = {
		{KEY "bos_token_id", by_score ? 1 : -1, &p->bos}, {KEY "eos_token_id", by_score ? 2 : -1, &p->eos},
		{KEY "unknown_token_id", by_score ? 0 : -1, &p->unk}, {KEY "padding_token_id", -1, &p->pad},
	};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(ids) && !rc; i++)
		rc = read_id(f, ids[i].name, ids[i].missing, p->vocab, ids[i].to, e);
	p->add_bos = p->blank = by_score;
	if (!rc && (gguf_get_bool(f, KEY "add_bos_token", &p->add_bos, e) < 0 || gguf_get_bool(f, KEY "add_eos_token", &p->add_eos, e) < 0 ||
		    gguf_get_bool(f, KEY "add_space_prefix", &p->blank, e) < 0))
		return ERR_FORMAT;
	return rc ? rc : read_ends(f, p, e);
}

int gguf_tokenizer_read(const struct gguf_file *f, struct tokenizer **out, struct err *e)
{
	struct tokenizer_parts p;
	const char *s;
	size_t n;
	char shown[64];
	*out = NULL;
	int rc = gguf_get_string(f, KEY "model", &s, &n, e);
	if (rc <= 0 || is(s, n, "no_vocab") || is(s, n, "none"))
		return rc < 0 ? rc : 0;
	if (!is(s, n, "llama") && !is(s, n, "gpt2"))
		return err_set(e, ERR_FORMAT, "tokenizer: %s: key " KEY "model: expected llama or gpt2, found %s", f->path, gguf_shown(shown, s, n));
	tokenizer_parts_init(&p);
	p.algorithm = is(s, n, "llama") ? TOKENIZER_BY_SCORE : TOKENIZER_BY_MERGES;
	rc = p.algorithm == TOKENIZER_BY_MERGES ? read_split(f, &p, e) : 0;
	if (!rc)
		rc = read_pieces(f, &p, e);
	if (!rc && p.algorithm == TOKENIZER_BY_MERGES)
		rc = read_merges(f, &p, e);
	if (!rc)
		rc = read_special(f, &p, e);
	if (!rc && !(*out = tokenizer_new(&p, f->path, e)))
		rc = err_code_or(e, ERR_FORMAT);
	tokenizer_parts_done(&p);
	return rc;
}

/* --- writing --- */

static void put_pieces(struct gguf_head *h, const struct tokenizer_parts *p, int vocab)
{
	struct str text = {0};
	gguf_put_array(h, KEY "tokens", GGUF_STRING, (uint64_t)vocab);
	for (int i = 0; i < vocab; i++) {
		str_clear(&text);
		if (i < p->vocab)
			tokenizer_parts_text(p, i, &text);
		else
			str_printf(&text, "[PAD%d]", i);
		h->keys.failed |= text.failed;
		gguf_add_string(h, text.s ? text.s : "", text.len);
	}
	if (p->algorithm == TOKENIZER_BY_SCORE) {
		gguf_put_array(h, KEY "scores", GGUF_FLOAT32, (uint64_t)vocab);
		for (int i = 0; i < vocab; i++) {
			uint32_t u = 0;
			if (i < p->vocab)
				memcpy(&u, &p->score[i], sizeof u);
			gguf_add_u32(h, u);
		}
	}
	gguf_put_array(h, KEY "token_type", GGUF_I32, (uint64_t)vocab);
	for (int i = 0; i < vocab; i++)
		gguf_add_u32(h, i < p->vocab ? p->type[i] : TOKENIZER_UNUSED);
	str_done(&text);
}

static void put_merges(struct gguf_head *h, const struct tokenizer_parts *p)
{
	struct str text = {0};
	gguf_put_array(h, KEY "merges", GGUF_STRING, (uint64_t)p->nmerge);
	for (int i = 0; i < p->nmerge; i++) {
		str_clear(&text);
		tokenizer_parts_text(p, p->merge[i][0], &text);
		str_putc(&text, ' ');
		tokenizer_parts_text(p, p->merge[i][1], &text);
		h->keys.failed |= text.failed;
		gguf_add_string(h, text.s ? text.s : "", text.len);
	}
	str_done(&text);
}

static void put_special(struct gguf_head *h, const struct tokenizer_parts *p)
{
	const struct { const char *name; int id; } ids[] = {
		{KEY "bos_token_id", p->bos}, {KEY "eos_token_id", p->eos}, {KEY "unknown_token_id", p->unk}, {KEY "padding_token_id", p->pad},
	};
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (ids[i].id >= 0)
			gguf_put_u32(h, ids[i].name, (uint32_t)ids[i].id);
	gguf_put_bool(h, KEY "add_bos_token", p->add_bos);
	gguf_put_bool(h, KEY "add_eos_token", p->add_eos);
	gguf_put_bool(h, KEY "add_space_prefix", p->blank);
	if (!p->nend)
		return;
	gguf_put_array(h, OUR_ENDS, GGUF_U32, (uint64_t)p->nend);
	for (int i = 0; i < p->nend; i++)
		gguf_add_u32(h, (uint32_t)p->end[i]);
}

static void put_split(struct gguf_head *h, const struct tokenizer_parts *p, const char *path, struct str *report)
{
	const char *name = tokenizer_split_name(p->split), *pre = name;
	if (p->split == TOKENIZER_SPLIT_OURS || p->split == TOKENIZER_SPLIT_NONE) {
		pre = "gpt-2";
		gguf_put_string(h, OUR_SPLIT, name, strlen(name));
		str_printf(report, "%s: the tokenizer cuts text in a way that GGUF has no name for: written as gpt-2, the nearest; other programs may cut "
			   "numbers, signs and long words otherwise, this one reads it as it was\n", path);
	}
	gguf_put_string(h, KEY "pre", pre, strlen(pre));
	gguf_put_bool(h, OUR_NFC, p->nfc);
}

int gguf_tokenizer_write(struct gguf_head *h, const struct tokenizer *t, int vocab, const char *path, struct str *report, struct err *e)
{
	struct tokenizer_parts p;
	if (!t) {
		gguf_put_string(h, KEY "model", "no_vocab", 8);
		return 0;
	}
	if (tokenizer_info(t)->vocab > vocab)
		return err_set(e, ERR_STATE, "export: %s: the tokenizer has %d ids, the model %d", path, tokenizer_info(t)->vocab, vocab);
	int rc = tokenizer_parts_of(t, &p, e);
	if (rc)
		return rc;
	int by_score = p.algorithm == TOKENIZER_BY_SCORE;
	gguf_put_string(h, KEY "model", by_score ? "llama" : "gpt2", by_score ? 5 : 4);
	if (by_score)
		gguf_put_string(h, KEY "pre", "default", 7);
	else
		put_split(h, &p, path, report);
	put_pieces(h, &p, vocab);
	if (!by_score)
		put_merges(h, &p);
	put_special(h, &p);
	tokenizer_parts_done(&p);
	return 0;
}
