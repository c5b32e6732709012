/* sampler.c: one id out of logits. Order: repetition penalty, temperature, top-k, top-p, min-p; what is left is renormalised and drawn from.
 *
 * All three cuts keep a beginning of the list of ids by weight (equal weights: the lower id first). That beginning is found by
 * partitioning, not by sorting: a flat distribution over 2,048 ids, all a young model has, took 130 us with a heap and takes 20 so.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "sample/sample.h"

struct candidate {
	float w; /* exp((logit - max) / temperature) */
	int id;
};

static int check(const struct sampler_settings *s, int vocab, struct err *e)
{
	if (vocab < 1)
		return err_set(e, ERR_RANGE, "sample: vocabulary of %d: must be at least 1", vocab);
	if (!(s->temperature >= 0 && s->temperature <= 1e6f))
		return err_set(e, ERR_RANGE, "sample.temperature: %g: must be 0 (greedy) or more", (double)s->temperature);
	if (s->top_k < 0)
		return err_set(e, ERR_RANGE, "sample.top_k: %d: must be 0 (off) or more", s->top_k);
	if (!(s->top_p >= 0 && s->top_p <= 1))
		return err_set(e, ERR_RANGE, "sample.top_p: %g: must be 0 to 1 (off)", (double)s->top_p);
	if (!(s->min_p >= 0 && s->min_p <= 1))
		return err_set(e, ERR_RANGE, "sample.min_p: %g: must be 0 (off) to 1", (double)s->min_p);
	if (!(s->repeat > 0 && s->repeat <= 1e6f))
		return err_set(e, ERR_RANGE, "sample.repeat: %g: must be more than 0 (1: off)", (double)s->repeat);
	return 0;
}

int sampler_init(struct sampler *s, const struct sampler_settings *set, int vocab, uint64_t seed, struct err *e)
{
	*s = (struct sampler){.set = *set, .vocab = vocab};
	int rc = check(set, vocab, e);
	if (rc)
		return rc;
	s->scratch = mem_zalloc((size_t)vocab, sizeof(struct candidate));
	if (!s->scratch)
		return err_nomem(e, "sample", (unsigned long long)vocab * sizeof(struct candidate));
	rng_seed(&s->rng, seed);
	return 0;
}

void sampler_done(struct sampler *s)
{
	free(s->scratch);
	s->scratch = NULL;
}

void sampler_note(struct sampler *s, int id)
{
	enum { RECENT = ARRAY_LEN(s->recent) };
	s->recent[s->nrecent % RECENT] = id;
	s->nrecent++;
	if (s->nrecent >= 2 * RECENT) /* still full, and never overflows */
		s->nrecent -= RECENT;
}

/* Each recent id once, however often it came. */
static void penalise(const struct sampler *s, float *logits, int n)
{
	int have = MIN(s->nrecent, (int)ARRAY_LEN(s->recent));
	for (int i = 0; i < have; i++) {
		int id = s->recent[i], seen = id < 0 || id >= n;
		for (int j = 0; j < i && !seen; j++)
			seen = s->recent[j] == id;
		if (!seen)
			logits[id] = logits[id] > 0 ? logits[id] / s->set.repeat : logits[id] * s->set.repeat;
	}
}

/* The lowest id with the highest logit; NaN and -inf are never it. -1: none. */
static int likeliest(const float *logits, int n)
{
	int best = -1;
	float max = -INFINITY;
	for (int i = 0; i < n; i++)
		if (logits[i] > max) {
			max = logits[i];
			best = i;
		}
	return best;
}

/* Does a stand before b in the list? */
static inline int before(const struct candidate *a, const struct candidate *b)
{
	return a->w > b->w || (a->w == b->w && a->id < b->id);
}

static inline void swap(struct candidate *a, struct candidate *b)
{
	struct candidate t = *a;
	*a = *b;
	*b = t;
}

