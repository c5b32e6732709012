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
#include "base/trace.h"
#include "model/ema.h"
#include "model/lora.h"
#include "train/bad.h"
#include "train/choose.h"
#include "train/optim.h"

enum { SKIPS_MAX = 100 };
enum { NAN_STOP, NAN_SKIP, NAN_REWIND };
/* As in Micikevicius et al. 2018, section 3.2: from a power of two downwards by halves, up again after many good updates. */
enum { SCALE_FIRST = 65536, SCALE_MAX = 1 << 24, SCALE_GROW_AFTER = 2000 };

struct trainer {
	struct trainer_parts a;
	struct model *model;       /* for `rows` sequences of seq tokens: the batch, or 1 where the device takes no more; NULL until it is needed */
	struct model_options how;
	int batch, rows, seq, stale;     /* stale: the weights have changed since the model has seen them */
	int *x, *y;                /* [batch * seq] */

	/* The step that has begun. */
	struct settings now;       /* as they were when it began */
	int chosen;                /* 1: what is trained is as `now` says */
	struct data_cursor cursor; /* runs ahead of state->cursor */
	int begun, accum;          /* micro-steps made, of how many */
	double loss_sum;
	double scale;              /* of the loss */
	uint64_t entries, zeros;   /* of gradients of activations, see struct model_seen */
	uint64_t tokens, micro_ns, began_ns;

	int skips;                 /* in a row */
	uint32_t top;              /* of what the update before has written (optim_adamw); UINT32_MAX: not known */
	int bad_update;            /* the tensor whose update is not finite; -1: none */
	int row_data, row_update, row_compile;
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
	t->row_compile = timing_row(parts->timing, "compile", TIMING_HOST);
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
		if ((when == SETTING_STEP || when == SETTING_SHAPE) && (t->now.num[i] != t->a.settings->num[i] || strcmp(t->now.text[i], t->a.settings->text[i])))
			return 1;
	}
	return 0;
}

const struct model *trainer_model(const struct trainer *t)
{
	return t->model;
}

/* Frozen ones are zero: but for norms, and the classifier's that a device may make, nobody has written them. They are not touched where that would only make pages. */
static void zero_gradients(struct trainer *t)
{
	struct params *p = t->a.params;
	for (int i = 0; i < p->n; i++) {
		const struct param *r = &p->table[i];
		if (!r->frozen || r->rank == 1 || (t->how.extras && r == params_head(p)))
			memset(p->g + r->offset, 0, r->count * sizeof *p->g);
	}
}

/* What the optimizer moves: the adapters, where there are any. */
static struct params *trained(const struct trainer *t)
{
	return t->a.params->lora ? t->a.params->lora->low : t->a.params;
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
	t->rows = device_caps(t->a.dev)->batch ? batch : 1;
	t->model = model_new(t->a.dev, t->a.params, t->a.pool, t->rows, seq, how, t->a.timing, t->a.cancel, e);
	if (!t->model)
		return err_code_or(e, ERR_DEVICE);
	t->how = *how;
	t->batch = batch;
	t->seq = seq;
	t->stale = 0;
	return 0;
}

struct model_options trainer_options(const struct settings *s)
{
	return (struct model_options){.pipeline = (enum model_pipeline)settings_int(s, SET_PIPELINE),
				      .separate = settings_int(s, SET_PIPELINE_INPUTS), .extras = settings_int(s, SET_EXTRAS), .recompute = settings_int(s, SET_RECOMPUTE),
				      .precise = (enum model_precise)settings_int(s, SET_QK_PRECISE)};
}

static int options(const struct trainer *t, struct model_options *o, struct err *e)
{
	*o = trainer_options(t->a.settings);
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
	uint64_t begin = clock_ns();
	if (!rc && (!t->model || t->batch != batch || t->seq != seq || how.pipeline != t->how.pipeline ||
		    how.separate != t->how.separate || how.active != t->how.active ||
		    how.extras != t->how.extras || how.recompute != t->how.recompute || how.precise != t->how.precise))
		rc = reshape(t, batch, seq, &how, &mine);
	else if (!rc && t->stale && !(rc = model_update(t->model, &mine)))
		t->stale = 0;
	else
		return rc ? err_set(e, (enum err_code)rc, "%s", mine.msg) : 0;
	uint64_t ns = clock_ns() - begin;
	timing_count(t->a.timing, t->row_compile, ns, 0);
	trace_span(TRACE_HOST, "compile", begin, begin + ns, TRACE_NONE);
	return rc ? err_set(e, (enum err_code)rc, "%s", mine.msg) : 0;
}

