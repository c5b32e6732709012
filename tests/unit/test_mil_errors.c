/* test_mil_errors.c: broken programs, each with the line, the column and the words that its message must have.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mil/mil.h"

struct broken {
	const char *text, *says;
};

/* 1 when the message is another; all of a table are told before the test fails. */
static int differs(const char *text, const char *says)
{
	struct mil_graph *g;
	struct err e = {0};
	int r = mil_parse(&g, text, strlen(text), &e);
	if (!r) {
		mil_free(g);
		print_message("accepted, should say \"%s\":\n%s\n", says, text);
		return 1;
	}
	assert_null(g);
	if (!strncmp(e.msg, says, strlen(says)))
		return 0;
	print_message("\"%s\"\nshould begin \"%s\":\n%s\n", e.msg, says, text);
	return 1;
}

/* Whole texts. */
static const struct broken texts[] = {
	{"", "mil: 1:1: expected 'program' near the end of the text"},
	{"\n\n  # x", "mil: 3:3: unexpected character '#'"},
	{"program", "mil: 1:8: expected '(' near the end of the text"},
	{"program(abc)", "mil: 1:9: expected the version (1.0 or 1.3) near 'abc'"},
	{"program(7.0)\n{", "mil: 1:9: program version 7.0: only versions 1.x are known"},
	{"program(1.3)\n[a = \"x\n\"]", "mil: 2:6: this string is never closed"},
	{"program(1.3)\n/* and so on", "mil: 2:1: this comment is never closed"},
	{"program(1.3)\n[a 1]{}", "mil: 2:4: expected '=' near '1'"},
	{"program(1.3)\n{\nfunc main<ios18>() {\n", "mil: 4:1: expected a statement or '}' near the end of the text ('{' of line 3 is still open)"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1]> x) {\n} -> ();\n}", "mil: 4:7: expected the name of a value to return near ')'"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1]> x) {\n} -> (y);\n}", "mil: 4:7: 'y' is used before it is defined"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1]> x) {\n} -> (x);\n}", "mil: 4:7: 'x' is an input: only results of ops can be returned"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1]> x) {\n}\n}", "mil: 5:1: expected '->' near '}' ('{' of line 2 is still open)"},
	{"program(1.3)\n{\nfunc main(tensor<fp16, [1]> x) {", "mil: 3:10: expected '<' near '('"},
	{"program(1.3)\n{\nfunc main<ios18>(fp16 x, fp16 x) {", "mil: 3:31: the name 'x' is declared twice (first in line 3)"},
	{"program(1.3)\n{\nfunc main<ios18>(string x) {", "mil: 3:18: an input cannot be a string"},
	{"program(1.3)\n{\nfunc main<ios18>(state<tensor<fp16, [1]>> x) {", "mil: 3:18: 'state': state is not supported"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1, n]> x) {", "mil: 3:35: 'n': symbolic sizes are not supported"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1, ?]> x) {", "mil: 3:35: '?': symbolic sizes are not supported"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1, 0]> x) {", "mil: 3:35: '0': a size must be a positive integer"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1, -3]> x) {", "mil: 3:35: '-3': a size must be a positive integer"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [1,2,3,4,5,6]> x) {", "mil: 3:42: '6': more than 5 dimensions"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [65536,32768]> x) {", "mil: 3:38: '32768': too many elements in one tensor"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [99999999999999999999999]> x) {", "mil: 3:32: '99999999999999999999999': too many elements"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<bf16, [4]> x) {", "mil: 3:25: 'bf16': no device here has this element type"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<half, [4]> x) {", "mil: 3:25: expected a type"},
	{"program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [4> x) {", "mil: 3:33: expected ',' or ']' near '>'"},
};

