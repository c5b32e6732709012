/* mil.h: MIL program text to a typed graph, and back to words about it. Runs nothing: devices do.
 *
 *   text --mil_parse--> graph (names resolved, every type and shape inferred and compared with what the text declares)
 *
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_MIL_H
#define ANETUI_MIL_MIL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { MIL_MAX_RANK = 5 };

enum mil_dtype {
	MIL_FP16 = 0, MIL_FP32, MIL_INT32, MIL_INT8, MIL_UINT8, MIL_INT16, MIL_UINT16, MIL_UINT32, MIL_UINT64, MIL_INT64,
	MIL_BOOL, MIL_STRING,
	MIL_NDTYPE
};

/* A tensor, or with rank 0 a scalar. Row-major. */
struct mil_type {
	enum mil_dtype dtype;
	int rank;
	int64_t dim[MIL_MAX_RANK];
};

/* One opcode a row of ops.def: MIL_OP_CONV, MIL_OP_MATMUL, ... `const` is not among them: constants are values. */
enum mil_opcode {
#define MIL_OP(ID, name, min_args, spec) MIL_OP_##ID,
#include "mil/ops.def"
#undef MIL_OP
	MIL_NOP
};

/* A constant's contents. Exactly one of data, str, blob is used. */
struct mil_const {
	void *data;           /* elements in the value's dtype (fp16 as uint16_t bits, bool as uint8_t), row-major */
	char *str;            /* MIL_STRING */
	char *blob;           /* "@model_path/weights/wq.bin" */
	uint64_t blob_offset; /* of the 64-byte metadata record in that file */
};

struct mil_value {
	char *name;               /* "" for literals written inline */
	struct mil_type type;
	int op;                   /* index of the op that makes it; -1 for inputs and constants */
	struct mil_const *konst;  /* not NULL for constants (also those that were written inline as an argument) */
	int line, col;            /* where its declaration begins */
};

/* One argument: its name as in the text, and the values given (one, or several for a tuple like concat's values=). */
struct mil_arg {
	const char *name;
	int n;
	int *value; /* indices into mil_graph.value */
	int line, col;
};

struct mil_op {
	enum mil_opcode code;
	char *label;      /* the name= attribute, or NULL */
	int narg;
	struct mil_arg *arg;
	int nresult;
	int *result;      /* indices into mil_graph.value */
	int line, col;
};

/* A whole program: its one function. Ops stand in the order of the text, which is an order of execution. */
struct mil_graph {
	double version;   /* 1.0, 1.3, ... */
	char *function;   /* "main" */
	char *opset;      /* "ios18" */
	int verbose;      /* 1: scalars are written tensor<int32, []>(1) */
	int nvalue;
	struct mil_value *value;
	int nop;
	struct mil_op *op;
	int ninput;
	int *input;       /* value indices, in the order of the text */
	int noutput;
	int *output;
};

/* Lexes, parses and checks n bytes of text. The graph is owned by the caller (mil_free). Errors: ERR_FORMAT with
 * "mil: 12:7: expected ...". Both dialects (program(1.0)/ios16 verbose, program(1.3)/ios18 bare) are read. */
int mil_parse(struct mil_graph **out, const char *text, size_t n, struct err *e);
void mil_free(struct mil_graph *g);

/* --- questions about types --- */
size_t mil_dtype_size(enum mil_dtype d);
const char *mil_dtype_name(enum mil_dtype d);
int64_t mil_count(const struct mil_type *t);             /* elements; 1 for a scalar */
int mil_same_type(const struct mil_type *a, const struct mil_type *b);
/* "fp16[1, 256, 1, 64]" into buf; returns buf. */
char *mil_type_text(char buf[96], const struct mil_type *t);

/* --- questions about ops --- */
const char *mil_op_name(enum mil_opcode c);
/* The value index of argument `name` (its first value), or -1 when it is not given. */
int mil_arg(const struct mil_op *op, const char *name);
const struct mil_arg *mil_arg_tuple(const struct mil_op *op, const char *name);
/* Constant arguments with the op's default where the text leaves them out. The checker has made sure that they are
 * constants of the right type. mil_arg_ints writes at most MIL_MAX_RANK * 2 values and returns how many (the sizes of a split
 * may be more: they are in the types of its results). Axes, slices and paddings in normal form: mil/shape.h. */
int mil_arg_ints(const struct mil_graph *g, const struct mil_op *op, const char *name, int64_t *out);
int64_t mil_arg_int(const struct mil_graph *g, const struct mil_op *op, const char *name, int64_t otherwise);
int mil_arg_bool(const struct mil_graph *g, const struct mil_op *op, const char *name, int otherwise);
double mil_arg_float(const struct mil_graph *g, const struct mil_op *op, const char *name, double otherwise);
const char *mil_arg_str(const struct mil_graph *g, const struct mil_op *op, const char *name, const char *otherwise);
/* Element i of a constant as a number (fp16 widened). */
double mil_const_at(const struct mil_value *v, int64_t i);
/* FLOP that an op asks for: 2 m n k of the products, 0 for all others (small beside them). */
double mil_op_flops(const struct mil_graph *g, const struct mil_op *op);
/* Is this value a constant whose contents are in the text (not in a weight file)? */
int mil_is_literal(const struct mil_value *v);

#endif
