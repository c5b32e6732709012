/* view.c: events into state. Draws nothing.
 * SPDX-License-Identifier: MIT */
#include "tui/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/aim.h"

int view_init(struct view *v)
{
	*v = (struct view){.zoom = -1, .ema = EMA_AUTO, .log_y = -1, .glyphs = GLYPHS_BRAILLE};
	v->live = mem_zalloc(1, sizeof *v->live);
	if (!v->live)
		return -1;
	series_reset(&v->live->series);
	return 0;
}

void view_done(struct view *v)
{
	free(v->live);
	free(v->frozen);
	free(v->ref);
	str_done(&v->answer.text);
	*v = (struct view){0};
}

/* Copies as much as fits, never half a character's beginning without its end mattering: the grid mends a cut one. */
static void copy_text(char *to, size_t n, const char *from)
{
	size_t len = strnlen(from, n - 1);
	memmove(to, from, len);
	to[len] = 0;
}

void view_message(struct view *v, int level, const char *text)
{
	copy_text(v->message, sizeof v->message, text);
	v->message_level = level;
}

void view_log(struct view *v, int level, const char *clock, const char *text)
{
	struct log_line *l = &v->live->log[v->live->logged++ % LOG_LINES];
	copy_text(l->time, sizeof l->time, clock);
	copy_text(l->text, sizeof l->text, text);
	l->text[strcspn(l->text, "\n")] = 0;
	l->level = level;
	v->live->warnings += level == LOG_WARN;
	v->live->errors += level == LOG_ERROR;
}

/* --- samples --- */

static struct sample *newest(struct data *d)
{
	return d->sampled ? &d->sample[(d->sampled - 1) % SAMPLES] : NULL;
}

const struct sample *data_sample(const struct data *d, int back)
{
	if (!d->sampled || back < 0 || (uint64_t)back >= MIN(d->sampled, (uint64_t)SAMPLES))
		return NULL;
	return &d->sample[(d->sampled - 1 - (uint64_t)back) % SAMPLES];
}

static void sample_text(struct sample *s, const char *text)
{
	size_t n = strlen(text);
	if (n >= SAMPLE_TEXT / 2)
		return;
	if (s->len + n >= SAMPLE_TEXT) {
		/* Very long samples keep their end: it is what is being written. */
		memmove(s->text, s->text + SAMPLE_TEXT / 2, s->len - SAMPLE_TEXT / 2);
		s->len -= SAMPLE_TEXT / 2;
		s->prompt = s->prompt > SAMPLE_TEXT / 2 ? s->prompt - SAMPLE_TEXT / 2 : 0;
		s->cut = 1;
	}
	memcpy(s->text + s->len, text, n + 1);
	s->len += n;
}

static void sample_begin(struct view *v, const struct engine_event *ev)
{
	struct data *d = v->live;
	struct sample *s = &d->sample[d->sampled++ % SAMPLES];
	*s = (struct sample){.id = ev->id, .step = d->series.step};
	if (ev->obs.step)
		s->step = ev->obs.step;
	sample_text(s, ev->text);
	s->prompt = s->len;
	/* Someone who reads an older one keeps reading it. */
	if (v->sample_back > 0 && v->sample_back < SAMPLES - 1)
		v->sample_back++;
	else
		v->scroll[PANE_SAMPLE] = 0;
}

/* --- answers --- */

static int text_rows(const struct str *t)
{
	int n = 0;
	for (size_t i = 0; i < t->len; i++)
		n += t->s[i] == '\n' || i + 1 == t->len;
	return n;
}

void view_answer_begin(struct view *v, uint32_t id, const char *title)
{
	str_clear(&v->answer.text);
	v->answer.id = id;
	v->answer.open = v->answer.top = 0;
	v->answer_filter[0] = 0;
	if (v->filtering == FILTER_ANSWER)
		v->filtering = FILTER_NONE;
	copy_text(v->answer.title, sizeof v->answer.title, title);
}

