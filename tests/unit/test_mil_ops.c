/* test_mil_ops.c: what each op of arithmetic, products, reductions and normalisation computes, against numbers worked out
 * by hand or by a few lines here. Ops that move or convert elements: test_mil_ops_layout.c.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "support/op_run.h"

#define V3 "tensor<fp32, [3]> x"
#define UNARY(op) "tensor<fp32, [3]> y = " op ";"

static void element_wise(void **state)
{
	(void)state;
	op_gives(V3, UNARY("relu(x=x)"), IN(D(-1.5, 0, 2)), D(0, 0, 2), 3);
	op_gives(V3, UNARY("exp(x=x)"), IN(D(0, 1, -INFINITY)), D(1, 2.718281828459045, 0), 3);
	op_gives(V3, UNARY("sigmoid(x=x)"), IN(D(0, 1, -1000)), D(0.5, 0.7310585786300049, 0), 3);
	op_gives(V3, UNARY("silu(x=x)"), IN(D(0, 1, -1)), D(0, 0.7310585786300049, -0.2689414213699951), 3);
	op_gives(V3, UNARY("tanh(x=x)"), IN(D(0, 0.5, -1000)), D(0, 0.46211715726000976, -1), 3);
	op_gives(V3, UNARY("sqrt(x=x)"), IN(D(0, 2, -1)), D(0, 1.4142135623730951, NAN), 3);
	op_gives(V3, UNARY("rsqrt(x=x)"), IN(D(4, 0, 1e6)), D(0.5, 1e6, 1e-3), 3);
	op_gives(V3, UNARY("rsqrt(x=x, epsilon=fp32(12))"), IN(D(4, -3, 88)), D(0.25, 1.0 / 3, 0.1), 3);
	op_gives(V3, UNARY("log(x=x)"), IN(D(1, 2.718281828459045, 100)), D(0, 1, 4.605170185988092), 3);
	op_gives(V3, UNARY("log(x=x)"), IN(D(0, 1, 1)), D(log(1e-45), 0, 0), 3);
	op_gives(V3, UNARY("log(x=x, epsilon=fp32(0.5))"), IN(D(0.5, 0, 1.5)), D(0, -0.6931471805599453, 0.6931471805599453), 3);
	op_gives(V3, UNARY("relu(x=x)"), IN(D(NAN, INFINITY, -INFINITY)), D(NAN, INFINITY, 0), 3);
}

static void gelu_modes(void **state)
{
	(void)state;
	/* x Phi(x) with Phi(1) = 0.8413447460685429 */
	op_gives(V3, UNARY("gelu(x=x)"), IN(D(0, 1, -1)), D(0, 0.8413447460685429, -0.15865525393145707), 3);
	op_gives(V3, UNARY("gelu(x=x, mode=string(\"EXACT\"))"), IN(D(0, 1, -1)), D(0, 0.8413447460685429, -0.15865525393145707), 3);
	op_gives_how((struct op_how){.tol = 1e-9}, V3, UNARY("gelu(x=x, mode=string(\"TANH_APPROXIMATION\"))"), IN(D(0, 1, -1)),
		     D(0, 0.8411919906082768, -0.15880800939172324), 3);
	op_gives_how((struct op_how){.tol = 1e-9}, V3, UNARY("gelu(x=x, mode=string(\"SIGMOID_APPROXIMATION\"))"), IN(D(0, 1, -1)),
		     D(0, 0.8457957659328212, -0.15420423406717882), 3);
}