/* Statements; x is fp16[2, 3, 1, 4], n int32[3], c bool[4], and the body begins in line 4. */
static const struct broken bodies[] = {
	/* words */
	{"tensor<fp16, [2, 3, 1, 4]> y = covn(x=x);", "mil: 4:32: unknown op 'covn' (did you mean conv?)"},
	{"tensor<fp16, [2, 3, 1, 4]> y = frobnicate(x=x);", "mil: 4:32: unknown op 'frobnicate'"},
	{"tensor<fp16, [2, 3, 1, 4]> y = cond(pred=c);", "mil: 4:32: 'cond': control flow is not supported"},
	{"tensor<fp16, [2, 3, 1, 4]> y = read_state(input=x);", "mil: 4:32: 'read_state': state is not supported"},
	{"tensor<fp16, [2, 3, 1, 4]> y = softmax(x=x, axes=int32(1));", "mil: 4:45: softmax has no argument 'axes' (the nearest is axis)"},
	{"tensor<fp16, [2, 3, 1, 4]> y = softmax(axis=int32(1));", "mil: 4:32: softmax: the argument 'x' is missing (a tensor)"},
	{"tensor<fp16, [2, 3, 1, 4]> y = relu(x=x, x=x);", "mil: 4:42: argument 'x' is given twice"},
	{"tensor<fp16, [2, 3, 1, 4]> y = relu(x=z);", "mil: 4:39: 'z' is used before it is defined"},
	{"tensor<fp16, [2, 3, 1, 4]> hidden = relu(x=x);\ntensor<fp16, [2, 3, 1, 4]> y = relu(x=hiden);", "mil: 5:39: 'hiden' is used before it is defined (did you mean hidden?)"},
	{"tensor<fp16, [2, 3, 1, 4]> x = relu(x=x);", "mil: 4:28: the name 'x' is declared twice (first in line 3)"},
	{"tensor<fp16, [2, 3, 1, 4]> y = relu(x=true);", "mil: 4:39: expected a name or a typed literal near 'true' (write bool(true))"},
	{"tensor<fp16, [2, 3, 1, 4]> y = relu(x=3);", "mil: 4:39: expected a name or a typed literal (as int32(1)) near '3'"},
	{"tensor<fp16, [2, 3, 1, 4]> y = relu(x=x)\ntensor<fp16, [1]> z = relu(x=x);", "mil: 5:1: expected ';' near 'tensor'"},
	{"tensor<fp16, [2, 3, 1, 4]> y = relu(x=x;\n", "mil: 4:40: expected ',' or ')' near ';'"},
	{"tensor<fp16, [2, 3, 1, 4]> y = relu(\nx=x,\nx=x;\n", "mil: 6:1: argument 'x' is given twice"},
	{"tensor<fp16, [2, 3, 1, 4]> y = softmax(\nx=x,\naxis=int32(1);\n", "mil: 6:14: expected ',' or ')' near ';' ('(' of line 4 is still open)"},
	{"tensor<fp16, [2, 3, 1, 4]> y = relu(x=x)[name=3];", "mil: 4:47: expected string(\"...\") near '3'"},
	{"tensor<fp16, [2, 3, 1, 4]> y relu(x=x);", "mil: 4:30: expected '=' near 'relu'"},
	{"= relu(x=x);", "mil: 4:1: expected a statement or '}' near '='"},
	{"tensor<fp16, [2, 3, 1, 4]> 3y = relu(x=x);", "mil: 4:28: '3y' is neither a number nor a name"},
	/* constants */
	{"int32 y = const()[name=string(\"y\")];", "mil: 4:11: const: the attribute val= is missing"},
	{"int32 y = const()[val=fp16(1)];", "mil: 4:1: y: declared int32, val is fp16"},
	{"int32 y = const()[val=1];", "mil: 4:23: expected a typed literal (as int32(1)) near '1'"},
	{"int32 y = const()[val=int32(1.5)];", "mil: 4:29: expected an integer for int32 near '1.5'"},
	{"int8 y = const()[val=int8(-129)];", "mil: 4:27: -129 does not fit in int8 (-128 to 127)"},
	{"uint8 y = const()[val=uint8(-1)];", "mil: 4:29: -1 does not fit in uint8 (0 to 255)"},
	{"int32 y = const()[val=int32(99999999999999999999999999)];", "mil: 4:29: 99999999999999999999999999 does not fit in int32"},
	{"fp16 y = const()[val=fp16(65520)];", "mil: 4:27: 65520 is too large for fp16 (largest 65504"},
	{"fp32 y = const()[val=fp32(1e39)];", "mil: 4:27: 1e39 is too large for fp32"},
	{"tensor<fp16, [2]> y = const()[val=tensor<fp16, [2]>([0x3c00, 0x4000])];", "mil: 4:54: '0x3c00': a hex integer in an fp16 list is ambiguous"},
	{"fp16 y = const()[val=fp16(0x1.8)];", "mil: 4:27: '0x1.8': a hex float needs an exponent"},
	{"fp16 y = const()[val=fp16(1.2.3)];", "mil: 4:27: '1.2.3' is no number"},
	{"fp16 y = const()[val=fp16(1e)];", "mil: 4:27: '1e' is no number"},
	{"fp16 y = const()[val=fp16(one)];", "mil: 4:27: expected a number for fp16 near 'one'"},
	{"bool y = const()[val=bool(1)];", "mil: 4:27: expected true or false near '1'"},
	{"string y = const()[val=string(1)];", "mil: 4:31: expected a string in quotes near '1'"},
	{"tensor<string, [2]> y = const()[val=tensor<string, [2]>([\"a\", \"b\"])];", "mil: 4:1: a tensor of strings is not supported"},
	{"tensor<int32, [3]> y = const()[val=tensor<int32, [3]>([1, 2])];", "mil: 4:55: int32[3] needs 3 elements, 2 are given"},
	{"tensor<int32, [2]> y = const()[val=tensor<int32, [2]>([1, 2, 3])];", "mil: 4:55: int32[2] needs 2 elements, 3 are given"},
	{"tensor<int32, [2, 2]> y = const()[val=tensor<int32, [2, 2]>([[1, 2], [3]])];", "mil: 4:70: 1 items where dimension 1 is 2"},
	{"tensor<int32, [2, 2]> y = const()[val=tensor<int32, [2, 2]>([[1, 2], 3])];", "mil: 4:70: lists of different depth in one literal"},
	{"tensor<int32, [2]> y = const()[val=tensor<int32, [2]>([[1, 2]])];", "mil: 4:56: a list 2 deep for 1 dimensions"},
	{"tensor<int32, [2]> y = const()[val=tensor<int32, [2]>(7)];", "mil: 4:55: expected '[' or BLOBFILE near '7'"},
	{"int32 y = const()[val=int32([7])];", "mil: 4:29: expected one value (the type is a scalar) near '['"},
	{"tensor<fp16, [2]> y = const()[val=tensor<fp16, [2]>(BLOBFILE(offset=uint64(64)))];", "mil: 4:62: expected path near 'offset'"},
	{"tensor<fp16, [2]> y = const()[val=tensor<fp16, [2]>(BLOBFILE(path=string(\"w\"), offset=int8(64)))];", "mil: 4:87: offset must be a uint64"},
	{"tensor<fp16, [2, 1]> y = constexpr_affine_dequantize(axis=int32(0));", "mil: 4:54: constexpr_affine_dequantize takes its arguments as attributes: constexpr_affine_dequantize()[axis=...]"},
	{"tensor<fp16, [2, 1]> y = constexpr_affine_dequantize()[quantized_data=tensor<int8,[2,1]>([1,2]), scale=fp16(1)];", "mil: 4:26: constexpr_affine_dequantize: the argument 'axis' is missing"},
	/* kinds and types */
	{"tensor<fp16, [2, 3, 1, 4]> y = softmax(x=x, axis=n);", "mil: 4:45: softmax: axis: an int32 constant expected, 'n' is a run-time value of type int32[3]"},
	{"tensor<fp16, [2, 3, 1, 4]> y = softmax(x=x, axis=fp16(1));", "mil: 4:45: softmax: axis: an int32 constant expected, 'the literal' is a constant of type fp16"},
	{"tensor<fp16, [2, 3, 1, 4]> y = softmax(x=(x, x));", "mil: 4:40: softmax: x: one value expected, a tuple of 2 is given"},
	{"tensor<int32, [1]> a = const()[val=tensor<int32, [1]>(BLOBFILE(path=string(\"w\"), offset=uint64(64)))];\nfp16 y = reduce_sum(x=x, axes=a);",
	 "mil: 5:26: reduce_sum: axes: an int32 vector constant expected, 'a' is a constant in a weight file of type int32[1]"},
	{"tensor<int32, [3]> y = exp(x=n);", "mil: 4:28: exp: x: must be fp16 or fp32, is int32[3]"},
	{"tensor<fp32, [2, 3, 1, 4]> y = cast(x=x, dtype=string(\"fp32\"));\ntensor<fp16, [2, 3, 1, 4]> z = add(x=x, y=y);", "mil: 5:41: add: y: is fp32 where x is fp16 (cast one of them)"},
	{"tensor<fp16, [2, 3, 1, 4]> y = add(x=x, y=fp32(1));", "mil: 4:41: add: y: is fp32 where x is fp16"},
	{"tensor<int32, [3]> y = real_div(x=n, y=n);", "mil: 4:33: real_div: x: must be fp16 or fp32, is int32[3]"},
	{"tensor<fp16, [2, 3, 1, 4]> y = gelu(x=x, mode=string(\"FAST\"));", "mil: 4:42: gelu: mode: \"FAST\" is none of EXACT"},
	{"tensor<fp16, [2, 3, 1, 4]> y = cast(x=x, dtype=string(\"fp64\"));", "mil: 4:42: cast: dtype: \"fp64\" is none of"},
	{"tensor<fp16, [2, 3, 1, 4]> y = select(cond=x, a=x, b=x);", "mil: 4:39: select: cond: must be bool"},
	{"tensor<fp16, [4]> y = gather(x=c, indices=x);", "mil: 4:35: gather: indices: must be integers, is fp16[2, 3, 1, 4]"},
	{"tensor<fp16, [2, 3, 1, 4]> y = log(x=x, epsilon=fp32(0));", "mil: 4:41: log: epsilon: is fp32 where x is fp16"},
	/* shapes */
	{"tensor<fp16, [2, 3, 1, 5]> y = relu(x=x);", "mil: 4:1: y: declared fp16[2, 3, 1, 5], relu gives fp16[2, 3, 1, 4]"},
	{"  tensor<fp32, [2, 3, 1, 4]>\n  y = relu(x=x);", "mil: 4:3: y: declared fp32[2, 3, 1, 4], relu gives fp16[2, 3, 1, 4]"},
	{"tensor<fp16, [5, 1]> w = const()[val=tensor<fp16, [5, 1]>([1,2,3,4,5])];\ntensor<fp16, [2, 3, 5, 4]> y = add(x=x, y=w);\ntensor<fp16, [2, 3, 5, 4]> z = matmul(x=x, y=y);",
	 "mil: 6:44: matmul: y: inner sizes differ: fp16[2, 3, 1, 4] x fp16[2, 3, 5, 4]"},
	{"tensor<fp16, [3]> w = const()[val=tensor<fp16, [3]>([1,2,3])];\ntensor<fp16, [2, 3, 1, 4]> y = add(x=x, y=w);", "mil: 5:41: add: y: fp16[3] does not broadcast with fp16[2, 3, 1, 4]"},
	{"fp16 y = matmul(x=x, y=fp16(1));", "mil: 4:22: matmul: y: a scalar has no place in a matmul"},
	{"tensor<fp16, [5, 2, 1, 1]> w = const()[val=tensor<fp16, [5, 2, 1, 1]>([1,2,3,4,5,6,7,8,9,10])];\ntensor<fp16, [2, 5, 1, 4]> y = conv(x=x, weight=w);",
	 "mil: 5:42: conv: weight: fp16[5, 2, 1, 1] has 2 input channels for each group, x fp16[2, 3, 1, 4] has 3"},
	{"tensor<fp16, [1, 3, 2, 1]> w = const()[val=tensor<fp16, [1, 3, 2, 1]>([1,2,3,4,5,6])];\ntensor<fp16, [2, 1, 1, 4]> y = conv(x=x, weight=w);",
	 "mil: 5:32: conv: the kernel is larger than the padded input"},
	{"tensor<fp16, [1, 3, 1, 1]> w = const()[val=tensor<fp16, [1, 3, 1, 1]>([1,2,3])];\ntensor<fp16, [2, 1, 1, 3]> y = conv(x=x, weight=w);",
	 "mil: 5:1: y: declared fp16[2, 1, 1, 3], conv gives fp16[2, 1, 1, 4]"},
	{"tensor<fp16, [1, 3, 1, 1]> w = const()[val=tensor<fp16, [1, 3, 1, 1]>([1,2,3])];\ntensor<fp16, [2, 1, 1, 4]> y = conv(x=x, weight=w, groups=int32(2));",
	 "mil: 5:52: conv: groups: 2 must divide 3 input and 1 output channels"},
	{"tensor<fp16, [1, 3, 1, 1]> w = const()[val=tensor<fp16, [1, 3, 1, 1]>([1,2,3])];\ntensor<fp16, [2, 1, 1, 4]> y = conv(x=x, weight=w, pad_type=string(\"full\"));",
	 "mil: 5:32: conv: pad_type must be valid, same, same_lower or custom"},
	{"tensor<fp16, [2, 3, 1, 4]> y = softmax(x=x, axis=int32(4));", "mil: 4:45: softmax: axis: 4 is outside 4 dimensions"},
	{"fp16 y = reduce_sum(x=x, axes=tensor<int32, [2]>([1, -3]));", "mil: 4:26: reduce_sum: axes: each axis must be one of 4 dimensions, and none given twice"},
	{"tensor<fp16, [5, 5]> y = reshape(x=x, shape=tensor<int32, [2]>([5, 5]));", "mil: 4:39: reshape: shape: fp16[5, 5] has 25 elements, x fp16[2, 3, 1, 4] has 24"},
	{"tensor<fp16, [5, 5]> y = reshape(x=x, shape=tensor<int32, [2]>([5, -1]));", "mil: 4:39: reshape: shape: 24 elements of fp16[2, 3, 1, 4] cannot be shared out by 5"},
	{"tensor<fp16, [5, 5]> y = reshape(x=x, shape=tensor<int32, [2]>([-1, -1]));", "mil: 4:39: reshape: shape: only one -1"},
	{"tensor<fp16, [5]> y = reshape(x=x, shape=tensor<int32, [5]>([2000000000, 2000000000, 2000000000, 2000000000, 2]));", "mil: 4:36: reshape: shape: too many elements"},
	{"tensor<fp16, [5]> y = transpose(x=x, perm=tensor<int32, [4]>([0, 1, 1, 2]));", "mil: 4:38: transpose: perm: must name each of the 4 dimensions once"},
	{"tensor<fp16, [5]> y = transpose(x=x, perm=tensor<int32, [3]>([0, 1, 2]));", "mil: 4:38: transpose: perm: needs 4 elements, has 3"},
	{"tensor<fp16, [5]> y = concat(values=(x, n), axis=int32(1));", "mil: 4:30: concat: values: part 1 is int32[3], part 0 is fp16[2, 3, 1, 4]"},
	{"tensor<fp16, [5]> y = concat(values=(), axis=int32(1));", "mil: 4:38: expected a name or a typed literal"},
	{"tensor<fp16, [2, 1, 1, 4]> y, tensor<fp16, [2, 1, 1, 4]> z = split(x=x, axis=int32(1), num_splits=int32(3));", "mil: 4:62: split: gives 3 results, 2 declared"},
	{"tensor<fp16, [2, 1, 1, 4]> y = split(x=x, axis=int32(1), num_splits=int32(2));", "mil: 4:58: split: num_splits: 2 equal parts cannot be made of 3"},
	{"tensor<fp16, [2, 1, 1, 4]> y = split(x=x, axis=int32(1));", "mil: 4:32: split: num_splits or split_sizes is missing"},
	{"tensor<fp16, [2, 1, 1, 4]> y = split(x=x, axis=int32(1), split_sizes=tensor<int32, [2]>([2, 2]));", "mil: 4:58: split: split_sizes: make 4 together, x has 3 along axis 1"},
	{"tensor<fp16, [2, 3, 1, 4]> y, tensor<fp16, [1]> z = relu(x=x);", "mil: 4:53: relu: gives 1 result, 2 declared"},
	{"tensor<fp16, [2, 3, 1, 4]> y = slice_by_size(x=x, begin=tensor<int32, [4]>([0, 0, 0, 2]), size=tensor<int32, [4]>([2, 3, 1, 3]));",
	 "mil: 4:32: slice_by_size: dimension 3 of x fp16[2, 3, 1, 4]: the range is empty or outside"},
	{"tensor<fp16, [2, 3, 1, 4]> y = slice_by_index(x=x, begin=tensor<int32, [4]>([0, 0, 0, 2]), end=tensor<int32, [4]>([2, 3, 1, 3]), stride=tensor<int32, [4]>([1, 0, 1, 1]));",
	 "mil: 4:32: slice_by_index: dimension 1 of x"},
	{"tensor<fp16, [2, 3, 1, 4]> y = tile(x=x, reps=tensor<int32, [4]>([1, 0, 1, 1]));", "mil: 4:42: tile: reps: 0: must be at least 1"},
	{"tensor<fp16, [2, 3, 1, 4]> y = tile(x=x, reps=tensor<int32, [4]>([2000000000, 2000000000, 2000000000, 2000000000]));", "mil: 4:32: tile: the result has too many elements"},
	{"tensor<int8, [2, 3, 1, 4]> y = quantize(input=x, scale=fp16(0), output_dtype=string(\"int8\"));", "mil: 4:50: quantize: scale: is 0 (element 0)"},
	{"tensor<int8, [2, 3, 1, 4]> y = quantize(input=x, scale=tensor<fp16, [3]>([1, 1, 1]), output_dtype=string(\"int8\"));", "mil: 4:50: quantize: scale: a vector needs the argument axis"},
	{"tensor<int8, [2, 3, 1, 4]> y = quantize(input=x, scale=fp16(1), zero_point=uint8(1), output_dtype=string(\"int8\"));", "mil: 4:65: quantize: zero_point: must be int8 of the shape of scale, is uint8"},
	{"tensor<fp16, [3]> y = dequantize(input=n, scale=fp16(1));", "mil: 4:34: dequantize: input: must be int8 or uint8, is int32[3]"},
	{"tensor<fp16, [2, 3, 1, 4]> y = layer_norm(x=x, axes=tensor<int32, [1]>([1]), gamma=tensor<fp16, [4]>([1, 1, 1, 1]));", "mil: 4:78: layer_norm: gamma: fp16[4] has not the sizes of the normalised axes of x"},
	{"tensor<fp16, [2, 3, 1, 4]> y = layer_norm(x=x, axes=tensor<int32, [2]>([3, 1]));", "mil: 4:48: layer_norm: axes: must ascend"},
	{"tensor<fp16, [2, 3, 1, 4]> y = scaled_dot_product_attention(query=x, key=x, value=x, attn_mask=c);", "mil: 4:86: scaled_dot_product_attention: attn_mask: bool[4] does not broadcast to the scores fp16[2, 3, 1, 1]"},
	{"tensor<fp16, [2, 3, 1, 4]> y = linear(x=x, weight=tensor<fp16, [1, 4]>([1, 1, 1, 1]));", "mil: 4:39: linear: x: must have 1 to 3 dimensions"},
	{"tensor<fp16, [2, 3, 1, 4]> y = linear(x=x, weight=x);", "mil: 4:44: linear: weight: a constant tensor expected, 'x' is a run-time value"},
};

