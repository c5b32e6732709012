/* viewer.h: what the two ways of showing a run share: the record of a replay (engine_view.c) and the run in another process (engine_attach.c).
 * Only for these two. SPDX-License-Identifier: MIT */
#ifndef ANETUI_VIEWER_H
#define ANETUI_VIEWER_H

#include "engine_impl.h"
#include "link.h"
#include "train/metrics.h"

/* A command that was passed on and has no answer yet. */
enum { PASSED_MAX = 64 };

struct viewer {
	struct metrics m;
	char dir[1024];
	size_t at;                   /* rows that were shown */
	struct engine_snapshot snap;
	double step_ms;              /* smoothed */

	/* replay */
	double play;                 /* where it stands, on the rows' own scale */
	uint64_t tick_ns;
	uint32_t waiting;            /* the scripted `replay go` that ends with the record */

	/* attached */
	int follow;
	struct link link;
	double shown_t;              /* the record was read to here: what the link tells of before is known already */
	uint64_t tried_ns;           /* the latest try to connect, or to read on */
	int told;                    /* that nobody answers */
	uint32_t passed[PASSED_MAX];
	int npassed;
	uint32_t farewell;           /* `quit run`: its answer is waited for before the view ends */
};

/* Row i to the other side, live, and into the snapshot. */
void viewer_show(struct worker *w, size_t i);
/* The curves anew up to row n, in bounded memory; the snapshot is that of row n - 1. */
void viewer_show_all(struct worker *w, size_t n);
/* One turn of an attached viewer. */
void viewer_follow(struct worker *w, uint64_t now);
void viewer_say_farewell(struct worker *w);
/* Passes the command on; its answer will come. 0, or an error. */
int viewer_pass_on(struct worker *w, const struct engine_cmd *c, struct err *e);
/* Commands that were passed on have no answer to come. */
void viewer_drop_passed(struct worker *w, int code, const char *why);

#endif
