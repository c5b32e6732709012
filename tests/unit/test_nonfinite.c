/* test_nonfinite.c: NaN and infinity put into everything that training has in its hands: found before anything is changed, named, never saved.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine_impl.h"
#include "model/model_state.h"
#include "support/door.h"
#include "support/train_rig.h"
#include "train/optim.h"

enum { BEFORE_STEP, BETWEEN_MICRO_STEPS };
enum block { W, M, V, G, ROPE, LOSS_SCALE, LR, TAP, LOSS };
#define HUGE_F 3e38f

/* What is put where, and what the message must say of it. Ids 2, 6, 10 ... do not occur in the data. */
static const struct spot {
	enum block block;
	enum param_kind kind;
	int layer, at;      /* at -1: everywhere */
	float value;
	int moment;
	const char *what, *tensor; /* NULL: none is bad */
	enum program_id id;        /* TAP: right after this program of the layer, into what stands there */
	enum place place;
} spots[] = {
	{W, PARAM_EMBED, -1, -1, NAN, BEFORE_STEP, "loss", "weights of model.embed_tokens.weight", 0, 0},
	{W, PARAM_WQ, 0, 3, NAN, BEFORE_STEP, "loss", "weights of model.layers.0.self_attn.q_proj.weight", 0, 0},
	{W, PARAM_WK, 1, 40, INFINITY, BEFORE_STEP, "loss", "weights of model.layers.1.self_attn.k_proj.weight", 0, 0},
	{W, PARAM_WO, 0, 0, -INFINITY, BEFORE_STEP, "loss", "weights of model.layers.0.self_attn.o_proj.weight", 0, 0},
	{W, PARAM_W2, 1, 7, NAN, BEFORE_STEP, "loss", "weights of model.layers.1.mlp.down_proj.weight", 0, 0},
	{W, PARAM_NORM_ATT, 1, 31, NAN, BEFORE_STEP, "loss", "weights of model.layers.1.input_layernorm.weight", 0, 0},
	{W, PARAM_NORM_OUT, -1, 0, INFINITY, BEFORE_STEP, "loss", "weights of model.norm.weight", 0, 0},
	{W, PARAM_HEAD, -1, 100, NAN, BEFORE_STEP, "loss", "weights of lm_head.weight", 0, 0},
	{W, PARAM_EMBED, -1, 2 * 32, NAN, BEFORE_STEP, "update", "weights of model.embed_tokens.weight", 0, 0}, /* nobody reads that row */
	{W, PARAM_W1, 1, -1, HUGE_F, BEFORE_STEP, "loss", "h1 of layer 1, token ", 0, 0},
	{W, PARAM_NORM_FFN, 0, -1, HUGE_F, BEFORE_STEP, "loss", "x2norm of layer 0, token ", 0, 0},
	{W, PARAM_W3, 0, -1, HUGE_F, BEFORE_STEP, "loss", "h3 of layer 0, token ", 0, 0},
	{W, PARAM_NORM_OUT, -1, -1, HUGE_F, BEFORE_STEP, "loss", "logits, token ", 0, 0},
	{ROPE, PARAM_WQ, 0, 9, NAN, BEFORE_STEP, "loss", "q of layer 0, token ", 0, 0},
	{G, PARAM_EMBED, -1, 5, NAN, BETWEEN_MICRO_STEPS, "gradient norm", "gradient of model.embed_tokens.weight", 0, 0},
	{G, PARAM_WV, 0, 17, INFINITY, BETWEEN_MICRO_STEPS, "gradient norm", "gradient of model.layers.0.self_attn.v_proj.weight", 0, 0},
	{G, PARAM_NORM_OUT, -1, 1, -INFINITY, BETWEEN_MICRO_STEPS, "gradient norm", "gradient of model.norm.weight", 0, 0},
	{G, PARAM_HEAD, -1, 1951, NAN, BETWEEN_MICRO_STEPS, "gradient norm", "gradient of lm_head.weight", 0, 0},
	{G, PARAM_W3, 1, 12, 1e30f, BETWEEN_MICRO_STEPS, "update", "update of model.layers.1.mlp.up_proj.weight", 0, 0}, /* finite, but its square is not; clip is 0 */
	{LOSS_SCALE, PARAM_WQ, 0, 0, INFINITY, BEFORE_STEP, "gradient norm", "gradient of lm_head.weight", 0, 0},
	{M, PARAM_WK, 0, 5, NAN, BEFORE_STEP, "update", "first moment of model.layers.0.self_attn.k_proj.weight", 0, 0},
	{M, PARAM_NORM_FFN, 1, 0, INFINITY, BEFORE_STEP, "update", "first moment of model.layers.1.post_attention_layernorm.weight", 0, 0},
	{V, PARAM_HEAD, -1, 3, NAN, BEFORE_STEP, "update", "second moment of lm_head.weight", 0, 0},
	{V, PARAM_W1, 0, 0, INFINITY, BEFORE_STEP, "update", "second moment of model.layers.0.mlp.gate_proj.weight", 0, 0},
	{LR, PARAM_WQ, 0, 0, INFINITY, BEFORE_STEP, "update", "update of model.embed_tokens.weight", 0, 0},
	{LOSS_SCALE, PARAM_WQ, 0, 0, HUGE_F, BEFORE_STEP, "gradient norm", "gradient of model.layers.1.mlp.up_proj.weight", 0, 0},
#ifdef __linux__
	{TAP, PARAM_WQ, 0, 3, NAN, BEFORE_STEP, "loss", "x2 of layer 0, token 3 ", PROGRAM_FWD_ATTN, PLACE_X2},
	{TAP, PARAM_WQ, 1, 1, INFINITY, BETWEEN_MICRO_STEPS, "loss", "x2 of layer 1, token 1 ", PROGRAM_FWD_ATTN, PLACE_X2},
	{TAP, PARAM_WQ, 0, 0, -INFINITY, BEFORE_STEP, "loss", "y of layer 0, token 0 ", PROGRAM_FWD_FFN, PLACE_Y},
	{TAP, PARAM_W2, 0, 0, NAN, BEFORE_STEP, "gradient norm", "gradient of model.layers.0.mlp.down_proj.weight", PROGRAM_FWD_FFN, PLACE_GATE},
	{TAP, PARAM_W1, 1, 2, INFINITY, BETWEEN_MICRO_STEPS, "gradient norm", "gradient of model.layers.1.mlp.gate_proj.weight", PROGRAM_FFN_BWD, PLACE_DH1},
	{TAP, PARAM_WQ, 0, 2, NAN, BEFORE_STEP, "gradient norm", "gradient of model.layers.0.self_attn.q_proj.weight", PROGRAM_SDPA_BWD2, PLACE_DQ},
	{LOSS, PARAM_WQ, 0, 0, NAN, BEFORE_STEP, "loss", NULL, 0, 0},
	{LOSS, PARAM_WQ, 0, 0, INFINITY, BETWEEN_MICRO_STEPS, "loss", NULL, 0, 0},
#endif
};

