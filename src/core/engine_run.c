/* engine_run.c: the run folder and its record, training slices, evaluation. Policy is here; formats are in train/.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/trace.h"
#include "device/gemm.h"

/* What the machine's sgemm gives is measured when the first steps are on the screen: it takes up to 100 ms. Again when that turns out to be too little, looked at every so many steps. */
enum { MEASURE_AFTER = 8, MEASURE_EVERY = 16, MEASURES_MAX = 4 };

/* --- metrics ------------------------------------------------------------------------------------------------------ */

/* One more field. NaN and infinity have no number in JSON, so null. */
static void json_num(struct str *b, const char *key, double v)
{
	str_printf(b, "%s\"%s\":", b->len ? "," : "", key);
	if (isfinite(v))
		str_printf(b, "%.9g", v);
	else
		str_puts(b, "null");
}

void worker_event_at(struct worker *w, const char *event, uint64_t step, const char *fields)
{
	struct err e = {0};
	int had_failed = w->run.failed;
	if (run_is_open(&w->run) && run_event(&w->run, event, step, fields, &e) && !had_failed)
		worker_log(w, LOG_ERROR, "%s", e.msg);
}

void worker_event(struct worker *w, const char *event, const char *fmt, ...)
{
	if (!run_is_open(&w->run))
		return;
	struct str f = {0};
	va_list ap;
	va_start(ap, fmt);
	str_vprintf(&f, fmt, ap);
	va_end(ap);
	worker_event_at(w, event, w->state.step, f.s ? f.s : "");
	str_done(&f);
}

void worker_event_error(struct worker *w, const char *msg)
{
	struct str f = {0};
	str_puts(&f, "\"message\":");
	str_json(&f, msg, strlen(msg));
	worker_event(w, "error", "%s", f.s ? f.s : "");
	str_done(&f);
}

void worker_event_start(struct worker *w, int resumed)
{
	struct str f = {0};
	char v[SETTING_TEXT_MAX];
	const struct blas_info *b = blas_open();
	str_puts(&f, "\"settings\":{");
	for (int i = 0; i < SET_N; i++) {
		const struct setting_row *r = setting_row((enum setting_id)i);
		setting_text(&w->settings, (enum setting_id)i, v);
		str_printf(&f, "%s\"%s\":", i ? "," : "", r->key);
		if (setting_is_number(&w->settings, (enum setting_id)i))
			str_puts(&f, v);
		else
			str_json(&f, v, strlen(v));
	}
	str_puts(&f, "},\"model\":");
	str_json(&f, w->params->config.name, strlen(w->params->config.name));
	const struct model_config *m = &w->params->config;
	str_printf(&f, ",\"shape\":{\"layers\":%d,\"dim\":%d,\"heads\":%d,\"hidden\":%d}", m->layers, m->dim, m->heads, m->hidden);
	str_printf(&f, ",\"params\":%llu,\"vocab\":%d,\"device\":\"%s\",\"blas\":", (unsigned long long)model_params(&w->params->config), w->params->config.vocab, device_caps(w->dev)->name);
	str_json(&f, b->library, strlen(b->library));
	if (device_caps(w->dev)->chip)
		str_printf(&f, ",\"chip\":\"%s\"", device_caps(w->dev)->chip);
	str_puts(&f, ",\"kernels\":");
	str_json(&f, b->kernels, strlen(b->kernels));
	str_printf(&f, ",\"threads\":%d,\"blas_choice\":", pool_threads(w->pool));
	blas_choice_json(&w->choice, &f);
	str_puts(&f, ",\"data\":");
	str_json(&f, w->data_name, strlen(w->data_name));
	if (resumed)
		str_printf(&f, ",\"resumed\":%llu", (unsigned long long)w->state.step);
	worker_event(w, "start", "%s", f.s ? f.s : "");
	str_done(&f);
}

/* --- changes of settings ------------------------------------------------------------------------------------------------ */

static void put_value(struct str *f, const struct setting_row *r, const char *v)
{
	double num;
	int numeric = r->kind == SETTING_INT || r->kind == SETTING_FLOAT || (r->kind == SETTING_COUNT && !str_number(v, &num));
	if (numeric)
		str_puts(f, v);
	else
		str_json(f, v, strlen(v));
}

