/* test_resume.c: twenty steps, and twenty steps with an end and a new beginning after the k-th, by 1, 2 and 4 threads and across these numbers, on cpu and sim, static and
 * dynamic: the same bytes. A part of the pairs; with ANETUI_SOAK all of them. Orders of data, samples, signals: tests/cli/resume.sh. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine_impl.h"
#include "support/door.h"
#include "support/testdata.h"

#define DIR_ALL "resume-all"
#define DIR_PART "resume-part"
enum { STEPS = 20 };

static const char *const devices[] = {"cpu", "sim budget=1000000"};
static const char *const pipelines[] = {"static", "dynamic"};
static const int threads[] = {1, 2, 4};

/* What a run has come to. */
struct end { float *w; size_t n; struct data_cursor cursor; uint64_t tokens; double loss[STEPS + 1], norm[STEPS + 1]; };

static void say(struct door *d, int op, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void say(struct door *d, int op, const char *fmt, ...)
{
	char line[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	door_say(d, op, line, 0);
}

static void take(struct end *o, struct door *d)
{
	const struct params *p = d->g->w.params; /* the worker sleeps */
	size_t n = p->total;
	o->n = 3 * n;
	o->w = mem_zalloc(o->n, sizeof *o->w);
	assert_non_null(o->w);
	memcpy(o->w, p->w, n * sizeof *o->w);
	memcpy(o->w + n, p->m, n * sizeof *o->w);
	memcpy(o->w + 2 * n, p->v, n * sizeof *o->w);
	o->cursor = d->g->w.state.cursor;
	o->tokens = d->g->w.state.tokens;
	for (int i = 0; i < d->nstep; i++)
		if (d->step[i].step <= STEPS) {
			o->loss[d->step[i].step] = d->step[i].loss;
			o->norm[d->step[i].step] = d->step[i].grad_norm;
		}
}

/* Every part with a state is in use: warm-up, clipping, accumulation, an evaluation, the data's order; loss scaling on sim. */
static void straight(struct end *o, const char *device, const char *pipeline, int nthread)
{
	static struct door d;
	scratch_empty(DIR_ALL);
	door_open(&d, DIR_ALL, 0);
	say(&d, CMD_SET, "threads %d", nthread);
	say(&d, CMD_DEVICE, "%s", device);
	say(&d, CMD_DATA, "lines.txt");
	door_small_model(&d);
	say(&d, CMD_PIPELINE, "%s", pipeline);
	static const char *const keys[] = {"accum 2", "clip 0.5", "lr.warmup 5", "lr.steps 15", "eval.every 6", "data.order shuffle", "ckpt.every 1", "ckpt.keep 100"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		say(&d, CMD_SET, "%s", keys[i]);
	say(&d, CMD_TRAIN, "%d", STEPS);
	take(o, &d);
	door_close(&d, 0);
}

static void copy(const char *name)
{
	char from[200], to[200];
	struct str s = {0};
	struct err e;
	snprintf(from, sizeof from, DIR_ALL "/%s", name);
	snprintf(to, sizeof to, DIR_PART "/%s", name);
	assert_int_equal(file_read(&s, from, "test", 1 << 26, &e), 0);
	scratch_write(to, s.s, s.len);
	str_done(&s);
}

/* The run as it was when step k had been saved. */
static void part(int k)
{
	char name[40];
	scratch_empty(DIR_PART);
	mkdir(DIR_PART, 0777);
	snprintf(name, sizeof name, "step-%08d.ckpt", k);
	copy(name);
	copy("settings.cmd");
	copy("metrics.jsonl");
}

static void same(const struct end *a, const struct end *b, int k, const char *what)
{
	if (a->n != b->n || memcmp(a->w, b->w, a->n * sizeof *a->w) || memcmp(&a->cursor, &b->cursor, sizeof a->cursor) || a->tokens != b->tokens)
		fail_msg("%s: other bytes", what);
	for (int i = k + 1; i <= STEPS; i++)
		if (!(a->loss[i] == b->loss[i]) || !(a->norm[i] == b->norm[i]))
			fail_msg("%s: step %d: loss %.17g and %.17g", what, i, a->loss[i], b->loss[i]);
}

static void resumed(const struct end *all, const char *device, int k, int nthread, const char *what)
{
	static struct door d;
	struct end o = {0};
	part(k);
	door_open(&d, DIR_PART, 1);
	say(&d, CMD_SET, "threads %d", nthread);
	if (k < STEPS)
		say(&d, CMD_TRAIN, "%d", STEPS - k);
	if (strcmp(d.g->w.state.device, device))
		fail_msg("%s: on %s", what, d.g->w.state.device);
	if (d.g->w.state.step != STEPS)
		fail_msg("%s: at step %d: %s", what, (int)d.g->w.state.step, d.log.s ? d.log.s : "");
	take(&o, &d);
	door_close(&d, 0);
	same(all, &o, k, what);
	free(o.w);
}

/* With ANETUI_SOAK all; else every k once in a while, each pair of numbers of threads several times. */
static int wanted(int k, int n)
{
	static int all = -1;
	all = all < 0 ? getenv("ANETUI_SOAK") != NULL : all;
	return all || n % 17 == 0 || (k == 1 && n % 5 == 0);
}

static void the_same_bytes(void **unused)
{
	(void)unused;
	int n = 0, cases = 0;
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		for (size_t j = 0; j < ARRAY_LEN(pipelines); j++) {
			struct end first = {0};
			for (size_t a = 0; a < ARRAY_LEN(threads); a++) {
				struct end all = {0};
				straight(&all, devices[i], pipelines[j], threads[a]);
				if (a)
					same(&first, &all, 0, "another number of threads");
				for (size_t b = 0; b < ARRAY_LEN(threads); b++)
					for (int k = 1; k <= STEPS; k++, n++) {
						char what[120];
						snprintf(what, sizeof what, "%s, %s, %d + %d steps, %d threads and %d", devices[i], pipelines[j], k, STEPS - k, threads[a], threads[b]);
						if (wanted(k, n))
							resumed(&all, devices[i], k, threads[b], what), cases++;
					}
				if (a)
					free(all.w);
				else
					first = all;
			}
			free(first.w);
		}
	print_message("# %d of %d\n", cases, n);
}

static int begin(void **unused)
{
	(void)unused;
	door_text("lines.txt", 300);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {door_test(the_same_bytes)};
	return cmocka_run_group_tests(tests, begin, NULL);
}
