/* pane_settings.c: the settings screen: a row each, and what the chosen one is about. Which rows, and what keys do to them, is in setlist.c and act_settings.c.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/panes.h"
#include "tui/setlist.h"

enum { MARK_W = 2, KEY_W = 20, VALUE_W = 16, VALUE_WIDE = 36, DEFAULT_W = 15, RANGE_W = 28 };

/* First columns; 0: not shown. The value has a column before it, for the sign that makes it less. */
struct columns { int value, def, range, help; };

static struct columns columns(int w)
{
	struct columns c = {.value = MIN(MARK_W + KEY_W, MAX(w - 12, MARK_W + 6))};
	int x = c.value + (w >= 150 ? VALUE_WIDE : VALUE_W);
	if (w >= x + DEFAULT_W) {
		c.def = x;
		x += DEFAULT_W;
	}
	if (c.def && w >= x + RANGE_W - 2) {
		c.range = x;
		x += RANGE_W;
	}
	if (c.range && w >= x + 24)
		c.help = x;
	return c;
}

static void cell(struct grid *g, struct rect r, int x, int end, int y, enum attr a, const char *s)
{
	if (x > 0 || end > 0)
		grid_text(g, (struct rect){r.x, r.y, MIN(end, r.w), r.h}, x, y, a, s);
}

static void draw_row(struct grid *g, struct view *v, struct rect r, int y, const struct columns *c, enum setting_id id)
{
	const struct settings *s = &v->live->snap.settings;
	const struct setting_row *row = setting_row(id);
	char value[SETTING_TEXT_MAX], text[SETTING_TEXT_MAX];
	int differs = setlist_differs(s, id), chosen = v->setlist.at == (int)id, value_end = c->def ? c->def - 1 : r.w, least = c->value + 1;
	/* What was asked for stands there at once, with a mark until the engine has said yes. */
	int asked = v->setlist.id && v->setlist.what == (int)id;
	snprintf(value, sizeof value, "%s", asked ? v->setlist.text : setting_text(s, id, text));
	cell(g, r, 0, MARK_W, y, ATTR_WARN, differs ? "*" : " ");
	cell(g, r, MARK_W, c->value - 1, y, chosen ? ATTR_VALUE : ATTR_TEXT, row->key);
	cell(g, r, least, value_end - (chosen || asked ? 2 : 0), y, asked ? ATTR_WARN : differs ? ATTR_VALUE : ATTR_TEXT, *value ? value : "(empty)");
	int end = MIN(least + text_width(*value ? value : "(empty)"), value_end - 2) + 1;
	if (asked)
		cell(g, r, end - 1, value_end, y, ATTR_WARN, " ?");
	if (c->def)
		cell(g, r, c->def, c->def + DEFAULT_W - 1, y, ATTR_DIM, *setlist_default(id, text) ? text : "(empty)");
	if (c->range)
		cell(g, r, c->range, c->range + RANGE_W - 2, y, ATTR_DIM, setlist_range(id, text));
	if (c->help)
		cell(g, r, c->help, r.w, y, ATTR_NOTE, row->help);
	if (!chosen)
		return;
	grid_look(g, (struct rect){r.x, r.y + y, MIN(c->value - 1, r.w), 1}, ATTR_CHOSEN);
	if (row->kind == SETTING_TEXT || asked)
		return;
	v->setlist.less = r.x + c->value - 1;
	v->setlist.more = r.x + end;
	cell(g, r, c->value - 1, r.w, y, ATTR_KEY, "<");
	cell(g, r, end, r.w, y, ATTR_KEY, ">");
}

