/* engine.c: the worker thread: takes commands, trains in between, speaks through events and the snapshot. What commands do is in engine_*.c.
 *
 * One loop: answer what has come, make one micro-step when training, else sleep until a command comes. The worker never waits for the other side: a log
 * line that finds the event ring full is dropped and counted; an answer is kept aside and delivered when there is room.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/trace.h"
#include "device/blas.h"

enum { COMMAND_RING = 256, EVENT_RING = 8192 };

/* --- beginning and end ----------------------------------------------------------------------------------------- */

static int cmd_auto_demo(struct worker *w, struct err *e)
{
	int rc = 0;
	if (!w->params) {
		char *argv[] = {"demo"};
		rc = worker_new(w, 1, argv, e);
		if (!rc && !w->settings.set[SET_SAMPLE_EVERY])
			w->settings.num[SET_SAMPLE_EVERY] = 10;
	}
	return rc ? rc : worker_start_training(w, 0, e);
}

static int cmd_stop(struct worker *w, const char *reason, int save, struct err *e)
{
	worker_publish(w, 1); /* the run's name is seen to the end, also by who has not looked since it was opened */
	w->stop = 1;
	return worker_end_run(w, reason, save, e);
}

/* 0 or an error: answered; 1: the end lies ahead. */
static int dispatch(struct worker *w, const struct engine_cmd *c, int argc, char **argv, struct err *e)
{
	switch (c->op) {
	case CMD_NEW: return cmd_new(w, argc, argv, e);
	case CMD_DATA: return cmd_data(w, argc, argv, e);
	case CMD_TOKENIZE: return cmd_tokenize(w, argc, argv, e);
	case CMD_FREEZE: return cmd_freeze(w, argc, argv, e);
	case CMD_DETOKENIZE: return cmd_detokenize(w, argc, argv, e);
	case CMD_INFO: return cmd_info(w, argc, argv, e);
	case CMD_DEVICE: return cmd_device(w, argc, argv, e);
	case CMD_PIPELINE: return cmd_pipeline(w, argc, argv, e);
	case CMD_MIL: return cmd_mil(w, argc, argv, e);
	case CMD_TRAIN: return cmd_train(w, c, argc, argv, 0, e);
	case CMD_STEP: return cmd_train(w, c, argc, argv, 1, e);
	case CMD_PAUSE: return cmd_pause(w);
	case CMD_WAIT: return cmd_wait(w, c, argc, argv, e);
	case CMD_LR: return cmd_lr(w, argc, argv, e);
	case CMD_SET: return cmd_set(w, argc, argv, e);
	case CMD_GET: return cmd_get(w, argc, argv, e);
	case CMD_UNDO: return cmd_undo(w, argc, argv, e);
	case CMD_EVAL: return cmd_eval(w, argc, argv, e);
	case CMD_SAMPLE: return cmd_sample(w, argc, argv, e);
	case CMD_KERNELS: return cmd_kernels(w, argc, argv, e);
	case CMD_IMPORT: return cmd_import(w, argc, argv, e);
	case CMD_EXPORT: return cmd_export(w, argc, argv, e);
	case CMD_TRACE: return cmd_trace(w, argc, argv, e);
	case CMD_BENCH: return cmd_bench(w, argc, argv, e);
	case CMD_REPORT: return cmd_report(w, e);
	case CMD_POWER: return cmd_power(w, argc, argv, e);
	case CMD_CKPT: return cmd_ckpt(w, argc, argv, e);
	case CMD_LOAD: return cmd_load(w, argc, argv, e);
	case CMD_RUNS: return cmd_runs(w, argc, argv, e);
	case CMD_VERIFY: return cmd_verify(w, argc, argv, e);
	case CMD_EQUALS: return cmd_equals(w, argv[0], e);
	case CMD_GRADCHECK: return cmd_gradcheck(w, e);
	case CMD_REPLAY: return err_set(e, ERR_STATE, "replay: nothing is replayed here (anetui --replay RUN)");
	case CMD_AUTO_DEMO: return cmd_auto_demo(w, e);
	case CMD_STOP_NOW: return cmd_stop(w, argc ? argv[0] : "quit", 0, e);
	case CMD_STOP_RUN:
	case CMD_STOP_SAVE: return cmd_stop(w, argc ? argv[0] : "quit", 1, e);
	}
	return err_set(e, ERR_USAGE, "command: number %d is not the engine's", c->op);
}

