/* pane_text.c: panes of running text: sample, log, answers, and the lines of the tiny layout. Text is wrapped here, never stored wrapped.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/aim.h"
#include "tui/filter.h"
#include "tui/fmt.h"
#include "tui/panes.h"

/* Draws the wrapped lines [from, from + r.h) of s; bytes before `dim` are dimmed. Returns the place after the last character drawn, in *ex, *ey. */
static void draw_flow(struct grid *g, struct rect r, const char *s, size_t n, size_t dim, int from, enum attr a, int *ex, int *ey)
{
	size_t at = 0, show;
	*ex = *ey = 0;
	for (int line = 0; at < n && line < from + r.h; line++) {
		size_t used = text_wrap(s + at, n - at, r.w, &show);
		if (line >= from) {
			size_t first = dim > at ? MIN(dim - at, show) : 0;
			int x = grid_textn(g, r, 0, line - from, ATTR_DIM, s + at, first);
			*ex = grid_textn(g, r, x, line - from, a, s + at + first, show - first);
			*ey = line - from;
		}
		at += used;
	}
}

void pane_sample_note(const struct view *v, char note[NOTE])
{
	const struct data *d = view_data(v);
	const struct sample *s = data_sample(d, aim_sample(v));
	char a[FMT];
	int total = (int)MIN(d->sampled, (uint64_t)SAMPLES), n = 0;
	note[0] = 0;
	if (!s)
		return;
	/* The engine's last word about a sample may name the step itself. */
	if (s->done && !strncmp(s->note, "step ", 5))
		n = snprintf(note, NOTE, "%.60s", s->note);
	else
		n = snprintf(note, NOTE, "step %s%s%.48s", fmt_group(a, s->step), s->done && !*s->note ? "" : "  ", s->done ? s->note : "writing");
	if (total > 1)
		snprintf(note + n, NOTE - (size_t)n, "  [ %d/%d ]", total - aim_sample(v), total);
}

void pane_sample(struct grid *g, struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	const struct sample *s = data_sample(d, aim_sample(v));
	if (r.h < 1 || r.w < 1)
		return;
	if (!s) {
		grid_text(g, r, 0, 0, ATTR_NOTE, r.w >= 64 ? "text from the model, as it learns;  :sample 200 Once upon a time" : ":sample 200 Once upon a time");
		return;
	}
	int lines = text_lines(s->text, s->len, r.w), x, y;
	v->page[PANE_SAMPLE] = r.h;
	v->most[PANE_SAMPLE] = MAX(lines - r.h, 0);
	int up = v->scroll[PANE_SAMPLE] = MIN(v->scroll[PANE_SAMPLE], v->most[PANE_SAMPLE]);
	/* While it is written its end is shown; read afterwards it begins at its beginning. */
	int from = view_rests_at_end(v, PANE_SAMPLE) ? v->most[PANE_SAMPLE] - up : up;
	draw_flow(g, r, s->text, s->len, s->prompt, MAX(from, 0), ATTR_SAMPLE, &x, &y);
	if (!s->done && up == 0 && lines) {
		if (x >= r.w)
			x = 0, y++;
		if (y < r.h)
			grid_put(g, r, x, y, ATTR_FOCUS, v->glyphs == GLYPHS_ASCII ? '_' : 0x258c);
	}
}

static enum attr level_attr(int level)
{
	return level == LOG_ERROR ? ATTR_BAD : level == LOG_WARN ? ATTR_WARN : level == LOG_GOOD ? ATTR_GOOD : ATTR_TEXT;
}

static const struct log_line *log_at(const struct data *d, uint64_t i)
{
	return &d->log[i % LOG_LINES];
}

/* The place of the n-th line back (1: the latest) that passes the filter; how many there are when n is beyond them. */
static int passing(const struct view *v, int n, uint64_t *at)
{
	const struct data *d = view_data(v);
	uint64_t first = d->logged > LOG_LINES ? d->logged - LOG_LINES : 0;
	int count = 0;
	for (uint64_t i = d->logged; i > first; i--) {
		const struct log_line *l = log_at(d, i - 1);
		if (filter_passes(l->text, strlen(l->text), v->log_filter) && ++count == n) {
			*at = i - 1;
			return count;
		}
	}
	return count;
}

