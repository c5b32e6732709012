/* test_op_cases.c: the table of support/op_cases.h is sound: every case parses, runs on the reference, gives finite numbers,
 * and each op of ops.def has its case. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/ref.h"
#include "support/op_cases.h"

static struct mil_graph *parse_case(const struct op_case *c)
{
	struct mil_graph *g;
	struct err e = {0};
	if (mil_parse(&g, c->text, strlen(c->text), &e))
		fail_msg("%s: %s\n%s", c->name, e.msg, c->text);
	return g;
}

static void every_case_runs(void **state)
{
	int n;
	const struct op_case *c = op_cases(&n);
	(void)state;
	assert_true(n >= 150);
	for (int i = 0; i < n; i++) {
		struct mil_graph *g = parse_case(&c[i]);
		struct op_data d;
		struct err e = {0};
		double **out = mem_zalloc((size_t)g->noutput, sizeof *out);
		assert_int_equal(op_data_fill(&d, g, (uint64_t)i), 0);
		for (int rounded = 0; rounded < 2; rounded++) {
			if (ref_run(g, d.w, d.nw, (const double *const *)d.in, out, rounded, &e))
				fail_msg("%s: %s", c[i].name, e.msg);
			for (int o = 0; o < g->noutput; o++) {
				for (int64_t k = 0; k < mil_count(&g->value[g->output[o]].type); k++)
					if (!(fabs(out[o][k]) <= 65504))
						fail_msg("%s: output %d element %lld is %g", c[i].name, o, (long long)k, out[o][k]);
				free(out[o]);
			}
		}
		free(out);
		op_data_done(&d);
		mil_free(g);
	}
}

static void every_op_has_a_case(void **state)
{
	int n, seen[MIL_NOP] = {0};
	const struct op_case *c = op_cases(&n);
	(void)state;
	for (int i = 0; i < n; i++) {
		struct mil_graph *g = parse_case(&c[i]);
		for (int k = 0; k < g->nop; k++)
			seen[g->op[k].code]++;
		mil_free(g);
		for (int k = 0; k < i; k++)
			if (!strcmp(c[k].name, c[i].name))
				fail_msg("two cases are called %s", c[i].name);
	}
	for (int k = 0; k < MIL_NOP; k++)
		if (!seen[k])
			fail_msg("%s is in no case", mil_op_name((enum mil_opcode)k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_runs), cmocka_unit_test(every_op_has_a_case)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
