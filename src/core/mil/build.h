/* build.h: writes MIL program text line by line, for the generators. Checks nothing: mil_parse does.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_BUILD_H
#define ANETUI_MIL_BUILD_H

#include "base/str.h"
#include "mil/mil.h"

enum mil_dialect {
	MIL_BARE,    /* program(1.3), ios18: int32(1) */
	MIL_VERBOSE, /* program(1.0), ios16: tensor<int32, []>(1) */
};

/* A program under construction. Names are made unique by the builder: mb_* return the name that was taken, valid
 * until mb_done. Constants with equal contents are written once. Memory failure is sticky in text.failed. */
struct mil_builder {
	struct str text;
	enum mil_dialect dialect;
	int next;          /* for fresh names */
	struct mb_name *names;   /* owned by the builder */
	struct mb_konst *konsts; /* owned by the builder */
};

/* A value in the text under construction: its name and type, passed around by value. */
struct mb_value {
	const char *name;
	struct mil_type type;
};

struct mil_type mb_type(enum mil_dtype d, int rank, const int64_t *dim);
struct mil_type mb_t4(enum mil_dtype d, int64_t a, int64_t b, int64_t c, int64_t e);

void mb_begin(struct mil_builder *b, enum mil_dialect dialect, const struct mb_value *inputs, int ninput);
/* Closes the function with `-> (outputs);` and the program. Takes the text out (caller owns it: str_done). 0 or ERR_NOMEM. */
int mb_end(struct mil_builder *b, const struct mb_value *outputs, int noutput, struct str *text, struct err *e);
void mb_done(struct mil_builder *b);

/* Constants. The float goes out so that it reads back as exactly the same fp16. It is rounded to fp16: 1/768 loses 4e-4.
 * Where that is too much, keep the number in a weight file (mb_blob), or the program in fp32 (mb_const_real). */
struct mb_value mb_const_float(struct mil_builder *b, double v);
struct mb_value mb_const_real(struct mil_builder *b, enum mil_dtype d, double v); /* d: MIL_FP16 or MIL_FP32 */
struct mb_value mb_const_int(struct mil_builder *b, int64_t v);
struct mb_value mb_const_ints(struct mil_builder *b, const int64_t *v, int n);
struct mb_value mb_const_bool(struct mil_builder *b, int v);
struct mb_value mb_const_string(struct mil_builder *b, const char *v);
/* A constant in a weight file: path "@model_path/weights/FILE.bin", offset 64. */
struct mb_value mb_blob(struct mil_builder *b, const char *name, const char *file, struct mil_type type);

/* Ops, each with the result's type worked out and written. `name` is the wished result name, or NULL for a fresh one. */
struct mb_value mb_conv1x1(struct mil_builder *b, const char *name, struct mb_value x, struct mb_value w);
struct mb_value mb_matmul(struct mil_builder *b, const char *name, struct mb_value x, struct mb_value y, int tx, int ty);
struct mb_value mb_binary(struct mil_builder *b, const char *op, const char *name, struct mb_value x, struct mb_value y);
struct mb_value mb_unary(struct mil_builder *b, const char *op, const char *name, struct mb_value x);
struct mb_value mb_softmax(struct mil_builder *b, const char *name, struct mb_value x, int axis);
struct mb_value mb_reduce(struct mil_builder *b, const char *op, const char *name, struct mb_value x, int axis); /* keep_dims */
struct mb_value mb_reshape(struct mil_builder *b, const char *name, struct mb_value x, int rank, const int64_t *dim);
struct mb_value mb_transpose(struct mil_builder *b, const char *name, struct mb_value x, const int64_t *perm);
struct mb_value mb_concat(struct mil_builder *b, const char *name, const struct mb_value *v, int n, int axis);
struct mb_value mb_slice(struct mil_builder *b, const char *name, struct mb_value x, const int64_t *begin, const int64_t *size);
/* Any other op: `args` is written between the parentheses as it stands ("x=a, axis=ax"). */
struct mb_value mb_op(struct mil_builder *b, const char *op, const char *name, struct mil_type type, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif
