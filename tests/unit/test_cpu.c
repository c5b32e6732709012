/* test_cpu.c: the cpu device against the plain reference, with scratch poisoned, on one and three threads; plans; bindings.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/cpu/cpu.h"
#include "device/device.h"
#include "device/ref.h"
#include "model/programs.h"
#include "support/op_cases.h"

/* A program with its surfaces, bound. */
struct rig {
	struct pool *pool;
	struct device *d;
	struct kernel *k;
	struct binding *b;
	int nin, nout;
	struct surface *s[64];
	const struct kernel_io *in, *out;
};

static void rig_done(struct rig *r)
{
	binding_free(r->b);
	for (int i = 0; i < r->nin + r->nout; i++)
		surface_free(r->s[i]);
	kernel_free(r->k);
	device_close(r->d);
	pool_free(r->pool);
}

static void rig_open(struct rig *r, int threads)
{
	struct err e = {0};
	memset(r, 0, sizeof *r);
	assert_non_null(r->pool = pool_new(threads, &e));
	assert_non_null(r->d = device_open("cpu", r->pool, &e));
	cpu_poison(r->d, 1);
}

static void rig_bind(struct rig *r, const char *text, const struct dev_weight *w, int nw)
{
	struct err e = {0};
	const char *name[64];
	r->k = device_compile(r->d, text, strlen(text), w, nw, &e);
	if (!r->k)
		fail_msg("%s\n%s", e.msg, text);
	r->nin = kernel_inputs(r->k, &r->in);
	r->nout = kernel_outputs(r->k, &r->out);
	assert_true(r->nin + r->nout <= 64);
	for (int i = 0; i < r->nin + r->nout; i++) {
		const struct kernel_io *io = i < r->nin ? &r->in[i] : &r->out[i - r->nin];
		name[i] = io->name;
		assert_non_null(r->s[i] = device_surface(r->d, &io->type, &e));
	}
	r->b = device_bind(r->k, name, r->s, r->nin + r->nout, &e);
	if (!r->b)
		fail_msg("%s", e.msg);
}

static float *data_of(struct surface *s)
{
	return surface_window(s, 0, s->type.rank > 1 ? s->type.dim[1] : 0, SURFACE_RW);
}

static void rig_fill(struct rig *r, double *const *in)
{
	for (int i = 0; i < r->nin; i++)
		for (int64_t j = 0; j < mil_count(&r->in[i].type); j++)
			data_of(r->s[i])[j] = (float)in[i][j];
	for (int i = 0; i < r->nout; i++)
		for (int64_t j = 0; j < mil_count(&r->out[i].type); j++)
			data_of(r->s[r->nin + i])[j] = NAN;
}

/* Equal but for `tol` of the tensor's largest number. */
static void check_within(double tol, const char *name, const char *text, const struct kernel_io *io, const float *got,
			 const double *want)
{
	double scale = 1e-3;
	int64_t n = mil_count(&io->type);
	for (int64_t i = 0; i < n; i++)
		if (isfinite(want[i]))
			scale = fmax(scale, fabs(want[i]));
	for (int64_t i = 0; i < n; i++)
		if (!(fabs(got[i] - want[i]) <= tol * scale) && !(isnan(want[i]) && isnan(got[i])) && (double)got[i] != want[i])
			fail_msg("%s: %s[%lld] is %.9g, should be %.9g (scale %g)\n%s", name, io->name, (long long)i, got[i], want[i],
				 scale, text);
}

static void check(const char *name, const char *text, const struct kernel_io *io, const float *got, const double *want)
{
	check_within(1e-5, name, text, io, got, want);
}

static void run_case(const char *name, const char *text)
{
	struct err e = {0};
	struct mil_graph *g;
	struct op_data d;
	struct rig one, three;
	double *want[64] = {0};
	assert_int_equal(mil_parse(&g, text, strlen(text), &e), 0);
	assert_int_equal(op_data_fill(&d, g, 7), 0);
	assert_int_equal(ref_run(g, d.w, d.nw, (const double *const *)d.in, want, 0, &e), 0);
	rig_open(&one, 1);
	rig_open(&three, 3);
	rig_bind(&one, text, d.w, d.nw);
	rig_bind(&three, text, d.w, d.nw);
	rig_fill(&one, d.in);
	rig_fill(&three, d.in);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(binding_run(one.b, &e), 0);
		assert_int_equal(binding_run(three.b, &e), 0);
	}
	for (int i = 0; i < one.nout; i++) {
		float *got = data_of(one.s[one.nin + i]);
		check(name, text, &one.out[i], got, want[i]);
		if (memcmp(got, data_of(three.s[one.nin + i]), (size_t)mil_count(&one.out[i].type) * sizeof *got))
			fail_msg("%s: three threads give other bytes\n%s", name, text);
		free(want[i]);
	}
	rig_done(&one);
	rig_done(&three);
	op_data_done(&d);
	mil_free(g);
}

