/* main.c: options, and which of the ways in: screen, plain, one command. Opens the engine, closes it, and knows nothing else.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine.h"
#include "repl/completions.h"
#include "repl/fatal.h"
#include "repl/options.h"
#include "repl/plain.h"
#include "repl/restart.h"
#include "repl/script.h"
#include "repl/shell.h"
#include "repl/wake.h"
#include "tui/keys.h"
#include "tui/tui.h"

static int print_text(void (*make)(struct str *))
{
	struct str s = {0};
	make(&s);
	int rc = s.failed || fputs(s.s, stdout) < 0 || fflush(stdout) ? 1 : 0;
	str_done(&s);
	return rc;
}

static int print_completion(const char *shell, struct err *e)
{
	struct str s = {0};
	int status = completions_make(&s, shell, e) ? 2 : fputs(s.s, stdout) < 0 || fflush(stdout);
	str_done(&s);
	return status;
}

static void manual(struct str *out)
{
	shell_man(out);
	keys_man(out);
}

/* Characters are UTF-8 wherever such a locale can be had; numbers are written with a point everywhere. */
static void set_locale(void)
{
	static const char *const utf8[] = {"C.UTF-8", "en_US.UTF-8", "UTF-8"};
	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	for (size_t i = 0; i < ARRAY_LEN(utf8) && strcmp(nl_langinfo(CODESET), "UTF-8"); i++)
		setlocale(LC_CTYPE, utf8[i]);
}

static int add_setting(struct script *s, const char *arg, struct err *e)
{
	struct str line = {0};
	char key[256];
	size_t n = strcspn(arg, "=");
	snprintf(key, sizeof key, "%.*s", (int)n, arg);
	shell_join(&line, 3, (const char *const[]){"set", key, arg + n + 1});
	int rc = line.failed ? err_nomem(e, "--set", n) : script_add(s, line.s, "", e);
	str_done(&line);
	return rc;
}

static int is_attach(const struct options *o)
{
	return o->ncommand && !strcmp(o->command[0], "attach");
}

/* The run that is only to be looked at: of --replay, or of `attach [RUN]`. */
static const char *shown_run(const struct options *o)
{
	return o->replay ? o->replay : is_attach(o) ? (o->ncommand > 1 ? o->command[1] : o->run_dir ? o->run_dir : "") : NULL;
}

/* The screen, unless something speaks for doing without: the options, a redirection, or a terminal that can do no more than lines. */
static int wants_screen(const struct options *o)
{
	const char *term = getenv("TERM");
	if (o->given[OPTION_PLAIN] || (o->ncommand && !is_attach(o)) || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !term || !*term || !strcmp(term, "dumb"))
		return 0;
	struct err why = {0};
	if (!tui_usable(&why))
		return 1;
	fprintf(stderr, "%s\n", why.msg);
	return 0;
}

/* The file anetuirc when there is one (for a view of a run: the looks in it); settings; -e and -x in their order; the command. */
static int collect(struct script *s, const struct options *o, struct err *e)
{
	char rc_file[4200];
	int rc = 0;
	if (!o->given[OPTION_NO_RC] && !file_config_dir(rc_file, sizeof rc_file - 16, NULL)) {
		strcat(rc_file, "/anetuirc");
		if (!access(rc_file, F_OK))
			rc = script_add_file(s, rc_file, e);
		if (!rc && shown_run(o))
			script_filter(s, 0, shell_is_looks);
	}
	for (int i = 0; i < o->nscript && !rc; i++)
		if (o->script[i].id == OPTION_SET)
			rc = add_setting(s, o->script[i].arg, e);
	for (int i = 0; i < o->nscript && !rc; i++) {
		if (o->script[i].id == OPTION_COMMAND)
			rc = script_add_command(s, o->script[i].arg, e);
		else if (o->script[i].id == OPTION_FILE)
			rc = script_add_file(s, o->script[i].arg, e);
	}
	/* Without a screen a replay is shown to its end. */
	if (o->replay && !rc && !o->given[OPTION_COMMAND] && !o->given[OPTION_FILE] && !wants_screen(o))
		rc = script_add(s, "replay go", "", e);
	if (o->ncommand && !rc && !is_attach(o)) {
		struct str line = {0};
		shell_join(&line, o->ncommand, (const char *const *)o->command);
		rc = line.failed ? err_nomem(e, "command", 0) : script_add_command(s, line.s, e);
		str_done(&line);
	}
	return rc;
}

