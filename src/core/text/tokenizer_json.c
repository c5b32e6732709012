/* tokenizer_json.c: reads Hugging Face's tokenizer.json: byte-level BPE. What it asks for and we do not do is refused by the name of its field. Writing is in
 * tokenizer_json_write.c, the files beside it in tokenizer_folder.c.
 * SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/splitter.h"
#include "text/vocab.h"

enum { GAPS_MAX = 1 << 16 }; /* ids that no entry has, together */

struct reader {
	struct tokenizer_parts *p;
	json_t *root, *model;
	const char *name;
	struct err *e;
	struct entry {
		const char *s;
		size_t n;
		enum tokenizer_type type; /* 0: nothing there yet */
	} *entry;
	size_t count;
};

static int refuse(const struct reader *r, const char *field, const char *found, const char *wanted)
{
	return err_set(r->e, ERR_FORMAT, "tokenizer: %s: %s: %.80s, %s", r->name, field, found, wanted);
}

/* A value as a message shows it. Static for the value's life, or a literal. */
static const char *shown(const json_t *v)
{
	static const char *const kind[] = {"an object", "a list", "a string", "a number", "a number", "true", "false", "null"};
	return !v ? "missing" : json_is_string(v) ? json_string_value(v) : kind[json_typeof(v)];
}

static const char *type_of(const json_t *v)
{
	return json_is_object(v) ? shown(json_object_get(v, "type")) : shown(v);
}

static int is_type(const json_t *v, const char *type)
{
	return json_is_object(v) && !strcmp(type_of(v), type);
}

static int absent(const json_t *v)
{
	return !v || json_is_null(v) || (json_is_string(v) && !json_string_length(v)) || (json_is_number(v) && json_number_value(v) == 0);
}

/* --- the steps before the merges --- */

static int read_normalizer(struct reader *r)
{
	const json_t *v = json_object_get(r->root, "normalizer");
	const json_t *list = json_object_get(v, "normalizers");
	if (is_type(v, "Sequence") && json_array_size(list) == 1)
		v = json_array_get(list, 0);
	r->p->nfc = is_type(v, "NFC");
	return absent(v) || r->p->nfc ? 0 : refuse(r, "normalizer", type_of(v), "only NFC is read");
}

static int read_byte_level(struct reader *r, const json_t *v, int *cuts)
{
	const json_t *regex = json_object_get(v, "use_regex");
	*cuts = !json_is_false(regex); /* true when left out */
	if (json_is_true(json_object_get(v, "add_prefix_space")))
		return refuse(r, "pre_tokenizer.add_prefix_space", "true", "only false is read");
	return 0;
}

static int read_split(struct reader *r, const json_t *v)
{
	const json_t *regex = json_object_get(json_object_get(v, "pattern"), "Regex");
	const char *behavior = shown(json_object_get(v, "behavior"));
	int split = json_is_string(regex) ? splitter_find(json_string_value(regex)) : -1;
	if (split < 0)
		return refuse(r, "pre_tokenizer.pattern", shown(regex), "GPT-2's, Qwen2's or Llama 3's expression wanted");
	if (strcmp(behavior, "Isolated"))
		return refuse(r, "pre_tokenizer.behavior", behavior, "only Isolated is read");
	if (json_is_true(json_object_get(v, "invert")))
		return refuse(r, "pre_tokenizer.invert", "true", "only false is read");
	r->p->split = (enum tokenizer_split)split;
	return 0;
}

static int read_pre_tokenizer(struct reader *r)
{
	json_t *v = json_object_get(r->root, "pre_tokenizer"), *list = json_object_get(v, "pretokenizers");
	const json_t *step[2] = {v, NULL};
	int cuts = 0, rc = 0;
	if (is_type(v, "Sequence")) {
		if (json_array_size(list) < 1 || json_array_size(list) > 2)
			return refuse(r, "pre_tokenizer", "Sequence of another length", "one or two steps are read");
		for (size_t i = 0; i < 2; i++)
			step[i] = json_array_get(list, i);
	}
	const json_t *last = step[1] ? step[1] : step[0];
	if (step[1] && !is_type(step[0], "Split"))
		return refuse(r, "pre_tokenizer", type_of(step[0]), "Split or ByteLevel wanted");
	if (!is_type(last, "ByteLevel"))
		return refuse(r, "pre_tokenizer", type_of(last), "ByteLevel wanted");
	r->p->split = TOKENIZER_SPLIT_NONE;
	if (step[1])
		rc = read_split(r, step[0]);
	if (!rc)
		rc = read_byte_level(r, last, &cuts);
	if (!rc && cuts && step[1])
		return refuse(r, "pre_tokenizer.use_regex", "true", "only false is read beside a Split");
	if (!rc && cuts)
		r->p->split = TOKENIZER_SPLIT_GPT2;
	return rc;
}

static int find_id(const struct reader *r, const char *s, size_t n)
{
	for (size_t id = 0; id < r->count; id++)
		if (r->entry[id].type && r->entry[id].n == n && !memcmp(r->entry[id].s, s, n))
			return (int)id;
	return -1;
}

