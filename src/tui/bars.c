/* bars.c: the lines at the edge: state, help, prompt. Knows no keys beyond their table.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/filter.h"
#include "tui/fmt.h"
#include "tui/keys.h"
#include "tui/panes.h"
#include "tui/setlist.h"

/* --- the state line --- */

struct state_look { const char *word; enum attr attr; int glyph; };

static struct state_look state_look(const struct view *v)
{
	static const struct state_look looks[] = {
		[ENGINE_EMPTY] = {"NO MODEL", ATTR_HALT, 1}, [ENGINE_PREPARING] = {"PREPARING", ATTR_HALT, 2}, [ENGINE_PAUSED] = {"PAUSED", ATTR_HALT, 1},
		[ENGINE_TRAINING] = {"TRAIN", ATTR_STATE, 0}, [ENGINE_SAMPLING] = {"SAMPLE", ATTR_STATE, 2}, [ENGINE_EVALUATING] = {"EVAL", ATTR_STATE, 2},
		[ENGINE_SAVING] = {"SAVING", ATTR_HALT, 2}, [ENGINE_STOPPED] = {"STOPPED", ATTR_HALT, 1}};
	if (v->leaving)
		return (struct state_look){"LEAVING", ATTR_HALT, 2};
	const struct view_state *s = &view_data(v)->snap.view;
	if (view_data(v)->have_snap && s->kind == VIEW_REPLAY)
		return (struct state_look){"REPLAY", s->paused ? ATTR_HALT : ATTR_STATE, s->paused};
	if (view_data(v)->have_snap && s->kind == VIEW_ATTACHED && !s->live)
		return (struct state_look){"RECORD", ATTR_HALT, 1};
	return looks[view_data(v)->have_snap ? view_data(v)->snap.state : ENGINE_EMPTY];
}

/* Pieces of the line in the order they stand, each with a rank: the lowest ranks are left out until the rest fits. */
struct piece { char text[112]; enum attr attr; int rank, bar; };
enum { PIECES = 18 };

static void piece(struct piece *p, int *n, int rank, enum attr a, const char *text)
{
	if (*n == PIECES || !*text)
		return;
	p[*n] = (struct piece){.attr = a, .rank = rank};
	snprintf(p[(*n)++].text, sizeof p->text, "%s", text);
}

/* What the chip would take, and its engine's watts; what is missing says why where there is room. */
static void piece_chip(struct piece *p, int *n, const struct chip_view *c, int roomy)
{
	char a[FMT], b[FMT], t[112];
	const char *watts = isfinite(c->watts) ? fmt_watts(b, c->watts) : roomy ? "watts unpublished" : "";
	if (!c->name[0])
		return;
	if (isfinite(c->ms))
		snprintf(t, sizeof t, "%s %s ms%s%s%s", c->name, fmt_short(a, c->ms), roomy ? "/micro" : "", *watts ? " " : "", watts);
	else
		snprintf(t, sizeof t, "%s --%s", c->name, roomy ? " (no micro-step yet)" : "");
	piece(p, n, 4, ATTR_TEXT, t);
}