/* --- the loss scale --- */

static int scale_is_found(const struct trainer *t)
{
	return t->now.num[SET_LOSS_SCALE] < SETTING_IS_OFF && device_caps(t->a.dev)->fp16;
}

static double step_scale(struct trainer *t)
{
	struct train_state *s = t->a.state;
	if (!scale_is_found(t))
		return MAX(t->now.num[SET_LOSS_SCALE], 1);
	if (!(s->loss_scale >= 1))
		s->loss_scale = SCALE_FIRST;
	return s->loss_scale;
}

static void scale_was_good(struct trainer *t)
{
	struct train_state *s = t->a.state;
	if (!scale_is_found(t) || ++s->scale_good < SCALE_GROW_AFTER)
		return;
	s->loss_scale = MIN(2 * s->loss_scale, SCALE_MAX);
	s->scale_good = 0;
}

/* --- steps --- */

/* Whoever reads the weights beside us has done so. The time that this took, ns: it is no work of ours. */
static uint64_t wait_for_readers(struct trainer *t)
{
	uint64_t start = clock_ns();
	if (t->a.before_change)
		t->a.before_change(t->a.change_ctx);
	return clock_ns() - start;
}

/* Which tensors take part: looked at when a setting that has a say in it has changed. */
static int take_chosen(struct trainer *t, struct trainer_step *out, struct err *e)
{
	if (t->chosen && choose_same(&t->now, t->a.settings))
		return 0;
	wait_for_readers(t);
	int rc = choose_trained(t->a.params, t->a.settings, t->a.state->step, out->note, sizeof out->note, e);
	t->chosen = !rc;
	t->top = UINT32_MAX;
	return rc;
}

static int begin_step(struct trainer *t, struct trainer_step *out, struct err *e)
{
	int rc = take_shape(t, e);
	if (!rc)
		rc = take_chosen(t, out, e);
	if (rc)
		return rc;
	t->now = *t->a.settings;
	t->accum = settings_int(&t->now, SET_ACCUM);
	t->cursor = t->a.state->cursor;
	enum data_order order = (enum data_order)settings_int(&t->now, SET_DATA_ORDER);
	if (t->cursor.order != order)
		data_cursor_init(&t->cursor, order, t->cursor.seed);
	t->loss_sum = 0;
	t->scale = step_scale(t);
	t->tokens = t->micro_ns = t->entries = t->zeros = 0;
	t->bad_update = -1;
	t->began_ns = clock_ns();
	return 0;
}

static int count_targets(const int *y, int n)
{
	int k = 0;
	for (int i = 0; i < n; i++)
		k += y[i] >= 0;
	return k;
}

/* The batch in one pass, or sequence by sequence: the mean over all targets either way, in gradients (grad) and loss. Ends early after an overflow. */
static int run_model(struct trainer *t, int grad, float scale, double *loss, struct err *e)
{
	int rc = 0, all = count_targets(t->y, t->batch * t->seq);
	*loss = 0;
	timing_micro_begin(grad ? t->a.timing : NULL);
	for (int b = 0; !rc && b < t->batch; b += t->rows) {
		const int *x = t->x + b * t->seq, *y = t->y + b * t->seq;
		int n = count_targets(y, t->rows * t->seq);
		double mean, part = all ? (double)n / all : 0;
		rc = grad ? model_micro_step(t->model, x, y, scale * (float)part, &mean, e) : model_loss(t->model, x, y, &mean, e);
		*loss += rc ? 0 : mean * part;
		if (grad && !rc) {
			t->entries += model_seen(t->model)->entries;
			t->zeros += model_seen(t->model)->zeros;
			if (model_overflowed(t->model) || !isfinite(mean))
				break;
		}
	}
	timing_micro_end(grad ? t->a.timing : NULL);
	return rc;
}

