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

#include "base/clock.h"
#include "base/mem.h"
#include "device/cpu/simd.h"

static struct blas blas;
static pthread_once_t once = PTHREAD_ONCE_INIT;

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
};

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

/* Must be set before the library's constructor runs. */
static void set_environment(void)
{
	static const char *const one_thread[] = {
		"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
	};
	for (size_t i = 0; i < ARRAY_LEN(one_thread); i++)
		setenv(one_thread[i], "1", 1);
	name_core();
}

static int wants_builtin(void)
{
	const char *wish = getenv("ANETUI_BLAS");
	return wish && !strcmp(wish, "built-in");
}

void blas_prepare(void)
{
	static pthread_once_t prepared = PTHREAD_ONCE_INIT;
	if (!wants_builtin())
		pthread_once(&prepared, set_environment);
}

/* dlsym gives an object pointer; POSIX promises that a function's fits. */
static int symbol(void *lib, const char *name, void *fn)
{
	void *p = dlsym(lib, name);
	memcpy(fn, &p, sizeof p);
	return p != NULL;
}

static void ask_openblas(void *lib, const char *named)
{
	char *(*config)(void), *(*core)(void);
	void (*threads)(int);
	char version[40] = "";
	if (symbol(lib, "openblas_get_config", &config) && sscanf(config(), "OpenBLAS %39s", version) == 1)
		snprintf(blas.info.library, sizeof blas.info.library, "OpenBLAS %s", version);
	else
		snprintf(blas.info.library, sizeof blas.info.library, "OpenBLAS");
	if (symbol(lib, "openblas_set_num_threads", &threads))
		threads(1);
	snprintf(blas.info.kernels, sizeof blas.info.kernels, "%s",
		 symbol(lib, "openblas_get_corename", &core) ? core() : "default");
	if (!named)
		return;
	if (strcasecmp(named, blas.info.kernels))
		snprintf(blas.info.note, sizeof blas.info.note, "%s kernels asked for, the library took %s", named,
			 blas.info.kernels);
	else
		snprintf(blas.info.note, sizeof blas.info.note, "%s kernels named from what the processor can do%s%s", blas.info.kernels,
			 *set_aside ? ", not the environment's OPENBLAS_CORETYPE=" : "", set_aside);
}

static void ask_blis(void *lib)
{
	const char *(*version)(void), *(*arch_name)(int);
	int (*arch)(void);
	void (*threads)(long);
	snprintf(blas.info.library, sizeof blas.info.library, "BLIS %s",
		 symbol(lib, "bli_info_get_version_str", &version) ? version() : "");
	if (symbol(lib, "bli_thread_set_num_threads", &threads))
		threads(1);
	int named = symbol(lib, "bli_arch_query_id", &arch) && symbol(lib, "bli_arch_string", &arch_name);
	snprintf(blas.info.kernels, sizeof blas.info.kernels, "%s", named ? arch_name(arch()) : "default");
}

static int open_library(const char *name, const char *core)
{
	void *any, *lib = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
	if (!lib)
		return -1;
	if (!symbol(lib, "cblas_sgemm", &blas.sgemm)) {
		dlclose(lib);
		return -1;
	}
	if (symbol(lib, "openblas_get_config", &any)) {
		ask_openblas(lib, core);
	} else if (symbol(lib, "bli_info_get_version_str", &any)) {
		ask_blis(lib);
	} else {
		const char *base = strrchr(name, '/');
		snprintf(blas.info.library, sizeof blas.info.library, "%s", base ? base + 1 : name);
		snprintf(blas.info.kernels, sizeof blas.info.kernels, "default");
	}
	return 0;
}

static void use_builtin(const char *why)
{
	blas.sgemm = NULL;
	snprintf(blas.info.library, sizeof blas.info.library, "built-in");
	snprintf(blas.info.kernels, sizeof blas.info.kernels, "%s", simd_best()->name);
	snprintf(blas.info.note, sizeof blas.info.note, "%s", why);
}

static void find(void)
{
	const char *wish = getenv("ANETUI_BLAS");
	if (wants_builtin()) {
		use_builtin("asked for by ANETUI_BLAS");
		return;
	}
	blas_prepare();
	const char *core = named_core;
	if (wish && *wish) {
		if (!open_library(wish, core))
			return;
		char why[160];
		snprintf(why, sizeof why, "ANETUI_BLAS=%.60s does not open or has no cblas_sgemm", wish);
		use_builtin(why);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(candidates); i++)
		if (!open_library(candidates[i], core))
			return;
	use_builtin("no BLAS library found: slower (install libopenblas0, openblas or blis)");
}

struct blas *blas_get(void)
{
	pthread_once(&once, find);
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

double blas_measure(struct pool *p)
{
	enum { N = 1024 };
	struct blas *b = blas_get();
	float *x = mem_aligned((size_t)N * N * 3, sizeof *x);
	if (!x)
		return 0;
	float *y = x + N * N, *z = y + N * N;
	for (int i = 0; i < N * N; i++) {
		x[i] = (float)(i % 13) - 6;
		y[i] = (float)(i % 11) - 5;
	}
	/* The best of a few: the first touches fresh memory, and others may use the machine. */
	double best = 0;
	uint64_t begin = clock_ns(), took = 0;
	for (int i = 0; i < 8 && took < 70000000; i++) {
		uint64_t t = clock_ns();
		gemm(p, 0, 0, N, N, N, 1, x, N, y, N, 0, z, N);
		uint64_t end = clock_ns();
		best = MAX(best, 2.0 * N * N * N / (double)(end - t + 1));
		took = end - begin;
	}
	free(x);
	b->info.gflops = best;
	return best;
}
