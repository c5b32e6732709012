/* test_sim.c: the simulated device: options, compile budget, frozen weights, faults, what surfaces hold.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "device/cpu/cpu.h"
#include "device/device.h"

#define PROGRAM(params, body, ret) "program(1.3)\n{\nfunc main<ios18>(" params ") {\n" body "\n} -> (" ret ");\n}\n"

static void says(const struct err *e, int code, const char *part)
{
	if (e->code != code || !strstr(e->msg, part))
		fail_msg("%d \"%s\": should be %d and say \"%s\"", e->code, e->msg, code, part);
}

static struct device *open_sim(const char *spec)
{
	struct err e = {0};
	struct device *d = device_open(spec, NULL, &e);
	if (!d)
		fail_msg("%s", e.msg);
	cpu_poison(d, 1);
	return d;
}

static void test_options(void **s)
{
	(void)s;
	static const struct { const char *spec, *says; } bad[] = {
		{"sim chip=m9", "m4max"}, {"sim chip=", "no such option"}, {"sim chips=m4", "fail=STAGE:N"}, {"sim budget=0", "1 or more"},
		{"sim budget=1x", "1 or more"}, {"sim fail=compile", "STAGE:N"}, {"sim fail=parse:1", "compile load bind run"},
		{"sim pad=maybe", "on or off"}, {"sim fast", "no such option"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = {0};
		assert_null(device_open(bad[i].spec, NULL, &e));
		says(&e, ERR_USAGE, bad[i].says);
	}
	struct device *d = open_sim("sim  chip=m1pro budget=7 pad=off quirks=off strict=orion fail=run:2");
	const struct device_caps *c = device_caps(d);
	assert_string_equal(c->name, "sim");
	assert_string_equal(c->chip, "m1pro");
	assert_int_equal(c->compiles_left, 7);
	assert_int_equal(c->compiles_used, 0);
	assert_false(c->weights_live || c->host_memory);
	assert_true(c->fp16 && c->batch);
	device_close(d);
	d = open_sim("sim budget=119");
	assert_string_equal(device_caps(d)->chip, "m4");
	device_close(d);
}

/* y = w x, w [2, 3] */
static const char conv[] = PROGRAM("tensor<fp16, [1, 3, 1, 5]> x",
	"tensor<fp16, [2, 3, 1, 1]> w = const()[val=tensor<fp16, [2, 3, 1, 1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), "
	"offset=uint64(64)))];"
	"tensor<fp16, [1, 2, 1, 5]> y = conv(x=x, weight=w);", "y");

static struct dev_weight weight(const float *w, int transposed)
{
	return (struct dev_weight){"@model_path/weights/w.bin", MIL_FP32, 2, {2, 3}, {transposed ? 1 : 3, transposed ? 2 : 1}, w, 0};
}

static struct binding *bind_conv(struct kernel *k, struct surface **x, struct surface **y)
{
	struct err e = {0};
	const struct kernel_io *in, *out;
	kernel_inputs(k, &in);
	kernel_outputs(k, &out);
	*x = device_surface(k->dev, &in->type, &e);
	*y = device_surface(k->dev, &out->type, &e);
	struct binding *b = device_bind(k, (const char *const[]){"x", "y"}, (struct surface *const[]){*x, *y}, 2, &e);
	if (!b)
		fail_msg("%s", e.msg);
	return b;
}

/* Runs with x = 1 everywhere: y[o] is the sum of row o. */
static void check_rows(struct binding *b, struct surface *x, struct surface *y, float first, float second)
{
	struct err e = {0};
	float *w = surface_window(x, 0, 3, SURFACE_WRITE);
	for (int i = 0; i < 15; i++)
		w[i] = 1;
	surface_release(x);
	assert_int_equal(binding_run(b, &e), 0);
	w = surface_window(y, 0, 2, SURFACE_READ);
	for (int i = 0; i < 10; i++)
		assert_true(w[i] == (i < 5 ? first : second));
	surface_release(y);
}

