/* engine_view.c: the worker that shows a recorded run: rows of its record as events, at the speed that is asked for. Trains nothing, writes nothing.
 *
 * The screen does not know the difference: the same events, the same snapshot, as far as a record goes. Kernels, processor and memory stand in no record.
 * SPDX-License-Identifier: MIT */
#include "viewer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Of a part that is shown at once: so many points of the curve; the latest of what goes to panes of text. */
enum { CURVE_MAX = 4000, EVALS_MAX = 400, MARKS_MAX = 120, SAMPLES_MAX = 24, LOGS_MAX = 100, TICK_MS = 40, WHOLE_S = 60 };

/* --- opening ------------------------------------------------------------------------------------------------------- */

/* A folder, a name below runs/, or the newest. */
static int find_dir(char *out, size_t n, const char *name, struct err *e)
{
	char path[1200];
	if (!*name)
		return run_newest("runs", out, n, e);
	size_t len = strlen(name);
	while (len > 1 && name[len - 1] == '/')
		len--;
	snprintf(path, sizeof path, "%.*s", (int)MIN(len, (size_t)1000), name);
	if (file_is_dir(path) != 1)
		snprintf(path, sizeof path, "runs/%.*s", (int)MIN(len, (size_t)1000), name);
	if (file_is_dir(path) != 1)
		return err_set(e, ERR_IO, "run: %s: no such folder, neither here nor below runs (`runs` lists them)", name);
	return (size_t)snprintf(out, n, "%s", path) < n ? 0 : err_set(e, ERR_RANGE, "run: %.60s...: path too long", name);
}

static void begin_snapshot(struct viewer *v)
{
	struct engine_snapshot *s = &v->snap;
	settings_init(&s->settings);
	s->state = ENGINE_PAUSED;
	s->progress = -1;
	s->doing_left = s->remaining = s->ckpt_age = -1;
	s->machine = (struct machine_view){.celsius = NAN, .limit = NAN, .battery = NAN, .discharging = -1, .minutes = -1};
	s->best_val = s->flushed = s->power.baseline = s->power.joules = s->power.watts = s->proc.cpu = s->chip.ms = s->chip.watts = NAN;
	s->last.loss = s->last.watts = s->last.joules = s->last.val = s->last.bpb = NAN;
	s->view.kind = v->follow ? VIEW_ATTACHED : VIEW_REPLAY;
	snprintf(s->run_dir, sizeof s->run_dir, "%.255s", v->dir);
	v->step_ms = 0;
}

struct viewer *viewer_new(const struct engine_options *o, struct err *e)
{
	struct viewer *v = mem_zalloc(1, sizeof *v);
	if (!v) {
		err_nomem(e, "viewer", sizeof *v);
		return NULL;
	}
	v->follow = o->follow;
	v->link.fd = -1;
	if (find_dir(v->dir, sizeof v->dir, o->view, e) || metrics_open(&v->m, v->dir, e)) {
		viewer_free(v);
		return NULL;
	}
	begin_snapshot(v);
	/* The whole run in about a minute. */
	double speed = 1;
	while (v->m.row[v->m.n - 1].play / speed > WHOLE_S)
		speed *= 2;
	v->snap.view.speed = speed;
	return v;
}

void viewer_free(struct viewer *v)
{
	if (!v)
		return;
	link_close(&v->link);
	metrics_done(&v->m);
	free(v);
}

const struct engine_snapshot *viewer_snapshot(const struct viewer *v)
{
	return &v->snap;
}

/* --- rows into the snapshot -------------------------------------------------------------------------------------------- */

static void copy_string(char *out, size_t n, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	if (s)
		snprintf(out, n, "%.*s", (int)n - 1, s);
}

static int shape_number(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(json_object_get(o, "shape"), key));
	return v > 0 && v < 1 << 30 ? (int)v : 0;
}

