/* act_settings.c: keys and mouse on the settings screen. Each change is a line of the command language, as typed.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "tui/filter.h"
#include "tui/keys.h"
#include "tui/setlist.h"
#include "tui/ui.h"

/* The value that the next press starts from: what was asked for, while that is on its way. */
static const char *value_of(struct ui *u, enum setting_id id, char buf[SETTING_TEXT_MAX])
{
	struct setlist *o = &u->view.setlist;
	if (o->id && o->what == (int)id) {
		snprintf(buf, SETTING_TEXT_MAX, "%s", o->text);
		return buf;
	}
	engine_snapshot(u->engine, &u->snap);
	return setting_text(&u->snap.settings, id, buf);
}

static void change(struct ui *u, enum setting_id id, const char *value)
{
	struct setlist *o = &u->view.setlist;
	const char *const words[] = {"set", setting_row(id)->key, value};
	struct str line = {0};
	shell_join(&line, 3, words);
	int64_t rc = line.failed ? 0 : ui_command(u, u->shell, line.s);
	if (rc > 0) {
		o->id = (uint32_t)rc;
		o->what = (int)id;
		snprintf(o->text, sizeof o->text, "%s", value);
		view_message(&u->view, LOG_INFO, line.s);
	}
	str_done(&line);
}

static void step(struct ui *u, int by)
{
	enum setting_id id = (enum setting_id)u->view.setlist.at;
	char now[SETTING_TEXT_MAX], to[SETTING_TEXT_MAX];
	if (setlist_step(id, value_of(u, id, now), by, to))
		change(u, id, to);
	else
		view_message(&u->view, LOG_INFO, setting_row(id)->kind == SETTING_TEXT ? "a text: Enter opens the command line for it" : "that is its end");
}

/* Words go on to the next one; numbers and text are typed, with the present value there to be changed. */
static void edit(struct ui *u)
{
	enum setting_id id = (enum setting_id)u->view.setlist.at;
	enum setting_kind kind = setting_row(id)->kind;
	char now[SETTING_TEXT_MAX];
	const char *const words[] = {"set", setting_row(id)->key, value_of(u, id, now)};
	struct str line = {0};
	if (kind == SETTING_BOOL || kind == SETTING_CHOICE) {
		step(u, 1);
		return;
	}
	shell_join(&line, 3, words);
	ui_open_prompt(u);
	for (size_t i = 0; !line.failed && i < line.len;) {
		uint32_t cp;
		int k = utf8_decode(line.s + i, line.len - i, &cp);
		if (k > 0 && cp >= 32 && cp != 127)
			ui_queue(u, (wchar_t)cp);
		i += (size_t)MAX(k, 1);
	}
	str_done(&line);
}

static void to_default(struct ui *u)
{
	char value[SETTING_TEXT_MAX];
	enum setting_id id = (enum setting_id)u->view.setlist.at;
	change(u, id, setlist_default(id, value));
}

/* Those for which an empty list has nothing. */
static int needs_a_row(enum key_action a)
{
	return a == KEYS_LEFT || a == KEYS_RIGHT || a == KEYS_FAR_LEFT || a == KEYS_FAR_RIGHT || a == KEYS_OPEN || a == KEYS_DEFAULT;
}

int ui_settings_act(struct ui *u, enum key_action a)
{
	struct view *v = &u->view;
	int list[SET_N];
	if (needs_a_row(a) && !setlist_make(v, list))
		return 1;
	switch (a) {
	case KEYS_SETTINGS: case KEYS_CLOSE: case KEYS_QUIT:
		setlist_close(v);
		view_message(v, LOG_INFO, "");
		return 1;
	case KEYS_UP: setlist_move(v, -1); return 1;
	case KEYS_DOWN: setlist_move(v, 1); return 1;
	case KEYS_PAGE_UP: setlist_move(v, -MAX(v->setlist.page - 1, 1)); return 1;
	case KEYS_PAGE_DOWN: setlist_move(v, MAX(v->setlist.page - 1, 1)); return 1;
	case KEYS_TOP: setlist_move(v, -SET_N); return 1;
	case KEYS_END: setlist_move(v, SET_N); return 1;
	case KEYS_LEFT: step(u, -1); return 1;
	case KEYS_RIGHT: step(u, 1); return 1;
	case KEYS_FAR_LEFT: step(u, -10); return 1;
	case KEYS_FAR_RIGHT: step(u, 10); return 1;
	case KEYS_OPEN: edit(u); return 1;
	case KEYS_DEFAULT: to_default(u); return 1;
	case KEYS_PANE: case KEYS_STAGE: case KEYS_ZOOM:
		setlist_close(v); /* something else is to be seen */
		return 0;
	case KEYS_HELP: case KEYS_COMMAND: case KEYS_PAUSE: case KEYS_THEME: case KEYS_MOUSE: case KEYS_FILTER: case KEYS_UNDO: case KEYS_CANCEL: case KEYS_SUSPEND: case KEYS_REDRAW:
		return 0;
	default:
		return 1; /* what it would change is not to be seen */
	}
}

void ui_settings_mouse(struct ui *u, const struct screen_key *k)
{
	struct view *v = &u->view;
	struct rect r = v->setlist.rows;
	int list[SET_N], n = setlist_make(v, list), y = k->y - r.y;
	if (k->button == SCREEN_WHEEL_UP || k->button == SCREEN_WHEEL_DOWN) {
		setlist_move(v, k->button == SCREEN_WHEEL_UP ? -3 : 3);
		return;
	}
	if (k->button != SCREEN_PRESS || y < 0 || y >= r.h || k->x < r.x || k->x >= r.x + r.w || v->setlist.top + y >= n)
		return;
	int id = list[v->setlist.top + y];
	if (id != v->setlist.at)
		v->setlist.at = id;
	else if (k->x == v->setlist.less || k->x == v->setlist.more)
		step(u, k->x == v->setlist.less ? -1 : 1);
	else
		edit(u);
}
