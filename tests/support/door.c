/* door.c: an engine under test: sends commands, waits for their ends, keeps what was said. Checks nothing but that each ends once.
 * SPDX-License-Identifier: MIT */
#include "support/door.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define SMALL "demo layers=1 dim=32 hidden=48 heads=2 kv_heads=1 head_dim=16 vocab=300"

/* Those that are open. The door itself may be gone: a test that fails jumps out of its frame. */
enum { OPEN_MAX_DOORS = 16 };
static struct { struct engine *g; int stopped; } opened[OPEN_MAX_DOORS];

static void take_done(struct door *d, const struct engine_event *ev)
{
	if (door_answers(d, ev->id))
		fail_msg("command %u is done twice", (unsigned)ev->id);
	assert_true(d->ndone < DOOR_DONE);
	d->done[d->ndone].id = ev->id;
	d->done[d->ndone++].code = ev->code;
	d->code = ev->code;
	snprintf(d->msg, sizeof d->msg, "%s", ev->text);
}

static void take(struct door *d, const struct engine_event *ev)
{
	switch (ev->kind) {
	case EV_TEXT: str_puts(&d->out, ev->text); break;
	case EV_LOG: str_printf(&d->log, "%s\n", ev->text); break;
	case EV_SAMPLE: str_puts(&d->sample, ev->text); break;
	case EV_STEP:
		if (d->nstep < DOOR_STEPS)
			d->step[d->nstep++] = ev->obs;
		break;
	case EV_EVAL:
		d->neval++;
		d->best_val = ev->obs.val >= d->best_val ? d->best_val : ev->obs.val;
		break;
	case EV_MARK: d->nmark++; break;
	case EV_CKPT: d->nckpt++; break;
	case EV_RESET: d->nreset++; break;
	case EV_SAMPLE_BEGIN: d->nbegin++; break;
	case EV_HAPPENED: d->happened[ev->code]++; break;
	case EV_STOPPED:
		d->stopped = 1;
		for (int i = 0; i < OPEN_MAX_DOORS; i++)
			opened[i].stopped |= opened[i].g == d->g;
		break;
	case EV_DONE: take_done(d, ev); break;
	default: break;
	}
}

void door_nap(void)
{
	struct timespec t = {0, 1000000};
	nanosleep(&t, NULL);
}

uint32_t door_send_words(struct door *d, int op, const char *const *word, int n, int scripted)
{
	struct engine_cmd c = {.id = engine_next_id(d->g), .op = op, .argc = n, .scripted = scripted};
	size_t at = 0;
	for (int i = 0; i < n; i++) {
		memcpy(c.words + at, word[i], strlen(word[i]) + 1);
		at += strlen(word[i]) + 1;
	}
	assert_int_equal(engine_send(d->g, &c, NULL), 0);
	return c.id;
}

uint32_t door_send(struct door *d, int op, const char *line, int scripted)
{
	char buf[512];
	const char *word[32];
	int n = 0;
	snprintf(buf, sizeof buf, "%s", line);
	for (char *p = strtok(buf, " "); p; p = strtok(NULL, " "))
		word[n++] = p;
	return door_send_words(d, op, word, n, scripted);
}

int door_answers(const struct door *d, uint32_t id)
{
	int n = 0;
	for (int i = 0; i < d->ndone; i++)
		n += d->done[i].id == id;
	return n;
}

void door_look(struct door *d)
{
	struct engine_event ev;
	while (engine_event(d->g, &ev))
		take(d, &ev);
}

/* What takes longer hangs; under a sanitizer or valgrind (ANETUI_GRIND: tests/cli/valgrind.sh) all takes many times as long. */
static uint64_t hangs_ns(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	int slow = 1;
#else
	int slow = getenv("ANETUI_GRIND") != NULL;
#endif
	return slow ? 1800000000000u : 120000000000u;
}

int door_await(struct door *d, uint32_t id)
{
	struct engine_event ev;
	uint64_t end = clock_ns() + hangs_ns();
	while (!door_answers(d, id) && clock_ns() < end) {
		if (engine_event(d->g, &ev))
			take(d, &ev);
		else
			door_nap();
	}
	for (int i = 0; i < d->ndone; i++)
		if (d->done[i].id == id)
			return d->done[i].code;
	fail_msg("command %u is never done", (unsigned)id);
	return 0;
}

int door_run(struct door *d, int op, const char *line)
{
	str_clear(&d->out);
	str_clear(&d->sample);
	return door_await(d, door_send(d, op, line, 1));
}

void door_say(struct door *d, int op, const char *line, int want)
{
	if (door_run(d, op, line) != want)
		fail_msg("%s %s: %d %s", op < CMD_N ? command_row((enum command_id)op)->name : "?", line, d->code, d->msg);
}

void door_keep(struct door *d)
{
	for (int i = 0; i < OPEN_MAX_DOORS; i++)
		if (!opened[i].g) {
			opened[i].g = d->g;
			opened[i].stopped = 0;
			return;
		}
	fail_msg("more than %d engines are open", OPEN_MAX_DOORS);
}

/* engine_free waits for the worker, and this one may be what hangs: only one that says that it has stopped is freed. */
static void end_one(struct engine *g, int stopped)
{
	const struct engine_cmd c = {.id = engine_next_id(g), .op = CMD_STOP_NOW};
	uint64_t end = clock_ns() + hangs_ns() / 4;
	struct engine_event ev;
	engine_cancel(g);
	if (!stopped)
		engine_send(g, &c, NULL);
	while (!stopped && clock_ns() < end) {
		if (engine_event(g, &ev))
			stopped = ev.kind == EV_STOPPED;
		else
			door_nap();
	}
	if (stopped)
		engine_free(g);
	else
		print_message("# its engine does not end: left as it is\n");
}

int door_end_all(void **state)
{
	(void)state;
	for (int i = 0; i < OPEN_MAX_DOORS; i++) {
		if (opened[i].g)
			end_one(opened[i].g, opened[i].stopped);
		opened[i].g = NULL;
	}
	return 0;
}

void door_open(struct door *d, const char *dir, int resume)
{
	struct engine_options o = {.run_dir = dir, .resume = resume};
	struct err e;
	memset(d, 0, sizeof *d);
	d->best_val = NAN;
	d->g = engine_start(&o, &e);
	assert_non_null(d->g);
	door_keep(d);
}

void door_free(struct door *d)
{
	for (int i = 0; i < OPEN_MAX_DOORS; i++)
		if (opened[i].g == d->g)
			opened[i].g = NULL;
	engine_free(d->g);
	str_done(&d->out);
	str_done(&d->log);
	str_done(&d->sample);
}

void door_close(struct door *d, int save)
{
	door_say(d, save ? CMD_STOP_SAVE : CMD_STOP_NOW, "quit", 0);
	door_free(d);
}

void door_text(const char *path, int lines)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < lines; i++)
		fprintf(f, "Line %d tells of %d birds.\n", i, i * 7 % 13);
	assert_int_equal(fclose(f), 0);
}

void door_small_model(struct door *d)
{
	door_say(d, CMD_SET, "seq 16", 0);
	door_say(d, CMD_SET, "batch 2", 0);
	door_say(d, CMD_SET, "eval.batches 2", 0);
	door_say(d, CMD_SET, "sample.every 0", 0);
	door_say(d, CMD_NEW, SMALL, 0);
}
