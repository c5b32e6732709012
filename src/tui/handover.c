/* handover.c: the screen's part of a restart. The terminal stays as it is, raw, on its other screen, with the picture on it: the new process is told what it shows.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repl/restart.h"
#include "tui/capture.h"
#include "tui/ref.h"
#include "tui/rescue.h"
#include "tui/ui.h"

static const struct handover_field ui_fields[] = {
#define F(name) HANDOVER_FIELD(struct ui, name)
	F(show_cost), F(slow), F(key), F(script_at), F(script_wait), F(script_failed), F(autostarted), F(pasting), F(stopping), F(stop_id), F(signal), F(hung_up),
	F(headless), F(failure), F(run_dir), F(run_step), F(watch_id),
#undef F
};

static const struct handover_field view_fields[] = {
#define F(name) HANDOVER_FIELD(struct view, name)
	F(prompt), F(message), F(message_level), F(layout), F(moves), F(theme), F(zoom), F(focus), F(log_y), F(ema), F(scroll), F(sample_back), F(x), F(span), F(to), F(cursor_on), F(cursor), F(kernel_sort), F(kernel_turned), F(kernel_at), F(filtering), F(kernel_filter), F(log_filter), F(answer_filter), F(setlist_filter), F(setlist), F(have_base), F(base), F(ask), F(leaving), F(page), F(most),
	F(answer.watch), F(answer.open), F(answer.top), F(answer.page_rows), F(answer.most), F(answer.id), F(answer.title),
#undef F
};

static void put_view(const struct view *v, struct handover *h)
{
	handover_put_fields(h, "view", view_fields, ARRAY_LEN(view_fields), v);
	handover_put_text(h, "view.answer", v->answer.text.s);
	handover_put_text(h, "view.ref", v->ref ? v->ref_name : "");
	handover_put(h, "view.live", v->live, sizeof *v->live);
	if (v->frozen)
		handover_put(h, "view.frozen", v->frozen, sizeof *v->frozen);
}

static void put_grid(const struct grid *g, struct handover *h)
{
	handover_put(h, "grid", g, sizeof *g);
	handover_put(h, "grid.cells", g->cell, (size_t)g->w * (size_t)g->h * sizeof *g->cell);
}

static void log_line(void *ctx, const char *text)
{
	ui_log(ctx, LOG_WARN, text);
}

void ui_restart(struct ui *u)
{
	struct err e = {0};
	struct handover *h = handover_new(&e);
	u->restart = 0;
	restart_hold_signals();
	ui_signals(u);
	if (!u->headless)
		capture_pause(log_line, u);
	if (h && !engine_hand_over(u->engine, h, &e)) {
		handover_put_fields(h, "ui", ui_fields, ARRAY_LEN(ui_fields), u);
		put_view(&u->view, h);
		agenda_hand_over(u->agenda, h);
		handover_put_text(h, "ui.watch", u->watch_text.s);
		lineedit_hand_over(u->editor, h);
		if (u->o->script)
			script_hand_over(u->o->script, h);
		if (!u->headless) {
			put_grid(screen_shown(u->screen), h);
			rescue_hand_over(h);
		}
		restart_exec(h, &e);
	}
	handover_free(h);
	if (!u->headless)
		capture_resume();
	restart_release_signals();
	if (engine_go_on(u->engine, e.msg, &e)) {
		ui_log(u, LOG_ERROR, e.msg);
		u->stopped = u->end = 1;
	}
}

/* --- the new process --- */

int tui_handed_over(const struct handover *from)
{
	size_t n;
	return handover_find(from, "view.live", &n) != NULL;
}

void tui_guard(const struct handover *from)
{
	rescue_take_over(from);
}

int ui_take_over(struct ui *u, const struct handover *h, struct err *e)
{
	struct view *v = &u->view;
	size_t n;
	int rc = handover_get_fields(h, "ui", ui_fields, ARRAY_LEN(ui_fields), u, e);
	if (!rc)
		rc = handover_get_fields(h, "view", view_fields, ARRAY_LEN(view_fields), v, e);
	if (!rc)
		rc = handover_get(h, "view.live", v->live, sizeof *v->live, e);
	if (!rc && handover_find(h, "view.frozen", &n)) {
		v->frozen = malloc(sizeof *v->frozen);
		rc = v->frozen ? handover_get(h, "view.frozen", v->frozen, sizeof *v->frozen, e) : err_nomem(e, "screen", sizeof *v->frozen);
	}
	if (v->leaving == LEAVING_GIVEN_UP)
		engine_give_up(u->engine);
	str_puts(&v->answer.text, handover_text(h, "view.answer"));
	str_puts(&u->watch_text, handover_text(h, "ui.watch"));
	/* The other run is read again; without it the screen is still one. */
	if (!rc && handover_text(h, "view.ref")[0])
		v->ref = ref_read(handover_text(h, "view.ref"), v->ref_name, sizeof v->ref_name, NULL);
	return rc ? rc : agenda_take_over(u->agenda, h, e);
}

int ui_take_grid(const struct handover *h, struct grid *g, struct err *e)
{
	struct grid was;
	size_t n;
	int rc = handover_get(h, "grid", &was, sizeof was, e);
	const void *cells = handover_find(h, "grid.cells", &n);
	if (rc || !cells || was.w < 1 || was.h < 1 || n / sizeof *g->cell / (size_t)was.w != (size_t)was.h || grid_resize(g, was.w, was.h))
		return rc ? rc : err_set(e, ERR_FORMAT, "restart: grid: is none");
	memcpy(g->cell, cells, n);
	g->cursor_x = was.cursor_x;
	g->cursor_y = was.cursor_y;
	return 0;
}
