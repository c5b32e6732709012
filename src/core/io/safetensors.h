/* safetensors.h: reading and laying out safetensors files (header rules of the format's reference reader). No model knowledge.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_IO_SAFETENSORS_H
#define ANETUI_IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

enum { ST_MAX_RANK = 8 };

struct st_tensor {
	char *name;
	char dtype[12];           /* "F32", "U32", ... */
	int rank;
	uint64_t dim[ST_MAX_RANK];
	uint64_t begin, end;      /* in the buffer */
};

struct st_file {
	struct file_map map;
	const unsigned char *buffer; /* behind the header */
	uint64_t buffer_bytes;
	int n;
	struct st_tensor *tensor;    /* in the order of the offsets */
	struct { char *key, *value; } *meta;
	int nmeta;
};

/* Maps and checks: header at most 100,000,000 bytes, JSON, no duplicate keys, no holes, no overlap, sizes equal shape times dtype, buffer covered. */
int st_open(struct st_file *f, const char *path, struct err *e);
/* As st_open; messages begin with `what` and name the file `shown` (a checkpoint is read back under its temp name). */
int st_open_as(struct st_file *f, const char *path, const char *what, const char *shown, struct err *e);
void st_close(struct st_file *f);
const struct st_tensor *st_find(const struct st_file *f, const char *name);
const char *st_meta(const struct st_file *f, const char *key); /* or NULL */

/* Bits of one element, or 0 when no such dtype is known. F4 and F6 have fewer than 8. */
int st_dtype_bits(const char *dtype);
/* Bytes of a tensor by dtype and shape; ERR_FORMAT when the dtype is unknown, the product overflows, or bits are left over. */
int st_tensor_bytes(const struct st_tensor *t, uint64_t *bytes, struct err *e);

/* The header bytes (u64 length included, padded with blanks to 8) for n tensors laid out one after the other in this order; fills begin and end. */
struct st_meta { const char *key, *value; };
int st_header(struct str *out, struct st_tensor *t, int n, const struct st_meta *meta, int nmeta, struct err *e);

#endif
