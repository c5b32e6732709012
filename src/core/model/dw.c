/* dw.c: the queue of weight gradients. A job is taken under the lock and done outside it.
 * SPDX-License-Identifier: MIT */
#include "model/dw.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/trace.h"
#include "device/gemm.h"

enum { QUEUE = 64 };

struct job {
	int64_t m, n, T;
	float alpha;
	const float *a, *b;
	float *c;
};

struct dw {
	/* The worker's. */
	struct pool *pool;
	struct timing *timing;
	int overlap, row, row_wait;
	pthread_t thread;

	/* Under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct job job[QUEUE];
	uint64_t added, finished;
	uint64_t ns, calls;
	double flops;
	int stop;
};

static double run(struct pool *pool, const struct job *j)
{
	gemm(pool, 0, 1, j->m, j->n, j->T, j->alpha, j->a, j->T, j->b, j->T, 1, j->c, j->n);
	return 2.0 * (double)j->m * (double)j->n * (double)j->T;
}

static void *thread_main(void *arg)
{
	struct dw *q = arg;
	trace_thread("gradients");
	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (q->finished == q->added && !q->stop)
			pthread_cond_wait(&q->work, &q->lock);
		if (q->finished == q->added)
			break;
		struct job j = q->job[q->finished % QUEUE];
		pthread_mutex_unlock(&q->lock);
		uint64_t t0 = clock_ns();
		double flops = run(NULL, &j);
		uint64_t ns = clock_ns() - t0;
		trace_span(TRACE_ASYNC, "dW", t0, t0 + ns, TRACE_NONE);
		pthread_mutex_lock(&q->lock);
		q->finished++;
		q->ns += ns;
		q->calls++;
		q->flops += flops;
		pthread_cond_broadcast(&q->done);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

struct dw *dw_new(struct pool *pool, int overlap, struct timing *t, struct err *e)
{
	struct dw *q = mem_zalloc(1, sizeof *q);
	if (!q) {
		err_nomem(e, "queue of weight gradients", sizeof *q);
		return NULL;
	}
	q->pool = pool;
	q->timing = t;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	pthread_cond_init(&q->done, NULL);
	q->overlap = overlap && !thread_start(&q->thread, thread_main, q);
	q->row = timing_row(t, "dW", q->overlap ? TIMING_OVERLAP : TIMING_HOST);
	q->row_wait = q->overlap ? timing_row(t, "dW wait", TIMING_WAIT) : -1;
	return q;
}

void dw_free(struct dw *q)
{
	if (!q)
		return;
	if (q->overlap) {
		pthread_mutex_lock(&q->lock);
		q->stop = 1;
		pthread_cond_signal(&q->work);
		pthread_mutex_unlock(&q->lock);
		pthread_join(q->thread, NULL);
	}
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->work);
	pthread_cond_destroy(&q->done);
	free(q);
}

uint64_t dw_add(struct dw *q, int64_t m, int64_t n, int64_t T, float alpha, const float *a, const float *b, float *c)
{
	struct job j = {m, n, T, alpha, a, b, c};
	if (!q->overlap) {
		uint64_t t0 = clock_ns();
		double flops = run(q->pool, &j);
		timing_add(q->timing, q->row, clock_ns() - t0, flops);
		return ++q->added;
	}
	pthread_mutex_lock(&q->lock);
	while (q->added - q->finished == QUEUE)
		pthread_cond_wait(&q->done, &q->lock);
	q->job[q->added % QUEUE] = j;
	uint64_t ticket = ++q->added;
	pthread_cond_signal(&q->work);
	pthread_mutex_unlock(&q->lock);
	return ticket;
}

void dw_wait(struct dw *q, uint64_t ticket)
{
	if (!q->overlap)
		return;
	uint64_t t0 = clock_ns();
	pthread_mutex_lock(&q->lock);
	while (q->finished < ticket)
		pthread_cond_wait(&q->done, &q->lock);
	uint64_t ns = q->ns;
	double flops = q->flops;
	int any = q->calls > 0;
	q->ns = q->calls = 0;
	q->flops = 0;
	pthread_mutex_unlock(&q->lock);
	timing_add(q->timing, q->row_wait, clock_ns() - t0, 0);
	if (any)
		timing_count(q->timing, q->row, ns, flops);
}

/* Only the worker adds. */
uint64_t dw_latest(const struct dw *q)
{
	return q->added;
}

void dw_wait_all(struct dw *q)
{
	dw_wait(q, q->overlap ? q->added : 0);
}
