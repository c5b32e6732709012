/* op_cases_text.c: the written part of the table of op_cases.h: products, layout ops on views, convolutions, quantising, chains,
 * and whole blocks. SPDX-License-Identifier: MIT */
#include "support/op_cases_text.h"

static const struct {
	const char *name, *params, *ret, *body;
} written[] = {
	{"conv.1x1", "tensor<fp16,[1,7,1,17]> x", "y",
	 "tensor<fp16,[33,7,1,1]> w = const()[val=tensor<fp16,[33,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,33,1,17]> y = conv(x=x, weight=w);"},
	{"conv.1x1.explicit", "tensor<fp16,[1,17,1,33]> x", "y",
	 "tensor<fp16,[3,17,1,1]> w = const()[val=tensor<fp16,[3,17,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,3,1,33]> y = conv(x=x, weight=w, strides=tensor<int32,[2]>([1,1]), pad_type=string(\"valid\"), "
	 "pad=tensor<int32,[4]>([0,0,0,0]), dilations=tensor<int32,[2]>([1,1]), groups=int32(1));"},
	{"conv.1x1.bias", "tensor<fp16,[1,3,1,7]> x", "y",
	 "tensor<fp16,[5,3,1,1]> w = const()[val=tensor<fp16,[5,3,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[5]> c = const()[val=tensor<fp16,[5]>(BLOBFILE(path=string(\"@model_path/weights/c.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,5,1,7]> y = conv(x=x, weight=w, bias=c);"},
	{"conv.1x1.batch", "tensor<fp16,[3,7,1,17]> x", "y",
	 "tensor<fp16,[5,7,1,1]> w = const()[val=tensor<fp16,[5,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[3,5,1,17]> y = conv(x=x, weight=w);"},
	{"conv.1x1.groups", "tensor<fp16,[1,6,1,17]> x", "y",
	 "tensor<fp16,[9,2,1,1]> w = const()[val=tensor<fp16,[9,2,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,9,1,17]> y = conv(x=x, weight=w, groups=int32(3));"},
	{"conv.1x1.one", "tensor<fp16,[1,1,1,1]> x", "y",
	 "tensor<fp16,[1,1,1,1]> w = const()[val=tensor<fp16,[1,1,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,1,1,1]> y = conv(x=x, weight=w);"},
	{"conv.1x1.runtime", "tensor<fp16,[1,7,1,17]> x, tensor<fp16,[3,7,1,1]> w", "y",
	 "tensor<fp16,[1,3,1,17]> y = conv(x=x, weight=w);"},
	{"conv.1x1.fp32", "tensor<fp32,[1,7,3,5]> x", "y",
	 "tensor<fp32,[3,7,1,1]> w = const()[val=tensor<fp32,[3,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp32,[1,3,3,5]> y = conv(x=x, weight=w);"},
	{"conv.1x1.stride", "tensor<fp16,[1,3,7,9]> x", "y",
	 "tensor<fp16,[5,3,1,1]> w = const()[val=tensor<fp16,[5,3,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,5,4,5]> y = conv(x=x, weight=w, strides=tensor<int32,[2]>([2,2]));"},
	{"conv.3x3.valid", "tensor<fp16,[1,3,7,9]> x", "y",
	 "tensor<fp16,[5,3,3,3]> w = const()[val=tensor<fp16,[5,3,3,3]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,5,5,7]> y = conv(x=x, weight=w);"},
	{"conv.3x3.same", "tensor<fp16,[1,3,7,9]> x", "y",
	 "tensor<fp16,[5,3,3,3]> w = const()[val=tensor<fp16,[5,3,3,3]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,5,7,9]> y = conv(x=x, weight=w, pad_type=string(\"same\"));"},
	{"conv.2x4.same.stride", "tensor<fp16,[1,3,7,10]> x", "y",
	 "tensor<fp16,[2,3,2,4]> w = const()[val=tensor<fp16,[2,3,2,4]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,2,4,5]> y = conv(x=x, weight=w, pad_type=string(\"same\"), strides=tensor<int32,[2]>([2,2]));"},
	{"conv.2x4.same_lower", "tensor<fp16,[1,3,7,10]> x", "y",
	 "tensor<fp16,[2,3,2,4]> w = const()[val=tensor<fp16,[2,3,2,4]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,2,4,4]> y = conv(x=x, weight=w, pad_type=string(\"same_lower\"), strides=tensor<int32,[2]>([2,3]));"},
	{"conv.3x3.custom", "tensor<fp16,[2,3,5,5]> x", "y",
	 "tensor<fp16,[4,3,3,3]> w = const()[val=tensor<fp16,[4,3,3,3]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[2,4,6,5]> y = conv(x=x, weight=w, pad_type=string(\"custom\"), pad=tensor<int32,[4]>([1,2,0,2]));"},
	{"conv.3x3.dilated", "tensor<fp16,[1,2,9,9]> x", "y",
	 "tensor<fp16,[3,2,3,3]> w = const()[val=tensor<fp16,[3,2,3,3]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,3,5,3]> y = conv(x=x, weight=w, dilations=tensor<int32,[2]>([2,3]));"},
	{"conv.depthwise", "tensor<fp16,[1,7,5,5]> x", "y",
	 "tensor<fp16,[7,1,3,3]> w = const()[val=tensor<fp16,[7,1,3,3]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,7,5,5]> y = conv(x=x, weight=w, groups=int32(7), pad_type=string(\"same\"));"},
	{"conv.1d", "tensor<fp16,[1,3,17]> x", "y",
	 "tensor<fp16,[5,3,3]> w = const()[val=tensor<fp16,[5,3,3]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,5,17]> y = conv(x=x, weight=w, pad_type=string(\"same\"));"},
	{"conv.3d", "tensor<fp16,[1,2,3,4,5]> x", "y",
	 "tensor<fp16,[3,2,2,2,2]> w = const()[val=tensor<fp16,[3,2,2,2,2]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,3,2,3,4]> y = conv(x=x, weight=w);"},
	{"conv.of.slice", "tensor<fp16,[1,17,1,7]> x", "y",
	 "tensor<fp16,[3,7,1,1]> w = const()[val=tensor<fp16,[3,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,7,1,7]> v = slice_by_size(x=x, begin=tensor<int32,[4]>([0,5,0,0]), size=tensor<int32,[4]>([1,7,1,7]));\n"
	 "tensor<fp16,[1,3,1,7]> y = conv(x=v, weight=w);"},
	{"conv.of.spatial.slice", "tensor<fp16,[1,7,1,17]> x", "y",
	 "tensor<fp16,[3,7,1,1]> w = const()[val=tensor<fp16,[3,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,7,1,5]> v = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,3]), size=tensor<int32,[4]>([1,7,1,5]));\n"
	 "tensor<fp16,[1,3,1,5]> y = conv(x=v, weight=w);"},
	{"conv.of.transpose", "tensor<fp16,[1,17,1,7]> x", "y",
	 "tensor<fp16,[3,7,1,1]> w = const()[val=tensor<fp16,[3,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,7,1,17]> v = transpose(x=x, perm=tensor<int32,[4]>([0,3,2,1]));\n"
	 "tensor<fp16,[1,3,1,17]> y = conv(x=v, weight=w);"},
	{"conv.two.of.one", "tensor<fp16,[1,7,1,17]> x", "y, z",
	 "tensor<fp16,[3,7,1,1]> w1 = const()[val=tensor<fp16,[3,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w1.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[5,7,1,1]> w3 = const()[val=tensor<fp16,[5,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w3.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,3,1,17]> y = conv(x=x, weight=w1);\n"
	 "tensor<fp16,[1,5,1,17]> z = conv(x=x, weight=w3);"},
	{"conv.packed.weight", "tensor<fp16,[1,7,1,20]> x", "y",
	 "tensor<fp16,[1,7,1,17]> a = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,0]), size=tensor<int32,[4]>([1,7,1,17]));\n"
	 "tensor<fp16,[1,7,1,3]> wv = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,17]), size=tensor<int32,[4]>([1,7,1,3]));\n"
	 "tensor<fp16,[3,7,1,1]> w = transpose(x=wv, perm=tensor<int32,[4]>([3,1,0,2]));\n"
	 "tensor<fp16,[1,3,1,17]> y = conv(x=a, weight=w);"},
	{"linear.rank3", "tensor<fp16,[2,7,17]> x", "y",
	 "tensor<fp16,[33,17]> w = const()[val=tensor<fp16,[33,17]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[33]> c = const()[val=tensor<fp16,[33]>(BLOBFILE(path=string(\"@model_path/weights/c.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[2,7,33]> y = linear(x=x, weight=w, bias=c);"},
	{"linear.rank2", "tensor<fp32,[7,3]> x", "y",
	 "tensor<fp32,[5,3]> w = const()[val=tensor<fp32,[5,3]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp32,[7,5]> y = linear(x=x, weight=w);"},
	{"linear.rank1", "tensor<fp16,[17]> x", "y",
	 "tensor<fp16,[3,17]> w = const()[val=tensor<fp16,[3,17]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[3]> y = linear(x=x, weight=w);"},
	{"matmul.batch.broadcast", "tensor<fp16,[3,1,7,5]> x, tensor<fp16,[2,5,17]> y", "z",
	 "tensor<fp16,[3,2,7,17]> z = matmul(x=x, y=y);"},
	{"matmul.vector.left", "tensor<fp16,[7]> x, tensor<fp16,[3,7,5]> y", "z",
	 "tensor<fp16,[3,5]> z = matmul(x=x, y=y, transpose_x=bool(true));"},
	{"matmul.vector.right", "tensor<fp16,[3,5,7]> x, tensor<fp16,[7]> y", "z",
	 "tensor<fp16,[3,5]> z = matmul(x=x, y=y);"},
	{"matmul.vectors", "tensor<fp16,[17]> x, tensor<fp16,[17]> y", "z",
	 "fp16 z = matmul(x=x, y=y);"},
	{"matmul.rank5", "tensor<fp16,[2,1,3,7,5]> x, tensor<fp16,[1,2,1,5,3]> y", "z",
	 "tensor<fp16,[2,2,3,7,3]> z = matmul(x=x, y=y);"},
	{"matmul.const", "tensor<fp16,[1,1,7,5]> x", "z",
	 "tensor<fp16,[1,1,5,17]> w = const()[val=tensor<fp16,[1,1,5,17]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,1,7,17]> z = matmul(x=x, y=w);"},
	{"matmul.int32", "tensor<int32,[3,7]> x, tensor<int32,[7,5]> y", "z",
	 "tensor<int32,[3,5]> z = matmul(x=x, y=y);"},
	{"matmul.gqa.view", "tensor<fp16,[1,2,9,5]> q, tensor<fp16,[1,2,3,5]> k", "z",
	 "tensor<fp16,[1,2,9,3]> z = matmul(x=q, y=k, transpose_y=bool(true));"},
	{"matmul.of.slices", "tensor<fp16,[1,1,17,12]> x", "z",
	 "tensor<fp16,[1,1,17,5]> a = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,0]), size=tensor<int32,[4]>([1,1,17,5]));\n"
	 "tensor<fp16,[1,1,17,7]> c = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,5]), size=tensor<int32,[4]>([1,1,17,7]));\n"
	 "tensor<fp16,[1,1,5,7]> z = matmul(x=a, y=c, transpose_x=bool(true));"},
	{"matmul.transposed.out", "tensor<fp16,[1,1,7,17]> x, tensor<fp16,[1,1,17,3]> y", "t",
	 "tensor<fp16,[1,1,7,3]> z = matmul(x=x, y=y);\n"
	 "tensor<fp16,[1,1,3,7]> t = transpose(x=z, perm=tensor<int32,[4]>([0,1,3,2]));"},
	{"matmul.dynamic.weights", "tensor<fp16,[1,7,1,22]> x", "y",
	 "tensor<fp16,[1,7,1,17]> a = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,0]), size=tensor<int32,[4]>([1,7,1,17]));\n"
	 "tensor<fp16,[1,7,1,5]> w = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,17]), size=tensor<int32,[4]>([1,7,1,5]));\n"
	 "tensor<fp16,[1,1,7,17]> a2 = reshape(x=a, shape=tensor<int32,[4]>([1,1,7,17]));\n"
	 "tensor<fp16,[1,1,7,5]> w2 = reshape(x=w, shape=tensor<int32,[4]>([1,1,7,5]));\n"
	 "tensor<fp16,[1,1,17,7]> a3 = transpose(x=a2, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,1,17,5]> m = matmul(x=a3, y=w2);\n"
	 "tensor<fp16,[1,1,5,17]> mt = transpose(x=m, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,5,1,17]> y = reshape(x=mt, shape=tensor<int32,[4]>([1,5,1,17]));"},
	{"reshape.infer", "tensor<fp16,[2,3,7]> x", "y",
	 "tensor<fp16,[6,7]> y = reshape(x=x, shape=tensor<int32,[2]>([-1,7]));"},
	{"reshape.zero", "tensor<fp16,[2,3,7]> x", "y",
	 "tensor<fp16,[6,7]> y = reshape(x=x, shape=tensor<int32,[2]>([-1,0]));"},
	{"reshape.rank1", "tensor<fp16,[1,3,7,5]> x", "y",
	 "tensor<fp16,[105]> y = reshape(x=x, shape=tensor<int32,[1]>([105]));"},
	{"reshape.rank5", "tensor<fp16,[6,35]> x", "y",
	 "tensor<fp16,[2,3,5,1,7]> y = reshape(x=x, shape=tensor<int32,[5]>([2,3,5,1,7]));"},
	{"reshape.of.transpose", "tensor<fp16,[1,3,7,5]> x", "y",
	 "tensor<fp16,[1,3,5,7]> t = transpose(x=x, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,15,1,7]> y = reshape(x=t, shape=tensor<int32,[4]>([1,15,1,7]));"},
	{"reshape.of.slice", "tensor<fp16,[1,7,1,6]> x", "y",
	 "tensor<fp16,[1,7,1,4]> t = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,1]), size=tensor<int32,[4]>([1,7,1,4]));\n"
	 "tensor<fp16,[1,7,2,2]> y = reshape(x=t, shape=tensor<int32,[4]>([1,7,2,2]));"},
	{"reshape.copy", "tensor<fp16,[1,7,1,6]> x", "y",
	 "tensor<fp16,[1,7,1,4]> t = slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,1]), size=tensor<int32,[4]>([1,7,1,4]));\n"
	 "tensor<fp16,[4,7]> y = reshape(x=t, shape=tensor<int32,[2]>([4,7]));"},
	{"transpose.10", "tensor<fp16,[3,7]> x", "y",
	 "tensor<fp16,[7,3]> y = transpose(x=x, perm=tensor<int32,[2]>([1,0]));"},
	{"transpose.201", "tensor<fp16,[3,7,5]> x", "y",
	 "tensor<fp16,[5,3,7]> y = transpose(x=x, perm=tensor<int32,[3]>([2,0,1]));"},
	{"transpose.0132", "tensor<fp16,[1,3,7,17]> x", "y",
	 "tensor<fp16,[1,3,17,7]> y = transpose(x=x, perm=tensor<int32,[4]>([0,1,3,2]));"},
	{"transpose.3120", "tensor<fp16,[2,3,5,7]> x", "y",
	 "tensor<fp16,[7,3,5,2]> y = transpose(x=x, perm=tensor<int32,[4]>([3,1,2,0]));"},
	{"transpose.0213", "tensor<fp16,[2,3,5,7]> x", "y",
	 "tensor<fp16,[2,5,3,7]> y = transpose(x=x, perm=tensor<int32,[4]>([0,-2,1,-1]));"},
	{"transpose.42031", "tensor<fp16,[2,1,3,5,7]> x", "y",
	 "tensor<fp16,[7,3,2,5,1]> y = transpose(x=x, perm=tensor<int32,[5]>([4,2,0,3,1]));"},
	{"transpose.0", "tensor<fp16,[33]> x", "y",
	 "tensor<fp16,[33]> y = transpose(x=x, perm=tensor<int32,[1]>([0]));"},
	{"transpose.twice", "tensor<fp16,[1,3,7,5]> x", "y",
	 "tensor<fp16,[1,5,3,7]> a = transpose(x=x, perm=tensor<int32,[4]>([0,3,1,2]));\n"
	 "tensor<fp16,[1,7,5,3]> b = transpose(x=a, perm=tensor<int32,[4]>([0,3,1,2]));\n"
	 "tensor<fp16,[1,7,5,3]> y = relu(x=b);"},
	{"transpose.elementwise", "tensor<fp16,[1,3,7,5]> x, tensor<fp16,[1,3,5,7]> y", "z",
	 "tensor<fp16,[1,3,5,7]> a = transpose(x=x, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,3,5,7]> z = mul(x=a, y=y);"},
	{"transpose.softmax", "tensor<fp16,[1,3,7,5]> x", "z",
	 "tensor<fp16,[1,3,5,7]> a = transpose(x=x, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,3,5,7]> z = softmax(x=a, axis=int32(-1));"},
	{"transpose.reduce", "tensor<fp16,[1,3,7,5]> x", "z",
	 "tensor<fp16,[1,3,5,7]> a = transpose(x=x, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,3,5,1]> z = reduce_sum(x=a, axes=tensor<int32,[1]>([-1]), keep_dims=bool(true));"},
	{"concat.channels", "tensor<fp16,[1,3,1,7]> x, tensor<fp16,[1,5,1,7]> y", "z",
	 "tensor<fp16,[1,8,1,7]> z = concat(values=(x, y), axis=int32(1), interleave=bool(false));"},
	{"concat.last", "tensor<fp16,[1,3,1,7]> x, tensor<fp16,[1,3,1,1]> y", "z",
	 "tensor<fp16,[1,3,1,8]> z = concat(values=(x, y), axis=int32(-1));"},
	{"concat.three", "tensor<fp16,[2,3]> x, tensor<fp16,[1,3]> y, tensor<fp16,[7,3]> z", "o",
	 "tensor<fp16,[10,3]> o = concat(values=(x, y, z), axis=int32(0));"},
	{"concat.one", "tensor<fp16,[2,3]> x", "o",
	 "tensor<fp16,[2,3]> o = concat(values=(x), axis=int32(0));"},
	{"concat.same.twice", "tensor<fp16,[1,3,1,7]> x", "o",
	 "tensor<fp16,[1,6,1,7]> o = concat(values=(x, x), axis=int32(1));"},
	{"concat.interleave", "tensor<fp16,[2,3,5]> x, tensor<fp16,[2,3,5]> y, tensor<fp16,[2,3,5]> z", "o",
	 "tensor<fp16,[2,9,5]> o = concat(values=(x, y, z), axis=int32(1), interleave=bool(true));"},
	{"concat.interleave.last", "tensor<fp16,[1,3,1,7]> x, tensor<fp16,[1,3,1,7]> y", "o",
	 "tensor<fp16,[1,3,1,14]> o = concat(values=(x, y), axis=int32(3), interleave=bool(true));"},
	{"concat.of.concats", "tensor<fp16,[1,3,1,7]> x, tensor<fp16,[1,5,1,7]> y", "o",
	 "tensor<fp16,[1,8,1,7]> a = concat(values=(x, y), axis=int32(1));\n"
	 "tensor<fp16,[1,8,1,7]> e = exp(x=a);\n"
	 "tensor<fp16,[1,3,1,7]> r = relu(x=x);\n"
	 "tensor<fp16,[1,11,1,7]> b = concat(values=(r, e), axis=int32(1));\n"
	 "tensor<fp16,[1,22,1,7]> o = concat(values=(b, b), axis=int32(1));"},
	{"concat.taps", "tensor<fp16,[1,7,1,17]> x", "o",
	 "tensor<fp16,[5,7,1,1]> w1 = const()[val=tensor<fp16,[5,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w1.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[5,7,1,1]> w3 = const()[val=tensor<fp16,[5,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w3.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,5,1,17]> h1 = conv(x=x, weight=w1);\n"
	 "tensor<fp16,[1,5,1,17]> h3 = conv(x=x, weight=w3);\n"
	 "tensor<fp16,[1,5,1,17]> g = silu(x=h1);\n"
	 "tensor<fp16,[1,5,1,17]> gate = mul(x=g, y=h3);\n"
	 "tensor<fp16,[1,22,1,17]> o = concat(values=(x, h1, h3, gate), axis=int32(1));"},
	{"concat.then.slice", "tensor<fp16,[1,3,1,7]> x, tensor<fp16,[1,5,1,7]> y", "o",
	 "tensor<fp16,[1,8,1,7]> a = concat(values=(x, y), axis=int32(1));\n"
	 "tensor<fp16,[1,4,1,7]> v = slice_by_size(x=a, begin=tensor<int32,[4]>([0,2,0,0]), size=tensor<int32,[4]>([1,4,1,7]));\n"
	 "tensor<fp16,[1,4,1,7]> o = tanh(x=v);"},
	{"concat.part.returned", "tensor<fp16,[1,3,1,7]> x", "r, o",
	 "tensor<fp16,[1,3,1,7]> r = relu(x=x);\n"
	 "tensor<fp16,[1,3,1,7]> e = exp(x=r);\n"
	 "tensor<fp16,[1,9,1,7]> o = concat(values=(r, e, r), axis=int32(1));"},
	{"concat.of.transposes", "tensor<fp16,[1,3,7,5]> x", "o",
	 "tensor<fp16,[1,3,5,7]> a = transpose(x=x, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,6,5,7]> o = concat(values=(a, a), axis=int32(1));"},
	{"concat.matmul", "tensor<fp16,[1,2,7,5]> x, tensor<fp16,[1,2,5,3]> y", "o",
	 "tensor<fp16,[1,2,7,3]> m = matmul(x=x, y=y);\n"
	 "tensor<fp16,[1,2,7,8]> o = concat(values=(x, m), axis=int32(3));"},
	{"split.equal", "tensor<fp16,[1,6,1,7]> x", "a, b, d",
	 "tensor<fp16,[1,2,1,7]> a, tensor<fp16,[1,2,1,7]> b, tensor<fp16,[1,2,1,7]> d = split(x=x, axis=int32(1), num_splits=int32(3));"},
	{"split.sizes", "tensor<fp16,[2,3,17]> x", "a, b, d",
	 "(tensor<fp16,[2,3,1]> a, tensor<fp16,[2,3,7]> b, tensor<fp16,[2,3,9]> d) = split(x=x, axis=int32(-1), "
	 "split_sizes=tensor<int32,[3]>([1,7,9]));"},
	{"split.one", "tensor<fp16,[3,5]> x", "a",
	 "tensor<fp16,[3,5]> a = split(x=x, axis=int32(0), num_splits=int32(1));"},
	{"split.use", "tensor<fp16,[1,6,1,7]> x", "o",
	 "tensor<fp16,[1,3,1,7]> a, tensor<fp16,[1,3,1,7]> b = split(x=x, axis=int32(1), num_splits=int32(2));\n"
	 "tensor<fp16,[1,3,1,7]> s = silu(x=a);\n"
	 "tensor<fp16,[1,3,1,7]> o = mul(x=s, y=b);"},
	{"slice_by_size.end", "tensor<fp16,[3,7,17]> x", "y",
	 "tensor<fp16,[2,7,12]> y = slice_by_size(x=x, begin=tensor<int32,[3]>([1,0,5]), size=tensor<int32,[3]>([-1,7,-1]));"},
	{"slice_by_size.one", "tensor<fp16,[1,7,1,17]> x", "y",
	 "tensor<fp16,[1,1,1,1]> y = slice_by_size(x=x, begin=tensor<int32,[4]>([0,6,0,16]), size=tensor<int32,[4]>([1,1,1,1]));"},
	{"slice_by_size.negative", "tensor<fp16,[5,7]> x", "y",
	 "tensor<fp16,[2,3]> y = slice_by_size(x=x, begin=tensor<int32,[2]>([-2,-4]), size=tensor<int32,[2]>([-1,3]));"},
	{"slice_by_index.plain", "tensor<fp16,[5,7]> x", "y",
	 "tensor<fp16,[3,4]> y = slice_by_index(x=x, begin=tensor<int32,[2]>([1,2]), end=tensor<int32,[2]>([4,6]));"},
	{"slice_by_index.stride", "tensor<fp16,[1,3,1,17]> x", "y",
	 "tensor<fp16,[1,2,1,6]> y = slice_by_index(x=x, begin=tensor<int32,[4]>([0,0,0,1]), end=tensor<int32,[4]>([1,3,1,17]), "
	 "stride=tensor<int32,[4]>([1,2,1,3]));"},
	{"slice_by_index.negative", "tensor<fp16,[5,7]> x", "y",
	 "tensor<fp16,[2,3]> y = slice_by_index(x=x, begin=tensor<int32,[2]>([-3,-5]), end=tensor<int32,[2]>([-1,-2]));"},
	{"slice_by_index.backwards", "tensor<fp16,[5,7]> x", "y",
	 "tensor<fp16,[5,3]> y = slice_by_index(x=x, begin=tensor<int32,[2]>([4,6]), end=tensor<int32,[2]>([0,1]), stride=tensor<int32,[2]>([-1,-2]), "
	 "end_mask=tensor<bool,[2]>([true,false]));"},
	{"slice_by_index.masks", "tensor<fp16,[5,7,3]> x", "y",
	 "tensor<fp16,[3,7,2]> y = slice_by_index(x=x, begin=tensor<int32,[3]>([2,4,1]), end=tensor<int32,[3]>([3,5,1]), "
	 "begin_mask=tensor<bool,[3]>([false,true,false]), end_mask=tensor<bool,[3]>([true,true,true]));"},
	{"slice_by_index.squeeze", "tensor<fp16,[5,7,3]> x", "y",
	 "tensor<fp16,[5,3]> y = slice_by_index(x=x, begin=tensor<int32,[3]>([0,-2,0]), end=tensor<int32,[3]>([5,7,3]), "
	 "squeeze_mask=tensor<bool,[3]>([false,true,false]));"},
	{"slice_by_index.squeeze.all", "tensor<fp16,[5,7]> x", "y",
	 "fp16 y = slice_by_index(x=x, begin=tensor<int32,[2]>([3,4]), end=tensor<int32,[2]>([0,0]), squeeze_mask=tensor<bool,[2]>([true,true]));"},
	{"slice_by_index.even.odd", "tensor<fp16,[1,2,5,6]> x", "o",
	 "tensor<fp16,[1,2,5,3]> a = slice_by_index(x=x, begin=tensor<int32,[4]>([0,0,0,0]), end=tensor<int32,[4]>([1,2,5,6]), "
	 "stride=tensor<int32,[4]>([1,1,1,2]));\n"
	 "tensor<fp16,[1,2,5,3]> b = slice_by_index(x=x, begin=tensor<int32,[4]>([0,0,0,1]), end=tensor<int32,[4]>([1,2,5,6]), "
	 "stride=tensor<int32,[4]>([1,1,1,2]));\n"
	 "tensor<fp16,[1,2,5,3]> n = mul(x=b, y=fp16(-1));\n"
	 "tensor<fp16,[1,2,5,6]> o = concat(values=(n, a), axis=int32(3), interleave=bool(true));"},
	{"slice.of.transpose", "tensor<fp16,[1,3,7,5]> x", "y",
	 "tensor<fp16,[1,3,5,7]> t = transpose(x=x, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,2,3,7]> v = slice_by_size(x=t, begin=tensor<int32,[4]>([0,1,1,0]), size=tensor<int32,[4]>([1,2,3,7]));\n"
	 "tensor<fp16,[1,2,3,7]> y = sigmoid(x=v);"},
	{"tile.last", "tensor<fp16,[1,3,1,7]> x", "y",
	 "tensor<fp16,[1,3,1,21]> y = tile(x=x, reps=tensor<int32,[4]>([1,1,1,3]));"},
	{"tile.all", "tensor<fp16,[2,3,5]> x", "y",
	 "tensor<fp16,[4,3,15]> y = tile(x=x, reps=tensor<int32,[3]>([2,1,3]));"},
	{"tile.of.one", "tensor<fp16,[1,1,17]> x", "y",
	 "tensor<fp16,[3,7,17]> y = tile(x=x, reps=tensor<int32,[3]>([3,7,1]));"},
	{"select.same", "tensor<bool,[3,7]> c, tensor<fp16,[3,7]> x, tensor<fp16,[3,7]> y", "z",
	 "tensor<fp16,[3,7]> z = select(cond=c, a=x, b=y);"},
	{"select.broadcast", "tensor<bool,[1,1,5,5]> c, tensor<fp16,[1,3,5,5]> x", "z",
	 "tensor<fp16,[1,3,5,5]> z = select(cond=c, a=x, b=fp16(-10000));"},
	{"select.broadcast.all", "tensor<bool,[7,1]> c, tensor<fp16,[3,1,1]> x, tensor<fp16,[17]> y", "z",
	 "tensor<fp16,[3,7,17]> z = select(cond=c, a=x, b=y);"},
	{"gather.rows", "tensor<fp16,[7,5]> x", "y",
	 "tensor<fp16,[4,5]> y = gather(x=x, indices=tensor<int32,[4]>([6,0,3,3]));"},
	{"gather.axis", "tensor<fp16,[2,7,5]> x, tensor<int32,[3,2]> n", "y",
	 "tensor<fp16,[2,3,2,5]> y = gather(x=x, indices=n, axis=int32(1));"},
	{"gather.last", "tensor<fp16,[2,7,5]> x", "y",
	 "tensor<fp16,[2,7,2]> y = gather(x=x, indices=tensor<int32,[2]>([4,1]), axis=int32(-1));"},
	{"gather.scalar", "tensor<fp16,[7,5]> x", "y",
	 "tensor<fp16,[5]> y = gather(x=x, indices=int32(2), axis=int32(0));"},
	{"gather.batch", "tensor<fp16,[3,7,5]> x, tensor<int32,[3,2]> n", "y",
	 "tensor<fp16,[3,2,5]> y = gather(x=x, indices=n, axis=int32(1), batch_dims=int32(1), validate_indices=bool(false));"},
	{"cast.fp32", "tensor<fp16,[1,3,1,7]> x", "y",
	 "tensor<fp32,[1,3,1,7]> y = cast(x=x, dtype=string(\"fp32\"));"},
	{"cast.io", "tensor<fp32,[1,3,1,7]> x", "y",
	 "tensor<fp16,[1,3,1,7]> a = cast(x=x, dtype=string(\"fp16\"));\n"
	 "tensor<fp16,[1,3,1,7]> r = relu(x=a);\n"
	 "tensor<fp32,[1,3,1,7]> y = cast(x=r, dtype=string(\"fp32\"));"},
	{"cast.int", "tensor<fp16,[17]> x", "y",
	 "tensor<fp16,[17]> a = mul(x=x, y=fp16(10));\n"
	 "tensor<int32,[17]> q = cast(x=a, dtype=string(\"int32\"));\n"
	 "tensor<fp16,[17]> y = cast(x=q, dtype=string(\"fp16\"));"},
	{"cast.bool", "tensor<int32,[17]> x, tensor<fp16,[17]> a, tensor<fp16,[17]> d", "y",
	 "tensor<bool,[17]> q = cast(x=x, dtype=string(\"bool\"));\n"
	 "tensor<fp16,[17]> y = select(cond=q, a=a, b=d);"},
	{"quantize.scalar", "tensor<fp16,[1,3,1,17]> x", "y",
	 "tensor<int8,[1,3,1,17]> q = quantize(input=x, scale=fp16(0x1p-6), output_dtype=string(\"int8\"));\n"
	 "tensor<fp16,[1,3,1,17]> y = dequantize(input=q, scale=fp16(0x1p-6));"},
	{"quantize.axis", "tensor<fp16,[1,3,1,17]> x", "y",
	 "tensor<uint8,[1,3,1,17]> q = quantize(input=x, scale=tensor<fp16,[3]>([0x1p-7, 0x1p-6, 0x1p-5]), zero_point=tensor<uint8,[3]>([128, 100, "
	 "7]), axis=int32(1), output_dtype=string(\"uint8\"));\n"
	 "tensor<fp16,[1,3,1,17]> y = dequantize(input=q, scale=tensor<fp16,[3]>([0x1p-7, 0x1p-6, 0x1p-5]), zero_point=tensor<uint8,[3]>([128, 100, "
	 "7]), axis=int32(1));"},
	{"constexpr.conv", "tensor<fp16,[1,7,1,17]> x", "y",
	 "tensor<fp16,[3,7,1,1]> w = "
	 "constexpr_affine_dequantize()[quantized_data=tensor<int8,[3,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64))), "
	 "scale=fp16(0x1p-7), zero_point=int8(3), axis=int32(0)];\n"
	 "tensor<fp16,[1,3,1,17]> y = conv(x=x, weight=w);"},
	{"constexpr.vector", "tensor<fp16,[1,2,1,17]> x", "y",
	 "tensor<fp16,[3,2,1,1]> w = "
	 "constexpr_affine_dequantize()[quantized_data=tensor<int8,[3,2,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64))), "
	 "scale=tensor<fp16,[3]>([0x1p-7, 0x1p-6, 0x1.8p-7]), axis=int32(0)];\n"
	 "tensor<fp16,[1,3,1,17]> y = conv(x=x, weight=w);"},
	{"w8a8", "tensor<fp16,[1,4,3,3]> x", "y",
	 "tensor<fp16,[4,4,1,1]> w = "
	 "constexpr_affine_dequantize()[quantized_data=tensor<int8,[4,4,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64))), "
	 "scale=fp16(0x1p-6), zero_point=int8(0), axis=int32(0)];\n"
	 "tensor<fp16,[1,4,3,3]> h = conv(x=x, weight=w);\n"
	 "tensor<int8,[1,4,3,3]> q = quantize(input=h, scale=fp16(0x1p-3), output_dtype=string(\"int8\"));\n"
	 "tensor<fp16,[1,4,3,3]> d = dequantize(input=q, scale=fp16(0x1p-3));\n"
	 "tensor<fp16,[1,4,3,3]> y = conv(x=d, weight=w);"},
	{"layer_norm.last", "tensor<fp16,[3,7,17]> x", "y",
	 "tensor<fp16,[17]> g = const()[val=tensor<fp16,[17]>(BLOBFILE(path=string(\"@model_path/weights/g.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[17]> bt = const()[val=tensor<fp16,[17]>(BLOBFILE(path=string(\"@model_path/weights/bt.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[3,7,17]> y = layer_norm(x=x, axes=tensor<int32,[1]>([-1]), gamma=g, beta=bt, epsilon=fp16(0x1p-14));"},
	{"layer_norm.two.axes", "tensor<fp32,[3,7,5]> x", "y",
	 "tensor<fp32,[7,5]> g = const()[val=tensor<fp32,[7,5]>(BLOBFILE(path=string(\"@model_path/weights/g.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp32,[3,7,5]> y = layer_norm(x=x, axes=tensor<int32,[2]>([1,2]), gamma=g);"},
	{"layer_norm.channels", "tensor<fp16,[1,17,1,7]> x", "y",
	 "tensor<fp16,[17]> g = const()[val=tensor<fp16,[17]>(BLOBFILE(path=string(\"@model_path/weights/g.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[17]> bt = const()[val=tensor<fp16,[17]>(BLOBFILE(path=string(\"@model_path/weights/bt.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,1,7]> y = layer_norm(x=x, axes=tensor<int32,[1]>([1]), gamma=g, beta=bt);"},
	{"layer_norm.all", "tensor<fp16,[3,7]> x", "y",
	 "tensor<fp16,[3,7]> y = layer_norm(x=x);"},
	{"sdpa.plain", "tensor<fp16,[1,3,7,5]> q, tensor<fp16,[1,3,9,5]> k, tensor<fp16,[1,3,9,17]> v", "o",
	 "tensor<fp16,[1,3,7,17]> o = scaled_dot_product_attention(query=q, key=k, value=v);"},
	{"sdpa.bool", "tensor<fp16,[1,3,7,5]> q, tensor<fp16,[1,3,9,5]> k, tensor<fp16,[1,3,9,17]> v, tensor<bool,[7,8]> mk", "o",
	 "tensor<fp16,[7,8]> mf = cast(x=mk, dtype=string(\"fp16\"));\n"
	 "tensor<fp16,[7,1]> one = const()[val=tensor<fp16,[7,1]>([1,1,1,1,1,1,1])];\n"
	 "tensor<fp16,[7,9]> mc = concat(values=(one, mf), axis=int32(1));\n"
	 "tensor<bool,[7,9]> mb = cast(x=mc, dtype=string(\"bool\"));\n"
	 "tensor<fp16,[1,3,7,17]> o = scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=mb);"},
	{"sdpa.float", "tensor<fp16,[1,3,7,5]> q, tensor<fp16,[1,3,9,5]> k, tensor<fp16,[1,3,9,17]> v, tensor<fp16,[1,1,7,9]> mk", "o",
	 "tensor<fp16,[1,3,7,17]> o = scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=mk);"},
	{"sdpa.rank3", "tensor<fp32,[3,7,5]> q, tensor<fp32,[3,7,5]> k, tensor<fp32,[3,7,5]> v", "o",
	 "tensor<fp32,[3,7,5]> o = scaled_dot_product_attention(query=q, key=k, value=v);"},
	{"sdpa.rank5", "tensor<fp16,[2,1,3,1,5]> q, tensor<fp16,[2,1,3,7,5]> k, tensor<fp16,[2,1,3,7,3]> v", "o",
	 "tensor<fp16,[2,1,3,1,3]> o = scaled_dot_product_attention(query=q, key=k, value=v);"},
	{"chain.ten", "tensor<fp16,[1,17,1,33]> x, tensor<fp16,[1,1,1,33]> p", "y",
	 "tensor<fp16,[1,17,1,33]> a = mul(x=x, y=p);\n"
	 "tensor<fp16,[1,17,1,33]> b = add(x=a, y=fp16(0.5));\n"
	 "tensor<fp16,[1,17,1,33]> d = sigmoid(x=b);\n"
	 "tensor<fp16,[1,17,1,33]> e = sub(x=fp16(1), y=d);\n"
	 "tensor<fp16,[1,17,1,33]> f = mul(x=e, y=b);\n"
	 "tensor<fp16,[1,17,1,33]> g = add(x=f, y=fp16(1));\n"
	 "tensor<fp16,[1,17,1,33]> h = mul(x=g, y=d);\n"
	 "tensor<fp16,[1,17,1,33]> j = tanh(x=h);\n"
	 "tensor<fp16,[1,17,1,33]> k = exp(x=j);\n"
	 "tensor<fp16,[1,17,1,33]> y = sub(x=k, y=x);"},
	{"chain.shared", "tensor<fp16,[3,7]> x", "y, z",
	 "tensor<fp16,[3,7]> a = exp(x=x);\n"
	 "tensor<fp16,[3,7]> y = relu(x=x);\n"
	 "tensor<fp16,[3,7]> b = mul(x=a, y=y);\n"
	 "tensor<fp16,[3,7]> z = add(x=b, y=a);"},
	{"chain.unused", "tensor<fp16,[3,7]> x", "y",
	 "tensor<fp16,[3,7]> a = exp(x=x);\n"
	 "tensor<fp16,[7,3]> u = transpose(x=a, perm=tensor<int32,[2]>([1,0]));\n"
	 "tensor<fp16,[3,7]> y = relu(x=x);"},
	{"chain.big", "tensor<fp16,[1,33,7,17]> x, tensor<fp16,[1,33,1,1]> g", "y",
	 "tensor<fp16,[1,33,7,17]> a = mul(x=x, y=g);\n"
	 "tensor<fp16,[1,33,7,17]> b = silu(x=a);\n"
	 "tensor<fp16,[1,33,7,17]> y = add(x=b, y=x);"},
	{"rmsnorm", "tensor<fp16,[1,17,1,33]> x", "y",
	 "tensor<fp16,[1,17,1,1]> pw = const()[val=tensor<fp16,[1,17,1,1]>(BLOBFILE(path=string(\"@model_path/weights/pw.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,1,33]> rsq = mul(x=x, y=x);\n"
	 "tensor<fp16,[1,1,1,33]> rss = reduce_sum(x=rsq, axes=tensor<int32,[1]>([1]), keep_dims=bool(true));\n"
	 "tensor<fp16,[1,1,1,33]> rms = mul(x=rss, y=fp16(0.058823529411764705));\n"
	 "tensor<fp16,[1,1,1,33]> rme = add(x=rms, y=fp16(0.00001));\n"
	 "tensor<fp16,[1,1,1,33]> rrs = pow(x=rme, y=fp16(-0.5));\n"
	 "tensor<fp16,[1,17,1,33]> rxr = mul(x=x, y=rrs);\n"
	 "tensor<fp16,[1,17,1,33]> y = mul(x=rxr, y=pw);"},
	{"swiglu", "tensor<fp16,[1,7,1,17]> x", "y",
	 "tensor<fp16,[33,7,1,1]> w1 = const()[val=tensor<fp16,[33,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w1.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[33,7,1,1]> w3 = const()[val=tensor<fp16,[33,7,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w3.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[7,33,1,1]> w2 = const()[val=tensor<fp16,[7,33,1,1]>(BLOBFILE(path=string(\"@model_path/weights/w2.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,33,1,17]> h1 = conv(x=x, weight=w1);\n"
	 "tensor<fp16,[1,33,1,17]> h3 = conv(x=x, weight=w3);\n"
	 "tensor<fp16,[1,33,1,17]> sg = sigmoid(x=h1);\n"
	 "tensor<fp16,[1,33,1,17]> sl = mul(x=h1, y=sg);\n"
	 "tensor<fp16,[1,33,1,17]> ga = mul(x=sl, y=h3);\n"
	 "tensor<fp16,[1,7,1,17]> f = conv(x=ga, weight=w2);\n"
	 "tensor<fp16,[1,7,1,17]> y = add(x=x, y=f);"},
	{"attention.causal", "tensor<fp16,[1,6,1,7]> x", "ao",
	 "tensor<fp16,[15,6,1,1]> wq = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wq.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,7]> q0 = conv(x=x, weight=wq);\n"
	 "tensor<fp16,[1,3,5,7]> q1 = reshape(x=q0, shape=tensor<int32,[4]>([1,3,5,7]));\n"
	 "tensor<fp16,[1,3,7,5]> q = transpose(x=q1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[15,6,1,1]> wk = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wk.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,7]> k0 = conv(x=x, weight=wk);\n"
	 "tensor<fp16,[1,3,5,7]> k1 = reshape(x=k0, shape=tensor<int32,[4]>([1,3,5,7]));\n"
	 "tensor<fp16,[1,3,7,5]> k = transpose(x=k1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[15,6,1,1]> wv = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wv.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,7]> v0 = conv(x=x, weight=wv);\n"
	 "tensor<fp16,[1,3,5,7]> v1 = reshape(x=v0, shape=tensor<int32,[4]>([1,3,5,7]));\n"
	 "tensor<fp16,[1,3,7,5]> v = transpose(x=v1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,3,7,7]> sc = matmul(x=q, y=k, transpose_x=bool(false), transpose_y=bool(true));\n"
	 "tensor<fp16,[1,3,7,7]> ss = mul(x=sc, y=fp16(0.4472135954999579));\n"
	 "tensor<fp16,[1,1,7,7]> mask = "
	 "const()[val=tensor<fp16,[1,1,7,7]>([[[[0,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,-10000,-10000,-10000,-10000,-10000],[0,0,0,-10000,"
	 "-10000,-10000,-10000],[0,0,0,0,-10000,-10000,-10000],[0,0,0,0,0,-10000,-10000],[0,0,0,0,0,0,-10000],[0,0,0,0,0,0,0]]]])];\n"
	 "tensor<fp16,[1,3,7,7]> sm = add(x=ss, y=mask);\n"
	 "tensor<fp16,[1,3,7,7]> pr = softmax(x=sm, axis=int32(-1));\n"
	 "tensor<fp16,[1,3,7,5]> av = matmul(x=pr, y=v);\n"
	 "tensor<fp16,[1,3,5,7]> at = transpose(x=av, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,15,1,7]> am = reshape(x=at, shape=tensor<int32,[4]>([1,15,1,7]));\n"
	 "tensor<fp16,[6,15,1,1]> wo = const()[val=tensor<fp16,[6,15,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wo.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> ao = conv(x=am, weight=wo);"},
	{"attention.one.token", "tensor<fp16,[1,6,1,1]> x", "ao",
	 "tensor<fp16,[15,6,1,1]> wq = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wq.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,1]> q0 = conv(x=x, weight=wq);\n"
	 "tensor<fp16,[1,3,5,1]> q1 = reshape(x=q0, shape=tensor<int32,[4]>([1,3,5,1]));\n"
	 "tensor<fp16,[1,3,1,5]> q = transpose(x=q1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[15,6,1,1]> wk = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wk.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,1]> k0 = conv(x=x, weight=wk);\n"
	 "tensor<fp16,[1,3,5,1]> k1 = reshape(x=k0, shape=tensor<int32,[4]>([1,3,5,1]));\n"
	 "tensor<fp16,[1,3,1,5]> k = transpose(x=k1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[15,6,1,1]> wv = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wv.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,1]> v0 = conv(x=x, weight=wv);\n"
	 "tensor<fp16,[1,3,5,1]> v1 = reshape(x=v0, shape=tensor<int32,[4]>([1,3,5,1]));\n"
	 "tensor<fp16,[1,3,1,5]> v = transpose(x=v1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,3,1,1]> sc = matmul(x=q, y=k, transpose_x=bool(false), transpose_y=bool(true));\n"
	 "tensor<fp16,[1,3,1,1]> ss = mul(x=sc, y=fp16(0.4472135954999579));\n"
	 "tensor<fp16,[1,1,1,1]> mask = const()[val=tensor<fp16,[1,1,1,1]>([[[[0]]]])];\n"
	 "tensor<fp16,[1,3,1,1]> sm = add(x=ss, y=mask);\n"
	 "tensor<fp16,[1,3,1,1]> pr = softmax(x=sm, axis=int32(-1));\n"
	 "tensor<fp16,[1,3,1,5]> av = matmul(x=pr, y=v);\n"
	 "tensor<fp16,[1,3,5,1]> at = transpose(x=av, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,15,1,1]> am = reshape(x=at, shape=tensor<int32,[4]>([1,15,1,1]));\n"
	 "tensor<fp16,[6,15,1,1]> wo = const()[val=tensor<fp16,[6,15,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wo.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,1]> ao = conv(x=am, weight=wo);"},
	{"attention.taps", "tensor<fp16,[1,6,1,7]> x", "o",
	 "tensor<fp16,[1,6,1,1]> pr1 = const()[val=tensor<fp16,[1,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/pr1.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> rsq = mul(x=x, y=x);\n"
	 "tensor<fp16,[1,1,1,7]> rss = reduce_sum(x=rsq, axes=tensor<int32,[1]>([1]), keep_dims=bool(true));\n"
	 "tensor<fp16,[1,1,1,7]> rms = mul(x=rss, y=fp16(0.16666666666666666));\n"
	 "tensor<fp16,[1,1,1,7]> rme = add(x=rms, y=fp16(0.00001));\n"
	 "tensor<fp16,[1,1,1,7]> rrs = pow(x=rme, y=fp16(-0.5));\n"
	 "tensor<fp16,[1,6,1,7]> rxr = mul(x=x, y=rrs);\n"
	 "tensor<fp16,[1,6,1,7]> xn = mul(x=rxr, y=pr1);\n"
	 "tensor<fp16,[6,6,1,1]> wq = const()[val=tensor<fp16,[6,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wq.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> q0 = conv(x=xn, weight=wq);\n"
	 "tensor<fp16,[1,2,3,7]> q1 = reshape(x=q0, shape=tensor<int32,[4]>([1,2,3,7]));\n"
	 "tensor<fp16,[1,2,7,3]> q = transpose(x=q1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[6,6,1,1]> wk = const()[val=tensor<fp16,[6,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wk.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> k0 = conv(x=xn, weight=wk);\n"
	 "tensor<fp16,[1,2,3,7]> k1 = reshape(x=k0, shape=tensor<int32,[4]>([1,2,3,7]));\n"
	 "tensor<fp16,[1,2,7,3]> k = transpose(x=k1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[6,6,1,1]> wv = const()[val=tensor<fp16,[6,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wv.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> v0 = conv(x=xn, weight=wv);\n"
	 "tensor<fp16,[1,2,3,7]> v1 = reshape(x=v0, shape=tensor<int32,[4]>([1,2,3,7]));\n"
	 "tensor<fp16,[1,2,7,3]> v = transpose(x=v1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,2,7,7]> sc = matmul(x=q, y=k, transpose_x=bool(false), transpose_y=bool(true));\n"
	 "tensor<fp16,[1,2,7,7]> ss = mul(x=sc, y=fp16(0.5773502691896257));\n"
	 "tensor<fp16,[1,1,7,7]> mask = "
	 "const()[val=tensor<fp16,[1,1,7,7]>([[[[0,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,-10000,-10000,-10000,-10000,-10000],[0,0,0,-10000,"
	 "-10000,-10000,-10000],[0,0,0,0,-10000,-10000,-10000],[0,0,0,0,0,-10000,-10000],[0,0,0,0,0,0,-10000],[0,0,0,0,0,0,0]]]])];\n"
	 "tensor<fp16,[1,2,7,7]> sm = add(x=ss, y=mask);\n"
	 "tensor<fp16,[1,2,7,7]> pr = softmax(x=sm, axis=int32(-1));\n"
	 "tensor<fp16,[1,2,7,3]> av = matmul(x=pr, y=v);\n"
	 "tensor<fp16,[1,2,3,7]> at = transpose(x=av, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,6,1,7]> am = reshape(x=at, shape=tensor<int32,[4]>([1,6,1,7]));\n"
	 "tensor<fp16,[6,6,1,1]> wo = const()[val=tensor<fp16,[6,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wo.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> ao = conv(x=am, weight=wo);\n"
	 "tensor<fp16,[1,6,1,7]> x2 = add(x=x, y=ao);\n"
	 "tensor<fp16,[1,36,1,7]> o = concat(values=(x2, q0, k0, v0, am, xn), axis=int32(1), interleave=bool(false));"},
	{"softmax.backward", "tensor<fp16,[1,3,7,7]> p, tensor<fp16,[1,3,7,7]> dp", "ds",
	 "tensor<fp16,[1,3,7,7]> a = mul(x=p, y=dp);\n"
	 "tensor<fp16,[1,3,7,1]> r = reduce_sum(x=a, axes=tensor<int32,[1]>([-1]), keep_dims=bool(true));\n"
	 "tensor<fp16,[1,3,7,7]> d = sub(x=dp, y=r);\n"
	 "tensor<fp16,[1,3,7,7]> e = mul(x=p, y=d);\n"
	 "tensor<fp16,[1,3,7,7]> ds = mul(x=e, y=fp16(0.125));"},
	{"rope.half", "tensor<fp16,[1,2,7,6]> q", "o",
	 "tensor<fp16,[1,1,7,6]> co = const()[val=tensor<fp16,[1,1,7,6]>(BLOBFILE(path=string(\"@model_path/weights/co.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,1,7,6]> si = const()[val=tensor<fp16,[1,1,7,6]>(BLOBFILE(path=string(\"@model_path/weights/si.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,2,7,3]> lo = slice_by_size(x=q, begin=tensor<int32,[4]>([0,0,0,0]), size=tensor<int32,[4]>([1,2,7,3]));\n"
	 "tensor<fp16,[1,2,7,3]> hi = slice_by_size(x=q, begin=tensor<int32,[4]>([0,0,0,3]), size=tensor<int32,[4]>([1,2,7,3]));\n"
	 "tensor<fp16,[1,2,7,3]> nh = mul(x=hi, y=fp16(-1));\n"
	 "tensor<fp16,[1,2,7,6]> rot = concat(values=(nh, lo), axis=int32(3), interleave=bool(false));\n"
	 "tensor<fp16,[1,2,7,6]> qc = mul(x=q, y=co);\n"
	 "tensor<fp16,[1,2,7,6]> rs = mul(x=rot, y=si);\n"
	 "tensor<fp16,[1,2,7,6]> o = add(x=qc, y=rs);"},
	{"rope.interleaved", "tensor<fp16,[1,2,7,6]> q", "o",
	 "tensor<fp16,[1,1,7,6]> co = const()[val=tensor<fp16,[1,1,7,6]>(BLOBFILE(path=string(\"@model_path/weights/co.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,1,7,6]> si = const()[val=tensor<fp16,[1,1,7,6]>(BLOBFILE(path=string(\"@model_path/weights/si.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,2,21,2]> pr = reshape(x=q, shape=tensor<int32,[4]>([1,2,21,2]));\n"
	 "tensor<fp16,[1,2,21,1]> ev = slice_by_size(x=pr, begin=tensor<int32,[4]>([0,0,0,0]), size=tensor<int32,[4]>([1,2,21,1]));\n"
	 "tensor<fp16,[1,2,21,1]> od = slice_by_size(x=pr, begin=tensor<int32,[4]>([0,0,0,1]), size=tensor<int32,[4]>([1,2,21,1]));\n"
	 "tensor<fp16,[1,2,21,1]> no = mul(x=od, y=fp16(-1));\n"
	 "tensor<fp16,[1,2,21,2]> rp = concat(values=(no, ev), axis=int32(3), interleave=bool(false));\n"
	 "tensor<fp16,[1,2,7,6]> rot = reshape(x=rp, shape=tensor<int32,[4]>([1,2,7,6]));\n"
	 "tensor<fp16,[1,2,7,6]> qc = mul(x=q, y=co);\n"
	 "tensor<fp16,[1,2,7,6]> rs = mul(x=rot, y=si);\n"
	 "tensor<fp16,[1,2,7,6]> o = add(x=qc, y=rs);"},
	{"gqa.repeat", "tensor<fp16,[1,2,5,3]> k", "o",
	 "tensor<fp16,[1,2,1,15]> r = reshape(x=k, shape=tensor<int32,[4]>([1,2,1,15]));\n"
	 "tensor<fp16,[1,2,3,15]> t = concat(values=(r, r, r), axis=int32(2), interleave=bool(false));\n"
	 "tensor<fp16,[1,6,5,3]> o = reshape(x=t, shape=tensor<int32,[4]>([1,6,5,3]));"},
	{"block.ln.attention.gelu", "tensor<fp16,[1,17,12]> x", "y",
	 "tensor<fp16,[12]> g1 = const()[val=tensor<fp16,[12]>(BLOBFILE(path=string(\"@model_path/weights/g1.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[12]> b1 = const()[val=tensor<fp16,[12]>(BLOBFILE(path=string(\"@model_path/weights/b1.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[12]> g2 = const()[val=tensor<fp16,[12]>(BLOBFILE(path=string(\"@model_path/weights/g2.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[12]> b2 = const()[val=tensor<fp16,[12]>(BLOBFILE(path=string(\"@model_path/weights/b2.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,12]> n1 = layer_norm(x=x, axes=tensor<int32,[1]>([-1]), gamma=g1, beta=b1, epsilon=fp16(0.00001));\n"
	 "tensor<fp16,[12,12]> wq = const()[val=tensor<fp16,[12,12]>(BLOBFILE(path=string(\"@model_path/weights/wq.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[12]> cq = const()[val=tensor<fp16,[12]>(BLOBFILE(path=string(\"@model_path/weights/cq.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,12]> q0 = linear(x=n1, weight=wq, bias=cq);\n"
	 "tensor<fp16,[1,17,3,4]> q1 = reshape(x=q0, shape=tensor<int32,[4]>([1,17,3,4]));\n"
	 "tensor<fp16,[1,3,17,4]> q = transpose(x=q1, perm=tensor<int32,[4]>([0,2,1,3]));\n"
	 "tensor<fp16,[12,12]> wk = const()[val=tensor<fp16,[12,12]>(BLOBFILE(path=string(\"@model_path/weights/wk.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[12]> ck = const()[val=tensor<fp16,[12]>(BLOBFILE(path=string(\"@model_path/weights/ck.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,12]> k0 = linear(x=n1, weight=wk, bias=ck);\n"
	 "tensor<fp16,[1,17,3,4]> k1 = reshape(x=k0, shape=tensor<int32,[4]>([1,17,3,4]));\n"
	 "tensor<fp16,[1,3,17,4]> k = transpose(x=k1, perm=tensor<int32,[4]>([0,2,1,3]));\n"
	 "tensor<fp16,[12,12]> wv = const()[val=tensor<fp16,[12,12]>(BLOBFILE(path=string(\"@model_path/weights/wv.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[12]> cv = const()[val=tensor<fp16,[12]>(BLOBFILE(path=string(\"@model_path/weights/cv.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,12]> v0 = linear(x=n1, weight=wv, bias=cv);\n"
	 "tensor<fp16,[1,17,3,4]> v1 = reshape(x=v0, shape=tensor<int32,[4]>([1,17,3,4]));\n"
	 "tensor<fp16,[1,3,17,4]> v = transpose(x=v1, perm=tensor<int32,[4]>([0,2,1,3]));\n"
	 "tensor<fp16,[1,1,17,17]> mask = "
	 "const()[val=tensor<fp16,[1,1,17,17]>([[[[0,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,"
	 "-10000,-10000,-10000],[0,0,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,0,"
	 "-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,0,0,-10000,-10000,-10000,-10000,"
	 "-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,0,0,0,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,"
	 "-10000,-10000,-10000],[0,0,0,0,0,0,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,0,0,0,0,0,-10000,"
	 "-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,0,0,0,0,0,0,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000,"
	 "-10000],[0,0,0,0,0,0,0,0,0,-10000,-10000,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,0,0,0,0,0,0,0,0,-10000,-10000,-10000,-10000,-10000,"
	 "-10000,-10000],[0,0,0,0,0,0,0,0,0,0,0,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,0,0,0,0,0,0,0,0,0,0,-10000,-10000,-10000,-10000,"
	 "-10000],[0,0,0,0,0,0,0,0,0,0,0,0,0,-10000,-10000,-10000,-10000],[0,0,0,0,0,0,0,0,0,0,0,0,0,0,-10000,-10000,-10000],[0,0,0,0,0,0,0,0,0,0,0,0,"
	 "0,0,0,-10000,-10000],[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-10000],[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]]])];\n"
	 "tensor<fp16,[1,3,17,4]> a = scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=mask);\n"
	 "tensor<fp16,[1,17,3,4]> at = transpose(x=a, perm=tensor<int32,[4]>([0,2,1,3]));\n"
	 "tensor<fp16,[1,17,12]> am = reshape(x=at, shape=tensor<int32,[3]>([1,17,12]));\n"
	 "tensor<fp16,[12,12]> wo = const()[val=tensor<fp16,[12,12]>(BLOBFILE(path=string(\"@model_path/weights/wo.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,12]> ao = linear(x=am, weight=wo);\n"
	 "tensor<fp16,[1,17,12]> x2 = add(x=x, y=ao);\n"
	 "tensor<fp16,[1,17,12]> n2 = layer_norm(x=x2, axes=tensor<int32,[1]>([-1]), gamma=g2, beta=b2, epsilon=fp16(0.00001));\n"
	 "tensor<fp16,[33,12]> wu = const()[val=tensor<fp16,[33,12]>(BLOBFILE(path=string(\"@model_path/weights/wu.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,33]> up = linear(x=n2, weight=wu);\n"
	 "tensor<fp16,[1,17,33]> ge = gelu(x=up, mode=string(\"TANH_APPROXIMATION\"));\n"
	 "tensor<fp16,[12,33]> wd = const()[val=tensor<fp16,[12,33]>(BLOBFILE(path=string(\"@model_path/weights/wd.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,17,12]> dn = linear(x=ge, weight=wd);\n"
	 "tensor<fp16,[1,17,12]> y = add(x=x2, y=dn);"},
	{"block.channels.first", "tensor<fp16,[1,6,1,7]> x", "y",
	 "tensor<fp16,[6]> g1 = const()[val=tensor<fp16,[6]>(BLOBFILE(path=string(\"@model_path/weights/g1.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[6]> b1 = const()[val=tensor<fp16,[6]>(BLOBFILE(path=string(\"@model_path/weights/b1.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> n1 = layer_norm(x=x, axes=tensor<int32,[1]>([1]), gamma=g1, beta=b1, epsilon=fp16(0.00001));\n"
	 "tensor<fp16,[15,6,1,1]> wq = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wq.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,7]> q0 = conv(x=n1, weight=wq);\n"
	 "tensor<fp16,[1,3,5,7]> q1 = reshape(x=q0, shape=tensor<int32,[4]>([1,3,5,7]));\n"
	 "tensor<fp16,[1,3,7,5]> q = transpose(x=q1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[15,6,1,1]> wk = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wk.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,7]> k0 = conv(x=n1, weight=wk);\n"
	 "tensor<fp16,[1,3,5,7]> k1 = reshape(x=k0, shape=tensor<int32,[4]>([1,3,5,7]));\n"
	 "tensor<fp16,[1,3,7,5]> k = transpose(x=k1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[15,6,1,1]> wv = const()[val=tensor<fp16,[15,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wv.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,15,1,7]> v0 = conv(x=n1, weight=wv);\n"
	 "tensor<fp16,[1,3,5,7]> v1 = reshape(x=v0, shape=tensor<int32,[4]>([1,3,5,7]));\n"
	 "tensor<fp16,[1,3,7,5]> v = transpose(x=v1, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,3,7,7]> sc = matmul(x=q, y=k, transpose_x=bool(false), transpose_y=bool(true));\n"
	 "tensor<fp16,[1,3,7,7]> ss = mul(x=sc, y=fp16(0.4472135954999579));\n"
	 "tensor<fp16,[1,1,7,7]> mask = "
	 "const()[val=tensor<fp16,[1,1,7,7]>([[[[0,-10000,-10000,-10000,-10000,-10000,-10000],[0,0,-10000,-10000,-10000,-10000,-10000],[0,0,0,-10000,"
	 "-10000,-10000,-10000],[0,0,0,0,-10000,-10000,-10000],[0,0,0,0,0,-10000,-10000],[0,0,0,0,0,0,-10000],[0,0,0,0,0,0,0]]]])];\n"
	 "tensor<fp16,[1,3,7,7]> sm = add(x=ss, y=mask);\n"
	 "tensor<fp16,[1,3,7,7]> pr = softmax(x=sm, axis=int32(-1));\n"
	 "tensor<fp16,[1,3,7,5]> av = matmul(x=pr, y=v);\n"
	 "tensor<fp16,[1,3,5,7]> at = transpose(x=av, perm=tensor<int32,[4]>([0,1,3,2]));\n"
	 "tensor<fp16,[1,15,1,7]> am = reshape(x=at, shape=tensor<int32,[4]>([1,15,1,7]));\n"
	 "tensor<fp16,[6,15,1,1]> wo = const()[val=tensor<fp16,[6,15,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wo.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> ao = conv(x=am, weight=wo);\n"
	 "tensor<fp16,[1,6,1,7]> x2 = add(x=x, y=ao);\n"
	 "tensor<fp16,[6]> g2 = const()[val=tensor<fp16,[6]>(BLOBFILE(path=string(\"@model_path/weights/g2.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[6]> b2 = const()[val=tensor<fp16,[6]>(BLOBFILE(path=string(\"@model_path/weights/b2.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> n2 = layer_norm(x=x2, axes=tensor<int32,[1]>([1]), gamma=g2, beta=b2, epsilon=fp16(0.00001));\n"
	 "tensor<fp16,[24,6,1,1]> wu = const()[val=tensor<fp16,[24,6,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wu.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,24,1,7]> up = conv(x=n2, weight=wu);\n"
	 "tensor<fp16,[1,24,1,7]> ge = gelu(x=up, mode=string(\"EXACT\"));\n"
	 "tensor<fp16,[6,24,1,1]> wd = const()[val=tensor<fp16,[6,24,1,1]>(BLOBFILE(path=string(\"@model_path/weights/wd.bin\"), offset=uint64(64)))];\n"
	 "tensor<fp16,[1,6,1,7]> dn = conv(x=ge, weight=wd);\n"
	 "tensor<fp16,[1,6,1,7]> y = add(x=x2, y=dn);"},
};

void op_case_add_written(void)
{
	for (unsigned i = 0; i < sizeof written / sizeof *written; i++)
		op_case_add(written[i].name, written[i].params, written[i].ret, "%s", written[i].body);
}