static int collect(const struct view *v, struct piece *p, int w)
{
	const struct data *d = view_data(v);
	const struct engine_snapshot *s = &d->snap;
	char a[FMT], b[FMT], t[112];
	int n = 0, roomy = w >= 100;
	int done = s->target && s->target >= s->step;
	if (s->state == ENGINE_PREPARING && s->doing[0]) {
		piece(p, &n, 9, ATTR_VALUE, s->doing);
		if (s->progress >= 0) {
			snprintf(t, sizeof t, "%.0f %%", (double)s->progress * 100);
			piece(p, &n, 8, ATTR_VALUE, t);
		}
		if (s->doing_left >= 1) {
			snprintf(t, sizeof t, "%s left", fmt_time(a, s->doing_left));
			piece(p, &n, 7, ATTR_VALUE, t);
		}
	}
	if (s->view.kind == VIEW_REPLAY) {
		snprintf(t, sizeof t, "%gx", s->view.speed);
		piece(p, &n, 8, ATTR_VALUE, t);
	} else if (s->view.kind == VIEW_ATTACHED && s->view.live) {
		piece(p, &n, 7, ATTR_WARN, "attached");
	}
	piece(p, &n, 4, ATTR_TEXT, s->config.name);
	if (roomy && s->config.layers) {
		snprintf(t, sizeof t, "%dL %dH %dD  %s params", s->config.layers, s->config.heads, s->config.dim, fmt_si(a, (double)s->params));
		piece(p, &n, 1, ATTR_DIM, t);
	}
	if (s->config.layers) {
		if (s->target && w >= 30)
			snprintf(t, sizeof t, "%s%s/%s", roomy ? "step " : "", fmt_group(a, s->step), fmt_group(b, s->target));
		else
			snprintf(t, sizeof t, "%s%s", w >= 30 ? "step " : "", fmt_group(a, s->step));
		piece(p, &n, 10, ATTR_VALUE, t);
	}
	if (done && s->target) {
		snprintf(t, sizeof t, "%.0f %%", 100.0 * (double)s->step / (double)s->target);
		piece(p, &n, 6, ATTR_VALUE, t);
		if (roomy && n < PIECES) {
			p[n] = (struct piece){.rank = 2, .bar = 1};
			memset(p[n].text, ' ', 20);
			p[n++].text[20] = 0;
		}
	}
	if (!roomy && d->series.n) {
		snprintf(t, sizeof t, "%s%s", w >= 30 ? "loss " : "", fmt_fixed(a, series_ema(&d->series, MAX(view_ema(v), 0)), 3));
		piece(p, &n, 9, ATTR_VALUE, t);
	}
	if (!roomy && s->tokens_per_s > 0) {
		snprintf(t, sizeof t, "%s tok/s", fmt_si(a, s->tokens_per_s));
		piece(p, &n, 3, ATTR_TEXT, t);
	}
	if (!roomy && isfinite(s->power.watts)) {
		snprintf(t, sizeof t, "%s%s", fmt_watts(a, s->power.watts), s->power.estimated ? " est" : "");
		piece(p, &n, 5, ATTR_TEXT, t);
	}
	piece_chip(p, &n, &s->chip, roomy);
	if (s->config.layers) {
		snprintf(t, sizeof t, "elapsed %s", fmt_time(a, s->elapsed));
		piece(p, &n, 2, ATTR_TEXT, t);
		if (s->remaining >= 0) {
			snprintf(t, sizeof t, "%s %s", roomy ? "remaining" : "left", fmt_time(a, s->remaining));
			piece(p, &n, 7, ATTR_TEXT, t);
		}
	}
	if (machine_is_hot(&s->machine)) {
		snprintf(t, sizeof t, isfinite(s->machine.celsius) ? "HOT %.0f C" : "HOT", s->machine.celsius);
		piece(p, &n, 8, ATTR_WARN, t);
	} else if (roomy && isfinite(s->machine.celsius)) {
		snprintf(t, sizeof t, "%.0f C", s->machine.celsius);
		piece(p, &n, 1, ATTR_DIM, t);
	}
	if (s->machine.discharging == 1) {
		snprintf(t, sizeof t, "bat %.0f %%", s->machine.battery);
		piece(p, &n, machine_is_low(&s->machine) ? 8 : 3, machine_is_low(&s->machine) ? ATTR_WARN : ATTR_TEXT, t);
	}
	if (s->queued > 1) {
		snprintf(t, sizeof t, "%d queued", s->queued);
		piece(p, &n, 5, ATTR_WARN, t);
	}
	if (v->cursor_on && d->series.n && w >= 30) {
		snprintf(t, sizeof t, "cursor %s", fmt_group(a, v->cursor));
		piece(p, &n, 3, ATTR_CURSOR, t);
	}
	if (v->frozen)
		piece(p, &n, 11, ATTR_WARN, "FROZEN");
	if (w >= 60)
		piece(p, &n, 1, ATTR_DIM, d->clock);
	return n;
}

static int pieces_width(const struct piece *p, int n, int rank, int gap)
{
	int w = 0;
	for (int i = 0; i < n; i++)
		if (p[i].rank >= rank)
			w += text_width(p[i].text) + gap;
	return w;
}

