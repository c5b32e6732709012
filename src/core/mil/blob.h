/* blob.h: tensors in MIL weight files (MILBlob storage, version 2). Opens no file: the caller maps it.
 *
 * Little-endian. A 64-byte header (u32 count, u32 version = 2), then records of 64 bytes, each followed by its data:
 *   u32 0xDEADBEEF, u32 type, u64 bytes, u64 absolute offset of the data, u64 padding bits, 32 bytes reserved.
 * A program names the offset of the record, not of the data. Read from the layout in coremltools' MILBlob headers.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_BLOB_H
#define ANETUI_MIL_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "mil/mil.h"

struct mil_blob {
	enum mil_dtype dtype;
	const void *data; /* inside the file, aligned for the dtype when the file's first byte is */
	uint64_t bytes;
	const char *note; /* what the file does against the format and may be forgiven, or NULL */
};

/* The record at `offset` of a file of `size` bytes. `what` names the file in messages. A count that leaves records out, and
 * records that are not on multiples of 64, are accepted with a note: files in the wild have both. A record whose size and offset
 * were never written is refused with that explanation. ERR_FORMAT. */
int mil_blob_find(struct mil_blob *out, const void *file, size_t size, uint64_t offset, const char *what, struct err *e);
/* Is the record what the program declares: same dtype, as many bytes as the shape needs? ERR_FORMAT. */
int mil_blob_fits(const struct mil_blob *b, const struct mil_type *t, const char *what, struct err *e);

/* A file under construction; zeroed at first. Everything aligned to 64, the count true. */
struct mil_blob_file {
	struct str bytes;
};
/* Appends a tensor; the offset of its record, for BLOBFILE; 0 when memory is out or the dtype has no number. */
uint64_t mil_blob_add(struct mil_blob_file *f, enum mil_dtype d, const void *data, size_t bytes);
/* As above, the contents left to the caller: they are at f->bytes.s + offset + 64 until the next call, zero at first. */
uint64_t mil_blob_reserve(struct mil_blob_file *f, enum mil_dtype d, size_t bytes);
/* The same with the record at `offset`, a multiple of 64 at or after the end of what is there; zeros fill the gap. */
uint64_t mil_blob_reserve_at(struct mil_blob_file *f, uint64_t offset, enum mil_dtype d, size_t bytes);
void mil_blob_done(struct mil_blob_file *f);

#endif
