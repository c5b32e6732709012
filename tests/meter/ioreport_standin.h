/* ioreport_standin.h: what a test tells the stand-in for macOS' energy counters. SPDX-License-Identifier: MIT */
#ifndef TEST_IOREPORT_STANDIN_H
#define TEST_IOREPORT_STANDIN_H

#include <stdint.h>

struct ioreport_row {
	const char *name, *unit; /* unit NULL: no label */
	int64_t value;
	int gone;                /* 1: the next samples lack it */
};

enum { IOREPORT_GROUP = 1, IOREPORT_SUBSCRIPTION = 2, IOREPORT_SAMPLE = 4 };

/* Exported as `ioreport_standin`. */
struct ioreport_standin {
	struct ioreport_row *row;
	int rows;
	int refuse;  /* what is not given, of the above */
	int live;    /* objects that are not released yet */
	int wrong;   /* calls with a released object, or one of another kind */
	int samples;
	int sampled; /* channels of the last one */
};

#endif
