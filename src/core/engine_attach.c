/* engine_attach.c: the worker that watches a run in another process: its record up to now, then its own events and snapshots over the link.
 *
 * Where nobody answers (the run has ended, or another build runs it) the record is followed as it grows. Commands are passed on; an interrupt is not.
 * SPDX-License-Identifier: MIT */
#include "viewer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define SECOND 1000000000ull

/* --- commands passed on ---------------------------------------------------------------------------------------------- */

int viewer_pass_on(struct worker *w, const struct engine_cmd *c, struct err *e)
{
	struct viewer *v = w->viewer;
	if (v->link.fd < 0 || v->link.greeted < 0)
		return err_set(e, ERR_STATE, "attach: %s: nobody answers there: nothing was done (`anetui --resume --run %s` goes on with it)", v->dir, v->dir);
	if (v->npassed == PASSED_MAX)
		return err_set(e, ERR_STATE, "attach: %d commands wait for their answers already", PASSED_MAX);
	link_put(&v->link, LINK_COMMAND, c, sizeof *c);
	v->passed[v->npassed++] = c->id;
	if (c->op == CMD_STOP_RUN)
		v->farewell = c->id;
	return 0;
}

static int forget_passed(struct viewer *v, uint32_t id)
{
	if (id == v->farewell)
		v->farewell = 0;
	for (int i = 0; i < v->npassed; i++)
		if (v->passed[i] == id) {
			v->passed[i] = v->passed[--v->npassed];
			return 1;
		}
	return 0;
}

void viewer_drop_passed(struct worker *w, int code, const char *why)
{
	struct viewer *v = w->viewer;
	while (v->npassed)
		worker_done(w, v->passed[--v->npassed], code, why);
}

/* --- the link ------------------------------------------------------------------------------------------------------------ */

/* Another run in the same process, or another point of it: everything from its own record. */
static void other_run(struct worker *w, const char *dir)
{
	struct viewer *v = w->viewer;
	struct metrics m;
	struct err e;
	if (*dir && !metrics_open(&m, dir, &e)) {
		metrics_done(&v->m);
		v->m = m;
		snprintf(v->dir, sizeof v->dir, "%s", dir);
		v->shown_t = m.row[m.n - 1].t;
		viewer_show_all(w, m.n);
		return;
	}
	if (*dir)
		metrics_done(&m);
	struct engine_event ev = {.kind = EV_RESET, .past = 1};
	snprintf(ev.text, sizeof ev.text, "%.511s", dir);
	worker_emit(w, &ev, 1);
}

static void take_event(struct worker *w, struct engine_event *ev)
{
	struct viewer *v = w->viewer;
	switch (ev->kind) {
	case EV_STOPPED:
	case EV_RESTART:
		return;
	case EV_RESET:
		other_run(w, ev->text);
		return;
	case EV_DONE:
		if (ev->id == v->farewell && !ev->code)
			w->stop = 1;
		if (forget_passed(v, ev->id))
			worker_done(w, ev->id, ev->code, ev->text);
		return;
	case EV_STEP:
	case EV_EVAL:
	case EV_MARK:
		/* Known from the record. */
		if (ev->past || ev->obs.t <= v->shown_t)
			return;
		break;
	case EV_SAMPLE_BEGIN:
	case EV_SAMPLE:
	case EV_SAMPLE_END:
		if (ev->past)
			return;
		break;
	default:
		break;
	}
	worker_emit(w, ev, 1);
}

static void take_frames(struct worker *w)
{
	struct viewer *v = w->viewer;
	static const size_t room = MAX(sizeof(struct engine_snapshot), sizeof(struct engine_event));
	char *data = mem_zalloc(room, 1);
	int kind;
	while (data && (kind = link_next(&v->link, data, room)) >= 0) {
		if (kind == LINK_SNAPSHOT) {
			memcpy(&v->snap, data, sizeof v->snap);
			v->snap.view = (struct view_state){.kind = VIEW_ATTACHED, .live = 1};
			if (v->told)
				worker_log(w, LOG_GOOD, "attach: %s: answers again", v->dir);
			v->told = 0;
		} else if (kind == LINK_EVENT) {
			take_event(w, (struct engine_event *)(void *)data);
		}
	}
	free(data);
}

static void lost(struct worker *w)
{
	struct viewer *v = w->viewer;
	const char *why = link_refusal(&v->link);
	link_close(&v->link);
	v->snap.view.live = 0;
	v->snap.state = ENGINE_PAUSED;
	v->snap.tokens_per_s = 0;
	v->snap.remaining = -1;
	if (v->told)
		return;
	v->told = 1;
	worker_log(w, LOG_WARN, "attach: %s: %s", v->dir, *why ? why : "nobody answers (any more): its record is followed");
	viewer_drop_passed(w, ERR_STATE, "attach: the other process went away");
}

static void try_connect(struct worker *w)
{
	struct viewer *v = w->viewer;
	struct err e;
	v->link = (struct link){.fd = -1};
	if (link_connect(v->dir, &v->link, &e))
		lost(w);
}

/* The record as it grows. */
static void read_on(struct worker *w)
{
	struct viewer *v = w->viewer;
	struct err e;
	int n = metrics_more(&v->m, &e);
	if (v->m.went_back) {
		v->m.went_back = 0;
		viewer_show_all(w, v->m.n);
	}
	while (n > 0 && v->at < v->m.n)
		viewer_show(w, v->at);
	v->shown_t = v->m.n ? v->m.row[v->m.n - 1].t : 0;
}

/* What was passed on goes out before the view ends, and `quit run` has its answer. */
void viewer_say_farewell(struct worker *w)
{
	struct viewer *v = w->viewer;
	for (int i = 0; i < 200 && v->link.fd >= 0 && (v->link.out.len || v->farewell); i++) {
		struct timespec ms10 = {0, 10000000};
		if (!link_pump(&v->link))
			take_frames(w);
		nanosleep(&ms10, NULL);
	}
}

void viewer_follow(struct worker *w, uint64_t now)
{
	struct viewer *v = w->viewer;
	/* First of all the link, so that nothing falls between the record and it. */
	if (!v->tried_ns) {
		try_connect(w);
		metrics_more(&v->m, NULL);
		v->m.went_back = 0;
		viewer_show_all(w, v->m.n);
		v->shown_t = v->m.row[v->m.n - 1].t;
		v->tried_ns = now;
	}
	if (v->link.fd >= 0) {
		int closed = link_pump(&v->link);
		if (!closed)
			take_frames(w);
		if (closed || v->link.fd < 0)
			lost(w);
		return;
	}
	if (now - v->tried_ns < SECOND / 3)
		return;
	v->tried_ns = now;
	read_on(w);
	try_connect(w);
}
