/* ui.h: the state of a running screen, shared by loop.c (time, events, drawing), input.c (keys, commands) and tui.c (beginning and end). Nobody else's.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_UI_H
#define ANETUI_TUI_UI_H

#include <wchar.h>

#include "repl/agenda.h"
#include "repl/lineedit.h"
#include "repl/relay.h"
#include "repl/shell.h"
#include "tui/panes.h"
#include "tui/screen.h"
#include "tui/tui.h"

/* Characters on their way to the line editor; reading stops when it is nearly full, so a long paste is never lost. */
enum { QUEUE = 4096, QUEUE_ROOM = 64 };

enum stop_kind { STOP_NOT, STOP_SAVE, STOP_NOW };

struct ui {
	struct engine *engine;
	const struct tui_options *o;
	struct screen *screen;
	struct view view;
	struct grid grid;
	struct layout layout;
	struct relay *relay;      /* who is attached; NULL: nobody can */
	struct agenda *agenda;    /* aliases, rules, watch, record: of both shells */
	struct shell *shell;      /* for what is typed: `train` is done at once */
	struct shell *script_shell; /* for the script: a line is finished before the next begins */
	struct lineedit *editor;
	struct engine_snapshot snap; /* scratch */
	struct engine_cmd cmd;       /* scratch */
	struct completion completion;

	wchar_t queue[QUEUE];
	int head, count;

	/* time, ns */
	uint64_t drawn, looked, second, key;
	double show_cost;         /* smoothed ns of one refresh */
	int slow;                 /* frames are this many times longer: the terminal cannot keep up */
	int dirty, redraw_all, look_now;
	int dragged;              /* the boundary that the mouse holds, from 1; 0: none */

	/* the script */
	int script_at;
	uint32_t script_wait;     /* command that the script waits for */
	int script_failed;
	int autostarted;

	/* what the agenda has begun */
	uint32_t watch_id;        /* the watched command that is being answered */
	struct str watch_text;    /* ... so far; shown when it is whole */

	/* paste */
	int pasting;
	int unread;               /* keys may wait that select does not know of */

	/* the end */
	enum stop_kind stopping;
	uint32_t stop_id;
	int end;                  /* the loop is to be left */
	int stopped;              /* the worker has ended */
	int at_once;              /* nothing is waited for any more, the worker neither */
	int restart;              /* ... for a new process to go on */
	int headless;             /* the terminal is gone, what runs goes on */
	int signal;               /* that ends the program; 0: none */
	int hung_up;
	int shell_text;           /* the shell has answered by itself during this line */
	char failure[EVENT_TEXT]; /* printed when the screen is gone */
	const char *line;         /* being run */
	char run_dir[256];        /* the latest that was open; closed runs are forgotten by the engine */
	uint64_t run_step;
};

/* --- loop.c --- */
/* For lineedit_host.next: draws, waits, reads keys; 1 and a character for the editor, or 0 at the end. */
int ui_next(void *ctx, wchar_t *c);
void ui_draw(struct ui *u, int all);
void ui_clock(char clock[12]);
void ui_log(struct ui *u, int level, const char *text);
/* Saves (or not) and ends the worker; the loop goes on until it has. */
void ui_stop(struct ui *u, enum stop_kind kind, const char *reason);
/* ^C on the way out: the last save is not waited for; again: nothing is. */
void ui_give_up(struct ui *u);
void ui_suspend(struct ui *u);
/* Keeps what the last words need from u->snap. */
void ui_remember_run(struct ui *u);
/* Waits for the end without a screen: after a hang-up with --on-hup=checkpoint,continue. */
void ui_run_headless(struct ui *u);

/* Looks at the signals that came. */
void ui_signals(struct ui *u);

/* --- chores.c: rules and the watched command --- */
/* 1: the event was an answer to the watched command, and is taken. */
int ui_chore_event(struct ui *u, const struct engine_event *ev);
/* Runs what is due. */
void ui_chores(struct ui *u);

/* --- handover.c --- */
/* Comes back only when there is no new process to be had: then training ends, and the log says why. */
void ui_restart(struct ui *u);
int ui_take_over(struct ui *u, const struct handover *h, struct err *e);
/* What the terminal shows. */
int ui_take_grid(const struct handover *h, struct grid *g, struct err *e);

/* --- input.c --- */
void ui_key(struct ui *u, const struct screen_key *k);
void ui_open_prompt(struct ui *u);

/* --- act.c --- */
/* What a key outside the prompt does; which: its place among the keys of that row. */
void ui_act(struct ui *u, enum key_action a, int which);
/* In a replay some keys move about in the record: 1 when this is one. */
int ui_replay_key(struct ui *u, const char *name);
void ui_mouse(struct ui *u, const struct screen_key *k);

/* --- act_settings.c: while the settings screen is open --- */
/* 1: that key is done with; 0: it is what it is everywhere. */
int ui_settings_act(struct ui *u, enum key_action a);
void ui_settings_mouse(struct ui *u, const struct screen_key *k);

/* Brings the prompt in the view up to date with the editor. */
void ui_sync_prompt(struct ui *u);
/* lineedit_host.line and .complete. */
void ui_line(void *ctx, const char *utf8);
void ui_complete(void *ctx);
/* Runs one line through `sh`: the command's id when the engine answers later, 0 when it is finished, negative after a failure (told already). */
int64_t ui_command(struct ui *u, struct shell *sh, const char *line);
void ui_shell_host(struct ui *u, struct shell_host *h);

static inline int ui_queue_room(const struct ui *u) { return QUEUE - u->count; }
static inline void ui_queue(struct ui *u, wchar_t c)
{
	if (u->count < QUEUE)
		u->queue[(u->head + u->count++) % QUEUE] = c;
}

#endif
