/* tokenizer_json_write.c: any tokenizer as Hugging Face's tokenizer.json. Reading is in tokenizer_json.c.
 *
 * By merges: as Qwen's and GPT-2's files are. Our own split is written as an expression; it can not count bytes, so that in another program words of more than
 * 64 bytes with characters beyond ASCII may be cut elsewhere. By score: as Llama's files are, with merges that make the same pieces: all pairs of pieces whose joined text
 * is a piece, by its score.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/save.h"
#include "base/utf8.h"
#include "text/splitter.h"
#include "text/vocab.h"

struct joint {
	float score;
	int id, a, b;
};

static int by_score(const void *x, const void *y)
{
	const struct joint *p = x, *q = y;
	if (p->score != q->score)
		return p->score > q->score ? -1 : 1;
	return p->id != q->id ? (p->id < q->id ? -1 : 1) : p->a != q->a ? (p->a < q->a ? -1 : 1) : (p->b > q->b) - (p->b < q->b);
}

/* The merges that a vocabulary by score means, into p. */
static int derive_merges(struct tokenizer_parts *p, struct err *e)
{
	struct joint *list = NULL;
	size_t n = 0, cap = 0;
	for (int id = 0; id < p->vocab; id++) {
		const char *s = p->bytes.s + p->off[id];
		size_t len = p->off[id + 1] - p->off[id];
		for (size_t i = 1; i < len && p->type[id] == TOKENIZER_NORMAL; i++) {
			int a = ((unsigned char)s[i] & 0xc0) == 0x80 ? -1 : tokenizer_parts_find(p, s, i);
			int b = a < 0 ? -1 : tokenizer_parts_find(p, s + i, len - i);
			if (b < 0)
				continue;
			if (mem_grow(&list, &cap, n + 1, sizeof *list)) {
				free(list);
				return err_nomem(e, "tokenizer", n * sizeof *list);
			}
			list[n++] = (struct joint){p->score[id], id, a, b};
		}
	}
	if (n)
		qsort(list, n, sizeof *list, by_score);
	int rc = n > TOKENIZER_VOCAB_MAX ? err_set(e, ERR_RANGE, "tokenizer: %zu merges, at most %d can be written", n, TOKENIZER_VOCAB_MAX)
		: mem_grow(&p->merge, &p->cap_merge, n + 1, sizeof *p->merge) ? err_nomem(e, "tokenizer", n * sizeof *p->merge) : 0;
	for (p->nmerge = 0; !rc && p->nmerge < (int)n; p->nmerge++) {
		p->merge[p->nmerge][0] = list[p->nmerge].a;
		p->merge[p->nmerge][1] = list[p->nmerge].b;
	}
	free(list);
	return rc;
}

/* A piece's text form as a JSON string. */
static void put_piece(const struct tokenizer_parts *p, int id, struct str *aside, struct str *out)
{
	str_clear(aside);
	tokenizer_parts_text(p, id, aside);
	str_json(out, aside->s ? aside->s : "", aside->len);
	out->failed |= aside->failed;
}

static int is_added(const struct tokenizer_parts *p, int id)
{
	return p->type[id] == TOKENIZER_CONTROL || p->type[id] == TOKENIZER_USER || p->type[id] == TOKENIZER_UNKNOWN;
}

static void put_added(const struct tokenizer_parts *p, struct str *aside, struct str *out)
{
	int any = 0;
	str_puts(out, "  \"added_tokens\": [");
	for (int id = 0; id < p->vocab; id++)
		if (is_added(p, id)) {
			str_printf(out, "%s\n    {\"id\": %d, \"content\": ", any++ ? "," : "", id);
			put_piece(p, id, aside, out);
			str_printf(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": %s}",
				   p->type[id] == TOKENIZER_USER ? "false" : "true");
		}
	str_puts(out, any ? "\n  ],\n" : "],\n");
}

static void put_by_merges(const struct tokenizer_parts *p, struct str *out)
{
	const char *pattern = splitter_pattern(p->split);
	int own = p->split == TOKENIZER_SPLIT_GPT2; /* ByteLevel brings that expression along */
	str_printf(out, "  \"normalizer\": %s,\n  \"pre_tokenizer\": ", p->nfc ? "{\"type\": \"NFC\"}" : "null");
	if (pattern && !own) {
		str_puts(out, "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": ");
		str_json(out, pattern, strlen(pattern));
		str_puts(out, "}, \"behavior\": \"Isolated\", \"invert\": false}, ");
	}
	str_printf(out, "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": %s}%s,\n", own ? "true" : "false",
		   pattern && !own ? "]}" : "");
	str_puts(out, "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true},\n");
}