/* Weights are what they were at the compile, rounded; a refreeze takes them anew, transposed ones too; bindings stay good. */
static void test_frozen(void **s)
{
	(void)s;
	for (int t = 0; t < 2; t++) {
		struct err e = {0};
		struct device *d = open_sim("sim budget=3");
		float w[6] = {1, 2, 4, 8, 16, 32.01f};
		if (t) { /* [3, 2] in memory */
			const float turned[6] = {1, 8, 2, 16, 4, 32.01f};
			memcpy(w, turned, sizeof w);
		}
		struct dev_weight dw = weight(w, t);
		struct kernel *k = device_compile(d, conv, strlen(conv), &dw, 1, &e);
		struct surface *x, *y;
		assert_non_null(k);
		struct binding *b = bind_conv(k, &x, &y);
		check_rows(b, x, y, 7, 56);
		w[0] = 100;
		check_rows(b, x, y, 7, 56);
		assert_int_equal(kernel_refreeze(k, &dw, 1, &e), 0);
		check_rows(b, x, y, 106, 56);
		assert_int_equal(device_caps(d)->compiles_used, 2);
		assert_int_equal(device_caps(d)->compiles_left, 1);
		/* A weight that is missing changes nothing. */
		w[0] = 3;
		assert_int_equal(kernel_refreeze(k, &dw, 0, &e), ERR_DEVICE);
		check_rows(b, x, y, 106, 56);
		assert_int_equal(kernel_refreeze(k, &dw, 1, &e), ERR_BUDGET);
		check_rows(b, x, y, 106, 56);
		binding_free(b);
		surface_free(x);
		surface_free(y);
		kernel_free(k);
		device_close(d);
	}
}

/* What is folded from a weight is folded again. */
static void test_folded(void **s)
{
	(void)s;
	static const char text[] = PROGRAM("tensor<fp16, [1, 2, 1, 1]> x",
		"tensor<fp16, [1, 2, 1, 1]> w = const()[val=tensor<fp16, [1, 2, 1, 1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), "
		"offset=uint64(64)))];"
		"tensor<fp16, [1, 2, 1, 1]> w2 = mul(x=w, y=w); tensor<fp16, [1, 2, 1, 1]> y = add(x=x, y=w2);", "y");
	float w[2] = {3, 5};
	struct dev_weight dw = {"@model_path/weights/w.bin", MIL_FP32, 1, {2}, {1}, w, 0};
	struct err e = {0};
	struct device *d = open_sim("sim budget=9");
	struct kernel *k = device_compile(d, text, strlen(text), &dw, 1, &e);
	struct surface *x, *y;
	assert_non_null(k);
	struct binding *b = bind_conv(k, &x, &y);
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(binding_run(b, &e), 0);
		const float *r = surface_window(y, 0, 2, SURFACE_READ);
		assert_true(r[0] == (turn ? 49 : 9) && r[1] == 25);
		surface_release(y);
		w[0] = 7;
		assert_int_equal(kernel_refreeze(k, &dw, 1, &e), 0);
	}
	binding_free(b);
	surface_free(x);
	surface_free(y);
	kernel_free(k);
	device_close(d);
}

struct made {
	struct kernel *kernel;
	struct binding *binding;
	struct surface *x, *y;
};

static void make_conv(struct made *m, struct device *d, const float *w, int transposed)
{
	struct err e = {0};
	struct dev_weight dw = weight(w, transposed);
	m->kernel = device_compile(d, conv, strlen(conv), &dw, 1, &e);
	if (!m->kernel)
		fail_msg("%s", e.msg);
	m->binding = bind_conv(m->kernel, &m->x, &m->y);
}

static void free_conv(struct made *m)
{
	binding_free(m->binding);
	surface_free(m->x);
	surface_free(m->y);
	kernel_free(m->kernel);
}

/* Kernels of one text share what was made of it and nothing else: each has the weights of its own compile, also when the first is gone, and is
 * counted. Weights that lie otherwise in memory do not go in. */