/* The linker leads the programs of a layer, and the micro-step, through here: what they leave is spoiled once. */
static _Atomic(const struct spot *) spoils;

int __real_pass_run(struct model *m, int layer, enum program_id id, struct err *e);
int __real_model_micro_step(struct model *m, const int *x, const int *y, float scale, double *loss, struct err *e);
int __wrap_pass_run(struct model *m, int layer, enum program_id id, struct err *e);
int __wrap_model_micro_step(struct model *m, const int *x, const int *y, float scale, double *loss, struct err *e);

#ifdef __linux__
static const struct spot *spoil_now(enum block block)
{
	const struct spot *p = atomic_load(&spoils);
	return p && p->block == block ? p : NULL;
}

int __wrap_pass_run(struct model *m, int layer, enum program_id id, struct err *e)
{
	int rc = __real_pass_run(m, layer, id, e);
	const struct spot *p = spoil_now(TAP);
	if (!rc && p && p->id == id && p->layer == layer) {
		m->layer[layer].place[p->place][p->at] = p->value;
		atomic_store(&spoils, NULL);
	}
	return rc;
}

int __wrap_model_micro_step(struct model *m, const int *x, const int *y, float scale, double *loss, struct err *e)
{
	int rc = __real_model_micro_step(m, x, y, scale, loss, e);
	const struct spot *p = spoil_now(LOSS), *g = spoil_now(G);
	if (!rc && p)
		*loss = (double)p->value;
	if (!rc && g)
		m->p->g[params_find(m->p, g->kind, g->layer)->offset + (size_t)g->at] = g->value;
	if (p || g)
		atomic_store(&spoils, NULL);
	return rc;
}
#endif