static void test_ops(void **s)
{
	(void)s;
	int n;
	const struct op_case *c = op_cases(&n);
	for (int i = 0; i < n; i++)
		run_case(c[i].name, c[i].text);
}

/* --- plans --- */

static struct kernel_plan_info plan_of(const char *text, const struct dev_weight *w, int nw)
{
	struct rig r;
	struct kernel_plan_info info;
	rig_open(&r, 1);
	rig_bind(&r, text, w, nw);
	kernel_plan(r.k, &info);
	rig_done(&r);
	return info;
}

/* The programs of a model: no value is copied (with grouped queries, whose gradient sums over a group, one is). */
static void test_model_programs(void **s)
{
	(void)s;
	struct model_config c = {.dim = 24, .hidden = 40, .layers = 2, .heads = 4, .kv_heads = 4, .head_dim = 6, .vocab = 32, .context = 64,
				 .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 0.5f};
	for (int shape = 0; shape < 16; shape++) {
		int separate = shape >= 8;
		c.kv_heads = shape & 1 ? 2 : 4;
		c.rope = shape & 2 ? ROPE_HALF : ROPE_INTERLEAVED;
		int batch = shape & 4 ? 3 : 1;
		for (int id = separate ? PROGRAM_STATIC_N : 0; id < PROGRAM_N; id++) {
			struct program p = {0};
			struct err e = {0};
			char name[64];
			assert_int_equal(program_build(&p, (enum program_id)id, &c, &(struct program_shape){.batch = batch, .seq = 16, .separate = separate}, MIL_BARE, &e), 0);
			snprintf(name, sizeof name, "%s, shape %d", p.name, shape);
			run_case(name, p.text.s);
			struct mil_graph *g;
			struct op_data d;
			assert_int_equal(mil_parse(&g, p.text.s, p.text.len, &e), 0);
			assert_int_equal(op_data_fill(&d, g, 3), 0);
			struct kernel_plan_info info = plan_of(p.text.s, d.w, d.nw);
			if (info.ncopy > (c.kv_heads == 2 && strncmp(p.name, "sdpaBwd", 7) == 0))
				fail_msg("%s: %d copies", name, info.ncopy);
			assert_true(info.nstep <= info.nop || (id == PROGRAM_SOFTMAX && info.nstep == 3)); /* along columns: maximum, sum, quotient */
			assert_true(info.flops > 0 || id == PROGRAM_FINAL_NORM || id == PROGRAM_SOFTMAX || id == PROGRAM_NORM_BWD);
			op_data_done(&d);
			mil_free(g);
			program_done(&p);
		}
	}
}

#define PROGRAM(params, body, ret) "program(1.3)\n{\nfunc main<ios18>(" params ") {\n" body "\n} -> (" ret ");\n}\n"