static void test_same_text(void **s)
{
	(void)s;
	const float w[4][6] = {{1, 2, 4, 8, 16, 32}, {10, 20, 40, 80, 160, 320}, {3, 1, 4, 1, 5, 9}, {1, 8, 2, 16, 4, 32}};
	const int transposed[4] = {0, 0, 0, 1};
	const float first[4] = {7, 70, 8, 7}, second[4] = {56, 560, 15, 56};
	struct err e = {0};
	struct device *d = open_sim("sim budget=6");
	struct made m[4];
	for (int i = 0; i < 4; i++) {
		make_conv(&m[i], d, w[i], transposed[i]);
		assert_int_equal(device_caps(d)->compiles_used, i + 1);
	}
	assert_true(d->texts->next == m[0].kernel && !m[0].kernel->next && d->texts == m[3].kernel);
	struct kernel_plan_info plan[2];
	kernel_plan(m[0].kernel, &plan[0]);
	kernel_plan(m[1].kernel, &plan[1]);
	assert_memory_equal(&plan[0], &plan[1], sizeof *plan);
	for (int i = 0; i < 4; i++)
		check_rows(m[i].binding, m[i].x, m[i].y, first[i], second[i]);
	free_conv(&m[0]);
	struct dev_weight dw = weight(w[0], 0);
	assert_int_equal(kernel_refreeze(m[1].kernel, &dw, 1, &e), 0);
	check_rows(m[1].binding, m[1].x, m[1].y, 7, 56);
	check_rows(m[2].binding, m[2].x, m[2].y, 8, 15);
	make_conv(&m[0], d, w[1], 0);
	check_rows(m[0].binding, m[0].x, m[0].y, 70, 560);
	/* Weights that are missing or do not fit are told as at the first compile, and counted. */
	assert_null(device_compile(d, conv, strlen(conv), NULL, 0, &e));
	says(&e, ERR_BUDGET, "all 6 compiles");
	for (int i = 0; i < 4; i++)
		free_conv(&m[i]);
	assert_null(d->texts);
	device_close(d);
}

/* The count is the process's: closing the device or freeing kernels gives nothing back. */
static void test_budget(void **s)
{
	(void)s;
	float w[6] = {0};
	struct dev_weight dw = weight(w, 0);
	struct err e = {0};
	struct device *d = open_sim("sim budget=2");
	struct kernel *k = device_compile(d, conv, strlen(conv), &dw, 1, &e);
	assert_non_null(k);
	kernel_free(k);
	k = device_compile(d, conv, strlen(conv), &dw, 1, &e);
	assert_non_null(k);
	kernel_free(k);
	assert_int_equal(device_caps(d)->compiles_left, 0);
	assert_null(device_compile(d, conv, strlen(conv), &dw, 1, &e));
	says(&e, ERR_BUDGET, "ANECCompile() FAILED");
	says(&e, ERR_BUDGET, "all 2 compiles of this process");
	device_close(d);
	d = open_sim("sim");
	assert_int_equal(device_caps(d)->compiles_used, 2);
	assert_int_equal(device_caps(d)->compiles_left, 117);
	device_close(d);
	d = open_sim("sim budget=119");
	for (int i = 0; i < 119; i++) {
		assert_non_null(k = device_compile(d, conv, strlen(conv), &dw, 1, &e));
		kernel_free(k);
	}
	assert_null(device_compile(d, conv, strlen(conv), &dw, 1, &e));
	says(&e, ERR_BUDGET, "all 119 compiles");
	device_close(d);
}

