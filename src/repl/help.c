/* help.c: help texts, made from the tables of commands and settings. The manual page is man.c.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "repl/help.h"
#include "repl/shell.h"
#include "repl/words.h"

enum { HELP_WIDTH = 78 };

const char *help_group(int group)
{
	static const char *const names[] = {
		[GROUP_MODEL] = "model and data", [GROUP_DEVICE] = "device", [GROUP_RUN] = "training",
		[GROUP_LOOK] = "looking",         [GROUP_KEEP] = "keeping",  [GROUP_SHELL] = "this program",
	};
	return names[group];
}

/* Which keys belong to a command: "x." is every key below x, other words are keys. Commands that are not here have those below their own name. */
static const struct { int id; const char *keys; } belongs[] = {
	{CMD_NEW, "seed vocab."},
	{CMD_TRAIN, "seq batch accum threads nice clip nan loss_scale lr. adam."},
	{CMD_STEP, "seq batch accum threads nice clip nan loss_scale lr. adam."},
	{CMD_LOAD, "ckpt."},
};

static int key_matches(const char *key, const char *list)
{
	while (*list) {
		size_t n = strcspn(list, " ");
		if (!strncmp(key, list, n) && (list[n - 1] == '.' || !key[n]))
			return 1;
		list += n + (list[n] == ' ');
	}
	return 0;
}

int help_key_belongs(int command, int key)
{
	char own[32];
	const char *list = own;
	snprintf(own, sizeof own, "%s.", command_row(command)->name);
	for (size_t i = 0; i < sizeof belongs / sizeof belongs[0]; i++)
		if (belongs[i].id == command)
			list = belongs[i].keys;
	return key_matches(setting_row(key)->key, list);
}

void help_wrap(struct str *out, const char *text, int indent)
{
	int col = 0;
	while (*text) {
		int n = (int)strcspn(text, " ");
		if (col && col + 1 + n > HELP_WIDTH) {
			str_putc(out, '\n');
			col = 0;
		}
		if (col)
			str_putc(out, ' ');
		else
			str_printf(out, "%*s", indent, "");
		str_add(out, text, (size_t)n);
		col += n + (col ? 1 : indent);
		text += n;
		text += strspn(text, " ");
	}
	if (col)
		str_putc(out, '\n');
}

/* 1e9, not 1e+09; whole numbers that have more digits than nine stay whole. */
static void add_number(struct str *out, double v)
{
	char text[40];
	if (v >= 1e15)
		snprintf(text, sizeof text, "%.0f", v);
	else
		snprintf(text, sizeof text, "%.9g", v);
	for (const char *c = text; *c; c++)
		if (*c != '+' && !(*c == '0' && c > text && c[-1] == '+'))
			str_putc(out, *c);
}

void help_key_range(struct str *out, const struct setting_row *r)
{
	switch (r->kind) {
	case SETTING_INT:
	case SETTING_FLOAT:
		add_number(out, r->min);
		str_puts(out, " to ");
		add_number(out, r->max);
		break;
	case SETTING_COUNT:
		str_puts(out, "auto or 1 to ");
		add_number(out, r->max);
		break;
	case SETTING_AUTO:
		str_puts(out, "auto, off or ");
		add_number(out, r->min);
		str_puts(out, " to ");
		add_number(out, r->max);
		break;
	case SETTING_BOOL:
		str_puts(out, "on or off");
		break;
	case SETTING_CHOICE:
		for (const char *c = r->unit; *c; c++)
			if (*c == ' ')
				str_puts(out, ", ");
			else
				str_putc(out, *c);
		break;
	case SETTING_TEXT:
		str_printf(out, "text, at most %d bytes", SETTING_TEXT_MAX - 1);
		break;
	}
}

void help_key_default(struct str *out, int key)
{
	struct settings s;
	char value[SETTING_TEXT_MAX];
	settings_init(&s);
	setting_text(&s, key, value);
	str_puts(out, *value ? value : "(empty)");
}

