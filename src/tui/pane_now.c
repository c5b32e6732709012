/* pane_now.c: the numbers of this moment: now and power. Reads the snapshot only.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tui/aim.h"
#include "tui/fmt.h"
#include "tui/panes.h"

/* label, value, and a smaller word beside it where there is room. */
static void row(struct grid *g, struct rect r, int y, const char *label, enum attr a, const char *value, const char *extra)
{
	int wide = r.w >= 29, x = wide ? 10 : 6, end;
	grid_text(g, r, 0, y, ATTR_DIM, label);
	end = grid_text(g, r, x, y, a, value);
	int at = wide ? MAX(21, end + 1) : end + 1;
	if (extra && *extra && at + text_width(extra) <= r.w)
		grid_text(g, r, at, y, ATTR_NOTE, extra);
}

/* A history behind a value: as wide as the rest of the row. */
static void row_spark(struct grid *g, const struct view *v, struct rect r, int y, const float *hist, int n, double hi)
{
	int x = r.w >= 29 ? 22 : 18;
	double top = hi;
	for (int i = 0; i < n; i++)
		top = fmax(top, isfinite(hist[i]) ? (double)hist[i] : 0);
	if (r.w - x >= 4 && n > 1)
		draw_spark(g, (struct rect){r.x + x, r.y + y, r.w - x, 1}, hist, n, 0, top * 1.05, ATTR_SPARK, v->glyphs);
}

static const char *base_name(const char *path)
{
	const char *s = strrchr(path, '/');
	return s ? s + 1 : path;
}

/* The name, or as much of its beginning as `room` columns hold, marked as cut. Names of several bytes a character stay whole: they are left out when too long. */
static const char *short_name(char *buf, size_t n, const char *name, int room, enum glyphs gl)
{
	const char *dots = glyph_set(gl)->dots;
	int keep = room - text_width(dots);
	if (text_width(name) <= room || keep < 4 || (size_t)text_width(name) != strlen(name))
		return name;
	snprintf(buf, n, "%.*s%s", keep, name, dots);
	return buf;
}

static const char *state_word(const struct engine_snapshot *s)
{
	static const char *const words[] = {"no model", "preparing", "paused", "training", "sampling", "evaluating", "saving", "stopped"};
	return words[s->state];
}

static const char *shape_word(const struct engine_snapshot *s)
{
	static const char *const words[] = {"constant", "cosine", "linear", "wsd"};
	int k = settings_int(&s->settings, SET_LR_SHAPE);
	return k >= 0 && k < 4 ? words[k] : "";
}

enum now_row { NOW_STATE, NOW_LR, NOW_GRAD, NOW_RATE, NOW_MS, NOW_CHIP, NOW_MEM, NOW_CPU, NOW_DATA, NOW_CKPT, NOW_BLAS, NOW_TIME, NOW_TOKENS, NOW_MODEL, NOW_DEVICE, NOW_N };

