/* plain.c: one command after the other, each finished before the next; signals and the end. What is printed is in plain_out.c, the prompt in plain_tty.c.
 * SPDX-License-Identifier: MIT */
#include "repl/plain.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repl/agenda.h"
#include "repl/plain_out.h"
#include "repl/plain_tty.h"
#include "repl/relay.h"
#include "repl/restart.h"
#include "repl/shell.h"
#include "repl/wake.h"
#include "repl/words.h"

enum quit_kind { QUIT_NOT, QUIT_SAVE, QUIT_NOW };
enum phase { IN_SCRIPT, IN_INPUT, IN_END };

/* Standard input as a script. */
struct reader {
	struct str text;
	size_t at;   /* where the next line begins */
	size_t len;  /* of the line that was read last: a zero byte in it is seen by that */
	int ended, number;
};

struct plain {
	const struct plain_options *o;
	struct engine *engine;
	struct shell *shell;
	struct agenda *agenda;
	struct relay *relay;    /* who is attached; NULL: nobody can */
	uint32_t watch_id;      /* the watched command that is being answered */
	struct plain_out *out;
	uint32_t waiting;       /* the command that is waited for; 0: none */
	int code;               /* ... and how it ended */
	char text[EVENT_TEXT];
	int stopped;            /* the worker has ended */
	enum quit_kind quit;
	int interrupts;         /* since the latest command began */
	int signal;             /* to be raised again at the end */
	int status;
	int hung_up;
	int at_prompt;
	enum phase phase;
	int line;               /* of the script: the next one */
	int keep_going;         /* the line that runs may fail */
	char where[1100];       /* ... and where it came from */
	struct reader in;
	struct plain_tty *tty;
};

static const struct handover_field fields[] = {
#define F(name) HANDOVER_FIELD(struct plain, name)
	F(waiting), F(code), F(text), F(quit), F(interrupts), F(signal), F(status), F(hung_up), F(phase), F(line), F(keep_going), F(where), F(in.ended),
	F(in.number), F(watch_id),
#undef F
};

/* --- events and signals --- */

static int take_signals(struct plain *p);

/* Comes back only when there is no new process to be had: then this one goes on without what needed it. */
static void restart(struct plain *p)
{
	struct err e = {0};
	struct handover *h = handover_new(&e);
	restart_hold_signals();
	take_signals(p);
	if (h && !engine_hand_over(p->engine, h, &e)) {
		handover_put_fields(h, "plain", fields, ARRAY_LEN(fields), p);
		handover_put(h, "plain.input", p->in.text.s ? p->in.text.s + p->in.at : "", p->in.text.len - p->in.at);
		script_hand_over(p->o->script, h);
		agenda_hand_over(p->agenda, h);
		plain_out_flush(p->out);
		plain_out_hand_over(p->out, h);
		if (p->tty)
			plain_tty_save(p->tty);
		restart_exec(h, &e);
	}
	handover_free(h);
	restart_release_signals();
	if (engine_go_on(p->engine, e.msg, &e)) {
		plain_out_line(p->out, "", e.msg);
		p->stopped = p->status = 1;
	}
}

/* What nobody waits for: the watched command, or one of a rule. A watched command that fails is not tried again. */
static void chore_done(struct plain *p, const struct engine_event *ev)
{
	int watched = ev->id == p->watch_id;
	if (watched) {
		p->watch_id = 0;
		agenda_watch_done(p->agenda, clock_ns());
	}
	if (ev->code && ev->code != ERR_CANCEL) {
		plain_out_line(p->out, watched ? "watch" : "on", ev->text);
		if (watched)
			agenda_watch_end(p->agenda);
	}
}

static void take_event(struct plain *p, const struct engine_event *ev)
{
	if (relay_event(p->relay, ev))
		return;
	if (ev->kind == EV_STOPPED)
		p->stopped = 1;
	if (ev->kind == EV_RESTART)
		restart(p);
	agenda_event(p->agenda, ev);
	if (ev->kind == EV_DONE && ev->id == p->waiting) {
		p->waiting = 0;
		p->code = ev->code;
		snprintf(p->text, sizeof p->text, "%s", ev->text);
	} else if (ev->kind == EV_DONE) {
		chore_done(p, ev);
	}
	plain_out_event(p->out, ev);
}

static void take_events(struct plain *p)
{
	struct engine_event ev;
	while (engine_event(p->engine, &ev))
		take_event(p, &ev);
}

static void quit_by(struct plain *p, int sig)
{
	if (p->quit == QUIT_NOT)
		p->quit = QUIT_SAVE;
	p->signal = sig;
	engine_cancel(p->engine);
}

