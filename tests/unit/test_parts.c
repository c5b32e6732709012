/* test_parts.c: inputs made of parts that lie in the caller's memory: the same numbers as from a surface, nothing copied; refusals.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/cpu/cpu.h"
#include "device/device.h"

/* x holds three activations a, a matrix w[5, 4] and a column g: y = w^T a + sum over channels of g. */
#define HEAD "program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1, 5, 1, 8]> x) {\n"
#define SLICE(name, begin, n) "tensor<fp16, [1, 5, 1, " n "]> " name " = slice_by_size(x=x, begin=tensor<int32, [4]>([0, 0, 0, " begin "]), " \
	"size=tensor<int32, [4]>([1, 5, 1, " n "]));\n"
#define BODY \
	SLICE("a", "0", "3") SLICE("w", "3", "4") SLICE("g", "7", "1") \
	"tensor<fp16, [1, 1, 5, 3]> a2 = reshape(x=a, shape=tensor<int32, [4]>([1, 1, 5, 3]));\n" \
	"tensor<fp16, [1, 1, 5, 4]> w2 = reshape(x=w, shape=tensor<int32, [4]>([1, 1, 5, 4]));\n" \
	"tensor<fp16, [1, 1, 4, 3]> p = matmul(x=w2, y=a2, transpose_x=bool(true), transpose_y=bool(false));\n" \
	"tensor<fp16, [1, 1, 1, 1]> s = reduce_sum(x=g, axes=tensor<int32, [1]>([1]), keep_dims=bool(true));\n" \
	"tensor<fp16, [1, 1, 4, 3]> q = add(x=p, y=s);\n" \
	"tensor<fp16, [1, 4, 1, 3]> y = reshape(x=q, shape=tensor<int32, [4]>([1, 4, 1, 3]));\n"
static const char within[] = HEAD BODY "} -> (y);\n}\n";
/* The same, and z, which is sliced across two parts. */
static const char across[] = HEAD BODY SLICE("c", "2", "3") "tensor<fp16, [1, 5, 1, 3]> z = relu(x=c);\n} -> (y, z);\n}\n";

/* Activations stand in rows of 11, the matrix is seen transposed, the column lies in one piece. */
static const struct dev_part parts[] = {{"x", 0, 3, {11, 1}}, {"x", 3, 4, {1, 6}}, {"x", 7, 1, {1, 1}}};

struct rig {
	struct pool *pool;
	struct device *d;
	float a[2][5 * 11], w[2][4 * 6], g[2][5];
};

static void rig_open(struct rig *r)
{
	struct err e = {0};
	assert_non_null(r->pool = pool_new(2, &e));
	assert_non_null(r->d = device_open("cpu", r->pool, &e));
	cpu_poison(r->d, 1);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < 55; i++)
			r->a[k][i] = (float)((i * 7 + k) % 11) - 4;
		for (int i = 0; i < 24; i++)
			r->w[k][i] = (float)((i * 5 + 3 * k) % 9) - 4;
		for (int i = 0; i < 5; i++)
			r->g[k][i] = (float)(i + k);
	}
}

static void rig_done(struct rig *r)
{
	device_close(r->d);
	pool_free(r->pool);
}