const char *help_key_when(const struct setting_row *r)
{
	switch (r->when) {
	case SETTING_NOW:
		return "from its next use";
	case SETTING_STEP:
		return "from the next step";
	case SETTING_SHAPE:
		return "from the next step; the programs are made anew";
	case SETTING_START:
		return "with the next model";
	}
	return "";
}

static void help_all(struct str *out)
{
	for (int g = GROUP_MODEL; g <= GROUP_SHELL; g++) {
		str_printf(out, "%s%s\n", g == GROUP_MODEL ? "" : "\n", help_group(g));
		for (int i = 0; i < CMD_N; i++) {
			const struct command_row *r = command_row(i);
			if ((int)r->group == g)
				str_printf(out, "  %-11s %s%s\n", r->name, r->help, r->where == COMMAND_LATER ? " (later)" : "");
		}
	}
	str_puts(out, "\n`help NAME` tells more about a command or a key; `get` lists the keys.\nA unique beginning of a name is enough.\n");
}

static void help_command(struct str *out, int id)
{
	const struct command_row *r = command_row(id);
	int keys = 0;
	str_printf(out, "%s%s%s\n", r->name, *r->args ? " " : "", r->args);
	help_wrap(out, r->help, 2);
	help_wrap(out, r->more, 2);
	if (r->where == COMMAND_LATER)
		str_puts(out, "  Comes with later work.\n");
	for (int i = 0; id == CMD_ON && i < HAPPENING_N; i++)
		str_printf(out, "%s  %-9s %s\n", i ? "" : "  events:\n", happening_row((enum happening)i)->name, happening_row((enum happening)i)->help);
	for (int k = 0; k < SET_N; k++) {
		if (!help_key_belongs(id, k))
			continue;
		if (!keys++)
			str_puts(out, "  keys (`set KEY VALUE`):\n");
		/* The key goes into the margin of its text. */
		size_t at = out->len;
		help_wrap(out, setting_row(k)->help, 22);
		if (!out->failed)
			memcpy(out->s + at + 2, setting_row(k)->key, strlen(setting_row(k)->key));
	}
}

static void help_key(struct str *out, int key)
{
	const struct setting_row *r = setting_row(key);
	str_printf(out, "set %s VALUE\n", r->key);
	help_wrap(out, r->help, 2);
	str_puts(out, "  range     ");
	help_key_range(out, r);
	if (r->kind != SETTING_CHOICE && *r->unit)
		str_printf(out, " (%s)", r->unit);
	str_puts(out, "\n  default   ");
	help_key_default(out, key);
	str_printf(out, "\n  holds     %s\n", help_key_when(r));
}

/* The name nearest to `what` among commands and keys. */
static int fail_unknown(const char *what, struct err *e)
{
	const char *best = "help";
	int best_d = 1000;
	for (int i = 0; i < CMD_N + SET_N; i++) {
		const char *name = i < CMD_N ? command_row(i)->name : setting_row(i - CMD_N)->key;
		const char *dot = strchr(name, '.');
		int d = str_distance(name, what), d2 = dot ? str_distance(dot + 1, what) : d;
		if (d2 < d)
			d = d2;
		if (d < best_d) {
			best_d = d;
			best = name;
		}
	}
	return err_set(e, ERR_USAGE, "help: %.40s: no such command or key (did you mean %s?)", what, best);
}

int shell_help(struct str *out, const char *what, struct err *e)
{
	if (!what) {
		help_all(out);
		return 0;
	}
	int id = words_command(what), key = SET_N - 1;
	while (key >= 0 && strcmp(setting_row(key)->key, what))
		key--;
	/* A name may be both (freeze); a key's whole name is not the beginning of a command's. */
	if (id >= 0 && (key < 0 || !strcmp(command_row(id)->name, what)))
		help_command(out, id);
	if (key >= 0)
		help_key(out, key);
	return id < 0 && key < 0 ? fail_unknown(what, e) : 0;
}