/* How far it scrolls: until the oldest lines that fill the pane are seen. */
static int most_back(const struct view *v, int w, int h)
{
	const struct data *d = view_data(v);
	uint64_t first = d->logged > LOG_LINES ? d->logged - LOG_LINES : 0, at;
	int rows = 0, fit = 0;
	for (uint64_t i = first; i < d->logged && rows < h; i++) {
		const struct log_line *l = log_at(d, i);
		size_t n = strlen(l->text);
		if (!filter_passes(l->text, n, v->log_filter))
			continue;
		rows += MAX(text_lines(l->text, n, w), 1);
		fit += rows <= h || !fit;
	}
	return MAX(passing(v, 1 << 30, &at) - fit, 0);
}

void pane_log_note(const struct view *v, int room, char note[NOTE])
{
	const struct data *d = view_data(v);
	int n = 0;
	note[0] = 0;
	if (v->log_filter[0])
		n += snprintf(note + n, NOTE - (size_t)n, "/%s  ", v->log_filter);
	if (d->errors && n + 20 <= room)
		n += snprintf(note + n, NOTE - (size_t)n, "%llu error%s  ", (unsigned long long)d->errors, d->errors == 1 ? "" : "s");
	if (d->warnings && n + 22 <= room)
		n += snprintf(note + n, NOTE - (size_t)n, "%llu warning%s  ", (unsigned long long)d->warnings, d->warnings == 1 ? "" : "s");
	snprintf(note + n, NOTE - (size_t)n, v->scroll[PANE_LOG] ? "%d back, End follows" : "follow", v->scroll[PANE_LOG]);
}

void pane_log(struct grid *g, struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	int time_w = r.w >= 50 ? 10 : r.w >= 30 ? 6 : 0, w = MAX(r.w - time_w, 1);
	uint64_t at;
	if (r.h < 1 || r.w < 1)
		return;
	v->page[PANE_LOG] = r.h;
	v->most[PANE_LOG] = most_back(v, w, r.h);
	/* It may have been scrolled when the pane was smaller: from where it is seen to be, keys go on. */
	int up = v->scroll[PANE_LOG] = MAX(MIN(v->scroll[PANE_LOG], v->most[PANE_LOG]), 0), y = r.h;
	for (int back = up + 1; y > 0 && passing(v, back, &at) == back; back++) {
		const struct log_line *l = log_at(d, at);
		size_t n = strlen(l->text);
		int lines = MAX(text_lines(l->text, n, w), 1), x0, y0, from = MAX(lines - y, 0);
		y -= lines - from;
		draw_flow(g, (struct rect){r.x + time_w, r.y + y, w, lines - from}, l->text, n, 0, from, level_attr(l->level), &x0, &y0);
		/* 14:02:11, or 14:02 where that is too much. */
		if (time_w && !from)
			grid_textn(g, r, 0, y, ATTR_DIM, l->time, MIN(strlen(l->time), (size_t)time_w - 1));
	}
	if (y == r.h)
		grid_text(g, r, 0, 0, ATTR_NOTE, v->log_filter[0] ? "no line with that;  / and Esc shows all" : "nothing has happened yet");
	/* Fewer lines than rows: they stand at the top. */
	else if (y > 0)
		for (int row = 0; row < r.h; row++)
			for (int x = 0; x < r.w; x++) {
				struct cell *to = &g->cell[(size_t)(r.y + row) * (size_t)g->w + (size_t)(r.x + x)];
				*to = row + y < r.h ? to[(size_t)y * (size_t)g->w] : (struct cell){' ', 0, 1, ATTR_TEXT};
			}
}

/* The column at which a wrapped line of an answer goes on: below the second column of a table, else below its first letter. */
static int hang_of(const char *s, size_t n, int w)
{
	size_t lead = 0, i;
	while (lead < n && s[lead] == ' ')
		lead++;
	for (i = lead; i + 2 < n && s[i] != '\n' && i < 32; i++)
		if (s[i] == ' ' && s[i + 1] == ' ' && s[i + 2] != ' ' && s[i + 2] != '\n')
			break;
	size_t hang = i + 2 < n && i < 32 && s[i] == ' ' ? i + 2 : lead;
	return (int)hang <= w / 2 ? (int)hang : 0;
}

/* Draws lines [from, from + r.h) of an answer (r.h 0: only counts) and returns how many there are. */
static int answer_flow(struct grid *g, struct rect r, const struct str *t, int from, const char *filter)
{
	int line = 0;
	for (size_t at = 0; at < t->len;) {
		size_t end = at + strcspn(t->s + at, "\n"), show;
		int hang = hang_of(t->s + at, end - at, r.w), x = 0;
		if (!filter_passes(t->s + at, end - at, filter)) {
			at = end + (t->s[end] == '\n');
			continue;
		}
		do {
			size_t used = text_wrap(t->s + at, end - at, r.w - x, &show);
			if (line >= from && line < from + r.h)
				grid_textn(g, r, x, line - from, ATTR_TEXT, t->s + at, show);
			at += used;
			line++;
			x = hang;
		} while (at < end);
		at += t->s[at] == '\n';
	}
	return line;
}