static void put_by_score(const struct tokenizer_parts *p, struct str *out)
{
	static const char blank[] = "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xe2\x96\x81\"}";
	str_printf(out, "  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [%s%s]},\n  \"pre_tokenizer\": null,\n",
		   p->blank ? "{\"type\": \"Prepend\", \"prepend\": \"\xe2\x96\x81\"}, " : "", blank);
	str_printf(out, "  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"\xe2\x96\x81\"}, \"content\": \" \"}, "
		   "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}%s]},\n", p->blank ? ", {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}" : "");
}

static void put_special(const struct tokenizer_parts *p, int id, struct str *aside, struct str *out)
{
	str_puts(out, "{\"SpecialToken\": {\"id\": ");
	put_piece(p, id, aside, out);
	str_puts(out, ", \"type_id\": 0}}");
}

static void put_template(const struct tokenizer_parts *p, const char *key, int sequences, struct str *aside, struct str *out)
{
	str_printf(out, "\"%s\": [", key);
	if (p->add_bos) {
		put_special(p, p->bos, aside, out);
		str_puts(out, ", ");
	}
	for (int i = 0; i < sequences; i++)
		str_printf(out, "%s{\"Sequence\": {\"id\": \"%c\", \"type_id\": 0}}", i ? ", " : "", 'A' + i);
	if (p->add_eos) {
		str_puts(out, ", ");
		put_special(p, p->eos, aside, out);
	}
	str_puts(out, "], ");
}

static void put_post_processor(const struct tokenizer_parts *p, struct str *aside, struct str *out)
{
	const int id[2] = {p->add_bos ? p->bos : -1, p->add_eos && !(p->add_bos && p->bos == p->eos) ? p->eos : -1};
	int any = 0;
	if (!p->add_bos && !p->add_eos) {
		str_puts(out, "  \"post_processor\": null,\n");
		return;
	}
	str_puts(out, "  \"post_processor\": {\"type\": \"TemplateProcessing\", ");
	put_template(p, "single", 1, aside, out);
	put_template(p, "pair", 2, aside, out);
	str_puts(out, "\"special_tokens\": {");
	for (int i = 0; i < 2; i++) {
		if (id[i] < 0)
			continue;
		str_puts(out, any++ ? ", " : "");
		put_piece(p, id[i], aside, out);
		str_puts(out, ": {\"id\": ");
		put_piece(p, id[i], aside, out);
		str_printf(out, ", \"ids\": [%d], \"tokens\": [", id[i]);
		put_piece(p, id[i], aside, out);
		str_puts(out, "]}");
	}
	str_puts(out, "}},\n");
}

