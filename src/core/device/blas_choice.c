/* blas_choice.c: measures the libraries and the counts of threads, and takes the best. The file in which that is remembered is blas_memory.c's.
 *
 * The libraries have an order; a later one must be faster by a tenth, so that noise does not change which one is taken, and with it the last digits of a run. Of the counts of
 * threads the smallest within a fiftieth of the best is taken: what more threads do not gain is left to the screen and to others. The bytes are the same for all of them.
 * Where others compute meanwhile a second thread seems to gain nothing; then all processors are used, and it is measured again at a start where nobody else does.
 * SPDX-License-Identifier: MIT */
#include "device/blas_choice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "device/blas.h"
#include "device/blas_memory.h"
#include "device/cpu/simd.h"

/* Each is measured in turn, twice: what others take meanwhile does not hit one alone. */
enum { ROUNDS = 2 };
static const double faster = 1.10, faster_when_busy = 2.5, as_fast = 0.98;

/* --- the machine --- */

/* "model name : AMD EPYC", or on arm64 the parts of the first processor. */
static void processor_model(char *out, size_t n)
{
	snprintf(out, n, "unknown");
#ifdef __APPLE__
	size_t len = n;
	if (sysctlbyname("machdep.cpu.brand_string", out, &len, NULL, 0))
		snprintf(out, n, "unknown");
#else
	static const char *const keys[] = {"model name", "CPU part", "cpu model", "cpu"};
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");
	while (f && fgets(line, sizeof line, f) && line[0] != '\n')
		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			size_t k = strlen(keys[i]);
			char *colon = strchr(line, ':');
			if (strncmp(line, keys[i], k) || !colon || strspn(line + k, " \t") != (size_t)(colon - line) - k)
				continue;
			colon += 1 + strspn(colon + 1, " \t");
			snprintf(out, n, "%.*s", (int)MIN(strcspn(colon, "\n"), n - 1), colon);
		}
	if (f)
		fclose(f);
#endif
}

static void describe(struct blas_choice *c, const struct blas_choice_how *how)
{
	memset(c, 0, sizeof *c);
	processor_model(c->processor, sizeof c->processor);
	snprintf(c->simd, sizeof c->simd, "%s", simd_best()->name);
	snprintf(c->kernels, sizeof c->kernels, "%.31s", blas_named_kernels());
	c->cpus = how->cpus;
	c->busy = how->busy;
}

/* --- libraries --- */

static void fill_in(struct blas_tried *t, const struct blas *b)
{
	struct stat st;
	snprintf(t->library, sizeof t->library, "%s", b->info.library);
	snprintf(t->kernels, sizeof t->kernels, "%s", b->info.kernels);
	blas_file(b, t->path, sizeof t->path);
	if (t->path[0] && !stat(t->path, &st)) {
		t->bytes = (uint64_t)st.st_size;
		t->mtime = (int64_t)st.st_mtime;
	}
}

static int seen(const struct blas_choice *c, const struct blas_tried *t)
{
	for (int i = 0; i < c->nlib; i++)
		if (t->path[0] && !strcmp(c->tried[i].path, t->path))
			return 1;
	return 0;
}

static int libraries_there(const struct blas_choice *c)
{
	int n = 0;
	for (int i = 0; i < c->nlib; i++)
		n += c->tried[i].library[0] && strcmp(c->tried[i].name, BLAS_BUILTIN);
	return n;
}

/* Opens them all; what is there under two names counts once. */
static void open_all(struct blas_choice *c, struct blas *b, const struct blas_choice_how *how)
{
	for (int i = 0;; i++) {
		const char *name = how->names[i] ? how->names[i] : BLAS_BUILTIN;
		if (!how->names[i] && how->asked_for && libraries_there(c))
			return;
		struct blas_tried *t = &c->tried[c->nlib];
		if (c->nlib == BLAS_LIBS - 1 && how->names[i])
			continue; /* the last place is the built-in product's */
		snprintf(t->name, sizeof t->name, "%s", name);
		if (!blas_open_library(&b[c->nlib], name))
			fill_in(t, &b[c->nlib]);
		if (seen(c, t))
			memset(t, 0, sizeof *t);
		else
			c->nlib++;
		if (!how->names[i])
			return;
	}
}