/* y (and z) from memory k, by parts or from a surface that surface_put fills. */
static void run(struct rig *r, const char *text, int k, int by_parts, float *y, float *z)
{
	struct err e = {0};
	const float *mem[] = {r->a[k], r->w[k], r->g[k]};
	const char *names[] = {"y", z ? "z" : "x", "x"};
	struct surface *s[3] = {0};
	struct mil_type x = {MIL_FP16, 4, {1, 5, 1, 8}}, yt = {MIL_FP16, 4, {1, 4, 1, 3}}, zt = {MIL_FP16, 4, {1, 5, 1, 3}};
	int n = 0;
	struct kernel *kernel = by_parts ? device_compile_parts(r->d, text, strlen(text), NULL, 0, parts, 3, &e)
		: device_compile(r->d, text, strlen(text), NULL, 0, &e);
	if (!kernel)
		fail_msg("%s", e.msg);
	struct kernel_plan_info info;
	kernel_plan(kernel, &info);
	if (by_parts && !z)
		assert_int_equal(info.ncopy, 0);
	s[n++] = device_surface(r->d, &yt, &e);
	if (z)
		s[n++] = device_surface(r->d, &zt, &e);
	if (!by_parts) {
		s[n] = device_surface(r->d, &x, &e);
		for (int i = 0; i < 3; i++)
			surface_put(s[n], parts[i].begin, parts[i].count, mem[i], parts[i].stride);
		names[n++] = "x";
	}
	struct binding *b = device_bind_parts(kernel, names, s, n, mem, &e);
	if (!b)
		fail_msg("%s", e.msg);
	assert_int_equal(binding_run(b, &e), 0);
	memcpy(y, surface_window(s[0], 0, 4, SURFACE_READ), 12 * sizeof *y);
	if (z)
		memcpy(z, surface_window(s[1], 0, 5, SURFACE_READ), 15 * sizeof *z);
	binding_free(b);
	while (n-- > 0)
		surface_free(s[n]);
	kernel_free(kernel);
}

static void same_as_a_surface(void **state)
{
	(void)state;
	struct rig r;
	float y[2][12], z[2][15];
	rig_open(&r);
	for (int k = 0; k < 2; k++)
		for (int both = 0; both < 2; both++) {
			for (int how = 0; how < 2; how++)
				run(&r, both ? across : within, k, how, y[how], both ? z[how] : NULL);
			assert_memory_equal(y[0], y[1], sizeof y[0]);
			if (both)
				assert_memory_equal(z[0], z[1], sizeof z[0]);
			float want = 0;
			for (int c = 0; c < 5; c++)
				want += r.w[k][2 * 6 + c] * r.a[k][c * 11 + 1] + r.g[k][c];
			assert_true(y[1][2 * 3 + 1] == want);
		}
	rig_done(&r);
}

static void refused(struct rig *r, const struct dev_part *part, int n, const char *says)
{
	struct err e = {0};
	assert_null(device_compile_parts(r->d, within, strlen(within), NULL, 0, part, n, &e));
	if (e.code != ERR_DEVICE || !strstr(e.msg, says))
		fail_msg("%d: %s", e.code, e.msg);
}

static void refusals(void **state)
{
	(void)state;
	struct rig r;
	struct err e = {0};
	rig_open(&r);
	refused(&r, (struct dev_part[]){{"q", 0, 8, {8, 1}}}, 1, "names no input");
	refused(&r, parts, 2, "7 of 8 columns");
	refused(&r, (struct dev_part[]){parts[0], {"x", 4, 4, {4, 1}}}, 2, "go on at column 3");
	refused(&r, (struct dev_part[]){{"x", 0, 8, {0, 1}}}, 1, "go on at column 0");
	refused(&r, (struct dev_part[]){{"x", 0, 9, {9, 1}}}, 1, "9 of 8 columns");
	struct kernel *k = device_compile_parts(r.d, within, strlen(within), NULL, 0, parts, 3, &e);
	struct mil_type x = {MIL_FP16, 4, {1, 5, 1, 8}}, yt = {MIL_FP16, 4, {1, 4, 1, 3}};
	struct surface *s[2] = {device_surface_over(r.d, &yt, r.a[0] + 20, &e), device_surface(r.d, &x, &e)};
	const char *names[2] = {"y", "x"};
	const float *mem[] = {r.a[0], r.w[0], r.g[0]};
	assert_null(device_bind(k, names, s, 1, &e));
	assert_non_null(strstr(e.msg, "no memory was given"));
	assert_null(device_bind_parts(k, names, s, 2, mem, &e));
	assert_non_null(strstr(e.msg, "x: is made of parts"));
	assert_null(device_bind_parts(k, names, s, 1, mem, &e));
	assert_non_null(strstr(e.msg, "y: shares memory with part 0"));
	surface_free(s[0]);
	surface_free(s[1]);
	kernel_free(k);
	struct device_ops ops = device_cpu;
	ops.compile_parts = NULL;
	r.d->ops = &ops;
	refused(&r, parts, 3, "not possible here");
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_a_surface), cmocka_unit_test(refusals)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
