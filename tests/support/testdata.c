/* testdata.c: files that tests read.
 * SPDX-License-Identifier: MIT */
#include "support/testdata.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

const char *testdata_path(const char *name)
{
	static char path[4096];
	const char *dir = getenv("ANETUI_TESTDATA");
	snprintf(path, sizeof path, "%s/%s", dir ? dir : "tests/data", name);
	if (!access(path, R_OK))
		return path;
	fprintf(stderr, "skipped: needs ANETUI_TESTDATA (%s)\n", name);
	return NULL;
}

int testdata_read(struct str *out, const char *name)
{
	const char *path = testdata_path(name);
	struct err e = {0};
	if (!path)
		return -1;
	if (file_read(out, path, "test data", 1u << 30, &e)) {
		fprintf(stderr, "skipped: %s\n", e.msg);
		return -1;
	}
	return 0;
}

const char *scratch_write(const char *name, const void *data, size_t n)
{
	FILE *f = fopen(name, "wb");
	if (!f || fwrite(data, 1, n, f) != n || fclose(f)) {
		perror(name);
		abort();
	}
	return name;
}

void scratch_empty(const char *dir)
{
	char path[500];
	DIR *d = opendir(dir);
	for (struct dirent *x; d && (x = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
		if (strcmp(x->d_name, ".") && strcmp(x->d_name, ".."))
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}
