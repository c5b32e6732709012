/* handover.h: what a program leaves to the one that takes its place by exec(): named blocks in a file in memory, and descriptors that stay open. Starts nothing.
 *
 * Both are the same program file, so a block is the bytes of a plain value. The head of the file says whose it is (device, inode, size and time of the
 * program file) and carries a checksum: anything else is refused, as is a block of another size than its reader expects.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_HANDOVER_H
#define ANETUI_BASE_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct handover;

/* Which program file this process runs (device, inode, size, time); zeros when that can not be told. */
void handover_program(uint64_t id[4]);

/* --- writing --- */
struct handover *handover_new(struct err *e);
void handover_free(struct handover *h);
/* Names have at most 31 bytes and are given once. Memory that runs out shows itself in handover_seal. */
void handover_put(struct handover *h, const char *name, const void *data, size_t n);
void handover_put_text(struct handover *h, const char *name, const char *s);  /* with its NUL; NULL: an empty one */
/* The descriptor stays open through exec(). */
void handover_put_fd(struct handover *h, const char *name, int fd);
/* Makes the file and returns its descriptor. From now on exec() closes all descriptors but 0, 1, 2, those put and this one. */
int handover_seal(struct handover *h, struct err *e);
/* exec() has failed: the descriptors that were put close on exec again. */
void handover_unseal(struct handover *h);

/* --- reading --- */
/* Takes over the descriptor. NULL: ERR_FORMAT, "restart: ...". */
struct handover *handover_open(int fd, struct err *e);
/* A block of n bytes into *out. */
int handover_get(const struct handover *h, const char *name, void *out, size_t n, struct err *e);
/* A block of any size, aligned for any type, until handover_free; NULL: there is none. */
const void *handover_find(const struct handover *h, const char *name, size_t *n);
/* A text, never NULL: "" when there is none. */
const char *handover_text(const struct handover *h, const char *name);
/* The descriptor, which closes on exec again; -1 and a message. */
int handover_take_fd(const struct handover *h, const char *name, struct err *e);

/* --- tables: plain fields of a struct, one block each --- */
struct handover_field { const char *name; size_t at, size; };
#define HANDOVER_FIELD(type, name) {#name, offsetof(type, name), sizeof ((type *)0)->name}
/* Blocks are called PREFIX.NAME. */
void handover_put_fields(struct handover *h, const char *prefix, const struct handover_field *f, size_t nf, const void *from);
int handover_get_fields(const struct handover *h, const char *prefix, const struct handover_field *f, size_t nf, void *to, struct err *e);

#endif
