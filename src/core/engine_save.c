/* engine_save.c: checkpoints that are being written: begun, waited for, and what follows when they are there. The thread and its lease are train/saver's.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"

enum { SAVES_MAX = 8 };

int worker_find_run(struct worker *w, struct err *e)
{
	int place = run_look(&w->run, e);
	if (place == RUN_MOVED)
		worker_log(w, LOG_WARN, "run: %s: its folder was moved: it goes on there", w->run.dir);
	if (place == RUN_AGAIN) {
		worker_log(w, LOG_WARN, "run: %s: its folder had gone: it goes on in an empty one of that name", w->run.dir);
		w->saved = w->started = 0;
	}
	return MIN(place, 0);
}

/* Time in which training stood still for a checkpoint. */
static void count_stall(struct worker *w, uint64_t ns)
{
	timing_count(&w->timing, timing_row(&w->timing, "checkpoint", TIMING_HOST), ns, 0);
	w->stall_ms = (double)ns / 1e6;
}

static void tell_saved(struct worker *w, const struct save_result *r)
{
	const char *base = strrchr(r->path, '/');
	struct str f = {0};
	char size[16];
	base = base ? base + 1 : r->path;
	str_puts(&f, "\"file\":");
	str_json(&f, base, strlen(base));
	str_printf(&f, ",\"bytes\":%llu,\"ms\":%.9g,\"stall_ms\":%.9g", (unsigned long long)r->bytes, (double)r->ns / 1e6, (double)r->stall_ns / 1e6);
	worker_event_at(w, "ckpt", r->step, f.s ? f.s : "");
	str_done(&f);
	if (strcmp(base, "best.ckpt")) /* the best one comes with every good validation: no line each time */
		worker_log(w, LOG_GOOD, "checkpoint: %s, %s in %.2f s", r->path, str_bytes(size, r->bytes), (double)r->ns / 1e9);
	struct engine_event ev = {.kind = EV_CKPT, .obs = {.step = r->step, .t = run_seconds(&w->run)}};
	snprintf(ev.text, sizeof ev.text, "%.511s", r->path);
	worker_emit(w, &ev, 1);
}

/* What best.ckpt holds is what best_loss tells: a best one that could not be written was none. */
static void best_failed(struct worker *w)
{
	w->state.best_loss = w->state.kept_loss;
	w->state.best_step = w->state.kept_step;
}

/* A checkpoint of the same step is begun before it is known whether best.ckpt came to be: whoever goes on from there looks. A disk that does not answer says nothing. */
void worker_best_look(struct worker *w)
{
	char path[2048];
	struct train_state s;
	struct stat st;
	if (!run_is_open(&w->run) || !isfinite(w->state.best_loss) || w->state.kept_loss == 0 || w->state.kept_step == w->state.best_step)
		return;
	run_ckpt_path(&w->run, "best", 0, path, sizeof path);
	int none = stat(path, &st) ? errno == ENOENT : !S_ISREG(st.st_mode);
	int rc = none ? ERR_FORMAT : ckpt_peek(path, &s, NULL);
	if (rc ? rc != ERR_FORMAT : s.step >= w->state.best_step)
		return;
	worker_log(w, LOG_WARN, "%s: does not hold the best of step %llu: what is next to be better than before that is kept", path, (unsigned long long)w->state.best_step);
	best_failed(w);
}

static void is_there(struct worker *w, const struct save_result *r)
{
	struct err e = {0};
	tell_saved(w, r);
	if (r->id == w->best.id)
		return;
	w->saved = 1;
	w->saved_step = r->step;
	w->saved_ns = clock_ns();
	if (worker_find_run(w, NULL)) /* told when the next one is to be saved */
		return;
	if (run_rotate(&w->run, settings_int(&w->settings, SET_CKPT_KEEP), (uint64_t)w->settings.num[SET_CKPT_MILESTONE], r->path, &e))
		worker_log(w, LOG_WARN, "%s", e.msg);
}