static void now_row(struct grid *g, const struct view *v, struct rect r, int y, enum now_row k)
{
	const struct engine_snapshot *s = &view_data(v)->snap;
	char a[FMT], b[FMT], value[64], extra[300] = "";
	int any = s->last.step > 0, narrow = r.w < 29;
	switch (k) {
	case NOW_STATE:
		row(g, r, y, "state", ATTR_VALUE, state_word(s), s->doing);
		break;
	case NOW_LR:
		row(g, r, y, "lr", ATTR_VALUE, fmt_lr(a, s->config.layers ? s->lr_now : NAN), shape_word(s));
		break;
	case NOW_GRAD:
		if (s->settings.num[SET_CLIP] > 0)
			snprintf(extra, sizeof extra, "clip %.3g", s->settings.num[SET_CLIP]);
		row(g, r, y, narrow ? "grad" : "grad norm", any && s->settings.num[SET_CLIP] > 0 && s->last.grad_norm > s->settings.num[SET_CLIP] ? ATTR_WARN : ATTR_VALUE,
			fmt_short(a, any ? s->last.grad_norm : NAN), extra);
		break;
	case NOW_RATE:
		if (s->blas_gflops > 0 && s->micro_ms > 0)
			snprintf(extra, sizeof extra, "%.0f GFLOP/s", s->flops_per_micro / s->micro_ms / 1e6);
		row(g, r, y, "tok/s", ATTR_VALUE, fmt_si(a, s->tokens_per_s > 0 ? s->tokens_per_s : NAN), extra);
		break;
	case NOW_MS:
		snprintf(value, sizeof value, narrow ? "%s us" : "%s micro", fmt_short(a, s->micro_ms > 0 ? s->micro_ms : NAN));
		if (narrow)
			snprintf(value, sizeof value, "%s/micro", a);
		snprintf(extra, sizeof extra, narrow ? "%s/step" : "%s step", fmt_short(b, s->step_ms > 0 ? s->step_ms : NAN));
		row(g, r, y, "ms", ATTR_VALUE, value, extra);
		break;
	case NOW_CHIP:
		snprintf(extra, sizeof extra, "%s", !isfinite(s->chip.ms) ? "no step yet" : isfinite(s->chip.watts) ? fmt_watts(b, s->chip.watts) : narrow ? "W unknown" : "unpublished");
		snprintf(value, sizeof value, "%s%s", fmt_short(a, s->chip.ms), narrow || !isfinite(s->chip.ms) ? "" : " ms");
		row(g, r, y, s->chip.name, ATTR_VALUE, value, extra);
		break;
	case NOW_MEM:
		row(g, r, y, narrow ? "mem" : "memory", ATTR_VALUE, fmt_memory(a, s->proc.rss, s->proc.peak), NULL);
		row_spark(g, v, r, y, s->proc.rss_hist, s->proc.n, 1);
		break;
	case NOW_CPU:
		snprintf(value, sizeof value, isfinite(s->proc.cpu) && s->proc.cpus ? "%.0f %% of %d" : "--", s->proc.cpu, s->proc.cpus);
		row(g, r, y, "cpu", ATTR_VALUE, value, NULL);
		row_spark(g, v, r, y, s->proc.cpu_hist, s->proc.n, s->proc.cpus * 100);
		break;
	case NOW_DATA:
		snprintf(value, sizeof value, s->data_tokens ? "epoch %.2f" : "--", s->epoch);
		row(g, r, y, "data", ATTR_VALUE, value, short_name(extra, sizeof extra, base_name(s->data_name), r.w - 21, v->glyphs));
		break;
	case NOW_CKPT:
		if (s->ckpt_age >= 0)
			snprintf(extra, sizeof extra, s->ckpt_stall_ms >= 1 ? "%s, %.0f ms stall" : "%s", fmt_age(b, s->ckpt_age), s->ckpt_stall_ms);
		row(g, r, y, "ckpt", ATTR_VALUE, s->ckpt_age >= 0 ? fmt_group(a, s->ckpt_step) : "none yet", extra);
		break;
	case NOW_BLAS:
		if (s->loss_scale > 0) {
			snprintf(extra, sizeof extra, "%s %% flushed", fmt_short(b, 100 * s->flushed));
			snprintf(value, sizeof value, "%.9g", s->loss_scale);
			row(g, r, y, "scale", ATTR_VALUE, value, extra);
			break;
		}
		if (s->blas_gflops > 0)
			snprintf(value, sizeof value, "%.0f GFLOP/s", s->blas_gflops);
		else
			snprintf(value, sizeof value, "--");
		snprintf(extra, sizeof extra, "%d thread%s", s->threads, s->threads == 1 ? "" : "s");
		row(g, r, y, "blas", ATTR_VALUE, value, s->threads ? extra : NULL);
		break;
	case NOW_TIME:
		snprintf(extra, sizeof extra, "%s left", fmt_time(b, s->remaining));
		row(g, r, y, "elapsed", ATTR_VALUE, fmt_time(a, s->elapsed), s->remaining >= 0 ? extra : NULL);
		break;
	case NOW_TOKENS:
		snprintf(extra, sizeof extra, "of %s", fmt_si(b, (double)s->data_tokens));
		row(g, r, y, "tokens", ATTR_VALUE, fmt_si(a, (double)s->tokens), s->data_tokens ? extra : NULL);
		break;
	case NOW_MODEL:
		if (s->compile_budget) {
			snprintf(value, sizeof value, "%d", s->compiles);
			snprintf(extra, sizeof extra, "%d left", s->compile_budget - s->compiles);
			row(g, r, y, narrow ? "comp" : "compiles", ATTR_VALUE, value, extra);
			break;
		}
		snprintf(extra, sizeof extra, "%dL %dH %dD", s->config.layers, s->config.heads, s->config.dim);
		row(g, r, y, "params", ATTR_VALUE, s->config.layers ? fmt_si(a, (double)s->params) : "--", s->config.layers ? extra : NULL);
		break;
	case NOW_DEVICE:
		grid_text(g, r, 0, y, ATTR_DIM, s->blas[0] && !s->compile_budget ? s->blas : s->device);
		break;
	case NOW_N: break;
	}
}

