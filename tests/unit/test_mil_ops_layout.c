/* test_mil_ops_layout.c: what the ops that move or convert elements give, against numbers worked out by hand.
 * Arithmetic, products and normalisation: test_mil_ops.c. SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "support/op_run.h"

#define I2(a, b) "tensor<int32, [2]>([" #a ", " #b "])"
#define I3(a, b, c) "tensor<int32, [3]>([" #a ", " #b ", " #c "])"
#define B2(a, b) "tensor<bool, [2]>([" #a ", " #b "])"
#define P23 "tensor<fp16, [2, 3]> x"
#define P34 "tensor<fp16, [3, 4]> x"

static const double *const x23[] = {(const double[]){1, 2, 3, 4, 5, 6}};
static const double *const x34[] = {(const double[]){0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23}};

static void reshape(void **state)
{
	struct op_how old = {.opset = "ios16", .tol = 0};
	(void)state;
	op_gives(P23, "tensor<fp16, [3, 2]> y = reshape(x=x, shape=" I2(3, 2) ");", x23, D(1, 2, 3, 4, 5, 6), 6);
	op_gives(P23, "tensor<fp16, [3, 1, 2]> y = reshape(x=x, shape=" I3(-1, 1, 2) ");", x23, D(1, 2, 3, 4, 5, 6), 6);
	/* 0 copies a size: from ios17 on places count from the right, before from the left and only with equal ranks */
	op_gives(P23, "tensor<fp16, [1, 2, 3]> y = reshape(x=x, shape=" I3(-1, 0, 0) ");", x23, D(1, 2, 3, 4, 5, 6), 6);
	op_gives(P23, "tensor<fp16, [1, 2, 3]> y = reshape(x=x, shape=" I3(0, 2, 3) ");", x23, D(1, 2, 3, 4, 5, 6), 6);
	op_gives_how(old, P23, "tensor<fp16, [2, 3]> y = reshape(x=x, shape=" I2(0, -1) ");", x23, D(1, 2, 3, 4, 5, 6), 6);
}

static void transpose(void **state)
{
	(void)state;
	op_gives(P23, "tensor<fp16, [3, 2]> y = transpose(x=x, perm=" I2(1, 0) ");", x23, D(1, 4, 2, 5, 3, 6), 6);
	op_gives(P23, "tensor<fp16, [3, 2]> y = transpose(x=x, perm=" I2(-1, -2) ");", x23, D(1, 4, 2, 5, 3, 6), 6);
	/* y[i, j, k] = x[j, k, i] */
	op_gives("tensor<fp16, [2, 1, 3]> x", "tensor<fp16, [3, 2, 1]> y = transpose(x=x, perm=" I3(2, 0, 1) ");", x23, D(1, 4, 2, 5, 3, 6), 6);
	op_gives("tensor<fp16, [1, 2, 3]> x", "tensor<fp16, [2, 3, 1]> y = transpose(x=x, perm=" I3(1, 2, 0) ");", x23, D(1, 2, 3, 4, 5, 6), 6);
}

static void concat(void **state)
{
	(void)state;
	const double *const in[] = {D(1, 2, 3, 4), D(5, 6), D(7, 8, 9, 10)};
#define P3 "tensor<fp16, [2, 2]> a, tensor<fp16, [2, 1]> b, tensor<fp16, [2, 2]> c"
	op_gives(P3, "tensor<fp16, [2, 3]> y = concat(values=(a, b), axis=int32(1));", in, D(1, 2, 5, 3, 4, 6), 6);
	op_gives(P3, "tensor<fp16, [4, 2]> y = concat(values=(a, c), axis=int32(-2), interleave=bool(false));", in, D(1, 2, 3, 4, 7, 8, 9, 10), 8);
	op_gives(P3, "tensor<fp16, [2, 4]> y = concat(values=(a, c), axis=int32(-1), interleave=bool(true));", in, D(1, 7, 2, 8, 3, 9, 4, 10), 8);
	op_gives(P3, "tensor<fp16, [4, 2]> y = concat(values=(a, c), axis=int32(0), interleave=bool(true));", in, D(1, 2, 7, 8, 3, 4, 9, 10), 8);
	op_gives(P3, "tensor<fp16, [2, 5]> y = concat(values=(b, a, a), axis=int32(1));", in, D(5, 1, 2, 1, 2, 6, 3, 4, 3, 4), 10);
}