static void two_operands(void **state)
{
	(void)state;
	const double *const in[] = {D(1, 2, 3, 4, 5, 6), D(10, 20, 30)};
#define P23 "tensor<fp32, [2, 3]> x, tensor<fp32, [3]> v"
	op_gives(P23, "tensor<fp32, [2, 3]> y = add(x=x, y=v);", in, D(11, 22, 33, 14, 25, 36), 6);
	op_gives(P23, "tensor<fp32, [2, 3]> y = sub(x=v, y=x);", in, D(9, 18, 27, 6, 15, 24), 6);
	op_gives(P23, "tensor<fp32, [2, 3]> y = mul(x=x, y=fp32(-0.5));", in, D(-0.5, -1, -1.5, -2, -2.5, -3), 6);
	op_gives(P23, "tensor<fp32, [2, 3]> y = real_div(x=x, y=v);", in, D(0.1, 0.1, 0.1, 0.4, 0.25, 0.2), 6);
	op_gives(P23, "tensor<fp32, [2, 3]> y = pow(x=x, y=fp32(-0.5));", in,
		 D(1, 0.7071067811865475, 0.5773502691896258, 0.5, 0.4472135954999579, 0.4082482904638631), 6);
	op_gives("tensor<fp32, [2, 1]> a, tensor<fp32, [3]> b", "tensor<fp32, [2, 3]> y = mul(x=a, y=b);", IN(D(2, 3), D(1, 10, 100)),
		 D(2, 20, 200, 3, 30, 300), 6);
	op_gives("tensor<fp32, [2, 1, 2]> a, tensor<fp32, [2, 1]> b", "tensor<fp32, [2, 2, 2]> y = add(x=a, y=b);",
		 IN(D(1, 2, 3, 4), D(10, 20)), D(11, 12, 21, 22, 13, 14, 23, 24), 8);
	op_gives("fp32 a, fp32 b", "fp32 y = sub(x=a, y=b);", IN(D(1), D(3)), D(-2), 1);
	op_gives("fp32 a, fp32 b", "fp32 y = real_div(x=a, y=b);", IN(D(-1), D(0)), D(-INFINITY), 1);
	op_gives("tensor<int32, [2]> a, tensor<int32, [2]> b", "tensor<int32, [2]> y = mul(x=a, y=b);", IN(D(7, 2147483647), D(-3, 2147483647)),
		 D(-21, 1), 2); /* (2^31 - 1)^2 = 1 modulo 2^32 */
	op_gives("tensor<int32, [1]> a", "tensor<int32, [1]> y = add(x=a, y=int32(1));", IN(D(2147483647)), D(-2147483648.0), 1);
}

static void fp16_rounding(void **state)
{
	struct op_how rounds = {.round = 1, .tol = 0};
	(void)state;
	/* 2048 + 1 lies half way: to even; 60000 + 60000 is beyond the largest */
	op_gives_how(rounds, "tensor<fp16, [3]> x", "tensor<fp16, [3]> y = add(x=x, y=fp16(1));", IN(D(2048, 2049.9, 1)), D(2048, 2052, 2), 3);
	op_gives_how(rounds, "tensor<fp16, [1]> x", "tensor<fp16, [1]> y = add(x=x, y=x);", IN(D(60000)), D(INFINITY), 1);
	op_gives_how(rounds, "tensor<fp32, [1]> x", "tensor<fp32, [1]> y = add(x=x, y=x);", IN(D(60000)), D(120000), 1);
	/* after every op: (1/3 rounded) * 3 rounded */
	op_gives_how(rounds, "tensor<fp16, [1]> x", "tensor<fp16, [1]> a = real_div(x=fp16(1), y=x); tensor<fp16, [1]> y = mul(x=a, y=x);",
		     IN(D(3)), D(1), 1);
	op_gives("tensor<fp16, [1]> x", "tensor<fp16, [1]> y = add(x=x, y=fp16(1));", IN(D(2048)), D(2049), 1);
}