int worker_words(const struct engine_cmd *c, char **argv, int max, char buf[ENGINE_WORDS])
{
	memcpy(buf, c->words, ENGINE_WORDS);
	buf[ENGINE_WORDS - 1] = 0;
	int n = 0;
	for (size_t at = 0; n < c->argc && n < max && at < ENGINE_WORDS; n++) {
		argv[n] = buf + at;
		at += strlen(argv[n]) + 1;
	}
	return n;
}

/* An interrupt is meant for all that was asked for before it, also for what has not begun. */
static int sent_before_cancel(const struct engine *g, const struct engine_cmd *c)
{
	return c->id && (int32_t)(atomic_load(&g->cancel_upto) - c->id) >= 0;
}

static void answer(struct worker *w, const struct engine_cmd *c)
{
	enum { MAX_WORDS = 64 };
	char buf[ENGINE_WORDS], *argv[MAX_WORDS + 1];
	int argc = worker_words(c, argv, MAX_WORDS, buf);
	argv[argc] = NULL;
	struct err e = {0};
	w->cmd_id = c->id;
	int ends = c->op == CMD_STOP_NOW || c->op == CMD_STOP_SAVE;
	int rc;
	if (atomic_load(&w->g->ending) && !ends)
		rc = err_set(&e, ERR_CANCEL, "engine: it ends");
	else if (!ends && sent_before_cancel(w->g, c))
		rc = err_set(&e, ERR_CANCEL, "command: interrupted before it began");
	else
		rc = dispatch(w, c, argc, argv, &e);
	if (rc == ERR_BUDGET) {
		if (worker_restarts(w, c, &e)) {
			str_clear(&w->answer);
			return;
		}
		rc = e.code;
	}
	worker_flush_answer(w);
	worker_rest_state(w);
	if (rc == ERR_CANCEL)
		atomic_store(&w->g->cancel, 0);
	if (rc <= 0)
		worker_done(w, c->id, rc, rc < 0 ? e.msg : "");
}