/* The row "data" stands outside of the micro-step, like "update". */
static int one_micro(struct trainer *t, double *loss, struct err *e)
{
	uint64_t start = clock_ns();
	int rc = data_check(t->a.data, e);
	rc = rc ? rc : data_next(t->a.data, &t->cursor, t->batch, t->seq, t->x, t->y, e);
	timing_add(t->a.timing, t->row_data, clock_ns() - start, 0);
	if (rc)
		return rc;
	t->begun++; /* from here on there may be gradients */
	rc = run_model(t, 1, 1.0f / (float)t->accum * (float)t->scale, loss, e);
	if (rc)
		return rc;
	t->loss_sum += *loss;
	t->tokens += (uint64_t)t->batch * (uint64_t)t->seq;
	t->micro_ns += clock_ns() - start;
	return 0;
}

static int stop_not_finite(const struct trainer *t, const char *what, struct err *e)
{
	char where[300];
	bad_text(where, sizeof where, &(struct bad_look){t->a.params, trained(t), t->model, &t->cursor, t->batch, t->seq, t->begun, t->accum, t->bad_update});
	return err_set(e, ERR_STATE, "train: %s is not finite at step %" PRIu64 "%s (nothing was changed; set nan skip|rewind goes on)", what, t->a.state->step, where);
}

/* The update is left out: the data so far are passed over, and count; weights, moments, step and with it the schedule stay. */
static int skip(struct trainer *t, struct trainer_step *out)
{
	struct train_state *s = t->a.state;
	trainer_drop(t);
	s->cursor = t->cursor;
	s->tokens += t->tokens;
	s->seconds += (double)t->micro_ns / 1e9;
	s->skipped++;
	out->updated = out->skipped = 1;
	out->ns = t->micro_ns;
	return 0;
}

/* Backward the loss scale was too large for this step. Forward it has no part in the numbers: they are the model's own. */
static int overflowed(struct trainer *t, struct trainer_step *out, struct err *e)
{
	struct train_state *s = t->a.state;
	const struct model_seen *seen = model_seen(t->model);
	out->overflow = 1;
	snprintf(out->where, sizeof out->where, "%s", seen->where);
	if (++t->skips >= SKIPS_MAX) {
		trainer_drop(t);
		t->skips = 0;
		return err_set(e, ERR_STATE, "train: %s overflows in fp16 at step %" PRIu64 ", loss scale %.9g: %d updates in a row were skipped (%s)", seen->where,
			       s->step, t->scale, SKIPS_MAX, seen->overflow == OVERFLOW_FORWARD ? "load an older checkpoint, lower lr.max" :
			       scale_is_found(t) ? "load an older checkpoint" : "set loss_scale auto");
	}
	if (seen->overflow == OVERFLOW_BACKWARD && scale_is_found(t)) {
		s->loss_scale = MAX(s->loss_scale / 2, 1);
		s->scale_good = 0;
		out->next_scale = s->loss_scale;
	}
	return skip(t, out);
}

/* nan=stop: the step never was. nan=skip: it is left out. */
static int not_finite(struct trainer *t, const char *what, struct trainer_step *out, struct err *e)
{
	int rc = 0;
	struct train_state *s = t->a.state;
	out->bad = what;
	int mode = settings_int(&t->now, SET_NAN);
	if (mode != NAN_SKIP)
		rc = stop_not_finite(t, what, e);
	else if (++t->skips >= SKIPS_MAX)
		rc = err_set(e, ERR_STATE, "train: %s is not finite at step %" PRIu64 ": %d updates in a row were skipped", what, s->step, SKIPS_MAX);
	if (!rc)
		return skip(t, out);
	out->rewinds = mode == NAN_REWIND;
	out->after = t->cursor;
	trainer_drop(t);
	t->skips = 0;
	return rc;
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
	scale_was_good(t);
	out->updated = 1;
}