int worker_apply_change(struct worker *w, enum setting_id id, const char *old)
{
	const struct setting_row *r = setting_row(id);
	char v[SETTING_TEXT_MAX];
	struct str f = {0};
	setting_text(&w->settings, id, v);
	script_set(w, id);
	str_printf(&f, "\"key\":\"%s\",\"old\":", r->key);
	put_value(&f, r, old);
	str_puts(&f, ",\"new\":");
	put_value(&f, r, v);
	worker_event(w, "set", "%s", f.s ? f.s : "");
	str_done(&f);
	struct engine_event ev = {.kind = EV_MARK, .obs = {.step = w->state.step, .t = run_seconds(&w->run)}};
	snprintf(ev.text, sizeof ev.text, "%s %s -> %s", r->key, old, v);
	worker_emit(w, &ev, 1);
	return 0;
}

/* --- opening and ending a run ------------------------------------------------------------------------------------------ */

void worker_announce_run(struct worker *w)
{
	struct engine_event ev = {.kind = EV_RESET};
	worker_forget_spikes(w);
	snprintf(ev.text, sizeof ev.text, "%.511s", w->run.dir);
	worker_emit(w, &ev, 1);
}

/* A name that comes from a checkpoint must not lead out of runs/. */
static const char *folder_name(const char *model)
{
	return *model && *model != '.' && !strchr(model, '/') ? model : "model";
}

int worker_need_run(struct worker *w, struct err *e)
{
	int rc = worker_need_data(w, e);
	if (rc)
		return rc;
	if (!run_is_open(&w->run)) {
		char base[1024];
		if (w->g->run_dir_opt[0])
			snprintf(base, sizeof base, "%s", w->g->run_dir_opt);
		else
			snprintf(base, sizeof base, "runs/%s", folder_name(w->params->config.name));
		rc = run_create(&w->run, base, e);
		if (rc)
			return rc;
		w->saved = w->started = w->evaluated = 0; /* the record of this run begins with a validation */
		worker_announce_run(w);
		worker_log(w, LOG_INFO, "run: %s", w->run.dir);
		script_begin(w);
	}
	if (!w->started) {
		worker_event_start(w, w->state.step > 0);
		w->started = 1;
	}
	return 0;
}

int worker_save_unsaved(struct worker *w, struct err *e)
{
	worker_saves_finish(w);
	if (!run_is_open(&w->run) || w->state.step == 0 || (w->saved && w->saved_step == w->state.step))
		return 0;
	return worker_ckpt(w, NULL, e);
}

uint64_t worker_unsaved(const struct worker *w)
{
	uint64_t kept = w->saved ? w->saved_step : 0;
	return w->state.step > kept ? w->state.step - kept : 0;
}

/* What the record says last: why, and up to which step there is a checkpoint. */
static void tell_stop(struct worker *w, const char *reason)
{
	struct str f = {0}, why = {0};
	str_printf(&why, "%s%s%s%s", w->early, w->early[0] ? "; " : "", reason, worker_unsaved(w) ? ", not saved" : "");
	str_puts(&f, "\"reason\":");
	str_json(&f, why.s ? why.s : "", why.len);
	if (w->saved)
		str_printf(&f, ",\"saved\":%llu", (unsigned long long)w->saved_step);
	else
		str_puts(&f, ",\"saved\":null");
	worker_event(w, "stop", "%s", f.s ? f.s : "");
	str_done(&f);
	str_done(&why);
}

int worker_end_run(struct worker *w, const char *reason, int save, struct err *e)
{
	if (!run_is_open(&w->run))
		return 0;
	worker_halt(w);
	worker_saves_finish(w);
	int rc = save ? worker_save_unsaved(w, e) : 0;
	tell_stop(w, reason);
	script_end(w);
	run_close(&w->run);
	return rc;
}

/* --- evaluation ----------------------------------------------------------------------------------------------------------- */

static void keep_best(struct worker *w, double loss)
{
	int first = !isfinite(w->state.best_loss);
	if (!isfinite(loss))
		return;
	if (!first && !(loss < w->state.best_loss))
		return;
	/* At random weights everything else is better; what patience may go back to is better kept. */
	if ((!first || settings_int(&w->settings, SET_EVAL_PATIENCE)) && run_is_open(&w->run) && settings_int(&w->settings, SET_CKPT_EVERY)) {
		worker_ckpt_best(w, loss);
		return;
	}
	w->state.best_loss = w->state.kept_loss = loss;
	w->state.best_step = w->state.kept_step = w->state.step;
}