void bar_state(struct grid *g, struct view *v, struct rect r, enum layout_kind kind)
{
	const struct glyph_set *gs = glyph_set(v->glyphs);
	struct state_look look = state_look(v);
	struct piece p[PIECES];
	char head[64];
	int n = view_data(v)->have_snap ? collect(v, p, r.w) : 0, rank = 0, x = 0, gap = r.w >= 100 ? 3 : r.w >= 60 ? 2 : 1;
	if (r.h < 1)
		return;
	if (r.w >= 12) {
		const char *pad = kind <= LAYOUT_TALL ? " " : "", *glyph = look.glyph == 0 ? gs->play : look.glyph == 1 ? gs->halt : gs->busy;
		snprintf(head, sizeof head, "%s%s%s%s%s", pad, glyph, r.w >= 28 ? " " : "", r.w >= 28 ? look.word : "", pad);
		x = grid_text(g, r, 0, 0, look.attr, head) + (kind <= LAYOUT_TALL ? 2 : 1);
	}
	while (rank < 12 && x + pieces_width(p, n, rank, gap) - gap > r.w)
		rank++;
	/* Nothing fits whole: the most important one is cut. */
	if (rank == 12)
		for (rank = 11; rank > 0 && !pieces_width(p, n, rank, gap);)
			rank--;
	/* The bar takes what is left over. */
	int spare = r.w - x - pieces_width(p, n, rank, gap);
	for (int i = 0; i < n; i++) {
		if (p[i].rank < rank)
			continue;
		if (!p[i].bar) {
			x = grid_text(g, r, x, 0, p[i].attr, p[i].text) + gap;
			continue;
		}
		int bw = 20 + MIN(MAX(spare, 0), 40);
		const struct engine_snapshot *s = &view_data(v)->snap;
		for (int k = 0; k < bw; k++)
			grid_put(g, r, x + k, 0, ATTR_BORDER, v->glyphs == GLYPHS_ASCII ? '.' : 0x2591);
		draw_bar(g, r, x, 0, bw, (double)s->step / (double)s->target, ATTR_BAR, v->glyphs);
		x += bw + gap;
	}
}

/* --- help --- */

struct help_key { enum key_action action; int x, w; };

/* Those with a word, as many as find room. */
static int help_keys(const struct view *v, int w, struct help_key list[KEYS_N])
{
	int n = 0, x = 1;
	(void)v;
	for (int a = 1; a < KEYS_N; a++) {
		const struct key_row *k = key_row((enum key_action)a);
		int len = (int)strcspn(k->keys, " ") + 1 + (int)strlen(k->word);
		if (!k->word[0] || x + len > w)
			continue;
		list[n++] = (struct help_key){(enum key_action)a, x, len};
		x += len + 2 + (w >= 100);
	}
	return n;
}

void bar_help(struct grid *g, struct view *v, struct rect r)
{
	struct help_key list[KEYS_N];
	if (r.h < 1)
		return;
	if (v->prompt.open) {
		grid_text(g, r, 1, 0, ATTR_DIM, "Enter run   Tab complete   Up Down history   ^R search   ^C clear   Esc leave");
		return;
	}
	if (setlist_on_top(v)) {
		grid_text(g, r, 1, 0, ATTR_DIM, r.w >= 110 ? "Up Down choose   Left Right change   Enter change or type   u undo   d default   / filter   : command   Esc close"
			: "Up Down choose  Left Right change  Enter type  u undo  d default  / filter");
		return;
	}
	for (int i = 0; i < help_keys(v, r.w, list); i++) {
		const struct key_row *k = key_row(list[i].action);
		int end = grid_textn(g, r, list[i].x, 0, ATTR_KEY, k->keys, strcspn(k->keys, " ")) + 1;
		grid_text(g, r, end, 0, ATTR_DIM, k->word);
	}
}

enum key_action bar_help_at(const struct view *v, struct rect r, int x)
{
	struct help_key list[KEYS_N];
	for (int i = 0; !setlist_on_top(v) && i < help_keys(v, r.w, list); i++)
		if (x - r.x >= list[i].x && x - r.x < list[i].x + list[i].w)
			return list[i].action;
	return KEYS_NONE;
}

/* Candidates of Tab in columns above the prompt, over what stands there. */
static void candidates(struct grid *g, const struct view *v, const struct layout *l)
{
	const struct prompt *p = &v->prompt;
	int w = 0, above = l->prompt.y - 1, rows_max = MIN(above, 6);
	for (int i = 0; i < p->ncand; i++)
		w = MAX(w, text_width(p->cand[i]));
	w = MIN(w + 2, MAX(l->prompt.w, 1));
	int per = MAX(l->prompt.w / w, 1), rows = MIN((p->ncand + per - 1) / per, rows_max);
	if (!p->ncand || rows < 1)
		return;
	struct rect r = {0, l->prompt.y - rows, l->prompt.w, rows};
	grid_fill(g, r, ' ', ATTR_TEXT);
	for (int i = 0; i < p->ncand && i < per * rows; i++) {
		int last = i == per * rows - 1 && (p->more || i < p->ncand - 1);
		grid_text(g, (struct rect){r.x + i % per * w, r.y + i / per, w - 1, 1}, 0, 0, last ? ATTR_DIM : ATTR_KEY, last ? glyph_set(v->glyphs)->dots : p->cand[i]);
	}
}