static void test_faults(void **s)
{
	(void)s;
	float w[6] = {0};
	struct dev_weight dw = weight(w, 0);
	static const char *const spec[] = {"sim budget=9 fail=compile:2", "sim budget=9 fail=load:2", "sim budget=9 fail=bind:2", "sim budget=9 fail=run:2"};
	static const char *const text[] = {"ANECCompile() FAILED", "load", "bind", "status=0x1d"};
	for (int i = 0; i < 4; i++) {
		struct err e = {0};
		struct device *d = open_sim(spec[i]);
		struct kernel *k = device_compile(d, conv, strlen(conv), &dw, 1, &e), *k2;
		struct surface *x, *y;
		assert_non_null(k);
		struct binding *b = bind_conv(k, &x, &y);
		assert_int_equal(binding_run(b, &e), 0);
		k2 = device_compile(d, conv, strlen(conv), &dw, 1, &e);
		assert_int_equal(k2 == NULL, i < 2);
		struct binding *b2 = device_bind(k, (const char *const[]){"x", "y"}, (struct surface *const[]){x, y}, 2, i < 2 ? NULL : &e);
		assert_int_equal(b2 == NULL, i == 2);
		assert_int_equal(binding_run(b, i < 3 ? NULL : &e), i < 3 ? 0 : ERR_DEVICE);
		says(&e, ERR_DEVICE, text[i]);
		/* The next one works again; what failed was counted as a compile all the same. */
		assert_int_equal(binding_run(b, &e), 0);
		assert_int_equal(device_caps(d)->compiles_used, 2);
		binding_free(b);
		binding_free(b2);
		surface_free(x);
		surface_free(y);
		kernel_free(k);
		kernel_free(k2);
		device_close(d);
	}
}

/* What the host writes becomes fp16, in its window and nowhere else; NaN is an infinity, but without quirks. */
static void test_surfaces(void **s)
{
	(void)s;
	static const char *const spec[] = {"sim", "sim quirks=off"};
	for (int i = 0; i < 2; i++) {
		struct err e = {0};
		struct device *d = open_sim(spec[i]);
		for (int images = 1; images <= 2; images++) {
			struct mil_type t = {MIL_FP16, 4, {images, 6, 1, 4}};
			struct surface *a = device_surface(d, &t, &e);
			float *w = surface_window(a, 2, 3, SURFACE_WRITE);
			for (int k = 0; k < images * 12; k++)
				w[k] = 1.0f + (float)k / 3;
			w[5] = NAN;
			surface_release(a);
			w = surface_window(a, 0, 6, SURFACE_READ);
			for (int k = 0; k < images * 24; k++) {
				int c = k / 4 % 6, at = k / 24 * 12 + (c - 2) * 4 + k % 4;
				if (at == 5 && c >= 2 && c < 5)
					assert_true(i ? isnan(w[k]) : w[k] == INFINITY);
				else
					assert_true(w[k] == (c >= 2 && c < 5 ? fp16_round(1.0f + (float)at / 3) : 0));
			}
			surface_release(a);
			assert_null(surface_window(a, 4, 3, SURFACE_READ));
			surface_free(a);
		}
		struct mil_type whole = {MIL_INT32, 1, {3}};
		struct surface *n = device_surface(d, &whole, &e);
		surface_window(n, 0, 0, SURFACE_WRITE)[1] = 2049;
		surface_release(n);
		assert_true(surface_window(n, 0, 0, SURFACE_READ)[1] == 2049);
		surface_free(n);
		assert_null(device_surface_over(d, &whole, (float[3]){0}, &e));
		device_close(d);
	}
}

static void test_notes(void **s)
{
	(void)s;
	struct device *d = open_sim("sim");
	assert_null(device_note(d));
	device_say(d, "one %d", 1);
	device_say(d, "two");
	device_say(d, "one %d", 1);
	assert_string_equal(device_note(d), "one 1");
	assert_string_equal(device_note(d), "two");
	assert_null(device_note(d));
	device_say(d, "two");
	assert_null(device_note(d));
	device_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options), cmocka_unit_test(test_frozen), cmocka_unit_test(test_folded), cmocka_unit_test(test_same_text),
		cmocka_unit_test(test_budget), cmocka_unit_test(test_faults), cmocka_unit_test(test_surfaces), cmocka_unit_test(test_notes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
