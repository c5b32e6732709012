/* op_cases.c: the table of op_cases.h. Families over shapes are made by loops, the rest is written out; attributes are left
 * out and constants written inline, which the language allows and which keeps a case on one line.
 * SPDX-License-Identifier: MIT */
#include "support/op_cases.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "mil/shape.h"
#include "support/op_cases_text.h"

static struct op_case *table;
static size_t ncase, cap;

/* --- making the table --- */

void op_case_add(const char *name, const char *params, const char *ret, const char *fmt, ...)
{
	struct str s = {0};
	va_list ap;
	str_printf(&s, "program(1.3)\n{\nfunc main<ios18>(%s) {\n", params);
	va_start(ap, fmt);
	str_vprintf(&s, fmt, ap);
	va_end(ap);
	str_printf(&s, "\n} -> (%s);\n}\n", ret);
	if (s.failed || mem_grow(&table, &cap, ncase + 1, sizeof *table))
		abort();
	table[ncase++] = (struct op_case){mem_strdup(name), s.s};
}

/* "tensor<fp16, [1, 3]>", or "fp16" for a scalar. */
static char *type_text(char buf[128], const struct mil_type *t)
{
	int at = snprintf(buf, 128, "%s%s", t->rank ? "tensor<" : "", mil_dtype_name(t->dtype));
	for (int i = 0; i < t->rank; i++)
		at += snprintf(buf + at, 128 - (size_t)at, "%s%lld", i ? ", " : ", [", (long long)t->dim[i]);
	if (t->rank)
		snprintf(buf + at, 128 - (size_t)at, "]>");
	return buf;
}

static const struct mil_type shapes[] = {
	{MIL_FP16, 4, {1, 3, 1, 7}}, {MIL_FP16, 1, {17}},          {MIL_FP32, 2, {33, 3}},
	{MIL_FP16, 5, {2, 1, 3, 1, 7}}, {MIL_FP16, 3, {7, 17, 33}}, {MIL_FP32, 4, {1, 1, 1, 1}},
};

static void add_unary(void)
{
	static const char *const ops[][2] = {
		{"sigmoid", ""}, {"silu", ""}, {"relu", ""}, {"tanh", ""}, {"exp", ""}, {"sqrt", ""}, {"rsqrt", ""}, {"log", ""},
		{"gelu", ""}, {"gelu", ", mode=string(\"EXACT\")"}, {"gelu", ", mode=string(\"TANH_APPROXIMATION\")"},
		{"gelu", ", mode=string(\"SIGMOID_APPROXIMATION\")"},
	};
	char name[96], params[160], t[128];
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		for (size_t k = 0; k < 3; k++) {
			const struct mil_type *s = &shapes[(i + 2 * k) % ARRAY_LEN(shapes)];
			int positive = strstr("sqrt rsqrt log", ops[i][0]) != NULL;
			snprintf(name, sizeof name, "%s.%zu.rank%d", ops[i][0], i, s->rank);
			snprintf(params, sizeof params, "%s %s", type_text(t, s), positive ? "p" : "x");
			op_case_add(name, params, "y", "%s y = %s(x=%s%s);", t, ops[i][0], positive ? "p" : "x", ops[i][1]);
		}
}

