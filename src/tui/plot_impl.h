/* plot_impl.h: what the files of a plot share: the curve (plot.c), its axes (plot_axis.c), what is marked on it (plot_marks.c). Nobody else's.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_PLOT_IMPL_H
#define ANETUI_TUI_PLOT_IMPL_H

#include "tui/plot.h"

/* What falls into one column of dots. */
struct column { float lo, hi, line; int n, bad, gap, cut; };

struct frame {
	const struct series *s;
	const struct plot *p;
	const struct bucket *b;    /* of these the shown ones lie within the range */
	int nb;
	struct rect at;            /* of the dots, in cells */
	struct raster ras;
	struct column *col;
	int cols, rows;            /* in dots */
	uint64_t from, to;         /* steps that are shown */
	double x0, x1, lo, hi;     /* of the axes */
	int log;
};

int plot_x_dot(const struct frame *f, double x);
int plot_y_dot(const struct frame *f, double v);
/* The column of a step; outside of [0, cols) when it is not shown. */
int plot_step_dot(const struct frame *f, uint64_t step);
/* Draws the axes (bits as in struct plot, where there is room) and finds the place that is left for the dots. */
void plot_axes(struct frame *f, struct grid *g, struct rect r);
/* Below the dots, and over them. */
void plot_marks_under(const struct frame *f, struct grid *g);
void plot_marks_over(const struct frame *f, struct grid *g);

#endif
