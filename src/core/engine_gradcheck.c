/* engine_gradcheck.c: `gradcheck`: the gradients of the running model against the plain reference, and that against finite differences. Changes nothing.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/plain.h"

/* The plain model makes some 0.3 GFLOP a second: this is about ten seconds. */
#define PLAIN_FLOPS 3e9
enum { FEW_TOKENS = 4, ENTRIES = 2 };

struct check {
	struct params *p;
	int *x, *y, seq, few;
	double *w, *g, *few_g; /* weights and the plain gradients, of seq tokens and of few */
	float *kept;           /* gradients of a step that has begun */
	double loss, plain, worst, worst_fd;
	const char *where, *where_fd;
};

static void done(struct check *c)
{
	free(c->x);
	free(c->w);
	free(c->kept);
}

static int init(struct worker *w, struct check *c, struct err *e)
{
	size_t n = w->params->total;
	c->p = w->params;
	c->seq = settings_int(&w->settings, SET_SEQ);
	while (c->seq > FEW_TOKENS && model_flops(&c->p->config, 1, c->seq) > PLAIN_FLOPS)
		c->seq /= 2;
	c->few = MIN(FEW_TOKENS, c->seq);
	int rc = mem_check("gradcheck", 28 * (uint64_t)n, e);
	if (rc)
		return rc;
	c->x = mem_zalloc(2 * (size_t)c->seq, sizeof *c->x);
	c->w = mem_zalloc(3 * n, sizeof *c->w);
	c->kept = mem_zalloc(n, sizeof *c->kept);
	if (!c->x || !c->w || !c->kept)
		return err_nomem(e, "gradcheck", 28 * (unsigned long long)n);
	c->y = c->x + c->seq;
	c->g = c->w + n;
	c->few_g = c->g + n;
	for (size_t i = 0; i < n; i++)
		c->w[i] = (double)c->p->w[i];
	struct data_cursor cursor = w->state.cursor; /* a copy: nothing is taken from training */
	return data_next(&w->data, &cursor, 1, c->seq, c->x, c->y, e);
}

/* The device's gradients, in p->g; what a begun step has there is put aside. */
static int by_programs(struct worker *w, struct check *c, struct err *e)
{
	struct model_options how = trainer_options(&w->settings);
	size_t bytes = c->p->total * sizeof *c->p->g;
	memcpy(c->kept, c->p->g, bytes);
	memset(c->p->g, 0, bytes);
	struct model *m = model_new(w->dev, c->p, w->pool, 1, c->seq, &how, NULL, &w->g->cancel, e);
	int rc = m ? model_micro_step(m, c->x, c->y, 1, &c->loss, e) : e->code;
	model_free(m);
	return rc;
}

/* Of the difference of two gradients of a tensor, relative to the reference's. */
static void against_plain(struct check *c)
{
	for (int i = 0; i < c->p->n; i++) {
		const struct param *t = &c->p->table[i];
		double d = 0, r = 0;
		for (size_t j = t->offset; j < t->offset + t->count; j++) {
			d += ((double)c->p->g[j] - c->g[j]) * ((double)c->p->g[j] - c->g[j]);
			r += c->g[j] * c->g[j];
		}
		double off = r > 0 ? sqrt(d / r) : sqrt(d);
		if (!t->frozen && !(off <= c->worst)) {
			c->worst = off;
			c->where = t->name;
		}
	}
}

static int at(struct check *c, size_t j, double by, double *loss, struct err *e)
{
	double was = c->w[j];
	c->w[j] = was + by;
	int rc = plain_loss(c->p, c->w, NULL, c->x, c->y, 1, c->few, loss, NULL, e);
	c->w[j] = was;
	return rc;
}

/* The entries with the largest gradients, of blocks of equal size: there a difference says something. */
static size_t entry_of(const struct check *c, const struct param *t, int k)
{
	size_t from = t->offset + t->count * (size_t)k / ENTRIES, to = t->offset + t->count * (size_t)(k + 1) / ENTRIES, best = from;
	for (size_t j = from; j < to; j++)
		best = fabs(c->few_g[j]) > fabs(c->few_g[best]) ? j : best;
	return best;
}

static int against_differences(struct worker *w, struct check *c, struct err *e)
{
	const double h = 1e-4;
	double loss, up = 0, down = 0;
	int rc = plain_loss(c->p, c->w, c->few_g, c->x, c->y, 1, c->few, &loss, NULL, e);
	for (int i = 0; i < c->p->n && !rc; i++)
		for (int k = 0; k < ENTRIES && !rc; k++) {
			size_t j = entry_of(c, &c->p->table[i], k);
			rc = at(c, j, h, &up, e);
			rc = rc ? rc : at(c, j, -h, &down, e);
			double got = (up - down) / (2 * h), want = c->few_g[j], off = fabs(got - want) / (fabs(want) + 1e-6);
			if (!rc && !(off <= c->worst_fd)) {
				c->worst_fd = off;
				c->where_fd = c->p->table[i].name;
			}
			if (!rc && worker_cancelled(w))
				rc = err_set(e, ERR_CANCEL, "gradcheck: interrupted");
		}
	return rc;
}

static int verdict(struct worker *w, const struct check *c, struct err *e)
{
	/* fp32 sums of some thousand terms, and fp16 after each operation; differences of h = 1e-4 leave a term of third order. */
	double limit = device_caps(w->dev)->fp16 ? 3e-2 : 1e-4, limit_fd = 1e-3;
	worker_say(w, "loss        %.7f by programs, %.7f by the plain model, %d tokens\n", c->loss, c->plain, c->seq);
	worker_say(w, "programs    %.2e at most from the plain model (%s), of the length of a tensor's gradient; allowed %.0e\n", c->worst, c->where, limit);
	worker_say(w, "plain model %.2e at most from finite differences (%s), %d entries of each of %d tensors over %d tokens; allowed %.0e\n", c->worst_fd, c->where_fd, ENTRIES,
		   c->p->n, c->few, limit_fd);
	if (!(c->worst <= limit))
		return err_set(e, ERR_STATE, "gradcheck: %s: %.2e from the plain model, %.0e is allowed", c->where, c->worst, limit);
	if (!(c->worst_fd <= limit_fd))
		return err_set(e, ERR_STATE, "gradcheck: %s: %.2e from finite differences, %.0e is allowed", c->where_fd, c->worst_fd, limit_fd);
	return 0;
}

int cmd_gradcheck(struct worker *w, struct err *e)
{
	struct check c = {.where = "--", .where_fd = "--"};
	int rc = worker_need_trainer(w, e);
	if (!rc && w->params->lora)
		rc = err_set(e, ERR_STATE, "gradcheck: with adapters the weights have no gradients of their own (set lora.rank 0)");
	if (rc)
		return rc;
	worker_state(w, ENGINE_PREPARING, "checking gradients");
	if (w->trainer)
		trainer_drop(w->trainer); /* it is begun again, with the same data: gradients are zero now */
	rc = init(w, &c, e);
	if (!rc && !(rc = by_programs(w, &c, e)) && !(rc = plain_loss(c.p, c.w, c.g, c.x, c.y, 1, c.seq, &c.plain, NULL, e)))
		against_plain(&c);
	if (c.kept)
		memcpy(w->params->g, c.kept, w->params->total * sizeof *c.kept);
	rc = rc ? rc : against_differences(w, &c, e);
	rc = rc ? rc : verdict(w, &c, e);
	done(&c);
	worker_rest_state(w);
	return rc;
}