static void matmul(void **state)
{
	(void)state;
	const double *const in[] = {D(1, 2, 3, 4, 5, 6), D(1, 0, -1, 2, 1, 0)};
	/* [[1 2 3] [4 5 6]] x [[1 0] [-1 2] [1 0]] */
	op_gives("tensor<fp32, [2, 3]> a, tensor<fp32, [3, 2]> b", "tensor<fp32, [2, 2]> y = matmul(x=a, y=b);", in, D(2, 4, 5, 10), 4);
	/* [[1 2 3] [4 5 6]] x [[1 0 -1] [2 1 0]]' */
	op_gives("tensor<fp32, [2, 3]> a, tensor<fp32, [2, 3]> b", "tensor<fp32, [2, 2]> y = matmul(x=a, y=b, transpose_y=bool(true));", in,
		 D(-2, 4, -2, 13), 4);
	/* [[1 2 3] [4 5 6]]' x [[1 0 -1] [2 1 0]] */
	op_gives("tensor<fp32, [2, 3]> a, tensor<fp32, [2, 3]> b", "tensor<fp32, [3, 3]> y = matmul(x=a, y=b, transpose_x=bool(true));", in,
		 D(9, 4, -1, 12, 5, -2, 15, 6, -3), 9);
	/* [[1 2] [3 4] [5 6]]' x [[1 0 -1] [2 1 0]]' */
	op_gives("tensor<fp32, [3, 2]> a, tensor<fp32, [2, 3]> b",
		 "tensor<fp32, [2, 2]> y = matmul(x=a, y=b, transpose_x=bool(true), transpose_y=bool(true));", in, D(-4, 5, -4, 8), 4);
	op_gives("tensor<fp32, [3]> a, tensor<fp32, [3, 2]> b", "tensor<fp32, [2]> y = matmul(x=a, y=b, transpose_x=bool(true));",
		 IN(D(1, 2, 3), in[1]), D(2, 4), 2);
	op_gives("tensor<fp32, [2, 3]> a, tensor<fp32, [3]> b", "tensor<fp32, [2]> y = matmul(x=a, y=b);", IN(in[0], D(1, 0, -1)), D(-2, -2), 2);
	op_gives("tensor<fp32, [3]> a, tensor<fp32, [3]> b", "fp32 y = matmul(x=a, y=b);", IN(D(1, 2, 3), D(4, 5, 6)), D(32), 1);
	/* a batch of two rows against one matrix, and the other way round */
	op_gives("tensor<fp32, [2, 1, 2]> a, tensor<fp32, [2, 1]> b", "tensor<fp32, [2, 1, 1]> y = matmul(x=a, y=b);",
		 IN(D(1, 2, 3, 4), D(10, 1)), D(12, 34), 2);
	op_gives("tensor<fp32, [1, 2]> a, tensor<fp32, [2, 2, 1]> b", "tensor<fp32, [2, 1, 1]> y = matmul(x=a, y=b);",
		 IN(D(10, 1), D(1, 2, 3, 4)), D(12, 34), 2);
	op_gives("tensor<int32, [1, 2]> a, tensor<int32, [2, 1]> b", "tensor<int32, [1, 1]> y = matmul(x=a, y=b);",
		 IN(D(2147483647, 2), D(2147483647, 3)), D(7), 1);
}

static void linear(void **state)
{
	(void)state;
	op_gives("tensor<fp32, [1, 2, 2]> x", "tensor<fp32, [1, 2, 3]> y = linear(x=x, weight=tensor<fp32, [3, 2]>([1, 0, 0, 1, 2, -1]), bias=tensor<fp32, [3]>([10, 20, 30]));",
		 IN(D(1, 2, 3, 4)), D(11, 22, 30, 13, 24, 32), 6);
	op_gives("tensor<fp32, [2]> x", "tensor<fp32, [1]> y = linear(x=x, weight=tensor<fp32, [1, 2]>([3, -1]));", IN(D(1, 2)), D(1), 1);
}

static void reductions(void **state)
{
	(void)state;
	const double *const in[] = {D(1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -60)};
#define P232 "tensor<fp32, [2, 3, 2]> x"
	op_gives(P232, "tensor<fp32, [2, 1, 2]> y = reduce_sum(x=x, axes=tensor<int32, [1]>([1]), keep_dims=bool(true));", in, D(9, 12, -9, -66), 4);
	op_gives(P232, "tensor<fp32, [2, 3]> y = reduce_sum(x=x, axes=tensor<int32, [1]>([-1]));", in, D(3, 7, 11, -3, -7, -65), 6);
	op_gives(P232, "tensor<fp32, [3]> y = reduce_max(x=x, axes=tensor<int32, [2]>([2, 0]));", in, D(2, 4, 6), 3);
	op_gives(P232, "tensor<fp32, [2]> y = reduce_mean(x=x, axes=tensor<int32, [2]>([-3, 1]));", in, D(0, -9), 2);
	op_gives(P232, "fp32 y = reduce_max(x=x);", in, D(6), 1);
	op_gives(P232, "tensor<fp32, [1, 1, 1]> y = reduce_sum(x=x, keep_dims=bool(true));", in, D(-54), 1);
	op_gives("tensor<fp32, [3]> x", "fp32 y = reduce_max(x=x);", IN(D(-INFINITY, -5, -7)), D(-5), 1);
	op_gives("tensor<fp32, [3]> x", "fp32 y = reduce_max(x=x);", IN(D(1, NAN, 7)), D(NAN), 1);
	op_gives("tensor<int32, [3]> x", "int32 y = reduce_sum(x=x);", IN(D(1, -5, 7)), D(3), 1);
}