void pane_answer(struct grid *g, struct view *v, const struct layout *l)
{
	struct answer *a = &v->answer;
	struct rect b = l->body;
	char note[NOTE];
	int framed = b.h >= 5 && b.w >= 24, inner_w = framed ? b.w - 4 : b.w;
	if (!a->open || b.h < 1)
		return;
	int lines = answer_flow(g, (struct rect){b.x, b.y, inner_w, 0}, &a->text, 0, v->answer_filter), h = MIN(lines + (framed ? 2 : 0), b.h);
	struct rect r = {b.x, b.y + b.h - h, b.w, h}, in = framed ? (struct rect){r.x + 2, r.y + 1, inner_w, h - 2} : r;
	a->page_rows = in.h;
	a->most = MAX(lines - in.h, 0);
	a->top = MIN(a->top, a->most);
	grid_fill(g, r, ' ', ATTR_TEXT);
	if (framed) {
		if (a->most)
			snprintf(note, sizeof note, "%s%s%d-%d of %d  PgUp PgDn  / filter  Esc closes", v->answer_filter[0] ? "/" : "", v->answer_filter, a->top + 1, a->top + in.h, lines);
		else
			snprintf(note, sizeof note, "%s%s  Esc closes", v->answer_filter[0] ? "/" : "", v->answer_filter);
		draw_frame(g, r, a->title, note, 1, 1, v->glyphs);
	}
	answer_flow(g, in, &a->text, a->top, v->answer_filter);
}

static void kernels_line(struct grid *g, const struct data *d, struct rect r, int y)
{
	const struct timing *t = &d->snap.timing;
	int best[3] = {-1, -1, -1}, x = 0;
	double ms[TIMING_ROWS], total = timing_mean_ms(t, -1, TIMING_HIST);
	char a[FMT], part[64];
	for (int i = 0; i < t->n; i++) {
		ms[i] = t->row[i].kind == TIMING_OVERLAP ? 0 : timing_mean_ms(t, i, TIMING_HIST);
		for (int k = 0; k < 3; k++)
			if (best[k] < 0 || ms[i] > ms[best[k]]) {
				memmove(best + k + 1, best + k, (size_t)(2 - k) * sizeof *best);
				best[k] = i;
				break;
			}
	}
	for (int k = 0; k < 3 && best[k] >= 0 && total > 0; k++) {
		snprintf(part, sizeof part, "%s %sms %.0f%%", t->row[best[k]].name, fmt_short(a, ms[best[k]]), 100 * ms[best[k]] / total);
		if (x + (int)strlen(part) > r.w)
			break;
		x = grid_text(g, r, x, y, ATTR_DIM, part) + 2;
	}
}

void pane_lines(struct grid *g, struct view *v, struct rect r)
{
	const struct data *d = view_data(v);
	const struct engine_snapshot *s = &d->snap;
	char a[FMT], b[FMT], c[FMT];
	if (r.h < 1 || !d->have_snap)
		return;
	int x = grid_printf(g, r, 0, 0, ATTR_TEXT, "lr %s  %s tok/s", fmt_lr(a, s->config.layers ? s->lr_now : NAN), fmt_si(b, s->tokens_per_s > 0 ? s->tokens_per_s : NAN));
	if (s->remaining >= 0)
		grid_printf(g, r, x + 2, 0, ATTR_TEXT, "%s left", fmt_time(c, s->remaining));
	const struct sample *sample = data_sample(d, 0);
	struct rect last = {r.x, r.y + r.h - 1, r.w, 1};
	if (r.h >= 3)
		kernels_line(g, d, r, 1);
	if (r.h < 2)
		return;
	/* What is being written is worth more than what was logged. */
	if (sample && !sample->done && sample->len) {
		int lines = text_lines(sample->text, sample->len, last.w), ex, ey;
		draw_flow(g, last, sample->text, sample->len, sample->prompt, lines - 1, ATTR_SAMPLE, &ex, &ey);
	} else if (d->logged) {
		const struct log_line *l = log_at(d, d->logged - 1);
		int time_w = last.w >= 30 ? grid_textn(g, last, 0, 0, ATTR_DIM, l->time, 5) + 1 : 0;
		grid_text(g, last, time_w, 0, level_attr(l->level), l->text);
	}
}
