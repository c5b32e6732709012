/* save.h: replacing a file so that there is always the old one or the new one, whole. Formats are elsewhere.
 *
 * temp file in the same folder (O_EXCL, umask applies) -> every write checked -> fsync (macOS F_FULLFSYNC) -> close checked -> rename -> fsync of the folder.
 * A failed fsync is never retried. On any failure the temp file goes away and the old file stays.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_SAVE_H
#define ANETUI_BASE_SAVE_H

#include <stddef.h>

#include "base/err.h"

struct save {
	int fd;
	char path[4096], temp[4200];
	unsigned long long bytes;
};

/* `expect` bytes are looked for on the disk first (0: unknown): "disk: runs/demo: 12 MiB needed, 3 MiB free". */
int save_begin(struct save *s, const char *path, unsigned long long expect, struct err *e);
int save_write(struct save *s, const void *data, size_t n, struct err *e);
/* The name under which the data can be read back before it counts (for verifying). */
const char *save_temp(const struct save *s);
int save_sync(struct save *s, struct err *e);    /* optional: save_commit does it when it was not done */
int save_commit(struct save *s, struct err *e);
void save_abort(struct save *s);                 /* harmless after commit */
/* All in one. */
int save_file(const char *path, const void *data, size_t n, struct err *e);

#endif