static void test_plans(void **s)
{
	(void)s;
	/* A chain of six is one loop. */
	static const char chain[] = PROGRAM("tensor<fp16, [1, 64, 1, 32]> x",
		"tensor<fp16, [1, 64, 1, 32]> a = mul(x=x, y=x); tensor<fp16, [1, 64, 1, 32]> b = add(x=a, y=x);"
		"tensor<fp16, [1, 64, 1, 32]> c = sigmoid(x=b); tensor<fp16, [1, 64, 1, 32]> d = mul(x=c, y=b);"
		"tensor<fp16, [1, 64, 1, 32]> f = tanh(x=d); tensor<fp16, [1, 64, 1, 32]> y = sub(x=f, y=a);", "y");
	struct kernel_plan_info info = plan_of(chain, NULL, 0);
	assert_int_equal(info.nstep, 1);
	assert_int_equal(info.ncopy, 0);
	assert_int_equal(info.scratch, 0);
	/* What no output needs is not done; constants are folded. */
	static const char dead[] = PROGRAM("tensor<fp16, [4]> x",
		"tensor<fp16, [4]> a = exp(x=x); tensor<fp16, [2]> k = const()[val=tensor<fp16, [2]>([1, 2])];"
		"tensor<fp16, [2]> k2 = mul(x=k, y=k); tensor<fp16, [2]> k3 = reshape(x=k2, shape=tensor<int32, [1]>([2]));"
		"tensor<fp16, [4]> k4 = concat(values=(k3, k2), axis=int32(0), interleave=bool(false));"
		"tensor<fp16, [4]> y = add(x=x, y=k4);", "y");
	info = plan_of(dead, NULL, 0);
	assert_int_equal(info.nstep, 1);
	assert_int_equal(info.ncopy, 0);
	run_case("dead", dead);
	/* Inputs that are handed through are copied, and only they. */
	static const char through[] = PROGRAM("tensor<fp16, [1, 3, 1, 4]> x",
		"tensor<fp16, [1, 3, 1, 4]> a = relu(x=x);"
		"tensor<fp16, [1, 9, 1, 4]> y = concat(values=(x, a, a), axis=int32(1), interleave=bool(false));", "y, a");
	info = plan_of(through, NULL, 0);
	assert_true(info.ncopy >= 2 && info.ncopy <= 3);
	run_case("through", through);
}

/* Masks that hide in different ways: 0 causal, 1 a window, 2 rows that see nothing, 3 nothing hidden. */
static void fill_mask(float *mask, int rows, int keys, int kind)
{
	for (int i = 0; i < rows * keys; i++) {
		int row = i / keys % keys, key = i % keys;
		mask[i] = kind == 0 ? (key <= row ? 0 : -1e4f) : kind == 1 ? (key < row + 40 && key > row - 30 ? 0.5f : -65504.0f)
			: kind == 2 ? (row % 7 == 3 || key > 2 * row ? -INFINITY : 0) : (float)(i % 13) / 4;
		if (kind == 2 && row % 7 == 3)
			mask[i] = -1e4f;
	}
}

/* Attention that skips what the mask hides: causal, a window from the left, rows that see nothing, a mask of small numbers;
 * rows that do not fill a block. The same kernel sees each mask: it is live. */
static void test_attention(void **s)
{
	(void)s;
	enum { S = 150, E = 8 };
	static const char text[] = PROGRAM(
		"tensor<fp16, [2, 3, 150, 8]> q, tensor<fp16, [2, 3, 150, 8]> k, tensor<fp16, [2, 3, 150, 8]> v",
		"tensor<fp16, [1, 1, 150, 150]> m = const()[val=tensor<fp16, [1, 1, 150, 150]>(BLOBFILE(path="
		"string(\"@model_path/weights/m.bin\"), offset=uint64(64)))];"
		"tensor<fp16, [2, 3, 150, 150]> a = matmul(x=q, y=k, transpose_x=bool(false), transpose_y=bool(true));"
		"tensor<fp16, [2, 3, 150, 150]> b = mul(x=a, y=fp16(0.375)); tensor<fp16, [2, 3, 150, 150]> c = add(x=b, y=m);"
		"tensor<fp16, [2, 3, 150, 150]> p = softmax(x=c, axis=int32(-1));"
		"tensor<fp16, [2, 3, 150, 8]> o = matmul(x=p, y=v, transpose_x=bool(false), transpose_y=bool(false));"
		"tensor<fp16, [2, 3, 8, 150]> y = transpose(x=o, perm=tensor<int32, [4]>([0, 1, 3, 2]));", "y");
	static float mask[S * S];
	struct dev_weight w = {"@model_path/weights/m.bin", MIL_FP32, 4, {1, 1, S, S}, {S * S, S * S, S, 1}, mask, 0};
	struct err e = {0};
	struct mil_graph *g;
	struct op_data d;
	struct rig one, three;
	struct kernel_plan_info info;
	assert_int_equal(mil_parse(&g, text, strlen(text), &e), 0);
	assert_int_equal(op_data_fill(&d, g, 11), 0);
	rig_open(&one, 1);
	rig_open(&three, 3);
	rig_bind(&one, text, &w, 1);
	rig_bind(&three, text, &w, 1);
	kernel_plan(one.k, &info);
	assert_int_equal(info.nstep, 1);
	for (int kind = 0; kind < 4; kind++) {
		fill_mask(mask, S, S, kind);
		double *want = NULL;
		assert_int_equal(ref_run(g, &w, 1, (const double *const *)d.in, &want, 0, &e), 0);
		rig_fill(&one, d.in);
		rig_fill(&three, d.in);
		assert_int_equal(binding_run(one.b, &e), 0);
		assert_int_equal(binding_run(three.b, &e), 0);
		/* A score next to -1e4 keeps three digits behind the point. */
		check_within(kind == 2 ? 1e-3 : 1e-5, "attention", text, one.out, data_of(one.s[3]), want);
		assert_memory_equal(data_of(one.s[3]), data_of(three.s[3]), 2 * 3 * S * E * sizeof(float));
		free(want);
	}
	rig_done(&one);
	rig_done(&three);
	op_data_done(&d);
	mil_free(g);
}

