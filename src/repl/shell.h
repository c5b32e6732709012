/* shell.h: the command language: a line in, a command out to the engine or done here. The same for screen, plain mode and scripts. No curses.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_SHELL_H
#define ANETUI_REPL_SHELL_H

#include "base/str.h"
#include "engine.h"

struct agenda;

/* What a host (screen, plain mode) does for the shell. ctx is handed back. */
struct shell_host {
	void *ctx;
	void (*text)(void *ctx, const char *s);                 /* an answer made by the shell itself, whole lines */
	int (*layout)(void *ctx, const char *name, struct err *e);   /* NULL: "needs the screen" */
	int (*zoom)(void *ctx, const char *pane, struct err *e);
	int (*screen)(void *ctx, const char *file, struct err *e);
	int (*theme)(void *ctx, const char *name, struct err *e);   /* name NULL: tell */
	int (*settings)(void *ctx, const char *text, struct err *e); /* text NULL: all */
	int (*ref)(void *ctx, const char *run, struct err *e);      /* run NULL: tell; "off" */
	void (*quit)(void *ctx, int now);                       /* leave; now: without saving */
	struct agenda *agenda;                                  /* aliases, rules, watch, record; stays the host's. NULL: there are none */
};

struct shell;
struct shell *shell_new(struct engine *g, const struct shell_host *host, int scripted, struct err *e);
void shell_free(struct shell *s);

/* Runs one line (leading ':' and blanks allowed, '#' comment, empty: nothing). Returns 0 when finished, a positive number (the command's id: EV_DONE will
 * come) or a negative error code with its line in e. */
int64_t shell_line(struct shell *s, const char *line, struct err *e);
/* The same for a line that comes from the agenda: it is not recorded. */
int64_t shell_due(struct shell *s, const char *line, struct err *e);
/* The program ends: the record gets its last step. */
void shell_record_end(struct shell *s);

/* --- the language, without an engine --- */
enum { SHELL_ARGS = 64 };
struct parsed {
	int id;                 /* enum command_id, -1: an empty line or a comment */
	int keep_going;         /* the line began with '-' */
	int argc;
	char *argv[SHELL_ARGS]; /* into buf */
	char buf[4096];
};
/* Exact names first, then unique prefixes (the shortest name, where all others go on from it); unknown: the nearest name. Quotes keep blanks together (inside: \" \\ \n \t); the last argument of a REST command is the rest of the line. */
int shell_parse(struct parsed *p, const char *line, struct err *e);

/* The line that reads back as these words (a command's name first): quotes where needed, the rest of a REST command as it stands. */
void shell_join(struct str *line, int n, const char *const *words);

/* Does the line only choose how things are (settings, device, data, looks), so that what would have begun by itself still begins? Lines that can not be read do not. */
int shell_leaves_start(const char *line);

/* Does the line only choose how things look and what they are called? A view of somebody else's run takes no other line of anetuirc: attached it would change that run. */
int shell_is_looks(const char *line);

/* Completion of the word before `cursor` (a byte offset): candidates, each the whole word; the first `from` byte that they replace. */
struct completion { int n; size_t from; char word[64][128]; int more; };  /* more: candidates that found no room */
void shell_complete(const char *line, size_t cursor, const struct engine_snapshot *snap, const struct agenda *agenda, struct completion *out);
/* What Tab puts in the place of [from, cursor): the only candidate and a blank (none after '/' and '='), or what all of them begin with. Returns its length. */
size_t shell_complete_text(const struct completion *c, char *out, size_t n);
/* What to show dimmed behind the cursor: the rest of the arguments, and the present value ("now 0.0006, cosine"). Empty when there is nothing. */
void shell_hint(const char *line, const struct engine_snapshot *snap, const struct agenda *agenda, char *out, size_t n);

/* Help text from the one table: all commands (what NULL), one command, or one key. 0, or ERR_USAGE naming the nearest. */
int shell_help(struct str *out, const char *what, struct err *e);
void shell_man(struct str *out);   /* roff, for --man */

#endif
