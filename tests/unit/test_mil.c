/* test_mil.c: program text to graph: both dialects, every syntactic form, literals to the bit, the accessors, the builder's
 * output, and depth, size and truncation. Broken programs and their messages: test_mil_errors.c.
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
#include "base/rng.h"
#include "mil/build.h"
#include "mil/mil.h"
#include "mil/number.h"
#include "mil/shape.h"

static struct mil_graph *parse(const char *text)
{
	struct mil_graph *g;
	struct err e = {0};
	if (mil_parse(&g, text, strlen(text), &e))
		fail_msg("%s\n%s", e.msg, text);
	return g;
}

static const struct mil_value *value(const struct mil_graph *g, const char *name)
{
	for (int i = 0; i < g->nvalue; i++)
		if (!strcmp(g->value[i].name, name))
			return &g->value[i];
	fail_msg("no value %s", name);
	return NULL;
}

/* Every form of the grammar at least once. */
static const char everything[] =
	"program(1.3) // line comment\n"
	"[buildInfo = dict<string, string>({{\"coremlc-component-MIL\", \"3510.2.1\"}, {\"a\\\"b\", \"\"}}), other = tuple<int32, "
	"tensor<bf16, [?, n]>>((int32(1), tensor<bf16, [2]>([0x1p0, -inf]))), l = list<int32, 3>([1, 2, 3]), e = dict<string, string>({}), "
	"s = state<tensor<fp16, [1]>>(), w = tensor<fp16, [4]>(BLOBFILE(path = string(\"x\"), offset = uint64(64)))]\n"
	"{ /* block\n   comment */\n"
	"  func main<ios18>(tensor<fp16, [1, 4, 1, 2]> x, fp32 s, tensor<bool, [4]> c, int32 n)[Flexible = bool(true)] {\n"
	"    fp16 half = const()[name = string(\"half\"), val = fp16(0.5)];\n"
	"    tensor<int32, [2]> nested = const()[val = tensor<int32, [2]>([-1, +7])];\n"
	"    tensor<fp32, [2, 3]> deep = const()[val = tensor<fp32, [2, 3]>([[1, 2.5, -3e2], [0x1.8p+1, inf, -inf]]), name = string(\"q\")];\n"
	"    tensor<fp32, [2, 3]> flat = const()[val = tensor<fp32, [2, 3]>([1, 2, 3, 4, 5, nan])];\n"
	"    int32 ext = const(val = int32(-2147483648), name = string(\"ext\"));\n"
	"    string mode = const()[val = string(\"a\\\\b\\\"c\\n\")];\n"
	"    uint64 big = const()[val = uint64(18446744073709551615)];\n"
	"    tensor<fp16, [4, 4, 1, 1]> W_1@w = const()[val = tensor<fp16, [4, 4, 1, 1]>(BLOBFILE(path = string(\"@model_path/w.bin\"), offset = uint64(128)))];\n"
	"    tensor<fp16, [2, 1]> cq = constexpr_affine_dequantize()[name = string(\"cq\"), quantized_data = tensor<int8, [2, 1]>([1, -128]), "
	"scale = fp16(0.5), zero_point = int8(2), axis = int32(0)];\n"
	"    tensor<fp16, [1, 4, 1, 2]> y = conv(x = x, weight = W_1@w)[name = string(\"label\"), ignored = int32(3)];\n"
	"    tensor<fp16, [1, 2, 1, 2]> a, tensor<fp16, [1, 2, 1, 2]> b = split(x = y, axis = int32(1), num_splits = int32(2));\n"
	"    (tensor<fp16, [1, 1, 1, 2]> d, tensor<fp16, [1, 3, 1, 2]> f) = split(x = y, axis = int32(-3), split_sizes = tensor<int32, [2]>([1, 3]))[name = string(\"twice\")];\n"
	"    tensor<fp16, [1, 4, 1, 2]> cc = concat(axis=int32(1),values=(a,b),interleave=bool(false));\n"
	"    tensor<fp16, [1, 4, 1, 2]> o = mul(x=cc,y=half);\n"
	"  } -> (o, d);\n"
	"}\n/* the end */";

