/* op_cases.h: small programs that together use every op in many shapes, for running on a device against ref_run. Expected
 * numbers are not here: test_mil_ops.c has those. SPDX-License-Identifier: MIT */
#ifndef TESTS_OP_CASES_H
#define TESTS_OP_CASES_H

#include <stdint.h>

#include "device/device.h"
#include "mil/mil.h"

struct op_case {
	const char *name;
	const char *text; /* parses; inputs, and weights in weight files, are random by shape: op_data_fill */
};

/* The table, made at the first call; not for two threads. */
const struct op_case *op_cases(int *n);

/* Values for a program's inputs and weights, all exact in fp16 so that every device starts from the same numbers.
 * Floats are in [-1, 1], those whose name begins with 'p' in [0.5, 1.5]; ints 0 to 2; bools 0 or 1. */
struct op_data {
	int nin, nw;
	double **in;            /* as ref_run wants them */
	struct dev_weight *w;   /* MIL_FP32, or MIL_INT8 where the constant is int8; row-major */
	void **mem;             /* what w points to */
};

/* 0, or -1 when memory is out. */
int op_data_fill(struct op_data *d, const struct mil_graph *g, uint64_t seed);
void op_data_done(struct op_data *d);

#endif