static void measure_libraries(struct blas_choice *c, const struct blas *b, const struct blas_choice_how *how, uint64_t each)
{
	for (int i = 0; i < ROUNDS * c->nlib; i++) {
		struct blas_tried *t = &c->tried[i % c->nlib];
		if (t->library[0])
			t->gflops = MAX(t->gflops, how->rate(how->ctx, &b[i % c->nlib], c->cpus, each / ROUNDS));
	}
	c->busy |= how->disturbed && how->disturbed(how->ctx);
	double least = c->busy ? faster_when_busy : faster;
	c->lib = -1;
	for (int i = 0; i < c->nlib; i++)
		if (c->tried[i].library[0] && (c->lib < 0 || c->tried[i].gflops > least * c->tried[c->lib].gflops))
			c->lib = i;
}

/* --- threads --- */

/* All, one less, then halves: what hyperthreads, shared caches and memory give shows at one of them. */
static int counts(int cpus, int *out)
{
	int n = 0;
	out[n++] = cpus;
	if (cpus > 3)
		out[n++] = cpus - 1;
	for (int t = cpus / 2; t >= 1 && n < BLAS_COUNTS - 1; t /= 2)
		out[n++] = t;
	if (out[n - 1] != 1)
		out[n++] = 1;
	return n;
}

static void measure_counts(struct blas_choice *c, const struct blas *b, const struct blas_choice_how *how, const int *threads, uint64_t each)
{
	double best = 0;
	for (int i = 0; i < ROUNDS * c->ncount; i++) {
		struct blas_count *k = &c->count[i % c->ncount];
		k->threads = threads[i % c->ncount];
		k->gflops = k->threads == c->cpus ? c->tried[c->lib].gflops : MAX(k->gflops, how->rate(how->ctx, b, k->threads, each / ROUNDS));
		best = MAX(best, k->gflops);
	}
	c->busy |= how->disturbed && how->disturbed(how->ctx);
	for (int i = 0; i < c->ncount && !c->busy; i++)
		if (c->count[i].gflops >= as_fast * best && (!c->threads || c->count[i].threads < c->threads))
			c->threads = c->count[i].threads;
	if (!c->threads)
		c->threads = c->cpus;
}

static void measure(struct blas_choice *c, const struct blas_choice_how *how)
{
	struct blas b[BLAS_LIBS] = {0};
	int threads[BLAS_COUNTS];
	open_all(c, b, how);
	c->ncount = counts(c->cpus, threads);
	uint64_t each = BLAS_CHOICE_NS / (uint64_t)(libraries_there(c) + c->ncount);
	measure_libraries(c, b, how, each);
	measure_counts(c, &b[c->lib], how, threads, each);
}

/* --- deciding --- */

/* Does what is remembered speak of the machine, the libraries and the program of now? NULL: yes; else why not. */
static const char *stale(const struct blas_choice *old, const struct blas_choice *now, const struct blas_choice_how *how)
{
	struct stat st;
	struct blas b;
	if (strcmp(old->processor, now->processor) || strcmp(old->simd, now->simd) || strcmp(old->kernels, now->kernels) || old->cpus != now->cpus)
		return "another machine's";
	/* The file is only remembered: it names no library that we would not have tried. */
	int known = !strcmp(old->tried[old->lib].name, BLAS_BUILTIN);
	for (int i = 0; how->names[i]; i++)
		known |= !strcmp(old->tried[old->lib].name, how->names[i]);
	if (!known)
		return "of another library";
	if (old->busy && !now->busy)
		return "taken while others used the machine";
	for (int i = 0, k = 0; how->names[i]; i++) {
		const struct blas_tried *t = &old->tried[k];
		if (k >= old->nlib || strcmp(t->name, how->names[i])) {
			/* A second name of one that is there, or the list was too long: as it was measured, so it is. */
			continue;
		}
		k++;
		if (t->path[0] && (stat(t->path, &st) || (uint64_t)st.st_size != t->bytes || (int64_t)st.st_mtime != t->mtime))
			return "of another library";
		if (!t->library[0] && !blas_open_library(&b, t->name))
			return "of before a library came";
	}
	return NULL;
}