static void put(struct rig *g, const struct spot *p)
{
	const struct param *t = params_find(g->p, p->kind, p->layer);
	float *block[] = {[W] = g->p->w, [M] = g->p->m, [V] = g->p->v, [G] = g->p->g};
	if (p->block == TAP || p->block == LOSS)
		atomic_store(&spoils, p);
	else if (p->block == ROPE)
		((struct model *)(uintptr_t)trainer_model(g->t))->rope_cos[p->at] = p->value;
	else if (p->block == LOSS_SCALE || p->block == LR)
		g->set.num[p->block == LR ? SET_LR_MAX : SET_LOSS_SCALE] = (double)p->value;
	else
		for (size_t i = 0; i < t->count; i++)
			if (p->at < 0 || i == (size_t)p->at)
				block[p->block][t->offset + i] = p->value;
}

static float *copy_of(const struct params *p)
{
	float *c = mem_zalloc(3 * p->total, sizeof *c);
	assert_non_null(c);
	memcpy(c, p->w, p->total * sizeof *c);
	memcpy(c + p->total, p->m, p->total * sizeof *c);
	memcpy(c + 2 * p->total, p->v, p->total * sizeof *c);
	return c;
}

static void assert_same(const struct params *p, const float *c, const char *what)
{
	size_t n = p->total * sizeof *c;
	if (memcmp(c, p->w, n) || memcmp(c + p->total, p->m, n) || memcmp(c + 2 * p->total, p->v, n))
		fail_msg("%s: something was changed", what);
}

/* One rig, the number put there, up to the answer. */
static int broken(struct rig *g, const struct spot *p, int mode, float **kept, struct trainer_step *out, struct err *e)
{
	rig_gaps = 1;
	rig_start(g, NULL, 2, 4000, 0);
	g->set.num[SET_NAN] = mode;
	g->set.num[SET_CLIP] = 0;
	rig_trainer(g);
	/* The weights of a fresh model are small, its first update is checked number by number. */
	if (p->block == ROPE || p->block == LR)
		one_step(g);
	if (p->moment == BETWEEN_MICRO_STEPS)
		must(trainer_micro(g->t, out, e), e);
	put(g, p);
	*kept = copy_of(g->p);
	int rc = trainer_micro(g->t, out, e);
	return !rc && !out->updated ? trainer_micro(g->t, out, e) : rc;
}

static void stops_and_names_it(void **state)
{
	(void)state;
	assert_true(ARRAY_LEN(spots) >= 20);
	for (size_t i = 0; i < ARRAY_LEN(spots); i++) {
		const struct spot *p = &spots[i];
		struct rig g;
		struct trainer_step out;
		struct err e = {0};
		char want[200];
		float *kept;
		int rc = broken(&g, p, 0, &kept, &out, &e);
		snprintf(want, sizeof want, "train: %s is not finite at step %llu%s%s", p->what, (unsigned long long)g.state.step, p->tensor ? "; first bad tensor: " : "",
			 p->tensor ? p->tensor : "");
		if (rc != ERR_STATE || strncmp(e.msg, want, strlen(want)) || (!p->tensor && strstr(e.msg, "bad tensor")) || !strstr(e.msg, "; data: random, sequences "))
			fail_msg("spot %zu: %d %s\nwanted: %s", i, rc, e.msg, want);
		assert_same(g.p, kept, want);
		assert_int_equal(trainer_begun(g.t), 0);
		no_gradients(g.p);
		/* A state that is bad is not saved; one that is not, is. */
		int bad = (p->block == W && !isfinite(p->value)) || p->block == M || p->block == V;
		settings_init(&g.state.settings);
		rc = ckpt_save("bad.ckpt", g.p, &g.state, NULL, NULL, &e);
		if (rc != (bad ? ERR_STATE : 0))
			fail_msg("spot %zu, saved: %d %s", i, rc, e.msg);
		assert_int_equal(access("bad.ckpt", F_OK) != 0, bad);
		unlink("bad.ckpt");
		free(kept);
		rig_stop(&g);
	}
}

