/* sim.h: the simulated Neural Engine: the planned executor with its numbers, its frozen weights, its compile budget. For device/sim only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_SIM_SIM_H
#define ANETUI_DEVICE_SIM_SIM_H

#include "device/cpu/cpu.h"
#include "device/sim/rules.h"

enum { SIM_BUDGET = 119 };

/* Where a call can be made to fail. */
enum sim_stage { SIM_COMPILE, SIM_LOAD, SIM_BIND, SIM_RUN, SIM_STAGES };

/* The words behind "sim", as parsed. */
struct sim_options {
	const struct chip *chip;
	int budget;            /* compiles of this process; -1: not said */
	int fail[SIM_STAGES];  /* the number of the call that fails; 0: none */
	int pad;               /* 0: surfaces are refused where the hardware refuses them, instead of being padded and sorted */
	int quirks;            /* 0: IEEE numbers, no wrong answers */
	int narrow_sums;       /* reduce_sum and reduce_mean round after each addition */
	char strict[64];       /* whose contested rules count: names with commas; "": nobody's */
};

struct sim {
	struct cpu cpu;
	struct sim_options opt;
	int calls[SIM_STAGES];
	int loaded;            /* kernels */
	uint64_t told;         /* rules that have been told */
};

/* "chip=m4 budget=20 fail=compile:3"; an empty text is the defaults. ERR_USAGE with the list of options. */
int sim_options_parse(struct sim_options *o, const char *args, struct err *e);

#endif
