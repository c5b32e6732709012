/* smc_standin.h: what a test tells the stand-in for a Mac's system management controller. SPDX-License-Identifier: MIT */
#ifndef TEST_SMC_STANDIN_H
#define TEST_SMC_STANDIN_H

#include <stdint.h>

struct smc_row {
	const char *key, *type;
	uint32_t n;        /* bytes of it */
	uint8_t value[32];
	uint8_t result;    /* the controller's own word: 0 well, 0x84 no such key */
};

/* Exported as `smc_standin`. */
struct smc_standin {
	struct smc_row *row;
	int rows;
	int services;      /* bits: 1 AppleSMC, 2 another, 4 AppleSMCKeysEndpoint: that is where the keys are, in this order; 8: and 2 once more, behind it */
	uint32_t refuse_open, refuse_call; /* what IOKit answers, 0: well */
	uint32_t answer;   /* bytes of an answer, 0: as many as belong to it */
	int live;          /* objects that are not released, connections that are not closed */
	int wrong;         /* calls that no controller would understand */
	int calls;
	char opened[32];   /* name of the service that was opened last */
};

#endif