/* The number is somebody's text. */
static void opset_of_any_length(void **state)
{
	(void)state;
	char name[][32] = {"ios15", "ios18", "CoreML8", "CoreML2147483647", "ios99999999999999999999", "other"};
	static const int least[] = {15, 18, 18, 18, 18, 18}, most[] = {15, 18, 18, 1 << 20, 1 << 20, 18};
	for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
		struct mil_graph g = {.opset = name[i]};
		int n = mil_opset_number(&g);
		assert_true(n >= least[i] && n <= most[i]);
	}
}

static void all_forms(void **state)
{
	(void)state;
	struct mil_graph *g = parse(everything);
	assert_true(g->version == 1.3);
	assert_string_equal(g->function, "main");
	assert_string_equal(g->opset, "ios18");
	assert_int_equal(g->verbose, 0);
	assert_int_equal(g->ninput, 4);
	assert_string_equal(g->value[g->input[1]].name, "s");
	assert_int_equal(g->value[g->input[1]].type.rank, 0);
	assert_int_equal(g->nop, 6);
	assert_int_equal(g->noutput, 2);
	assert_string_equal(g->value[g->output[1]].name, "d");
	assert_int_equal(g->op[1].code, MIL_OP_CONV);
	assert_string_equal(g->op[1].label, "label");
	assert_null(g->op[2].label);
	assert_int_equal(g->op[2].nresult, 2);
	assert_string_equal(g->value[g->op[3].result[1]].name, "f");
	assert_int_equal(g->value[g->op[3].result[1]].op, 3);
	assert_string_equal(value(g, "mode")->konst->str, "a\\b\"c\n");
	assert_string_equal(value(g, "W_1@w")->konst->blob, "@model_path/w.bin");
	assert_int_equal(value(g, "W_1@w")->konst->blob_offset, 128);
	assert_false(mil_is_literal(value(g, "W_1@w")));
	assert_true(mil_is_literal(value(g, "half")));
	assert_true(mil_const_at(value(g, "deep"), 3) == 3.0);
	assert_true(isinf(mil_const_at(value(g, "deep"), 5)));
	assert_true(isnan(mil_const_at(value(g, "flat"), 5)));
	assert_true(mil_const_at(value(g, "ext"), 0) == -2147483648.0);
	assert_true(mil_const_at(value(g, "big"), 0) == 18446744073709551615.0);
	const struct mil_arg *t = mil_arg_tuple(&g->op[4], "values");
	assert_int_equal(t->n, 2);
	assert_int_equal(t->value[1], g->op[2].result[1]);
	assert_int_equal(mil_arg(&g->op[4], "no_such"), -1);
	mil_free(g);
	mil_free(NULL);
}

static void verbose_dialect(void **state)
{
	(void)state;
	struct mil_graph *g = parse(
		"program(1.0)\n[buildInfo = dict<tensor<string, []>, tensor<string, []>>({{tensor<string, []>(\"coremlc-version\"), "
		"tensor<string, []>(\"3505.4.1\")}})]\n{\n func main<ios16>(tensor<fp16, [1, 4]> x) {\n"
		" tensor<int32, []> ax = const()[name = tensor<string, []>(\"ax\"), val = tensor<int32, []>(-1)];\n"
		" tensor<bool, []> keep = const()[name = tensor<string, []>(\"keep\"), val = tensor<bool, []>(true)];\n"
		" tensor<fp16, [1, 4]> y = softmax(axis = ax, x = x)[name = tensor<string, []>(\"y\")];\n"
		" tensor<fp16, [1, 1]> z = reduce_max(axes = tensor<int32, [1]>([1]), keep_dims = keep, x = y)[name = tensor<string, []>(\"z\")];\n"
		" } -> (z);\n}\n");
	assert_int_equal(g->verbose, 1);
	assert_string_equal(g->opset, "ios16");
	assert_string_equal(g->op[0].label, "y");
	assert_int_equal(mil_arg_int(g, &g->op[0], "axis", 5), -1);
	assert_int_equal(mil_arg_bool(g, &g->op[1], "keep_dims", 0), 1);
	mil_free(g);
}

#define FUNC(body, ret) "program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [2, 3, 4, 5]> x) {\n" body "\n} -> (" ret ");\n}\n"

