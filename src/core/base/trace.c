/* trace.c: one table of spans that every thread adds to without a lock, and its way into JSON.
 *
 * A writer announces itself (`writers`), looks whether recording is on, takes a place and fills it; the end switches recording off and waits until no writer is
 * left. So the table is read and freed by nobody's side, and threads meet in three atomics only. This is the one place of core with state of the whole process:
 * handing a table to every thread and every struct that is timed would make each of them know of it. SPDX-License-Identifier: MIT */
#include "base/trace.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/save.h"
#include "base/str.h"

enum { NAME = 24, LANES = 300, WRITE_AT = 1 << 16 };

struct span {
	uint64_t begin, ns;
	int64_t number;
	char name[NAME];
	uint16_t lane, kind;
};

static const char *const kind_name[TRACE_KINDS] = {"program", "host", "wait", "async", "loop", "step", "checkpoint", "sample", "evaluation"};
static const char *const number_name[TRACE_KINDS] = {"layer", "layer", "layer", "layer", "tasks", "step", "step", "token", "step"};

atomic_int trace_recording;

/* The caller's of begin, end and write; writers read them between announcing themselves and leaving. */
static struct span *table;
static size_t room;
static uint64_t origin;

/* All threads', atomically. */
static atomic_int writers;
static atomic_size_t taken;

/* Under the lock: what threads are called. Those of one name have one lane: a pool that is made anew goes on in it. */
static pthread_mutex_t lanes_lock = PTHREAD_MUTEX_INITIALIZER;
static char lane_name[LANES][NAME] = {"thread"};
static int nlane = 1;

static _Thread_local int my_lane;

void trace_thread(const char *name)
{
	char cut[NAME];
	snprintf(cut, sizeof cut, "%s", name);
	pthread_mutex_lock(&lanes_lock);
	int i = 0;
	while (i < nlane && strcmp(lane_name[i], cut))
		i++;
	if (i == nlane && nlane < LANES)
		memcpy(lane_name[nlane++], cut, sizeof cut);
	my_lane = i < nlane ? i : 0;
	pthread_mutex_unlock(&lanes_lock);
}

static void put(enum trace_kind kind, const char *name, uint64_t begin, uint64_t end, int64_t number)
{
	if (begin < origin || end < begin)
		return;
	size_t at = atomic_fetch_add(&taken, 1);
	if (at >= room)
		return;
	struct span *s = &table[at];
	*s = (struct span){.begin = begin - origin, .ns = end - begin, .number = number, .lane = (uint16_t)my_lane, .kind = (uint16_t)kind};
	snprintf(s->name, sizeof s->name, "%s", name);
}

void trace_span(enum trace_kind kind, const char *name, uint64_t begin, uint64_t end, int64_t number)
{
	if (!trace_on())
		return;
	atomic_fetch_add(&writers, 1);
	if (atomic_load(&trace_recording)) /* again: the end may lie between */
		put(kind, name, begin, end, number);
	atomic_fetch_sub(&writers, 1);
}

int trace_begin(size_t spans, struct err *e)
{
	if (table)
		return err_set(e, ERR_STATE, "trace: a timeline is being recorded already (trace stop)");
	struct span *t = mem_zalloc(spans, sizeof *t);
	if (!t)
		return err_nomem(e, "trace", (unsigned long long)spans * sizeof *t);
	table = t;
	room = spans;
	origin = clock_ns();
	atomic_store(&taken, 0);
	atomic_store(&trace_recording, 1);
	return 0;
}

void trace_end(void)
{
	atomic_store(&trace_recording, 0);
	while (atomic_load(&writers))
		sched_yield();
}

void trace_drop(void)
{
	trace_end();
	free(table);
	table = NULL;
	room = 0;
}

size_t trace_count(void)
{
	return MIN(atomic_load(&taken), room);
}

uint64_t trace_lost(void)
{
	size_t n = atomic_load(&taken);
	return n > room ? n - room : 0;
}

/* --- JSON --- */

static void json_lanes(struct str *b)
{
	pthread_mutex_lock(&lanes_lock);
	str_puts(b, "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":1,\"tid\":0,\"args\":{\"name\":\"anetui\"}}");
	for (int i = 0; i < nlane; i++) {
		str_printf(b, ",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":%d,\"args\":{\"name\":", i);
		str_json(b, lane_name[i], strlen(lane_name[i]));
		str_puts(b, "}}");
	}
	pthread_mutex_unlock(&lanes_lock);
}

/* Times are microseconds with three digits behind the point, written from whole nanoseconds: nothing is rounded, what is nested stays so. */
static void json_span(struct str *b, const struct span *s)
{
	str_puts(b, ",\n{\"ph\":\"X\",\"name\":");
	str_json(b, s->name, strlen(s->name));
	str_printf(b, ",\"cat\":\"%s\",\"pid\":1,\"tid\":%d,\"ts\":%llu.%03u,\"dur\":%llu.%03u", kind_name[s->kind], s->lane, (unsigned long long)(s->begin / 1000),
		   (unsigned)(s->begin % 1000), (unsigned long long)(s->ns / 1000), (unsigned)(s->ns % 1000));
	if (s->number != TRACE_NONE)
		str_printf(b, ",\"args\":{\"%s\":%lld}", number_name[s->kind], (long long)s->number);
	str_putc(b, '}');
}

static int flush(struct save *s, struct str *b, struct err *e)
{
	int rc = b->failed ? err_nomem(e, "trace", b->cap) : save_write(s, b->s, b->len, e);
	str_clear(b);
	return rc;
}

int trace_write(const char *path, struct err *e)
{
	struct save s;
	struct str b = {0};
	int rc = save_begin(&s, path, 128 * (unsigned long long)trace_count(), e);
	if (rc)
		return rc;
	str_puts(&b, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
	json_lanes(&b);
	for (size_t i = 0, n = trace_count(); i < n && !rc; i++) {
		json_span(&b, &table[i]);
		if (b.len > WRITE_AT)
			rc = flush(&s, &b, e);
	}
	str_printf(&b, "\n],\"otherData\":{\"spans\":%zu,\"lost\":%llu}}\n", trace_count(), (unsigned long long)trace_lost());
	rc = rc ? rc : flush(&s, &b, e);
	rc = rc ? rc : save_commit(&s, e);
	if (rc)
		save_abort(&s);
	str_done(&b);
	return rc;
}
