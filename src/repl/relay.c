/* relay.c: the thread behind the socket, and the list of whose answers are whose.
 *
 * The host calls, the thread serves; between them are one lock and two queues. Commands go to the engine from the host's thread alone, as everything does. A reader that
 * does not keep up is let go: nobody waits for it. SPDX-License-Identifier: MIT */
#include "repl/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "link.h"
#include "repl/agenda.h"
#include "repl/wake.h"

enum { CLIENTS = 4, COMMANDS = 32, ANSWERS = 256, SNAPSHOT_MS = 250, EVENTS_MAX = 8192 };

/* An event for one of them (its slot and generation), or for all (-1). */
struct parcel { int to; unsigned gen; struct engine_event ev; };
struct wish { int from; unsigned gen; struct engine_cmd cmd; };
struct answer { uint32_t ours, theirs; int to; unsigned gen; };

struct relay {
	struct engine *engine;
	pthread_t thread;
	int pipe[2];

	/* under lock */
	pthread_mutex_t lock;
	int end, rebind, clients;
	char dir[1024];
	struct parcel *parcel;
	size_t nparcel, cap_parcel;
	struct wish wish[COMMANDS];
	int nwish;

	/* of the thread */
	int listening;
	char bound[1024];
	unsigned long long bound_id;
	struct link link[CLIENTS];
	unsigned gen[CLIENTS];
	uint64_t told_ns;
	struct engine_snapshot snap;
	struct engine_cmd cmd;

	/* of the host */
	struct answer answer[ANSWERS];
	int nanswer;
};

/* --- the thread ------------------------------------------------------------------------------------------------------ */

static void rebind(struct relay *r, const char *dir)
{
	if (r->listening >= 0) {
		close(r->listening);
		link_unlisten(r->bound, r->bound_id);
	}
	r->listening = *dir ? link_listen(dir, &r->bound_id, NULL) : -1;
	snprintf(r->bound, sizeof r->bound, "%s", dir);
}

/* What the host has left, taken over in one go. */
static struct parcel *take_parcels(struct relay *r, size_t *n, int *end)
{
	char byte[64], dir[sizeof r->dir];
	while (read(r->pipe[0], byte, sizeof byte) > 0)
		;
	pthread_mutex_lock(&r->lock);
	struct parcel *p = r->parcel;
	int again = r->rebind;
	*n = r->nparcel;
	*end = r->end;
	r->parcel = NULL;
	r->nparcel = r->cap_parcel = 0;
	r->rebind = 0;
	memcpy(dir, r->dir, sizeof dir);
	pthread_mutex_unlock(&r->lock);
	if (again)
		rebind(r, dir);
	return p;
}

static void give(struct relay *r, const struct parcel *p)
{
	for (int i = 0; i < CLIENTS; i++)
		if (r->link[i].fd >= 0 && r->link[i].greeted > 0 && (p->to < 0 || (p->to == i && p->gen == r->gen[i])))
			link_put(&r->link[i], LINK_EVENT, &p->ev, sizeof p->ev);
}

static void let_in(struct relay *r)
{
	for (int i = 0; i < CLIENTS; i++)
		if (r->link[i].fd < 0 && !link_accept(r->listening, &r->link[i])) {
			r->gen[i]++;
			r->told_ns = 0;
			return;
		}
}

static void take_wishes(struct relay *r, int i)
{
	int kind, any = 0;
	while ((kind = link_next(&r->link[i], &r->cmd, sizeof r->cmd)) >= 0) {
		if (kind != LINK_COMMAND)
			continue;
		pthread_mutex_lock(&r->lock);
		if (r->nwish < COMMANDS)
			r->wish[r->nwish++] = (struct wish){i, r->gen[i], r->cmd};
		pthread_mutex_unlock(&r->lock);
		any = 1;
	}
	if (any)
		wake_engine(NULL);
}

static void tell_snapshot(struct relay *r)
{
	uint64_t now = clock_ns();
	if (now - r->told_ns < SNAPSHOT_MS * 1000000ull)
		return;
	r->told_ns = now;
	engine_snapshot(r->engine, &r->snap);
	for (int i = 0; i < CLIENTS; i++)
		if (r->link[i].fd >= 0 && r->link[i].greeted > 0)
			link_put(&r->link[i], LINK_SNAPSHOT, &r->snap, sizeof r->snap);
}

