/* cgroup.c: reads the limits of memory and processors from the group of this process up to the root. Sets nothing.
 *
 * A group may take what it and every group above it allows. In a container the list names the group as the host sees it, while only a part of the tree
 * is mounted: folders that are not there are passed over, and the root of the mount is the container's own group.
 * SPDX-License-Identifier: MIT */
#include "base/cgroup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct names { const char *under, *limit, *used, *cache, *under_cpu, *quota, *period; };

static const struct names version1 = {"/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ", "/cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us"};
static const struct names version2 = {"", "memory.max", "memory.current", "inactive_file ", "", "cpu.max", NULL};

/* The number behind `key` at the beginning of a line, or the file's first. 0: there is none ("max", no such file). */
static int read_number(const char *folder, const char *name, const char *key, uint64_t *out)
{
	char path[4400], line[256];
	int found = 0;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof line, f)) {
		char *end, *at = line + strlen(key);
		if (strncmp(line, key, strlen(key)) || *at < '0' || *at > '9')
			continue;
		*out = strtoull(at, &end, 10);
		found = 1;
	}
	if (f)
		fclose(f);
	return found;
}

static void look_at(struct cgroup_memory *m, const char *folder, const struct names *n)
{
	uint64_t limit, used = 0, cache = 0;
	if (!read_number(folder, n->limit, "", &limit))
		return;
	read_number(folder, n->used, "", &used);
	read_number(folder, "memory.stat", n->cache, &cache);
	used -= MIN(used, cache);
	m->limit = MIN(m->limit, limit);
	m->room = MIN(m->room, limit - MIN(limit, used));
}

/* "150000 100000": so many microseconds of each so many; version 1 has a file for each, and -1 for no limit. */
static void look_at_cpus(double *cpus, const char *folder, const struct names *n)
{
	char path[4400];
	double quota = 0, period = 0;
	snprintf(path, sizeof path, "%s/%s", folder, n->quota);
	FILE *f = fopen(path, "re");
	int k = f ? fscanf(f, "%lf %lf", &quota, &period) : 0;
	if (f)
		fclose(f);
	uint64_t v;
	if (k == 1 && n->period && read_number(folder, n->period, "", &v)) {
		period = (double)v;
		k = 2;
	}
	if (k == 2 && quota > 0 && period > 0)
		*cpus = MIN(*cpus, quota / period);
}

/* What is looked at, and what becomes of it: one of the two. */
struct walk {
	struct cgroup_memory *memory;
	double *cpus;
};

static void walk_up(const struct walk *w, const char *root, const char *group, const struct names *n)
{
	char folder[4200];
	int base = snprintf(folder, sizeof folder, "%s%s", root, w->cpus ? n->under_cpu : n->under);
	/* "/../x" is a group outside of what this process sees. */
	snprintf(folder + base, sizeof folder - (size_t)base, "%s", strstr(group, "/..") ? "" : group);
	for (;;) {
		if (w->cpus)
			look_at_cpus(w->cpus, folder, n);
		else
			look_at(w->memory, folder, n);
		char *slash = strrchr(folder + base, '/');
		if (!slash)
			return;
		*slash = 0;
	}
}

static int has_word(const char *list, const char *end, const char *word)
{
	size_t n = strlen(word);
	while (list < end) {
		size_t k = strcspn(list, ",:");
		if (k == n && !memcmp(list, word, n))
			return 1;
		list += k + 1;
	}
	return 0;
}

/* Lines are "NUMBER:CONTROLLERS:/GROUP"; version 2 is number 0 without controllers. */
static void each_group(const struct walk *w, const char *root, const char *self)
{
	char line[4096];
	FILE *f = strlen(root) < 4000 ? fopen(self, "re") : NULL;
	while (f && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
		if (!group)
			continue;
		if (group == list + 1)
			walk_up(w, root, group + 1, &version2);
		else if (has_word(list + 1, group, w->cpus ? "cpu" : "memory"))
			walk_up(w, root, group + 1, &version1);
	}
	if (f)
		fclose(f);
}

struct cgroup_memory cgroup_memory(const char *root, const char *self)
{
	struct cgroup_memory m = {UINT64_MAX, UINT64_MAX};
	each_group(&(struct walk){.memory = &m}, root, self);
	return m;
}

double cgroup_cpus(const char *root, const char *self)
{
	double cpus = INFINITY;
	each_group(&(struct walk){.cpus = &cpus}, root, self);
	return cpus;
}