static void defaults(void **state)
{
	int64_t v[MIL_MAX_RANK * 2];
	(void)state;
	struct mil_graph *g = parse(FUNC("tensor<fp16, [1, 3, 2, 2]> w = const()[val = tensor<fp16, [1, 3, 2, 2]>([1,1,1,1,1,1,1,1,1,1,1,1])];\n"
					 "tensor<fp16, [2, 1, 3, 4]> c = conv(x=x, weight=w);\nfp16 r = reduce_sum(x=c);\n"
					 "tensor<fp16, [2, 3, 4, 5]> s = softmax(x=x); tensor<fp16, [2, 3, 4, 5]> l = log(x=x);\n"
					 "tensor<fp16, [1, 3, 4, 5]> sl = slice_by_index(x=x, begin=tensor<int32,[4]>([0,0,0,0]), end=tensor<int32,[4]>([1,3,4,5]));",
					 "r, s, l, sl"));
	assert_int_equal(mil_arg_ints(g, &g->op[0], "strides", v), 2);
	assert_int_equal(v[0], 1);
	assert_int_equal(mil_arg_ints(g, &g->op[0], "pad", v), 4);
	assert_int_equal(v[3], 0);
	assert_int_equal(mil_arg_ints(g, &g->op[0], "dilations", v), 2);
	assert_int_equal(v[1], 1);
	assert_string_equal(mil_arg_str(g, &g->op[0], "pad_type", "valid"), "valid");
	assert_int_equal(mil_arg_ints(g, &g->op[1], "axes", v), 4);
	assert_int_equal(v[3], 3);
	assert_int_equal(mil_arg_int(g, &g->op[2], "axis", -1), -1);
	assert_true(mil_arg_float(g, &g->op[3], "epsilon", 1e-45) == 1e-45);
	assert_int_equal(mil_arg_ints(g, &g->op[4], "stride", v), 4);
	assert_int_equal(v[2], 1);
	assert_int_equal(mil_arg_ints(g, &g->op[4], "squeeze_mask", v), 4);
	assert_int_equal(v[2], 0);
	mil_free(g);
}

/* --- numbers --- */

static uint16_t half_of(const char *text)
{
	char prog[1024];
	snprintf(prog, sizeof prog, FUNC("fp16 h = const()[val = fp16(%s)]; tensor<fp16, [2,3,4,5]> y = relu(x=x);", "y"), text);
	struct mil_graph *g = parse(prog);
	uint16_t h = *(const uint16_t *)value(g, "h")->konst->data;
	mil_free(g);
	return h;
}

static void halves(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint16_t bits;
	} known[] = {
		{"0", 0}, {"-0.0", 0x8000}, {"1", 0x3c00}, {"-2", 0xc000}, {"65504", 0x7bff}, {"-65504", 0xfbff}, {"inf", 0x7c00}, {"-inf", 0xfc00},
		{"0.00001", 0x00a8}, {"1e-5", 0x00a8}, {"0x1.388p+13", 0x70e2}, {"-0x1p-3", 0xb000}, {"0x1p-24", 1}, {"0x1p-25", 0},
		{"0x1.8p-25", 1}, {"0.5", 0x3800}, {".5", 0x3800}, {"5.", 0x4500}, {"+3", 0x4200}, {"65519.99", 0x7bff},
		/* 1 + 2^-11 lies half way between 0x3c00 and 0x3c01: to even; a hair above or below decides otherwise */
		{"1.00048828125", 0x3c00}, {"1.000488281250000000000000000001", 0x3c01}, {"1.000488281249999999999999999999", 0x3c00},
		{"1.00146484375", 0x3c02}, {"1.001464843749999999999999999999999", 0x3c01},
		{"-1.00146484374999999999999999999999e0", 0xbc01}, {"100146484374999999999999999999999.0e-32", 0x3c01},
		{"2.98023223876953125e-8", 0}, {"2.980232238769531250000000000000001e-8", 1}, {"0x1.002p0", 0x3c00}, {"0x1.0021p0", 0x3c01},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (half_of(known[i].text) != known[i].bits)
			fail_msg("%s gives 0x%04x, not 0x%04x", known[i].text, half_of(known[i].text), known[i].bits);
}