void pane_now(struct grid *g, struct view *v, struct rect r)
{
	/* With few lines: what the status line does not say already. */
	static const enum now_row few[] = {NOW_LR, NOW_GRAD, NOW_MS, NOW_CHIP, NOW_MEM, NOW_CPU, NOW_CKPT, NOW_BLAS, NOW_DATA};
	static const enum now_row some[] = {NOW_LR, NOW_GRAD, NOW_RATE, NOW_MS, NOW_CHIP, NOW_MEM, NOW_CPU, NOW_DATA, NOW_CKPT, NOW_BLAS, NOW_TOKENS};
	const enum now_row *list = r.h <= 8 ? few : r.h <= 10 ? some : NULL;
	int n = list == few ? (int)ARRAY_LEN(few) : list == some ? (int)ARRAY_LEN(some) : NOW_N;
	if (aim_bucket(v)) {
		pane_at(g, v, r);
		return;
	}
	if (!view_data(v)->have_snap)
		return;
	/* A chip's row is there when a chip is. What is running out is not left out: the last row tells it where its own is not reached. */
	const struct engine_snapshot *s = &view_data(v)->snap;
	enum now_row kind[NOW_N];
	int rows = 0, told = s->compile_budget == 0;
	for (int i = 0; i < n && rows < r.h; i++) {
		enum now_row k = list ? list[i] : (enum now_row)i;
		if (k == NOW_CHIP && !s->chip.name[0])
			continue;
		told |= k == NOW_MODEL;
		kind[rows++] = k;
	}
	for (int y = 0; y < rows; y++)
		now_row(g, v, r, y, !told && y == rows - 1 ? NOW_MODEL : kind[y]);
}

/* --- power --- */

static const char *why(const struct power_source_view *s)
{
	static const char *const words[] = {"looking", "", "no sensor", "no permission", "counter does not move", "", "error"};
	return s->reason[0] ? s->reason : words[s->state];
}

/* Lines that a text takes, the first of another width. */
static int wrapped(const char *s, int first, int w)
{
	size_t n = strlen(s), show;
	int lines = 0;
	for (; n && lines < 8; lines++) {
		size_t k = text_wrap(s, n, lines ? w : first, &show);
		s += k;
		n -= k;
	}
	return lines;
}

/* One source; returns the rows it took. */
static int source_rows(struct grid *g, struct rect r, int x, int y, const struct power_source_view *s, int with_fix)
{
	char a[FMT], value[64];
	grid_text(g, (struct rect){r.x, r.y, x - 1, r.h}, s->part ? 1 : 0, y, s->part ? ATTR_DIM : ATTR_TEXT, s->name);
	if (s->state == POWER_OK || s->state == POWER_STALE) {
		int stale = s->state == POWER_STALE, end = grid_text(g, r, x, y, stale ? ATTR_DIM : ATTR_VALUE, fmt_watts(a, s->watts));
		if (stale)
			snprintf(value, sizeof value, "%.0f s old", s->age);
		else
			snprintf(value, sizeof value, "%s", s->part ? "part" : s->kind);
		if (end + 1 + text_width(value) <= r.w)
			grid_text(g, r, MAX(end + 1, MIN(r.w >= 29 ? 21 : 0, r.w - text_width(value))), y, ATTR_NOTE, value);
		return 1;
	}
	int end = grid_text(g, r, x, y, s->state == POWER_PROBING ? ATTR_DIM : ATTR_WARN, s->state == POWER_PROBING ? "..." : "n/a"), used = 1;
	/* The reason goes on below itself rather than being cut. */
	char reason[192];
	const char *text = reason;
	snprintf(reason, sizeof reason, "%s%s%s", s->kind, *s->kind ? ": " : "", why(s));
	if (!strncmp(s->name, s->kind, strlen(s->kind)))
		text = why(s);
	/* Without room for all of it, the word for it. */
	const char *detail = with_fix && wrapped(text, r.w - end - 1, r.w - x) <= 3 ? NULL : strstr(text, " (");
	size_t left = detail ? (size_t)(detail - text) : strlen(text), show;
	for (int at = end + 1; left && used <= 3; at = x, used++) {
		size_t n = text_wrap(text, left, r.w - at, &show);
		grid_textn(g, r, at, y + used - 1, ATTR_NOTE, text, show);
		text += n;
		left -= n;
	}
	used = MAX(used - 1, 1);
	for (text = s->fix, left = strlen(text); with_fix && left && used < 6; used++) {
		size_t n = text_wrap(text, left, r.w - 2, &show);
		grid_textn(g, r, 2, y + used, ATTR_KEY, text, show);
		text += n;
		left -= n;
	}
	return used;
}

