/* engine_speak.c: what the worker says: events, answers, log lines, the snapshot. Decides nothing.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "device/gemm.h"
#include "train/optim.h"

/* --- speaking ------------------------------------------------------------------------------------------------- */

/* Who does not look for an hour finds every answer; of what happened meanwhile the first LATE_MAX. */
enum { LATE_MAX = 4096 };

void worker_deliver_late(struct worker *w)
{
	while (w->nlate && !ring_push(w->g->events, &w->late[w->late_at])) {
		w->late_at++;
		w->nlate--;
	}
	if (!w->nlate)
		w->late_at = 0;
}

/* Text that goes on where the last late event ends: thousands of tokens of a sample would be an event each. */
static int join_late(struct worker *w, const struct engine_event *ev)
{
	struct engine_event *last = w->nlate ? &w->late[w->late_at + w->nlate - 1] : NULL;
	if (!last || last->kind != ev->kind || last->id != ev->id || (ev->kind != EV_TEXT && ev->kind != EV_SAMPLE))
		return -1;
	size_t have = strlen(last->text), more = strlen(ev->text);
	if (have + more >= sizeof last->text)
		return -1;
	memcpy(last->text + have, ev->text, more + 1);
	return 0;
}

static int keep_late(struct worker *w, const struct engine_event *ev)
{
	int answer = ev->id || ev->kind == EV_RESET || ev->kind == EV_STOPPED;
	if (!join_late(w, ev))
		return 0;
	if (!answer && w->nlate >= LATE_MAX)
		return -1;
	if (w->late_at + w->nlate == w->cap_late && w->late_at) {
		memmove(w->late, w->late + w->late_at, w->nlate * sizeof *w->late);
		w->late_at = 0;
	}
	if (mem_grow(&w->late, &w->cap_late, w->late_at + w->nlate + 1, sizeof *w->late))
		return -1;
	w->late[w->late_at + w->nlate++] = *ev;
	return 0;
}

static void wake_other_side(struct engine *g)
{
	if (g->opt.wake && !atomic_exchange(&g->wake_pending, 1))
		g->opt.wake(g->opt.wake_arg);
}

void worker_emit(struct worker *w, const struct engine_event *ev, int must)
{
	worker_deliver_late(w);
	if ((w->nlate || ring_push(w->g->events, ev)) && (!must || keep_late(w, ev)))
		w->dropped++;
	wake_other_side(w->g);
}

void worker_log(struct worker *w, enum log_level level, const char *fmt, ...)
{
	struct engine_event ev = {.kind = EV_LOG, .level = level, .t = run_seconds(&w->run)};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(ev.text, sizeof ev.text, fmt, ap);
	va_end(ap);
	worker_emit(w, &ev, level == LOG_ERROR);
}

void worker_say(struct worker *w, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	str_vprintf(&w->answer, fmt, ap);
	va_end(ap);
}

void worker_flush_answer(struct worker *w)
{
	for (size_t at = 0; at < w->answer.len;) {
		struct engine_event ev = {.kind = EV_TEXT, .id = w->cmd_id};
		size_t n = utf8_chunk(w->answer.s + at, w->answer.len - at, sizeof ev.text - 1);
		memcpy(ev.text, w->answer.s + at, n);
		worker_emit(w, &ev, 1);
		at += n;
	}
	str_clear(&w->answer);
}

void worker_done(struct worker *w, uint32_t id, int code, const char *text)
{
	worker_publish(w, 1);
	struct engine_event ev = {.kind = EV_DONE, .id = id, .code = code};
	snprintf(ev.text, sizeof ev.text, "%s", text ? text : "");
	worker_emit(w, &ev, 1);
	atomic_fetch_sub(&w->g->queued, 1);
}

int worker_cancelled(const struct worker *w)
{
	return atomic_load(&w->g->cancel) != 0;
}

void worker_state(struct worker *w, enum engine_state s, const char *doing)
{
	struct engine *g = w->g;
	g->progress = -1;
	g->doing_ns = clock_ns();
	pthread_mutex_lock(&g->lock);
	g->snap.state = s;
	snprintf(g->snap.doing, sizeof g->snap.doing, "%s", doing ? doing : "");
	pthread_mutex_unlock(&g->lock);
	wake_other_side(g);
}

void worker_rest_state(struct worker *w)
{
	worker_state(w, !w->params ? ENGINE_EMPTY : w->training ? ENGINE_TRAINING : ENGINE_PAUSED, NULL);
}

/* --- the snapshot ---------------------------------------------------------------------------------------------- */

