/* int8.c: int8.h's packing, its plain product, and which one this processor runs. SPDX-License-Identifier: MIT */
#include "sample/int8.h"

#include <math.h>
#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "base/mem.h"

#define ZERO_BELOW 1e-36f /* so that 127 / max is a number */

/* --- packing --- */

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

void int8_pack(struct int8_block *out, const float *a, int64_t m, int64_t n, int64_t r0, int64_t r1)
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

void int8_vector(struct int8_group *out, const float *x, int64_t n)
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

/* --- the plain product --- */

static float group_times(const struct int8_block *b, int row, const struct int8_group *x)
{
	int32_t sum = 0;
	for (int i = 0; i < INT8_GROUP; i++)
		sum += (b->q[i / 4][row][i % 4] - INT8_ZERO) * x->q[i];
	float scale = b->scale[row] * x->scale;
	return (float)sum * scale;
}

static void times(float *y, const struct int8_block *a, const struct int8_group *x, int64_t m, int64_t groups)
{
	for (int64_t r = 0; r < m; r++) {
		const struct int8_block *b = a + r / INT8_TILE * groups;
		float sum = 0;
		for (int64_t g = 0; g < groups; g++)
			sum += group_times(b + g, (int)(r % INT8_TILE), x + g);
		y[r] = sum;
	}
}

const struct int8_rows int8_plain = {"plain", times};

/* --- which --- */

const struct int8_rows *int8_nth(int i)
{
	const struct int8_rows *can[3];
	int n = 0;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"))
		can[n++] = &int8_vnni;
	if (__builtin_cpu_supports("avx2"))
		can[n++] = &int8_avx2;
#elif defined(__aarch64__) && defined(__APPLE__)
	can[n++] = &int8_dot; /* every one of theirs has it */
#elif defined(__aarch64__) && defined(__linux__)
	if (getauxval(AT_HWCAP) & (1 << 20)) /* HWCAP_ASIMDDP */
		can[n++] = &int8_dot;
#endif
	can[n++] = &int8_plain;
	return i >= 0 && i < n ? can[i] : NULL;
}

const struct int8_rows *int8_best(void)
{
	return int8_nth(0);
}