void blas_choose(struct blas_choice *c, const struct blas_choice_how *how, char *note, size_t nnote)
{
	struct blas_choice old;
	struct blas b;
	struct err e = {0};
	note[0] = 0;
	describe(c, how);
	int found = how->folder ? blas_memory_read(&old, c, how, &e) : 0;
	if (found > 0 && !stale(&old, c, how) && !blas_open_library(&b, old.tried[old.lib].name)) {
		*c = old;
		c->remembered = 1;
		return;
	}
	if (found < 0)
		snprintf(note, nnote, "%.300s: measured anew", e.msg);
	measure(c, how);
	if (how->folder && blas_memory_write(c, how, &e) && !note[0])
		snprintf(note, nnote, "%.300s: what was measured is not remembered", e.msg);
}

static double real_rate(void *ctx, const struct blas *b, int threads, uint64_t ns)
{
	(void)ctx;
	return blas_rate(b, threads, ns);
}

/* Being put aside for others: on a machine of our own that happens a few times in the tenth of a second that measuring takes. */
static long put_aside(void)
{
	struct rusage u;
	return getrusage(RUSAGE_SELF, &u) ? 0 : u.ru_nivcsw;
}

static int real_disturbed(void *ctx)
{
	enum { FEW = 12 };
	return put_aside() - *(const long *)ctx > FEW;
}

/* More than half of what this process may use. */
static int machine_busy(int cpus)
{
	double load = 0;
	return getloadavg(&load, 1) == 1 && load > 0.5 * cpus;
}

void blas_choose_again(const struct blas_choice *c)
{
	struct blas b;
	const char *wish = blas_wish(), *name = c->tried[c->lib].name;
	if (!c->nlib || blas_open_library(&b, name))
		return;
	if (!strcmp(name, BLAS_BUILTIN) && !*wish)
		snprintf(b.info.note, sizeof b.info.note, "%s", libraries_there(c) ? "faster here than the libraries" : mem_limited() ? BLAS_LIMITED : BLAS_NONE_FOUND);
	else if (!strcmp(name, BLAS_BUILTIN) && strcmp(wish, BLAS_BUILTIN))
		snprintf(b.info.note, sizeof b.info.note, BLAS_WISH_FAILS, wish);
	blas_take(&b);
}

void blas_choose_here(struct blas_choice *c, char *note, size_t nnote)
{
	char folder[4096];
	const char *wish = blas_wish(), *one[] = {wish, NULL}, *none[] = {NULL};
	struct blas_choice_how how = {.names = blas_names(), .cpus = pool_cpus(), .rate = real_rate, .disturbed = real_disturbed};
	long before = put_aside();
	how.ctx = &before;
	blas_prepare();
	if (*wish)
		how.names = strcmp(wish, BLAS_BUILTIN) ? one : none;
	how.asked_for = how.names == one;
	how.busy = machine_busy(how.cpus);
	how.folder = file_cache_dir(folder, sizeof folder, NULL) ? NULL : folder;
	blas_choose(c, &how, note, nnote);
	blas_choose_again(c);
}

/* --- telling --- */

void blas_choice_text(const struct blas_choice *c, struct str *out)
{
	for (int i = 0; i < c->nlib; i++)
		if (c->tried[i].library[0])
			str_printf(out, "%s%s %.0f", out->len ? ", " : "", c->tried[i].library, c->tried[i].gflops);
	if (!c->nlib)
		return;
	str_printf(out, " GFLOP/s on %d thread%s", c->cpus, c->cpus == 1 ? "" : "s");
	for (int i = 0; i < c->ncount; i++)
		if (c->count[i].threads != c->cpus)
			str_printf(out, ", %.0f on %d", c->count[i].gflops, c->count[i].threads);
	str_printf(out, " (measured %s%s)", c->remembered ? "earlier" : "at this start", c->busy ? ", while others computed too: all processors are used" : "");
}

void blas_choice_json(const struct blas_choice *c, struct str *out)
{
	str_puts(out, "{\"libraries\":{");
	for (int i = 0, n = 0; i < c->nlib; i++)
		if (c->tried[i].library[0]) {
			str_puts(out, n++ ? "," : "");
			str_json(out, c->tried[i].library, strlen(c->tried[i].library));
			str_printf(out, ":%.9g", c->tried[i].gflops);
		}
	str_puts(out, "},\"threads\":{");
	for (int i = 0; i < c->ncount; i++)
		str_printf(out, "%s\"%d\":%.9g", i ? "," : "", c->count[i].threads, c->count[i].gflops);
	str_printf(out, "},\"cpus\":%d,\"measured\":\"%s\",\"busy\":%s}", c->cpus, c->remembered ? "earlier" : "now", c->busy ? "true" : "false");
}
