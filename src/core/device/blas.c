/* blas.c: finds a BLAS, prepares its environment, opens it, asks it which kernels it took. Multiplies nothing.
 *
 * OpenBLAS chooses its kernels in a constructor, from the processor's model number: a model it does not know gets SSE3
 * kernels (seen with 0.3.21 on a Xeon: 65 instead of 330 GFLOP/s). So we look at what the processor *can do* and name the
 * kernels ourselves before the library is opened. Its own threads stay off: the pool is the only one in the process.
 * SPDX-License-Identifier: MIT */
#include "device/blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "device/cpu/simd.h"

static struct blas blas; /* in use; filled in once */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int in_use;

static const char *const candidates[] = {
#ifdef __APPLE__
	"/System/Library/Frameworks/Accelerate.framework/Accelerate",
	"libopenblas.dylib",
	"/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
	"/usr/local/opt/openblas/lib/libopenblas.dylib",
#else
	"libopenblas.so.0",
	"libopenblasp.so.0",
	"libblis.so.4",
	"libopenblas.so",
#endif
	NULL,
};

const char *const *blas_names(void)
{
	return candidates;
}

/* The OpenBLAS name of the best kernels whose every instruction this processor and this system have; NULL: do not say. */
static const char *core_type(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma"))
		return "SKYLAKEX";
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return "HASWELL";
#endif
	return NULL;
}

/* How much of a processor a set of kernels uses: 3 AVX-512, 2 AVX2, 1 less. */
static int core_rank(const char *name)
{
	static const struct { const char *name; int rank; } known[] = {
		{"SKYLAKEX", 3}, {"COOPERLAKE", 3}, {"SAPPHIRERAPIDS", 3}, {"HASWELL", 2}, {"ZEN", 2}, {"EXCAVATOR", 2},
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcasecmp(known[i].name, name))
			return known[i].rank;
	return 1;
}

static const char *named_core; /* when it was us who named it */
static char set_aside[32];     /* what the environment had named instead */

/* A name in the environment that asks for less than the processor can do was put there for other programs, or for another machine (seen: Haswell
 * where AVX-512 makes 312 GFLOP/s of 183); one for us is ANETUI_BLAS_KERNELS. Any other stays; a restarted process finds what we named before. */
static void name_core(void)
{
	const char *core = core_type(), *named = getenv("OPENBLAS_CORETYPE"), *wish = getenv("ANETUI_BLAS_KERNELS");
	if (wish && *wish) {
		setenv("OPENBLAS_CORETYPE", wish, 1);
		return;
	}
	if (!core)
		return;
	if (named && *named && strcmp(named, core)) {
		if (core_rank(named) >= core_rank(core))
			return;
		snprintf(set_aside, sizeof set_aside, "%s", named);
	}
	setenv("OPENBLAS_CORETYPE", core, 1);
	named_core = core;
}

/* dlsym gives an object pointer; POSIX promises that a function's fits. */
static int symbol(void *lib, const char *name, void *fn)
{
	void *p = dlsym(lib, name);
	memcpy(fn, &p, sizeof p);
	return p != NULL;
}

const char *blas_wish(void)
{
	const char *wish = getenv("ANETUI_BLAS");
	return wish ? wish : "";
}

/* BLIS takes plain C for a processor that it does not know (seen with 0.9.0: 38 GFLOP/s where its AVX-512 kernels make 260), and is told by a number that differs
 * between its versions: that of the name is asked of the library itself. */
static void name_blis(const char *library)
{
	enum { KINDS = 24 };
	const char *(*name)(int), *core = core_type();
	char number[12];
	void *lib = core && core_rank(core) == 3 && !getenv("BLIS_ARCH_TYPE") ? dlopen(library, RTLD_LAZY | RTLD_LOCAL) : NULL;
	if (!lib || !symbol(lib, "bli_arch_string", &name))
		return;
	for (int i = 0; i < KINDS; i++) {
		const char *kind = name(i);
		if (!kind || (i && !strcmp(kind, "generic"))) /* the last */
			return;
		if (strcmp(kind, "skx"))
			continue;
		snprintf(number, sizeof number, "%d", i);
		setenv("BLIS_ARCH_TYPE", number, 1);
		return;
	}
}

/* Must be set before the library's constructor runs. */
static void set_environment(void)
{
	static const char *const one_thread[] = {
		"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
	};
	for (size_t i = 0; i < ARRAY_LEN(one_thread); i++)
		setenv(one_thread[i], "1", 1);
	name_core();
	const char *wish = blas_wish();
	for (int i = 0; candidates[i]; i++)
		if (strstr(candidates[i], "blis") && !*wish)
			name_blis(candidates[i]);
	if (strstr(wish, "blis"))
		name_blis(wish);
}

const char *blas_named_kernels(void)
{
	const char *named = getenv("OPENBLAS_CORETYPE");
	return named ? named : "";
}

static int wants_builtin(void)
{
	return !strcmp(blas_wish(), BLAS_BUILTIN);
}