static void softmax(void **state)
{
	(void)state;
	double l2 = log(2), l3 = log(3);
	op_gives("tensor<fp32, [3]> x", "tensor<fp32, [3]> y = softmax(x=x);", IN(D(0, l2, l3)), D(1 / 6.0, 1 / 3.0, 0.5), 3);
	op_gives("tensor<fp32, [3]> x", "tensor<fp32, [3]> y = softmax(x=x);", IN(D(1000, 1000 + l2, -INFINITY)), D(1 / 3.0, 2 / 3.0, 0), 3);
	op_gives("tensor<fp32, [2, 2]> x", "tensor<fp32, [2, 2]> y = softmax(x=x, axis=int32(0));", IN(D(0, l3, l3, 0)), D(0.25, 0.75, 0.75, 0.25), 4);
	op_gives("tensor<fp32, [2, 2]> x", "tensor<fp32, [2, 2]> y = softmax(x=x, axis=int32(-1));", IN(D(0, l3, l3, 0)), D(0.25, 0.75, 0.75, 0.25), 4);
	op_gives("tensor<fp32, [1, 2, 2, 1]> x", "tensor<fp32, [1, 2, 2, 1]> y = softmax(x=x, axis=int32(1));", IN(D(0, 0, l3, 0)), D(0.25, 0.5, 0.75, 0.5), 4);
}

static void layer_norm(void **state)
{
	(void)state;
	/* mean 2, variance 2/3; epsilon 1/3 makes the root 1 */
	op_gives("tensor<fp32, [2, 3]> x", "tensor<fp32, [2, 3]> y = layer_norm(x=x, axes=tensor<int32, [1]>([-1]), gamma=tensor<fp32, [3]>([1, 10, 100]), beta=tensor<fp32, [3]>([0.5, 0, 0]));",
		 IN(D(1, 2, 3, 5, 5, 5)), D(0.5 - 1 / sqrt(2 / 3.0 + 1e-5), 0, 100 / sqrt(2 / 3.0 + 1e-5), 0.5, 0, 0), 6);
	op_gives("tensor<fp32, [1, 2, 1, 3]> x", "tensor<fp32, [1, 2, 1, 3]> y = layer_norm(x=x, axes=tensor<int32, [1]>([1]), epsilon=fp32(0));",
		 IN(D(1, 2, 3, 3, 6, -3)), D(-1, -1, 1, 1, 1, -1), 6);
	/* two axes: values 0..3 of each batch, mean 1.5, variance 1.25 */
	double s = 1 / sqrt(1.25);
	op_gives("tensor<fp32, [2, 2, 2]> x", "tensor<fp32, [2, 2, 2]> y = layer_norm(x=x, axes=tensor<int32, [2]>([1, 2]), gamma=tensor<fp32, [2, 2]>([[1, 1], [1, 2]]), epsilon=fp32(0));",
		 IN(D(0, 1, 2, 3, 13, 12, 11, 10)), D(-1.5 * s, -.5 * s, .5 * s, 3 * s, 1.5 * s, .5 * s, -.5 * s, -3 * s), 8);
	/* axes left out: all of them; one axis in the middle is not the same as its neighbours */
	op_gives("tensor<fp32, [2, 2]> x", "tensor<fp32, [2, 2]> y = layer_norm(x=x, epsilon=fp32(0));", IN(D(1, 1, 3, 3)), D(-1, -1, 1, 1), 4);
	op_gives("tensor<fp32, [2, 2]> x", "tensor<fp32, [2, 2]> y = layer_norm(x=x, axes=tensor<int32, [1]>([0]), epsilon=fp32(0));",
		 IN(D(1, 7, 3, 5)), D(-1, 1, 1, -1), 4);
}