/* Older records tell no shape: the preset of that name has one, else it is not known. */
static void take_model(struct engine_snapshot *s, const json_t *o)
{
	char name[sizeof s->config.name] = "model";
	copy_string(name, sizeof name, o, "model");
	if (model_preset(&s->config, name, NULL))
		s->config = (struct model_config){.layers = 1};
	memcpy(s->config.name, name, sizeof name);
	if (shape_number(o, "layers")) {
		s->config.layers = shape_number(o, "layers");
		s->config.dim = shape_number(o, "dim");
		s->config.heads = shape_number(o, "heads");
		s->config.hidden = shape_number(o, "hidden");
	}
	json_int_t n = json_integer_value(json_object_get(o, "params"));
	s->params = n > 0 ? (uint64_t)n : 0;
}

static void take_setting(struct engine_snapshot *s, const char *key, const json_t *value)
{
	char text[SETTING_TEXT_MAX];
	int id = setting_find(key, NULL);
	if (id < 0 || strcmp(setting_row((enum setting_id)id)->key, key))
		return;
	if (json_is_string(value))
		snprintf(text, sizeof text, "%.*s", (int)sizeof text - 1, json_string_value(value));
	else if (json_is_number(value))
		snprintf(text, sizeof text, "%.17g", json_number_value(value));
	else
		return;
	settings_set(&s->settings, (enum setting_id)id, text, NULL);
}

static void take_start(struct engine_snapshot *s, json_t *o)
{
	const char *key;
	json_t *value;
	char blas[80] = "", kernels[40] = "";
	take_model(s, o);
	copy_string(s->device, sizeof s->device, o, "device");
	copy_string(blas, sizeof blas, o, "blas");
	copy_string(kernels, sizeof kernels, o, "kernels");
	snprintf(s->blas, sizeof s->blas, "%s, %s kernels", blas, kernels);
	copy_string(s->data_name, sizeof s->data_name, o, "data");
	s->threads = (int)json_integer_value(json_object_get(o, "threads"));
	s->tokenizer_vocab = (int)json_integer_value(json_object_get(o, "vocab"));
	json_object_foreach(json_object_get(o, "settings"), key, value)
		take_setting(s, key, value);
}

static void take_step(struct viewer *v, const struct metrics_row *r)
{
	struct engine_snapshot *s = &v->snap;
	double ms = (double)r->ms, tokens = s->last.step && r->tokens > s->tokens ? (double)(r->tokens - s->tokens) / (double)MAX(r->step - s->last.step, 1) : 0;
	if (isfinite(ms))
		v->step_ms = v->step_ms > 0 ? 0.9 * v->step_ms + 0.1 * ms : ms;
	s->step_ms = v->step_ms;
	s->micro_ms = isfinite(r->micro_ms) ? (double)r->micro_ms : 0;
	if (tokens > 0 && v->step_ms > 0)
		s->tokens_per_s = tokens / v->step_ms * 1e3;
	s->tokens = r->tokens;
	s->lr_now = (double)r->lr;
	s->power.watts = (double)r->watts;
	double was = s->power.joules, val = s->last.val, bpb = s->last.bpb;
	if (isfinite(r->watts) && isfinite(ms))
		s->power.joules = (isfinite(was) ? was : 0) + (double)r->watts * ms / 1e3;
	s->last = (struct step_obs){.step = r->step, .tokens = r->tokens, .t = r->t, .loss = (double)r->loss, .grad_norm = (double)r->grad_norm, .lr = (double)r->lr, .ms = ms,
				    .micro_ms = (double)r->micro_ms, .watts = (double)r->watts, .joules = s->power.joules, .val = val, .bpb = bpb, .gap = (double)r->gap};
}

/* One source, the record: so that the pane says where the watts come from, or that there were none. */
static void tell_power(struct engine_snapshot *s)
{
	struct power_source_view *p = &s->power.source[0];
	s->power.n = 1;
	*p = (struct power_source_view){.name = "record", .kind = "record", .watts = s->power.watts, .joules = s->power.joules};
	p->state = isfinite(p->watts) ? POWER_OK : POWER_NO_SENSOR;
	if (p->state != POWER_OK)
		snprintf(p->reason, sizeof p->reason, "no watts in the record");
}

