/* pool.c: a generation counter, a shared task counter, a short spin before sleeping.
 *
 * pool_run publishes (fn, arg, ntasks) and bumps `gen`. Threads that see a new generation draw task numbers from one
 * atomic counter, which carries the generation in its upper half so that a late thread can not draw from the next
 * loop. The caller works too, then waits until `left` is 0. Small models start thousands of loops a second: waking
 * through a condition variable costs some 10 us each, so an idle thread spins for about 20 us first.
 * SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/trace.h"

enum { SPIN_ROUNDS = 4000, MAX_THREADS = 256 };

struct pool {
	int nthreads;
	pthread_t *thread;
	_Atomic int *id;       /* what the system calls each thread; 0: it has not begun */

	/* Written by the caller of pool_run before `gen` is bumped, read by all. */
	pool_fn *fn;
	void *arg;
	_Atomic int ntasks;

	_Atomic uint64_t next; /* generation << 32 | next task */
	_Atomic uint32_t gen;
	_Atomic int left;      /* tasks not yet ended */
	_Atomic int sleepers;
	_Atomic int stop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

struct start {
	struct pool *pool;
	int thread;
};

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Tasks that it took. */
static int work(struct pool *p, uint32_t gen, int thread)
{
	for (int n = 0;; n++) {
		uint64_t v = atomic_load(&p->next);
		do {
			if ((uint32_t)(v >> 32) != gen || (int)(uint32_t)v >= p->ntasks)
				return n;
		} while (!atomic_compare_exchange_weak(&p->next, &v, v + 1));
		p->fn(p->arg, (int)(uint32_t)v, thread);
		atomic_fetch_sub(&p->left, 1);
	}
}

static void work_traced(struct pool *p, uint32_t gen, int thread)
{
	uint64_t begin = clock_ns();
	int n = work(p, gen, thread);
	if (n)
		trace_span(TRACE_LOOP, "loop", begin, clock_ns(), n);
}

static uint32_t await_gen(struct pool *p, uint32_t seen)
{
	for (int i = 0; i < SPIN_ROUNDS; i++) {
		uint32_t g = atomic_load_explicit(&p->gen, memory_order_acquire);
		if (g != seen || atomic_load(&p->stop))
			return g;
		relax();
	}
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->sleepers, 1);
	uint32_t g;
	while ((g = atomic_load(&p->gen)) == seen && !atomic_load(&p->stop))
		pthread_cond_wait(&p->wake, &p->lock);
	atomic_fetch_sub(&p->sleepers, 1);
	pthread_mutex_unlock(&p->lock);
	return g;
}

static void *thread_main(void *v)
{
	struct start s = *(struct start *)v;
	char name[16];
	free(v);
	snprintf(name, sizeof name, "pool %d", s.thread);
	trace_thread(name);
#ifdef __linux__
	atomic_store(&s.pool->id[s.thread], (int)syscall(SYS_gettid));
#endif
	uint32_t seen = 0;
	for (;;) {
		seen = await_gen(s.pool, seen);
		if (atomic_load(&s.pool->stop))
			return NULL;
		if (trace_on())
			work_traced(s.pool, seen, s.thread);
		else
			work(s.pool, seen, s.thread);
	}
}

static int start_threads(struct pool *p)
{
	int i;
	for (i = 1; i < p->nthreads; i++) {
		struct start *s = malloc(sizeof *s);
		if (!s)
			break;
		*s = (struct start){p, i};
		if (thread_start(&p->thread[i], thread_main, s)) {
			free(s);
			break;
		}
	}
	int ok = i == p->nthreads;
	if (!ok)
		p->nthreads = i;
	return ok ? 0 : -1;
}

struct pool *pool_new(int nthreads, struct err *e)
{
	if (nthreads < 1 || nthreads > MAX_THREADS) {
		err_set(e, ERR_RANGE, "threads: %d: must be 1 to %d", nthreads, MAX_THREADS);
		return NULL;
	}
	struct pool *p = mem_zalloc(1, sizeof *p);
	if (!p || !(p->thread = mem_zalloc((size_t)nthreads, sizeof *p->thread)) || !(p->id = mem_zalloc((size_t)nthreads, sizeof *p->id))) {
		if (p)
			free(p->thread);
		free(p);
		err_nomem(e, "thread pool", sizeof *p);
		return NULL;
	}
	p->nthreads = nthreads;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	if (start_threads(p)) {
		pool_free(p);
		err_set(e, ERR_IO, "thread pool: %d threads: the system refused a thread", nthreads);
		return NULL;
	}
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, 1);
	pthread_mutex_lock(&p->lock);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (int i = 1; i < p->nthreads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p->thread);
	free(p->id);
	free(p);
}

int pool_threads(const struct pool *p)
{
	return p ? p->nthreads : 1;
}

void pool_run(struct pool *p, int ntasks, pool_fn *fn, void *arg)
{
	if (!p || p->nthreads == 1 || ntasks <= 1) {
		for (int i = 0; i < ntasks; i++)
			fn(arg, i, 0);
		return;
	}
	/* No thread can be in the previous loop's fn here (left was 0), but one may still be between its last look at
	 * `next` and leaving: closing the counter first keeps it from reading the new ntasks with the old generation. */
	uint32_t gen = atomic_load(&p->gen) + 1;
	atomic_store(&p->next, (uint64_t)gen << 32 | UINT32_MAX >> 1);
	p->fn = fn;
	p->arg = arg;
	p->ntasks = ntasks;
	atomic_store(&p->left, ntasks);
	atomic_store(&p->next, (uint64_t)gen << 32);
	atomic_store(&p->gen, gen);
	if (atomic_load(&p->sleepers)) {
		pthread_mutex_lock(&p->lock);
		pthread_cond_broadcast(&p->wake);
		pthread_mutex_unlock(&p->lock);
	}
	work(p, gen, 0);
	for (int i = 0; atomic_load_explicit(&p->left, memory_order_acquire) > 0; i++) {
		relax();
		if (i > SPIN_ROUNDS)
			sched_yield(); /* more threads than processors: let the others end */
	}
}

int pool_cpus(void)
{
#ifdef __linux__
	cpu_set_t set;
	long all = sysconf(_SC_NPROCESSORS_ONLN); /* more than the set holds: then no affinity can be asked for in this way */
	int n = sched_getaffinity(0, sizeof set, &set) ? (int)MAX(all, 1) : CPU_COUNT(&set);
	double quota = ceil(cgroup_cpus("/sys/fs/cgroup", "/proc/self/cgroup"));
	return MAX(quota < n ? (int)quota : n, 1);
#else
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : (int)n;
#endif
}

/* --- niceness --- */

int pool_nice_now(void)
{
	errno = 0;
	int n = getpriority(PRIO_PROCESS, 0);
	return errno ? 0 : n;
}

int pool_nice(struct pool *p, int nice, struct err *e)
{
	if (nice == pool_nice_now())
		return 0;
	if (setpriority(PRIO_PROCESS, 0, nice))
		return err_set(e, ERR_STATE, "nice: %d: %s (the system lets niceness grow only; it is %d)", nice, strerror(errno), pool_nice_now());
#ifdef __linux__
	/* A thread that has not said its number yet was started with the niceness of before. */
	for (int i = 1; p && i < p->nthreads; i++) {
		int id;
		while (!(id = atomic_load(&p->id[i])))
			sched_yield();
		setpriority(PRIO_PROCESS, (id_t)id, nice);
	}
#else
	(void)p;
#endif
	return 0;
}
