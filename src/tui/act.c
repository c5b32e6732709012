/* act.c: what the keys outside the prompt do, and the mouse. Draws nothing, waits for nothing.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/aim.h"
#include "tui/filter.h"
#include "tui/kernels.h"
#include "tui/keys.h"
#include "tui/setlist.h"
#include "tui/ui.h"

static void toggle_pause(struct ui *u)
{
	engine_snapshot(u->engine, &u->snap);
	if (u->snap.view.kind == VIEW_REPLAY) {
		ui_command(u, u->shell, u->snap.state == ENGINE_TRAINING ? "replay pause" : "replay go");
		return;
	}
	ui_command(u, u->shell, u->snap.state == ENGINE_TRAINING ? "pause" : "train");
}

static int at_work(struct ui *u)
{
	engine_snapshot(u->engine, &u->snap);
	if (u->snap.view.kind != VIEW_NONE)
		return u->snap.queued > 0;
	return u->snap.queued > 0 || (u->snap.state != ENGINE_EMPTY && u->snap.state != ENGINE_PAUSED && u->snap.state != ENGINE_STOPPED);
}

static void ask_quit(struct ui *u)
{
	engine_snapshot(u->engine, &u->snap);
	if (u->snap.view.kind != VIEW_NONE)
		ui_stop(u, STOP_NOW, "quit"); /* there is nothing to save here */
	else if (u->snap.state == ENGINE_EMPTY)
		ui_stop(u, STOP_SAVE, "quit");
	else
		u->view.ask = ASK_QUIT;
}

static void interrupt(struct ui *u)
{
	if (!at_work(u)) {
		ask_quit(u);
		return;
	}
	engine_cancel(u->engine);
	view_message(&u->view, LOG_INFO, "interrupted");
}

static void zoom(struct ui *u, int pane)
{
	u->view.zoom = u->view.zoom == pane ? -1 : pane;
	u->view.focus = pane;
}

static void help(struct ui *u)
{
	struct str s = {0};
	keys_help(&s);
	if (u->view.live->snap.view.kind == VIEW_REPLAY)
		replay_keys_help(&s);
	str_puts(&s, "\n:help lists the commands, :help NAME tells more about one.\n");
	view_answer_begin(&u->view, 0, "keys");
	view_answer_text(&u->view, s.s ? s.s : "");
	str_done(&s);
}

static void scroll_to(struct ui *u, int end)
{
	view_scroll(&u->view, end ? 1 << 20 : -(1 << 20));
}

static void older(struct ui *u, int by)
{
	int back = aim_sample(&u->view) + by;
	if (back < 0 || !data_sample(view_data(&u->view), back))
		return;
	u->view.sample_back = back;
	u->view.scroll[PANE_SAMPLE] = 0;
	/* The cursor shows the sample of its step, so it goes along. */
	if (u->view.cursor_on)
		aim_to(&u->view, data_sample(view_data(&u->view), back)->step);
}

static void close_something(struct ui *u)
{
	if (u->view.answer.open)
		view_answer_close(&u->view);
	else if (u->view.cursor_on)
		aim_off(&u->view);
	else if (u->view.frozen)
		view_freeze(&u->view);
	else
		u->view.zoom = -1;
	view_message(&u->view, LOG_INFO, "");
}

/* By itself, weak, middle, strong, off, and round again. */
static void next_smoothing(struct ui *u)
{
	struct view *v = &u->view;
	char text[64];
	v->ema = v->ema == EMA_OFF ? EMA_AUTO : v->ema == EMA_AUTO ? 0 : v->ema + 1 < SERIES_EMAS ? v->ema + 1 : EMA_OFF;
	if (v->ema == EMA_OFF)
		snprintf(text, sizeof text, "smoothing off");
	else
		snprintf(text, sizeof text, "smoothing %.2f%s", (double)series_decay[view_ema(v)], v->ema == EMA_AUTO ? ", chosen by the number of steps" : "");
	view_message(v, LOG_INFO, text);
}

/* The row of the kernels pane that is chosen; -1: none. */
static int chosen_kernel(struct ui *u, struct kernel_table *t)
{
	kernels_make(t, &u->view);
	return u->view.kernel_at < t->n && t->line[u->view.kernel_at].row >= 0 ? u->view.kernel_at : -1;
}

/* Its numbers and history, then the text of its program, which the engine has. */
static void open_kernel(struct ui *u)
{
	struct kernel_table t;
	struct view *v = &u->view;
	struct str about = {0};
	char line[64], title[96];
	int k = view_data(v)->snap.timing.micro ? chosen_kernel(u, &t) : -1;
	if (k < 0)
		return;
	const struct kernel_line *l = &t.line[k];
	snprintf(title, sizeof title, "kernel %s", l->name);
	snprintf(line, sizeof line, "mil show %s", l->name);
	kernels_tell(&about, v, l, u->grid.w - 4);
	if (view_data(v)->snap.timing.row[l->row].kind == TIMING_PROGRAM)
		ui_command(u, u->shell, line);
	else
		view_answer_begin(v, 0, title);
	snprintf(v->answer.title, sizeof v->answer.title, "%s", title);
	view_answer_text(v, about.s ? about.s : "");
	str_done(&about);
}

