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

static void check(const char *name, const char *text, const struct kernel_io *io, const float *got, const double *want)
{
	double scale = 1e-3;
	int64_t n = mil_count(&io->type);
	for (int64_t i = 0; i < n; i++)
		if (isfinite(want[i]))
			scale = fmax(scale, fabs(want[i]));
	for (int64_t i = 0; i < n; i++)
		if (!(fabs(got[i] - want[i]) <= 1e-5 * scale) && !(isnan(want[i]) && isnan(got[i])) && (double)got[i] != want[i])
			fail_msg("%s: %s[%lld] is %.9g, should be %.9g (scale %g)\n%s", name, io->name, (long long)i, got[i], want[i],
				 scale, text);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
