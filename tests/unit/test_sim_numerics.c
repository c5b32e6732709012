/* test_sim_numerics.c: the simulator's numbers: fused loops against one loop an op, bit for bit; against the reference that rounds; rules.
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

#include "base/fp16.h"
#include "base/mem.h"
#include "device/cpu/cpu.h"
#include "device/device.h"
#include "device/ref.h"
#include "model/programs.h"
#include "support/op_cases.h"

enum { SURFACES = 64 };

/* A program on a device of its own, with its surfaces. */
struct rig {
	struct pool *pool;
	struct device *d;
	struct kernel *k;
	struct binding *b;
	int nin, nout;
	struct surface *s[SURFACES];
	const struct kernel_io *in, *out;
};

/* 0: only the numbers, on the executor itself: the rules refuse what the op cases need. */
static int with_rules;

static void rig_open(struct rig *r, const char *spec, int threads, int unfused)
{
	struct err e = {0};
	memset(r, 0, sizeof *r);
	assert_non_null(r->pool = pool_new(threads, &e));
	if (!(r->d = device_open(spec, r->pool, &e)))
		fail_msg("%s", e.msg);
	if (!with_rules) {
		struct numerics numbers = ((struct cpu *)r->d)->numerics;
		device_close(r->d);
		assert_non_null(r->d = device_open("cpu", r->pool, &e));
		((struct cpu *)r->d)->numerics = numbers;
	}
	cpu_poison(r->d, 1);
	((struct cpu *)r->d)->numerics.unfused = unfused;
}

static void rig_bind(struct rig *r, const char *text, const struct dev_weight *w, int nw)
{
	struct err e = {0};
	const char *name[SURFACES];
	r->k = device_compile(r->d, text, strlen(text), w, nw, &e);
	if (!r->k)
		fail_msg("%s\n%s", e.msg, text);
	r->nin = kernel_inputs(r->k, &r->in);
	r->nout = kernel_outputs(r->k, &r->out);
	assert_true(r->nin + r->nout <= SURFACES);
	for (int i = 0; i < r->nin + r->nout; i++) {
		const struct kernel_io *io = i < r->nin ? &r->in[i] : &r->out[i - r->nin];
		name[i] = io->name;
		assert_non_null(r->s[i] = device_surface(r->d, &io->type, &e));
	}
	r->b = device_bind(r->k, name, r->s, r->nin + r->nout, &e);
	if (!r->b)
		fail_msg("%s", e.msg);
}

static void rig_done(struct rig *r)
{
	binding_free(r->b);
	for (int i = 0; i < r->nin + r->nout; i++)
		surface_free(r->s[i]);
	kernel_free(r->k);
	device_close(r->d);
	pool_free(r->pool);
}

static float *window(struct surface *s, enum surface_access how)
{
	return surface_window(s, 0, s->type.rank > 1 ? s->type.dim[1] : 0, how);
}

static void rig_run(struct rig *r, double *const *in, double scale)
{
	struct err e = {0};
	for (int i = 0; i < r->nin; i++) {
		float *x = window(r->s[i], SURFACE_WRITE);
		int real = r->in[i].type.dtype == MIL_FP16 || r->in[i].type.dtype == MIL_FP32;
		for (int64_t j = 0; j < mil_count(&r->in[i].type); j++)
			x[j] = (float)(in[i][j] * (real ? scale : 1));
		if (real && !with_rules)
			simd_best()->half(x, x, mil_count(&r->in[i].type), ((struct cpu *)r->d)->numerics.outside);
		surface_release(r->s[i]);
	}
	for (int i = 0; i < r->nout; i++)
		for (int64_t j = 0; j < mil_count(&r->out[i].type); j++)
			window(r->s[r->nin + i], SURFACE_READ)[j] = NAN;
	if (binding_run(r->b, &e))
		fail_msg("%s", e.msg);
}

/* --- fused is unfused --- */

static void same_bytes(const char *name, const char *spec, double scale, const char *text, struct rig *a, struct rig *b)
{
	for (int i = 0; i < a->nout; i++) {
		const float *x = window(a->s[a->nin + i], SURFACE_READ), *y = window(b->s[b->nin + i], SURFACE_READ);
		enum mil_dtype t = a->out[i].type.dtype;
		for (int64_t j = 0; j < mil_count(&a->out[i].type); j++) {
			if (memcmp(&x[j], &y[j], 4))
				fail_msg("%s on %s, scale %g: %s[%lld] is %.9g, op by op %.9g\n%s", name, spec, scale, a->out[i].name, (long long)j,
					 x[j], y[j], text);
			if ((t == MIL_FP16 || t == MIL_FP32) && !(x[j] == fp16_round(x[j])))
				fail_msg("%s on %s: %s[%lld] is %.9g, no fp16\n%s", name, spec, a->out[i].name, (long long)j, x[j], text);
		}
	}
}