/* What is put around a text: bos before it, eos behind it. */
static int read_template(struct reader *r, const json_t *v)
{
	const json_t *single = json_object_get(v, "single");
	size_t n = json_array_size(single), seen = 0;
	for (size_t i = 0; i < n; i++) {
		const json_t *special = json_object_get(json_object_get(json_array_get(single, i), "SpecialToken"), "id");
		if (!special) {
			seen = 1;
			continue;
		}
		int id = json_is_string(special) ? find_id(r, json_string_value(special), json_string_length(special)) : -1;
		if (id < 0)
			return refuse(r, "post_processor.single", shown(special), "is no token of the vocabulary");
		if (seen) {
			r->p->add_eos = 1;
			r->p->eos = id;
		} else {
			r->p->add_bos = 1;
			r->p->bos = id;
		}
	}
	return 0;
}

static int read_post_processor(struct reader *r)
{
	json_t *v = json_object_get(r->root, "post_processor"), *list = json_object_get(v, "processors");
	size_t n = is_type(v, "Sequence") ? json_array_size(list) : 1;
	for (size_t i = 0; i < n; i++) {
		const json_t *x = is_type(v, "Sequence") ? json_array_get(list, i) : v;
		int rc = absent(x) || is_type(x, "ByteLevel") ? 0 : is_type(x, "TemplateProcessing") ? read_template(r, x)
			: refuse(r, "post_processor", type_of(x), "only ByteLevel and TemplateProcessing are read");
		if (rc)
			return rc;
	}
	return 0;
}

/* --- pieces --- */

static int set_entry(struct reader *r, const json_t *id, const char *s, size_t n, enum tokenizer_type type)
{
	if (!json_is_integer(id) || json_integer_value(id) < 0 || (size_t)json_integer_value(id) >= r->count)
		return err_set(r->e, ERR_FORMAT, "tokenizer: %s: vocab: \"%.40s\": id %lld, must be 0 to %zu", r->name, s,
			       json_is_integer(id) ? (long long)json_integer_value(id) : -1ll, r->count - 1);
	struct entry *x = &r->entry[json_integer_value(id)];
	if (x->type && (x->n != n || memcmp(x->s, s, n)))
		return err_set(r->e, ERR_FORMAT, "tokenizer: %s: id %lld: both \"%.40s\" and \"%.40s\"", r->name, (long long)json_integer_value(id), x->s, s);
	*x = (struct entry){s, n, type};
	return 0;
}

static int read_added(struct reader *r, const json_t *list)
{
	static const char *const flag[] = {"lstrip", "rstrip", "single_word"};
	if (list && !json_is_null(list) && !json_is_array(list))
		return refuse(r, "added_tokens", shown(list), "a list wanted");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i), *content = json_object_get(v, "content");
		if (!json_is_string(content))
			return refuse(r, "added_tokens.content", shown(content), "a string wanted");
		for (size_t k = 0; k < ARRAY_LEN(flag); k++)
			if (json_is_true(json_object_get(v, flag[k])))
				return err_set(r->e, ERR_FORMAT, "tokenizer: %s: added_tokens: \"%.40s\": %s: true, only false is read", r->name,
					       json_string_value(content), flag[k]);
		int rc = set_entry(r, json_object_get(v, "id"), json_string_value(content), json_string_length(content),
				   json_is_true(json_object_get(v, "special")) ? TOKENIZER_CONTROL : TOKENIZER_USER);
		if (rc)
			return rc;
	}
	return 0;
}

/* One more than the highest id. */
static size_t id_count(json_t *vocab, const json_t *added)
{
	const char *key;
	json_t *v;
	json_int_t top = -1;
	json_object_foreach(vocab, key, v)
		top = MAX(top, json_integer_value(v));
	for (size_t i = 0; i < json_array_size(added); i++)
		top = MAX(top, json_integer_value(json_object_get(json_array_get(added, i), "id")));
	return (size_t)MIN(top, (json_int_t)1 << 40) + 1;
}

static int read_vocab(struct reader *r)
{
	json_t *vocab = json_object_get(r->model, "vocab"), *added = json_object_get(r->root, "added_tokens"), *v;
	const char *key;
	if (!json_is_object(vocab) || !json_object_size(vocab))
		return refuse(r, "model.vocab", shown(vocab), "an object of pieces and ids wanted");
	size_t have = json_object_size(vocab) + json_array_size(added);
	r->count = id_count(vocab, added);
	if (r->count > have + GAPS_MAX || r->count > TOKENIZER_VOCAB_MAX)
		return err_set(r->e, ERR_FORMAT, "tokenizer: %s: model.vocab: ids up to %zu, but %zu pieces", r->name, r->count - 1, have);
	if (!(r->entry = mem_zalloc(r->count, sizeof *r->entry)))
		return err_nomem(r->e, "tokenizer", r->count * sizeof *r->entry);
	int rc = 0;
	json_object_foreach(vocab, key, v)
		rc = rc ? rc : set_entry(r, v, key, strlen(key), TOKENIZER_NORMAL);
	return rc ? rc : read_added(r, added);
}