static void put_model(const struct tokenizer_parts *p, struct str *aside, struct str *out)
{
	int score = p->algorithm == TOKENIZER_BY_SCORE, any = 0, last = p->vocab;
	while (last > 0 && is_added(p, last - 1)) /* added behind the others: not of the model */
		last--;
	str_puts(out, "  \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": ");
	if (p->unk >= 0)
		put_piece(p, p->unk, aside, out);
	else
		str_puts(out, "null");
	str_printf(out, ", \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": %s, \"byte_fallback\": %s, \"ignore_merges\": %s,\n    \"vocab\": {",
		   score ? "true" : "false", score ? "true" : "false", p->ignore_merges ? "true" : "false");
	for (int id = 0; id < last; id++)
		if (p->type[id] != TOKENIZER_UNUSED) {
			str_puts(out, any++ ? ",\n      " : "\n      ");
			put_piece(p, id, aside, out);
			str_printf(out, ": %d", id);
		}
	str_puts(out, "\n    },\n    \"merges\": [");
	for (int i = 0; i < p->nmerge; i++) {
		str_puts(out, i ? ",\n      [" : "\n      [");
		put_piece(p, p->merge[i][0], aside, out);
		str_puts(out, ", ");
		put_piece(p, p->merge[i][1], aside, out);
		str_puts(out, "]");
	}
	str_puts(out, "\n    ]\n  }\n");
}

/* What JSON can not say. */
static int check_pieces(const struct tokenizer_parts *p, struct err *e)
{
	for (int id = 0; id < p->vocab; id++) {
		const char *s = p->bytes.s + p->off[id];
		size_t n = p->off[id + 1] - p->off[id];
		uint32_t cp;
		if (p->type[id] == TOKENIZER_UNUSED || (p->algorithm == TOKENIZER_BY_MERGES && p->type[id] == TOKENIZER_NORMAL))
			continue;
		int twin = p->type[id] == TOKENIZER_NORMAL || p->type[id] == TOKENIZER_USER ? -1 : tokenizer_parts_find(p, s, n);
		if (twin >= 0)
			return err_set(e, ERR_FORMAT, "tokenizer: ids %d and %d are both \"%.*s\": tokenizer.json can not say that", id, twin, (int)MIN(n, 40), s);
		for (size_t i = 0, k; i < n; i += k) {
			int got = utf8_decode(s + i, n - i, &cp);
			if (got <= 0 || !n)
				return err_set(e, ERR_FORMAT, "tokenizer: id %d is no UTF-8: tokenizer.json can not say that", id);
			k = (size_t)got;
		}
	}
	return 0;
}

int tokenizer_json(const struct tokenizer *t, struct str *out, struct err *e)
{
	struct tokenizer_parts p;
	struct str aside = {0};
	int rc = tokenizer_parts_of(t, &p, e);
	if (!rc)
		rc = check_pieces(&p, e);
	if (!rc && p.algorithm == TOKENIZER_BY_SCORE)
		rc = derive_merges(&p, e);
	if (!rc) {
		str_puts(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n");
		put_added(&p, &aside, out);
		(p.algorithm == TOKENIZER_BY_MERGES ? put_by_merges : put_by_score)(&p, out);
		put_post_processor(&p, &aside, out);
		put_model(&p, &aside, out);
		str_puts(out, "}\n");
		if (out->failed)
			rc = err_nomem(e, "tokenizer", out->len);
	}
	str_done(&aside);
	tokenizer_parts_done(&p);
	return rc;
}

/* tokenizer_config.json: the special ids, which tokenizer.json has no place for. */
static void put_config(const struct tokenizer_parts *p, struct str *out)
{
	const struct { const char *key; int id; } token[] = {{"bos_token", p->bos}, {"eos_token", p->eos}, {"unk_token", p->unk}, {"pad_token", p->pad}};
	struct str aside = {0};
	str_printf(out, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n  \"add_bos_token\": %s,\n  \"add_eos_token\": %s,\n  \"clean_up_tokenization_spaces\": false",
		   p->add_bos ? "true" : "false", p->add_eos ? "true" : "false");
	for (size_t i = 0; i < ARRAY_LEN(token); i++) {
		str_printf(out, ",\n  \"%s\": ", token[i].key);
		if (token[i].id >= 0)
			put_piece(p, token[i].id, &aside, out);
		else
			str_puts(out, "null");
	}
	str_puts(out, "\n}\n");
	str_done(&aside);
}

static int save_in(const char *dir, const char *name, const struct str *s, struct err *e)
{
	struct str path = {0};
	str_printf(&path, "%s/%s", dir, name);
	int rc = s->failed || path.failed ? err_nomem(e, "tokenizer", s->len) : save_file(path.s, s->s, s->len, e);
	str_done(&path);
	return rc;
}

int tokenizer_save_folder(const struct tokenizer *t, const char *dir, struct err *e)
{
	struct tokenizer_parts p;
	struct str json = {0}, config = {0}, model = {0};
	int rc = tokenizer_json(t, &json, e);
	if (!rc && !(rc = tokenizer_parts_of(t, &p, e))) {
		put_config(&p, &config);
		if (p.algorithm == TOKENIZER_BY_SCORE)
			spm_model_write(&p, &model);
		tokenizer_parts_done(&p);
	}
	rc = rc ? rc : save_in(dir, "tokenizer.json", &json, e);
	rc = rc ? rc : save_in(dir, "tokenizer_config.json", &config, e);
	if (!rc && t->algorithm == TOKENIZER_BY_SCORE)
		rc = save_in(dir, "tokenizer.model", &model, e);
	str_done(&json);
	str_done(&config);
	str_done(&model);
	return rc;
}