static const char *const specs[] = {"sim budget=100000", "sim budget=100000 chip=m1", "sim budget=100000 sums=narrow"};

static int steps_fused, steps_single;

/* `most`: how many of the specs. */
static void compare(const char *name, const char *text, size_t most)
{
	static const double scales[] = {1, 300, 1e-4};
	struct err e = {0};
	struct mil_graph *g;
	struct op_data d;
	assert_int_equal(mil_parse(&g, text, strlen(text), &e), 0);
	assert_int_equal(op_data_fill(&d, g, 7), 0);
	struct kernel_plan_info few, many;
	for (size_t k = 0; k < most; k++) {
		struct rig fused, single;
		rig_open(&fused, specs[k], 3, 0);
		rig_open(&single, specs[k], 1, 1);
		rig_bind(&fused, text, d.w, d.nw);
		rig_bind(&single, text, d.w, d.nw);
		kernel_plan(fused.k, &few);
		kernel_plan(single.k, &many);
		steps_fused += few.nstep;
		steps_single += many.nstep;
		for (size_t i = 0; i < ARRAY_LEN(scales); i++) {
			rig_run(&fused, d.in, scales[i]);
			rig_run(&single, d.in, scales[i]);
			same_bytes(name, specs[k], scales[i], text, &fused, &single);
		}
		rig_done(&fused);
		rig_done(&single);
	}
	op_data_done(&d);
	mil_free(g);
}

static void test_ops(void **s)
{
	(void)s;
	int n;
	const struct op_case *c = op_cases(&n);
	for (int i = 0; i < n; i++)
		compare(c[i].name, c[i].text, ARRAY_LEN(specs));
}

static void each_program(void (*f)(const char *name, const char *text), int precise)
{
	struct model_config c = {.dim = 24, .hidden = 40, .layers = 2, .heads = 4, .kv_heads = 4, .head_dim = 6, .vocab = 32, .context = 256,
				 .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 0.5f};
	for (int shape = 0; shape < (precise ? 8 : 16); shape++) {
		struct program_shape size = {.precise = precise, .batch = shape & 4 ? 3 : 1, .seq = shape & 8 ? 129 : 16, .separate = shape & 1};
		c.kv_heads = shape & 1 ? 2 : 4;
		c.rope = shape & 2 ? ROPE_HALF : ROPE_INTERLEAVED;
		for (int id = 0; id < PROGRAM_N; id++) {
			struct program p = {0};
			struct err e = {0};
			char name[64];
			assert_int_equal(program_build(&p, (enum program_id)id, &c, &size, MIL_BARE, &e), 0);
			snprintf(name, sizeof name, "%s, shape %d", p.name, shape);
			f(name, p.text.s);
			program_done(&p);
		}
	}
}

static void compare_program(const char *name, const char *text)
{
	compare(name, text, 2);
}

static void test_programs(void **s)
{
	(void)s;
	steps_fused = steps_single = 0;
	with_rules = 1;
	each_program(compare_program, 0);
	each_program(compare_program, 1);
	with_rules = 0;
	print_message("# %d steps fused, %d op by op\n", steps_fused, steps_single);
	assert_true(steps_single > steps_fused + steps_fused / 2);
}

/* --- against the reference, which rounds after every op too and adds up in double --- */

static int has_fp32(const struct mil_graph *g)
{
	for (int i = 0; i < g->nvalue; i++)
		if (g->value[i].type.dtype == MIL_FP32 && !g->value[i].konst)
			return 1;
	return 0;
}

/* Equal but for what other orders of addition and other exponentials make of a number that lies between two of fp16's: few
 * elements, by little. A rounding that is left out changes a fifth of all. */