static void next_sort(struct ui *u)
{
	char text[64];
	u->view.kernel_sort = (u->view.kernel_sort + 1) % SORT_N;
	u->view.kernel_turned = u->view.kernel_at = 0;
	snprintf(text, sizeof text, "kernels by %s", kernel_sort_name((enum kernel_sort)u->view.kernel_sort));
	view_message(&u->view, LOG_INFO, text);
}

static void baseline(struct ui *u)
{
	struct view *v = &u->view;
	const struct data *d = view_data(v);
	char text[80];
	v->have_base = !v->have_base && d->snap.timing.micro;
	if (v->have_base)
		split_take(&v->base, &d->snap.timing, d->snap.step);
	if (v->have_base)
		snprintf(text, sizeof text, "kernels: compared with step %llu from now on", (unsigned long long)v->base.step);
	else
		snprintf(text, sizeof text, "kernels: no baseline");
	view_message(v, LOG_INFO, text);
}

/* A boundary goes by so many cells; what the layout does not allow it leaves undone, so that is not kept either. */
static void move_split(struct ui *u, int split, int by)
{
	short *at = &u->view.moves.by[u->layout.kind][split];
	int was = u->layout.split[split].at;
	*at = (short)(*at + by);
	layout_make(&u->layout, u->grid.w, u->grid.h, u->view.layout, u->view.zoom, &u->view.moves);
	*at = (short)(*at - by + u->layout.split[split].at - was);
}

static void resize(struct ui *u, int upright, int by)
{
	int sign, k = layout_split_of(&u->layout, (enum pane)u->view.focus, upright, &sign);
	if (k >= 0)
		move_split(u, k, sign * by);
}

static void next_theme(struct ui *u)
{
	char text[120];
	u->view.theme = (u->view.theme + 1) % THEMES;
	screen_theme(u->screen, u->view.theme);
	u->redraw_all = 1;
	snprintf(text, sizeof text, "theme %s: %s", theme_name(u->view.theme), theme_help(u->view.theme));
	view_message(&u->view, LOG_INFO, text);
}

static void open_it(struct ui *u)
{
	int p = u->view.zoom >= 0 ? u->view.zoom : u->view.focus;
	if (p == PANE_KERNELS && !u->view.answer.open)
		open_kernel(u);
	else
		zoom(u, p);
}

static void axis(struct ui *u)
{
	static const char *const words[X_N] = {"curves over steps", "curves over tokens", "curves over time", "curves over joules"};
	aim_axis(&u->view);
	view_message(&u->view, LOG_INFO, words[u->view.x]);
}

