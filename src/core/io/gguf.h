/* gguf.h: the container of GGUF v2 and v3: keys and tensors, read from a map and laid out for writing. No model knowledge.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_GGUF_H
#define ANETUI_IO_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

enum { GGUF_RANK_MAX = 4, GGUF_NAME_MAX = 64, GGUF_ALIGNMENT = 32 };

/* The format's numbers. */
enum gguf_value {
	GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_FLOAT32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_FLOAT64,
};
/* Of all types of tensors that have names those that this program reads. */
enum gguf_type { GGUF_F32 = 0, GGUF_F16 = 1, GGUF_Q8_0 = 8, GGUF_BF16 = 30 };

struct gguf_key {
	const char *name; /* in the map, not terminated */
	size_t name_len;
	uint32_t type;    /* enum gguf_value */
	uint32_t element; /* of an array */
	uint64_t n;       /* elements of an array, bytes of a string */
	const unsigned char *data;
};

struct gguf_tensor {
	char name[GGUF_NAME_MAX];
	int rank;
	uint64_t dim[GGUF_RANK_MAX]; /* the fastest first: a matrix is [in, out] */
	uint32_t type;
	uint64_t elements, offset, bytes;
	const unsigned char *data;
};

struct gguf_file {
	struct file_map map;
	const char *path; /* the caller's, for messages */
	uint64_t nkey, n;
	struct gguf_key *key, **key_by_name;
	struct gguf_tensor *tensor, **tensor_by_name;
	uint64_t alignment;
};

/* Maps and checks all of the header: every count and length against the bytes that are left before anything is allocated, no name twice, known types,
 * each tensor where the one before it ends, rounded up to the alignment, the last one inside the file. `path` must stay as long as the file is open. */
int gguf_open(struct gguf_file *f, const char *path, struct err *e);
void gguf_close(struct gguf_file *f);
const struct gguf_key *gguf_key(const struct gguf_file *f, const char *name);         /* or NULL */
const struct gguf_tensor *gguf_tensor(const struct gguf_file *f, const char *name); /* or NULL */

/* A key's value. 1: *out is set; 0: no such key; below 0: it is of another type, or (ints) not within min to max. */
int gguf_get_int(const struct gguf_file *f, const char *name, int64_t min, int64_t max, int64_t *out, struct err *e);
int gguf_get_float(const struct gguf_file *f, const char *name, double *out, struct err *e);
int gguf_get_bool(const struct gguf_file *f, const char *name, int *out, struct err *e);
int gguf_get_string(const struct gguf_file *f, const char *name, const char **s, size_t *n, struct err *e); /* not terminated */
int gguf_get_array(const struct gguf_file *f, const char *name, enum gguf_value element, const struct gguf_key **out, struct err *e);
/* The next string of an array; *at begins as key->data. */
const char *gguf_next_string(const unsigned char **at, size_t *n);
uint32_t gguf_u32(const unsigned char *p);
float gguf_f32(const unsigned char *p);

/* Name of a tensor type and what a block of it takes; NULL: unknown. */
const char *gguf_type_name(uint32_t type, unsigned *block, unsigned *bytes);
/* A name from a file for one line of a message: at most 60 bytes, control bytes as '?'. Returns buf. */
const char *gguf_shown(char buf[64], const char *s, size_t n);

/* --- writing (gguf_write.c): keys and tensors are put one after the other, then the head is complete; the caller writes it and the tensors,
 * each followed by gguf_padding zeros. --- */

struct gguf_head {
	struct str keys, infos;
	uint64_t nkey, n, at;
};

void gguf_put_u32(struct gguf_head *h, const char *name, uint32_t v);
void gguf_put_float(struct gguf_head *h, const char *name, float v);
void gguf_put_bool(struct gguf_head *h, const char *name, int v);
void gguf_put_string(struct gguf_head *h, const char *name, const char *s, size_t n);
/* n elements follow, by gguf_add_string or str_add to h->keys. */
void gguf_put_array(struct gguf_head *h, const char *name, enum gguf_value element, uint64_t n);
void gguf_add_string(struct gguf_head *h, const char *s, size_t n);
void gguf_add_u32(struct gguf_head *h, uint32_t v);
/* dim as in struct gguf_tensor; dim[0] must be a multiple of the type's block. Returns the bytes of the tensor. */
uint64_t gguf_put_tensor(struct gguf_head *h, const char *name, int rank, const uint64_t *dim, enum gguf_type type);
uint64_t gguf_padding(uint64_t bytes);
/* The whole head, padded, into `out`. */
int gguf_finish(struct gguf_head *h, struct str *out, struct err *e);
void gguf_head_done(struct gguf_head *h);

#endif