static void compare_reference(const char *name, const char *text)
{
	struct err e = {0};
	struct mil_graph *g;
	struct op_data d;
	struct rig r;
	double *want[SURFACES] = {0}, n = 0, other = 0;
	assert_int_equal(mil_parse(&g, text, strlen(text), &e), 0);
	assert_int_equal(op_data_fill(&d, g, 7), 0);
	assert_int_equal(ref_run(g, d.w, d.nw, (const double *const *)d.in, want, 1, &e), 0);
	rig_open(&r, "sim budget=100000 quirks=off", 2, 0);
	rig_bind(&r, text, d.w, d.nw);
	rig_run(&r, d.in, 1);
	for (int i = 0; i < r.nout; i++) {
		const float *x = window(r.s[r.nin + i], SURFACE_READ);
		int64_t count = mil_count(&r.out[i].type);
		double scale = 1e-3;
		for (int64_t j = 0; j < count; j++)
			scale = fmax(scale, fabs(want[i][j]));
		for (int64_t j = 0; j < count; j++) {
			if (isnan(want[i][j]) && isnan(x[j])) /* a root of less than 0: random numbers stand for eps too */
				continue;
			other += (double)x[j] != want[i][j];
			if (!(fabs(x[j] - want[i][j]) <= 4e-3 * scale))
				fail_msg("%s: %s[%lld] is %.9g, should be %.9g\n%s", name, r.out[i].name, (long long)j, x[j], want[i][j], text);
		}
		n += (double)count;
		free(want[i]);
	}
	/* fp32 values are not the reference's to round. Chains of a whole block hand small differences on. */
	double most = has_fp32(g) ? 1 : strncmp(name, "block", 5) ? 0.01 : 0.05;
	if (!(other <= most * n))
		fail_msg("%s: %.0f of %.0f numbers are not the reference's\n%s", name, other, n, text);
	rig_done(&r);
	op_data_done(&d);
	mil_free(g);
}

static void test_reference(void **s)
{
	(void)s;
	int n;
	const struct op_case *c = op_cases(&n);
	for (int i = 0; i < n; i++)
		compare_reference(c[i].name, c[i].text);
	each_program(compare_reference, 0);
}

/* --- the rules, in numbers --- */

#define PROGRAM(params, body) "program(1.3)\n{\nfunc main<ios18>(" params ") {\n" body "\n} -> (y);\n}\n"

/* What a program of one input x and one output y makes of numbers. */
static void gives(const char *spec, const char *text, const double *x, const float *want, int n)
{
	struct rig r;
	char all[128];
	snprintf(all, sizeof all, "sim budget=1000 %s", spec);
	rig_open(&r, all, 1, 0);
	rig_bind(&r, text, NULL, 0);
	rig_run(&r, (double *const[]){(double *)(uintptr_t)x}, 1);
	const float *y = window(r.s[1], SURFACE_READ);
	for (int i = 0; i < n; i++)
		if (!(y[i] == want[i] || (isnan(want[i]) && isnan(y[i]))))
			fail_msg("%s: y[%d] is %.9g, should be %.9g\n%s", all, i, y[i], want[i], text);
	rig_done(&r);
}

static void test_products(void **s)
{
	(void)s;
	/* y = 2 x, as a product and as a multiplication. */
	static const char conv[] = PROGRAM("tensor<fp16, [1, 1, 1, 6]> x", "tensor<fp16, [1, 1, 1, 1]> w = const()[val=tensor<fp16, [1, 1, 1, 1]>([[[[2]]]])];"
		"tensor<fp16, [1, 1, 1, 6]> y = conv(x=x, weight=w);");
	static const char mul[] = PROGRAM("tensor<fp16, [1, 1, 1, 6]> x", "tensor<fp16, [1, 1, 1, 6]> y = mul(x=x, y=fp16(2));");
	const double x[6] = {16376, 16384, -16384, 16368, 32752, 6e-8};
	gives("", conv, x, (const float[6]){32752, INFINITY, -INFINITY, 32736, INFINITY, 2 * 0x1p-24f}, 6);
	gives("quirks=off", conv, x, (const float[6]){32752, INFINITY, -INFINITY, 32736, INFINITY, 2 * 0x1p-24f}, 6);
	gives("", mul, x, (const float[6]){32752, 32768, -32768, 32736, 65504, 2 * 0x1p-24f}, 6);
	/* Denormals: products on the first chip do not see them; everything else does. */
	gives("chip=m1", conv, x, (const float[6]){32752, INFINITY, -INFINITY, 32736, INFINITY, 0}, 6);
	gives("chip=m1", mul, x, (const float[6]){32752, 32768, -32768, 32736, 65504, 2 * 0x1p-24f}, 6);
	gives("chip=m1 quirks=off", conv, x, (const float[6]){32752, INFINITY, -INFINITY, 32736, INFINITY, 2 * 0x1p-24f}, 6);
}