void ui_act(struct ui *u, enum key_action a, int which)
{
	struct view *v = &u->view;
	if (setlist_on_top(v) && ui_settings_act(u, a))
		return;
	switch (a) {
	case KEYS_HELP: help(u); break;
	case KEYS_SETTINGS: setlist_open(v, NULL); break;
	case KEYS_UNDO: ui_command(u, u->shell, "undo"); break;
	case KEYS_COMMAND: ui_open_prompt(u); break;
	case KEYS_QUIT:
		if (v->answer.open)
			view_answer_close(v);
		else
			ask_quit(u);
		break;
	case KEYS_PAUSE: toggle_pause(u); break;
	case KEYS_FREEZE: view_freeze(v); break;
	case KEYS_LOG_Y: v->log_y = !view_log_y(v); break;
	case KEYS_SMOOTH: next_smoothing(u); break;
	case KEYS_AXIS: axis(u); break;
	case KEYS_LEFT: aim_move(v, -1); break;
	case KEYS_RIGHT: aim_move(v, 1); break;
	case KEYS_FAR_LEFT: aim_move(v, -10); break;
	case KEYS_FAR_RIGHT: aim_move(v, 10); break;
	case KEYS_NEARER: aim_zoom(v, 1); break;
	case KEYS_FARTHER: aim_zoom(v, 0); break;
	case KEYS_WHOLE: v->span = v->to = 0; break;
	case KEYS_WINDOW: aim_window(v); break;
	case KEYS_EARLIER: aim_pan(v, -1); break;
	case KEYS_LATER: aim_pan(v, 1); break;
	case KEYS_MOUSE:
		view_message(v, LOG_INFO, screen_mouse(u->screen, -1) ? "mouse on" : "mouse off");
		break;
	case KEYS_NEXT: view_focus_next(v, &u->layout, 1); break;
	case KEYS_PREV: view_focus_next(v, &u->layout, -1); break;
	case KEYS_ZOOM: zoom(u, v->zoom >= 0 ? v->zoom : v->focus); break;
	case KEYS_PANE: zoom(u, which); break;
	case KEYS_NARROWER: resize(u, 1, -2); break;
	case KEYS_WIDER: resize(u, 1, 2); break;
	case KEYS_SHORTER: resize(u, 0, -1); break;
	case KEYS_HIGHER: resize(u, 0, 1); break;
	case KEYS_THEME: next_theme(u); break;
	case KEYS_STAGE:
		v->layout = v->layout == LAYOUT_STAGE ? LAYOUT_AUTO : LAYOUT_STAGE;
		v->zoom = -1;
		break;
	case KEYS_OPEN: open_it(u); break;
	case KEYS_SORT: next_sort(u); break;
	case KEYS_TURN: v->kernel_turned = !v->kernel_turned; break;
	case KEYS_BASE: baseline(u); break;
	case KEYS_FILTER: filter_begin(v); break;
	case KEYS_UP: view_scroll(v, -1); break;
	case KEYS_DOWN: view_scroll(v, 1); break;
	case KEYS_PAGE_UP: view_scroll_page(v, -1); break;
	case KEYS_PAGE_DOWN: view_scroll_page(v, 1); break;
	case KEYS_TOP: scroll_to(u, 0); break;
	case KEYS_END: scroll_to(u, 1); break;
	case KEYS_OLDER: older(u, 1); break;
	case KEYS_NEWER: older(u, -1); break;
	case KEYS_CANCEL: interrupt(u); break;
	case KEYS_CLOSE: close_something(u); break;
	case KEYS_SUSPEND: ui_suspend(u); break;
	case KEYS_REDRAW: u->redraw_all = 1; break;
	case KEYS_DEFAULT: case KEYS_NONE: case KEYS_N: break;
	}
}

int ui_replay_key(struct ui *u, const char *name)
{
	for (int i = 0; i < REPLAY_KEYS; i++) {
		const struct replay_key_row *r = replay_key_row(i);
		if (!keys_hold(r->keys, name))
			continue;
		if (*r->command)
			ui_command(u, u->shell, r->command);
		else
			toggle_pause(u);
		return 1;
	}
	return 0;
}

static int is_in(struct rect r, int x, int y)
{
	return x >= r.x && y >= r.y && x < r.x + r.w && y < r.y + r.h;
}

/* The wheel: near and far over the curves, else lines. A click: focus, and the cursor where a curve is; on a key of the help line, that key. */
void ui_mouse(struct ui *u, const struct screen_key *k)
{
	struct view *v = &u->view;
	int p = -1;
	for (int i = 0; i < PANE_N; i++)
		if (is_in(u->layout.pane[i], k->x, k->y))
			p = i;
	if (v->ask != ASK_NONE || u->stopping)
		return;
	if (setlist_on_top(v) && !v->prompt.open && is_in(u->layout.body, k->x, k->y)) {
		ui_settings_mouse(u, k);
		return;
	}
	if (k->button == SCREEN_WHEEL_UP || k->button == SCREEN_WHEEL_DOWN) {
		int up = k->button == SCREEN_WHEEL_UP;
		if (!v->answer.open && p >= 0 && v->zoom < 0)
			v->focus = p;
		if (!v->answer.open && (p == PANE_LOSS || p == PANE_CURVES))
			aim_zoom(v, up);
		else
			view_scroll(v, up ? -3 : 3);
		return;
	}
	if (v->answer.open)
		return;
	if (k->button == SCREEN_PRESS && is_in(u->layout.help, k->x, k->y) && !v->prompt.open) {
		enum key_action a = bar_help_at(v, u->layout.help, k->x);
		if (a != KEYS_NONE)
			ui_act(u, a, 0);
		return;
	}
	if (k->button == SCREEN_PRESS)
		u->dragged = v->zoom < 0 ? layout_split_at(&u->layout, k->x, k->y) + 1 : 0;
	if (u->dragged > u->layout.nsplit || k->button == SCREEN_RELEASE)
		u->dragged = 0;
	if (k->button == SCREEN_DRAG && u->dragged) {
		const struct layout_split *s = &u->layout.split[u->dragged - 1];
		move_split(u, u->dragged - 1, (s->upright ? k->x : k->y) - s->at);
		return;
	}
	if (k->button == SCREEN_PRESS && p >= 0 && v->zoom < 0)
		v->focus = p;
	if (k->button == SCREEN_PRESS && is_in(u->layout.prompt, k->x, k->y) && !v->prompt.open)
		ui_act(u, KEYS_COMMAND, 0);
	if (k->button == SCREEN_PRESS || k->button == SCREEN_DRAG)
		aim_at(v, k->x, k->y);
}
