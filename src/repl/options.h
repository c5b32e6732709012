/* options.h: what stands on the program's command line. Parses only; opens nothing, prints nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_OPTIONS_H
#define ANETUI_REPL_OPTIONS_H

#include "base/err.h"
#include "base/str.h"

enum option_id {
#define OPTION(ID, letter, name, arg, help) OPTION_##ID,
#include "repl/options.def"
#undef OPTION
	OPTION_N
};

struct option_row { char letter; const char *name, *arg, *help; };
const struct option_row *option_row(enum option_id id);

enum on_hup { ON_HUP_EXIT, ON_HUP_CONTINUE };

struct options {
	int given[OPTION_N];          /* how often */
	const char *run_dir, *replay, *completion;
	enum on_hup on_hup;
	int nscript;                  /* -e, -x and --set in their order */
	struct option_script { enum option_id id; const char *arg; } *script;
	int ncommand;                 /* the first word that is no option, and all that follow */
	char *const *command;
};

/* ERR_USAGE names the nearest option. options_done also after a failure. Strings point into argv. */
int options_parse(struct options *o, int argc, char *const *argv, struct err *e);
void options_done(struct options *o);
/* The text of --help. */
void options_help(struct str *out);
/* "-h, --help" and the like, into buf. */
char *option_form(enum option_id id, char buf[64]);

#endif