static void split(void **state)
{
	(void)state;
	op_gives(P34, "tensor<fp16, [3, 2]> a, tensor<fp16, [3, 2]> y = split(x=x, axis=int32(1), num_splits=int32(2));", x34, D(2, 3, 12, 13, 22, 23), 6);
	op_gives(P34, "(tensor<fp16, [3, 1]> a, tensor<fp16, [3, 2]> y, tensor<fp16, [3, 1]> b) = split(x=x, axis=int32(-1), split_sizes=" I3(1, 2, 1) ");", x34,
		 D(1, 2, 11, 12, 21, 22), 6);
	op_gives(P34, "tensor<fp16, [1, 4]> a, tensor<fp16, [2, 4]> y = split(x=x, axis=int32(0), num_splits=int32(2), split_sizes=" I2(1, 2) ");", x34,
		 D(10, 11, 12, 13, 20, 21, 22, 23), 8);
}

static void slice_by_size(void **state)
{
	(void)state;
	op_gives(P34, "tensor<fp16, [2, 2]> y = slice_by_size(x=x, begin=" I2(1, 2) ", size=" I2(2, 2) ");", x34, D(12, 13, 22, 23), 4);
	op_gives(P34, "tensor<fp16, [1, 3]> y = slice_by_size(x=x, begin=" I2(2, 1) ", size=" I2(-1, -1) ");", x34, D(21, 22, 23), 3);
	op_gives(P34, "tensor<fp16, [1, 2]> y = slice_by_size(x=x, begin=" I2(-1, -2) ", size=" I2(1, 2) ");", x34, D(22, 23), 2);
}

#define SLICE(type, begin, end, rest) type " y = slice_by_index(x=x, begin=" begin ", end=" end rest ");"

static void slice_by_index(void **state)
{
	(void)state;
	op_gives(P34, SLICE("tensor<fp16, [1, 2]>", I2(1, 1), I2(2, 3), ""), x34, D(11, 12), 2);
	op_gives(P34, SLICE("tensor<fp16, [1, 2]>", I2(-1, -3), I2(3, -1), ""), x34, D(21, 22), 2);
	/* ends beyond the size are cut */
	op_gives(P34, SLICE("tensor<fp16, [2, 1]>", I2(1, 3), I2(99, 99), ""), x34, D(13, 23), 2);
	op_gives(P34, SLICE("tensor<fp16, [3, 2]>", I2(-99, 0), I2(3, 4), ", stride=" I2(1, 2)), x34, D(0, 2, 10, 12, 20, 22), 6);
	op_gives(P34, SLICE("tensor<fp16, [2, 2]>", I2(0, 0), I2(3, 4), ", stride=" I2(2, 3)), x34, D(0, 3, 20, 23), 4);
	/* x[2:0:-1, 3::-2] */
	op_gives(P34, SLICE("tensor<fp16, [2, 2]>", I2(2, 3), I2(0, 0), ", stride=" I2(-1, -2) ", end_mask=" B2(false, true)), x34, D(23, 21, 13, 11), 4);
	/* x[::-1, 1:2] by masks alone */
	op_gives(P34, SLICE("tensor<fp16, [3, 1]>", I2(7, 1), I2(7, 2), ", stride=" I2(-1, 1) ", begin_mask=" B2(true, false) ", end_mask=" B2(true, false)),
		 x34, D(21, 11, 1), 3);
	op_gives(P34, SLICE("tensor<fp16, [4]>", I2(-2, 0), I2(0, 4), ", squeeze_mask=" B2(true, false)), x34, D(10, 11, 12, 13), 4);
	op_gives(P34, SLICE("tensor<fp16, [2]>", I2(1, -1), I2(3, 0), ", squeeze_mask=" B2(false, true)), x34, D(13, 23), 2);
	op_gives(P34, SLICE("fp16", I2(2, 1), I2(0, 0), ", squeeze_mask=" B2(true, true)), x34, D(21), 1);
}

static void tile(void **state)
{
	(void)state;
	op_gives("tensor<fp16, [2, 2]> x", "tensor<fp16, [2, 4]> y = tile(x=x, reps=" I2(1, 2) ");", IN(D(1, 2, 3, 4)), D(1, 2, 1, 2, 3, 4, 3, 4), 8);
	op_gives("tensor<fp16, [2, 1]> x", "tensor<fp16, [4, 2]> y = tile(x=x, reps=" I2(2, 2) ");", IN(D(1, 2)), D(1, 1, 2, 2, 1, 1, 2, 2), 8);
}

static void selected(void **state)
{
	(void)state;
	op_gives("tensor<bool, [2, 1]> c, tensor<fp16, [2, 2]> a, tensor<fp16, [2]> b", "tensor<fp16, [2, 2]> y = select(cond=c, a=a, b=b);",
		 IN(D(1, 0), D(1, 2, 3, 4), D(-1, -2)), D(1, 2, -1, -2), 4);
	op_gives("tensor<bool, [2, 2]> c", "tensor<int32, [2, 2]> y = select(cond=c, a=int32(7), b=int32(-7));", IN(D(1, 0, 0, 1)), D(7, -7, -7, 7), 4);
	op_gives("tensor<bool, [1]> c, tensor<fp16, [1]> a", "tensor<fp16, [1]> y = select(cond=c, a=a, b=fp16(3));", IN(D(0), D(NAN)), D(3), 1);
}

