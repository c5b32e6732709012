/* op_run.h: a small program through the parser and the reference, its outputs compared with numbers.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_OP_RUN_H
#define TESTS_OP_RUN_H

#include "device/device.h"

#define D(...) ((const double[]){__VA_ARGS__})
#define IN(...) ((const double *const[]){__VA_ARGS__})

/* func main<ios18>(PARAMS) { BODY } -> (y); y must be `want`, n numbers, to a relative 1e-12 (inf and nan as they are). */
void op_gives(const char *params, const char *body, const double *const *in, const double *want, int n);
/* The same in another opset, with weights, with fp16 rounding, with a tolerance. */
struct op_how {
	const char *opset; /* "ios18" when NULL */
	const struct dev_weight *w;
	int nw, round;
	double tol;
};
void op_gives_how(struct op_how how, const char *params, const char *body, const double *const *in, const double *want, int n);
/* ref_run must fail and its message contain `says`. */
void op_refused(struct op_how how, const char *params, const char *body, const double *const *in, const char *says);

#endif
