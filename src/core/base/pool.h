/* pool.h: the one thread pool: runs numbered tasks of a loop and returns when all are done. No futures, no nesting.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_POOL_H
#define ANETUI_BASE_POOL_H

#include "base/err.h"

struct pool;

typedef void pool_fn(void *arg, int task, int thread);

/* nthreads counts the caller of pool_run: 1 starts none. 1 <= nthreads <= 256. Pool threads block every signal
 * but the synchronous faults. */
struct pool *pool_new(int nthreads, struct err *e);
void pool_free(struct pool *p);
int pool_threads(const struct pool *p);

/* Runs fn(arg, 0..ntasks-1, thread) on all threads, `thread` in 0..nthreads-1 (0 is the caller), and returns when
 * the last one has ended. Which thread takes which task is not fixed: results must not depend on it.
 * One caller at a time. `p` may be NULL: then all tasks run here, in order. */
void pool_run(struct pool *p, int ntasks, pool_fn *fn, void *arg);

/* The processors that this process may use (affinity and control groups taken into account; part of one counts as one), at least 1. */
int pool_cpus(void);

/* Niceness of the calling thread and of the pool's threads (p may be NULL); where threads have none of their own (not Linux) that of the whole process. Threads that the calling
 * one starts later have its niceness. ERR_STATE: the system does not let it be lowered again; then nothing has changed. */
int pool_nice(struct pool *p, int nice, struct err *e);
/* That of the calling thread. */
int pool_nice_now(void);

#endif