static void take_row(struct viewer *v, const struct metrics_row *r)
{
	struct engine_snapshot *s = &v->snap;
	json_t *o = r->text && (r->kind == METRICS_START || r->kind == METRICS_SET) ? json_loads(r->text, 0, NULL) : NULL;
	if (r->kind == METRICS_START && o)
		take_start(s, o);
	else if (r->kind == METRICS_SET && json_is_string(json_object_get(o, "key")))
		take_setting(s, json_string_value(json_object_get(o, "key")), json_object_get(o, "new"));
	else if (r->kind == METRICS_STEP)
		take_step(v, r);
	else if (r->kind == METRICS_CKPT)
		s->ckpt_step = r->step, s->ckpt_age = 0;
	if (r->kind == METRICS_EVAL) {
		s->last.val = (double)r->loss;
		s->last.bpb = (double)r->grad_norm;
		if (!(s->best_val <= (double)r->loss))
			s->best_val = (double)r->loss, s->best_step = r->step;
	}
	json_decref(o);
	if (!s->config.layers) /* a record without its beginning */
		s->config.layers = 1;
	s->step = r->step;
	s->elapsed = r->t;
	tell_power(s);
}

/* Seconds since the latest checkpoint: of the run, not of us. */
static void tell_age(struct viewer *v)
{
	for (size_t i = v->at; i-- > 0 && v->at - i < 5000;)
		if (v->m.row[i].kind == METRICS_CKPT) {
			v->snap.ckpt_age = v->m.row[v->at - 1].t - v->m.row[i].t;
			return;
		}
}

/* --- rows as events ---------------------------------------------------------------------------------------------------- */

static void emit_text(struct worker *w, const struct metrics_row *r, enum engine_event_kind kind, int level, int past, const char *text)
{
	struct engine_event ev = worker_row_event(kind, r, past);
	ev.level = level;
	ev.t = r->t;
	snprintf(ev.text, sizeof ev.text, "%s", text);
	worker_emit(w, &ev, 1);
}

static const char *value_of(const json_t *o, const char *key, char buf[64])
{
	const json_t *v = json_object_get(o, key);
	if (json_is_number(v))
		snprintf(buf, 64, "%.9g", json_number_value(v));
	else
		snprintf(buf, 64, "%.60s", json_is_string(v) ? json_string_value(v) : "?");
	return buf;
}

/* How a session ended, and whether all that it made was kept; records of old have no "saved". Returns the line's level. */
static int show_stop(const struct metrics_row *r, const json_t *o, char *line, size_t n)
{
	char why[64];
	const json_t *saved = json_object_get(o, "saved");
	int at = snprintf(line, n, "stopped at step %llu: %s", (unsigned long long)r->step, value_of(o, "reason", why));
	if (!saved || !r->step || (json_is_integer(saved) && json_integer_value(saved) >= (json_int_t)r->step))
		return LOG_INFO;
	if (json_is_integer(saved))
		snprintf(line + at, n - (size_t)at, "; the last checkpoint is of step %lld", (long long)json_integer_value(saved));
	else
		snprintf(line + at, n - (size_t)at, "; there is no checkpoint");
	return LOG_WARN;
}

/* Everything but steps and validations. `quiet`: no log line. */
static void show_text_row(struct worker *w, const struct metrics_row *r, int past, int quiet)
{
	json_t *o = r->text ? json_loads(r->text, 0, NULL) : NULL;
	char line[400], a[64], b[64], c[64];
	int level = LOG_INFO;
	line[0] = 0;
	switch (r->kind) {
	case METRICS_SET:
		snprintf(line, sizeof line, "%s %s -> %s", value_of(o, "key", a), value_of(o, "old", b), value_of(o, "new", c));
		emit_text(w, r, EV_MARK, 0, past, line);
		snprintf(line, sizeof line, "set: %s %s -> %s at step %llu", a, b, c, (unsigned long long)r->step);
		break;
	case METRICS_CKPT:
		emit_text(w, r, EV_CKPT, 0, past, value_of(o, "file", a));
		level = LOG_GOOD;
		snprintf(line, sizeof line, "checkpoint: %s", a);
		break;
	case METRICS_SAMPLE:
		worker_row_sample(w, r, 0);
		break;
	case METRICS_ERROR:
		level = LOG_ERROR;
		snprintf(line, sizeof line, "%.390s", json_is_string(json_object_get(o, "message")) ? json_string_value(json_object_get(o, "message")) : "?");
		break;
	case METRICS_STOP:
		level = show_stop(r, o, line, sizeof line);
		break;
	case METRICS_START:
		snprintf(line, sizeof line, "%s at step %llu: %s on %s", json_object_get(o, "resumed") ? "gone on" : "begun", (unsigned long long)r->step, value_of(o, "model", a), value_of(o, "device", b));
		break;
	case METRICS_STEP: case METRICS_EVAL: break;
	}
	json_decref(o);
	if (line[0] && !quiet)
		emit_text(w, r, EV_LOG, level, past, line);
}