/* Is it a line of an -x file? Those of anetuirc have their place too, -e and --set have none. */
static int is_from_x(const struct options *o, const char *where)
{
	for (int i = 0; i < o->nscript; i++) {
		size_t n = strlen(o->script[i].arg);
		if (o->script[i].id == OPTION_FILE && !strncmp(where, o->script[i].arg, n) && where[n] == ':')
			return 1;
	}
	return 0;
}

/* 1: what -e and -x bring only chooses how things are, so the screen's start goes on as ever. Else it is theirs to say what begins. */
static int leaves_start(const struct options *o, const struct script *s)
{
	for (int i = 0; i < s->n; i++)
		if ((!*s->line[i].where || is_from_x(o, s->line[i].where)) && !shell_leaves_start(s->line[i].text))
			return 0;
	return 1;
}

static int run_screen(struct engine *g, const struct options *o, const struct script *s, const char *history, const struct handover *from)
{
	/* --resume is a wish to go on training. */
	const struct tui_options t = {
		.script = s,
		.autostart = leaves_start(o, s),
		.on_hup = o->on_hup,
		.history = history,
		.from = from,
	};
	return tui_run(g, &t);
}

static int run_plain(struct engine *g, const struct options *o, const struct script *s, const char *history, const struct handover *from)
{
	const struct plain_options p = {
		.script = s,
		.resumed = o->given[OPTION_RESUME],
		.read_input = (!o->ncommand || is_attach(o)) && !o->replay && !o->given[OPTION_COMMAND] && !o->given[OPTION_FILE],
		.on_hup = o->on_hup,
		.history = history,
		.from = from,
	};
	return plain_run(g, &p);
}

static int run(const struct options *o, const struct script *s, const struct handover *from, struct err *e)
{
	const struct engine_options eo = {
		.run_dir = o->run_dir, .resume = o->given[OPTION_RESUME], .wake = wake_engine, .root = getenv("ANETUI_SENSORS"), .from = from,
		.view = shown_run(o), .follow = is_attach(o),
	};
	char path[4200], *history = NULL;
	if (wake_open(e))
		return 1;
	fatal_arm();
	/* Both are told by the write that fails. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (!file_state_dir(path, sizeof path - 16, NULL))
		history = strcat(path, "/history");
	int screen = from ? tui_handed_over(from) : wants_screen(o);
	struct engine *g = engine_start(&eo, e);
	if (!g)
		return 1;
	int status = screen ? run_screen(g, o, s, history, from) : run_plain(g, o, s, history, from);
	engine_free(g);
	if (status > 128) {
		/* The caller should see what ended us. */
		signal(status - 128, SIG_DFL);
		raise(status - 128);
	}
	return status;
}

static int start(const struct options *o, struct err *e)
{
	struct script s = {0};
	int status;
	if (o->given[OPTION_HELP])
		return print_text(options_help);
	if (o->given[OPTION_MAN])
		return print_text(manual);
	if (o->completion)
		return print_completion(o->completion, e);
	if (o->given[OPTION_VERSION])
		return puts("anetui " ANETUI_VERSION) < 0 || fflush(stdout);
	if (is_attach(o) && (o->ncommand > 2 || o->replay || o->given[OPTION_RESUME])) {
		err_set(e, ERR_USAGE, "attach: usage: anetui [OPTIONS] attach [RUN]");
		return 2;
	}
	if (o->replay && (o->ncommand || o->given[OPTION_RESUME] || o->given[OPTION_RUN])) {
		err_set(e, ERR_USAGE, "--replay: shows a recorded run; a command, --run and --resume are for one that trains");
		return 2;
	}
	set_locale();
	struct handover *from = restart_from(e);
	if (from)
		tui_guard(from);
	if (e->code)
		status = 1;
	else if (from ? script_take_over(&s, from, e) : collect(&s, o, e))
		status = e->code == ERR_USAGE ? 2 : 1;
	else
		status = run(o, &s, from, e);
	script_done(&s);
	handover_free(from);
	return status;
}

/* A standard stream that is closed has the number of the next file to be opened: a message would end up in a checkpoint. */
static void hold_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			_exit(1);
}

int main(int argc, char **argv)
{
	struct options o;
	struct err e = {0};
	hold_streams();
	restart_init(argv);
	int status = options_parse(&o, argc, argv, &e) ? 2 : start(&o, &e);
	if (e.msg[0])
		fprintf(stderr, "anetui: %s\n", e.msg);
	options_done(&o);
	return status;
}
