/* test_nomem_engine.c: memory that runs out at the N-th request of a whole session: every command is answered, with one line where it failed, the newest checkpoint that was
 * announced is whole and gone on from, nothing is left behind. Once and from then on. The parts by themselves are in test_nomem.c. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/door.h"
#include "support/nomem.h"
#include "support/testdata.h"
#include "train/run.h"

#ifdef __linux__

#define DIR_RUN "nomem-run"
#define DIR_KEPT "nomem-kept"
enum { LINES_MAX = 32 };

struct line { int op; const char *words; };

/* What a person does, in short. */
static const struct line first[] = {
	{CMD_SET, "seq 16"}, {CMD_SET, "batch 2"}, {CMD_SET, "threads 1"}, {CMD_SET, "eval.batches 2"}, {CMD_SET, "sample.every 0"}, {CMD_DATA, "lines.txt"},
	{CMD_NEW, "demo layers=1 dim=32 hidden=48 heads=2 kv_heads=1 head_dim=16 vocab=270"}, {CMD_TRAIN, "2"}, {CMD_CKPT, ""}, {CMD_LR, "1e-3"}, {CMD_TRAIN, "1"},
	{CMD_CKPT, "mine"}, {CMD_SAMPLE, "4 Line"}, {CMD_EVAL, ""}, {CMD_INFO, ""}, {CMD_KERNELS, ""}, {CMD_GET, ""}, {CMD_REPORT, ""}, {CMD_EXPORT, "gguf nomem.gguf"},
	{CMD_VERIFY, DIR_RUN "/step-00000002.ckpt"}, {CMD_PIPELINE, "dynamic"}, {CMD_TRAIN, "1"}, {CMD_UNDO, ""}, {CMD_LOAD, "mine"}, {CMD_TRAIN, "1"},
};
static const struct line again[] = {{CMD_INFO, ""}, {CMD_TRAIN, "2"}, {CMD_CKPT, ""}, {CMD_SAMPLE, "4 Line"}, {CMD_EQUALS, DIR_RUN}};

struct result { long requests, blocks; int announced, failed; };

static int one_line(const char *s)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 32 || s[i] == 127)
			return 0;
	return n > 0;
}

/* All lines and the end; the newest step of which `ckpt` has said that it is there. */
static int session(struct door *d, const struct line *line, size_t n, struct result *r)
{
	nomem_exempt(1); /* who looks on */
	for (size_t i = 0; i <= n; i++) {
		int op = i < n ? line[i].op : CMD_STOP_SAVE;
		int code = door_run(d, op, i < n ? line[i].words : "quit");
		r->failed += code != 0;
		if (code && !one_line(d->msg))
			fail_msg("%s: %d <%s>", op < CMD_N ? command_row((enum command_id)op)->name : "quit", code, d->msg);
		if (!code && op == CMD_CKPT && !line[i].words[0])
			r->announced = d->nstep ? (int)d->step[d->nstep - 1].step : r->announced;
	}
	nomem_exempt(0);
	return 0;
}

static struct result once(const struct line *line, size_t n, int resume, long at, int forever, char left[100])
{
	static struct door d;
	struct result r = {.announced = -1};
	struct engine_options o = {.run_dir = DIR_RUN, .resume = resume};
	struct err e = {0};
	memset(&d, 0, sizeof d);
	nomem_begin(at, forever);
	if ((d.g = engine_start(&o, &e))) {
		session(&d, line, n, &r);
		engine_free(d.g);
	} else {
		r.failed++;
		assert_true(one_line(e.msg));
	}
	r.requests = nomem_end();
	r.blocks = nomem_left(left, 100);
	str_done(&d.out);
	str_done(&d.log);
	str_done(&d.sample);
	return r;
}

/* The run as it was before. */
static void restore(void)
{
	char from[400], to[400], buf[8192];
	struct dirent *x;
	size_t k;
	DIR *d = opendir(DIR_KEPT);
	assert_non_null(d);
	assert_int_equal(mkdir(DIR_RUN, 0777), 0);
	while ((x = readdir(d))) {
		snprintf(from, sizeof from, DIR_KEPT "/%s", x->d_name);
		snprintf(to, sizeof to, DIR_RUN "/%s", x->d_name);
		FILE *a = x->d_name[0] == '.' ? NULL : fopen(from, "rb"), *b = a ? fopen(to, "wb") : NULL;
		while (b && (k = fread(buf, 1, sizeof buf, a)) > 0)
			assert_int_equal(fwrite(buf, 1, k, b), k);
		if (b)
			assert_int_equal(fclose(a) | fclose(b), 0);
	}
	closedir(d);
}

/* The step that a new start would go on from; -1: nothing is there. */
static int newest(void)
{
	char path[300];
	struct run_loaded l = {0};
	struct str notes = {0};
	struct err e;
	if (run_load_newest(DIR_RUN, path, sizeof path, &notes, &l, &e))
		return -1;
	if (notes.len)
		fail_msg("%s", notes.s);
	params_free(l.params);
	tokenizer_free(l.tok);
	return (int)l.state.step;
}

/* All up to a number, then some; with ANETUI_SOAK every one. */
static long next(long at)
{
	return getenv("ANETUI_SOAK") ? at + 1 : at < 16 ? at + 1 : at + 1 + at / 4;
}

static void every_request(const struct line *line, size_t n, int resume)
{
	char left[100];
	long cases = 0, at = 0, requests = 0;
	for (int forever = 0; forever <= 1; forever++)
		for (at = 0; at <= requests; at = next(at), cases++) {
			scratch_empty(DIR_RUN);
			if (resume)
				restore();
			int before = newest(), fds = nomem_descriptors();
			struct result r = once(line, n, resume, at, forever, left);
			requests = at ? requests : r.requests;
			if (r.blocks || nomem_descriptors() != fds)
				fail_msg("request %ld of %ld (%s): %ld blocks left behind, first a %s; %d descriptors, %d before", at, requests, forever ? "and on" : "once", r.blocks, left,
					 nomem_descriptors(), fds);
			if (!at && r.failed)
				fail_msg("a command fails by itself");
			if (newest() < MAX(r.announced, before))
				fail_msg("request %ld (%s): step %d is there, %d was announced", at, forever ? "and on" : "once", newest(), MAX(r.announced, before));
		}
	print_message("# %ld requests, %ld sessions\n", requests, cases);
}

static void a_session(void **unused)
{
	(void)unused;
	every_request(first, ARRAY_LEN(first), 0);
}

static void a_session_that_goes_on(void **unused)
{
	(void)unused;
	every_request(again, ARRAY_LEN(again), 1);
}

static int begin(void **unused)
{
	(void)unused;
	char here[3000], cache[3100];
	snprintf(cache, sizeof cache, "%s/cache", getcwd(here, sizeof here));
	setenv("XDG_CACHE_HOME", cache, 1);
	door_text("lines.txt", 200);
	char left[100];
	scratch_empty(DIR_RUN);
	scratch_empty(DIR_KEPT);
	once(first, ARRAY_LEN(first), 0, 0, 0, left); /* what is made once: library, choice of threads, caches */
	return rename(DIR_RUN, DIR_KEPT);
}

#endif

int main(void)
{
#ifdef __linux__
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_session), cmocka_unit_test(a_session_that_goes_on)};
	return cmocka_run_group_tests(tests, begin, NULL);
#else
	printf("1..1\nok 1 # SKIP needs a linker that wraps\n");
	return 0;
#endif
}
