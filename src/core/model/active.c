/* active.c: see active.h. Rows are copied whole, so the bytes do not depend on the number of threads.
 * SPDX-License-Identifier: MIT */
#include "model/active.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { TASK_FLOATS = 1 << 15 };

int active_init(struct active_rows *a, const unsigned char *seen, int vocab, struct err *e)
{
	*a = (struct active_rows){.vocab = vocab};
	for (int v = 0; v < vocab; v++)
		a->n += seen[v] != 0;
	if (!a->n)
		return err_set(e, ERR_RANGE, "vocabulary: none of %d ids takes part", vocab);
	a->id = mem_zalloc((size_t)a->n, sizeof *a->id);
	a->at = mem_zalloc((size_t)vocab, sizeof *a->at);
	if (!a->id || !a->at) {
		active_done(a);
		return err_nomem(e, "vocabulary: compact ids", 2 * (uint64_t)vocab * sizeof *a->id);
	}
	for (int v = 0, n = 0; v < vocab; v++) {
		a->at[v] = seen[v] ? n : -1;
		if (seen[v])
			a->id[n++] = v;
	}
	return 0;
}

void active_done(struct active_rows *a)
{
	free(a->id);
	free(a->at);
	*a = (struct active_rows){0};
}

struct move {
	float *out;
	const float *in;
	const struct active_rows *a;
	int D, rows;
};

static void gather_task(void *arg, int task, int thread)
{
	const struct move *m = arg;
	size_t D = (size_t)m->D;
	(void)thread;
	for (int i = task * m->rows; i < MIN(m->a->n, (task + 1) * m->rows); i++)
		memcpy(m->out + (size_t)i * D, m->in + (size_t)m->a->id[i] * D, D * sizeof(float));
}

static void scatter_task(void *arg, int task, int thread)
{
	const struct move *m = arg;
	size_t D = (size_t)m->D;
	(void)thread;
	for (int i = task * m->rows; i < MIN(m->a->n, (task + 1) * m->rows); i++) {
		float *restrict out = m->out + (size_t)m->a->id[i] * D;
		const float *restrict in = m->in + (size_t)i * D;
		for (size_t c = 0; c < D; c++)
			out[c] += in[c];
	}
}

static void move(struct pool *pool, pool_fn *task, struct move m)
{
	m.rows = MAX(TASK_FLOATS / m.D, 1);
	pool_run(pool, (m.a->n + m.rows - 1) / m.rows, task, &m);
}

void active_gather(struct pool *pool, float *out, const float *table, const struct active_rows *a, int D)
{
	move(pool, gather_task, (struct move){.out = out, .in = table, .a = a, .D = D});
}

void active_scatter_add(struct pool *pool, float *table, const float *in, const struct active_rows *a, int D)
{
	move(pool, scatter_task, (struct move){.out = table, .in = in, .a = a, .D = D});
}
