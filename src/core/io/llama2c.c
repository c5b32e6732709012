/* llama2c.c: llama2.c's model files into params: two orders of the same tensors behind two headers. Writing is in llama2c_save.c.
 *
 * v0 begins with seven i32 (a negative vocabulary: the classifier is separate) and carries two tables of RoPE angles that are skipped;
 * v1 begins with a magic number in a header of 256 bytes and puts the norms first; v2 is v1 with int8 matrices, each followed by its scales.
 * The header is a stranger's: nothing is allocated before the sizes that follow from it are the file's.
 * SPDX-License-Identifier: MIT */
#include "io/llama2c.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define MAGIC LLAMA2C_MAGIC

enum { V0_HEADER = LLAMA2C_V0_HEADER, V1_HEADER = LLAMA2C_HEADER, SKIP = LLAMA2C_ANGLES, END = LLAMA2C_END };

struct header {
	int version;
	int32_t dim, hidden, layers, heads, kv_heads, vocab, context;
	int tied;
	int group;    /* v2: weights that share a scale */
	size_t bytes; /* of the header */
};

static const int v0_order[] = {PARAM_EMBED, PARAM_NORM_ATT, PARAM_WQ, PARAM_WK, PARAM_WV, PARAM_WO, PARAM_NORM_FFN, PARAM_W1,
			       PARAM_W2, PARAM_W3, PARAM_NORM_OUT, SKIP, PARAM_HEAD, END};
static const int v1_order[] = {PARAM_NORM_ATT, PARAM_NORM_FFN, PARAM_NORM_OUT, PARAM_EMBED, PARAM_WQ, PARAM_WK, PARAM_WV,
			       PARAM_WO, PARAM_W1, PARAM_W2, PARAM_W3, PARAM_HEAD, END};

static uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void get_sizes(struct header *h, const unsigned char *p)
{
	int32_t *field[] = {&h->dim, &h->hidden, &h->layers, &h->heads, &h->kv_heads, &h->vocab, &h->context};
	for (size_t i = 0; i < ARRAY_LEN(field); i++)
		*field[i] = (int32_t)get_u32(p + 4 * i);
}

static int read_header(struct header *h, const struct file_map *m, const char *path, struct err *e)
{
	*h = (struct header){.tied = 1, .bytes = V0_HEADER};
	if (m->size < V0_HEADER)
		return err_set(e, ERR_FORMAT, "model: %s: %s: expected a llama2.c model, at least %d bytes, found %zu", path,
			       m->size ? "too short" : "empty", V0_HEADER, m->size);
	if (get_u32(m->data) != MAGIC) {
		get_sizes(h, m->data);
		/* The sign of the vocabulary says whether the classifier is shared. */
		h->tied = h->vocab > 0;
		if (h->vocab < 0 && h->vocab > INT32_MIN)
			h->vocab = -h->vocab;
		return 0;
	}
	h->version = (int)get_u32(m->data + 4);
	if (h->version != 1 && h->version != 2)
		return err_set(e, ERR_FORMAT, "model: %s: llama2.c version %d: unknown (v0, v1 and v2 are read)", path, h->version);
	if (m->size < V1_HEADER)
		return err_set(e, ERR_FORMAT, "model: %s: cut in its header: expected at least %d bytes, found %zu", path, V1_HEADER,
			       m->size);
	h->bytes = V1_HEADER;
	get_sizes(h, m->data + 8);
	h->tied = m->data[LLAMA2C_SHARED];
	h->group = (int)get_u32(m->data + LLAMA2C_GROUP);
	if (h->tied > 1)
		return err_set(e, ERR_FORMAT, "model: %s: shared_classifier is %d: expected 0 or 1", path, h->tied);
	if (h->version == 2 && (h->group < 1 || h->dim % h->group)) /* groups run over row ends: every matrix is a multiple of dim */
		return err_set(e, ERR_FORMAT, "model: %s: group size %d: expected a divisor of dim %d", path, h->group, h->dim);
	return 0;
}

static void base_name(char *out, size_t n, const char *path)
{
	model_file_name(out, n, path);
	char *dot = strrchr(out, '.');
	if (dot && dot != out)
		*dot = 0;
}

/* A word on what a file of another kind seems to be, or "". */
static const char *other_kind(const struct file_map *m)
{
	if (m->size >= 4 && !memcmp(m->data, "GGUF", 4))
		return " (it begins as a GGUF file does)";
	if (m->size >= 4 && !memcmp(m->data, "PK\3\4", 4))
		return " (it begins as a zip archive or a PyTorch checkpoint does)";
	if (m->size >= 9 && m->data[8] == '{')
		return " (it begins as a safetensors file does)";
	return "";
}

static int header_config(struct model_config *c, const struct header *h, const struct file_map *m, const char *path, struct err *e)
{
	*c = (struct model_config){.dim = h->dim, .hidden = h->hidden, .layers = h->layers, .heads = h->heads, .kv_heads = h->kv_heads,
				   .vocab = h->vocab, .context = h->context, .tied = h->tied, .rope = ROPE_INTERLEAVED,
				   .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 1};
	base_name(c->name, sizeof c->name, path);
	struct err why = {0};
	char prefix[sizeof c->name + 16];
	int rc;
	if (h->heads > 0 && h->dim % h->heads) {
		rc = err_set(&why, ERR_FORMAT, "dim %d is not divisible by heads %d", h->dim, h->heads);
	} else {
		c->head_dim = h->heads > 0 ? h->dim / h->heads : 0;
		rc = model_config_check(c, &why);
	}
	if (!rc)
		return 0;
	size_t named = (size_t)snprintf(prefix, sizeof prefix, "model: %s: ", c->name); /* the path says more than the name */
	return err_set(e, ERR_FORMAT, "model: %s: no llama2.c model: its header as v%d says %s%s", path, h->version,
		       why.msg + (strncmp(why.msg, prefix, named) ? 0 : named), other_kind(m));
}