/* Total, mean and peak; energy. Returns the rows taken. */
static int totals(struct grid *g, const struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	const struct bucket *at = aim_bucket(v);
	const struct power_view *p = &d->snap.power;
	char a[FMT], b[FMT], c[FMT], line[96];
	int wide = r.w >= 29, x = wide ? 10 : 6;
	if (at) {
		grid_text(g, r, 0, 0, ATTR_DIM, "power");
		int stop = grid_text(g, r, x, 0, isfinite(at->watts) ? ATTR_CURSOR : ATTR_DIM, fmt_watts(a, (double)at->watts));
		snprintf(line, sizeof line, isfinite(at->watts) ? "at %s" : "not measured at %s", fmt_group(b, v->cursor));
		if (stop + 1 + text_width(line) <= r.w)
			grid_text(g, r, MAX(stop + 1, wide ? 19 : 0), 0, ATTR_NOTE, line);
		return 1;
	}
	if (!isfinite(p->watts)) {
		grid_text(g, r, 0, 0, ATTR_DIM, "power");
		grid_text(g, r, x, 0, ATTR_WARN, wide ? "-- no source works" : "-- no source");
		return 1;
	}
	double mean = d->watts_n ? d->watts_sum / (double)d->watts_n : NAN;
	grid_text(g, r, 0, 0, ATTR_DIM, "power");
	int end = grid_text(g, r, x, 0, ATTR_VALUE, fmt_watts(a, p->watts));
	if (p->estimated)
		end = grid_text(g, r, end + 1, 0, ATTR_WARN, "est");
	snprintf(line, sizeof line, "avg %s", fmt_fixed(b, mean, 1));
	if (r.w >= 34)
		snprintf(line, sizeof line, "avg %s pk %s", b, fmt_fixed(c, d->watts_peak, 1));
	if (end + 1 + (int)strlen(line) <= r.w)
		grid_text(g, r, MAX(end + 1, MIN(wide ? 19 : 0, r.w - (int)strlen(line))), 0, ATTR_NOTE, line);
	if (r.h < 2)
		return 1;
	grid_text(g, r, 0, 1, ATTR_DIM, wide ? "energy" : "used");
	end = grid_text(g, r, x, 1, ATTR_VALUE, fmt_joules(a, p->joules));
	if (d->snap.tokens_per_s > 0) {
		snprintf(line, sizeof line, "%s mJ/token", fmt_short(b, p->watts * 1000 / d->snap.tokens_per_s));
		if (!wide)
			snprintf(line, sizeof line, "%s mJ/tok", b);
		grid_text(g, r, MAX(end + 1, wide ? 19 : 0), 1, ATTR_NOTE, line);
	}
	return 2;
}

void pane_power(struct grid *g, struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	const struct power_view *p = &d->snap.power;
	if (!d->have_snap || r.h < 1)
		return;
	int y = totals(g, v, r), rows = 0, x = 8;
	for (int i = 0; i < p->n && r.w >= 29; i++)
		x = MAX(x, MIN(text_width(p->source[i].name) + p->source[i].part + 1, 13));
	x = r.w >= 29 ? MAX(x, 10) : x;
	/* Drawn once into a grid of no height to learn how many lines the sources need; the rest is for the curve. */
	struct grid none = {0};
	for (int i = 0; i < p->n; i++)
		rows += source_rows(&none, (struct rect){0, 0, r.w, 0}, x, 0, &p->source[i], 1);
	int spare = MIN(r.h - y - rows, 6);
	if (spare >= 1 && d->nwatts > 1 && isfinite(p->watts)) {
		draw_spark(g, (struct rect){r.x, r.y + y, r.w, spare}, d->watts, d->nwatts, 0, fmax(d->watts_peak * 1.05, 1e-3), ATTR_SPARK, v->glyphs);
		y += spare;
	}
	/* With little room the sources come first and their mending lines last. */
	int roomy = r.h - y >= rows;
	for (int i = 0; i < p->n && y < r.h; i++)
		y += source_rows(g, r, x, y, &p->source[i], roomy || p->n == 1);
	if (!p->n)
		grid_text(g, r, 0, y++, ATTR_NOTE, "no sensor was found");
	if (!isfinite(p->watts) && y < r.h)
		grid_text(g, r, 0, y, ATTR_NOTE, r.w >= 40 ? ":power estimate WATTS counts with your number" : r.w >= 22 ? ":power estimate WATTS" : ":power");
}
