/* int8_pack.h: the text of int8.h's packing, included once for each processor class: loops of constant length, which compilers turn into vectors.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "sample/int8.h"

#define ZERO_BELOW 1e-36f /* so that 127 / max is a number */

/* The largest |v|, as bits: they are ordered as the values are, and what is not finite comes last. */
static uint32_t largest(const float v[INT8_GROUP])
{
	uint32_t bits[INT8_GROUP], max = 0;
	memcpy(bits, v, sizeof bits);
	for (int i = 0; i < INT8_GROUP; i++) {
		uint32_t b = bits[i] & 0x7fffffffu;
		max = b > max ? b : max;
	}
	return max;
}

/* One group to q, of which the low byte counts; the scale. 1.5 * 2^23 has its last bit at the ones: adding it rounds. */
static float quantise(int32_t q[INT8_GROUP], const float v[INT8_GROUP])
{
	const float round = 12582912.0f;
	uint32_t bits = largest(v);
	float max, t[INT8_GROUP];
	memcpy(&max, &bits, sizeof max);
	memset(q, 0, INT8_GROUP * sizeof *q);
	if (bits >= 0x7f800000u)
		return NAN;
	if (max < ZERO_BELOW)
		return 0;
	float inverse = 127 / max;
	for (int i = 0; i < INT8_GROUP; i++)
		t[i] = v[i] * inverse;
	for (int i = 0; i < INT8_GROUP; i++)
		t[i] += round;
	memcpy(q, t, sizeof t);
	for (int i = 0; i < INT8_GROUP; i++)
		q[i] -= 0x4b400000;
	return max / 127;
}

/* Elements at .. of a row of n, with zeros behind its end. */
static const float *group_of(float room[INT8_GROUP], const float *row, int64_t at, int64_t n)
{
	if (at + INT8_GROUP <= n)
		return row + at;
	memset(room, 0, INT8_GROUP * sizeof *room);
	memcpy(room, row + at, (size_t)(n - at) * sizeof *room);
	return room;
}

static void pack_row(struct int8_block *b, int row, const float v[INT8_GROUP])
{
	int32_t q[INT8_GROUP];
	uint8_t bytes[INT8_GROUP];
	b->scale[row] = quantise(q, v);
	for (int i = 0; i < INT8_GROUP; i++)
		bytes[i] = (uint8_t)(q[i] + INT8_ZERO);
	for (int i = 0; i < INT8_GROUP / 4; i++)
		memcpy(b->q[i][row], bytes + 4 * i, 4);
}

static void pack(struct int8_block *out, const float *a, int64_t m, int64_t n, int64_t r0, int64_t r1)
{
	static const float none[INT8_GROUP];
	const int64_t groups = int8_groups(n);
	float room[INT8_GROUP];
	for (int64_t r = r0; r < r1; r += INT8_TILE)
		for (int64_t g = 0; g < groups; g++)
			for (int64_t i = 0; i < INT8_TILE; i++)
				pack_row(out + r / INT8_TILE * groups + g, (int)i,
					 r + i < m ? group_of(room, a + (r + i) * n, g * INT8_GROUP, n) : none);
}

static void vector(struct int8_group *out, const float *x, int64_t n)
{
	for (int64_t at = 0; at < n; at += INT8_GROUP, out++) {
		float room[INT8_GROUP];
		int32_t q[INT8_GROUP], sum = 0;
		out->scale = quantise(q, group_of(room, x, at, n));
		for (int i = 0; i < INT8_GROUP; i++)
			out->q[i] = (int8_t)q[i];
		for (int i = 0; i < INT8_GROUP; i++)
			sum += q[i];
		out->sum = sum;
	}
}