#define SDPA "tensor<fp32, [1, 2, 4]> q, tensor<fp32, [1, 3, 4]> k, tensor<fp32, [1, 3, 1]> v"

static void attention(void **state)
{
	(void)state;
	/* Scores q.k / 2: row 0: 0, log 2, log 3; row 1: 0, 0, 0. Values 6, 60, 600. */
	double a = 2 * log(2), b = 2 * log(3);
	const double *const in[] = {D(1, 0, 0, 0, 0, 0, 0, 1), D(0, 5, 0, 0, a, 0, 3, 0, b, 0, 0, 0), D(6, 60, 600), D(1, 1, 0, 0, 1, 1), D(0, -1e4, 0)};
	op_gives(SDPA, "tensor<fp32, [1, 2, 1]> y = scaled_dot_product_attention(query=q, key=k, value=v);", in, D(321, 222), 2);
	/* row 0 sees keys 0 and 1 (1/3, 2/3), row 1 keys 1 and 2 */
	op_gives(SDPA ", tensor<bool, [2, 3]> m", "tensor<fp32, [1, 2, 1]> y = scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=m);",
		 in, D(42, 330), 2);
	/* a float mask is added: key 1 out of sight for all (1/4, 3/4) */
	op_gives(SDPA ", tensor<bool, [2, 3]> z, tensor<fp32, [1, 1, 3]> m",
		 "tensor<fp32, [1, 2, 1]> y = scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=m);", in, D(451.5, 303), 2);
	/* batches are apart */
	op_gives("tensor<fp32, [2, 1, 1]> q, tensor<fp32, [2, 1, 1]> k, tensor<fp32, [2, 1, 2]> v",
		 "tensor<fp32, [2, 1, 2]> y = scaled_dot_product_attention(query=q, key=k, value=v);", IN(D(1, 2), D(3, 4), D(5, 6, 7, 8)), D(5, 6, 7, 8), 4);
}

/* --- conv --- */