/* nan = rewind: as stop, and the caller is told to go back, and behind which data. */
static void wants_to_go_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spots); i++) {
		struct rig g;
		struct trainer_step out;
		struct err e = {0};
		float *kept;
		int rc = broken(&g, &spots[i], 2, &kept, &out, &e);
		if (rc != ERR_STATE || !out.rewinds || out.updated || !memcmp(&out.after, &g.state.cursor, sizeof out.after))
			fail_msg("spot %zu: %d %s", i, rc, e.msg);
		assert_same(g.p, kept, spots[i].what);
		no_gradients(g.p);
		free(kept);
		rig_stop(&g);
	}
}

static void skips_without_a_change(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spots); i++) {
		struct rig g;
		struct trainer_step out;
		struct err e = {0};
		float *kept;
		int rc = broken(&g, &spots[i], 1, &kept, &out, &e);
		if (rc || !out.updated || !out.skipped || g.state.skipped != 1)
			fail_msg("spot %zu: %d %s", i, rc, e.msg);
		assert_same(g.p, kept, spots[i].what);
		free(kept);
		rig_stop(&g);
	}
}

/* Into a row that nobody reads, when sizes are known and not looked at one by one: it is seen in the update itself, and the next step stops. */
static void seen_one_step_later(void **state)
{
	(void)state;
	struct rig g;
	struct trainer_step out;
	struct err e = {0};
	rig_gaps = 1;
	rig_start(&g, NULL, 1, 4000, 0);
	rig_trainer(&g);
	one_step(&g);
	g.p->w[params_find(g.p, PARAM_EMBED, -1)->offset + 2 * 32] = NAN;
	one_step(&g);
	assert_int_equal(ckpt_save("bad.ckpt", g.p, &g.state, NULL, NULL, &e), ERR_STATE);
	must(trainer_micro(g.t, &out, &e), &e);
	assert_int_equal(trainer_micro(g.t, &out, &e), ERR_STATE);
	assert_non_null(strstr(e.msg, "first bad tensor: weights of model.embed_tokens.weight"));
	rig_stop(&g);
}

/* Where the sizes say that an update can not leave finite numbers behind, the numbers say the same. */
static void sizes_and_numbers_agree(void **state)
{
	(void)state;
	struct rig g;
	rig_start(&g, NULL, 1, 4000, 0);
	rig_trainer(&g);
	one_step(&g);
	static const float sizes[] = {1e-30f, 1, 1e10f, 1e18f, 1e19f, 1e25f, HUGE_F};
	static const double rates[] = {0, 1e-3, 10, 1e30};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (size_t k = 0; k < ARRAY_LEN(rates); k++)
			for (int eps = 0; eps < 3; eps++) {
				g.set.num[SET_ADAM_EPS] = eps == 0 ? 1e-8 : eps == 1 ? 0 : 1e-30;
				for (size_t j = 0; j < g.p->total; j++) {
					g.p->w[j] = g.p->m[j] = g.p->v[j] = sizes[i];
					g.p->g[j] = 1e-3f * sizes[i];
				}
				uint32_t top;
				memcpy(&top, &sizes[i], sizeof top);
				double norm = optim_grad_norm(g.p, g.pool);
				int safe = optim_is_safe(&g.set, rates[k], norm, top), bad = optim_check(g.p, g.pool, &g.set, rates[k], 1, 2);
				if (safe && bad >= 0)
					fail_msg("size %g, rate %g: said to be safe", (double)sizes[i], rates[k]);
				uint32_t made = optim_adamw(g.p, g.pool, &g.set, rates[k], 1, 2);
				assert_true(bad < 0 || made >= 0x7f800000);
			}
	rig_stop(&g);
}

/* --- the engine --- */

static void open_broken(struct door *d, const char *dir, const char *nan, int ckpt)
{
	door_open(d, dir, 0);
	door_small_model(d);
	door_say(d, CMD_SET, nan, 0);
	door_say(d, CMD_TRAIN, "4", 0);
	if (ckpt)
		door_say(d, CMD_CKPT, "", 0);
	door_say(d, CMD_TRAIN, "2", 0);
	/* The worker sleeps: nobody else looks. */
	d->g->w.params->w[params_find(d->g->w.params, PARAM_NORM_OUT, -1)->offset] = NAN;
}

static void a_stopped_run_keeps_its_checkpoint(void **state)
{
	(void)state;
	static struct door d;
	struct err e = {0};
	open_broken(&d, "a", "nan stop", 1);
	door_say(&d, CMD_TRAIN, "3", ERR_STATE);
	assert_non_null(strstr(d.msg, "first bad tensor: weights of model.norm.weight"));
	door_say(&d, CMD_CKPT, "", ERR_STATE);
	door_say(&d, CMD_STOP_SAVE, "quit", ERR_STATE);
	assert_true(access("a/step-00000006.ckpt", F_OK));
	assert_int_equal(ckpt_verify("a/step-00000004.ckpt", &e), 0);
	door_free(&d);
}