void viewer_show(struct worker *w, size_t i)
{
	struct viewer *v = w->viewer;
	const struct metrics_row *r = &v->m.row[i];
	take_row(v, r);
	v->at = i + 1;
	if (r->kind == METRICS_STEP || r->kind == METRICS_EVAL) {
		struct engine_event ev = worker_row_event(r->kind == METRICS_STEP ? EV_STEP : EV_EVAL, r, 0);
		worker_emit(w, &ev, 1);
	} else {
		show_text_row(w, r, 0, 0);
	}
}

/* Rows of one kind among the first n. */
static size_t count(const struct metrics *m, size_t n, int kind)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		k += kind < 0 ? m->row[i].kind != METRICS_STEP && m->row[i].kind != METRICS_EVAL && m->row[i].kind != METRICS_SAMPLE : m->row[i].kind == (enum metrics_kind)kind;
	return k;
}

/* Of several steps the last one is told, with the time of all; of validations the lowest. */
static void show_curve(struct worker *w, size_t n)
{
	const struct metrics *m = &w->viewer->m;
	size_t steps = count(m, n, METRICS_STEP), stride = (steps + CURVE_MAX - 1) / CURVE_MAX, seen = 0, in = 0;
	size_t evals = count(m, n, METRICS_EVAL), each = (evals + EVALS_MAX - 1) / EVALS_MAX, e_in = 0;
	const struct metrics_row *low = NULL;
	double ms = 0, gap = 0;
	for (size_t i = 0; i < n; i++) {
		const struct metrics_row *r = &m->row[i];
		if (r->kind == METRICS_STEP) {
			ms += isfinite(r->ms) ? (double)r->ms : 0;
			gap += (double)r->gap;
			seen++;
			if (++in < stride && seen < steps)
				continue;
			struct engine_event ev = worker_row_event(EV_STEP, r, 1);
			ev.obs.ms = ms > 0 ? ms : NAN;
			ev.obs.gap = gap;
			worker_emit(w, &ev, 1);
			in = 0;
			ms = gap = 0;
		} else if (r->kind == METRICS_EVAL) {
			low = !low || r->loss <= low->loss ? r : low;
			if (++e_in < each)
				continue;
			struct engine_event ev = worker_row_event(EV_EVAL, low, 1);
			worker_emit(w, &ev, 1);
			low = NULL;
			e_in = 0;
		}
	}
	if (low) {
		struct engine_event ev = worker_row_event(EV_EVAL, low, 1);
		worker_emit(w, &ev, 1);
	}
}

void viewer_show_all(struct worker *w, size_t n)
{
	struct viewer *v = w->viewer;
	struct view_state keep = v->snap.view;
	struct engine_event reset = {.kind = EV_RESET, .past = 1};
	size_t texts = count(&v->m, n, -1), samples = count(&v->m, n, METRICS_SAMPLE);
	snprintf(reset.text, sizeof reset.text, "%.511s", v->dir);
	worker_emit(w, &reset, 1);
	memset(&v->snap, 0, sizeof v->snap);
	begin_snapshot(v);
	v->snap.view = keep;
	for (size_t i = 0; i < n; i++) {
		const struct metrics_row *r = &v->m.row[i];
		take_row(v, r);
		if (r->kind == METRICS_SAMPLE ? samples-- <= SAMPLES_MAX : r->text && texts-- <= MARKS_MAX)
			show_text_row(w, r, 1, r->kind != METRICS_SAMPLE && texts >= LOGS_MAX);
	}
	v->at = n;
	show_curve(w, n);
	tell_age(v);
}

/* --- replay --------------------------------------------------------------------------------------------------------------- */

static int at_end(const struct viewer *v)
{
	return v->at == v->m.n;
}