void view_answer_text(struct view *v, const char *text)
{
	if (v->answer.text.len < 1 << 20)
		str_puts(&v->answer.text, text);
	if (text_rows(&v->answer.text) > 2) {
		v->answer.open = 1;
		if (v->answer.watch == WATCH_SHOWN)
			v->answer.watch = WATCH_CLOSED;
	}
}

void view_answer_watch(struct view *v, const char *title, const char *text)
{
	struct answer *a = &v->answer;
	if (a->id || a->watch == WATCH_CLOSED || (a->open && a->watch != WATCH_SHOWN))
		return;
	int top = a->watch == WATCH_SHOWN ? a->top : 0;
	view_answer_begin(v, 0, title);
	str_puts(&a->text, text);
	a->open = 1;
	a->top = top;
	a->watch = WATCH_SHOWN;
}

void view_answer_end(struct view *v, const char *clock)
{
	struct answer *a = &v->answer;
	a->id = 0;
	if (a->open || !a->text.len)
		return;
	char *s = a->text.s;
	while (*s) {
		size_t n = strcspn(s, "\n");
		char end = s[n];
		s[n] = 0;
		view_log(v, LOG_INFO, clock, s);
		view_message(v, LOG_INFO, s);
		s += n + (end != 0);
	}
	str_clear(&a->text);
}

void view_answer_close(struct view *v)
{
	v->answer.open = 0;
	v->answer_filter[0] = 0;
	if (v->filtering == FILTER_ANSWER)
		v->filtering = FILTER_NONE;
	if (v->answer.watch == WATCH_SHOWN)
		v->answer.watch = WATCH_CLOSED;
	str_clear(&v->answer.text);
}

/* --- events --- */

static void done(struct view *v, const struct engine_event *ev, const char *clock)
{
	if (ev->code && ev->code != ERR_CANCEL) {
		view_log(v, LOG_ERROR, clock, ev->text);
		view_message(v, LOG_ERROR, ev->text);
	}
	if (v->answer.id == ev->id)
		view_answer_end(v, clock);
	if (v->setlist.id == ev->id)
		v->setlist.id = 0;
}

static void text(struct view *v, const struct engine_event *ev, const char *clock)
{
	if (v->answer.id == ev->id && ev->id) {
		view_answer_text(v, ev->text);
		return;
	}
	/* Nobody waits for it on the screen (a script's line): the log keeps it. */
	char line[EVENT_TEXT];
	for (const char *s = ev->text; *s;) {
		size_t n = strcspn(s, "\n");
		snprintf(line, sizeof line, "%.*s", (int)n, s);
		if (n)
			view_log(v, LOG_INFO, clock, line);
		s += n + (s[n] != 0);
	}
}

static void checkpoint(struct view *v, const struct engine_event *ev)
{
	const char *slash = strrchr(ev->text, '/');
	series_mark(&v->live->series, ev->obs.step ? ev->obs.step : v->live->series.step, MARK_CKPT, slash ? slash + 1 : ev->text);
}

/* A gap is a mark too, on the step that comes after it. */
static void step(struct data *d, const struct step_obs *o)
{
	char what[48];
	series_add(&d->series, o);
	if (!(o->gap > 0))
		return;
	snprintf(what, sizeof what, "suspended %.*f s", o->gap < 10, o->gap);
	series_mark(&d->series, o->step, MARK_SETTING, what);
}

