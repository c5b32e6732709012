/* int8_body.h: the text of int8.h's product for a processor that sums 16 rows in lanes, included with INT8_NAME, INT8_WORD, and these defined:
 * struct lanes; lanes_group(b, x): the whole-number sums of one group, as floats; lanes_add(t, sums, b, x): t plus sums * (scale * x's); lanes_store(y, t).
 * SPDX-License-Identifier: MIT */
#include "sample/int8_pack.h"

/* Bytes ahead of what is read that are asked for: the processor's own look ahead ends with a page. One tile after the other is one stream through memory: a third
 * faster than two tiles side by side and nothing asked for. */
enum { AHEAD = 4096, LINE = 64 };

static inline void ask_ahead(const struct int8_block *b)
{
	uintptr_t at = (uintptr_t)b + AHEAD;
	for (size_t i = 0; i < sizeof *b; i += LINE)
		__builtin_prefetch((const void *)(at + i));
}

static struct lanes tile(const struct int8_block *a, const struct int8_group *x, int64_t groups)
{
	struct lanes t;
	memset(&t, 0, sizeof t);
	for (int64_t g = 0; g < groups; g++) {
		ask_ahead(a + g);
		t = lanes_add(t, lanes_group(a + g, x + g), a + g, x + g);
	}
	return t;
}

static void times(float *y, const struct int8_block *a, const struct int8_group *x, int64_t m, int64_t groups)
{
	for (; m >= INT8_TILE; m -= INT8_TILE, y += INT8_TILE, a += groups)
		lanes_store(y, tile(a, x, groups));
	if (m > 0) {
		float part[INT8_TILE];
		lanes_store(part, tile(a, x, groups));
		memcpy(y, part, (size_t)m * sizeof *y);
	}
}

const struct int8_rows INT8_NAME = {INT8_WORD, times, pack, vector};
