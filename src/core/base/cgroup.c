/* cgroup.c: reads the limits of memory from the group of this process up to the root. Sets nothing.
 *
 * A group may take what it and every group above it allows. In a container the list names the group as the host sees it, while only a part of the tree
 * is mounted: folders that are not there are passed over, and the root of the mount is the container's own group.
 * SPDX-License-Identifier: MIT */
#include "base/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct names { const char *under, *limit, *used, *cache; };

static const struct names version1 = {"/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};
static const struct names version2 = {"", "memory.max", "memory.current", "inactive_file "};

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

static void walk_up(struct cgroup_memory *m, const char *root, const char *group, const struct names *n)
{
	char folder[4200];
	int base = snprintf(folder, sizeof folder, "%s%s", root, n->under);
	/* "/../x" is a group outside of what this process sees. */
	snprintf(folder + base, sizeof folder - (size_t)base, "%s", strstr(group, "/..") ? "" : group);
	for (;;) {
		look_at(m, folder, n);
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
struct cgroup_memory cgroup_memory(const char *root, const char *self)
{
	struct cgroup_memory m = {UINT64_MAX, UINT64_MAX};
	char line[4096];
	FILE *f = strlen(root) < 4000 ? fopen(self, "re") : NULL;
	while (f && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
		if (!group)
			continue;
		if (group == list + 1)
			walk_up(&m, root, group + 1, &version2);
		else if (has_word(list + 1, group, "memory"))
			walk_up(&m, root, group + 1, &version1);
	}
	if (f)
		fclose(f);
	return m;
}
