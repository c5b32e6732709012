/* vocab.c: tables that all kinds of tokenizer are made of.
 * SPDX-License-Identifier: MIT */
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/hash.h"

static size_t slot_of(const struct idmap *m, uint64_t key)
{
	uint64_t h = key * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(h ^ h >> 32) & (m->cap - 1);
	while (m->key[i] && m->key[i] != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

static int grow(struct idmap *m)
{
	struct idmap big = {.cap = m->cap ? m->cap * 2 : 64, .n = m->n};
	big.key = mem_zalloc(big.cap, sizeof *big.key);
	big.value = mem_zalloc(big.cap, sizeof *big.value);
	if (!big.key || !big.value) {
		idmap_done(&big);
		return -1;
	}
	for (size_t i = 0; i < m->cap; i++)
		if (m->key[i]) {
			size_t j = slot_of(&big, m->key[i]);
			big.key[j] = m->key[i];
			big.value[j] = m->value[i];
		}
	idmap_done(m);
	*m = big;
	return 0;
}

int idmap_put(struct idmap *m, uint64_t key, int value)
{
	if (m->n * 2 >= m->cap && grow(m))
		return -1;
	size_t i = slot_of(m, key);
	m->n += !m->key[i];
	m->key[i] = key;
	m->value[i] = value;
	return 0;
}

int idmap_get(const struct idmap *m, uint64_t key)
{
	if (!m->cap)
		return -1;
	size_t i = slot_of(m, key);
	return m->key[i] ? m->value[i] : -1;
}

void idmap_done(struct idmap *m)
{
	free(m->key);
	free(m->value);
	*m = (struct idmap){0};
}

int vocab_add_piece(struct tokenizer *t, const char *s, size_t n, enum tokenizer_type type)
{
	if (mem_grow(&t->bytes, &t->cap_bytes, t->nbytes + n + 1, 1) || mem_grow(&t->off, &t->cap_off, t->noff + 2, sizeof *t->off) ||
	    mem_grow(&t->type, &t->cap_type, t->noff + 1, sizeof *t->type))
		return -1;
	if (n)
		memcpy(t->bytes + t->nbytes, s, n);
	t->type[t->noff] = (unsigned char)type;
	t->off[t->noff] = t->nbytes;
	t->nbytes += n;
	t->off[++t->noff] = t->nbytes;
	return 0;
}

uint64_t vocab_key(const char *s, size_t n)
{
	uint64_t h = text_hash(7, s, n);
	return h ? h : 1;
}

int vocab_find(const struct tokenizer *t, const char *s, size_t n)
{
	int id = idmap_get(&t->text, vocab_key(s, n));
	return id >= 0 && t->off[id + 1] - t->off[id] == n && !memcmp(t->bytes + t->off[id], s, n) ? id : -1;
}

int vocab_index(struct tokenizer *t, int id)
{
	uint64_t key = vocab_key(t->bytes + t->off[id], t->off[id + 1] - t->off[id]);
	return idmap_get(&t->text, key) < 0 ? idmap_put(&t->text, key, id) : 0;
}

int vocab_err_name(struct err *e, const char *name)
{
	static const char what[] = "tokenizer: ";
	size_t n = sizeof what - 1;
	if (e && e->code && !strstr(e->msg, name) && !strncmp(e->msg, what, n)) {
		char rest[ERR_MSG_MAX];
		memcpy(rest, e->msg + n, sizeof rest - n);
		err_set(e, (enum err_code)e->code, "%s%s: %s", what, name, rest);
	}
	return err_code_or(e, ERR_FORMAT);
}
