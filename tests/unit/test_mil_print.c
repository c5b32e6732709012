/* test_mil_print.c: graphs back to text: byte for byte what the generators wrote, and for any program one that computes the same.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/ref.h"
#include "mil/print.h"
#include "model/programs.h"
#include "support/op_cases.h"
#include "support/tiny.h"

static struct mil_graph *parse(const char *name, const char *text)
{
	struct mil_graph *g;
	struct err e = {0};
	if (mil_parse(&g, text, strlen(text), &e))
		fail_msg("%s: %s\n%s", name, e.msg, text);
	return g;
}

static const struct tiny shapes[] = {
	{"grouped by 2, alpha", 12, 20, 2, 4, 2, 6, 23, 0, ROPE_INTERLEAVED, 0.37f, 1, 13},
	{"half-split, batch 3", 16, 24, 2, 4, 4, 4, 19, 1, ROPE_HALF, 1, 3, 7},
};

/* Read in one dialect, written in another: the text is the generator's in that dialect. */
static void generated_programs(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(shapes); s++)
		for (int id = 0; id < PROGRAM_N; id++)
			for (int way = 0; way < 8; way++) {
				struct model_config c;
				struct program from, to;
				struct str text = {0};
				struct err e = {0};
				tiny_config(&c, &shapes[s]);
				struct program_shape shape = {.batch = shapes[s].batch, .seq = shapes[s].seq, .precise = way >> 2};
				const enum mil_dialect in = (enum mil_dialect)(way & 1), out = (enum mil_dialect)(way >> 1 & 1);
				assert_int_equal(program_build(&from, (enum program_id)id, &c, &shape, in, &e), 0);
				assert_int_equal(program_build(&to, (enum program_id)id, &c, &shape, out, &e), 0);
				struct mil_graph *g = parse(from.name, from.text.s);
				assert_int_equal(g->verbose, in);
				mil_print(&text, g, out);
				assert_false(text.failed);
				assert_string_equal(text.s, to.text.s);
				mil_free(g);
				str_done(&text);
				program_done(&from);
				program_done(&to);
			}
}

static double **run(const struct op_case *c, const struct mil_graph *g, const struct op_data *d)
{
	struct err e = {0};
	double **out = mem_zalloc((size_t)g->noutput, sizeof *out);
	if (ref_run(g, d->w, d->nw, (const double *const *)d->in, out, 1, &e))
		fail_msg("%s: %s", c->name, e.msg);
	return out;
}

static void any_program(void **state)
{
	int n;
	const struct op_case *c = op_cases(&n);
	(void)state;
	for (int i = 0; i < n; i++) {
		struct mil_graph *g = parse(c[i].name, c[i].text);
		struct op_data d;
		assert_int_equal(op_data_fill(&d, g, (uint64_t)i), 0);
		double **want = run(&c[i], g, &d);
		for (int dialect = 0; dialect < 2; dialect++) {
			struct str text = {0}, again = {0};
			mil_print(&text, g, (enum mil_dialect)dialect);
			struct mil_graph *h = parse(c[i].name, text.s);
			mil_print(&again, h, (enum mil_dialect)dialect);
			assert_string_equal(text.s, again.s);
			double **got = run(&c[i], h, &d);
			assert_int_equal(g->noutput, h->noutput);
			for (int o = 0; o < g->noutput; o++) {
				size_t bytes = sizeof(double) * (size_t)mil_count(&g->value[g->output[o]].type);
				if (memcmp(got[o], want[o], bytes))
					fail_msg("%s: other results when written as\n%s", c[i].name, text.s);
				free(got[o]);
			}
			free(got);
			mil_free(h);
			str_done(&text);
			str_done(&again);
		}
		for (int o = 0; o < g->noutput; o++)
			free(want[o]);
		free(want);
		op_data_done(&d);
		mil_free(g);
	}
}

/* Every kind of constant, inline and named; comments and foreign attributes go. */
static void constants(void **state)
{
	static const char text[] =
		"program(1.5) // a comment\n[extra = int32(1)]\n{ func go<ios17>(tensor<fp32, [2, 2]> x, tensor<int32, [2]> i) {\n"
		"tensor<fp32, [2, 2]> c = const()[val = tensor<fp32, [2, 2]>([[0.1, -1e30], [-0.0, inf]])];\n"
		"tensor<uint64, [2]> u = const()[val = tensor<uint64, [2]>([18446744073709551615, 1])];\n"
		"tensor<int64, [1]> l = const()[val = tensor<int64, [1]>([-9223372036854775808])];\n"
		"tensor<bool, [2]> b = const()[val = tensor<bool, [2]>([true, false])];\n"
		"string s = const()[val = string(\"a \\\"b\\\" \\\\ c\")];\n"
		"tensor<fp32, [2, 2]> y = add(x = x, y = c)[name = string(\"label\"), note = string(\"gone\")];\n"
		"tensor<fp32, [2, 4]> z = concat(axis = int32(1), interleave = bool(false), values = (y, x));\n"
		"} -> (z); }\n";
	static const char want[] =
		"    func go<ios17>(tensor<fp32, [2, 2]> x, tensor<int32, [2]> i) {\n"
		"        tensor<fp32, [2, 2]> c = const()[name = string(\"c\"), val = tensor<fp32, [2, 2]>([[0x1.99999ap-4, -0x1.93e594p+99], [-0.0, inf]])];\n"
		"        tensor<uint64, [2]> u = const()[name = string(\"u\"), val = tensor<uint64, [2]>([18446744073709551615, 1])];\n"
		"        tensor<int64, [1]> l = const()[name = string(\"l\"), val = tensor<int64, [1]>([-9223372036854775808])];\n"
		"        tensor<bool, [2]> b = const()[name = string(\"b\"), val = tensor<bool, [2]>([true, false])];\n"
		"        string s = const()[name = string(\"s\"), val = string(\"a \\\"b\\\" \\\\ c\")];\n"
		"        tensor<fp32, [2, 2]> y = add(x = x, y = c)[name = string(\"label\")];\n"
		"        tensor<fp32, [2, 4]> z = concat(axis = int32(1), interleave = bool(false), values = (y, x))[name = string(\"z\")];\n"
		"    } -> (z);\n}\n";
	struct mil_graph *g = parse("constants", text);
	struct str out = {0};
	(void)state;
	mil_print(&out, g, MIL_BARE);
	assert_memory_equal(out.s, "program(1.5)\n[buildInfo = dict<string, string>(", 47);
	assert_string_equal(strstr(out.s, "    func"), want);
	mil_free(g);
	str_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(generated_programs), cmocka_unit_test(any_program), cmocka_unit_test(constants)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
