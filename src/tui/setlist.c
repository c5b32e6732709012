/* setlist.c: rows, choice and steps of the settings screen. Draws nothing, changes no setting.
 * SPDX-License-Identifier: MIT */
#include "tui/setlist.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/filter.h"

/* --- rows --- */

static int passes(const struct view *v, int id)
{
	const struct setting_row *r = setting_row((enum setting_id)id);
	return filter_passes(r->key, strlen(r->key), v->setlist_filter) || filter_passes(r->help, strlen(r->help), v->setlist_filter);
}

int setlist_make(const struct view *v, int list[SET_N])
{
	int n = 0;
	for (int id = 0; id < SET_N; id++)
		if (passes(v, id))
			list[n++] = id;
	return n;
}

void setlist_open(struct view *v, const char *filter)
{
	v->setlist.open = 1;
	if (!filter)
		filter = "";
	snprintf(v->setlist_filter, sizeof v->setlist_filter, "%s", filter);
	for (int id = 0; id < SET_N; id++)
		if (!strcmp(setting_row((enum setting_id)id)->key, filter))
			v->setlist.at = id;
	setlist_settle(v);
}

void setlist_close(struct view *v)
{
	v->setlist.open = 0;
	v->setlist_filter[0] = 0;
	if (v->filtering == FILTER_SETTINGS)
		v->filtering = FILTER_NONE;
}

static int place_of(const int *list, int n, int id)
{
	for (int i = 0; i < n; i++)
		if (list[i] == id)
			return i;
	return 0;
}

void setlist_move(struct view *v, int by)
{
	int list[SET_N], n = setlist_make(v, list);
	if (n)
		v->setlist.at = list[MAX(MIN(place_of(list, n, v->setlist.at) + by, n - 1), 0)];
}

void setlist_settle(struct view *v)
{
	setlist_move(v, 0);
}

/* --- one row --- */

int setlist_differs(const struct settings *s, enum setting_id id)
{
	const struct setting_row *r = setting_row(id);
	return r->def_text ? strcmp(s->text[id], r->def_text) != 0 : !(s->num[id] == r->def);
}

char *setlist_default(enum setting_id id, char buf[SETTING_TEXT_MAX])
{
	struct settings s;
	settings_init(&s);
	return setting_text(&s, id, buf);
}

char *setlist_range(enum setting_id id, char buf[SETTING_TEXT_MAX])
{
	const struct setting_row *r = setting_row(id);
	const char *words = r->kind == SETTING_AUTO ? "auto, off, " : r->kind == SETTING_COUNT ? "auto, " : "", *unit = *r->unit ? " " : "";
	if (r->kind == SETTING_BOOL)
		snprintf(buf, SETTING_TEXT_MAX, "off on");
	else if (r->kind == SETTING_CHOICE)
		snprintf(buf, SETTING_TEXT_MAX, "%s", r->unit);
	else if (r->kind == SETTING_TEXT)
		snprintf(buf, SETTING_TEXT_MAX, "text");
	else if (r->max >= 1e9)
		snprintf(buf, SETTING_TEXT_MAX, "%s%.9g or more%s%s", words, r->min, unit, r->unit);
	else
		snprintf(buf, SETTING_TEXT_MAX, "%s%.9g to %.9g%s%s", words, r->kind == SETTING_COUNT ? 1 : r->min, r->max, unit, r->unit);
	return buf;
}

const char *setlist_when(enum setting_id id)
{
	switch (setting_row(id)->when) {
	case SETTING_NOW: return "at once";
	case SETTING_STEP: return "from the next step on";
	case SETTING_SHAPE: return "from the next step on (new programs)";
	case SETTING_START: return "from the next model on";
	}
	return "";
}

/* --- steps --- */

/* Nineteen rungs for each power of ten. */
static double next_rung(double v, int up)
{
	static const double rung[] = {1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10};
	double unit = pow(10, floor(log10(v) + 1e-9)), m = v / unit;
	if (up) {
		for (size_t i = 0; i < ARRAY_LEN(rung); i++)
			if (rung[i] > m * (1 + 1e-9))
				return rung[i] * unit;
		return 10 * unit;
	}
	for (size_t i = ARRAY_LEN(rung); i-- > 0;)
		if (rung[i] < m * (1 - 1e-9))
			return rung[i] * unit;
	return 0.9 * unit;
}

/* Between 0 and 1 the distance to both ends tells: 0.9, 0.95, 0.98, 0.99. */
static double next_fraction(double v, int up)
{
	static const double rung[] = {0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75,
		0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99995, 0.99998, 0.99999, 1};
	if (up) {
		for (size_t i = 0; i < ARRAY_LEN(rung); i++)
			if (rung[i] > v + 1e-9)
				return rung[i];
		return 1;
	}
	for (size_t i = ARRAY_LEN(rung); i-- > 0;)
		if (rung[i] < v - 1e-9)
			return rung[i];
	return 0;
}

static double next_float(const struct setting_row *r, double v, int up)
{
	double least = r->def > 0 ? r->def / 1000 : 0.001; /* below it is the end, or nothing */
	if (v <= 0)
		return up ? (r->def > 0 ? r->def : least) : v;
	if (r->max <= 1 && (v > 0.001 || (v == 0.001 && up)))
		return next_fraction(v, up);
	return !up && v <= least ? 0 : next_rung(v, up);
}

/* Powers of two are doubled and halved; what is a name rather than an amount (a seed) goes by one. */
static double next_whole(const struct setting_row *r, double v, int up)
{
	double half = frexp(v, &(int){0});
	if (v < (up ? 20 : 21) || r->max > 1e12)
		return up ? v + 1 : v - 1;
	if (half == 0.5 && v >= 32)
		return up ? v * 2 : v / 2;
	return round(next_rung(v, up));
}

/* auto, off, then 1, 2, 4 and so on. */
static double next_auto(const struct setting_row *r, double v, int up)
{
	if (up)
		return v < SETTING_IS_OFF ? SETTING_IS_OFF : v <= SETTING_IS_OFF ? r->min : v * 2;
	return v <= SETTING_IS_OFF ? SETTING_IS_AUTO : v <= r->min ? SETTING_IS_OFF : MAX(v / 2, r->min);
}

/* One press; the same value: there is no further one. */
static double next(const struct setting_row *r, double v, int up)
{
	double to = v, least = r->kind == SETTING_AUTO ? SETTING_IS_AUTO : r->kind == SETTING_COUNT ? 0 : r->min;
	switch (r->kind) {
	case SETTING_BOOL: return !v;
	case SETTING_CHOICE: return up ? (v < r->max ? v + 1 : 0) : v > 0 ? v - 1 : r->max;
	case SETTING_TEXT: return v;
	case SETTING_FLOAT: to = next_float(r, v, up); break;
	case SETTING_AUTO: to = next_auto(r, v, up); break;
	case SETTING_INT: case SETTING_COUNT: to = next_whole(r, v, up); break;
	}
	return MAX(MIN(to, r->max), least);
}

int setlist_step(enum setting_id id, const char *value, int by, char out[SETTING_TEXT_MAX])
{
	struct settings s;
	char text[SETTING_TEXT_MAX];
	double was;
	settings_init(&s);
	if (setting_row(id)->kind == SETTING_TEXT || setting_parse(id, value, &was, text, NULL))
		return 0;
	s.num[id] = was;
	for (int i = 0; i < (by < 0 ? -by : by); i++)
		s.num[id] = next(setting_row(id), s.num[id], by > 0);
	setting_text(&s, id, out);
	return !(s.num[id] == was);
}
