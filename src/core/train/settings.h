/* settings.h: the values behind `set` and `get`, made from settings.def. Applies nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_SETTINGS_H
#define ANETUI_TRAIN_SETTINGS_H

#include "base/err.h"
#include "base/str.h"

enum setting_id {
#define SETTING(ID, key, kind, def, min, max, when, unit, help) SET_##ID,
#include "train/settings.def"
#undef SETTING
	SET_N
};

enum setting_kind { SETTING_INT, SETTING_COUNT, SETTING_FLOAT, SETTING_AUTO, SETTING_BOOL, SETTING_CHOICE, SETTING_TEXT };
/* What a SETTING_AUTO holds beside numbers. */
enum { SETTING_IS_AUTO = -1, SETTING_IS_OFF = 0 };
enum setting_when { SETTING_NOW, SETTING_STEP, SETTING_SHAPE, SETTING_START };

struct setting_row {
	const char *key;
	enum setting_kind kind;
	double def;
	const char *def_text;  /* SETTING_TEXT */
	double min, max;
	enum setting_when when;
	const char *unit, *help;
};

enum { SETTING_TEXT_MAX = 128 };

/* A plain value: it is copied across threads. Ints and choices are held in doubles exactly (up to 2^53). */
struct settings {
	double num[SET_N];
	char text[SET_N][SETTING_TEXT_MAX];  /* SETTING_TEXT only */
	unsigned char set[SET_N];            /* 1: by the user; stays through `new` and `load` */
};

const struct setting_row *setting_row(enum setting_id id);
void settings_init(struct settings *s);
/* Index of a key; unknown: ERR_USAGE naming the nearest. "lr" is lr.max. */
int setting_find(const char *key, struct err *e);
/* Parses and checks `value` into a copy of one value. ERR_RANGE names the legal range: "lr.max: 20: must be 0 to 10". */
int setting_parse(enum setting_id id, const char *value, double *num, char text[SETTING_TEXT_MAX], struct err *e);
/* Parses and stores, marked as set by the user. */
int settings_set(struct settings *s, enum setting_id id, const char *value, struct err *e);
/* 1: the value stands in JSON as a number, 0: as a string. */
int setting_is_number(const struct settings *s, enum setting_id id);
/* The value as `set` would take it. */
char *setting_text(const struct settings *s, enum setting_id id, char buf[SETTING_TEXT_MAX]);
static inline int settings_int(const struct settings *s, enum setting_id id) { return (int)s->num[id]; }

#endif