/* Floats of one tensor of a kind. The ranges of model_config_check keep this below 2^63; mem_mul watches all the same. */
static int tensor_floats(uint64_t *out, const struct model_config *c, int kind)
{
	int64_t dim[2] = {c->context, c->head_dim / 2 * 2}; /* SKIP: cosines and sines, [context, head_dim / 2] each */
	size_t n;
	if (kind != SKIP)
		params_kind_shape(c, (enum param_kind)kind, dim);
	if (mem_mul(&n, (size_t)dim[0], (size_t)dim[1]))
		return -1;
	*out = n;
	return 0;
}

static int in_layers(int kind)
{
	return kind >= PARAM_NORM_ATT && kind < PARAM_NORM_OUT;
}

const int *llama2c_order(int version)
{
	return version ? v1_order : v0_order;
}

static int is_int8(const struct header *h, int kind)
{
	return h->version == 2 && kind != PARAM_NORM_ATT && kind != PARAM_NORM_FFN && kind != PARAM_NORM_OUT;
}

/* The length that a file with this header has: 0, or -1 when it does not fit in size_t. */
static int expected_bytes(size_t *out, const struct header *h, const struct model_config *c)
{
	size_t sum = h->bytes;
	for (const int *k = llama2c_order(h->version); *k != END; k++) {
		uint64_t n;
		size_t bytes;
		if (*k == PARAM_HEAD && c->tied)
			continue;
		if (tensor_floats(&n, c, *k) || mem_mul(&bytes, n, in_layers(*k) ? (size_t)c->layers : 1))
			return -1;
		size_t scales = is_int8(h, *k) ? bytes / (size_t)h->group : bytes;
		if (mem_mul(&scales, scales, sizeof(float)) || (is_int8(h, *k) ? __builtin_add_overflow(bytes, scales, &bytes) : (bytes = scales, 0)) ||
		    sum + bytes < sum)
			return -1;
		sum += bytes;
	}
	*out = sum;
	return 0;
}

static int check_length(const struct file_map *m, const struct header *h, const struct model_config *c, const char *path,
			struct err *e)
{
	size_t want;
	if (!expected_bytes(&want, h, c) && want == m->size)
		return 0;
	if (expected_bytes(&want, h, c))
		return err_set(e, ERR_FORMAT, "model: %s: no llama2.c model: its header asks for more bytes than there can be", path);
	return err_set(e, ERR_FORMAT, "model: %s: llama2.c v%d, dim %d, %d layers, vocabulary %d: expected %zu bytes, found %zu (%s)",
		       path, h->version, h->dim, h->layers, h->vocab, want, m->size,
		       m->size < want ? "cut while copying, or no model" : "something follows, or no model");
}

/* n int8, then a scale for each group of them. */
static const unsigned char *take_int8(float *w, size_t n, size_t group, const unsigned char *at)
{
	const unsigned char *scales = at + n;
	for (size_t i = 0; i < n; i++) {
		float s;
		memcpy(&s, scales + i / group * sizeof s, sizeof s);
		w[i] = s * (float)(signed char)at[i];
	}
	return scales + n / group * sizeof(float);
}

static const unsigned char *take(struct params *p, const struct header *h, int kind, int layer, const unsigned char *at)
{
	const struct param *t = params_find(p, (enum param_kind)kind, layer);
	if (is_int8(h, kind))
		return take_int8(p->w + t->offset, t->count, (size_t)h->group, at);
	memcpy(p->w + t->offset, at, t->count * sizeof(float));
	return at + t->count * sizeof(float);
}

static void take_all(struct params *p, const struct header *h, const unsigned char *at)
{
	const struct model_config *c = &p->config;
	for (const int *k = llama2c_order(h->version); *k != END; k++) {
		if (*k == PARAM_HEAD && c->tied)
			continue;
		if (*k == SKIP) {
			uint64_t n = 0;
			tensor_floats(&n, c, SKIP);
			at += n * sizeof(float);
			continue;
		}
		for (int l = in_layers(*k) ? 0 : -1; l < (in_layers(*k) ? c->layers : 0); l++)
			at = take(p, h, *k, l, at);
	}
}

int llama2c_probe(const char *path)
{
	struct file_map m;
	struct header h;
	struct model_config c;
	size_t want;
	if (file_map(&m, path, "model", NULL))
		return 0;
	int yes = m.size >= 8 && get_u32(m.data) == MAGIC;
	if (!yes)
		yes = !read_header(&h, &m, path, NULL) && !header_config(&c, &h, &m, path, NULL) && !expected_bytes(&want, &h, &c) &&
		      want == m.size;
	file_unmap(&m);
	return yes;
}

struct params *llama2c_load(const char *path, struct err *e)
{
	struct file_map m;
	struct header h;
	struct model_config c;
	struct params *p = NULL;
	if (file_map(&m, path, "model", e))
		return NULL;
	if (!read_header(&h, &m, path, e) && !header_config(&c, &h, &m, path, e) && !check_length(&m, &h, &c, path, e)) {
		p = params_new(&c, e);
		if (p)
			take_all(p, &h, m.data + h.bytes);
	}
	file_unmap(&m);
	return p;
}