/* One more evaluation by itself: was it a new best? 1: no, and patience is at its end. */
static int count_patience(struct worker *w, double loss)
{
	struct train_state *s = &w->state;
	uint64_t patience = (uint64_t)w->settings.num[SET_EVAL_PATIENCE];
	double best = s->patience_loss > 0 ? s->patience_loss : s->best_loss;
	int better = !isfinite(best) || loss < best - w->settings.num[SET_EVAL_MIN_DELTA];
	s->patience_loss = !patience ? 0 : better ? loss : best;
	s->patience_used = !patience || better ? 0 : s->patience_used + 1;
	if (!patience || s->patience_used < patience)
		return 0;
	s->patience_used = 0; /* who trains on has it anew */
	return 1;
}

static void stop_early(struct worker *w)
{
	int n = settings_int(&w->settings, SET_EVAL_PATIENCE);
	snprintf(w->early, sizeof w->early, "early stop at step %llu: %d evaluation%s without a new best, validation loss %.4f at step %llu (%s)",
		 (unsigned long long)w->state.step, n, n > 1 ? "s" : "", w->state.best_loss, (unsigned long long)w->state.best_step,
		 settings_int(&w->settings, SET_CKPT_EVERY) ? "`load best` goes back to it" : "ckpt.every is 0: it was not kept");
}

/* A target needs an id before it. */
static int can_evaluate(const struct worker *w)
{
	return w->data.ntoken - w->data.ntrain >= 2;
}

/* by_itself: eval.every wants it. */
static int worker_eval(struct worker *w, int by_itself, struct err *e)
{
	double loss, bpb;
	int rc = worker_need_trainer(w, e);
	if (rc)
		return rc;
	worker_state(w, ENGINE_EVALUATING, NULL);
	uint64_t begin = clock_ns();
	rc = trainer_eval(w->trainer, settings_int(&w->settings, SET_EVAL_BATCHES), &loss, &bpb, e);
	trace_span(TRACE_EVAL, "evaluation", begin, clock_ns(), (int64_t)w->state.step);
	worker_state(w, w->training ? ENGINE_TRAINING : ENGINE_PAUSED, NULL);
	if (rc)
		return rc;
	w->evaluated = 1;
	struct str f = {0};
	json_num(&f, "loss", loss);
	json_num(&f, "bits_per_byte", bpb);
	if (w->params->ema && w->settings.num[SET_EMA_DECAY] > 0)
		str_puts(&f, ",\"weights\":\"ema\"");
	worker_event(w, "eval", "%s", f.s ? f.s : "");
	str_done(&f);
	w->last.val = loss;
	w->last.bpb = bpb;
	struct engine_event ev = {.kind = EV_EVAL, .obs = {.step = w->state.step, .t = run_seconds(&w->run), .loss = NAN, .val = loss, .bpb = bpb,
							   .watts = NAN, .joules = NAN}};
	worker_emit(w, &ev, 1);
	int ends = by_itself && count_patience(w, loss);
	keep_best(w, loss);
	if (ends)
		stop_early(w);
	return 0;
}

int cmd_eval(struct worker *w, int argc, char **argv, struct err *e)
{
	(void)argc;
	(void)argv;
	int rc = worker_eval(w, 0, e);
	if (rc)
		return rc;
	script_command(w, "eval", NULL);
	worker_say(w, "step %llu: validation loss %.4f", (unsigned long long)w->state.step, w->last.val);
	if (isfinite(w->last.bpb))
		worker_say(w, ", %.4f bits per byte", w->last.bpb);
	worker_say(w, "\n");
	return 0;
}

/* --- training --------------------------------------------------------------------------------------------------------------- */

int worker_start_training(struct worker *w, uint64_t steps, struct err *e)
{
	int rc = worker_need_trainer(w, e);
	if (!rc)
		rc = worker_need_run(w, e);
	if (rc)
		return rc;
	if (can_evaluate(w) && !w->evaluated) {
		rc = worker_eval(w, 0, e);
		if (rc)
			return rc;
	}
	w->early[0] = 0;
	clock_stopped_since(&w->seen, NULL);
	w->target = steps ? w->state.step + steps : 0;
	w->training = 1;
	w->pause_wanted = 0;
	if (w->settings.num[SET_SAMPLE_EVERY] > 0 && !w->next_sample_ns)
		w->next_sample_ns = clock_ns() + (uint64_t)(w->settings.num[SET_SAMPLE_EVERY] * 1e9);
	worker_state(w, ENGINE_TRAINING, NULL);
	return 0;
}