/* --- the prompt --- */

/* The line is longer than the screen: what is shown begins at the returned column, so that the cursor is seen with some text around it. */
static int line_scroll(int cursor, int total, int w)
{
	if (total < w)
		return 0;
	int from = cursor - w * 2 / 3;
	return MAX(MIN(from, total - w + 1), 0);
}

/* Whole words of it, and a sign that there are more; where not even two find room, what fits. */
static void hint_behind(struct grid *g, struct rect r, int x, const char *hint, enum glyphs gl)
{
	const char *more = gl == GLYPHS_ASCII ? " ..." : " …";
	size_t n = strlen(hint), show;
	int room = r.w - x;
	if (text_width(hint) > room && room >= 12) {
		text_wrap(hint, n, room - text_width(more), &show);
		x = grid_textn(g, r, x, 0, ATTR_HINT, hint, show);
		grid_text(g, r, x, 0, ATTR_HINT, more);
	} else {
		grid_text(g, r, x, 0, ATTR_HINT, hint);
	}
}

static void prompt_open(struct grid *g, const struct view *v, struct rect r)
{
	const struct prompt *p = &v->prompt;
	char before[sizeof p->line];
	int x = 0;
	if (p->search[0])
		x = grid_printf(g, r, x, 0, ATTR_HINT, "%s ", p->search);
	x = grid_text(g, r, x, 0, ATTR_PROMPT, ":");
	x = MIN(x, MAX(r.w - 4, 0));
	snprintf(before, sizeof before, "%.*s", (int)MIN(p->cursor, sizeof before - 1), p->line);
	int cursor = text_width(before), total = text_width(p->line), w = r.w - x;
	int from = line_scroll(cursor, total, w);
	struct rect in = {r.x + x, r.y, w, 1};
	int end = grid_text(g, in, -from, 0, ATTR_INPUT, p->line);
	if (from && w > 8)
		grid_put(g, in, 0, 0, ATTR_HINT, '<');
	if (p->hint[0] && end + 1 < w)
		hint_behind(g, in, MAX(end, 0) + (end > 0 && p->line[strlen(p->line) - 1] != ' '), p->hint, v->glyphs);
	g->cursor_x = MIN(in.x + cursor - from, r.x + r.w - 1);
	g->cursor_y = r.y;
}

void bar_prompt(struct grid *g, struct view *v, const struct layout *l)
{
	struct rect r = l->prompt;
	if (r.h < 1) {
		/* One line high: the prompt takes the state line's place while it is open. */
		if (!v->prompt.open && v->ask == ASK_NONE && v->filtering == FILTER_NONE)
			return;
		r = l->state;
		grid_fill(g, r, ' ', ATTR_TEXT);
	}
	if (v->ask == ASK_QUIT) {
		static const char *const asks[] = {" Leave?  s: save and quit   q: quit without saving   Esc: go on ", "s save+quit  q quit  Esc go on", "s q Esc?"};
		int k = r.w >= 64 ? 0 : r.w >= 30 ? 1 : 2;
		grid_text(g, r, 0, 0, ATTR_ASK, asks[k]);
		return;
	}
	if (v->prompt.open) {
		candidates(g, v, l);
		prompt_open(g, v, r);
		return;
	}
	if (v->filtering != FILTER_NONE) {
		int x = grid_printf(g, r, 0, 0, ATTR_PROMPT, "/%s", filter_text(v, v->filtering));
		grid_text(g, r, x + 1, 0, ATTR_HINT, r.w >= 40 ? "  Enter keeps it, Esc shows all" : "");
		g->cursor_x = MIN(r.x + x, r.x + r.w - 1);
		g->cursor_y = r.y;
		return;
	}
	static const char *const leaves[] = {
		[LEAVING_SAVES] = "saving, then leaving; ^C gives the save up", [LEAVING_NOW] = "leaving; ^C gives up what is still being saved",
		[LEAVING_GIVEN_UP] = "the last save is given up; ^C once more ends at once"};
	if (v->leaving)
		grid_text(g, r, 0, 0, ATTR_TEXT, leaves[v->leaving]);
	else if (v->message[0])
		grid_text(g, r, 0, 0, v->message_level == LOG_ERROR ? ATTR_BAD : v->message_level == LOG_WARN ? ATTR_WARN : ATTR_TEXT, v->message);
	else
		grid_text(g, r, 0, 0, ATTR_HINT, r.w >= 30 ? "press : for the command line" : ":");
}
