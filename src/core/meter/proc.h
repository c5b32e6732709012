/* proc.h: what this process takes: CPU share and memory, now and over time. Not other processes.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_METER_PROC_H
#define ANETUI_METER_PROC_H

#include <stdint.h>

enum { PROC_HIST = 120 };

struct proc_view {
	double cpu;             /* 100 = one processor; NAN before the second reading */
	uint64_t rss, peak;     /* bytes */
	int cpus;               /* processors that may be used */
	int n;                  /* readings kept, one a second, newest last */
	float cpu_hist[PROC_HIST];
	float rss_hist[PROC_HIST]; /* MiB */
};

struct proc { struct proc_view view; uint64_t last_ns, last_cpu_ns; };

void proc_init(struct proc *p);
/* Reads when a second has passed. */
void proc_poll(struct proc *p, uint64_t now);

#endif