static int add_pieces(struct reader *r)
{
	int rc = 0;
	const json_t *unk = json_object_get(r->model, "unk_token");
	if (!absent(unk) && !json_is_string(unk))
		return refuse(r, "model.unk_token", shown(unk), "a string wanted");
	if (json_is_string(unk) && json_string_length(unk)) {
		r->p->unk = find_id(r, json_string_value(unk), json_string_length(unk));
		if (r->p->unk < 0)
			return refuse(r, "model.unk_token", shown(unk), "is no token of the vocabulary");
	}
	for (size_t id = 0; id < r->count && !rc; id++) {
		const struct entry *x = &r->entry[id];
		rc = tokenizer_parts_add_text(r->p, x->type ? x->s : "", x->n, 0, x->type ? x->type : TOKENIZER_UNUSED, r->e);
	}
	return rc;
}

static int read_merges(struct reader *r)
{
	const json_t *list = json_object_get(r->model, "merges");
	if (!json_is_array(list))
		return refuse(r, "model.merges", shown(list), "a list wanted");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i), *a = json_array_get(v, 0), *b = json_array_get(v, 1);
		int rc;
		if (json_is_string(v))
			rc = tokenizer_parts_merge_line(r->p, json_string_value(v), json_string_length(v), r->e);
		else if (json_is_string(a) && json_is_string(b) && json_array_size(v) == 2)
			rc = tokenizer_parts_merge(r->p, json_string_value(a), json_string_length(a), json_string_value(b), json_string_length(b), r->e);
		else
			return err_set(r->e, ERR_FORMAT, "tokenizer: %s: model.merges: entry %zu is %s, two pieces wanted", r->name, i, shown(v));
		if (rc)
			return rc;
	}
	return 0;
}

static int check_model(struct reader *r)
{
	static const char *const none[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
	const json_t *type = json_object_get(r->model, "type");
	if (!json_is_object(r->model))
		return refuse(r, "model", shown(r->model), "an object wanted (no tokenizer.json?)");
	if (type && strcmp(shown(type), "BPE")) /* old files leave it out */
		return refuse(r, "model.type", shown(type), "only BPE is read");
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (!absent(json_object_get(r->model, none[i])))
			return err_set(r->e, ERR_FORMAT, "tokenizer: %s: model.%s: %s, only none is read", r->name, none[i], shown(json_object_get(r->model, none[i])));
	if (json_is_true(json_object_get(r->model, "byte_fallback")))
		return refuse(r, "model.byte_fallback", "true", "only byte-level BPE is read (is there a tokenizer.model?)");
	r->p->ignore_merges = json_is_true(json_object_get(r->model, "ignore_merges"));
	return 0;
}

/* Where no other file says what ends a text: the names that are usual. */
static void guess_end(struct reader *r)
{
	static const char *const usual[] = {"<|endoftext|>", "</s>", "<|end_of_text|>"};
	for (size_t i = 0; i < ARRAY_LEN(usual) && r->p->eos < 0; i++) {
		int id = find_id(r, usual[i], strlen(usual[i]));
		if (id >= 0 && r->entry[id].type == TOKENIZER_CONTROL)
			r->p->eos = id;
	}
}

static int read_all(struct reader *r)
{
	int rc = check_model(r);
	rc = rc ? rc : read_normalizer(r);
	rc = rc ? rc : read_pre_tokenizer(r);
	rc = rc ? rc : read_vocab(r);
	rc = rc ? rc : add_pieces(r);
	rc = rc ? rc : read_post_processor(r);
	rc = rc ? rc : read_merges(r);
	if (!rc) {
		guess_end(r);
		if (r->p->split == TOKENIZER_SPLIT_OURS)
			r->p->bos = r->p->eos = 0;
	}
	return rc;
}

int tokenizer_json_is(const unsigned char *d, size_t n)
{
	size_t i = n >= 3 && !memcmp(d, "\xef\xbb\xbf", 3) ? 3 : 0;
	while (i < n && (d[i] == ' ' || d[i] == '\n' || d[i] == '\r' || d[i] == '\t'))
		i++;
	return i < n && d[i] == '{';
}

int tokenizer_json_read(struct tokenizer_parts *p, const unsigned char *data, size_t n, const char *name, struct err *e)
{
	struct reader r = {.p = p, .name = name, .e = e};
	json_error_t why;
	size_t mark = n >= 3 && !memcmp(data, "\xef\xbb\xbf", 3) ? 3 : 0;
	p->algorithm = TOKENIZER_BY_MERGES;
	r.root = json_loadb((const char *)data + mark, n - mark, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	if (!r.root)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: line %d, column %d: %.200s", name, why.line, why.column, why.text);
	r.model = json_object_get(r.root, "model");
	int rc = read_all(&r);
	free(r.entry);
	json_decref(r.root);
	return rc ? vocab_err_name(e, name) : 0;
}