void blas_prepare(void)
{
	static pthread_once_t prepared = PTHREAD_ONCE_INIT;
	if (!wants_builtin())
		pthread_once(&prepared, set_environment);
}

static void ask_openblas(struct blas *b, void *lib, const char *named)
{
	char *(*config)(void), *(*core)(void);
	void (*threads)(int);
	char version[40] = "";
	if (symbol(lib, "openblas_get_config", &config) && sscanf(config(), "OpenBLAS %39s", version) == 1)
		snprintf(b->info.library, sizeof b->info.library, "OpenBLAS %s", version);
	else
		snprintf(b->info.library, sizeof b->info.library, "OpenBLAS");
	if (symbol(lib, "openblas_set_num_threads", &threads))
		threads(1);
	snprintf(b->info.kernels, sizeof b->info.kernels, "%s",
		 symbol(lib, "openblas_get_corename", &core) ? core() : "default");
	if (!named)
		return;
	if (strcasecmp(named, b->info.kernels))
		snprintf(b->info.note, sizeof b->info.note, "%s kernels asked for, the library took %s", named,
			 b->info.kernels);
	else
		snprintf(b->info.note, sizeof b->info.note, "%s kernels named from what the processor can do%s%s", b->info.kernels,
			 *set_aside ? ", not the environment's OPENBLAS_CORETYPE=" : "", set_aside);
}

static void ask_blis(struct blas *b, void *lib)
{
	const char *(*version)(void), *(*arch_name)(int);
	int (*arch)(void);
	void (*threads)(long);
	snprintf(b->info.library, sizeof b->info.library, "BLIS %s",
		 symbol(lib, "bli_info_get_version_str", &version) ? version() : "");
	if (symbol(lib, "bli_thread_set_num_threads", &threads))
		threads(1);
	int named = symbol(lib, "bli_arch_query_id", &arch) && symbol(lib, "bli_arch_string", &arch_name);
	snprintf(b->info.kernels, sizeof b->info.kernels, "%s", named ? arch_name(arch()) : "default");
}

/* It is never closed: what a library has begun in its constructor is its own business. */
static int open_library(struct blas *b, const char *name)
{
	void *any, *lib = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
	memset(b, 0, sizeof *b);
	if (!lib)
		return -1;
	if (!symbol(lib, "cblas_sgemm", &b->sgemm)) {
		dlclose(lib);
		return -1;
	}
	if (symbol(lib, "openblas_get_config", &any)) {
		ask_openblas(b, lib, named_core);
	} else if (symbol(lib, "bli_info_get_version_str", &any)) {
		ask_blis(b, lib);
	} else {
		const char *base = strrchr(name, '/');
		snprintf(b->info.library, sizeof b->info.library, "%s", base ? base + 1 : name);
		snprintf(b->info.kernels, sizeof b->info.kernels, "default");
	}
	return 0;
}

static void use_builtin(struct blas *b, const char *why)
{
	memset(b, 0, sizeof *b);
	snprintf(b->info.library, sizeof b->info.library, BLAS_BUILTIN);
	snprintf(b->info.kernels, sizeof b->info.kernels, "%s", simd_best()->name);
	snprintf(b->info.note, sizeof b->info.note, "%s", why);
}

int blas_open_library(struct blas *b, const char *name)
{
	if (!strcmp(name, BLAS_BUILTIN)) {
		use_builtin(b, wants_builtin() ? "asked for by ANETUI_BLAS" : "");
		return 0;
	}
	/* OpenBLAS takes 128 MiB for each thread that calls, when it does, and asks again and again when there are none; BLIS aborts. */
	if (mem_limited() && !*blas_wish())
		return -1;
	blas_prepare();
	return open_library(b, name);
}

void blas_file(const struct blas *b, char *path, size_t n)
{
	Dl_info where;
	void *p;
	memcpy(&p, &b->sgemm, sizeof p);
	snprintf(path, n, "%s", p && dladdr(p, &where) && where.dli_fname ? where.dli_fname : "");
}

static void find(struct blas *b)
{
	const char *wish = blas_wish();
	if (*wish) {
		if (!blas_open_library(b, wish))
			return;
		char why[160];
		snprintf(why, sizeof why, BLAS_WISH_FAILS, wish);
		use_builtin(b, why);
		return;
	}
	for (size_t i = 0; candidates[i]; i++)
		if (!blas_open_library(b, candidates[i]))
			return;
	use_builtin(b, mem_limited() ? BLAS_LIMITED : BLAS_NONE_FOUND);
}

int blas_take(const struct blas *b)
{
	pthread_mutex_lock(&lock);
	int late = in_use;
	if (!late)
		blas = *b;
	__atomic_store_n(&in_use, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return late ? -1 : 0;
}

struct blas *blas_get(void)
{
	if (__atomic_load_n(&in_use, __ATOMIC_ACQUIRE))
		return &blas;
	struct blas first;
	find(&first);
	blas_take(&first);
	return &blas;
}

const struct blas_info *blas_open(void)
{
	return &blas_get()->info;
}

void blas_measured(double gflops)
{
	blas_get()->info.gflops = gflops;
}