/* Parts c[lo, hi), at least 3 long, around the middle one of three of them; returns where it stands. What is before it in the list is left of it. */
static int partition(struct candidate *c, int lo, int hi, double *left)
{
	int mid = lo + (hi - lo) / 2, last = hi - 1, to = lo;
	if (before(&c[mid], &c[lo]))
		swap(&c[mid], &c[lo]);
	if (before(&c[last], &c[lo]))
		swap(&c[last], &c[lo]);
	if (before(&c[mid], &c[last])) /* now the median goes last */
		swap(&c[mid], &c[last]);
	*left = 0;
	for (int i = lo; i < last; i++)
		if (before(&c[i], &c[last])) {
			*left += c[i].w;
			swap(&c[i], &c[to++]);
		}
	swap(&c[last], &c[to]);
	return to;
}

/* Moves the shortest beginning of the list to c[0, result) that is k long or weighs `enough`, one at least; in no order, but always the same. */
static int select_first(struct candidate *c, int n, int k, double enough)
{
	int lo = 0, hi = n; /* all before lo belong to it, none from hi on does */
	double have = 0, left;
	while (hi - lo > 2) {
		int at = partition(c, lo, hi, &left);
		if (at >= k || have + left >= enough) {
			hi = at > lo ? at : lo + 1; /* the pivot is not needed, or is the only one */
			continue;
		}
		have += left + c[at].w;
		lo = at + 1;
		if (lo >= k || have >= enough)
			return lo;
	}
	if (hi - lo == 2 && before(&c[lo + 1], &c[lo]))
		swap(&c[lo], &c[lo + 1]);
	for (; lo < hi && (!lo || (lo < k && have < enough)); lo++)
		have += c[lo].w;
	return lo;
}

/* Weights above 0 with their ids, in the order of the ids, and their sum. */
static int weigh_all(struct candidate *c, const float *logits, int n, float max, float temperature, double *sum)
{
	int have = 0;
	*sum = 0;
	for (int i = 0; i < n; i++) {
		/* An infinite logit takes all, whatever the others are. */
		float w = logits[i] == max ? 1 : max == INFINITY ? 0 : expf((logits[i] - max) / temperature);
		if (!(w > 0)) /* NaN too */
			continue;
		c[have++] = (struct candidate){w, i};
		*sum += w;
	}
	return have;
}

/* Drops what is lighter than `least`, keeping the order. */
static int drop_light(struct candidate *c, int n, double least)
{
	int have = 0;
	for (int i = 0; i < n; i++)
		if (c[i].w >= least)
			c[have++] = c[i];
	return have;
}

static double sum_of(const struct candidate *c, int n)
{
	double sum = 0;
	for (int i = 0; i < n; i++)
		sum += c[i].w;
	return sum;
}

/* Cuts n candidates that weigh *sum down to the first of c; returns how many stay, at least 1. The heaviest weighs 1. */
static int cut(const struct sampler_settings *set, struct candidate *c, int n, double *sum)
{
	int before_cut = n;
	if (set->top_k > 0 && set->top_k < n) {
		n = select_first(c, n, set->top_k, INFINITY);
		*sum = sum_of(c, n); /* top-p counts on what top-k left */
	}
	if (set->top_p < 1) {
		/* Ids below this weight are together less than what top-p leaves out: they need not be looked at. */
		n = drop_light(c, n, (1 - (double)set->top_p) * 0.999 * *sum / n);
		n = select_first(c, n, n, set->top_p * *sum);
	}
	if (set->min_p > 0)
		n = drop_light(c, n, set->min_p);
	if (n < before_cut)
		*sum = sum_of(c, n);
	return n;
}

static int draw(struct sampler *s, const struct candidate *c, int n, double sum)
{
	double r = rng_double(&s->rng) * sum;
	for (int i = 0; i < n; i++) {
		r -= c[i].w;
		if (r < 0)
			return c[i].id;
	}
	return c[n - 1].id; /* rounding */
}

int sampler_pick(struct sampler *s, float *logits, int limit)
{
	int n = limit > 0 ? MIN(limit, s->vocab) : s->vocab;
	if (s->set.repeat != 1)
		penalise(s, logits, n);
	int id = likeliest(logits, n);
	if (id >= 0 && s->set.temperature > 0) {
		double sum;
		int have = weigh_all(s->scratch, logits, n, logits[id], s->set.temperature, &sum);
		have = cut(&s->set, s->scratch, have, &sum);
		id = draw(s, s->scratch, have, sum);
	}
	if (id >= 0)
		sampler_note(s, id);
	return id;
}
