/* check.h: one op under examination, between check.c (arguments) and the shape rules. Internal.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_CHECK_H
#define ANETUI_MIL_CHECK_H

#include "mil/mil.h"

struct mil_check {
	const struct mil_graph *g;
	const struct mil_op *op;
	struct mil_type *out; /* room for ndecl results */
	int ndecl;            /* results that the text declares */
	int nout;             /* results that the op gives; rules set it when it is not 1 */
	struct err *e;
};

/* "mil: L:C: OP: ARG: ...", at the argument when it is given, else at the op. `arg` NULL: the op as a whole. */
int mil_bad(const struct mil_check *c, const char *arg, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The type of an argument's first value; NULL when it is not given. */
const struct mil_type *mil_check_type(const struct mil_check *c, const char *arg);

/* A rule looks at an op whose arguments have the right names and kinds, and fills in out[0..nout). */
typedef int mil_rule(struct mil_check *c);
/* By opcode: check_shapes.c (arithmetic, products, normalisation) and check_layout.c (moving, casting, quantising). */
mil_rule *mil_rule_of(enum mil_opcode code);
mil_rule mil_rule_reshape, mil_rule_transpose, mil_rule_concat, mil_rule_split, mil_rule_slice, mil_rule_tile;
mil_rule mil_rule_gather, mil_rule_cast, mil_rule_quantize, mil_rule_dequantize, mil_rule_constexpr_dequantize;

#endif