uint64_t worker_next_step(const struct worker *w)
{
	return w->state.step + (w->trainer && trainer_begun(w->trainer) != 0);
}

/* What is seen of the device's number format, once the numbers say something. */
static void observe_fp16(struct worker *w, const struct trainer_step *r)
{
	enum { TELL_AFTER = 10 };
	w->loss_scale = isfinite(r->flushed) ? r->next_scale : 0;
	w->flushed = isfinite(w->flushed) && isfinite(r->flushed) ? 0.9 * w->flushed + 0.1 * r->flushed : r->flushed;
	if (w->flushed_told > TELL_AFTER || !isfinite(r->flushed) || r->skipped || w->flushed_told++ < TELL_AFTER)
		return;
	worker_log(w, LOG_INFO, "fp16: %.2f %% of the gradient entries come back from the device as zero with loss scale %.9g%s", 100 * w->flushed, r->scale,
		   r->scale > 1 ? "" : " (`set loss_scale auto` keeps more of them)");
}

static void log_skipped(struct worker *w, const struct trainer_step *r)
{
	char msg[200] = "loss or gradient not finite", next[60] = "";
	if (r->next_scale != r->scale)
		snprintf(next, sizeof next, ", now %.9g", r->next_scale);
	if (r->overflow)
		snprintf(msg, sizeof msg, "%.40s overflows in fp16, loss scale %.9g%s", r->where, r->scale, next);
	/* That the scale is too large at first, and sometimes later, is how it is found. */
	worker_log(w, *next ? LOG_INFO : LOG_WARN, "step %llu skipped: %s", (unsigned long long)w->state.step, msg);
	char event[240];
	snprintf(event, sizeof event, "update skipped: %s", msg);
	worker_event_error(w, event);
}

/* Seconds since the step before in which nothing ran, as near as the usual step tells; 0: none. What came across it has no speed. */
static double find_gap(struct worker *w)
{
	double slept, took = run_seconds(&w->run) - w->last.t;
	if (!clock_stopped_since(&w->seen, &slept))
		return 0;
	double awake = MAX(took - w->ema_step_ms / 1e3, 0), gap = MAX(awake + slept, 1e-3);
	w->cost.began_ns += (uint64_t)(awake * 1e9);
	worker_log(w, LOG_INFO, "step %llu: stopped, or the machine asleep, for %.*f s: no speed is told for it", (unsigned long long)w->state.step, gap < 10, gap);
	return gap;
}

static void observe_step(struct worker *w, const struct trainer_step *r)
{
	struct power_view pv;
	double gap = find_gap(w), ms = gap > 0 ? NAN : (double)r->ns / 1e6;
	power_poll(w->power, clock_ns(), 1);
	power_look(w->power, &pv);
	if (!(gap > 0))
		w->ema_step_ms = w->ema_step_ms > 0 ? 0.9 * w->ema_step_ms + 0.1 * ms : ms;
	w->last = (struct step_obs){.step = w->state.step, .tokens = w->state.tokens, .t = run_seconds(&w->run), .loss = r->loss,
				    .grad_norm = r->grad_norm, .lr = r->lr, .ms = ms, .micro_ms = gap > 0 ? NAN : (double)r->micro_ns / 1e6, .gap = gap,
				    .watts = pv.watts, .joules = pv.joules, .val = w->last.val, .bpb = w->last.bpb};
	struct str f = {0};
	json_num(&f, "loss", r->loss);
	json_num(&f, "grad_norm", r->grad_norm);
	json_num(&f, "lr", r->lr);
	str_printf(&f, ",\"tokens\":%llu", (unsigned long long)w->state.tokens);
	json_num(&f, "ms", ms);
	json_num(&f, "micro_ms", w->last.micro_ms);
	json_num(&f, "watts", pv.watts);
	if (gap > 0)
		json_num(&f, "gap", gap);
	worker_event(w, "step", "%s", f.s ? f.s : "");
	str_done(&f);
	struct engine_event ev = {.kind = EV_STEP, .obs = w->last};
	worker_emit(w, &ev, 0);
	worker_look_for_spike(w, r->loss);
}