void view_event(struct view *v, const struct engine_event *ev, const char *clock)
{
	struct data *d = v->live;
	struct sample *s = newest(d);
	switch (ev->kind) {
	case EV_TEXT: text(v, ev, clock); break;
	case EV_DONE: done(v, ev, clock); break;
	case EV_LOG: view_log(v, ev->level, clock, ev->text); break;
	case EV_STEP: step(d, &ev->obs); break;
	case EV_EVAL: series_eval(&d->series, ev->obs.step, ev->obs.val, ev->obs.bpb); break;
	case EV_MARK: series_mark(&d->series, ev->obs.step ? ev->obs.step : d->series.step, MARK_SETTING, ev->text); break;
	case EV_CKPT: checkpoint(v, ev); break;
	case EV_RESET:
		series_reset(&d->series);
		splits_reset(&d->splits);
		v->have_base = 0;
		/* A record told anew brings its samples and lines along; where one looks stays. */
		if (ev->past)
			d->logged = d->sampled = 0, v->sample_back = 0;
		else
			v->cursor_on = 0, v->span = v->to = 0;
		break;
	case EV_SAMPLE_BEGIN: sample_begin(v, ev); break;
	case EV_SAMPLE:
		if (s)
			sample_text(s, ev->text);
		break;
	case EV_SAMPLE_END:
		if (s) {
			s->done = 1;
			copy_text(s->note, sizeof s->note, ev->text);
		}
		break;
	case EV_HAPPENED: case EV_OVER: case EV_STOPPED: case EV_RESTART: break;
	}
}

void view_snapshot(struct view *v, const struct engine_snapshot *s, const char *clock)
{
	v->live->snap = *s;
	v->live->have_snap = 1;
	splits_add(&v->live->splits, &s->timing, s->step);
	copy_text(v->live->clock, sizeof v->live->clock, clock);
}

void view_second(struct view *v)
{
	struct data *d = v->live;
	double w = d->have_snap ? d->snap.power.watts : NAN;
	if (d->nwatts == HIST)
		memmove(d->watts, d->watts + 1, (HIST - 1) * sizeof *d->watts);
	else
		d->nwatts++;
	d->watts[d->nwatts - 1] = (float)w;
	if (isfinite(w)) {
		d->watts_sum += w;
		d->watts_n++;
		d->watts_peak = fmax(d->watts_peak, w);
	}
}

int view_freeze(struct view *v)
{
	if (v->frozen) {
		free(v->frozen);
		v->frozen = NULL;
		return 0;
	}
	v->frozen = malloc(sizeof *v->frozen);
	if (v->frozen)
		memcpy(v->frozen, v->live, sizeof *v->frozen);
	return v->frozen != NULL;
}

/* An average that looks back over a few hundredths of what is drawn: a longer one would trail behind the dots at the beginning. */
int view_ema(const struct view *v)
{
	uint64_t steps = view_data(v)->series.n ? view_data(v)->series.step - view_data(v)->series.b[0].first : 0;
	return v->ema != EMA_AUTO ? v->ema : steps < 300 ? 0 : steps < 5000 ? 1 : 2;
}

/* --- moving about --- */

int view_rests_at_end(const struct view *v, int pane)
{
	const struct sample *s = pane == PANE_SAMPLE ? data_sample(view_data(v), aim_sample(v)) : NULL;
	return pane == PANE_LOG || (s && (!s->done || s->cut));
}

void view_scroll(struct view *v, int lines)
{
	if (v->answer.open) {
		v->answer.top = MAX(MIN(v->answer.top + lines, v->answer.most), 0);
		return;
	}
	int p = v->zoom >= 0 ? v->zoom : v->focus;
	/* Kernels are gone through one by one; the pane scrolls along. */
	if (p == PANE_KERNELS) {
		v->kernel_at = MAX(MIN(v->kernel_at + lines, v->kernel_rows - 1), 0);
		return;
	}
	v->scroll[p] += view_rests_at_end(v, p) ? -lines : lines;
	v->scroll[p] = MAX(MIN(v->scroll[p], v->most[p]), 0);
}

void view_scroll_page(struct view *v, int pages)
{
	int page = v->answer.open ? v->answer.page_rows : v->page[v->zoom >= 0 ? v->zoom : v->focus];
	view_scroll(v, pages * MAX(page - 1, 1));
}

void view_focus_next(struct view *v, const struct layout *l, int by)
{
	for (int i = 0; i < PANE_N; i++) {
		v->focus = (v->focus + by + PANE_N) % PANE_N;
		if (l->pane[v->focus].w)
			return;
	}
}
