/* cgroup.h: what the control groups of this process allow it in memory and processors. Linux, versions 1 and 2; elsewhere there are none.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_CGROUP_H
#define ANETUI_BASE_CGROUP_H

#include <stdint.h>

struct cgroup_memory {
	uint64_t limit;  /* bytes, the smallest on the way up; UINT64_MAX: none */
	uint64_t room;   /* bytes that can still be taken, the smallest on the way up: used memory counts without file pages that can go */
};

/* root: where the groups are mounted ("/sys/fs/cgroup"); self: the list of this process's groups ("/proc/self/cgroup"). What cannot be read sets no limit. */
struct cgroup_memory cgroup_memory(const char *root, const char *self);

/* Processors' worth of time, the smallest share on the way up; INFINITY: no limit. */
double cgroup_cpus(const char *root, const char *self);

#endif