static void count_clients(struct relay *r)
{
	int n = 0;
	for (int i = 0; i < CLIENTS; i++)
		n += r->link[i].fd >= 0;
	pthread_mutex_lock(&r->lock);
	r->clients = n;
	pthread_mutex_unlock(&r->lock);
}

static void wait_for_something(struct relay *r)
{
	struct pollfd p[CLIENTS + 2] = {{r->pipe[0], POLLIN, 0}, {r->listening, POLLIN, 0}};
	int any = 0;
	for (int i = 0; i < CLIENTS; i++) {
		p[i + 2] = (struct pollfd){r->link[i].fd, (short)(POLLIN | (r->link[i].out.len ? POLLOUT : 0)), 0};
		any |= r->link[i].fd >= 0;
	}
	poll(p, CLIENTS + 2, any ? SNAPSHOT_MS : -1);
}

static void *serve(void *arg)
{
	struct relay *r = arg;
	for (;;) {
		size_t n;
		int end;
		struct parcel *p = take_parcels(r, &n, &end);
		for (size_t i = 0; i < n; i++)
			give(r, &p[i]);
		free(p);
		if (r->listening >= 0)
			let_in(r);
		count_clients(r); /* before their first words: what those lead to is kept for them */
		tell_snapshot(r);
		for (int i = 0; i < CLIENTS; i++)
			if (r->link[i].fd >= 0 && !link_pump(&r->link[i]))
				take_wishes(r, i);
		if (end)
			break;
		wait_for_something(r);
	}
	for (int i = 0; i < CLIENTS; i++)
		link_close(&r->link[i]);
	rebind(r, "");
	return NULL;
}

/* --- the host ---------------------------------------------------------------------------------------------------------- */

static void poke(struct relay *r)
{
	if (write(r->pipe[1], "", 1) < 0)
		return; /* full: it is awake already */
}

struct relay *relay_new(struct engine *g)
{
	struct relay *r = mem_zalloc(1, sizeof *r);
	if (!r || pipe(r->pipe)) {
		free(r);
		return NULL;
	}
	for (int i = 0; i < 2; i++) {
		fcntl(r->pipe[i], F_SETFD, FD_CLOEXEC);
		fcntl(r->pipe[i], F_SETFL, O_NONBLOCK);
	}
	r->engine = g;
	r->listening = -1;
	for (int i = 0; i < CLIENTS; i++)
		r->link[i].fd = -1;
	pthread_mutex_init(&r->lock, NULL);
	if (!thread_start(&r->thread, serve, r))
		return r;
	pthread_mutex_destroy(&r->lock);
	close(r->pipe[0]);
	close(r->pipe[1]);
	free(r);
	return NULL;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->end = 1;
	pthread_mutex_unlock(&r->lock);
	poke(r);
	pthread_join(r->thread, NULL);
	pthread_mutex_destroy(&r->lock);
	close(r->pipe[0]);
	close(r->pipe[1]);
	free(r->parcel);
	free(r);
}

void relay_bind(struct relay *r, const char *run_dir)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->rebind = strcmp(r->dir, run_dir) != 0;
	snprintf(r->dir, sizeof r->dir, "%s", run_dir);
	int poked = r->rebind;
	pthread_mutex_unlock(&r->lock);
	if (poked)
		poke(r);
}

static void post(struct relay *r, int to, unsigned gen, const struct engine_event *ev, uint32_t id)
{
	pthread_mutex_lock(&r->lock);
	int first = !r->nparcel, wanted = r->clients > 0 && r->nparcel < EVENTS_MAX;
	if (wanted && !mem_grow(&r->parcel, &r->cap_parcel, r->nparcel + 1, sizeof *r->parcel)) {
		r->parcel[r->nparcel] = (struct parcel){to, gen, *ev};
		r->parcel[r->nparcel++].ev.id = id;
	}
	pthread_mutex_unlock(&r->lock);
	if (wanted && first)
		poke(r);
}

static int find_answer(const struct relay *r, uint32_t id)
{
	for (int i = 0; id && i < r->nanswer; i++)
		if (r->answer[i].ours == id)
			return i;
	return -1;
}

