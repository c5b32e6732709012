/* trainer.c: micro-steps into steps. The arithmetic is the model's and the optimizer's; here is the order of things, and
 * that a step which can not be finished leaves nothing behind: gradients are zero again, the cursor where it was.
 * SPDX-License-Identifier: MIT */
#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/optim.h"

enum { SKIPS_MAX = 100, NAN_STOP = 0 };

struct trainer {
	struct trainer_parts a;
	struct model *model;       /* for batch sequences of seq tokens; NULL until it is needed */
	struct model_options how;
	int batch, seq, stale;     /* stale: the weights have changed since the model has seen them */
	int *x, *y;                /* [batch * seq] */

	/* The step that has begun. */
	struct settings now;       /* as they were when it began */
	struct data_cursor cursor; /* runs ahead of state->cursor */
	int begun, accum;          /* micro-steps made, of how many */
	double loss_sum;
	uint64_t tokens, micro_ns;

	int skips;                 /* in a row */
	int row_data, row_update;
};

struct trainer *trainer_new(const struct trainer_parts *parts, struct err *e)
{
	if (params_train(parts->params, e))
		return NULL;
	struct trainer *t = mem_zalloc(1, sizeof *t);
	if (!t) {
		err_nomem(e, "train", sizeof *t);
		return NULL;
	}
	t->a = *parts;
	t->row_data = timing_row(parts->timing, "data", TIMING_HOST);
	t->row_update = timing_row(parts->timing, "update", TIMING_HOST);
	return t;
}

static void unshape(struct trainer *t)
{
	model_free(t->model);
	free(t->x);
	free(t->y);
	t->model = NULL;
	t->x = t->y = NULL;
}

void trainer_free(struct trainer *t)
{
	if (!t)
		return;
	trainer_drop(t);
	unshape(t);
	free(t);
}

int trainer_begun(const struct trainer *t)
{
	return t->begun;
}

int trainer_waits_for_change(const struct trainer *t)
{
	for (int i = 0; t->begun && i < SET_N; i++) {
		enum setting_when when = setting_row((enum setting_id)i)->when;
		if ((when == SETTING_STEP || when == SETTING_SHAPE) && t->now.num[i] != t->a.settings->num[i])
			return 1;
	}
	return 0;
}

const struct model *trainer_model(const struct trainer *t)
{
	return t->model;
}

static void zero_gradients(struct trainer *t)
{
	memset(t->a.params->g, 0, t->a.params->total * sizeof *t->a.params->g);
}

void trainer_drop(struct trainer *t)
{
	if (t->begun)
		zero_gradients(t);
	t->begun = 0;
}

/* --- shape --- */

static int reshape(struct trainer *t, int batch, int seq, const struct model_options *how, struct err *e)
{
	int context = t->a.params->config.context;
	if (seq > context)
		return err_set(e, ERR_RANGE, "seq: %d: must be 1 to %d, the model's context", seq, context);
	/* The old programs first: both sets at once may be more than there is memory for. */
	unshape(t);
	size_t n;
	if (mem_mul(&n, (size_t)batch, (size_t)seq) || !(t->x = mem_zalloc(n, sizeof *t->x)) || !(t->y = mem_zalloc(n, sizeof *t->y)))
		return err_nomem(e, "train: batch", (unsigned long long)batch * (unsigned long long)seq * 2 * sizeof *t->x);
	t->model = model_new(t->a.dev, t->a.params, t->a.pool, batch, seq, how, t->a.timing, t->a.cancel, e);
	if (!t->model)
		return e && e->code ? e->code : ERR_DEVICE;
	t->how = *how;
	t->batch = batch;
	t->seq = seq;
	t->stale = 0;
	return 0;
}

static int options(const struct trainer *t, struct model_options *o, struct err *e)
{
	*o = (struct model_options){.pipeline = PIPELINE_STATIC};
	if (!settings_int(t->a.settings, SET_VOCAB_COMPACT))
		return 0;
	o->active = t->a.active;
	return t->a.active->n ? 0 : compact_rows(t->a.active, t->a.data, t->a.params->config.vocab, e);
}

/* At a step boundary: programs for the shape that the settings want, with the weights as they are. Not right after the update:
 * what a frozen weight costs is paid by who goes on. */
static int take_shape(struct trainer *t, struct err *e)
{
	int batch = settings_int(t->a.settings, SET_BATCH), seq = settings_int(t->a.settings, SET_SEQ);
	struct err mine = {0};
	struct model_options how;
	int rc = options(t, &how, &mine);
	if (!rc && (!t->model || t->batch != batch || t->seq != seq || how.pipeline != t->how.pipeline ||
		    how.separate != t->how.separate || how.active != t->how.active))
		rc = reshape(t, batch, seq, &how, &mine);
	else if (!rc && t->stale && !(rc = model_update(t->model, &mine)))
		t->stale = 0;
	return rc ? err_set(e, (enum err_code)rc, "%s", mine.msg) : 0;
}

/* --- steps --- */

static int begin_step(struct trainer *t, struct err *e)
{
	int rc = take_shape(t, e);
	if (rc)
		return rc;
	t->now = *t->a.settings;
	t->accum = settings_int(&t->now, SET_ACCUM);
	t->cursor = t->a.state->cursor;
	enum data_order order = (enum data_order)settings_int(&t->now, SET_DATA_ORDER);
	if (t->cursor.order != order)
		data_cursor_init(&t->cursor, order, t->cursor.seed);
	t->loss_sum = 0;
	t->tokens = t->micro_ns = 0;
	return 0;
}

