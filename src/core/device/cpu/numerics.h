/* numerics.h: what numbers a planned program computes with: fp32 on the cpu, binary16 by the hardware's rules in the simulator.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_CPU_NUMERICS_H
#define ANETUI_DEVICE_CPU_NUMERICS_H

#include "device/cpu/simd.h"

/* All zero: fp32, weights live. The unsigned ones are enum half_how; 0 rounds nothing. Only results of fp16 and fp32 are rounded. */
struct numerics {
	int frozen;       /* weights are copied when a kernel is compiled */
	unsigned outside; /* what comes from outside: weights, constants, what the host writes into a surface */
	unsigned op;      /* every MIL op's result */
	unsigned log;     /* ... of a logarithm */
	unsigned product; /* ... of convolutions and matrix products */
	unsigned factor;  /* what they read */
	unsigned slice;   /* what a slice reads that begins inside of the last axis */
	unsigned sum;     /* of a sum after each addition */
	int unfused;      /* every node a loop of its own, for tests: the same bytes must come out */
};

#endif