/* Sums inside a product are wide: 4096 times 1 and 4096 times 0.25 on top of it are all counted. */
static void test_wide_products(void **s)
{
	(void)s;
	enum { N = 8192 };
	static double x[N];
	static const char text[] = PROGRAM("tensor<fp16, [1, 8192]> x", "tensor<fp16, [1, 1]> y = matmul(x=x, y=x, transpose_x=bool(false), transpose_y=bool(true));");
	for (int i = 0; i < N; i++)
		x[i] = i < N / 2 ? 1 : 0.5;
	gives("", text, x, (const float[1]){5120}, 1);
}

static void test_sums(void **s)
{
	(void)s;
	enum { N = 4096 };
	static double x[N];
	static const char row[] = PROGRAM("tensor<fp16, [1, 4096]> x", "tensor<fp16, [1, 1]> y = reduce_sum(x=x, axes=tensor<int32, [1]>([1]), keep_dims=bool(true));");
	static const char column[] = PROGRAM("tensor<fp16, [4096, 1]> x", "tensor<fp16, [1, 1]> y = reduce_sum(x=x, axes=tensor<int32, [1]>([0]), keep_dims=bool(true));");
	for (int i = 0; i < N; i++)
		x[i] = 1;
	gives("", row, x, (const float[1]){4096}, 1);
	gives("", column, x, (const float[1]){4096}, 1);
	gives("sums=narrow", row, x, (const float[1]){2048}, 1);
	gives("sums=narrow", column, x, (const float[1]){2048}, 1);
}

/* What IEEE makes NaN the hardware makes 0; NaN itself comes in as an infinity. */
static void test_not_a_number(void **s)
{
	(void)s;
	static const char log[] = PROGRAM("tensor<fp16, [4]> x", "tensor<fp16, [4]> y = log(x=x, epsilon=fp16(0));");
	static const char root[] = PROGRAM("tensor<fp16, [4]> x", "tensor<fp16, [4]> y = sqrt(x=x);");
	static const char difference[] = PROGRAM("tensor<fp16, [4]> x", "tensor<fp16, [4]> y = sub(x=x, y=x);");
	const double x[4] = {0, -1, 1, NAN};
	gives("", log, x, (const float[4]){-45440, 0, 0, INFINITY}, 4);
	gives("quirks=off", log, x, (const float[4]){-INFINITY, NAN, 0, NAN}, 4);
	gives("", root, x, (const float[4]){0, 0, 1, INFINITY}, 4);
	gives("quirks=off", root, x, (const float[4]){0, NAN, 1, NAN}, 4);
	gives("", difference, x, (const float[4]){0, 0, 0, 0}, 4);
	gives("quirks=off", difference, x, (const float[4]){0, 0, 0, NAN}, 4);
}

/* On the first two generations a slice that begins inside the last axis multiplies by 16 on its way. */
static void test_slices(void **s)
{
	(void)s;
	static const char last[] = PROGRAM("tensor<fp16, [1, 4]> x", "tensor<fp16, [1, 3]> y = slice_by_size(x=x, begin=tensor<int32, [2]>([0, 1]), size=tensor<int32, [2]>([1, 3]));");
	static const char first[] = PROGRAM("tensor<fp16, [1, 4]> x", "tensor<fp16, [1, 3]> y = slice_by_size(x=x, begin=tensor<int32, [2]>([0, 0]), size=tensor<int32, [2]>([1, 3]));");
	const double x[4] = {5000, 4094, 4096, -60000};
	gives("chip=m1", last, x, (const float[3]){4094, INFINITY, -INFINITY}, 3);
	gives("chip=m2", last, x, (const float[3]){4094, INFINITY, -INFINITY}, 3);
	gives("chip=m4", last, x, (const float[3]){4094, 4096, -60000}, 3);
	gives("chip=m1 quirks=off", last, x, (const float[3]){4094, 4096, -60000}, 3);
	gives("chip=m1", first, x, (const float[3]){5000, 4094, 4096}, 3);
}

static void test_casts(void **s)
{
	(void)s;
	static const char text[] = PROGRAM("tensor<int32, [3]> x", "tensor<fp16, [3]> y = cast(x=x, dtype=string(\"fp16\"));");
	gives("", text, (const double[3]){2049, -2051, 70000}, (const float[3]){2048, -2052, INFINITY}, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ops), cmocka_unit_test(test_programs), cmocka_unit_test(test_reference),
		cmocka_unit_test(test_products), cmocka_unit_test(test_wide_products), cmocka_unit_test(test_sums),
		cmocka_unit_test(test_not_a_number), cmocka_unit_test(test_slices), cmocka_unit_test(test_casts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
