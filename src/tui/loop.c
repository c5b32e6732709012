/* loop.c: the loop inside the line editor: events in, frames out, waiting in between. What keys do is in input.c.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repl/wake.h"
#include "tui/capture.h"
#include "tui/ui.h"

#define MS 1000000ull
enum { FRAME_MS = 100, FRAME_FAST_MS = 33, FAST_FOR_MS = 2000, LOOK_MS = 250, SLOW_MAX = 10 };

void ui_clock(char clock[12])
{
	time_t t = time(NULL);
	struct tm tm;
	if (!localtime_r(&t, &tm) || !strftime(clock, 12, "%H:%M:%S", &tm))
		clock[0] = 0;
}

void ui_log(struct ui *u, int level, const char *text)
{
	char clock[12];
	ui_clock(clock);
	view_log(&u->view, level, clock, text);
	u->dirty = 1;
}

/* --- the end --- */

static uint32_t send_op(struct ui *u, int op, const char *word)
{
	struct engine_cmd *c = &u->cmd;
	struct err e = {0};
	*c = (struct engine_cmd){.id = engine_next_id(u->engine), .op = op, .argc = word != NULL};
	snprintf(c->words, sizeof c->words, "%s", word ? word : "");
	if (!engine_send(u->engine, c, &e))
		return c->id;
	ui_log(u, LOG_ERROR, e.msg);
	return 0;
}

void ui_stop(struct ui *u, enum stop_kind kind, const char *reason)
{
	if (u->stopped || u->stopping)
		return;
	engine_cancel(u->engine);
	uint32_t id = send_op(u, kind == STOP_NOW ? CMD_STOP_NOW : CMD_STOP_SAVE, reason);
	if (!id)
		return; /* 256 commands are queued; the log says so, and the interrupt has emptied the way for another try */
	shell_record_end(u->shell);
	u->stop_id = id;
	u->stopping = kind;
	u->view.leaving = kind == STOP_NOW ? LEAVING_NOW : LEAVING_SAVES;
	u->view.prompt.open = 0;
	u->view.ask = ASK_NONE;
	u->dirty = 1;
}

/* Who asks for the end again does not want to lose the save; ^C says so. A disk that hangs does not hear of it: then the process ends over it. */
void ui_give_up(struct ui *u)
{
	if (u->stopped || u->view.live->snap.view.kind != VIEW_NONE)
		return;
	u->signal = SIGINT;
	if (u->view.leaving == LEAVING_GIVEN_UP) {
		u->at_once = u->end = 1;
		return;
	}
	engine_give_up(u->engine);
	u->view.leaving = LEAVING_GIVEN_UP;
	u->dirty = 1;
}

/* --- the script --- */

static void script_over(struct ui *u)
{
	if (!u->o->autostart || u->autostarted || u->script_failed)
		return;
	u->autostarted = 1;
	/* With a model there already (--resume, the user's own file) it only trains. */
	send_op(u, CMD_AUTO_DEMO, NULL);
}

static void script_failed(struct ui *u)
{
	const struct script_line *l = &u->o->script->line[u->script_at - 1];
	char text[LOG_TEXT];
	/* A line that begins with '-' may fail. */
	if (l->text[strspn(l->text, " \t:")] == '-')
		return;
	u->script_failed = 1;
	if (u->script_at < u->o->script->n) {
		snprintf(text, sizeof text, "script: %s%s%.100s: failed; %d more lines are left out", l->where, *l->where ? ": " : "", l->text, u->o->script->n - u->script_at);
		ui_log(u, LOG_ERROR, text);
	}
}

/* Begins lines until one has to be waited for. */
static void script_go_on(struct ui *u)
{
	const struct script *s = u->o->script;
	while (s && u->script_at < s->n && !u->script_wait && !u->script_failed && !u->stopping) {
		int64_t rc = ui_command(u, u->script_shell, s->line[u->script_at++].text);
		if (rc > 0)
			u->script_wait = (uint32_t)rc;
		else if (rc < 0)
			script_failed(u);
	}
	if (!s || (u->script_at == s->n && !u->script_wait))
		script_over(u);
}

/* --- events --- */

