/* compact.c: see compact.h. SPDX-License-Identifier: MIT */
#include "train/compact.h"

#include <stdlib.h>

#include "base/mem.h"

int compact_rows(struct active_rows *a, const struct data *d, int vocab, struct err *e)
{
	unsigned char *seen = mem_zalloc((size_t)vocab, 1);
	if (!seen)
		return err_nomem(e, "vocab.compact", (uint64_t)vocab);
	data_mark(d, seen, vocab);
	int rc = active_init(a, seen, vocab, e);
	free(seen);
	return rc ? err_prefix(e, "vocab.compact: %s", d->name), rc : 0;
}
