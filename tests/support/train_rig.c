/* train_rig.c: see train_rig.h. SPDX-License-Identifier: MIT */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "support/tiny.h"

void must(int rc, const struct err *e)
{
	if (rc)
		fail_msg("%d: %s", rc, e->msg);
}

int rig_gaps;

/* n ids that are not quite random: a model can learn that some follow others. */
static void write_shard(const char *path, int n, uint64_t seed)
{
	struct rng r;
	FILE *f = fopen(path, "wb");
	int id = 3;
	assert_non_null(f);
	rng_seed(&r, seed);
	for (int i = 0; i < n; i++) {
		id = rng_below(&r, 3) ? (id * 7 + 5) % RIG_VOCAB : (int)rng_below(&r, RIG_VOCAB);
		fputc(rig_gaps && id % 4 == 2 ? id - 1 : id, f);
		fputc(0, f);
	}
	assert_int_equal(fclose(f), 0);
}

const struct tiny rig_shape = {.what = "train", .dim = 32, .hidden = 48, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 8,
				  .vocab = RIG_VOCAB, .tied = 0, .rope = 0, .alpha = 1, .batch = 2, .seq = 64};

static void rig_settings(struct settings *s)
{
	settings_init(s);
	s->num[SET_SEQ] = 24;
	s->num[SET_BATCH] = 2;
	s->num[SET_ACCUM] = 2;
	s->num[SET_LR_MAX] = 3e-3;
	s->num[SET_LR_WARMUP] = 5;
	s->num[SET_LR_STEPS] = 30;
}

void rig_start(struct rig *g, struct params *p, int threads, int tokens, double val)
{
	struct err e = {0};
	struct model_config c;
	memset(g, 0, sizeof *g);
	g->pool = pool_new(threads, &e);
	assert_non_null(g->pool);
	if (!(g->dev = device_open("cpu", g->pool, &e)))
		fail_msg("%s", e.msg);
	tiny_config(&c, &rig_shape);
	g->p = p;
	if (!p) {
		assert_non_null(g->p = params_new(&c, &e));
		params_init(g->p, 1337);
	}
	write_shard("train.bin", tokens, 4);
	must(data_open_shard(&g->data, "train.bin", RIG_VOCAB, val, &e), &e);
	rig_settings(&g->set);
	g->state.best_loss = NAN;
	data_cursor_init(&g->state.cursor, DATA_RANDOM, 99);
}

void rig_trainer(struct rig *g)
{
	struct err e = {0};
	struct trainer_parts parts = {g->dev, g->pool, g->p, &g->data, &g->set, &g->state, &g->timing, &g->cancel, &g->active, NULL, NULL};
	if (!(g->t = trainer_new(&parts, &e)))
		fail_msg("%s", e.msg);
}

void rig_stop(struct rig *g)
{
	trainer_free(g->t);
	active_done(&g->active);
	device_close(g->dev);
	data_close(&g->data);
	params_free(g->p);
	pool_free(g->pool);
}

struct trainer_step one_step(struct rig *g)
{
	struct trainer_step out;
	struct err e = {0};
	do
		must(trainer_micro(g->t, &out, &e), &e);
	while (!out.updated);
	return out;
}

void same_params(const struct params *a, const struct params *b)
{
	size_t n = a->total * sizeof(float);
	assert_int_equal(a->total, b->total);
	assert_memory_equal(a->w, b->w, n);
	assert_memory_equal(a->m, b->m, n);
	assert_memory_equal(a->v, b->v, n);
}

void no_gradients(const struct params *p)
{
	for (size_t i = 0; i < p->total; i++)
		assert_true(p->g[i] == 0);
}
