/* engine_trace.c: `trace`: a timeline begun, ended, and written. What is in it is recorded where it happens (base/trace.h). SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/save.h"
#include "base/trace.h"

/* Whoever waits for a timeline of an hour wants to hear now that it can not be written. */
static int can_write(const char *path, struct err *e)
{
	struct save s;
	int rc = save_begin(&s, path, 0, e);
	if (!rc)
		save_abort(&s);
	return rc;
}

static int end(struct worker *w, const char *why, struct err *e)
{
	char lost[60] = "";
	trace_end();
	int rc = trace_write(w->trace.path, e);
	if (trace_lost())
		snprintf(lost, sizeof lost, ", %llu more found no room", (unsigned long long)trace_lost());
	if (!rc)
		worker_log(w, LOG_GOOD, "trace: %s: %zu spans of steps %llu to %llu%s (%s)", w->trace.path, trace_count(), (unsigned long long)w->trace.from,
			   (unsigned long long)w->state.step, lost, why);
	trace_drop();
	w->trace.path[0] = 0;
	return rc;
}

void worker_end_trace(struct worker *w, const char *why)
{
	struct err e = {0};
	if (w->trace.path[0] && end(w, why, &e))
		worker_log(w, LOG_ERROR, "%s", e.msg);
}

void worker_check_trace(struct worker *w)
{
	if (!w->trace.path[0] || (w->trainer && trainer_begun(w->trainer) && !trace_lost()))
		return;
	if (trace_lost())
		worker_end_trace(w, "the table is full; steps=N makes a shorter one");
	else if (w->trace.until && w->state.step >= w->trace.until)
		worker_end_trace(w, "steps=N");
}

static int steps_of(const char *s, double *steps, struct err *e)
{
	if (strncmp(s, "steps=", 6))
		return err_set(e, ERR_USAGE, "trace: %s: wanted trace FILE [steps=N], or trace stop", s);
	if (str_number(s + 6, steps) || !(*steps >= 1 && *steps <= 1e9) || *steps != floor(*steps))
		return err_set(e, ERR_RANGE, "trace: %s: must be 1 to 1000000000 steps", s);
	return 0;
}

static int begin(struct worker *w, const char *path, double steps, struct err *e)
{
	if (w->trace.path[0])
		return err_set(e, ERR_STATE, "trace: %s is being recorded (trace stop)", w->trace.path);
	if (strlen(path) >= sizeof w->trace.path)
		return err_set(e, ERR_USAGE, "trace: %.60s...: the path is too long", path);
	int rc = can_write(path, e);
	if (rc || (rc = trace_begin(TRACE_SPANS, e)))
		return rc;
	snprintf(w->trace.path, sizeof w->trace.path, "%s", path);
	w->trace.from = worker_next_step(w);
	w->trace.until = steps > 0 ? w->trace.from + (uint64_t)steps : 0;
	return 0;
}

int cmd_trace(struct worker *w, int argc, char **argv, struct err *e)
{
	double steps = 0;
	int stops = argc == 1 && (!strcmp(argv[0], "stop") || !strcmp(argv[0], "off"));
	if (!argc && w->trace.path[0])
		worker_say(w, "trace: %s: %zu spans so far\n", w->trace.path, trace_count());
	else if (!argc)
		worker_say(w, "trace: nothing is being recorded\n");
	if (!argc)
		return 0;
	if (stops)
		return w->trace.path[0] ? end(w, "stop", e) : err_set(e, ERR_STATE, "trace: nothing is being recorded (trace FILE)");
	int rc = argc > 1 ? steps_of(argv[1], &steps, e) : 0;
	return rc ? rc : begin(w, argv[0], steps, e);
}