static void gather(void **state)
{
	struct op_how plain = {.tol = 0}, old = {.opset = "ios16", .tol = 0};
	(void)state;
	op_gives(P34, "tensor<fp16, [2, 4]> y = gather(x=x, indices=" I2(2, 0) ");", x34, D(20, 21, 22, 23, 0, 1, 2, 3), 8);
	op_gives(P34, "tensor<fp16, [3, 3]> y = gather(x=x, indices=" I3(3, 0, 3) ", axis=int32(-1));", x34, D(3, 0, 3, 13, 10, 13, 23, 20, 23), 9);
	op_gives(P34, "tensor<fp16, [3]> y = gather(x=x, indices=int32(1), axis=int32(1));", x34, D(1, 11, 21), 3);
	op_gives(P34, "tensor<fp16, [2, 1, 4]> y = gather(x=x, indices=tensor<int32, [2, 1]>([[1], [2]]));", x34, D(10, 11, 12, 13, 20, 21, 22, 23), 8);
	/* one index list a row */
	op_gives("tensor<fp16, [2, 3]> x, tensor<int32, [2, 2]> n", "tensor<fp16, [2, 2]> y = gather(x=x, indices=n, axis=int32(1), batch_dims=int32(1));",
		 IN(D(1, 2, 3, 4, 5, 6), D(2, 0, 1, 1)), D(3, 1, 5, 5), 4);
	op_gives_how(old, P23, "tensor<fp16, [1, 3]> y = gather(x=x, indices=tensor<int32, [1]>([-1]));", x23, D(4, 5, 6), 3);
	op_refused(plain, P23, "tensor<fp16, [1, 3]> y = gather(x=x, indices=tensor<int32, [1]>([-1]));", x23,
		   "ref: gather (line 4): index -1 is outside 0 to 1");
	op_refused(old, P23, "tensor<fp16, [1, 3]> y = gather(x=x, indices=tensor<int32, [1]>([2]));", x23, "ref: gather (line 4): index 2 is outside 0 to 1");
}

static void cast(void **state)
{
	(void)state;
	op_gives("tensor<fp32, [6]> x", "tensor<int32, [6]> y = cast(x=x, dtype=string(\"int32\"));", IN(D(1.9, -1.9, 0.5, 3e9, -3e9, NAN)),
		 D(1, -1, 0, 2147483647, -2147483648.0, 0), 6);
	op_gives("tensor<fp32, [4]> x", "tensor<int8, [4]> y = cast(x=x, dtype=string(\"int8\"));", IN(D(127.9, 128, -128.9, -200)), D(127, 127, -128, -128), 4);
	op_gives("tensor<fp32, [3]> x", "tensor<uint8, [3]> y = cast(x=x, dtype=string(\"uint8\"));", IN(D(-1, 255.5, 300)), D(0, 255, 255), 3);
	op_gives("tensor<fp32, [2]> x", "tensor<uint16, [2]> y = cast(x=x, dtype=string(\"uint16\"));", IN(D(65535.5, 7)), D(65535, 7), 2);
	op_gives("tensor<fp32, [3]> x", "tensor<bool, [3]> y = cast(x=x, dtype=string(\"bool\"));", IN(D(0, -0.1, 5)), D(0, 1, 1), 3);
	op_gives("tensor<bool, [2]> x", "tensor<fp16, [2]> y = cast(x=x, dtype=string(\"fp16\"));", IN(D(0, 1)), D(0, 1), 2);
	op_gives("tensor<int32, [2]> x", "tensor<int16, [2]> y = cast(x=x, dtype=string(\"int16\"));", IN(D(40000, -5)), D(32767, -5), 2);
	op_gives_how((struct op_how){.round = 1}, "tensor<fp32, [2]> x", "tensor<fp16, [2]> y = cast(x=x, dtype=string(\"fp16\"));", IN(D(1.0004, 2049)), D(1, 2048), 2);
}