static void tell_state(struct viewer *v)
{
	v->snap.state = v->snap.view.paused || at_end(v) ? ENGINE_PAUSED : ENGINE_TRAINING;
	v->snap.target = v->m.row[v->m.n - 1].step;
}

static void move_to(struct worker *w, size_t n)
{
	struct viewer *v = w->viewer;
	viewer_show_all(w, n);
	v->play = n ? v->m.row[n - 1].play : 0;
}

static void play_on(struct worker *w, uint64_t now)
{
	struct viewer *v = w->viewer;
	if (!v->snap.view.paused && v->tick_ns)
		v->play += v->snap.view.speed * (double)(now - v->tick_ns) * 1e-9;
	v->tick_ns = now;
	size_t n = metrics_find(&v->m, v->play);
	/* What the other side has not taken yet comes first; far ahead it is told in one piece. */
	if (w->nlate || v->snap.view.paused)
		n = v->at;
	if (n > v->at + CURVE_MAX)
		viewer_show_all(w, n);
	while (v->at < n)
		viewer_show(w, v->at);
	tell_age(v);
	v->play = MIN(v->play, v->m.row[v->m.n - 1].play);
	if (v->waiting && at_end(v)) {
		worker_done(w, v->waiting, 0, "");
		v->waiting = 0;
	}
}

static int set_speed(struct viewer *v, const char *text, struct err *e)
{
	double x;
	if (str_number(text, &x) || !(x >= 1.0 / 64 && x <= 1 << 20))
		return err_set(e, ERR_RANGE, "replay: %s: the speed must be 1/64 (0.015625) to %d", text, 1 << 20);
	v->snap.view.speed = x;
	return 0;
}

static int go_to_step(struct worker *w, const char *text, struct err *e)
{
	struct viewer *v = w->viewer;
	double x;
	size_t n = 0;
	if (str_number(text, &x) || !(x >= 0 && x <= 1e15))
		return err_set(e, ERR_RANGE, "replay: %s: must be a step number", text);
	while (n < v->m.n && (double)v->m.row[n].step <= x)
		n++;
	move_to(w, n);
	return 0;
}

static int go_by(struct worker *w, const char *text, struct err *e)
{
	struct viewer *v = w->viewer;
	double x;
	if (str_number(text, &x) || !(x >= -100 && x <= 100))
		return err_set(e, ERR_RANGE, "replay: %s: must be -100 to 100 percent of the run", text);
	double end = v->m.row[v->m.n - 1].play, to = MIN(MAX(v->play + end * x / 100, 0), end);
	move_to(w, metrics_find(&v->m, to));
	v->play = to;
	return 0;
}

/* A number alone can mean two things; a word may lack its number. */
static int fail_replay(const char *word, const char *arg, struct err *e)
{
	double x;
	if (!arg && !str_number(word, &x))
		return err_set(e, ERR_USAGE, "replay: %s: a step or a speed? (`replay to %s`, `replay speed %s`)", word, word, word);
	if (!arg && (!strcmp(word, "to") || !strcmp(word, "by") || !strcmp(word, "speed")))
		return err_set(e, ERR_USAGE, "replay: %s: a number is missing (`replay %s`)", word, *word == 't' ? "to 400" : *word == 'b' ? "by -10" : "speed 8");
	return err_set(e, ERR_USAGE, "replay: %s%s%s: must be one of %s", word, arg ? " " : "", arg ? arg : "", command_row(CMD_REPLAY)->args);
}

static int cmd_replay(struct worker *w, const struct engine_cmd *c, int argc, char **argv, struct err *e)
{
	struct viewer *v = w->viewer;
	const char *word = argc ? argv[0] : "", *arg = argc > 1 ? argv[1] : NULL;
	struct view_state *s = &v->snap.view;
	if (!strcmp(word, "pause") && !arg) {
		s->paused = 1;
	} else if (!strcmp(word, "go") && !arg) {
		if (at_end(v) && v->m.n)
			move_to(w, 0);
		s->paused = 0;
		if (c->scripted && !v->waiting) {
			v->waiting = c->id;
			return 1;
		}
	} else if ((!strcmp(word, "faster") || !strcmp(word, "slower")) && !arg) {
		s->speed = MIN(MAX(*word == 'f' ? s->speed * 2 : s->speed / 2, 1.0 / 64), 1 << 20);
	} else if (!strcmp(word, "speed") && arg) {
		return set_speed(v, arg, e);
	} else if (!strcmp(word, "to") && arg) {
		return go_to_step(w, arg, e);
	} else if (!strcmp(word, "by") && arg) {
		return go_by(w, arg, e);
	} else if (argc) {
		return fail_replay(word, arg, e);
	}
	worker_say(w, "replay: %s, step %llu of %llu, speed %g%s\n", v->dir, (unsigned long long)v->snap.step, (unsigned long long)v->m.row[v->m.n - 1].step, s->speed, s->paused ? ", paused" : "");
	return 0;
}