/* A program of a model on one and three threads, its graph, and numbers for it. */
struct model_rig {
	struct program p;
	struct mil_graph *g;
	struct op_data d;
	struct rig one, three;
};

/* m->p.text is there. */
static void model_rig_bind(struct model_rig *m)
{
	struct err e = {0};
	assert_int_equal(mil_parse(&m->g, m->p.text.s, m->p.text.len, &e), 0);
	assert_int_equal(op_data_fill(&m->d, m->g, 5), 0);
	rig_open(&m->one, 1);
	rig_open(&m->three, 3);
	rig_bind(&m->one, m->p.text.s, m->d.w, m->d.nw);
	rig_bind(&m->three, m->p.text.s, m->d.w, m->d.nw);
}

static void model_rig_open(struct model_rig *m, enum program_id id, const struct model_config *c, const struct program_shape *shape)
{
	struct err e = {0};
	*m = (struct model_rig){.p = {0}};
	assert_int_equal(program_build(&m->p, id, c, shape, MIL_BARE, &e), 0);
	model_rig_bind(m);
}

static void model_rig_done(struct model_rig *m)
{
	rig_done(&m->one);
	rig_done(&m->three);
	op_data_done(&m->d);
	mil_free(m->g);
	program_done(&m->p);
}

/* Runs it; every output within tol of the reference, and the same bytes by three threads. */
static void model_rig_check(struct model_rig *m, double tol)
{
	struct err e = {0};
	double *want[8] = {0};
	assert_int_equal(ref_run(m->g, m->d.w, m->d.nw, (const double *const *)m->d.in, want, 0, &e), 0);
	rig_fill(&m->one, m->d.in);
	rig_fill(&m->three, m->d.in);
	assert_int_equal(binding_run(m->one.b, &e), 0);
	assert_int_equal(binding_run(m->three.b, &e), 0);
	for (int i = 0; i < m->one.nout; i++) {
		const float *got = data_of(m->one.s[m->one.nin + i]);
		check_within(tol, m->p.name, m->p.text.s, &m->one.out[i], got, want[i]);
		assert_memory_equal(got, data_of(m->three.s[m->three.nin + i]), (size_t)mil_count(&m->one.out[i].type) * sizeof *got);
		free(want[i]);
	}
}

/* The way back through attention, with heads of their own and with groups: under each mask the probabilities of the first program go into the second,
 * whose result does not depend on what dp is where nothing is seen. */
static void test_attention_back(void **s)
{
	(void)s;
	enum { S = 150, B = 2, H = 4, SCORES = B * H * S * S };
	struct model_config c = {.dim = 24, .hidden = 40, .layers = 2, .heads = H, .head_dim = 6, .vocab = 32, .context = S, .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 0.5f};
	for (c.kv_heads = 2; c.kv_heads <= H; c.kv_heads += 2) {
		struct program_shape shape = {.batch = B, .seq = S};
		struct model_rig first, second;
		struct kernel_plan_info info;
		struct err e = {0};
		model_rig_open(&first, PROGRAM_SDPA_BWD1, &c, &shape);
		model_rig_open(&second, PROGRAM_SDPA_BWD2, &c, &shape);
		kernel_plan(second.one.k, &info);
		assert_true(info.scratch < SCORES); /* the gradient of the scores is nowhere whole */
		float *mask = NULL;
		for (int i = 0; i < first.d.nw; i++)
			if (strstr(first.d.w[i].path, "mask"))
				mask = (float *)(uintptr_t)first.d.w[i].data;
		assert_non_null(mask);
		for (int kind = 0; kind < 4; kind++) {
			fill_mask(mask, H / c.kv_heads * S, S, kind);
			model_rig_check(&first, kind == 2 ? 1e-3 : 1e-5);
			const float *ps = data_of(first.one.s[first.one.nin + 1]);
			int hidden = 0;
			for (int i = 0; i < 2 * SCORES; i++)
				second.d.in[1][i] = ps[i];
			model_rig_check(&second, 1e-5);
			size_t size = (size_t)mil_count(&second.one.out[0].type) * sizeof(float);
			float *before = malloc(size), *dp = data_of(second.one.s[1]) + SCORES;
			assert_non_null(before);
			memcpy(before, data_of(second.one.s[second.one.nin]), size);
			for (int row = 0; row < SCORES / S; row++)
				for (int key = S - 1; key > 0 && ps[row * S + key] == 0; key--, hidden++)
					dp[row * S + key] = NAN;
			assert_true(kind == 3 ? hidden == 0 : hidden > SCORES / 10);
			assert_int_equal(binding_run(second.one.b, &e), 0);
			assert_memory_equal(before, data_of(second.one.s[second.one.nin]), size);
			free(before);
		}
		model_rig_done(&first);
		model_rig_done(&second);
	}
}