static void conv_by_hand(void **state)
{
	(void)state;
	/* 1x1: two outputs from two channels of three places */
	op_gives("tensor<fp32, [1, 2, 1, 3]> x", "tensor<fp32, [1, 2, 1, 3]> y = conv(x=x, weight=tensor<fp32, [2, 2, 1, 1]>([1, 10, -1, 0]), bias=tensor<fp32, [2]>([0.5, 0]));",
		 IN(D(1, 2, 3, 4, 5, 6)), D(41.5, 52.5, 63.5, -1, -2, -3), 6);
	/* groups: channel 0 by 2, channel 1 by 3 */
	op_gives("tensor<fp32, [1, 2, 2]> x", "tensor<fp32, [1, 2, 2]> y = conv(x=x, weight=tensor<fp32, [2, 1, 1]>([2, 3]), groups=int32(2));",
		 IN(D(1, 2, 3, 4)), D(2, 4, 9, 12), 4);
#define LINE "tensor<fp32, [1, 1, 5]> x"
	const double *const in[] = {D(1, 2, 3, 4, 5)};
	/* the kernel is not turned round: 1*x[i] + 10*x[i+1] */
	op_gives(LINE, "tensor<fp32, [1, 1, 4]> y = conv(x=x, weight=tensor<fp32, [1, 1, 2]>([1, 10]));", in, D(21, 32, 43, 54), 4);
	op_gives(LINE, "tensor<fp32, [1, 1, 2]> y = conv(x=x, weight=tensor<fp32, [1, 1, 2]>([1, 10]), strides=tensor<int32, [1]>([2]));", in, D(21, 43), 2);
	op_gives(LINE, "tensor<fp32, [1, 1, 2]> y = conv(x=x, weight=tensor<fp32, [1, 1, 2]>([1, 10]), dilations=tensor<int32, [1]>([3]));", in, D(41, 52), 2);
	/* one element of padding in all: same puts it after, same_lower before */
	op_gives(LINE, "tensor<fp32, [1, 1, 5]> y = conv(x=x, weight=tensor<fp32, [1, 1, 2]>([1, 10]), pad_type=string(\"same\"));", in, D(21, 32, 43, 54, 5), 5);
	op_gives(LINE, "tensor<fp32, [1, 1, 5]> y = conv(x=x, weight=tensor<fp32, [1, 1, 2]>([1, 10]), pad_type=string(\"same_lower\"));", in,
		 D(10, 21, 32, 43, 54), 5);
	op_gives(LINE, "tensor<fp32, [1, 1, 7]> y = conv(x=x, weight=tensor<fp32, [1, 1, 2]>([1, 10]), pad_type=string(\"custom\"), pad=tensor<int32, [2]>([2, 1]));", in,
		 D(0, 10, 21, 32, 43, 54, 5), 7);
	/* pad counts for custom only */
	op_gives(LINE, "tensor<fp32, [1, 1, 4]> y = conv(x=x, weight=tensor<fp32, [1, 1, 2]>([1, 10]), pad_type=string(\"valid\"), pad=tensor<int32, [2]>([2, 1]));", in,
		 D(21, 32, 43, 54), 4);
	/* same with a stride: 3 outputs, (3-1)*2 + 4 - 5 = 3 of padding, 1 before and 2 after */
	op_gives(LINE, "tensor<fp32, [1, 1, 3]> y = conv(x=x, weight=tensor<fp32, [1, 1, 4]>([1, 10, 100, 1000]), pad_type=string(\"same\"), strides=tensor<int32, [1]>([2]));",
		 in, D(3210, 5432, 54), 3);
	op_gives(LINE, "tensor<fp32, [1, 1, 3]> y = conv(x=x, weight=tensor<fp32, [1, 1, 4]>([1, 10, 100, 1000]), pad_type=string(\"same_lower\"), strides=tensor<int32, [1]>([2]));",
		 in, D(2100, 4321, 543), 3);
}

/* The plainest of loops over [n][c][h][w], its own arithmetic of borders. */
static void conv_by_loop(void **state)
{
	enum { N = 2, CI = 4, H = 6, W = 7, CO = 6, KH = 3, KW = 2, G = 2, SH = 2, SW = 3, DH = 1, DW = 2, TOP = 1, BOTTOM = 2, LEFT = 0, RIGHT = 3 };
	enum { HO = (H + TOP + BOTTOM - (KH - 1) * DH - 1) / SH + 1, WO = (W + LEFT + RIGHT - (KW - 1) * DW - 1) / SW + 1 };
	static double x[N][CI][H][W], want[N][CO][HO][WO];
	static float w[CO][CI / G][KH][KW];
	struct rng r;
	(void)state;
	rng_seed(&r, 3);
	for (double *p = &x[0][0][0][0]; p < &x[0][0][0][0] + N * CI * H * W; p++)
		*p = rng_normal(&r);
	for (float *p = &w[0][0][0][0]; p < &w[0][0][0][0] + CO * CI / G * KH * KW; p++)
		*p = (float)rng_normal(&r);
	for (int n = 0; n < N; n++)
		for (int o = 0; o < CO; o++)
			for (int c = 0; c < CI / G; c++)
				for (int i = 0; i < HO * WO * KH * KW; i++) {
					int ho = i % HO, wo = i / HO % WO, kh = i / HO / WO % KH, kw = i / HO / WO / KH;
					int hi = ho * SH + kh * DH - TOP, wi = wo * SW + kw * DW - LEFT;
					if (hi >= 0 && hi < H && wi >= 0 && wi < W)
						want[n][o][ho][wo] += x[n][o / (CO / G) * (CI / G) + c][hi][wi] * (double)w[o][c][kh][kw];
				}
	struct dev_weight dw = {"w", MIL_FP32, 4, {CO, CI / G, KH, KW}, {CI / G * KH * KW, KH * KW, KW, 1}, w, 0};
	op_gives_how((struct op_how){.w = &dw, .nw = 1, .tol = 1e-12}, "tensor<fp32, [2, 4, 6, 7]> x",
		     "tensor<fp32, [6, 2, 3, 2]> w = const()[val=tensor<fp32, [6, 2, 3, 2]>(BLOBFILE(path=string(\"w\"), offset=uint64(64)))];\n"
		     "tensor<fp32, [2, 6, 4, 3]> y = conv(x=x, weight=w, strides=tensor<int32, [2]>([2, 3]), pad_type=string(\"custom\"), "
		     "pad=tensor<int32, [4]>([1, 2, 0, 3]), dilations=tensor<int32, [2]>([1, 2]), groups=int32(2));",
		     IN(&x[0][0][0][0]), &want[0][0][0][0], N * CO * HO * WO);
}