static uint32_t send_op(struct plain *p, int op, const char *word)
{
	struct engine_cmd *c = mem_zalloc(1, sizeof *c);
	struct err e;
	uint32_t id = 0;
	if (!c)
		return 0;
	c->id = engine_next_id(p->engine);
	c->op = op;
	c->scripted = 1;
	c->argc = word != NULL;
	snprintf(c->words, sizeof c->words, "%s", word ? word : "");
	if (engine_send(p->engine, c, &e))
		plain_out_line(p->out, "", e.msg);
	else
		id = c->id;
	free(c);
	return id;
}

/* The terminal is gone. Either that is the end, or a checkpoint is made, nothing is printed any more and what runs goes on. */
static void hang_up(struct plain *p)
{
	if (p->o->on_hup == ON_HUP_EXIT) {
		quit_by(p, SIGHUP);
		return;
	}
	p->hung_up = 1;
	plain_out_mute(p->out);
	if (plain_out_snapshot(p->out)->step > 0)
		send_op(p, CMD_CKPT, NULL);
}

/* The first interrupt ends what runs, another one the program; at the prompt it clears the line. */
static void interrupt(struct plain *p)
{
	if (p->at_prompt)
		return;
	if (++p->interrupts == 1 && p->waiting)
		engine_cancel(p->engine);
	else
		quit_by(p, SIGINT);
}

/* In the end a save is on its way. Who closes the terminal or asks for the end again does not want to lose it; ^C says that it is not waited for, and again, that nothing is. */
static void interrupt_end(struct plain *p)
{
	engine_give_up(p->engine);
	p->signal = SIGINT;
	plain_out_line(p->out, "", "interrupted: the last save is given up (once more: ends at once)");
	signal(SIGINT, SIG_DFL);
}

/* 1: there were some. */
static int take_signals(struct plain *p)
{
	sigset_t got;
	if (!wake_read(&got))
		return 0;
	if (p->phase == IN_END) {
		if (sigismember(&got, SIGINT))
			interrupt_end(p);
		return 1;
	}
	if (sigismember(&got, SIGTERM))
		quit_by(p, SIGTERM);
	if (sigismember(&got, SIGHUP))
		hang_up(p);
	if (sigismember(&got, SIGINT))
		interrupt(p);
	return 1;
}

static int64_t begin_chore(struct plain *p, const char *what, const char *line)
{
	struct err e;
	char text[EVENT_TEXT];
	int64_t rc = shell_due(p->shell, line, &e);
	if (rc < 0) {
		plain_out_line(p->out, what, e.msg);
		snprintf(text, sizeof text, "%s: %.400s", what, e.msg);
		relay_log(p->relay, LOG_ERROR, text);
	}
	return rc;
}

/* What a rule does is told to those who are attached, too: it may be theirs. */
static void run_rule(struct plain *p, const char *event, const char *line)
{
	char what[16], text[AGENDA_LINE + 32];
	snprintf(what, sizeof what, "on %s", event);
	snprintf(text, sizeof text, "%s: %s", what, line);
	plain_out_line(p->out, what, line);
	relay_log(p->relay, LOG_INFO, text);
	begin_chore(p, what, line);
}

/* Runs what is due: rules of `on`, and the watched command. */
static void chores(struct plain *p)
{
	char line[AGENDA_LINE];
	const char *event;
	enum quit_kind before = p->quit;
	if (relay_turn(p->relay, p->agenda) && p->quit == QUIT_NOT)
		p->quit = QUIT_SAVE;
	while (p->phase != IN_END && p->quit == QUIT_NOT && agenda_next_rule(p->agenda, line, &event))
		run_rule(p, event, line);
	if (before == QUIT_NOT && p->quit != QUIT_NOT) /* a rule, or who is attached, wants so: nothing is waited for any more */
		engine_cancel(p->engine);
	if (p->phase != IN_END && p->quit == QUIT_NOT && agenda_watch_due(p->agenda, clock_ns(), line))
		p->watch_id = agenda_watch_begun(p->agenda, begin_chore(p, "watch", line));
}

/* Waits at most a second for something to happen, or until `fd` can be read (then 1), and deals with it. */
static int look(struct plain *p, int fd)
{
	uint64_t now = clock_ns(), due = agenda_due_ns(p->agenda);
	int can_read = wake_wait(fd, due < now + 1000000000 ? (int)((due > now ? due - now : 0) / 1000000) + 1 : 1000);
	take_signals(p);
	take_events(p);
	chores(p);
	plain_out_progress(p->out);
	/* Nobody reads any more, or the disk is full: what was learned is saved, and that is all. */
	if (plain_out_flush(p->out) && p->quit == QUIT_NOT) {
		p->quit = QUIT_SAVE;
		p->status = 1;
		engine_cancel(p->engine);
	}
	return can_read;
}