static void publish_model(const struct worker *w, struct engine_snapshot *s)
{
	memset(&s->config, 0, sizeof s->config);
	s->params = 0;
	s->flops_per_micro = 0;
	if (w->params) {
		s->config = w->params->config;
		s->params = model_params(&s->config);
		s->flops_per_micro = worker_flops(w);
	}
	snprintf(s->data_name, sizeof s->data_name, "%s", w->data_name);
	s->data_tokens = w->data_open ? w->data.ntoken : 0;
	s->epoch = w->data_open ? data_epoch(&w->data, &w->state.cursor, settings_int(&w->settings, SET_BATCH),
					     settings_int(&w->settings, SET_SEQ)) : 0;
	s->tokenizer_vocab = w->tok ? tokenizer_info(w->tok)->vocab : 0;
}

static void publish_progress(const struct worker *w, struct engine_snapshot *s, uint64_t now)
{
	s->step = w->state.step;
	s->target = w->target;
	s->tokens = w->state.tokens;
	s->elapsed = w->state.seconds;
	s->step_ms = w->ema_step_ms;
	s->micro_ms = timing_mean_ms(&w->timing, -1, 16);
	s->tokens_per_s = w->ema_step_ms > 0 ? settings_int(&w->settings, SET_SEQ) * w->settings.num[SET_BATCH] *
		w->settings.num[SET_ACCUM] / w->ema_step_ms * 1e3 : 0;
	s->remaining = w->training && w->target > w->state.step && w->ema_step_ms > 0 ? (double)(w->target - w->state.step) * w->ema_step_ms / 1e3 : -1;
	s->last = w->last;
	s->best_val = w->state.best_loss;
	s->best_step = w->state.best_step;
	s->ckpt_step = w->saved ? w->saved_step : 0;
	s->ckpt_age = w->saved ? (double)(now - w->saved_ns) / 1e9 : -1;
	s->ckpt_stall_ms = w->stall_ms;
	s->loss_scale = w->loss_scale;
	s->flushed = w->flushed;
	s->skipped = w->state.skipped;
	s->lr_now = optim_lr(&w->settings, w->state.step);
	s->restarts = w->restarts;
	s->dropped_logs = w->dropped;
	s->settings = w->settings;
	s->timing = w->timing;
	worker_chip(w, &s->chip);
}

void worker_publish(struct worker *w, int force)
{
	struct engine *g = w->g;
	uint64_t now = clock_ns();
	if (!force && now - w->last_publish < 30000000u)
		return;
	w->last_publish = now;
	if (w->viewer) {
		pthread_mutex_lock(&g->lock);
		g->snap = *viewer_snapshot(w->viewer);
		pthread_mutex_unlock(&g->lock);
		wake_other_side(g);
		return;
	}
	if (w->power)
		power_poll(w->power, now, w->training);
	proc_poll(&w->proc, now);
	machine_poll(&w->machine, now);
	worker_look_around(w, now);
	const struct blas_info *b = blas_open();
	struct str rates = {0};
	blas_choice_text(&w->choice, &rates);
	pthread_mutex_lock(&g->lock);
	struct engine_snapshot *s = &g->snap;
	publish_model(w, s);
	publish_progress(w, s, now);
	if (run_is_open(&w->run) || !w->stop)
		snprintf(s->run_dir, sizeof s->run_dir, "%s", run_is_open(&w->run) ? w->run.dir : "");
	snprintf(s->device, sizeof s->device, "%s", w->dev ? device_caps(w->dev)->about : "");
	snprintf(s->blas, sizeof s->blas, "%s, %s kernels%s%s", b->library, b->kernels, rates.len ? "; " : "", rates.len ? rates.s : "");
	s->compiles = w->dev ? device_caps(w->dev)->compiles_used : 0;
	s->compile_budget = w->dev && device_caps(w->dev)->compiles_left >= 0 ? s->compiles + device_caps(w->dev)->compiles_left : 0;
	s->blas_gflops = b->gflops;
	s->threads = pool_threads(w->pool);
	if (w->power)
		power_look(w->power, &s->power);
	s->proc = w->proc.view;
	s->machine = w->machine.view;
	pthread_mutex_unlock(&g->lock);
	str_done(&rates);
	wake_other_side(g);
}

/* Too early there is nothing to estimate from. */
static double doing_left(const struct engine *g, double progress)
{
	double sec = (double)(clock_ns() - g->doing_ns) / 1e9;
	return progress > 0.005 && sec > 0.5 ? sec / progress * (1 - progress) : -1;
}

void engine_snapshot(struct engine *g, struct engine_snapshot *out)
{
	pthread_mutex_lock(&g->lock);
	*out = g->snap;
	pthread_mutex_unlock(&g->lock);
	out->queued = atomic_load(&g->queued);
	out->progress = g->progress;
	out->doing_left = out->state == ENGINE_PREPARING ? doing_left(g, (double)out->progress) : -1;
}