static void goes_back(void **state)
{
	(void)state;
	static struct door d;
	open_broken(&d, "b", "nan rewind", 1);
	door_say(&d, CMD_TRAIN, "3", 0);
	assert_true(d.g->w.state.step == 9 && d.g->w.state.skipped == 1);
	assert_non_null(strstr(d.log.s, "rewind: from step 6 back to 4 (b/step-00000004.ckpt), on behind those data"));
	for (size_t i = 0; i < d.g->w.params->total; i++)
		assert_true(isfinite(d.g->w.params->w[i]));
	/* What breaks again at once is not the data: three times, then it ends. */
	d.g->w.settings.num[SET_LOSS_SCALE] = INFINITY;
	d.g->w.settings.set[SET_LOSS_SCALE] = 1;
	door_say(&d, CMD_TRAIN, "3", ERR_STATE);
	assert_non_null(strstr(d.msg, "gone back 3 times already"));
	door_close(&d, 0);
}

/* Of each kind one, in a run: back to step 4, and on to step 9 behind the data that broke it. What is spoiled in passing does not come back. */
static void goes_back_from_every_kind(void **state)
{
	(void)state;
#ifdef __linux__
	static const struct spot kinds[] = {
		{M, PARAM_WK, 0, 5, NAN, BEFORE_STEP, NULL, NULL, 0, 0}, {V, PARAM_HEAD, -1, 3, INFINITY, BEFORE_STEP, NULL, NULL, 0, 0},
		{G, PARAM_WV, 0, 17, INFINITY, BEFORE_STEP, NULL, NULL, 0, 0}, {TAP, PARAM_WQ, 0, 3, NAN, BEFORE_STEP, NULL, NULL, PROGRAM_FWD_ATTN, PLACE_X2},
		{LOSS, PARAM_WQ, 0, 0, NAN, BEFORE_STEP, NULL, NULL, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		static struct door d;
		const struct spot *p = &kinds[i];
		char dir[8] = {'k', (char)('0' + i), 0};
		door_open(&d, dir, 0);
		door_small_model(&d);
		door_say(&d, CMD_SET, "nan rewind", 0);
		door_say(&d, CMD_TRAIN, "4", 0);
		door_say(&d, CMD_CKPT, "", 0);
		door_say(&d, CMD_TRAIN, "2", 0);
		struct params *w = d.g->w.params;
		if (p->block == M || p->block == V)
			(p->block == M ? w->m : w->v)[params_find(w, p->kind == PARAM_HEAD ? PARAM_EMBED : p->kind, p->layer)->offset + (size_t)p->at] = p->value;
		else
			atomic_store(&spoils, p);
		door_say(&d, CMD_TRAIN, "3", 0);
		w = d.g->w.params;
		assert_true(d.g->w.state.step == 9 && d.g->w.state.skipped == 1 && !atomic_load(&spoils));
		/* Where all sizes were known to be harmless, a moment is looked at when it has been used. */
		assert_non_null(strstr(d.log.s, p->block == M || p->block == V ? "rewind: from step 7 back to 4" : "rewind: from step 6 back to 4"));
		for (size_t k = 0; k < w->total; k++)
			assert_true(isfinite(w->w[k]) && isfinite(w->m[k]) && isfinite(w->v[k]));
		door_close(&d, 0);
	}
#else
	skip();
#endif
}

static void nowhere_to_go_back_to(void **state)
{
	(void)state;
	static struct door d;
	open_broken(&d, "c", "nan rewind", 0);
	door_say(&d, CMD_TRAIN, "3", ERR_STATE);
	assert_non_null(strstr(d.msg, "there is no checkpoint to go back to"));
	door_close(&d, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		door_test(stops_and_names_it), door_test(wants_to_go_back), door_test(skips_without_a_change), door_test(seen_one_step_later),
		door_test(sizes_and_numbers_agree), door_test(a_stopped_run_keeps_its_checkpoint), door_test(goes_back),
		door_test(goes_back_from_every_kind), door_test(nowhere_to_go_back_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
