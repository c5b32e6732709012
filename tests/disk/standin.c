/* standin.c: a disk that stands still at a chosen call of a save, and a data file that is cut at the worst moment. Loaded into the program by tests of it; Linux only.
 *
 *   DISK_HOLD=write|fsync|rename   the first such call for an unfinished checkpoint makes the file DISK_GATE/at and waits for DISK_GATE/go, or until DISK_GATE is gone
 *   DISK_CUT=FILE                  once DISK_GATE/cut is there, FILE is emptied just after it was looked at (fstat) once more
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int fstat(int fd, struct stat *st);

static const char *gate(const char *name, char path[4200])
{
	const char *dir = getenv("DISK_GATE");
	snprintf(path, 4200, "%s/%s", dir ? dir : ".", name);
	return path;
}

static void name_of(int fd, char out[4096])
{
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, out, 4095);
	out[n > 0 ? n : 0] = 0;
}

static void hold(const char *call, const char *name)
{
	static atomic_int held;
	const char *where = getenv("DISK_HOLD");
	char path[4200], dir[4200];
	struct timespec ms = {0, 1000000};
	if (!where || strcmp(where, call) || !strstr(name, ".ckpt.tmp-") || atomic_exchange(&held, 1))
		return;
	int fd = open(gate("at", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
	gate("go", path);
	while (access(path, F_OK) && !access(gate("", dir), F_OK))
		nanosleep(&ms, NULL);
}

ssize_t write(int fd, const void *data, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	char name[4096];
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "write");
	if (fd > 2) {
		name_of(fd, name);
		hold("write", name);
	}
	return real(fd, data, n);
}

int fsync(int fd)
{
	static int (*real)(int);
	char name[4096];
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fsync");
	name_of(fd, name);
	hold("fsync", name);
	return real(fd);
}

int rename(const char *from, const char *to)
{
	static int (*real)(const char *, const char *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "rename");
	hold("rename", from);
	return real(from, to);
}

int fstat(int fd, struct stat *st)
{
	static int (*real)(int, struct stat *);
	const char *file = getenv("DISK_CUT");
	char name[4096], path[4200];
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fstat");
	int rc = real(fd, st);
	if (!file || access(gate("cut", path), F_OK))
		return rc;
	name_of(fd, name);
	if (!strcmp(name, file) && truncate(file, 0))
		abort();
	return rc;
}