static void add_binary(void)
{
	static const char *const ops[] = {"add", "sub", "mul", "real_div", "pow"};
	static const struct mil_type pairs[][2] = {
		{{MIL_FP16, 4, {1, 7, 1, 17}}, {MIL_FP16, 4, {1, 7, 1, 17}}},
		{{MIL_FP16, 4, {1, 7, 1, 17}}, {MIL_FP16, 4, {1, 1, 1, 17}}},
		{{MIL_FP16, 4, {1, 7, 1, 1}}, {MIL_FP16, 4, {1, 7, 1, 17}}},
		{{MIL_FP16, 4, {1, 3, 7, 1}}, {MIL_FP16, 4, {1, 1, 1, 33}}},
		{{MIL_FP32, 3, {3, 1, 17}}, {MIL_FP32, 2, {7, 1}}},
		{{MIL_FP16, 0, {0}}, {MIL_FP16, 4, {1, 3, 1, 7}}},
		{{MIL_FP16, 2, {33, 3}}, {MIL_FP16, 0, {0}}},
		{{MIL_FP16, 1, {7}}, {MIL_FP16, 5, {2, 1, 3, 1, 7}}},
		{{MIL_FP32, 5, {2, 3, 1, 1, 7}}, {MIL_FP32, 5, {1, 3, 5, 1, 1}}},
		{{MIL_FP16, 4, {1, 3, 17, 17}}, {MIL_FP16, 4, {1, 1, 17, 17}}},
	};
	char name[96], params[320], a[128], b[128], o[128];
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		for (size_t k = 0; k < ARRAY_LEN(pairs); k++) {
			struct mil_type t;
			const char *x = i == 4 ? "px" : "x", *y = i == 3 ? "py" : "y";
			mil_broadcast(&t, &pairs[k][0], &pairs[k][1]);
			snprintf(name, sizeof name, "%s.broadcast%zu", ops[i], k);
			snprintf(params, sizeof params, "%s %s, %s %s", type_text(a, &pairs[k][0]), x, type_text(b, &pairs[k][1]), y);
			op_case_add(name, params, "z", "%s z = %s(x=%s, y=%s);", type_text(o, &t), ops[i], x, y);
		}
}

static void add_reduce(void)
{
	static const char *const ops[] = {"reduce_sum", "reduce_mean", "reduce_max"};
	static const struct {
		const char *axes, *kept, *dropped;
	} how[] = {
		{", axes=tensor<int32,[1]>([1])", "tensor<fp16,[2,1,7,5]>", "tensor<fp16,[2,7,5]>"},
		{", axes=tensor<int32,[1]>([-1])", "tensor<fp16,[2,3,7,1]>", "tensor<fp16,[2,3,7]>"},
		{", axes=tensor<int32,[2]>([3,1])", "tensor<fp16,[2,1,7,1]>", "tensor<fp16,[2,7]>"},
		{", axes=tensor<int32,[2]>([0,-2])", "tensor<fp16,[1,3,1,5]>", "tensor<fp16,[3,5]>"},
		{"", "tensor<fp16,[1,1,1,1]>", "fp16"},
	};
	char name[96];
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		for (size_t k = 0; k < ARRAY_LEN(how); k++)
			for (int keep = 0; keep < 2; keep++) {
				snprintf(name, sizeof name, "%s.axes%zu.keep%d", ops[i], k, keep);
				op_case_add(name, "tensor<fp16,[2,3,7,5]> x", "y", "%s y = %s(x=x%s%s);", keep ? how[k].kept : how[k].dropped, ops[i],
					    how[k].axes, keep ? ", keep_dims=bool(true)" : "");
			}
}

static void add_softmax(void)
{
	char name[96], params[160], t[128];
	for (size_t k = 0; k < ARRAY_LEN(shapes); k++)
		for (int axis = -1; axis < shapes[k].rank; axis += 2) {
			snprintf(name, sizeof name, "softmax.rank%d.axis%d.%zu", shapes[k].rank, axis, k);
			snprintf(params, sizeof params, "%s x", type_text(t, &shapes[k]));
			op_case_add(name, params, "y", "%s y = softmax(x=x, axis=int32(%d));", t, axis);
		}
}