int relay_event(struct relay *r, const struct engine_event *ev)
{
	int k = r ? find_answer(r, ev->id) : -1, is_answer = ev->kind == EV_TEXT || ev->kind == EV_DONE;
	if (!r)
		return 0;
	if (ev->kind == EV_RESET)
		relay_bind(r, ev->text);
	if (k >= 0) {
		struct answer a = r->answer[k];
		post(r, a.to, a.gen, ev, a.theirs);
		if (ev->kind == EV_DONE)
			r->answer[k] = r->answer[--r->nanswer];
	} else if (!is_answer && ev->kind != EV_HAPPENED && ev->kind != EV_OVER) {
		post(r, -1, 0, ev, 0);
	}
	return k >= 0 && is_answer;
}

void relay_log(struct relay *r, int level, const char *text)
{
	struct engine_event ev = {.kind = EV_LOG, .level = level};
	snprintf(ev.text, sizeof ev.text, "%s", text);
	if (r)
		post(r, -1, 0, &ev, 0);
}

static void answer(struct relay *r, const struct wish *w, int code, const char *why)
{
	struct engine_event ev = {.kind = EV_DONE, .code = code};
	snprintf(ev.text, sizeof ev.text, "%s", why);
	post(r, w->from, w->gen, &ev, w->cmd.id);
}

static void answer_text(struct relay *r, const struct wish *w, const struct str *s)
{
	for (size_t at = 0, n; at < s->len; at += n) {
		struct engine_event ev = {.kind = EV_TEXT};
		n = utf8_chunk(s->s + at, s->len - at, sizeof ev.text - 1);
		memcpy(ev.text, s->s + at, n);
		post(r, w->from, w->gen, &ev, w->cmd.id);
	}
}

/* Word i, or NULL. */
static const char *word(const struct engine_cmd *c, int i)
{
	size_t at = 0;
	for (int k = 0; k < i && at < sizeof c->words; k++)
		at += strlen(c->words + at) + 1;
	return i < c->argc && at < sizeof c->words ? c->words + at : NULL;
}

/* A rule is kept here and acts here: whoever gave it may be gone when it happens. */
static void take_rule(struct relay *r, struct agenda *a, struct wish *w)
{
	struct str out = {0};
	struct err e = {0};
	w->cmd.words[ENGINE_WORDS - 1] = 0;
	const char *event = word(&w->cmd, 0), *command = word(&w->cmd, 1);
	int rc = agenda_on(a, event, command, &out, &e);
	if (!rc && command && strcmp(command, "off"))
		str_printf(&out, "on %s: kept by the process that trains, also when nobody is attached (`on %s off` takes it away)\n", event, event);
	if (!out.failed)
		answer_text(r, w, &out);
	answer(r, w, rc, rc ? e.msg : "");
	str_done(&out);
}

static void send_wish(struct relay *r, struct wish *w)
{
	struct err e = {0};
	uint32_t theirs = w->cmd.id;
	if (w->cmd.op < 0 || w->cmd.op >= CMD_N || w->cmd.argc < 0 || r->nanswer == ANSWERS) {
		answer(r, w, ERR_STATE, "attach: too many commands at once");
		return;
	}
	w->cmd.id = engine_next_id(r->engine);
	w->cmd.words[ENGINE_WORDS - 1] = 0;
	if (engine_send(r->engine, &w->cmd, &e)) {
		w->cmd.id = theirs;
		answer(r, w, e.code, e.msg);
		return;
	}
	r->answer[r->nanswer++] = (struct answer){w->cmd.id, theirs, w->from, w->gen};
}

int relay_turn(struct relay *r, struct agenda *a)
{
	struct wish *w = NULL;
	int n = 0, end = 0;
	if (!r)
		return 0;
	pthread_mutex_lock(&r->lock);
	if (r->nwish && (w = mem_zalloc((size_t)r->nwish, sizeof *w))) {
		n = r->nwish;
		memcpy(w, r->wish, (size_t)n * sizeof *w);
		r->nwish = 0;
	}
	pthread_mutex_unlock(&r->lock);
	for (int i = 0; i < n; i++) {
		if (w[i].cmd.op == CMD_STOP_RUN) {
			answer(r, &w[i], 0, "");
			end = 1;
		} else if (w[i].cmd.op == CMD_ON) {
			take_rule(r, a, &w[i]);
		} else {
			send_wish(r, &w[i]);
		}
	}
	free(w);
	return end;
}