static int update(struct trainer *t, struct trainer_step *out, struct err *e)
{
	struct train_state *s = t->a.state;
	struct clock_seen seen = {0};
	clock_stopped_since(&seen, NULL);
	uint64_t start = clock_ns();
	struct params *p = t->a.params;
	if (p->lora)
		lora_gradients(p, t->a.pool);
	out->grad_norm = optim_grad_norm(trained(t), t->a.pool) / t->scale;
	trace_span(TRACE_HOST, "gradient norm", start, clock_ns(), TRACE_NONE);
	if (!isfinite(out->grad_norm))
		return not_finite(t, "gradient norm", out, e);
	double clip = t->now.num[SET_CLIP], scale = clip > 0 && out->grad_norm > clip ? clip / out->grad_norm : 1;
	out->lr = optim_lr(&t->now, s->step);
	/* Looked at number by number only where the sizes of what there is do not rule it out. */
	if (!optim_is_safe(&t->now, out->lr, out->grad_norm * scale, t->top)) {
		t->bad_update = optim_check(trained(t), t->a.pool, &t->now, out->lr, scale / t->scale, s->step + 1);
		if (t->bad_update >= 0)
			return not_finite(t, "update", out, e);
	}
	uint64_t waited = wait_for_readers(t);
	t->top = optim_adamw(trained(t), t->a.pool, &t->now, out->lr, scale / t->scale, s->step + 1);
	if (p->lora) {
		lora_merge(p, t->a.pool);
		optim_missed(p);
	}
	if (p->ema)
		optim_ema(p, t->a.pool, t->now.num[SET_EMA_DECAY]);
	uint64_t ns = clock_ns() - start - waited;
	if (!clock_stopped_since(&seen, NULL))
		timing_count(t->a.timing, t->row_update, ns, 0);
	trace_span(TRACE_HOST, "update", start, start + ns + waited, TRACE_NONE);
	trace_span(TRACE_STEP, "step", t->began_ns, clock_ns(), (int64_t)s->step + 1);
	out->ns = t->micro_ns + ns;
	commit(t, out);
	return 0;
}

int trainer_micro(struct trainer *t, struct trainer_step *out, struct err *e)
{
	double loss = 0;
	*out = (struct trainer_step){0};
	int rc = t->begun ? 0 : begin_step(t, out, e);
	if (rc)
		return rc;
	rc = one_micro(t, &loss, e);
	if (rc) {
		trainer_drop(t);
		return rc;
	}
	out->loss = t->loss_sum / t->begun;
	out->micro_ns = t->micro_ns / (uint64_t)t->begun;
	out->scale = out->next_scale = t->scale;
	out->flushed = t->entries ? (double)t->zeros / (double)t->entries : NAN;
	if (model_overflowed(t->model))
		return overflowed(t, out, e);
	if (!isfinite(loss))
		return not_finite(t, "loss", out, e);
	return t->begun < t->accum ? 0 : update(t, out, e);
}

/* --- evaluation --- */

/* The loss over the batches, with what the model has for weights now. */
static int eval_batches(struct trainer *t, int nbatch, double *loss, struct err *e)
{
	double sum = 0, targets = 0, mean;
	for (int k = 0; k < nbatch; k++) {
		int cut = data_check(t->a.data, e);
		if (cut)
			return cut;
		if (data_val(t->a.data, k, nbatch, t->batch, t->seq, t->x, t->y))
			break;
		int rc = run_model(t, 0, 0, &mean, e), n = count_targets(t->y, t->batch * t->seq);
		if (rc)
			return rc;
		sum += n ? mean * n : 0;
		targets += n;
	}
	if (!(targets > 0))
		return err_set(e, ERR_STATE, "eval: no validation data (`set data.val 0.05`, then `data` again)");
	*loss = sum / targets;
	return 0;
}

/* With the average in the place of the weights. Afterwards all is as before; a begun step whose weights the device can not be given back is dropped. */
static int eval_average(struct trainer *t, int nbatch, double *loss, struct err *e)
{
	int had_begun = t->begun;
	wait_for_readers(t);
	ema_swap(t->a.params);
	t->stale = 1;
	int rc = had_begun ? model_update(t->model, e) : take_shape(t, e);
	int seen = !rc;
	rc = rc ? rc : eval_batches(t, nbatch, loss, e);
	ema_swap(t->a.params);
	t->stale = seen || !had_begun;
	if (seen && had_begun) {
		struct err mine = {0};
		int back = model_update(t->model, &mine);
		t->stale = back != 0;
		if (back)
			trainer_drop(t);
		if (back && !rc)
			rc = err_set(e, (enum err_code)back, "%s", mine.msg);
	}
	return rc;
}

int trainer_eval(struct trainer *t, int nbatch, double *loss, double *bpb, struct err *e)
{
	int rc = 0;
	if (t->a.params->ema && t->a.settings->num[SET_EMA_DECAY] > 0) {
		rc = eval_average(t, nbatch, loss, e);
	} else {
		rc = t->begun ? 0 : take_shape(t, e);
		rc = rc ? rc : eval_batches(t, nbatch, loss, e);
	}
	if (rc)
		return rc;
	double bytes = data_bytes_per_token(t->a.data);
	*bpb = bytes > 0 ? *loss / (log(2) * bytes) : NAN;
	return 0;
}
