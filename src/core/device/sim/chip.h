/* chip.h: the table of Apple's chips: speeds, limits, quirks, all by name. Knows no program: cost.h and rules.h do.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_SIM_CHIP_H
#define ANETUI_DEVICE_SIM_CHIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum chip_flags {
	CHIP_VERBOSE = 1,       /* takes program(1.0)/ios16 text for certain; whether the bare form works is contested */
	CHIP_FP16_IO = 2,       /* inputs and outputs of fp32 are refused */
	CHIP_SLICE_GAIN = 4,    /* a slice that begins inside the last axis goes through a gain of 16: |x| > 4094 becomes infinite */
	CHIP_MAC_FLUSH = 8,     /* denormals count as 0 in products */
	CHIP_NO_STATE = 16,     /* programs with state are refused */
	CHIP_SORTED_SIZES = 32, /* several surfaces must be of ascending (inputs) or descending (outputs) size, else zeros come back */
	CHIP_GUESS = 64,        /* the engine's speeds are a neighbour's */
};

struct chip {
	const char *name;         /* "m4" */
	int generation;           /* 1 = M1 family ... 5 = M5 family */
	double flops;             /* fp16 FLOP/s of the engine in training kernels */
	double weight_rate;       /* bytes/s of constant weights */
	double act_rate;          /* bytes/s of inputs, outputs and what is moved inside */
	double dispatch_ns;       /* of one run */
	double ghz;               /* of the fastest cores */
	int matrix_units;
	double score;             /* single-core, Geekbench 6 */
	double memory_rate;       /* bytes/s */
	double watts_idle, watts_busy; /* of the engine; NAN: not published for this chip */
	int64_t side;             /* longest width, height or depth */
	unsigned flags;
	const char *source;       /* of the engine's speeds, in words */
};

/* Longest channel axis, and the input channels from which on a convolution is refused, on every chip. */
enum { CHIP_CHANNELS = 65536, CHIP_CONV_IN = 8192 };

/* NULL and "chip: m9: no such chip (one of m1, m1pro, ...)". The name may be written M4 Max, m4max, m4-max. */
const struct chip *chip_find(const char *name, struct err *e);
size_t chip_count(void);
const struct chip *chip_at(size_t i);
/* All names, "m1 m1pro ...", for help and completion. */
const char *chip_names(void);

#endif
