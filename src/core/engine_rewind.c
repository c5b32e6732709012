/* engine_rewind.c: `set nan rewind`: back to the newest checkpoint when training breaks down, and on behind the data that broke it. What is not finite the
 * trainer finds; it has changed nothing. Executed again the run breaks and goes back at the same places, so settings.cmd says nothing of it.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <stdio.h>

enum { TRIES = 3 };

/* What broke a run three times at the same place is not the data. */
static int may_try(struct worker *w, struct err *e)
{
	const struct err why = *e;
	w->rewind.n = w->rewind.step >= w->state.step + 1 ? w->rewind.n + 1 : 1;
	if (w->rewind.step < w->state.step + 1)
		w->rewind.step = w->state.step + 1;
	if (w->rewind.n <= TRIES)
		return 0;
	w->rewind.n = 0;
	return err_set(e, ERR_STATE, "%.380s; gone back %d times already (load an older checkpoint, lower lr.max)", why.msg, TRIES);
}

int worker_rewind(struct worker *w, const struct trainer_step *r, struct err *e)
{
	const struct err why = *e;
	struct err mine = {0};
	struct run_loaded l = {.pool = w->pool};
	char path[2048];
	uint64_t broke = w->state.step, skipped = w->state.skipped;
	if (may_try(w, e))
		return e->code;
	worker_saves_finish(w);
	if (run_load_newest(w->run.dir, path, sizeof path, NULL, &l, &mine))
		return err_set(e, ERR_STATE, "%.300s; there is no checkpoint to go back to: %.150s", why.msg, mine.msg);
	worker_log(w, LOG_WARN, "%s", why.msg);
	int rc = worker_adopt(w, l.params, &l.state, l.tok, e);
	if (rc)
		return rc;
	w->state.cursor = r->after;
	w->state.skipped = skipped + 1;
	worker_announce_run(w);
	worker_replay(w, w->state.step, 0);
	worker_event_start(w, 1);
	worker_log(w, LOG_WARN, "rewind: from step %llu back to %llu (%s), on behind those data", (unsigned long long)broke, (unsigned long long)w->state.step, path);
	return 1;
}