/* --- one line --- */

/* 0: go on; -1: the script ends here (p->status, or quit). */
static int end_line(struct plain *p, int64_t rc, const char *msg)
{
	plain_out_flush(p->out);
	if (rc < 0 && p->quit == QUIT_NOT) {
		plain_out_line(p->out, p->where, msg);
		if (!p->keep_going)
			p->status = rc == ERR_USAGE ? 2 : 1;
	}
	return p->quit != QUIT_NOT || p->stopped || (rc < 0 && !p->keep_going) ? -1 : 0;
}

static int wait_for_line(struct plain *p)
{
	struct err e = {0};
	while (p->waiting && !p->stopped)
		look(p, -1);
	int rc = p->waiting ? err_set(&e, ERR_STATE, "engine: ended by itself") : p->code;
	if (rc < 0 && !p->waiting)
		err_set(&e, (enum err_code)rc, "%s", p->text);
	plain_out_command_done(p->out);
	return end_line(p, rc, e.msg);
}

/* Runs a line to its end. */
static int run_line(struct plain *p, const char *text, const char *where)
{
	struct err e = {0};
	words_begin(text, &p->keep_going);
	snprintf(p->where, sizeof p->where, "%s", where);
	p->interrupts = 0;
	int64_t rc = shell_line(p->shell, text, &e);
	if (rc <= 0)
		return end_line(p, rc, e.msg);
	p->waiting = (uint32_t)rc;
	return wait_for_line(p);
}

/* Is there the run that was to be gone on with? The engine has told when not. A pause of what does not train yet is answered when that is known. */
static int check_resumed(struct plain *p)
{
	p->waiting = send_op(p, CMD_PAUSE, NULL);
	while (p->waiting && !p->stopped)
		look(p, -1);
	if (*plain_out_snapshot(p->out)->run_dir || p->quit != QUIT_NOT)
		return 0;
	p->status = 1;
	return -1;
}

static int run_script(struct plain *p, const struct script *s)
{
	while (p->line < s->n) {
		const struct script_line *l = &s->line[p->line++];
		if (run_line(p, l->text, l->where))
			return -1;
	}
	return 0;
}

/* --- standard input --- */

/* The next line of standard input (until the next call), or NULL at its end. Waiting for it does not keep signals from being seen. */
static char *read_line(struct plain *p)
{
	struct reader *r = &p->in;
	char block[4096];
	for (;;) {
		char *from = r->text.s ? r->text.s + r->at : NULL, *nl = from ? memchr(from, '\n', r->text.len - r->at) : NULL;
		if (nl || (r->ended && from && r->at < r->text.len)) {
			size_t n = nl ? (size_t)(nl - from) : r->text.len - r->at;
			from[n] = 0;
			r->len = n;
			r->at += n + (nl != NULL);
			r->number++;
			return from;
		}
		if (r->ended || p->quit != QUIT_NOT || p->stopped || r->text.failed)
			return NULL;
		if (r->at) {
			memmove(r->text.s, from, r->text.len - r->at);
			r->text.len -= r->at;
			r->at = 0;
		}
		if (!look(p, STDIN_FILENO))
			continue;
		ssize_t n = read(STDIN_FILENO, block, sizeof block);
		if (n > 0)
			str_add(&r->text, block, (size_t)n);
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			r->ended = 1;
	}
}

static void run_pipe(struct plain *p)
{
	char where[32], *line;
	while ((line = read_line(p))) {
		snprintf(where, sizeof where, "stdin:%d", p->in.number);
		if (strlen(line) != p->in.len) {
			plain_out_line(p->out, where, "script: a zero byte (no text?)");
			if (*line == '-')
				continue;
			p->status = 1;
			break;
		}
		if (run_line(p, line, where))
			break;
	}
}

static int while_typing(void *ctx)
{
	struct plain *p = ctx;
	int signals = take_signals(p);
	take_events(p);
	return signals || p->quit != QUIT_NOT || p->stopped;
}

/* A prompt on the terminal itself. A failed command is told and forgotten. */
static void run_prompt(struct plain *p)
{
	struct plain_tty *t = p->tty = plain_tty_new(p->o->history, plain_out_snapshot(p->out), p->agenda, while_typing, p);
	if (!t) {
		run_pipe(p);
		return;
	}
	while (p->quit == QUIT_NOT && !p->stopped) {
		p->at_prompt = 1;
		enum plain_tty_result r = plain_tty_line(t);
		p->at_prompt = 0;
		if (r == PLAIN_TTY_END)
			break;
		if (r == PLAIN_TTY_GIVEN_UP)
			continue;
		run_line(p, plain_tty_text(t), "");
		p->status = 0;
		plain_out_snapshot(p->out); /* for completion */
	}
	p->tty = NULL;
	plain_tty_free(t);
}

