/* spm_model.c: reads and writes SentencePiece's .model: a protocol buffer. BPE only; text that would be changed before it is cut is refused by name.
 *
 * ModelProto: 1 (repeated) piece {1 text, 2 f32 score, 3 type}, 2 trainer {3 model type: 1 unigram, 2 BPE, 3 word, 4 char; 24 blank as suffix; 35 bytes have pieces; 40 to 43
 * the ids of unk, bos, eos, pad}, 3 normalizer {1 name, 2 map of characters, 3 blank in front, 4 extra blanks are dropped, 5 blanks are written U+2581}. What is left out has
 * its default. The numbers of the types are those of tokenizer_parts.h.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/vocab.h"

struct wire {
	const unsigned char *p;
	size_t n, at;
	const char *name; /* of the file */
	struct err *e;
};

struct field {
	uint32_t number, type; /* type: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes */
	uint64_t value;        /* 0, 1, 5: the bits */
	const unsigned char *s;
	size_t n;
};

static int varint(struct wire *w, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; shift < 64 && w->at < w->n; shift += 7) {
		unsigned char b = w->p[w->at++];
		*v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return 0;
	}
	return err_set(w->e, ERR_FORMAT, "tokenizer: %s: ends inside a number at byte %zu of %zu (truncated, or no SentencePiece model)", w->name, w->at, w->n);
}

/* 1: a field, 0: the end. */
static int next_field(struct wire *w, struct field *f, const char *where)
{
	uint64_t key, len = 0;
	if (w->at == w->n)
		return 0;
	if (varint(w, &key))
		return ERR_FORMAT;
	*f = (struct field){.number = (uint32_t)MIN(key >> 3, UINT32_MAX), .type = (uint32_t)(key & 7)};
	if (f->type == 0)
		return varint(w, &f->value) ? ERR_FORMAT : 1;
	if (f->type == 2 && varint(w, &len))
		return ERR_FORMAT;
	if (f->type == 1 || f->type == 5)
		len = f->type == 1 ? 8 : 4;
	else if (f->type != 2)
		return err_set(w->e, ERR_FORMAT, "tokenizer: %s: %s: field %u has the unknown wire type %u (no SentencePiece model)", w->name, where, f->number, f->type);
	if (len > w->n - w->at)
		return err_set(w->e, ERR_FORMAT, "tokenizer: %s: %s: field %u is %llu bytes long, %zu are left (truncated?)", w->name, where, f->number,
			       (unsigned long long)len, w->n - w->at);
	f->s = w->p + w->at;
	f->n = (size_t)len;
	for (size_t i = 0; f->type != 2 && i < f->n; i++)
		f->value |= (uint64_t)f->s[i] << 8 * i;
	w->at += f->n;
	return 1;
}

static int read_piece(struct tokenizer_parts *p, const struct field *in, const char *name, struct err *e)
{
	struct wire w = {in->s, in->n, 0, name, e};
	struct field f;
	const char *s = "";
	size_t n = 0;
	float score = 0;
	uint64_t type = TOKENIZER_NORMAL;
	int rc;
	while ((rc = next_field(&w, &f, "piece")) > 0) {
		uint32_t bits = (uint32_t)f.value;
		if (f.number == 1 && f.type == 2) {
			s = (const char *)f.s;
			n = f.n;
		} else if (f.number == 2 && f.type == 5) {
			memcpy(&score, &bits, sizeof score);
		} else if (f.number == 3 && f.type == 0) {
			type = f.value;
		}
	}
	if (rc)
		return rc;
	if (type < TOKENIZER_NORMAL || type > TOKENIZER_BYTE)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: id %d: type %llu, must be %d to %d", name, p->vocab, (unsigned long long)type, TOKENIZER_NORMAL, TOKENIZER_BYTE);
	return tokenizer_parts_add_text(p, s, n, score, (enum tokenizer_type)type, e);
}

static int read_trainer(struct tokenizer_parts *p, const struct field *in, const char *name, struct err *e)
{
	static const char *const model[] = {"0", "unigram", "BPE", "word", "char"};
	struct wire w = {in->s, in->n, 0, name, e};
	struct field f;
	uint64_t type = 1, suffix = 0;
	int rc;
	while ((rc = next_field(&w, &f, "trainer_spec")) > 0) {
		int *id = f.number == 40 ? &p->unk : f.number == 41 ? &p->bos : f.number == 42 ? &p->eos : f.number == 43 ? &p->pad : NULL;
		if (f.type)
			continue;
		if (id)
			*id = (int)(int32_t)f.value;
		type = f.number == 3 ? f.value : type;
		suffix = f.number == 24 ? f.value : suffix;
	}
	if (rc)
		return rc;
	if (type != 2)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: model_type: %s, only BPE is read", name, type < ARRAY_LEN(model) ? model[type] : "unknown");
	if (suffix)
		return err_set(e, ERR_FORMAT, "tokenizer: %s: treat_whitespace_as_suffix: true, only false is read", name);
	return 0;
}