/* --- commands ----------------------------------------------------------------------------------------------------------------- */

/* 0 or an error: answered; 1: the answer comes later. */
static int dispatch(struct worker *w, const struct engine_cmd *c, int argc, char **argv, struct err *e)
{
	switch (c->op) {
	case CMD_STOP_NOW:
	case CMD_STOP_SAVE:
		viewer_say_farewell(w);
		w->stop = 1;
		return 0;
	case CMD_AUTO_DEMO:
		return 0;
	case CMD_RUNS:
		return cmd_runs(w, argc, argv, e);
	case CMD_VERIFY:
		return cmd_verify(w, argc, argv, e);
	}
	if (w->viewer->follow) {
		int rc = viewer_pass_on(w, c, e);
		return rc ? rc : 1;
	}
	if (c->op == CMD_REPLAY)
		return cmd_replay(w, c, argc, argv, e);
	return err_set(e, ERR_STATE, "%s: this is the record of a run, nothing is trained here (`replay` moves about in it)", c->op < CMD_N ? command_row(c->op)->name : "command");
}

static void answer(struct worker *w, const struct engine_cmd *c)
{
	char buf[ENGINE_WORDS], *argv[65];
	struct err e = {0};
	int argc = worker_words(c, argv, 64, buf);
	argv[argc] = NULL;
	w->cmd_id = c->id;
	int rc = dispatch(w, c, argc, argv, &e);
	if (!w->viewer->follow)
		tell_state(w->viewer);
	worker_flush_answer(w);
	if (rc <= 0)
		worker_done(w, c->id, rc, rc < 0 ? e.msg : "");
}

/* An interrupt ends what waits here; the run in another process goes on. */
static void take_cancel(struct worker *w)
{
	struct viewer *v = w->viewer;
	if (!atomic_exchange(&w->g->cancel, 0))
		return;
	if (v->waiting)
		worker_done(w, v->waiting, ERR_CANCEL, "replay: interrupted");
	v->waiting = 0;
	viewer_drop_passed(w, ERR_CANCEL, "interrupted: its answer is not waited for");
}

void viewer_loop(struct worker *w)
{
	struct viewer *v = w->viewer;
	struct engine_cmd c;
	if (!v->follow) {
		struct engine_event reset = {.kind = EV_RESET, .past = 1};
		snprintf(reset.text, sizeof reset.text, "%.511s", v->dir);
		worker_emit(w, &reset, 1);
		worker_log(w, LOG_INFO, "replay: %s: Space stops and goes on, + and - change the speed, Left and Right move about", v->dir);
	}
	if (v->follow)
		viewer_follow(w, clock_ns()); /* so that the first command finds the link */
	while (!w->stop && !atomic_load(&w->g->ending)) {
		take_cancel(w);
		while (!w->stop && ring_pop(w->g->commands, &c))
			answer(w, &c);
		uint64_t now = clock_ns();
		if (v->follow) {
			viewer_follow(w, now);
		} else {
			play_on(w, now);
			tell_state(v);
		}
		worker_publish(w, 0);
		worker_deliver_late(w);
		if (!w->stop)
			worker_sleep(w, !v->follow && (v->snap.view.paused || at_end(v)) ? 250 : TICK_MS);
	}
	viewer_drop_passed(w, ERR_CANCEL, "the view has ended");
	if (v->waiting)
		worker_done(w, v->waiting, ERR_CANCEL, "replay: ended");
	v->snap.state = ENGINE_STOPPED;
}
