/* gguf_write.c: the head of a GGUF v3 file, put together in memory. Reading is in gguf.c.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "io/gguf.h"

static void add(struct str *s, uint64_t v, int bytes)
{
	unsigned char b[8];
	for (int i = 0; i < bytes; i++)
		b[i] = (unsigned char)(v >> 8 * i);
	str_add(s, b, (size_t)bytes);
}

static void add_string(struct str *to, const char *s, size_t n)
{
	add(to, n, 8);
	str_add(to, s, n);
}

static void key(struct gguf_head *h, const char *name, enum gguf_value type)
{
	add_string(&h->keys, name, strlen(name));
	add(&h->keys, (uint64_t)type, 4);
	h->nkey++;
}

void gguf_put_u32(struct gguf_head *h, const char *name, uint32_t v)
{
	key(h, name, GGUF_U32);
	add(&h->keys, v, 4);
}

void gguf_put_float(struct gguf_head *h, const char *name, float v)
{
	uint32_t u;
	memcpy(&u, &v, sizeof u);
	key(h, name, GGUF_FLOAT32);
	add(&h->keys, u, 4);
}

void gguf_put_bool(struct gguf_head *h, const char *name, int v)
{
	key(h, name, GGUF_BOOL);
	add(&h->keys, v != 0, 1);
}

void gguf_put_string(struct gguf_head *h, const char *name, const char *s, size_t n)
{
	key(h, name, GGUF_STRING);
	add_string(&h->keys, s, n);
}

void gguf_put_array(struct gguf_head *h, const char *name, enum gguf_value element, uint64_t n)
{
	key(h, name, GGUF_ARRAY);
	add(&h->keys, (uint64_t)element, 4);
	add(&h->keys, n, 8);
}

void gguf_add_string(struct gguf_head *h, const char *s, size_t n)
{
	add_string(&h->keys, s, n);
}

void gguf_add_u32(struct gguf_head *h, uint32_t v)
{
	add(&h->keys, v, 4);
}

uint64_t gguf_padding(uint64_t bytes)
{
	return (GGUF_ALIGNMENT - bytes % GGUF_ALIGNMENT) % GGUF_ALIGNMENT;
}

uint64_t gguf_put_tensor(struct gguf_head *h, const char *name, int rank, const uint64_t *dim, enum gguf_type type)
{
	unsigned block = 1, bytes = 0;
	uint64_t n = 1;
	gguf_type_name((uint32_t)type, &block, &bytes);
	add_string(&h->infos, name, strlen(name));
	add(&h->infos, (uint64_t)rank, 4);
	for (int i = 0; i < rank; i++) {
		add(&h->infos, dim[i], 8);
		n *= dim[i];
	}
	add(&h->infos, (uint64_t)type, 4);
	add(&h->infos, h->at, 8);
	n = n / block * bytes;
	h->at += n + gguf_padding(n);
	h->n++;
	return n;
}

int gguf_finish(struct gguf_head *h, struct str *out, struct err *e)
{
	str_clear(out);
	str_puts(out, "GGUF");
	add(out, 3, 4);
	add(out, h->n, 8);
	add(out, h->nkey, 8);
	if (h->keys.s)
		str_add(out, h->keys.s, h->keys.len);
	if (h->infos.s)
		str_add(out, h->infos.s, h->infos.len);
	str_zeros(out, (size_t)gguf_padding(out->len));
	return out->failed || h->keys.failed || h->infos.failed ? err_nomem(e, "export: head", h->keys.len + h->infos.len) : 0;
}

void gguf_head_done(struct gguf_head *h)
{
	str_done(&h->keys);
	str_done(&h->infos);
}