static void whole_texts(void **state)
{
	int bad = 0;
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		bad += differs(texts[i].text, texts[i].says);
	assert_int_equal(bad, 0);
}

static void statements(void **state)
{
	int bad = 0;
	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct str s = {0};
		str_printf(&s, "program(1.3)\n{\nfunc main<ios18>(tensor<fp16, [2, 3, 1, 4]> x, tensor<int32, [3]> n, tensor<bool, [4]> c) {\n%s\n} -> (y);\n}\n",
			   bodies[i].text);
		bad += differs(s.s, bodies[i].says);
		str_done(&s);
	}
	assert_int_equal(bad, 0);
}

/* Wherever brackets can nest, a thousand of them are refused at the 65th, whatever the stack would bear. */
static void deep_nesting(void **state)
{
	static const char *const head[] = {"program(1.3)[a = ", "program(1.3)[a = ", "program(1.3)[a = int32", "program(1.3)[a = ",
					   "program(1.3){func main<ios18>(){tensor<fp16,[1]> x = const()[val=tensor<fp16,[1]>("};
	static const char *const unit[] = {"{", "[", "(", "tuple<", "["};
	(void)state;
	for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
		struct mil_graph *g;
		struct err e = {0};
		struct str s = {0};
		str_puts(&s, head[i]);
		for (int k = 0; k < 1000000; k++)
			str_puts(&s, unit[i]);
		assert_int_equal(mil_parse(&g, s.s, s.len, &e), ERR_FORMAT);
		if (!strstr(e.msg, "brackets nested more than 64 deep"))
			fail_msg("%s: %s", unit[i], e.msg);
		str_done(&s);
	}
}