static void quantize(void **state)
{
	(void)state;
	/* halves to even, ends saturate */
	op_gives("tensor<fp16, [8]> x", "tensor<int8, [8]> y = quantize(input=x, scale=fp16(0.5), output_dtype=string(\"int8\"));",
		 IN(D(0.25, 0.75, 1.25, -0.25, -0.75, 63.4, 100, -100)), D(0, 2, 2, 0, -2, 127, 127, -128), 8);
	op_gives("tensor<fp16, [4]> x", "tensor<uint8, [4]> y = quantize(input=x, scale=fp16(2), zero_point=uint8(10), output_dtype=string(\"uint8\"));",
		 IN(D(0, -19, -30, 1000)), D(10, 0, 0, 255), 4);
	op_gives("tensor<fp16, [2, 2]> x", "tensor<int8, [2, 2]> y = quantize(input=x, scale=tensor<fp16, [2]>([1, 10]), zero_point=tensor<int8, [2]>([0, 5]), axis=int32(-1), output_dtype=string(\"int8\"));",
		 IN(D(7, 70, -8, -80)), D(7, 12, -8, -3), 4);
	op_gives("tensor<fp16, [2, 2]> x", "tensor<int8, [2, 2]> y = quantize(input=x, scale=tensor<fp16, [2]>([1, 10]), axis=int32(0), output_dtype=string(\"int8\"));",
		 IN(D(7, 70, -8, -80)), D(7, 70, -1, -8), 4);
	op_gives("tensor<int8, [3]> x", "tensor<fp16, [3]> y = dequantize(input=x, scale=fp16(0.25), zero_point=int8(-4));", IN(D(-4, 0, 127)), D(0, 1, 32.75), 3);
	op_gives("tensor<uint8, [2, 2]> x", "tensor<fp32, [2, 2]> y = dequantize(input=x, scale=tensor<fp32, [2]>([1, 0.5]), zero_point=tensor<uint8, [2]>([1, 2]), axis=int32(0));",
		 IN(D(0, 255, 0, 255)), D(-1, 254, -1, 126.5), 4);
}

static void constexpr_dequantize(void **state)
{
	static const int8_t q[4] = {-128, 1, 2, 127};
	struct dev_weight w = {"q", MIL_INT8, 2, {2, 2}, {2, 1}, q, 0};
	(void)state;
	op_gives("tensor<fp16, [1, 2]> x",
		 "tensor<fp16, [2, 2]> w = constexpr_affine_dequantize()[quantized_data=tensor<int8, [2, 2]>([1, 2, 3, 4]), scale=tensor<fp16, [2]>([1, 10]), zero_point=tensor<int8, [2]>([1, 2]), axis=int32(1)];\n"
		 "tensor<fp16, [1, 2]> y = matmul(x=x, y=w);", IN(D(1, 100)), D(200, 2000), 2);
	op_gives_how((struct op_how){.w = &w, .nw = 1}, "tensor<fp16, [1, 2]> x",
		     "tensor<fp16, [2, 2]> w = constexpr_affine_dequantize()[quantized_data=tensor<int8, [2, 2]>(BLOBFILE(path=string(\"q\"), offset=uint64(64))), scale=fp16(0.5), zero_point=int8(0), axis=int32(0)];\n"
		     "tensor<fp16, [1, 2]> y = linear(x=x, weight=w);", IN(D(1, 2)), D(-63, 128), 2);
}

/* Attention written out and attention as one op are the same. */
static void attention_two_ways(void **state)
{
	(void)state;
	op_gives("tensor<fp32, [1, 3, 4]> q, tensor<fp32, [1, 3, 4]> k",
		 "tensor<fp32, [3, 3]> mask = const()[val=tensor<fp32, [3, 3]>([[0, -10000, -10000], [0, 0, -10000], [0, 0, 0]])];\n"
		 "tensor<fp32, [1, 3, 4]> one = scaled_dot_product_attention(query=q, key=k, value=q, attn_mask=mask);\n"
		 "tensor<fp32, [1, 3, 3]> s = matmul(x=q, y=k, transpose_y=bool(true));\n"
		 "tensor<fp32, [1, 3, 3]> h = mul(x=s, y=fp32(0.5));\ntensor<fp32, [1, 3, 3]> m = add(x=h, y=mask);\n"
		 "tensor<fp32, [1, 3, 3]> p = softmax(x=m, axis=int32(-1));\ntensor<fp32, [1, 3, 4]> two = matmul(x=p, y=q);\n"
		 "tensor<fp32, [1, 3, 4]> y = sub(x=one, y=two);",
		 IN(D(.1, -.2, .3, .4, .5, .6, -.7, .8, .9, 1, -1.1, 1.2), D(1, .3, -.2, .1, 0, .4, .2, -.5, .6, .7, .1, .2)),
		 D(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reshape),       cmocka_unit_test(transpose),      cmocka_unit_test(concat),  cmocka_unit_test(split),
		cmocka_unit_test(slice_by_size), cmocka_unit_test(slice_by_index), cmocka_unit_test(tile),    cmocka_unit_test(selected),
		cmocka_unit_test(gather),        cmocka_unit_test(cast),           cmocka_unit_test(quantize), cmocka_unit_test(constexpr_dequantize),
		cmocka_unit_test(attention_two_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