/* --- beginning and end --- */

static void host_text(void *ctx, const char *s)
{
	struct plain *p = ctx;
	plain_out_text(p->out, s);
}

static void host_quit(void *ctx, int now)
{
	struct plain *p = ctx;
	p->quit = now ? QUIT_NOW : QUIT_SAVE;
}

static const char *reason(const struct plain *p)
{
	switch (p->signal) {
	case SIGTERM:
		return "SIGTERM";
	case SIGHUP:
		return "SIGHUP";
	case SIGINT:
		return "SIGINT";
	}
	return p->status ? "error" : "quit";
}

static int is_ignored(int sig)
{
	struct sigaction a;
	return !sigaction(sig, NULL, &a) && a.sa_handler == SIG_IGN;
}

static void finish(struct plain *p)
{
	/* In a new process it is on its way already. */
	if (p->phase != IN_END) {
		shell_record_end(p->shell);
		p->waiting = p->stopped ? 0 : send_op(p, p->quit == QUIT_NOW ? CMD_STOP_NOW : CMD_STOP_SAVE, reason(p));
	}
	p->phase = IN_END;
	uint32_t asked = p->waiting;
	while (asked && !p->stopped)
		look(p, -1);
	plain_out_command_done(p->out);
	plain_out_flush(p->out);
	if (asked && !p->waiting && p->code) {
		plain_out_line(p->out, "", p->text);
		if (!p->status)
			p->status = 1;
	}
}

/* As it was when the process before this one came to its end. */
static int take_over(struct plain *p, const struct handover *h, struct err *e)
{
	size_t n;
	const char *text = handover_find(h, "plain.input", &n);
	int rc = handover_get_fields(h, "plain", fields, ARRAY_LEN(fields), p, e);
	if (text && n)
		str_add(&p->in.text, text, n);
	if (!rc)
		rc = agenda_take_over(p->agenda, h, e);
	return rc ? rc : plain_out_take_over(p->out, h, e);
}

static void handle_signals(struct plain *p)
{
	wake_on_signal(SIGINT);
	wake_on_signal(SIGTERM);
	if (!is_ignored(SIGHUP)) /* nohup */
		wake_on_signal(SIGHUP);
	wake_on_signal_restart(SIGCONT); /* what was measured across a stop is no speed: base/clock.h */
	restart_signals_on(p->o->from);
}

/* Script, then input, each from where it is. */
static void run_all(struct plain *p)
{
	const struct plain_options *o = p->o;
	if (p->phase == IN_END)
		return;
	int prompt = p->phase == IN_INPUT && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (o->from && p->waiting && wait_for_line(p) && !prompt)
		return;
	if (prompt)
		p->status = 0;
	if (!o->from && o->resumed && check_resumed(p))
		return;
	if (p->phase == IN_SCRIPT && (run_script(p, o->script) || !o->read_input))
		return;
	p->phase = IN_INPUT;
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		run_prompt(p);
	else
		run_pipe(p);
}

int plain_run(struct engine *g, const struct plain_options *o)
{
	struct plain p = {.o = o, .engine = g};
	struct err e = {0};
	p.agenda = agenda_new(&e);
	const struct shell_host host = {.ctx = &p, .text = host_text, .quit = host_quit, .agenda = p.agenda};
	p.out = p.agenda ? plain_out_new(g, &e) : NULL;
	p.shell = p.out ? shell_new(g, &host, 1, &e) : NULL;
	if (!p.shell || (o->from && take_over(&p, o->from, &e))) {
		shell_free(p.shell);
		agenda_free(p.agenda);
		fprintf(stderr, "anetui: %s\n", e.msg);
		plain_out_free(p.out);
		return 1;
	}
	const struct engine_snapshot *now = plain_out_snapshot(p.out);
	p.relay = now->view.kind == VIEW_NONE ? relay_new(g) : NULL;
	if (o->from)
		relay_bind(p.relay, now->run_dir);
	handle_signals(&p);
	run_all(&p);
	finish(&p);
	str_done(&p.in.text);
	shell_free(p.shell);
	agenda_free(p.agenda);
	relay_free(p.relay);
	plain_out_free(p.out);
	return p.signal ? 128 + p.signal : p.status;
}