static void take_event(struct ui *u, const struct engine_event *ev, const char *clock)
{
	if (!relay_event(u->relay, ev) && !ui_chore_event(u, ev))
		view_event(&u->view, ev, clock);
	if (ev->kind == EV_STOPPED)
		u->stopped = u->end = 1;
	if (ev->kind == EV_RESTART)
		u->restart = 1;
	if (ev->kind != EV_STEP && ev->kind != EV_SAMPLE)
		u->look_now = 1;
	/* A save that was under way when nothing was to be saved has nobody who waits for its end. */
	if (ev->kind == EV_LOG && ev->level == LOG_ERROR && u->stopping == STOP_NOW && u->view.leaving == LEAVING_GIVEN_UP)
		snprintf(u->failure, sizeof u->failure, "%s", ev->text);
	if (ev->kind != EV_DONE)
		return;
	if (u->script_wait && ev->id == u->script_wait) {
		u->script_wait = 0;
		if (ev->code)
			script_failed(u);
	}
	if (u->stop_id && ev->id == u->stop_id && ev->code)
		snprintf(u->failure, sizeof u->failure, "%s", ev->text);
}

static void take_events(struct ui *u)
{
	struct engine_event ev;
	char clock[12];
	ui_clock(clock);
	while (engine_event(u->engine, &ev)) {
		take_event(u, &ev, clock);
		u->dirty = 1;
	}
}

static void library_line(void *ctx, const char *text)
{
	ui_log(ctx, LOG_WARN, text);
}

static int is_quiet(const struct engine_snapshot *s)
{
	return s->state == ENGINE_EMPTY || s->state == ENGINE_PAUSED || s->state == ENGINE_STOPPED;
}

void ui_remember_run(struct ui *u)
{
	if (u->snap.run_dir[0])
		memcpy(u->run_dir, u->snap.run_dir, sizeof u->run_dir);
	if (u->snap.config.layers)
		u->run_step = u->snap.step;
}

/* Numbers change at most four times a second, so that they can be read; once a second while nothing happens, for the clock. */
static void look(struct ui *u, uint64_t now)
{
	uint64_t every = (is_quiet(&u->view.live->snap) ? 1000 : LOOK_MS) * MS;
	char clock[12];
	if (now - u->looked < (u->look_now ? 30 * MS : every) && u->looked)
		return;
	u->look_now = 0;
	u->looked = now;
	ui_clock(clock);
	engine_snapshot(u->engine, &u->snap);
	view_snapshot(&u->view, &u->snap, clock);
	ui_remember_run(u);
	u->dirty = 1;
	if (now - u->second >= 1000 * MS) {
		u->second = now;
		view_second(&u->view);
	}
}

/* --- signals --- */

static int terminal_is_gone(void)
{
	struct termios t;
	return tcgetattr(STDIN_FILENO, &t) != 0;
}

static void hang_up(struct ui *u)
{
	if (u->hung_up)
		return;
	u->hung_up = 1;
	if (u->o->on_hup == ON_HUP_EXIT) {
		u->signal = SIGHUP;
		ui_stop(u, STOP_SAVE, "SIGHUP");
		return;
	}
	if (u->view.live->snap.config.layers)
		send_op(u, CMD_CKPT, NULL);
	u->end = 1;
}

void ui_suspend(struct ui *u)
{
	struct sigaction dfl, old;
	ui_log(u, LOG_INFO, "suspended: training stops too, until fg");
	ui_draw(u, 0);
	screen_leave(u->screen);
	memset(&dfl, 0, sizeof dfl);
	dfl.sa_handler = SIG_DFL;
	sigemptyset(&dfl.sa_mask);
	sigaction(SIGTSTP, &dfl, &old);
	/* The whole group, as the terminal would: what started us (make, a script) has to stop too. */
	kill(0, SIGTSTP);
	sigaction(SIGTSTP, &old, NULL);
	screen_return(u->screen);
	ui_log(u, LOG_INFO, "going on");
	u->redraw_all = 1;
}

void ui_signals(struct ui *u)
{
	sigset_t got;
	if (!wake_read(&got))
		return;
	if (sigismember(&got, SIGTERM)) {
		u->signal = SIGTERM;
		ui_stop(u, STOP_SAVE, "SIGTERM");
	} else if (sigismember(&got, SIGINT) && u->stopping) {
		ui_give_up(u);
	} else if (sigismember(&got, SIGINT)) {
		u->signal = SIGINT;
		ui_stop(u, STOP_SAVE, "SIGINT");
	}
	if (sigismember(&got, SIGHUP))
		hang_up(u);
	if (u->screen && sigismember(&got, SIGTSTP))
		ui_suspend(u);
	if (u->screen && sigismember(&got, SIGCONT)) {
		/* Also after a stop that could not be caught: the shell has had the terminal in between. */
		screen_return(u->screen);
		u->redraw_all = 1;
	}
	u->dirty = 1;
}

/* --- frames --- */

