/* int8_dot.c: int8.h with arm64's dot product of signed bytes. SPDX-License-Identifier: MIT */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "sample/int8.h"

enum { QUARTERS = 4 };

struct lanes { float32x4_t v[QUARTERS]; };

static inline int8x16_t four_rows(const struct int8_block *b, int i, int quarter)
{
	return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(b->q[i][quarter * 4]), vdupq_n_u8(INT8_ZERO)));
}

static inline struct lanes lanes_group(const struct int8_block *b, const struct int8_group *x)
{
	struct lanes out;
	int32x4_t s[QUARTERS];
	for (int k = 0; k < QUARTERS; k++)
		s[k] = vdupq_n_s32(0);
	for (int i = 0; i < INT8_GROUP / 4; i += 4) {
		int8x16_t v = vld1q_s8(x->q + 4 * i);
		for (int k = 0; k < QUARTERS; k++) {
			s[k] = vdotq_laneq_s32(s[k], four_rows(b, i, k), v, 0);
			s[k] = vdotq_laneq_s32(s[k], four_rows(b, i + 1, k), v, 1);
			s[k] = vdotq_laneq_s32(s[k], four_rows(b, i + 2, k), v, 2);
			s[k] = vdotq_laneq_s32(s[k], four_rows(b, i + 3, k), v, 3);
		}
	}
	for (int k = 0; k < QUARTERS; k++)
		out.v[k] = vcvtq_f32_s32(s[k]);
	return out;
}

static inline struct lanes lanes_add(struct lanes t, struct lanes sums, const struct int8_block *b, const struct int8_group *x)
{
	for (int k = 0; k < QUARTERS; k++) {
		float32x4_t scale = vmulq_n_f32(vld1q_f32(b->scale + 4 * k), x->scale);
		float32x4_t part = vmulq_f32(sums.v[k], scale);
		t.v[k] = vaddq_f32(t.v[k], part);
	}
	return t;
}

static inline void lanes_store(float *y, struct lanes t)
{
	for (int k = 0; k < QUARTERS; k++)
		vst1q_f32(y + 4 * k, t.v[k]);
}

#define INT8_NAME int8_dot
#define INT8_WORD "neon dot"
#include "sample/int8_body.h"
#else
typedef int int8_dot_is_empty;
#endif