static void answer_all(struct worker *w)
{
	struct engine_cmd c;
	while (!w->stop && !w->restart && ring_pop(w->g->commands, &c))
		answer(w, &c);
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

void worker_sleep(struct worker *w, int ms)
{
	struct engine *g = w->g;
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += (long)ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_mutex_lock(&g->lock);
	if (w->npending >= atomic_load(&g->queued) && !atomic_load(&g->cancel) && !atomic_load(&g->ending))
		pthread_cond_timedwait(&g->wake, &g->lock, &t);
	pthread_mutex_unlock(&g->lock);
}

/* An interrupt that came while no command was being answered. */
static void take_cancel(struct worker *w)
{
	if (!atomic_exchange(&w->g->cancel, 0))
		return;
	if (w->training) {
		worker_log(w, LOG_INFO, "paused at step %llu (interrupted)", (unsigned long long)w->state.step);
		worker_stop_training(w, ERR_CANCEL, "train: interrupted");
	} else {
		worker_end_pending(w, ERR_CANCEL, "wait: interrupted");
	}
}

static void train_or_stop(struct worker *w)
{
	/* 0: went well; 1: a step was completed; < 0: an error. */
	struct err e = {0};
	int rc = worker_train_slice(w, &e);
	if (rc == ERR_CANCEL) {
		take_cancel(w);
	} else if (rc == ERR_BUDGET && worker_restarts(w, NULL, &e)) {
		return;
	} else if (rc < 0) {
		if (!worker_is_awaited(w)) /* else the answer tells */
			worker_log(w, LOG_ERROR, "%s", e.msg);
		worker_stop_training(w, e.code, e.msg);
	} else {
		worker_check_pending(w);
		if (w->early[0])
			worker_end_early(w);
		else if (w->pause_wanted && !(w->trainer && trainer_begun(w->trainer)))
			worker_stop_training(w, 0, "");
	}
}

static void deliver_all(struct worker *w)
{
	while (w->nlate && !atomic_load(&w->g->ending)) {
		struct timespec ms5 = {0, 5000000};
		nanosleep(&ms5, NULL);
		worker_deliver_late(w);
	}
}

/* Nothing stays unanswered. The last answers must arrive: the other side reads until EV_STOPPED, or frees us. */
void worker_leave(struct worker *w)
{
	struct engine_cmd c;
	struct engine_event ev = {.kind = EV_STOPPED};
	worker_state(w, ENGINE_STOPPED, NULL);
	worker_end_pending(w, ERR_CANCEL, "engine: it has ended");
	while (ring_pop(w->g->commands, &c)) {
		/* A second wish to end (^C while the first one saves) has come true; so has any, for what ends by itself. */
		int wanted = c.op == CMD_STOP_NOW || (w->viewer && c.op == CMD_STOP_SAVE);
		worker_done(w, c.id, wanted ? 0 : ERR_CANCEL, "engine: it has ended");
	}
	worker_emit(w, &ev, 1);
	deliver_all(w);
}

/* What is unanswered stays so: the new process has the commands too. */
static void leave_for_restart(struct worker *w)
{
	struct engine_event ev = {.kind = EV_RESTART};
	worker_publish(w, 1);
	worker_emit(w, &ev, 1);
	deliver_all(w);
}

static void turn(struct worker *w)
{
	take_cancel(w);
	answer_all(w);
	if (w->stop || w->restart)
		return;
	if (atomic_load(&w->g->ending)) {
		struct err e;
		cmd_stop(w, "quit", 0, &e);
		return;
	}
	worker_saves_look(w);
	if (w->training) {
		train_or_stop(w);
		worker_auto_sample(w);
		worker_check_trace(w);
	} else {
		worker_check_pending(w);
		if (!w->training)
			worker_sleep(w, w->npending || w->nlate || w->saves ? 5 : 250);
	}
	worker_publish(w, 0);
	worker_deliver_late(w);
}

static void *worker_loop(void *arg)
{
	struct worker *w = &((struct engine *)arg)->w;
	trace_thread("worker");
	while (!w->stop && !w->restart)
		turn(w);
	worker_end_trace(w, w->stop ? "the end" : "a new process goes on");
	if (w->stop)
		worker_leave(w);
	else
		leave_for_restart(w);
	return NULL;
}

/* In the place of another process: as if it were the same. */
static void *worker_main_again(void *arg)
{
	struct worker *w = &((struct engine *)arg)->w;
	struct engine_cmd *c = w->again;
	struct err e = {0};
	if (worker_machine(w, &e))
		worker_log(w, LOG_ERROR, "%s (nothing can be trained)", e.msg);
	worker_tell_restart(w);
	w->again = NULL;
	if (c)
		answer(w, c);
	free(c);
	worker_publish(w, 1);
	return worker_loop(arg);
}

/* Nothing is opened: no device, no pool. */
static void *viewer_main(void *arg)
{
	struct worker *w = &((struct engine *)arg)->w;
	viewer_loop(w);
	worker_leave(w);
	return NULL;
}

static void *worker_main(void *arg)
{
	struct engine *g = arg;
	struct worker *w = &g->w;
	struct err e = {0};
	if (worker_machine(w, &e))
		worker_log(w, LOG_ERROR, "%s (nothing can be trained)", e.msg);
	if (g->opt.resume && worker_resume(w, &e))
		worker_log(w, LOG_ERROR, "%s", e.msg);
	worker_rest_state(w);
	worker_publish(w, 1);
	return worker_loop(g);
}

/* --- the door --------------------------------------------------------------------------------------------------- */

static void worker_init(struct worker *w, struct engine *g)
{
	w->g = g;
	settings_init(&w->settings);
	snprintf(w->data_name, sizeof w->data_name, "builtin");
	w->state.best_loss = NAN;
	w->flushed = w->last.loss = w->last.watts = w->last.joules = w->last.val = w->last.bpb = NAN;
	proc_init(&w->proc);
	const char *root = g->opt.root ? g->opt.root : "";
	machine_init(&w->machine, root);
	w->power = g->opt.view ? NULL : power_open(root);
	w->nice_begun = pool_nice_now();
}

static void worker_done_all(struct worker *w)
{
	viewer_free(w->viewer);
	saver_free(w->saver);
	w->saver = NULL;
	w->saves = 0;
	worker_drop_model(w);
	run_close(&w->run);
	device_close(w->dev);
	pool_free(w->pool);
	power_close(w->power);
	machine_done(&w->machine);
	str_done(&w->answer);
	str_done(&w->new_line);
	str_done(&w->script);
	free(w->late);
	free(w->again);
}

static void engine_done(struct engine *g)
{
	worker_done_all(&g->w);
	ring_free(g->commands);
	ring_free(g->events);
	pthread_cond_destroy(&g->wake);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static int start_thread(struct engine *g, void *(*fn)(void *), struct err *e)
{
	int rc = thread_start(&g->thread, fn, g);
	return rc ? err_set(e, ERR_IO, "engine: the worker thread can not be started: %s", strerror(rc)) : 0;
}

/* From the first look on it is seen that nothing is trained here. */
static int open_view(struct engine *g, struct err *e)
{
	g->w.viewer = viewer_new(&g->opt, e);
	if (g->w.viewer)
		g->snap = *viewer_snapshot(g->w.viewer);
	return g->w.viewer ? 0 : e->code;
}

struct engine *engine_start(const struct engine_options *o, struct err *e)
{
	struct engine *g = mem_zalloc(1, sizeof *g);
	if (!g) {
		err_nomem(e, "engine", sizeof *g);
		return NULL;
	}
	if (o->run_dir && strlen(o->run_dir) >= sizeof g->run_dir_opt) {
		err_set(e, ERR_USAGE, "--run: %.60s...: %zu bytes: at most %zu (choose a shorter path)", o->run_dir, strlen(o->run_dir), sizeof g->run_dir_opt - 1);
		free(g);
		return NULL;
	}
	g->opt = *o;
	if (o->run_dir)
		snprintf(g->run_dir_opt, sizeof g->run_dir_opt, "%s", o->run_dir);
	g->commands = ring_new(COMMAND_RING, sizeof(struct engine_cmd));
	g->events = ring_new(EVENT_RING, sizeof(struct engine_event));
	g->progress = -1;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->wake, NULL);
	worker_init(&g->w, g);
	g->snap.last = g->w.last;
	g->snap.best_val = g->snap.flushed = NAN;
	g->snap.settings = g->w.settings;
	g->snap.power.watts = g->snap.power.joules = g->snap.power.baseline = NAN;
	g->snap.machine = g->w.machine.view;
	g->snap.ckpt_age = g->snap.remaining = -1;
	blas_prepare();
	if (!g->commands || !g->events)
		err_nomem(e, "engine", COMMAND_RING * sizeof(struct engine_cmd) + EVENT_RING * sizeof(struct engine_event));
	else if (o->view && open_view(g, e))
		; /* said why */
	else if (!(o->from && worker_take_over(&g->w, e)) && !start_thread(g, g->w.viewer ? viewer_main : o->from ? worker_main_again : worker_main, e))
		return g;
	engine_done(g);
	return NULL;
}

void engine_free(struct engine *g)
{
	if (!g)
		return;
	atomic_store(&g->ending, 1);
	engine_cancel(g);
	if (!g->joined)
		pthread_join(g->thread, NULL);
	engine_done(g);
}

int engine_go_on(struct engine *g, const char *why, struct err *e)
{
	struct worker *w = &g->w;
	struct engine_cmd *c = w->again;
	if (!g->joined)
		pthread_join(g->thread, NULL);
	g->joined = 1;
	w->restart = 0;
	w->again = NULL;
	worker_log(w, LOG_ERROR, "%s", why);
	if (c)
		worker_done(w, c->id, ERR_DEVICE, why);
	free(c);
	worker_stop_training(w, ERR_DEVICE, why);
	int rc = start_thread(g, worker_loop, e);
	g->joined = rc != 0;
	return rc;
}

uint32_t engine_next_id(struct engine *g)
{
	uint32_t id = atomic_fetch_add(&g->next_id, 1) + 1;
	return id ? id : atomic_fetch_add(&g->next_id, 1) + 1;
}

int engine_send(struct engine *g, const struct engine_cmd *c, struct err *e)
{
	atomic_fetch_add(&g->queued, 1);
	if (ring_push(g->commands, c)) {
		atomic_fetch_sub(&g->queued, 1);
		return err_set(e, ERR_STATE, "engine: %d commands wait already (it is busy: interrupt it, or wait)", COMMAND_RING);
	}
	pthread_mutex_lock(&g->lock);
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
	return 0;
}

int engine_event(struct engine *g, struct engine_event *ev)
{
	atomic_store(&g->wake_pending, 0);
	return ring_pop(g->events, ev);
}

void engine_cancel(struct engine *g)
{
	atomic_store(&g->cancel_upto, atomic_load(&g->next_id));
	atomic_store(&g->cancel, 1);
	pthread_mutex_lock(&g->lock);
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
}

void engine_give_up(struct engine *g)
{
	atomic_store(&g->give_up, 1);
}
