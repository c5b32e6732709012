/* main.c: options, and which of the three ways in: screen, plain, one command. Grows with the rooms it opens.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "repl/options.h"
#include "repl/shell.h"

static int print_text(void (*make)(struct str *))
{
	struct str s = {0};
	make(&s);
	int rc = s.failed || fputs(s.s, stdout) < 0 || fflush(stdout) ? 1 : 0;
	str_done(&s);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o;
	struct err e = {0};
	int rc = 2;
	if (options_parse(&o, argc, argv, &e))
		fprintf(stderr, "anetui: %s\n", e.msg);
	else if (o.given[OPTION_HELP])
		rc = print_text(options_help);
	else if (o.given[OPTION_MAN])
		rc = print_text(shell_man);
	else if (o.given[OPTION_VERSION])
		rc = puts("anetui " ANETUI_VERSION) < 0;
	else
		fputs("anetui: options: not there yet\n", stderr);
	options_done(&o);
	return rc;
}