/* x and y as they come, transposed by flag, or as transposed views of what is stored the other way. */
static void add_matmul(void)
{
	static const int64_t size[][4] = {{1, 17, 7, 33}, {3, 7, 33, 5}, {1, 1, 17, 3}, {2, 33, 1, 7}}; /* batch, m, k, n */
	char name[96], params[240];
	for (size_t i = 0; i < ARRAY_LEN(size); i++)
		for (int f = 0; f < 8; f++) {
			int tx = f & 1, ty = f >> 1 & 1, view = f >> 2;
			long long b = size[i][0], m = size[i][1], k = size[i][2], n = size[i][3];
			int sx = tx != view, sy = ty; /* how x and y are stored */
			snprintf(name, sizeof name, "matmul.%zu.%s%s%s", i, tx ? "t" : "n", ty ? "t" : "n", view ? ".view" : "");
			snprintf(params, sizeof params, "tensor<fp16,[1,%lld,%lld,%lld]> x, tensor<fp16,[1,%lld,%lld,%lld]> y", b, sx ? k : m,
				 sx ? m : k, b, sy ? n : k, sy ? k : n);
			if (view)
				op_case_add(name, params, "z",
					    "tensor<fp16,[1,%lld,%lld,%lld]> v = transpose(x=x, perm=tensor<int32,[4]>([0,1,3,2]));\n"
					    "tensor<fp16,[1,%lld,%lld,%lld]> z = matmul(x=v, y=y, transpose_x=bool(%s), transpose_y=bool(%s));",
					    b, sx ? m : k, sx ? k : m, b, m, n, tx ? "true" : "false", ty ? "true" : "false");
			else
				op_case_add(name, params, "z",
					    "tensor<fp16,[1,%lld,%lld,%lld]> z = matmul(x=x, y=y, transpose_x=bool(%s), transpose_y=bool(%s));", b, m, n,
					    tx ? "true" : "false", ty ? "true" : "false");
		}
}

const struct op_case *op_cases(int *n)
{
	if (!table) {
		add_unary();
		add_binary();
		add_reduce();
		add_softmax();
		add_matmul();
		op_case_add_written();
	}
	*n = (int)ncase;
	return table;
}

/* --- values --- */

static double draw(struct rng *r, enum mil_dtype d, const char *name)
{
	if (d == MIL_BOOL)
		return (double)rng_below(r, 2);
	if (d != MIL_FP16 && d != MIL_FP32)
		return (double)rng_below(r, 3);
	double v = name[0] == 'p' ? 0.5 + rng_double(r) : 2 * rng_double(r) - 1;
	return (double)fp16_round((float)v);
}

static int fill_weight(struct op_data *d, const struct mil_value *v, struct rng *r)
{
	int64_t n = mil_count(&v->type);
	int8_t *q = mem_zalloc((size_t)n, 4);
	float *f = (float *)(void *)q;
	if (!q)
		return -1;
	struct dev_weight *w = &d->w[d->nw];
	*w = (struct dev_weight){.path = v->konst->blob, .dtype = v->type.dtype == MIL_INT8 ? MIL_INT8 : MIL_FP32, .rank = v->type.rank,
				 .data = q};
	d->mem[d->nw++] = q;
	for (int64_t i = 0; i < n; i++)
		if (w->dtype == MIL_INT8)
			q[i] = (int8_t)((int)rng_below(r, 256) - 128);
		else
			f[i] = (float)draw(r, v->type.dtype, v->name);
	int64_t stride = 1;
	for (int i = w->rank - 1; i >= 0; i--) {
		w->dim[i] = v->type.dim[i];
		w->stride[i] = stride;
		stride *= w->dim[i];
	}
	return 0;
}

int op_data_fill(struct op_data *d, const struct mil_graph *g, uint64_t seed)
{
	struct rng r;
	rng_seed(&r, seed);
	*d = (struct op_data){0};
	d->in = mem_zalloc((size_t)g->ninput, sizeof *d->in);
	d->w = mem_zalloc((size_t)g->nvalue, sizeof *d->w);
	d->mem = mem_zalloc((size_t)g->nvalue, sizeof *d->mem);
	if (!d->in || !d->w || !d->mem)
		return -1;
	for (; d->nin < g->ninput; d->nin++) {
		const struct mil_value *v = &g->value[g->input[d->nin]];
		int64_t n = mil_count(&v->type);
		if (!(d->in[d->nin] = mem_zalloc((size_t)n, sizeof(double))))
			return -1;
		for (int64_t i = 0; i < n; i++)
			d->in[d->nin][i] = draw(&r, v->type.dtype, v->name);
	}
	for (int i = 0; i < g->nvalue; i++)
		if (g->value[i].konst && g->value[i].konst->blob && fill_weight(d, &g->value[i], &r))
			return -1;
	return 0;
}

void op_data_done(struct op_data *d)
{
	for (int i = 0; d->in && i < d->nin; i++)
		free(d->in[i]);
	for (int i = 0; d->mem && i < d->nw; i++)
		free(d->mem[i]);
	free(d->in);
	free(d->w);
	free(d->mem);
	*d = (struct op_data){0};
}