/* Every double rounds to the nearest half, ties to even: compared with a search among all halves. */
static void half_rounding(void **state)
{
	struct rng r;
	(void)state;
	rng_seed(&r, 7);
	for (int i = 0; i < 20000; i++) {
		uint16_t lo = (uint16_t)rng_below(&r, 0x7bff), hi = (uint16_t)(lo + 1);
		double a = (double)fp16_to_f32(lo), b = (double)fp16_to_f32(hi), mid = (a + b) / 2;
		assert_int_equal(mil_fp16_from_double(mid), lo & 1 ? hi : lo);
		assert_int_equal(mil_fp16_from_double(nextafter(mid, a)), lo);
		assert_int_equal(mil_fp16_from_double(nextafter(mid, b)), hi);
		assert_int_equal(mil_fp16_from_double(-nextafter(mid, b)), hi | 0x8000);
		assert_int_equal(mil_fp16_from_double(a), lo);
	}
	assert_int_equal(mil_fp16_from_double(65520), 0x7c00);
	assert_int_equal(mil_fp16_from_double(nextafter(65520, 0)), 0x7bff);
	assert_int_equal(mil_fp16_from_double(1e300), 0x7c00);
	assert_int_equal(mil_fp16_from_double(-1e-300), 0x8000);
}

/* --- the builder --- */

static void builder_floats(void **state)
{
	(void)state;
	for (unsigned h = 0; h < 0x7c00; h += 7) {
		struct mil_builder b;
		struct str t;
		struct err e = {0};
		struct mb_value x = {"x", mb_t4(MIL_FP16, 1, 1, 1, 1)};
		mb_begin(&b, MIL_BARE, &x, 1);
		struct mb_value k = mb_const_float(&b, h & 8 ? -(double)fp16_to_f32((uint16_t)h) : (double)fp16_to_f32((uint16_t)h));
		struct mb_value y = mb_binary(&b, "mul", "y", x, k);
		assert_int_equal(mb_end(&b, &y, 1, &t, &e), 0);
		struct mil_graph *g = parse(t.s);
		assert_int_equal(*(const uint16_t *)value(g, k.name)->konst->data, h & 8 ? h | 0x8000 : h);
		mil_free(g);
		str_done(&t);
		mb_done(&b);
	}
}

static void build(struct str *t, enum mil_dialect dialect)
{
	struct mil_builder b;
	struct err e = {0};
	struct mb_value x = {"x", mb_t4(MIL_FP16, 1, 8, 1, 5)}, s[2];
	const int64_t heads[] = {1, 2, 3, 5}, swap[] = {0, 1, 3, 2}, begin[] = {0, 0, 0, 1}, size[] = {1, 2, 5, 3}, back[] = {1, 30};
	mb_begin(&b, dialect, &x, 1);
	struct mb_value w = mb_blob(&b, "W", "wq", mb_t4(MIL_FP16, 6, 8, 1, 1));
	assert_string_equal(mb_blob(&b, "other", "wq", mb_t4(MIL_FP16, 6, 8, 1, 1)).name, w.name);
	struct mb_value q = mb_conv1x1(&b, "q", x, w), m = mb_binary(&b, "mul", NULL, q, mb_const_float(&b, 0.1));
	struct mb_value r = mb_transpose(&b, "q", mb_reshape(&b, NULL, m, 4, heads), swap);
	assert_string_not_equal(r.name, "q"); /* taken */
	struct mb_value z = mb_matmul(&b, "m", r, r, 0, 1);
	s[0] = mb_softmax(&b, "sm", z, -1);
	s[1] = mb_reduce(&b, "reduce_sum", "rs", s[0], -1);
	struct mb_value c = mb_slice(&b, "sl", mb_concat(&b, "cc", s, 2, 3), begin, size);
	c = mb_unary(&b, "sigmoid", NULL, c);
	c = mb_op(&b, "gelu", NULL, c.type, "x=%s, mode=%s", c.name, mb_const_string(&b, "EXACT").name);
	c = mb_reshape(&b, "flat", c, 2, back);
	struct mb_value f = mb_op(&b, "cast", "wide", mb_type(MIL_FP32, 2, back), "x=%s, dtype=%s", c.name, mb_const_string(&b, "fp32").name);
	f = mb_binary(&b, "add", "out", mb_const_real(&b, MIL_FP32, 1.0 / 768), f);
	assert_int_equal(f.type.rank, 2);
	assert_int_equal(mb_end(&b, &f, 1, t, &e), 0);
	mb_done(&b);
}

