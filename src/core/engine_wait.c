/* engine_wait.c: commands whose end lies ahead (`train N`, `wait`), and the one place where training stops, so that none of them waits for ever.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

/* --- the list --------------------------------------------------------------------------------------------------- */

static void end_one(struct worker *w, int i, int code, const char *text)
{
	uint32_t id = w->pending[i].id;
	memmove(&w->pending[i], &w->pending[i + 1], (size_t)(w->npending - i - 1) * sizeof *w->pending);
	w->npending--;
	worker_done(w, id, code, text);
}

static int room_for_one(const struct worker *w, const char *what, struct err *e)
{
	return w->npending < PENDING_MAX ? 0 : err_set(e, ERR_STATE, "%s: %d commands wait for their end already", what, PENDING_MAX);
}

int worker_end_save(struct worker *w, uint64_t id, int code, const char *text)
{
	for (int i = 0; i < w->npending; i++)
		if (w->pending[i].kind == WAIT_SAVE && w->pending[i].step == id) {
			end_one(w, i, code, text);
			return 1;
		}
	return 0;
}

/* A save comes to its end by itself. */
void worker_end_pending(struct worker *w, int code, const char *text)
{
	for (int i = 0; i < w->npending;) {
		const struct pending *p = &w->pending[i];
		if (p->kind == WAIT_SAVE || (p->kind == WAIT_TIME && code != ERR_CANCEL))
			i++;
		else if (p->until_stopped && (code == 0 || code == ERR_CANCEL))
			end_one(w, i, 0, "");
		else
			end_one(w, i, code ? code : ERR_STATE, code ? text : "train: paused before the end was reached");
	}
}

int worker_is_awaited(const struct worker *w)
{
	for (int i = 0; i < w->npending; i++)
		if (w->pending[i].kind != WAIT_TIME && w->pending[i].kind != WAIT_SAVE)
			return 1;
	return 0;
}

static int reached(const struct worker *w, const struct pending *p, uint64_t now)
{
	if (p->until_ns && now >= p->until_ns)
		return 1;
	switch (p->kind) {
	case WAIT_STEP: return w->state.step >= p->step;
	case WAIT_LOSS: return w->last.step && w->last.step == w->state.step && w->last.loss < p->loss;
	case WAIT_TIME:
	case WAIT_PAUSED:
	case WAIT_SAVE: break;
	}
	return 0;
}

/* Training pauses before any of them is answered: who sees the answer sees the pause. */
void worker_check_pending(struct worker *w)
{
	uint64_t now = clock_ns();
	int pause = 0;
	for (int i = 0; i < w->npending; i++)
		pause |= w->pending[i].pause_then && reached(w, &w->pending[i], now);
	if (pause && w->training && w->target && w->state.step >= w->target)
		worker_happened(w, HAPPENING_DONE, "step %llu is reached", (unsigned long long)w->target);
	if (pause)
		worker_halt(w);
	for (int i = 0; i < w->npending;) {
		if (reached(w, &w->pending[i], now))
			end_one(w, i, 0, "");
		else
			i++;
	}
	if (pause)
		worker_end_pending(w, 0, "");
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

void worker_halt(struct worker *w)
{
	if (w->trainer)
		trainer_drop(w->trainer);
	w->training = w->pause_wanted = w->after_due = 0;
	worker_saves_finish(w); /* who is told that training has ended finds its checkpoints */
	worker_rest_state(w);
}

void worker_stop_training(struct worker *w, int code, const char *why)
{
	worker_halt(w);
	worker_end_pending(w, code, why);
	worker_publish(w, 1);
}

/* Who had started training is answered as if its end had been reached. */
void worker_end_early(struct worker *w)
{
	worker_log(w, LOG_GOOD, "%s", w->early);
	worker_happened(w, HAPPENING_DONE, "%s", w->early);
	worker_halt(w);
	for (int i = 0; i < w->npending;) {
		const struct pending *p = &w->pending[i];
		if (p->kind == WAIT_TIME || p->kind == WAIT_SAVE)
			i++;
		else if (p->until_stopped || p->pause_then)
			end_one(w, i, 0, "");
		else
			end_one(w, i, ERR_STATE, w->early);
	}
	worker_publish(w, 1);
}

/* --- the commands -------------------------------------------------------------------------------------------------- */

int cmd_train(struct worker *w, const struct engine_cmd *c, int argc, char **argv, int defaults_to_one, struct err *e)
{
	double n = defaults_to_one ? 1 : 0;
	if (argc && (str_number(argv[0], &n) || !(n >= 1 && n <= 1e15) || n != floor(n)))
		return err_set(e, ERR_RANGE, "train: %s: must be a whole number of steps, at least 1", argv[0]);
	int rc = room_for_one(w, "train", e);
	if (!rc)
		rc = worker_start_training(w, (uint64_t)n, e);
	if (rc)
		return rc;
	struct pending p = {.kind = WAIT_PAUSED, .id = c->id, .until_stopped = 1};
	if (n > 0)
		p = (struct pending){.kind = WAIT_STEP, .id = c->id, .step = w->target, .pause_then = 1};
	else if (!c->scripted)
		return 0;
	w->pending[w->npending++] = p;
	return 1;
}

static int parse_seconds(struct pending *p, const char *word, const char *wanted, struct err *e)
{
	double v;
	if (str_number(word, &v) || !(v >= 0 && v <= 1e9))
		return err_set(e, ERR_RANGE, "wait: %s: must be %s (0 to 1e9)", word, wanted);
	p->until_ns = clock_ns() + (uint64_t)(v * 1e9);
	return 0;
}

/* A step or a loss may have seconds behind it, which are enough too. */
static int parse_wait(struct pending *p, int argc, char **argv, struct err *e)
{
	double v;
	int words = 1;
	if (argc >= 2 && !strcmp(argv[0], "step")) {
		if (str_number(argv[1], &v) || !(v >= 0 && v <= 1e15) || v != floor(v))
			return err_set(e, ERR_RANGE, "wait: %s: must be a step number", argv[1]);
		p->kind = WAIT_STEP;
		p->step = (uint64_t)v;
		words = 2;
	} else if (!strncmp(argv[0], "loss<", 5)) {
		if (str_number(argv[0] + 5, &v) || !(v > 0))
			return err_set(e, ERR_RANGE, "wait: %s: loss<X takes a number above 0", argv[0]);
		p->kind = WAIT_LOSS;
		p->loss = v;
	} else {
		p->kind = WAIT_TIME;
		words = 0;
	}
	if (argc > words + 1)
		return err_set(e, ERR_USAGE, "wait: usage: wait step N [SECONDS] | loss<X [SECONDS] | SECONDS");
	return argc == words ? 0 : parse_seconds(p, argv[words], words ? "seconds" : "step N, loss<X or seconds", e);
}

int cmd_wait(struct worker *w, const struct engine_cmd *c, int argc, char **argv, struct err *e)
{
	struct pending p = {.id = c->id};
	int rc = parse_wait(&p, argc, argv, e);
	if (!rc)
		rc = room_for_one(w, "wait", e);
	if (!rc && p.kind != WAIT_TIME && !w->training && !reached(w, &p, 0)) {
		rc = worker_start_training(w, 0, e);
		p.pause_then = 1;
	}
	if (rc)
		return rc;
	w->pending[w->npending++] = p;
	return 1;
}

int cmd_pause(struct worker *w)
{
	if (w->training)
		w->pause_wanted = 1;
	return 0;
}
