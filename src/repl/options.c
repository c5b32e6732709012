/* options.c: the table of options at work.
 * SPDX-License-Identifier: MIT */
#include "repl/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct option_row rows[OPTION_N] = {
#define OPTION(ID, letter, name, arg, help) {letter, name, arg, help},
#include "repl/options.def"
#undef OPTION
};

const struct option_row *option_row(enum option_id id)
{
	return &rows[id];
}

char *option_form(enum option_id id, char buf[64])
{
	const struct option_row *r = &rows[id];
	char letter[4] = "";
	if (r->letter)
		snprintf(letter, sizeof letter, "-%c", r->letter);
	snprintf(buf, 64, "%s%s%s%s%s%s", letter, r->letter && r->name ? ", " : "", r->name ? "--" : "", r->name ? r->name : "",
		 r->arg ? (r->name ? "=" : " ") : "", r->arg ? r->arg : "");
	return buf;
}

static int fail_unknown(const char *arg, struct err *e)
{
	const char *best = "help";
	int best_d = 1000;
	char name[64];
	snprintf(name, sizeof name, "%.*s", (int)strcspn(arg, "="), arg);
	for (int i = 0; i < OPTION_N; i++) {
		int d = rows[i].name ? str_distance(rows[i].name, name + strspn(name, "-")) : 1000;
		if (d < best_d) {
			best_d = d;
			best = rows[i].name;
		}
	}
	return err_set(e, ERR_USAGE, "option: %.40s: no such option (did you mean --%s? --help lists them)", name, best);
}

/* Which option `arg` is; *value is the part behind '=' or the letter ("-eCMD"), or NULL. */
static int find(const char *arg, const char **value)
{
	*value = NULL;
	for (int i = 0; i < OPTION_N; i++) {
		size_t n = rows[i].name ? strlen(rows[i].name) : 0;
		if (arg[1] == '-' && n && !strncmp(arg + 2, rows[i].name, n) && (!arg[2 + n] || arg[2 + n] == '=')) {
			*value = arg[2 + n] ? arg + 3 + n : NULL;
			return i;
		}
		if (arg[1] != '-' && rows[i].letter && arg[1] == rows[i].letter) {
			*value = arg[2] ? arg + 2 : NULL;
			return i;
		}
	}
	return -1;
}

static int parse_on_hup(struct options *o, const char *value, struct err *e)
{
	static const struct { const char *word; enum on_hup what; } words[] = {
		{"stop", ON_HUP_EXIT},          {"go-on", ON_HUP_CONTINUE},
		{"checkpoint", ON_HUP_EXIT},    {"checkpoint,exit", ON_HUP_EXIT},         {"exit", ON_HUP_EXIT},
		{"continue", ON_HUP_CONTINUE},  {"checkpoint,continue", ON_HUP_CONTINUE},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!strcmp(words[i].word, value)) {
			o->on_hup = words[i].what;
			return 0;
		}
	}
	return err_set(e, ERR_USAGE, "--on-hup: %.40s: must be stop or go-on", value);
}

static int apply(struct options *o, int id, const char *value, struct err *e)
{
	o->given[id]++;
	switch (id) {
	case OPTION_COMMAND:
	case OPTION_FILE:
	case OPTION_SET:
		if (id == OPTION_SET && !strchr(value, '='))
			return err_set(e, ERR_USAGE, "--set: %.60s: must be KEY=VALUE", value);
		o->script[o->nscript++] = (struct option_script){id, value};
		return 0;
	case OPTION_RUN:
		if (!*value)
			return err_set(e, ERR_USAGE, "--run: the name of the folder is empty");
		o->run_dir = value;
		return 0;
	case OPTION_REPLAY:
		o->replay = value;
		return 0;
	case OPTION_COMPLETION:
		o->completion = value;
		return 0;
	case OPTION_ON_HUP:
		return parse_on_hup(o, value, e);
	}
	return 0;
}

int options_parse(struct options *o, int argc, char *const *argv, struct err *e)
{
	int i;
	memset(o, 0, sizeof *o);
	o->script = mem_zalloc((size_t)argc + 1, sizeof *o->script);
	if (!o->script)
		return err_nomem(e, "options", (size_t)argc * sizeof *o->script);
	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *value;
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		int id = find(argv[i], &value);
		if (id < 0)
			return fail_unknown(argv[i], e);
		if (!rows[id].arg && value)
			return err_set(e, ERR_USAGE, "option: %.40s: takes no value", argv[i]);
		if (rows[id].arg && !value && !(value = argv[i + 1] ? argv[++i] : NULL))
			return err_set(e, ERR_USAGE, "option: %.40s: %s is missing", argv[i], rows[id].arg);
		int rc = apply(o, id, value, e);
		if (rc)
			return rc;
	}
	o->command = argv + i;
	o->ncommand = argc > i ? argc - i : 0;
	return 0;
}

void options_done(struct options *o)
{
	free(o->script);
	o->script = NULL;
}

void options_help(struct str *out)
{
	char form[64];
	str_puts(out, "anetui " ANETUI_VERSION ": train a language model in a terminal.\n\n"
		      "  anetui [OPTIONS]                open the screen and train the demo model\n"
		      "  anetui [OPTIONS] COMMAND ...    run one command without the screen\n"
		      "  anetui attach [RUN]             look at a run that trains in another process, and steer it\n"
		      "  anetui --plain < SCRIPT         run the commands of a script without the screen\n\n");
	for (int i = 0; i < OPTION_N; i++)
		str_printf(out, "  %-18s %s\n", option_form(i, form), rows[i].help);
	str_puts(out, "\nExit status: 0 done, 1 a command failed, 2 wrong words or options.\n"
		      "`anetui help` lists the commands.\n");
}
