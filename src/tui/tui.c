/* tui.c: the screen's beginning and end. The time in between is loop.c.
 * SPDX-License-Identifier: MIT */
#include "tui/tui.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "repl/restart.h"
#include "repl/wake.h"
#include "tui/capture.h"
#include "tui/ui.h"

int tui_usable(struct err *e)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(e, ERR_STATE, "screen: standard %s is no terminal", isatty(STDIN_FILENO) ? "output" : "input");
	const char *why = screen_refuses();
	return why ? err_set(e, ERR_STATE, "screen: %s", why) : 0;
}

/* Text is UTF-8 inside, whatever the locale says; only LC_CTYPE, so that numbers keep their point. */
static void set_locale(void)
{
	static const char *const others[] = {"C.UTF-8", "en_US.UTF-8", "UTF-8"};
	setlocale(LC_CTYPE, "");
	for (size_t i = 0; i < ARRAY_LEN(others) && strcmp(nl_langinfo(CODESET), "UTF-8"); i++)
		setlocale(LC_CTYPE, others[i]);
}

static void take_signals(const struct handover *from)
{
	static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		wake_on_signal(ours[i]);
	signal(SIGPIPE, SIG_IGN);
	restart_signals_on(from);
}

static void default_signals(void)
{
	static const int ours[] = {SIGWINCH, SIGTSTP, SIGCONT};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		signal(ours[i], SIG_DFL);
}

static int open_all(struct ui *u, struct err *e)
{
	const struct handover *from = u->o->from;
	struct shell_host host;
	const struct lineedit_host editor = {.ctx = u, .next = ui_next, .line = ui_line, .complete = ui_complete};
	int out, err_fd, rc;
	u->agenda = agenda_new(e);
	if (!u->agenda)
		return e->code;
	engine_snapshot(u->engine, &u->snap);
	u->relay = u->snap.view.kind == VIEW_NONE ? relay_new(u->engine) : NULL;
	if (from)
		relay_bind(u->relay, u->snap.run_dir);
	ui_shell_host(u, &host);
	if (view_init(&u->view))
		return err_nomem(e, "screen", sizeof *u->view.live);
	u->view.glyphs = screen_glyphs();
	u->view.theme = theme_wish(getenv("ANETUI_THEME"), getenv("COLORFGBG"));
	u->shell = shell_new(u->engine, &host, 0, e);
	u->script_shell = u->shell ? shell_new(u->engine, &host, 1, e) : NULL;
	/* Before the screen: libedit must not meet the terminal description that curses will use. */
	u->editor = u->script_shell ? lineedit_new(&editor, u->o->history, from, e) : NULL;
	if (!u->editor || (from && ui_take_over(u, from, e)))
		return e->code;
	if (u->headless) {
		take_signals(from);
		return 0;
	}
	rc = capture_begin(&out, &err_fd, e);
	if (rc)
		return rc;
	/* Before curses: a signal that somebody handles already it leaves alone. Its own way with SIGTSTP is to ignore it during each refresh; one that came then was lost. */
	take_signals(from);
	if (from && ui_take_grid(from, &u->grid, e))
		return e->code;
	u->screen = screen_open(out, err_fd, from ? &u->grid : NULL, e);
	if (!u->screen)
		return e->code;
	screen_theme(u->screen, u->view.theme);
	if (lineedit_warning(u->editor) && !from)
		ui_log(u, LOG_WARN, lineedit_warning(u->editor));
	return 0;
}

/* Tells where things stand, below the shell's prompt line where the program was started. */
static void last_words(struct ui *u)
{
	engine_snapshot(u->engine, &u->snap);
	ui_remember_run(u);
	if (u->run_dir[0] && u->stopping != STOP_NOW && u->snap.view.kind == VIEW_NONE) {
		int found = !strncmp(u->run_dir, "runs/", 5); /* the newest of those is what --resume takes by itself */
		printf("anetui: %s: step %llu", u->run_dir, (unsigned long long)u->run_step);
		if (!u->failure[0])
			printf(", saved (anetui --resume%s%s goes on)", found ? "" : " --run ", found ? "" : u->run_dir);
		putchar('\n');
	}
	fflush(stdout);
	if (u->failure[0])
		fprintf(stderr, "anetui: %s\n", u->failure);
	else if (u->stopped && !u->stopping && u->snap.view.kind == VIEW_NONE)
		fputs("anetui: the engine has ended by itself\n", stderr);
}

/* The worker stands before a disk that does not answer, and would not be joined; the history stays as it is. */
static void end_at_once(const struct ui *u)
{
	if (u->run_dir[0])
		printf("anetui: %s: step %llu\n", u->run_dir, (unsigned long long)u->run_step);
	fflush(stdout);
	fputs("anetui: ended at once: the last save was not waited for (older checkpoints are as they were)\n", stderr);
	default_signals();
	signal(SIGINT, SIG_DFL);
	raise(SIGINT);
}

static int is_gone(const struct ui *u)
{
	struct termios t;
	return u->hung_up && tcgetattr(STDIN_FILENO, &t);
}

static void close_all(struct ui *u, int gone)
{
	screen_close(u->screen, gone);
	u->screen = NULL;
	capture_end(gone);
}

static void free_all(struct ui *u)
{
	struct err e = {0};
	if (u->editor && lineedit_save(u->editor, &e))
		fprintf(stderr, "anetui: %s\n", e.msg);
	lineedit_free(u->editor);
	shell_free(u->shell);
	shell_free(u->script_shell);
	agenda_free(u->agenda);
	relay_free(u->relay);
	str_done(&u->watch_text);
	grid_done(&u->grid);
	view_done(&u->view);
	free(u);
}

int tui_run(struct engine *g, const struct tui_options *o)
{
	struct ui *u = mem_zalloc(1, sizeof *u);
	struct err e = {0};
	int status = 1;
	if (!u) {
		fputs("anetui: screen: out of memory\n", stderr);
		return 1;
	}
	*u = (struct ui){.engine = g, .o = o, .slow = 1, .dirty = 1};
	set_locale();
	if (open_all(u, &e)) {
		close_all(u, 0);
		default_signals();
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		fprintf(stderr, "anetui: %s\n", e.msg);
	} else {
		if (!u->headless) {
			lineedit_run(u->editor);
			close_all(u, is_gone(u));
		}
		if (!u->stopped && !u->at_once) {
			u->headless = 1;
			ui_run_headless(u);
		}
		if (u->at_once)
			end_at_once(u);
		/* All is saved: an interrupt that comes now is let go, so that the history gets into its file and the status is that of what was asked for. */
		default_signals();
		last_words(u);
		status = u->signal ? 128 + u->signal : u->failure[0] || (!u->stopping && u->snap.view.kind == VIEW_NONE);
	}
	free_all(u);
	return status;
}