/* Probabilities that are read by others and by probs^T da, `reshapes` of them between mask and softmax. */
static void probs_program(struct str *out, int reshapes)
{
	const char *last = "c";
	char name[16] = "c";
	str_puts(out, "program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [2, 3, 150, 8]> q, tensor<fp16, [2, 3, 150, 8]> k, tensor<fp16, [2, 3, 150, 8]> da) {\n"
		"tensor<fp16, [1, 1, 150, 150]> m = const()[val=tensor<fp16, [1, 1, 150, 150]>(BLOBFILE(path=string(\"@model_path/weights/m.bin\"), offset=uint64(64)))];"
		"tensor<fp16, [2, 3, 150, 150]> a = matmul(x=q, y=k, transpose_x=bool(false), transpose_y=bool(true));"
		"tensor<fp16, [2, 3, 150, 150]> b = mul(x=a, y=fp16(0.375)); tensor<fp16, [2, 3, 150, 150]> c = add(x=b, y=m);");
	for (int i = 0; i < reshapes; i++) {
		const char *shape = (reshapes - i) % 2 ? "[2, 3, 150, 150]" : "[6, 1, 150, 150]";
		str_printf(out, "tensor<fp16, %s> r%d = reshape(x=%s, shape=tensor<int32, [4]>(%s));", shape, i, last, shape);
		snprintf(name, sizeof name, "r%d", i);
		last = name;
	}
	str_printf(out, "tensor<fp16, [2, 3, 150, 150]> p = softmax(x=%s, axis=int32(-1));"
		"tensor<fp16, [2, 3, 150, 150]> t = transpose(x=p, perm=tensor<int32, [4]>([0, 1, 3, 2]));"
		"tensor<fp16, [2, 3, 150, 8]> y = matmul(x=t, y=da, transpose_x=bool(false), transpose_y=bool(false));\n} -> (p, y);\n}\n", last);
}

/* The list of what becomes one node has an end: a program that goes beyond it runs as it stands. */
static void test_attention_of_many_nodes(void **s)
{
	(void)s;
	enum { ROOM = 12, OTHERS = 5 }; /* of that list; transposition, both products, scale, mask */
	int steps = 0;
	for (int reshapes = 0; reshapes < ROOM; reshapes++) {
		struct model_rig m = {.p = {0}};
		struct kernel_plan_info info;
		m.p.name = "probabilities";
		probs_program(&m.p.text, reshapes);
		model_rig_bind(&m);
		assert_int_equal(m.d.nw, 1);
		fill_mask((float *)(uintptr_t)m.d.w[0].data, 150, 150, 0);
		model_rig_check(&m, 1e-5);
		kernel_plan(m.one.k, &info);
		steps = reshapes ? steps : info.nstep;
		assert_int_equal(info.nstep == steps, reshapes + OTHERS <= ROOM);
		model_rig_done(&m);
	}
}

