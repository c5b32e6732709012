/* saver.c: the thread that writes checkpoints, and its lease. What a file holds is ckpt.c's, how it is replaced base/save's.
 * SPDX-License-Identifier: MIT */
#include "train/saver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/trace.h"

enum save_state { SAVE_WAITS, SAVE_READS, SAVE_SETTLES, SAVE_DONE };

struct save_job {
	struct saver *saver;
	struct save_job *next;    /* younger */
	struct ckpt_file *file;
	uint64_t begun_ns;
	/* under the lock */
	enum save_state state;
	int held;                 /* it needs the model itself */
	struct save_result result; /* err and ns belong to the saver until SAVE_DONE, the rest to the owner */
};

struct saver {
	pthread_t thread;
	const atomic_int *given_up;
	int threaded;             /* 0: none was to be had. The owner's */
	uint64_t count;           /* saves begun. The owner's */

	/* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;   /* any state, or ending */
	struct save_job *first, *last;
	int ending;
};

static void move_to(struct save_job *j, enum save_state state)
{
	pthread_mutex_lock(&j->saver->lock);
	j->state = state;
	j->held = 0;
	pthread_cond_broadcast(&j->saver->changed);
	pthread_mutex_unlock(&j->saver->lock);
}

static void all_read(void *job)
{
	move_to(job, SAVE_SETTLES);
}

static void carry_out(struct save_job *j)
{
	uint64_t start = clock_ns();
	j->result.err = (struct err){0};
	int rc = ckpt_write(j->file, j->saver->given_up, all_read, j, &j->result.err);
	uint64_t end = clock_ns();
	j->result.err.code = (enum err_code)rc;
	j->result.ns = end - j->begun_ns;
	trace_span(TRACE_CKPT, "checkpoint", start, end, (int64_t)j->result.step);
	move_to(j, SAVE_DONE);
}

/* The oldest that waits; under the lock. */
static struct save_job *next_job(struct saver *s)
{
	struct save_job *j = s->first;
	while (j && j->state != SAVE_WAITS)
		j = j->next;
	return j;
}

static void *saver_loop(void *arg)
{
	struct saver *s = arg;
	struct save_job *j;
	trace_thread("saver");
	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!(j = next_job(s)) && !s->ending)
			pthread_cond_wait(&s->changed, &s->lock);
		if (!j)
			break;
		j->state = SAVE_READS;
		pthread_mutex_unlock(&s->lock);
		carry_out(j);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct saver *saver_new(const atomic_int *given_up, struct err *e)
{
	struct saver *s = mem_zalloc(1, sizeof *s);
	if (!s) {
		err_nomem(e, "ckpt: saver", sizeof *s);
		return NULL;
	}
	s->given_up = given_up;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->threaded = !thread_start(&s->thread, saver_loop, s);
	return s;
}

void saver_free(struct saver *s)
{
	struct save_result gone;
	if (!s)
		return;
	while (saver_take(s, 1, &gone))
		;
	pthread_mutex_lock(&s->lock);
	s->ending = 1;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (s->threaded)
		pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void append(struct saver *s, struct save_job *j)
{
	pthread_mutex_lock(&s->lock);
	if (s->last)
		s->last->next = j;
	else
		s->first = j;
	s->last = j;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

int saver_begin(struct saver *s, const char *path, const struct params *p, const struct train_state *st, const struct tokenizer *t, uint64_t *id, struct err *e)
{
	uint64_t start = clock_ns();
	struct save_job *j = s ? mem_zalloc(1, sizeof *j) : NULL;
	if (!j)
		return err_nomem(e, "ckpt: tables", sizeof *j);
	j->file = ckpt_begin(path, p, st, t, e);
	if (!j->file) {
		free(j);
		return e->code;
	}
	j->saver = s;
	j->begun_ns = start;
	*id = j->result.id = ++s->count;
	snprintf(j->result.path, sizeof j->result.path, "%s", path);
	j->result.step = st->step;
	j->result.bytes = ckpt_bytes(j->file);
	j->state = s->threaded ? SAVE_WAITS : SAVE_READS;
	j->held = 1;
	j->result.stall_ns = clock_ns() - start;
	append(s, j);
	if (!s->threaded) {
		carry_out(j);
		j->result.stall_ns = clock_ns() - start;
	}
	return 0;
}

/* The youngest that holds the lease; under the lock. */
static struct save_job *holder(struct saver *s)
{
	struct save_job *found = NULL;
	for (struct save_job *j = s->first; j; j = j->next)
		if (j->held)
			found = j;
	return found;
}

int saver_reads(struct saver *s)
{
	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	int held = holder(s) != NULL;
	pthread_mutex_unlock(&s->lock);
	return held;
}

/* Copies what those that hold the lease have not read yet. The saver may begin, read or end one meanwhile, but only the owner takes jobs away, and that is who is here. */
static void copy_unread(struct saver *s, uint64_t room)
{
	pthread_mutex_lock(&s->lock);
	struct save_job *j = s->first;
	pthread_mutex_unlock(&s->lock);
	for (; j; j = j->next) {
		pthread_mutex_lock(&s->lock);
		int held = j->held;
		pthread_mutex_unlock(&s->lock);
		if (!held || ckpt_copy(j->file, room))
			continue;
		room -= MIN(room, ckpt_bytes(j->file));
		pthread_mutex_lock(&s->lock);
		/* Begun only now, it will find the copy. */
		if (j->state == SAVE_WAITS)
			j->held = 0;
		pthread_mutex_unlock(&s->lock);
	}
}

/* The wait is the youngest's: it is the one whose end was waited for. */
uint64_t saver_wait_read(struct saver *s, uint64_t room)
{
	uint64_t start = clock_ns(), ns = 0;
	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	struct save_job *j = holder(s);
	pthread_mutex_unlock(&s->lock);
	if (j && room)
		copy_unread(s, room);
	pthread_mutex_lock(&s->lock);
	while (holder(s))
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	if (j) {
		ns = clock_ns() - start;
		j->result.stall_ns += ns;
		trace_span(TRACE_WAIT, "checkpoint wait", start, start + ns, (int64_t)j->result.step);
	}
	return ns;
}

int saver_take(struct saver *s, int wait, struct save_result *out)
{
	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	struct save_job *j = s->first;
	while (wait && j && j->state != SAVE_DONE)
		pthread_cond_wait(&s->changed, &s->lock);
	if (j && j->state != SAVE_DONE)
		j = NULL;
	if (j && !(s->first = j->next))
		s->last = NULL;
	pthread_mutex_unlock(&s->lock);
	if (!j)
		return 0;
	*out = j->result;
	out->ns = MAX(out->ns, out->stall_ns); /* the owner may have been at its copy, or asleep, when the saver was done */
	ckpt_end(j->file);
	free(j);
	return 1;
}