static int read_normalizer(struct tokenizer_parts *p, const struct field *in, const char *name, struct err *e)
{
	struct wire w = {in->s, in->n, 0, name, e};
	struct field f;
	struct str kind = {0};
	uint64_t flag[6] = {0, 0, 0, 1, 1, 1};
	size_t map = 0;
	int rc;
	while ((rc = next_field(&w, &f, "normalizer_spec")) > 0)
		if (f.number == 1 && f.type == 2) {
			str_clear(&kind);
			str_add(&kind, f.s, MIN(f.n, 40));
		} else if (f.number == 2 && f.type == 2) {
			map = f.n;
		} else if (f.number >= 3 && f.number <= 5 && f.type == 0) {
			flag[f.number] = f.value;
		}
	if (!rc && map)
		rc = err_set(e, ERR_FORMAT, "tokenizer: %s: normalizer_spec: %s, a map of %zu bytes; only identity is read", name, kind.s && *kind.s ? kind.s : "unnamed", map);
	else if (!rc && flag[4])
		rc = err_set(e, ERR_FORMAT, "tokenizer: %s: remove_extra_whitespaces: true, only false is read (text would not come back as it was)", name);
	else if (!rc && !flag[5])
		rc = err_set(e, ERR_FORMAT, "tokenizer: %s: escape_whitespaces: false, only true is read", name);
	p->blank = flag[3] != 0;
	str_done(&kind);
	return rc;
}

int spm_model_is(const unsigned char *d, size_t n)
{
	return n > 4 && d[0] == 0x0a && (d[1] >= 0x80 ? d[3] : d[2]) == 0x0a; /* field 1, a length, and in it field 1 */
}

static int read_model(struct tokenizer_parts *p, struct wire *w)
{
	struct field f, trainer = {.type = 2}, normalizer = {.type = 2}; /* absent ones are empty: defaults */
	int rc;
	trainer.s = normalizer.s = w->p;
	while ((rc = next_field(w, &f, "model")) > 0) {
		if (f.type == 2 && f.number == 1 && (rc = read_piece(p, &f, w->name, w->e)))
			return rc;
		if (f.type == 2 && f.number == 2)
			trainer = f;
		if (f.type == 2 && f.number == 3)
			normalizer = f;
	}
	p->unk = 0;
	p->bos = 1;
	p->eos = 2;
	rc = rc ? rc : read_trainer(p, &trainer, w->name, w->e);
	rc = rc ? rc : read_normalizer(p, &normalizer, w->name, w->e);
	p->add_bos = p->bos >= 0;
	return rc;
}

int spm_model_read(struct tokenizer_parts *p, const unsigned char *data, size_t n, const char *name, struct err *e)
{
	struct wire w = {data, n, 0, name, e};
	p->algorithm = TOKENIZER_BY_SCORE;
	return read_model(p, &w) ? vocab_err_name(e, name) : 0;
}

/* --- writing --- */

static void put_varint(struct str *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_putc(out, (char)(v | 0x80));
	str_putc(out, (char)v);
}

static void put_number(struct str *out, int field, int64_t v)
{
	put_varint(out, (uint64_t)field << 3);
	put_varint(out, (uint64_t)v);
}

static void put_bytes(struct str *out, int field, const struct str *b)
{
	put_varint(out, (uint64_t)field << 3 | 2);
	put_varint(out, b->len);
	str_add(out, b->s ? b->s : "", b->len);
}

void spm_model_write(const struct tokenizer_parts *p, struct str *out)
{
	struct str text = {0}, b = {0};
	int byte = 0;
	for (int id = 0; id < p->vocab; id++) {
		uint32_t bits;
		memcpy(&bits, &p->score[id], sizeof bits);
		str_clear(&text);
		str_clear(&b);
		tokenizer_parts_text(p, id, &text);
		put_bytes(&b, 1, &text);
		put_varint(&b, 2 << 3 | 5);
		for (int i = 0; i < 4; i++)
			str_putc(&b, (char)(bits >> 8 * i));
		if (p->type[id] != TOKENIZER_NORMAL)
			put_number(&b, 3, p->type[id]);
		put_bytes(out, 1, &b);
		byte |= p->type[id] == TOKENIZER_BYTE;
	}
	const int special[] = {p->unk, p->bos, p->eos, p->pad};
	str_clear(&b);
	put_number(&b, 3, 2);
	put_number(&b, 35, byte);
	for (int i = 0; i < 4; i++)
		put_number(&b, 40 + i, special[i]);
	put_bytes(out, 2, &b);
	str_clear(&b);
	str_clear(&text);
	str_puts(&text, "identity");
	put_bytes(&b, 1, &text);
	put_number(&b, 3, p->blank != 0);
	put_number(&b, 4, 0);
	put_number(&b, 5, 1);
	put_bytes(out, 3, &b);
	out->failed |= text.failed | b.failed;
	str_done(&text);
	str_done(&b);
}
