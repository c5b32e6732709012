/* split.c: keeping splits. SPDX-License-Identifier: MIT */
#include "tui/split.h"

#include <string.h>

#include "base/mem.h"

void splits_reset(struct splits *s)
{
	memset(s, 0, sizeof *s);
	s->stride = 1;
}

void split_take(struct split *s, const struct timing *t, uint64_t step)
{
	int last = (int)MIN(t->micro, (uint64_t)TIMING_HIST);
	*s = (struct split){.step = step, .total = (float)timing_mean_ms(t, -1, last), .rest = (float)timing_mean_ms(t, -2, last)};
	for (int i = 0; i < t->n; i++)
		s->ms[i] = (float)timing_mean_ms(t, i, last);
}

void splits_add(struct splits *s, const struct timing *t, uint64_t step)
{
	if (!s->stride || t->micro < s->micro)
		splits_reset(s);
	if (!t->micro || t->micro == s->micro)
		return;
	s->micro = t->micro;
	if (s->n && s->skip + 1 < s->stride) {
		s->skip++;
		return;
	}
	if (s->n == SPLIT_CAP) {
		for (int i = 0; i < SPLIT_CAP / 2; i++)
			s->at[i] = s->at[2 * i + 1];
		s->n = SPLIT_CAP / 2;
		s->stride *= 2;
	}
	s->skip = 0;
	split_take(&s->at[s->n++], t, step);
}

const struct split *splits_at(const struct splits *s, uint64_t step)
{
	const struct split *best = NULL;
	for (int i = 0; i < s->n; i++) {
		uint64_t d = s->at[i].step > step ? s->at[i].step - step : step - s->at[i].step;
		uint64_t b = !best ? UINT64_MAX : best->step > step ? best->step - step : step - best->step;
		if (d < b)
			best = &s->at[i];
	}
	return best;
}