/* A weight seen transposed, and changed between runs. */
static void test_live_weights(void **s)
{
	(void)s;
	static const char text[] = PROGRAM("tensor<fp16, [1, 3, 1, 5]> x",
		"tensor<fp16, [2, 3, 1, 1]> w = const()[val=tensor<fp16, [2, 3, 1, 1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), "
		"offset=uint64(64)))];"
		"tensor<fp16, [1, 2, 1, 5]> y = conv(x=x, weight=w);", "y");
	float w[3][2] = {{1, 2}, {3, 4}, {5, 6}};
	struct dev_weight dw = {"@model_path/weights/w.bin", MIL_FP32, 2, {2, 3}, {1, 2}, w, 0};
	struct err e = {0};
	struct rig r;
	rig_open(&r, 2);
	rig_bind(&r, text, &dw, 1);
	for (int i = 0; i < 15; i++)
		data_of(r.s[0])[i] = (float)i;
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(binding_run(r.b, &e), 0);
		for (int o = 0; o < 2; o++)
			for (int t = 0; t < 5; t++) {
				float want = 0;
				for (int i = 0; i < 3; i++)
					want += w[i][o] * (float)(i * 5 + t);
				assert_true(data_of(r.s[1])[o * 5 + t] == want);
			}
		w[2][1] = -7;
	}
	assert_int_equal(binding_perf(r.b)->calls, 2);
	assert_true(binding_perf(r.b)->flops == 60);
	assert_true(binding_perf(r.b)->bytes == 4 * (15 + 10 + 6));
	rig_done(&r);
}

/* --- refusals --- */

static void says(const struct err *e, const char *part)
{
	if (!e->code || !strstr(e->msg, part))
		fail_msg("\"%s\" lacks \"%s\"", e->msg, part);
}

static void test_refusals(void **s)
{
	(void)s;
	static const char text[] = PROGRAM("tensor<fp16, [1, 3, 1, 5]> x",
		"tensor<fp16, [2, 3, 1, 1]> w = const()[val=tensor<fp16, [2, 3, 1, 1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), "
		"offset=uint64(64)))];"
		"tensor<fp16, [1, 2, 1, 5]> y = conv(x=x, weight=w);", "y");
	float w[6] = {0};
	struct dev_weight dw = {"@model_path/weights/w.bin", MIL_FP32, 2, {3, 2}, {2, 1}, w, 0};
	struct err e = {0};
	struct device *d = device_open("cpu", NULL, &e);
	assert_non_null(d);
	assert_null(device_open("npu", NULL, &e));
	says(&e, "npu");
	assert_null(device_open("cpu fast", NULL, &e));
	says(&e, "fast");
	assert_null(device_compile(d, text, strlen(text), NULL, 0, &e));
	says(&e, "w.bin");
	assert_null(device_compile(d, text, strlen(text), &dw, 1, &e));
	says(&e, "[3, 2]");
	assert_null(device_compile(d, "program(", 8, NULL, 0, &e));
	says(&e, "mil:");
	dw.dim[0] = 2;
	dw.dim[1] = 3;
	struct kernel *k = device_compile(d, text, strlen(text), &dw, 1, &e);
	assert_non_null(k);
	struct mil_type small = {MIL_FP16, 4, {1, 2, 1, 4}};
	const struct kernel_io *in, *out;
	kernel_inputs(k, &in);
	kernel_outputs(k, &out);
	float mem[40];
	struct surface *x = device_surface(d, &in->type, &e), *y = device_surface_over(d, &out->type, mem, &e);
	struct surface *bad = device_surface(d, &small, &e), *same = device_surface_over(d, &in->type, mem + 9, &e);
	const char *names[] = {"x", "y", "z"};
	struct surface *both[] = {x, y, x}, *wrong[] = {x, bad}, *lap[] = {same, y};
	assert_null(device_bind(k, names, both, 1, &e));
	says(&e, "bind: y: no surface given");
	assert_null(device_bind(k, names, both, 3, &e));
	says(&e, "z");
	assert_null(device_bind(k, names, wrong, 2, &e));
	says(&e, "[1, 2, 1, 4]");
	assert_null(device_bind(k, names, lap, 2, &e));
	says(&e, "shares memory");
	const char *twice[] = {"x", "x"};
	assert_null(device_bind(k, twice, both, 2, &e));
	says(&e, "twice");
	surface_free(x);
	surface_free(y);
	surface_free(bad);
	surface_free(same);
	kernel_free(k);
	device_close(d);
	kernel_free(NULL);
	binding_free(NULL);
	surface_free(NULL);
	device_close(NULL);
}

