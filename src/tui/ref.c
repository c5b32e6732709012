/* ref.c: a record (train/metrics.h reads it) as one curve. It may be that of a run that goes on.
 * SPDX-License-Identifier: MIT */
#include "tui/ref.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/metrics.h"

static void take(struct series *s, const struct metrics_row *r)
{
	struct step_obs obs = {.step = r->step, .tokens = r->tokens, .t = r->t, .loss = (double)r->loss, .grad_norm = (double)r->grad_norm, .lr = (double)r->lr, .ms = (double)r->ms,
		.watts = (double)r->watts, .joules = NAN, .gap = (double)r->gap};
	if (r->kind == METRICS_STEP)
		series_add(s, &obs);
	else if (r->kind == METRICS_EVAL)
		series_eval(s, r->step, (double)r->loss, (double)r->grad_norm);
}

static int open_record(struct metrics *m, const char *run, char *dir, size_t n, struct err *e)
{
	struct err why = {0};
	int rc = -1;
	for (int i = 0; i < 2 && rc; i++) {
		char at[512];
		snprintf(at, sizeof at, "%s%s", i ? "runs/" : "", run);
		rc = metrics_open(m, at, &why);
		if (!rc)
			snprintf(dir, n, "%s", at);
		else
			metrics_done(m);
		if (rc && rc != ERR_IO)
			break; /* it is there, and no record */
	}
	if (rc == ERR_IO)
		return err_set(e, ERR_IO, "ref: %.200s: no record there (a run's folder, or its name below runs/; `runs` lists them)", run);
	return rc ? err_set(e, (enum err_code)rc, "ref: %.400s", why.msg) : 0;
}

struct series *ref_read(const char *run, char *dir, size_t n, struct err *e)
{
	struct metrics m;
	struct series *s = malloc(sizeof *s);
	if (!s) {
		err_nomem(e, "ref", sizeof *s);
		return NULL;
	}
	series_reset(s);
	int rc = open_record(&m, run, dir, n, e);
	if (rc) {
		free(s);
		return NULL;
	}
	for (size_t i = 0; i < m.n; i++)
		take(s, &m.row[i]);
	if (!s->n) {
		err_set(e, ERR_FORMAT, "ref: %s: no step in it", m.path);
		free(s);
		s = NULL;
	}
	metrics_done(&m);
	return s;
}