/* One save has ended. 1: it was `own`, and *e has its error, if any; others are told to those who wait for them, or to the log. */
static int took(struct worker *w, const struct save_result *r, uint64_t own, struct err *e)
{
	w->saves--;
	count_stall(w, r->stall_ns);
	if (r->err.code == ERR_IO)
		worker_disk_failed(w, r->err.msg);
	if (r->err.code)
		worker_event_error(w, r->err.msg);
	else
		is_there(w, r);
	if (r->id == w->best.id) {
		if (r->err.code && w->state.best_step == w->best.step)
			best_failed(w);
		w->best.id = 0;
	}
	if (r->id == own) {
		if (r->err.code)
			err_set(e, (enum err_code)r->err.code, "%s", r->err.msg);
		return 1;
	}
	if (!worker_end_save(w, r->id, r->err.code, r->err.code ? r->err.msg : "") && r->err.code)
		worker_log(w, LOG_ERROR, r->err.code == ERR_CANCEL ? "%s" : "%s: training goes on", r->err.msg);
	return 0;
}

void worker_saves_look(struct worker *w)
{
	struct save_result r;
	while (w->saves && saver_take(w->saver, 0, &r))
		took(w, &r, 0, NULL);
}

/* Until all are there; 0, or the error of `own`. */
static int finish(struct worker *w, uint64_t own, struct err *e)
{
	struct save_result r;
	struct err mine = {0};
	if (!w->saves)
		return 0;
	worker_state(w, ENGINE_SAVING, NULL);
	while (w->saves && saver_take(w->saver, 1, &r))
		took(w, &r, own, &mine);
	worker_rest_state(w);
	return mine.code ? err_set(e, (enum err_code)mine.code, "%s", mine.msg) : 0;
}

void worker_saves_finish(struct worker *w)
{
	finish(w, 0, NULL);
}

void worker_before_change(void *worker)
{
	struct worker *w = worker;
	if (!saver_reads(w->saver))
		return;
	worker_state(w, ENGINE_SAVING, NULL);
	saver_wait_read(w->saver, worker_room(w));
	worker_rest_state(w);
}

/* 0 and its number: it is on its way. */
static int begin(struct worker *w, const char *name, uint64_t *id, struct err *e)
{
	char path[2048];
	int rc = worker_find_run(w, e);
	if (rc || (rc = worker_need_run(w, e)))
		return rc;
	/* Whoever resumes takes this step with the new settings: so do we, from its beginning. */
	if (w->trainer && trainer_waits_for_change(w->trainer))
		trainer_drop(w->trainer);
	if ((rc = params_train(w->params, e)))
		return rc;
	if (!w->saver && !(w->saver = saver_new(&w->g->give_up, e)))
		return ERR_NOMEM;
	if (w->saves >= SAVES_MAX)
		worker_saves_finish(w);
	run_ckpt_path(&w->run, name, w->state.step, path, sizeof path);
	w->state.settings = w->settings;
	rc = saver_begin(w->saver, path, w->params, &w->state, w->tok, id, e);
	if (rc)
		worker_event_error(w, e->msg);
	else
		w->saves++;
	return rc;
}

int worker_ckpt_begin(struct worker *w, const char *name, uint64_t *id, struct err *e)
{
	return begin(w, name, id, e);
}

int worker_ckpt(struct worker *w, const char *name, struct err *e)
{
	uint64_t id;
	int rc = begin(w, name, &id, e);
	return rc ? rc : finish(w, id, e);
}

void worker_ckpt_best(struct worker *w, double loss)
{
	struct err e = {0};
	uint64_t id;
	if (w->best.id) /* one at a time: whether it was kept is known before the next */
		worker_saves_finish(w);
	w->state.kept_loss = w->state.best_loss;
	w->state.kept_step = w->state.best_step;
	w->state.best_loss = loss;
	w->state.best_step = w->state.step;
	if (begin(w, "best", &id, &e)) {
		best_failed(w);
		worker_log(w, LOG_ERROR, "%s: training goes on", e.msg);
		return;
	}
	w->best = (struct best_save){.id = id, .step = w->state.step};
}