/* Products of which all live until the last is made: refused before their memory is touched. So is a surface. */
static void test_beyond_memory(void **s)
{
	(void)s;
	struct err e = {0};
	struct str body = {0}, text = {0};
	struct mil_type big = {MIL_FP32, 4, {1, 30000, 1, 60000}};
	uint64_t each = 30000ull * 60000 * 4, n = mem_available() / each + 2;
	struct device *d = device_open("cpu", NULL, &e);
	assert_non_null(d);
	str_puts(&body, "bool no = const()[val=bool(false)];\nbool yes = const()[val=bool(true)];\ntensor<int32, [2]> axes = const()[val=tensor<int32, [2]>([2, 3])];\n");
	for (uint64_t i = 0; i < n; i++)
		str_printf(&body, "tensor<fp32, [1, 1, 30000, 60000]> t%d = matmul(x=x, y=y, transpose_x=no, transpose_y=no);\n", (int)i);
	for (uint64_t i = 0; i < n; i++)
		str_printf(&body, "tensor<fp32, [1, 1, 1, 1]> r%d = reduce_sum(x=t%d, axes=axes, keep_dims=yes);\n", (int)i, (int)i);
	str_printf(&text, "program(1.3)\n{\nfunc main<ios18>(tensor<fp32, [1, 1, 30000, 1]> x, tensor<fp32, [1, 1, 1, 60000]> y) {\n%s\n} -> (r0", body.s);
	for (uint64_t i = 1; i < n; i++)
		str_printf(&text, ", r%d", (int)i);
	str_puts(&text, ");\n}\n");
	assert_null(device_compile(d, text.s, text.len, NULL, 0, &e));
	assert_int_equal(e.code, ERR_NOMEM);
	says(&e, "GiB needed, ");
	says(&e, "iB free");
	if (mem_available() < each) {
		assert_null(device_surface(d, &big, &e));
		says(&e, "6.7 GiB needed, ");
	}
	str_done(&body);
	str_done(&text);
	device_close(d);
}

static void test_gather_outside(void **s)
{
	(void)s;
	static const char text[] = PROGRAM("tensor<fp16, [4, 2]> x, tensor<int32, [3]> i",
		"tensor<fp16, [3, 2]> y = gather(x=x, indices=i, axis=int32(0));", "y");
	struct err e = {0};
	struct rig r;
	rig_open(&r, 1);
	rig_bind(&r, text, NULL, 0);
	data_of(r.s[1])[1] = 4;
	assert_int_equal(binding_run(r.b, &e), ERR_DEVICE);
	says(&e, "index 4");
	data_of(r.s[1])[1] = NAN;
	assert_int_equal(binding_run(r.b, &e), ERR_DEVICE);
	rig_done(&r);
}

/* Windows of channels, of one image and of several. */
static void test_windows(void **s)
{
	(void)s;
	struct err e = {0};
	struct device *d = device_open("cpu", NULL, &e);
	struct mil_type one = {MIL_FP16, 4, {1, 6, 1, 4}}, two = {MIL_FP16, 4, {2, 6, 1, 4}};
	struct surface *a = device_surface(d, &one, &e), *b = device_surface(d, &two, &e);
	float *w = surface_window(a, 2, 3, SURFACE_WRITE);
	for (int i = 0; i < 12; i++)
		w[i] = (float)i;
	surface_release(a);
	assert_true(surface_window(a, 0, 6, SURFACE_READ)[8] == 0 && surface_window(a, 0, 6, SURFACE_READ)[9] == 1);
	assert_null(surface_window(a, 4, 3, SURFACE_READ));
	assert_null(surface_window(a, -1, 1, SURFACE_READ));
	w = surface_window(b, 5, 1, SURFACE_RW);
	for (int i = 0; i < 8; i++)
		w[i] = (float)(i + 1);
	surface_release(b);
	w = surface_window(b, 0, 6, SURFACE_READ);
	for (int i = 0; i < 48; i++)
		assert_true(w[i] == (i >= 20 && i < 24 ? (float)(i - 19) : i >= 44 ? (float)(i - 39) : 0));
	surface_free(a);
	surface_free(b);
	device_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ops), cmocka_unit_test(test_model_programs), cmocka_unit_test(test_plans),
		cmocka_unit_test(test_attention), cmocka_unit_test(test_attention_back), cmocka_unit_test(test_attention_of_many_nodes), cmocka_unit_test(test_live_weights), cmocka_unit_test(test_refusals), cmocka_unit_test(test_beyond_memory), cmocka_unit_test(test_gather_outside),
		cmocka_unit_test(test_windows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
