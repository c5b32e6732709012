/* test_flat.c: the real program ($ANETUI) trains a tiny model on a terminal, with samples, evaluations, saves and resizes: memory, descriptors and threads
 * stay where they are. FLAT_STEPS=100000 is the long form (make soak). SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support/term.h"

/* Looks count once a first save, evaluation and the programs of both lengths have been. The curves' memory is touched page by page until some 8,000 steps: room for that
 * in the short form. What was asked for (VmData) knows nothing of touching: there 1,000 bytes lost at each of 6,000 steps are seen (tried; and a descriptor a save, a thread an
 * evaluation); by itself it was seen to move by 400 KiB. FEW: what a save, a sample or an attached terminal may have open at every one of some looks. */
enum { LONG = 60, LOOKS_MIN = 24, WARM = 200, ROOM_KIB = 1024, SHORT_ROOM_KIB = 8192, DATA_ROOM_KIB = 1536, FEW = 3 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS = 0 }; /* their own tables are in VmData and grow */
#else
enum { COUNTS = 1 };
#endif

/* kib: in memory; data: asked for, but for files. */
struct look { uint64_t step; long kib, data, threads; int descriptors; };
struct part { struct look low, high; };

static struct look *looks;
static size_t nlook, cap;

static int count_descriptors(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	DIR *d = opendir(path);
	int n = -2; /* . and .. */
	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void read_status(pid_t pid, struct look *l)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		sscanf(line, "VmRSS: %ld", &l->kib);
		sscanf(line, "VmData: %ld", &l->data);
		sscanf(line, "Threads: %ld", &l->threads);
	}
	if (f)
		fclose(f);
}

/* The newest step that the record tells; 0: none yet. */
static uint64_t step_of(const char *record)
{
	static const char key[] = "\"step\":";
	char tail[8193];
	FILE *f = fopen(record, "re");
	uint64_t step = 0;
	if (!f)
		return 0;
	fseek(f, 0, SEEK_END);
	long size = ftell(f);
	fseek(f, size > 8192 ? size - 8192 : 0, SEEK_SET);
	tail[fread(tail, 1, 8192, f)] = 0;
	fclose(f);
	for (const char *p = tail; (p = strstr(p, key)); p += sizeof key)
		step = MAX(step, strtoull(p + sizeof key - 1, NULL, 10));
	return step;
}

static void look(pid_t pid)
{
	assert_int_equal(mem_grow(&looks, &cap, nlook + 1, sizeof *looks), 0);
	struct look *l = &looks[nlook];
	*l = (struct look){.step = step_of("flat/metrics.jsonl"), .descriptors = count_descriptors(pid)};
	read_status(pid, l);
	assert_true(l->kib > 0 && l->threads > 0 && l->descriptors > 0);
	nlook += l->step >= WARM;
}

/* The smallest and the largest of each number in a quarter of the looks, 0 to 3. */
static struct part quarter(size_t k)
{
	size_t from = nlook * k / 4, to = nlook * (k + 1) / 4;
	struct part p = {looks[from], looks[from]};
	for (size_t i = from; i < to; i++) {
		const struct look *l = &looks[i];
		p.low.kib = MIN(p.low.kib, l->kib), p.high.kib = MAX(p.high.kib, l->kib);
		p.low.data = MIN(p.low.data, l->data), p.high.data = MAX(p.high.data, l->data);
		p.low.threads = MIN(p.low.threads, l->threads), p.high.threads = MAX(p.high.threads, l->threads);
		p.low.descriptors = MIN(p.low.descriptors, l->descriptors), p.high.descriptors = MAX(p.high.descriptors, l->descriptors);
		p.high.step = l->step;
	}
	print_message("# to step %" PRIu64 ": %ld to %ld KiB, %ld to %ld asked for, %d to %d descriptors, %ld to %ld threads\n", p.high.step, p.low.kib, p.high.kib, p.low.data, p.high.data, p.low.descriptors,
		      p.high.descriptors, p.low.threads, p.high.threads);
	return p;
}

static uint64_t train(struct term *t, uint64_t steps)
{
	struct rng r;
	rng_seed(&r, 1);
	for (unsigned round = 0; nlook < LOOKS_MIN || looks[nlook - 1].step < steps; round++) {
		int status = term_wait_end(t, 0.1);
		if (status != -1)
			fail_msg("it ended with %x:\n%s", (unsigned)status, term_screen(t));
		term_resize(t, 1 + (int)rng_below(&r, 160), 1 + (int)rng_below(&r, 50));
		if (round % 4 == 0) /* other activations, programs and surfaces */
			term_type(t, round % 8 ? ":set seq 16\r" : ":set seq 24\r");
		look(term_program(t));
	}
	return looks[nlook - 1].step;
}

static void test_flat(void **s)
{
	(void)s;
	static char *env[] = {"TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", NULL};
	char *argv[] = {getenv("ANETUI"), "--no-rc", "--run", "flat", "-e", "new demo layers=1 dim=16 hidden=32 heads=1 kv_heads=1 vocab=260 context=64", "-e",
			"set ckpt.every 50", "-e", "set eval.every 100", "-e", "set sample.every 0.5", "-e", "set lr.max 1e-4", "-e", "train", NULL};
	const char *steps = getenv("FLAT_STEPS");
	if (!argv[0] || access(argv[0], X_OK) || access("/proc/self/fd", R_OK)) {
		print_message("skipped: needs the program (ANETUI) and /proc\n");
		skip();
	}
	struct term *t = term_start(120, 40, argv, env);
	assert_non_null(t);
	uint64_t last = train(t, steps ? strtoull(steps, NULL, 10) : 1500);
	term_resize(t, 80, 24);
	term_type(t, "\033");
	term_run(t, 0.3);
	term_type(t, ":quit\r");
	int status = term_wait_end(t, LONG);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("it ended with %x:\n%s", (unsigned)status, term_screen(t));
	term_free(t);
	print_message("# %" PRIu64 " steps, %zu looks\n", last, nlook);
	quarter(0);
	struct part early = quarter(1);
	quarter(2);
	struct part late = quarter(3);
	/* A save, a sample and a resize have descriptors, memory and, at a restart of the pool, threads for a while: what is lost for good lifts the lowest. */
	assert_true(late.low.descriptors <= early.low.descriptors + FEW && late.high.descriptors <= early.high.descriptors + 4);
	assert_true(late.low.threads <= early.low.threads + 1 && late.high.threads <= early.high.threads + 1);
	assert_true(!COUNTS || late.low.data <= early.low.data + DATA_ROOM_KIB);
	assert_true(late.low.kib <= early.high.kib + (steps ? ROOM_KIB : SHORT_ROOM_KIB));
	free(looks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_flat)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
