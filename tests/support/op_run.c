/* op_run.c: see op_run.h.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/str.h"
#include "device/ref.h"
#include "support/op_run.h"

static struct mil_graph *make(const char *opset, const char *params, const char *body)
{
	struct str s = {0};
	struct mil_graph *g;
	struct err e = {0};
	str_printf(&s, "program(1.3)\n{\nfunc main<%s>(%s) {\n%s\n} -> (y);\n}\n", opset ? opset : "ios18", params, body);
	int r = mil_parse(&g, s.s, s.len, &e);
	str_done(&s);
	if (r)
		fail_msg("%s\n%s", e.msg, body);
	return g;
}

static int same(double got, double want, double tol)
{
	if (isnan(want) || isinf(want))
		return isnan(want) ? isnan(got) : got == want;
	return fabs(got - want) <= tol * fmax(1, fabs(want));
}

void op_gives_how(struct op_how how, const char *params, const char *body, const double *const *in, const double *want, int n)
{
	struct mil_graph *g = make(how.opset, params, body);
	struct err e = {0};
	double *out[1];
	if (ref_run(g, how.w, how.nw, in, out, how.round, &e))
		fail_msg("%s\n%s", e.msg, body);
	assert_int_equal(mil_count(&g->value[g->output[0]].type), n);
	for (int i = 0; i < n; i++)
		if (!same(out[0][i], want[i], how.tol))
			fail_msg("element %d is %.17g, should be %.17g\n%s", i, out[0][i], want[i], body);
	free(out[0]);
	mil_free(g);
}

void op_gives(const char *params, const char *body, const double *const *in, const double *want, int n)
{
	op_gives_how((struct op_how){.tol = 1e-12}, params, body, in, want, n);
}

void op_refused(struct op_how how, const char *params, const char *body, const double *const *in, const char *says)
{
	struct mil_graph *g = make(how.opset, params, body);
	struct err e = {0};
	double *out[1] = {NULL};
	if (!ref_run(g, how.w, how.nw, in, out, how.round, &e))
		fail_msg("accepted, should say \"%s\"\n%s", says, body);
	assert_null(out[0]);
	assert_string_equal(e.msg, says);
	mil_free(g);
}
