/* fuzz.c: see fuzz.h. SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"

void fuzz_fail(const char *what)
{
	fprintf(stderr, "fuzz: does not hold: %s\n", what);
	abort();
}

unsigned long fuzz_accepted;

static char dir[64];

static void remove_dir(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	if (system(command))
		fprintf(stderr, "fuzz: %s: not removed\n", dir);
}

const char *fuzz_dir(void)
{
	if (!*dir) {
		snprintf(dir, sizeof dir, "%s/anetui-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
		if (!mkdtemp(dir))
			fuzz_fail("mkdtemp");
		atexit(remove_dir);
	}
	return dir;
}

const char *fuzz_file(const char *name, const void *data, size_t n)
{
	static char path[160];
	snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd))
		fuzz_fail("an input can be written");
	return path;
}

void fuzz_said(int failed, const struct err *e)
{
	if (!failed)
		return;
	FUZZ_CHECK(e->code < 0);
	size_t n = strnlen(e->msg, sizeof e->msg);
	FUZZ_CHECK(n > 0 && n < sizeof e->msg);
	for (const char *p = e->msg, *end = e->msg + n; p < end;) {
		uint32_t c = 0;
		int used = utf8_decode(p, (size_t)(end - p), &c);
		FUZZ_CHECK(used > 0 && c >= 0x20 && (c < 0x7f || c > 0x9f));
		p += used;
	}
}