static void builder_output(void **state)
{
	(void)state;
	for (int d = 0; d < 2; d++) {
		struct str t;
		struct err e = {0};
		struct mil_graph *g;
		build(&t, d ? MIL_VERBOSE : MIL_BARE);
		g = parse(t.s);
		assert_int_equal(g->verbose, d);
		assert_int_equal(g->nop, 14);
		assert_string_equal(value(g, "W")->konst->blob, "@model_path/weights/wq.bin");
		assert_int_equal(value(g, "W")->konst->blob_offset, 64);
		assert_string_equal(g->value[g->output[0]].name, "out");
		assert_true(mil_const_at(&g->value[mil_arg(&g->op[13], "x")], 0) == (double)(float)(1.0 / 768));
		mil_free(g);
		/* Cut anywhere it is an error, and nothing leaks. */
		for (size_t n = 0; n + 1 < t.len; n++) {
			char *part = malloc(n + 1);
			memcpy(part, t.s, n);
			if (mil_parse(&g, part, n, &e) != ERR_FORMAT || g)
				fail_msg("the first %zu bytes are a program?", n);
			free(part);
		}
		str_done(&t);
	}
}

/* Damaged programs: whatever they turn into, an answer and no fault (meaningful under the sanitizers). */
static void damaged(void **state)
{
	static const char bits[] = "()[]{}<>,;=?\"x1-.0/*\\e\n@";
	struct rng r;
	struct str t;
	int accepted = 0;
	(void)state;
	rng_seed(&r, 11);
	build(&t, MIL_BARE);
	for (int i = 0; i < 4000; i++) {
		char *s = malloc(t.len);
		struct mil_graph *g;
		struct err e = {0};
		memcpy(s, t.s, t.len);
		size_t n = t.len;
		for (uint64_t k = rng_below(&r, 4) + 1; k; k--) {
			size_t at = (size_t)rng_below(&r, n), to = (size_t)rng_below(&r, n), len = (size_t)rng_below(&r, 30);
			switch (rng_below(&r, 3)) {
			case 0: s[at] = bits[rng_below(&r, sizeof bits - 1)]; break;
			case 1: s[at] = (char)rng_u64(&r); break;
			default:
				if (at + len < n && to + len < n)
					memmove(s + at, s + to, len);
			}
		}
		int code = mil_parse(&g, s, n, &e);
		assert_true(code == 0 || (code == ERR_FORMAT && !strncmp(e.msg, "mil: ", 5)));
		accepted += code == 0;
		mil_free(g);
		free(s);
	}
	assert_true(accepted < 2000);
	str_done(&t);
}

static void words(void **state)
{
	char buf[96];
	(void)state;
	assert_string_equal(mil_type_text(buf, &(struct mil_type){MIL_FP16, 4, {1, 256, 1, 64}}), "fp16[1, 256, 1, 64]");
	assert_string_equal(mil_type_text(buf, &(struct mil_type){MIL_INT32, 0, {0}}), "int32");
	assert_string_equal(mil_op_name(MIL_OP_SDPA), "scaled_dot_product_attention");
	assert_int_equal(mil_dtype_size(MIL_BOOL), 1);
	assert_int_equal(mil_count(&(struct mil_type){MIL_FP16, 0, {0}}), 1);
	assert_false(mil_same_type(&(struct mil_type){MIL_FP16, 1, {3}}, &(struct mil_type){MIL_FP32, 1, {3}}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opset_of_any_length), cmocka_unit_test(all_forms),      cmocka_unit_test(verbose_dialect), cmocka_unit_test(defaults), cmocka_unit_test(halves),
		cmocka_unit_test(half_rounding),  cmocka_unit_test(builder_floats),  cmocka_unit_test(builder_output),
		cmocka_unit_test(damaged),        cmocka_unit_test(words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
