/* settings.c: the table of settings at work.
 * SPDX-License-Identifier: MIT */
#include "train/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define DEF_INT(def) (def), NULL
#define DEF_COUNT(def) (def), NULL
#define DEF_FLOAT(def) (def), NULL
#define DEF_AUTO(def) (def), NULL
#define DEF_BOOL(def) (def), NULL
#define DEF_CHOICE(def) (def), NULL
#define DEF_TEXT(def) 0, (def)

static const struct setting_row rows[SET_N] = {
#define SETTING(ID, key, kind, def, min, max, when, unit, help) \
	{key, SETTING_##kind, DEF_##kind(def), min, max, SETTING_##when, unit, help},
#include "train/settings.def"
#undef SETTING
};

const struct setting_row *setting_row(enum setting_id id)
{
	return &rows[id];
}

void settings_init(struct settings *s)
{
	memset(s, 0, sizeof *s);
	for (int i = 0; i < SET_N; i++) {
		s->num[i] = rows[i].def;
		if (rows[i].def_text)
			snprintf(s->text[i], sizeof s->text[i], "%s", rows[i].def_text);
	}
}

int setting_find(const char *key, struct err *e)
{
	if (!strcmp(key, "lr"))
		return SET_LR_MAX;
	int best = 0, best_d = 1000;
	for (int i = 0; i < SET_N; i++) {
		if (!strcmp(rows[i].key, key))
			return i;
		int d = str_distance(rows[i].key, key);
		/* "temperature" is nearer to sample.temperature than to any short key. */
		const char *dot = strchr(rows[i].key, '.');
		if (dot && str_distance(dot + 1, key) < d)
			d = str_distance(dot + 1, key);
		if (d < best_d) {
			best_d = d;
			best = i;
		}
	}
	return err_set(e, ERR_USAGE, "set: %s: no such key (did you mean %s? `get` lists them)", key, rows[best].key);
}

/* Index of `word` among the blank-separated words of `list`, or -1. */
static int choice_index(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (int i = 0; *list; i++) {
		size_t len = strcspn(list, " ");
		if (n && len == n && !memcmp(list, word, n))
			return i;
		list += len + (list[len] == ' ');
	}
	return -1;
}

/* auto, off, or a number. */
static int parse_auto(const struct setting_row *r, const char *value, double *num, struct err *e)
{
	int word = choice_index("auto off", value);
	*num = word == 0 ? SETTING_IS_AUTO : SETTING_IS_OFF;
	if (word >= 0)
		return 0;
	if (str_number(value, num) || !(*num >= r->min && *num <= r->max))
		return err_set(e, ERR_RANGE, "%s: %s: must be auto, off or %.9g to %.9g", r->key, value, r->min, r->max);
	return 0;
}

static int fail_number(const struct setting_row *r, const char *value, const char *why, struct err *e)
{
	if (r->kind == SETTING_COUNT)
		return err_set(e, ERR_RANGE, "%s: %s: must be auto or a whole number, 1 to %.0f", r->key, value, r->max);
	/* Whole numbers as they are typed: %g writes 1e+09. */
	if (r->kind == SETTING_INT)
		return err_set(e, ERR_RANGE, "%s: %s: %s%.0f to %.0f", r->key, value, why, r->min, r->max);
	return err_set(e, ERR_RANGE, "%s: %s: %s%.9g to %.9g", r->key, value, why, r->min, r->max);
}

static int parse_number(const struct setting_row *r, const char *value, double *num, struct err *e)
{
	double v;
	if (str_number(value, &v))
		return fail_number(r, value, r->kind == SETTING_INT ? "not a whole number, must be " : "not a number, must be ", e);
	if ((r->kind == SETTING_INT || r->kind == SETTING_COUNT) && v != floor(v))
		return fail_number(r, value, "not a whole number, must be ", e);
	if (!(v >= r->min && v <= r->max))
		return fail_number(r, value, "must be ", e);
	*num = v;
	return 0;
}

int setting_parse(enum setting_id id, const char *value, double *num, char text[SETTING_TEXT_MAX], struct err *e)
{
	const struct setting_row *r = &rows[id];
	int i;
	*num = 0;
	text[0] = 0;
	switch (r->kind) {
	case SETTING_INT:
	case SETTING_FLOAT:
		return parse_number(r, value, num, e);
	case SETTING_COUNT: /* held as 0 */
		return choice_index("auto", value) == 0 ? 0 : parse_number(r, value, num, e);
	case SETTING_AUTO:
		return parse_auto(r, value, num, e);
	case SETTING_BOOL:
		i = choice_index("off on", value);
		if (i < 0 && (i = choice_index("false true", value)) < 0 && (i = choice_index("0 1", value)) < 0)
			return err_set(e, ERR_RANGE, "%s: %s: must be on or off", r->key, value);
		*num = i;
		return 0;
	case SETTING_CHOICE:
		if ((i = choice_index(r->unit, value)) < 0)
			return err_set(e, ERR_RANGE, "%s: %s: must be one of: %s", r->key, value, r->unit);
		*num = i;
		return 0;
	case SETTING_TEXT:
		if (strlen(value) >= SETTING_TEXT_MAX)
			return err_set(e, ERR_RANGE, "%s: %zu bytes: at most %d", r->key, strlen(value), SETTING_TEXT_MAX - 1);
		snprintf(text, SETTING_TEXT_MAX, "%s", value);
		return 0;
	}
	return err_set(e, ERR_STATE, "%s: kind %d", r->key, (int)r->kind);
}

int setting_is_number(const struct settings *s, enum setting_id id)
{
	enum setting_kind k = rows[id].kind;
	return k == SETTING_INT || k == SETTING_FLOAT || (k == SETTING_COUNT && s->num[id] > 0);
}

int settings_set(struct settings *s, enum setting_id id, const char *value, struct err *e)
{
	double num;
	char text[SETTING_TEXT_MAX];
	int rc = setting_parse(id, value, &num, text, e);
	if (rc)
		return rc;
	s->num[id] = num;
	memcpy(s->text[id], text, sizeof text);
	s->set[id] = 1;
	return 0;
}

char *setting_text(const struct settings *s, enum setting_id id, char buf[SETTING_TEXT_MAX])
{
	const struct setting_row *r = &rows[id];
	const char *w = r->unit;
	switch (r->kind) {
	case SETTING_INT:
		snprintf(buf, SETTING_TEXT_MAX, "%.0f", s->num[id]);
		break;
	case SETTING_COUNT:
		if (s->num[id] > 0)
			snprintf(buf, SETTING_TEXT_MAX, "%.0f", s->num[id]);
		else
			snprintf(buf, SETTING_TEXT_MAX, "auto");
		break;
	case SETTING_FLOAT:
		snprintf(buf, SETTING_TEXT_MAX, "%.9g", s->num[id]);
		break;
	case SETTING_AUTO:
		if (s->num[id] > SETTING_IS_OFF)
			snprintf(buf, SETTING_TEXT_MAX, "%.9g", s->num[id]);
		else
			snprintf(buf, SETTING_TEXT_MAX, "%s", s->num[id] < SETTING_IS_OFF ? "auto" : "off");
		break;
	case SETTING_BOOL:
		snprintf(buf, SETTING_TEXT_MAX, "%s", s->num[id] ? "on" : "off");
		break;
	case SETTING_CHOICE:
		for (int i = (int)s->num[id]; i > 0; i--)
			w += strcspn(w, " ") + 1;
		snprintf(buf, SETTING_TEXT_MAX, "%.*s", (int)strcspn(w, " "), w);
		break;
	case SETTING_TEXT:
		snprintf(buf, SETTING_TEXT_MAX, "%s", s->text[id]);
		break;
	}
	return buf;
}