/* --- weights --- */

#define BLOB(type, path) "const()[val=" type "(BLOBFILE(path=string(\"" path "\"), offset=uint64(64)))]"

static void weights(void **state)
{
	static const float f[6] = {1, 2, 3, 4, 5, 6};
	static const uint16_t h[2] = {0x3c00, 0xc000};
	static const int8_t q[2] = {-128, 100};
	struct dev_weight w[] = {
		{"t", MIL_FP32, 2, {3, 2}, {1, 3}, f, 0}, /* [2, 3] in memory, seen as [3, 2] */
		{"h", MIL_FP16, 1, {2}, {1}, h, 0}, {"q", MIL_INT8, 1, {2}, {1}, q, 0}, {"s", MIL_FP32, 4, {1, 2, 1, 1}, {2, 1, 1, 1}, f, 0},
	};
	struct op_how how = {.w = w, .nw = 4, .tol = 1e-12};
	(void)state;
	op_gives_how(how, "tensor<fp16, [3, 2]> x", "tensor<fp16, [3, 2]> w = " BLOB("tensor<fp16, [3, 2]>", "t") "; tensor<fp16, [3, 2]> y = add(x=x, y=w);",
		     IN(D(0, 0, 0, 0, 0, 0)), D(1, 4, 2, 5, 3, 6), 6);
	op_gives_how(how, "tensor<fp16, [2]> x", "tensor<fp16, [2]> w = " BLOB("tensor<fp16, [2]>", "h") "; tensor<fp16, [2]> y = add(x=x, y=w);",
		     IN(D(0, 0)), D(1, -2), 2);
	op_gives_how(how, "tensor<fp16, [2]> x", "tensor<int8, [2]> w = " BLOB("tensor<int8, [2]>", "q") "; tensor<fp16, [2]> d = dequantize(input=w, scale=fp16(0.5));"
		     "tensor<fp16, [2]> y = add(x=x, y=d);", IN(D(0, 0)), D(-64, 50), 2);
	op_gives_how(how, "tensor<fp16, [2]> x", "tensor<fp16, [2]> w = " BLOB("tensor<fp16, [2]>", "s") "; tensor<fp16, [2]> y = add(x=x, y=w);",
		     IN(D(0, 0)), D(1, 2), 2);
	op_refused(how, "tensor<fp16, [2]> x", "tensor<fp16, [2]> w = " BLOB("tensor<fp16, [2]>", "none") "; tensor<fp16, [2]> y = add(x=x, y=w);",
		   IN(D(0, 0)), "ref: none: no such weight was given (line 4 of the program)");
	op_refused(how, "tensor<fp16, [2, 3]> x", "tensor<fp16, [2, 3]> w = " BLOB("tensor<fp16, [2, 3]>", "t") "; tensor<fp16, [2, 3]> y = add(x=x, y=w);",
		   IN(D(0, 0, 0, 0, 0, 0)), "ref: t: given as fp32[3, 2], the program wants fp16[2, 3]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(element_wise), cmocka_unit_test(gelu_modes),   cmocka_unit_test(two_operands), cmocka_unit_test(fp16_rounding),
		cmocka_unit_test(matmul),       cmocka_unit_test(linear),       cmocka_unit_test(reductions),   cmocka_unit_test(softmax),
		cmocka_unit_test(layer_norm),   cmocka_unit_test(attention),    cmocka_unit_test(conv_by_hand), cmocka_unit_test(conv_by_loop),
		cmocka_unit_test(weights),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
