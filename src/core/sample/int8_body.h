/* int8_body.h: the text of int8.h's product for a processor that sums 16 rows in lanes, included with INT8_NAME, INT8_WORD, and these defined:
 * struct lanes; lanes_group(b, x): the whole-number sums of one group, as floats; lanes_add(t, sums, b, x): t plus sums * (scale * x's); lanes_store(y, t).
 * SPDX-License-Identifier: MIT */
#include "sample/int8_pack.h"

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 4")
#endif

/* `count` tiles side by side, a constant after inlining: their sums do not wait for one another. */
static inline __attribute__((always_inline)) void some_tiles(float *y, const struct int8_block *a, const struct int8_group *x, int64_t groups,
							     const int count)
{
	struct lanes t[TOGETHER];
	memset(t, 0, sizeof t);
	for (int64_t g = 0; g < groups; g++)
		UNROLL for (int i = 0; i < count; i++) {
			const struct int8_block *b = a + i * groups + g;
			t[i] = lanes_add(t[i], lanes_group(b, x + g), b, x + g);
		}
	UNROLL for (int i = 0; i < count; i++)
		lanes_store(y + i * INT8_TILE, t[i]);
}

static void times(float *y, const struct int8_block *a, const struct int8_group *x, int64_t m, int64_t groups)
{
	int64_t r = 0;
	for (; r + TOGETHER * INT8_TILE <= m; r += TOGETHER * INT8_TILE)
		some_tiles(y + r, a + r / INT8_TILE * groups, x, groups, TOGETHER);
	for (; r < m; r += INT8_TILE) {
		float part[INT8_TILE];
		some_tiles(part, a + r / INT8_TILE * groups, x, groups, 1);
		memcpy(y + r, part, (size_t)(m - r < INT8_TILE ? m - r : INT8_TILE) * sizeof *y);
	}
}

const struct int8_rows INT8_NAME = {INT8_WORD, times, pack, vector};