/* Long tokens are cut in the message, odd bytes are named. */
static void odd_bytes(void **state)
{
	struct mil_graph *g;
	struct err e = {0};
	(void)state;
	assert_int_equal(mil_parse(&g, "program\0(1.3)", 13, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "mil: 1:8: unexpected byte 0x00 (program text is ASCII outside strings and comments)");
	assert_false(differs("/* \xe3\x81\x82\xe3\x81\x84 */ x", "mil: 1:10: expected 'program' near 'x'"));
	assert_false(differs("program(1.3)\n[a = \"\x01\"]", "mil: 2:7: byte 0x01 inside a string"));
	assert_false(differs("\xff", "mil: 1:1: unexpected byte 0xff"));
	struct str s = {0};
	str_puts(&s, "program(");
	for (int i = 0; i < 5000; i++)
		str_putc(&s, 'a');
	assert_int_equal(mil_parse(&g, s.s, s.len, &e), ERR_FORMAT);
	assert_true(strlen(e.msg) < 200);
	str_done(&s);
	assert_int_equal(mil_parse(&g, NULL, 0, &e), ERR_FORMAT);
	assert_int_equal(mil_parse(&g, "x", 1, NULL), ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole_texts), cmocka_unit_test(statements), cmocka_unit_test(deep_nesting),
					   cmocka_unit_test(odd_bytes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