static uint64_t frame_ns(const struct ui *u, uint64_t now)
{
	uint64_t ms = u->key && now - u->key < FAST_FOR_MS * MS ? FRAME_FAST_MS : FRAME_MS;
	return ms * (uint64_t)u->slow * MS;
}

/* A terminal behind a slow line makes refresh wait; its queue cannot be asked, only the time tells. */
static void govern(struct ui *u, uint64_t took, uint64_t frame)
{
	u->show_cost += 0.3 * ((double)took - u->show_cost);
	double part = u->show_cost / (double)frame;
	if (part > 0.25 && u->slow < SLOW_MAX)
		u->slow = MIN(u->slow * 2, SLOW_MAX);
	else if (part < 0.05 && u->slow > 1)
		u->slow = MAX(u->slow / 2, 1);
}

void ui_draw(struct ui *u, int all)
{
	int w, h;
	screen_size(u->screen, &w, &h);
	if (grid_resize(&u->grid, w, h))
		return;
	ui_sync_prompt(u);
	frame_draw(&u->grid, &u->view, &u->layout);
	uint64_t now = clock_ns(), took = screen_show(u->screen, &u->grid, all);
	if (took)
		govern(u, took, frame_ns(u, now));
	u->drawn = clock_ns();
	u->dirty = u->redraw_all = 0;
}

static void draw_when_due(struct ui *u)
{
	uint64_t now = clock_ns();
	look(u, now);
	if (u->redraw_all || (u->dirty && now - u->drawn >= frame_ns(u, now)))
		ui_draw(u, u->redraw_all);
}

/* --- waiting --- */

static uint64_t wait_ns(const struct ui *u)
{
	uint64_t now = clock_ns(), every = (is_quiet(&u->view.live->snap) ? 1000 : LOOK_MS) * MS, due = u->looked + every;
	if (u->look_now)
		due = MIN(due, u->looked + 30 * MS);
	due = MIN(due, agenda_due_ns(u->agenda));
	if (u->dirty)
		due = MIN(due, u->drawn + frame_ns(u, now));
	return due > now ? due - now : 0;
}

static void wait_for_something(struct ui *u, int *typed, int *printed)
{
	uint64_t ns = u->unread ? 0 : wait_ns(u);
	struct timeval t = {(time_t)(ns / (1000 * MS)), (suseconds_t)(ns % (1000 * MS) / 1000)};
	fd_set set;
	int top = MAX(wake_fd(), capture_fd());
	FD_ZERO(&set);
	FD_SET(wake_fd(), &set);
	if (capture_fd() >= 0)
		FD_SET(capture_fd(), &set);
	if (!u->hung_up && ui_queue_room(u) > QUEUE_ROOM)
		FD_SET(STDIN_FILENO, &set);
	int n = select(top + 1, &set, NULL, NULL, &t);
	*typed = n > 0 && FD_ISSET(STDIN_FILENO, &set);
	*printed = n > 0 && capture_fd() >= 0 && FD_ISSET(capture_fd(), &set);
}

static void read_keys(struct ui *u, int typed)
{
	struct screen_key k;
	int any = 0;
	u->unread = 0;
	while (ui_queue_room(u) > QUEUE_ROOM && screen_read_key(u->screen, &k)) {
		ui_key(u, &k);
		any = 1;
		/* The editor has its turn before the next key: what that one means may depend on the line. */
		if ((u->count && !u->pasting) || u->end) {
			u->unread = 1;
			break;
		}
	}
	if (any)
		u->key = clock_ns();
	else if (typed && terminal_is_gone())
		hang_up(u);
}

int ui_next(void *ctx, wchar_t *c)
{
	struct ui *u = ctx;
	int typed, printed;
	for (;;) {
		if (u->end)
			return 0;
		if (u->count) {
			*c = u->queue[u->head];
			u->head = (u->head + 1) % QUEUE;
			u->count--;
			u->dirty = 1;
			return 1;
		}
		ui_sync_prompt(u);
		take_events(u);
		/* Every key that curses has taken has had its turn. */
		if (u->restart && !u->unread)
			ui_restart(u);
		script_go_on(u);
		ui_chores(u);
		if (u->end)
			return 0;
		if (!u->hung_up)
			draw_when_due(u);
		wait_for_something(u, &typed, &printed);
		ui_signals(u);
		if (printed)
			capture_read(library_line, u);
		if (!u->hung_up)
			read_keys(u, typed);
	}
}

void ui_run_headless(struct ui *u)
{
	while (!u->stopped && !u->at_once) {
		wake_wait(-1, 1000);
		ui_signals(u);
		take_events(u);
		if (u->restart)
			ui_restart(u);
		script_go_on(u);
		ui_chores(u);
	}
}