static int due(const struct worker *w, enum setting_id every)
{
	uint64_t n = (uint64_t)w->settings.num[every];
	return n && w->state.step % n == 0;
}

/* What is due after an update. Its failures do not stop training; ERR_BUDGET: an evaluation needs a new process. */
static int after_step(struct worker *w, struct err *budget)
{
	struct err e = {0};
	w->after_due = 0;
	if (due(w, SET_EVAL_EVERY) && can_evaluate(w)) {
		int rc = worker_eval(w, 1, &e);
		if (rc == ERR_CANCEL)
			return rc;
		if (rc == ERR_BUDGET) {
			w->after_due = 1;
			*budget = e;
			return rc;
		}
		if (rc)
			worker_log(w, LOG_WARN, "%s", e.msg);
	}
	uint64_t id;
	if (due(w, SET_CKPT_EVERY) && worker_ckpt_begin(w, NULL, &id, &e))
		worker_log(w, LOG_ERROR, "%s: training goes on", e.msg);
	return 0;
}

void worker_reset_timing(struct worker *w)
{
	timing_reset(&w->timing);
	memset(&w->cost, 0, sizeof w->cost);
}

void worker_begin_cost(struct worker *w)
{
	struct power_view v;
	if (w->cost.began_ns)
		return;
	power_look(w->power, &v);
	w->cost.began_ns = clock_ns();
	w->cost.joules = isfinite(v.joules) ? v.joules : 0;
}

/* What one more micro-step has cost. */
static void count_cost(struct worker *w)
{
	w->cost.flops += worker_flops(w);
	w->cost.tokens += (double)settings_int(&w->settings, SET_BATCH) * settings_int(&w->settings, SET_SEQ);
}

/* A kernel that is faster than a large product: somebody else had the machine when that was measured. (Or it leaves out work that is counted, as attention what a mask hides: so not for ever.) */
static int floor_is_beaten(const struct worker *w, double gflops)
{
	for (int i = 0; i < w->timing.n; i++) {
		double ms = timing_mean_ms(&w->timing, i, TIMING_HIST);
		if (ms > 0 && w->timing.row[i].last_flops / ms / 1e6 > gflops)
			return 1;
	}
	return 0;
}

static void measure_machine(struct worker *w)
{
	double had = blas_open()->gflops, now;
	if (w->timing.micro < MEASURE_AFTER || w->measures == MEASURES_MAX || (had > 0 && (w->state.step % MEASURE_EVERY || !floor_is_beaten(w, had))))
		return;
	w->measures++;
	now = blas_measure(w->pool);
	if (now < had)
		blas_measured(had);
	else if (had > 0)
		worker_log(w, LOG_INFO, "machine: kernels were faster than the %.3g GFLOP/s of a large product that they are compared with: measured again, %.3g", had, now);
}

int worker_train_slice(struct worker *w, struct err *e)
{
	struct trainer_step r = {0};
	int rc = 0;
	w->decoder_copied = 0;
	if (!w->trainer) { /* gone after `set threads`, `device` or `data` */
		rc = worker_need_trainer(w, e);
		worker_state(w, ENGINE_TRAINING, NULL);
	}
	if (!rc && w->after_due) {
		rc = after_step(w, e);
		return rc ? rc : 1;
	}
	worker_begin_cost(w);
	if (!rc && !(rc = trainer_micro(w->trainer, &r, e)))
		count_cost(w);
	if (r.note[0])
		worker_log(w, LOG_INFO, "%s", r.note);
	worker_device_notes(w);
	if (rc == ERR_CANCEL || rc == ERR_BUDGET)
		return rc;
	if (r.bad)
		worker_happened(w, HAPPENING_NAN, "%s is not finite", r.bad);
	if (rc) {
		worker_event_error(w, e->msg);
		return r.rewinds ? worker_rewind(w, &r, e) : rc;
	}
	if (!r.updated)
		return 0;
	observe_fp16(w, &r);
	if (r.skipped) {
		log_skipped(w, &r);
		return 1;
	}
	observe_step(w, &r);
	measure_machine(w);
	rc = after_step(w, e);
	return rc ? rc : 1;
}