/* Lines of help, and when it counts. */
static void about(struct grid *g, struct view *v, struct rect r)
{
	enum setting_id id = (enum setting_id)v->setlist.at;
	const struct settings *s = &v->live->snap.settings;
	const char *help = setting_row(id)->help;
	char line[256], range[SETTING_TEXT_MAX];
	size_t show, n = strlen(help), at = 0;
	int y = 0, last = r.h >= 3;
	if (r.h >= 4)
		for (int x = 0; x < r.w; x++)
			grid_put(g, r, x, 0, ATTR_BORDER, glyph_set(v->glyphs)->h);
	for (y = r.h >= 4; at < n && y < r.h - last; y++) {
		size_t used = text_wrap(help + at, n - at, r.w, &show);
		grid_textn(g, r, 0, y, ATTR_TEXT, help + at, show);
		at += used;
	}
	snprintf(line, sizeof line, "%s: %s, %s%s", setting_row(id)->key, setlist_range(id, range), setlist_when(id),
		 setlist_differs(s, id) ? (s->set[id] ? "; set by you" : "; by a preset") : "");
	if (last)
		grid_text(g, r, 0, r.h - 1, ATTR_NOTE, line);
}

static void title(struct grid *g, struct view *v, struct rect r, int n, int rows)
{
	const struct setlist *o = &v->setlist;
	char note[NOTE], filter[FILTER_TEXT + 4] = "", part[48] = "";
	int differ = 0;
	for (int i = 0; i < SET_N; i++)
		differ += setlist_differs(&v->live->snap.settings, (enum setting_id)i);
	if (v->setlist_filter[0])
		snprintf(filter, sizeof filter, "/%s  ", v->setlist_filter);
	if (n > rows)
		snprintf(part, sizeof part, "%d-%d of %d  ", o->top + 1, MIN(o->top + rows, n), n);
	snprintf(note, sizeof note, r.w >= 60 ? "%s%s%d changed (*)  Esc closes" : "%s%s%d *", filter, part, differ);
	draw_frame(g, r, "settings", note, 1, 1, v->glyphs);
}

void pane_settings(struct grid *g, struct view *v, const struct layout *l)
{
	struct setlist *o = &v->setlist;
	struct rect b = l->body, in = b;
	int list[SET_N], n, framed = b.h >= 5 && b.w >= 24, place = 0;
	o->rows = (struct rect){0};
	o->less = o->more = -1;
	if (!o->open || b.h < 1)
		return;
	n = setlist_make(v, list);
	int inner = b.h - 2 * framed, head = inner >= 8, foot = inner >= 16 ? 5 : inner >= 8 ? 3 : inner >= 5 ? 2 : 0, rows = MIN(inner - head - foot, MAX(n, 1));
	/* Above a short list the panes are seen. */
	int spare = inner - head - foot - rows;
	if (spare >= 4) {
		b.y += spare;
		b.h -= spare;
	}
	in = framed ? (struct rect){b.x + 2, b.y + 1, b.w - 4, b.h - 2} : b;
	struct columns c = columns(in.w);
	for (int i = 0; i < n; i++)
		if (list[i] == o->at)
			place = i;
	o->page = rows;
	o->top = MAX(MIN(MAX(MIN(o->top, place), place - rows + 1), n - rows), 0);
	grid_fill(g, b, ' ', ATTR_TEXT);
	if (framed)
		title(g, v, b, n, rows);
	if (head) {
		cell(g, in, MARK_W, c.value - 1, 0, ATTR_DIM, "setting");
		cell(g, in, c.value + 1, in.w, 0, ATTR_DIM, "now");
		cell(g, in, c.def, in.w, 0, ATTR_DIM, c.def ? "by itself" : "");
		cell(g, in, c.range, in.w, 0, ATTR_DIM, c.range ? "may be" : "");
	}
	o->rows = (struct rect){in.x, in.y + head, in.w, MAX(MIN(rows, n - o->top), 0)};
	for (int i = 0; i < o->rows.h; i++)
		draw_row(g, v, in, head + i, &c, (enum setting_id)list[o->top + i]);
	if (!n)
		grid_text(g, in, MARK_W, head, ATTR_NOTE, in.w >= 40 ? "no setting with that;  / and Esc shows all" : "none has that");
	else if (foot)
		about(g, v, (struct rect){in.x, in.y + in.h - foot, in.w, foot});
}