/* The model opens and closes the micro-step in the timing; the row "data" stands outside of it, like "update". */
static int one_micro(struct trainer *t, double *loss, struct err *e)
{
	uint64_t start = clock_ns();
	int rc = data_next(t->a.data, &t->cursor, t->batch, t->seq, t->x, t->y, e);
	timing_add(t->a.timing, t->row_data, clock_ns() - start, 0);
	if (rc)
		return rc;
	t->begun++; /* from here on there may be gradients */
	rc = model_micro_step(t->model, t->x, t->y, 1.0f / (float)t->accum, loss, e);
	if (rc)
		return rc;
	t->loss_sum += *loss;
	t->tokens += (uint64_t)t->batch * (uint64_t)t->seq;
	t->micro_ns += clock_ns() - start;
	return 0;
}

/* The first tensor of a block that has an infinity or NaN in it, or NULL. */
static const struct param *first_bad(const struct params *p, const float *block)
{
	for (int i = 0; i < p->n; i++)
		for (size_t j = 0; j < p->table[i].count; j++)
			if (!isfinite(block[p->table[i].offset + j]))
				return &p->table[i];
	return NULL;
}

static int stop_not_finite(const struct trainer *t, const char *what, struct err *e)
{
	const struct params *p = t->a.params;
	const struct param *w = first_bad(p, p->w), *g = w ? NULL : first_bad(p, p->g);
	char where[120] = "";
	if (w || g)
		snprintf(where, sizeof where, "; first bad tensor: %s of %s", w ? "weights" : "gradient", w ? w->name : g->name);
	return err_set(e, ERR_STATE, "train: %s is not finite at step %" PRIu64 "%s (stopped before the update; `set nan skip` leaves such steps out)",
		       what, t->a.state->step, where);
}

/* nan=stop: the step never was. nan=skip: its data are passed over, all else stays. */
static int not_finite(struct trainer *t, const char *what, struct trainer_step *out, struct err *e)
{
	int rc = 0;
	struct train_state *s = t->a.state;
	if (settings_int(&t->now, SET_NAN) == NAN_STOP)
		rc = stop_not_finite(t, what, e);
	else if (++t->skips >= SKIPS_MAX)
		rc = err_set(e, ERR_STATE, "train: %s is not finite at step %" PRIu64 ": %d updates in a row were skipped", what, s->step, SKIPS_MAX);
	trainer_drop(t);
	if (rc) {
		t->skips = 0;
		return rc;
	}
	s->cursor = t->cursor;
	s->tokens += t->tokens;
	s->seconds += (double)t->micro_ns / 1e9;
	s->skipped++;
	out->updated = out->skipped = 1;
	out->ns = t->micro_ns;
	return 0;
}

static void commit(struct trainer *t, struct trainer_step *out)
{
	struct train_state *s = t->a.state;
	s->cursor = t->cursor;
	s->tokens += t->tokens;
	s->seconds += (double)out->ns / 1e9;
	s->step++;
	t->stale = 1;
	t->begun = 0;
	t->skips = 0;
	out->updated = 1;
}

static int update(struct trainer *t, struct trainer_step *out, struct err *e)
{
	struct train_state *s = t->a.state;
	uint64_t start = clock_ns();
	out->grad_norm = optim_grad_norm(t->a.params, t->a.pool);
	if (!isfinite(out->grad_norm))
		return not_finite(t, "gradient norm", out, e);
	double clip = t->now.num[SET_CLIP], scale = clip > 0 && out->grad_norm > clip ? clip / out->grad_norm : 1;
	out->lr = optim_lr(&t->now, s->step);
	optim_adamw(t->a.params, t->a.pool, &t->now, out->lr, scale, s->step + 1);
	uint64_t ns = clock_ns() - start;
	timing_add(t->a.timing, t->row_update, ns, 0);
	out->ns = t->micro_ns + ns;
	commit(t, out);
	return 0;
}

int trainer_micro(struct trainer *t, struct trainer_step *out, struct err *e)
{
	double loss = 0;
	*out = (struct trainer_step){0};
	int rc = t->begun ? 0 : begin_step(t, e);
	if (rc)
		return rc;
	rc = one_micro(t, &loss, e);
	if (rc) {
		trainer_drop(t);
		return rc;
	}
	out->loss = t->loss_sum / t->begun;
	out->micro_ns = t->micro_ns / (uint64_t)t->begun;
	if (!isfinite(loss))
		return not_finite(t, "loss", out, e);
	return t->begun < t->accum ? 0 : update(t, out, e);
}

/* --- evaluation --- */

static int count_targets(const int *y, int n)
{
	int k = 0;
	for (int i = 0; i < n; i++)
		k += y[i] >= 0;
	return k;
}

int trainer_eval(struct trainer *t, int nbatch, double *loss, double *bpb, struct err *e)
{
	int rc = t->begun ? 0 : take_shape(t, e);
	double sum = 0, targets = 0, mean;
	for (int k = 0; !rc && k < nbatch; k++) {
		if (data_val(t->a.data, k, nbatch, t->batch, t->seq, t->x, t->y))
			break;
		rc = model_loss(t->model, t->x, t->y, &mean, e);
		int n = count_targets(t->y, t->batch * t->seq);
		sum += n ? mean * n : 0;
		targets += n;
	}
	if (rc)
		return rc;
	if (!(targets > 0))
		return err_set(e, ERR_STATE, "eval: no validation data (`set data.val 0.05`, then `data` again)");
	*loss = sum / targets;
	double bytes = data_bytes_per_token(t->a.data);
	*bpb = bytes > 0 ? *loss / (log(2) * bytes) : NAN;
	return 0;
}
