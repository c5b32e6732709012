/* save.c: the save protocol, step by step. No format, no policy.
 *
 * With a file size limit (ulimit -f) the system also sends SIGXFSZ: a program that wants the message instead of being
 * killed ignores that signal; that is its main's business.
 * SPDX-License-Identifier: MIT */
#include "base/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { WRITE_MAX = 1 << 30, TEMP_TRIES = 100 };

static int fail(struct save *s, int error, struct err *e)
{
	int rc = err_set(e, ERR_IO, "disk: %s: %s", s->path, strerror(error));
	save_abort(s);
	return rc;
}

/* The folder of s->path: "." when the path has none. */
static void folder_of(const struct save *s, char *out, size_t n)
{
	const char *slash = strrchr(s->path, '/');
	if (!slash)
		snprintf(out, n, ".");
	else
		snprintf(out, n, "%.*s", slash == s->path ? 1 : (int)(slash - s->path), s->path);
}

/* A file system that can not tell its free space (or says 0 of 0) is believed to have enough. */
static int check_space(const struct save *s, unsigned long long expect, struct err *e)
{
	char dir[sizeof s->path], want[16], have[16];
	struct statvfs v;
	folder_of(s, dir, sizeof dir);
	if (statvfs(dir, &v))
		return err_set(e, ERR_IO, "disk: %s: %s", dir, strerror(errno));
	unsigned long long unit = v.f_frsize ? v.f_frsize : v.f_bsize, free_bytes;
	if (__builtin_mul_overflow((unsigned long long)v.f_bavail, unit, &free_bytes) || !v.f_blocks || expect <= free_bytes)
		return 0;
	return err_set(e, ERR_IO, "disk: %s: %s needed, %s free", s->path, str_bytes(want, expect), str_bytes(have, free_bytes));
}

/* A temp name that is taken was left by a process that died: the next number is tried, never theirs. */
static int open_temp(struct save *s)
{
	for (int i = 0; i < TEMP_TRIES; i++) {
		snprintf(s->temp, sizeof s->temp, "%s.tmp-%ld-%d", s->path, (long)getpid(), i);
		s->fd = open(s->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (s->fd >= 0)
			return 0;
		if (errno == EINTR || errno == EEXIST)
			continue;
		break;
	}
	s->temp[0] = 0;
	return -1;
}

int save_begin(struct save *s, const char *path, unsigned long long expect, struct err *e)
{
	s->fd = -1;
	s->temp[0] = 0;
	s->bytes = 0;
	if ((size_t)snprintf(s->path, sizeof s->path, "%s", path) >= sizeof s->path)
		return err_set(e, ERR_RANGE, "disk: %.60s...: path too long", path);
	struct stat st;
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return err_set(e, ERR_STATE, "disk: %s: exists and is no file", path);
	int rc = expect ? check_space(s, expect, e) : 0;
	if (rc)
		return rc;
	return open_temp(s) ? fail(s, errno, e) : 0;
}

int save_write(struct save *s, const void *data, size_t n, struct err *e)
{
	const char *p = data;
	if (s->fd < 0)
		return err_set(e, ERR_STATE, "disk: %s: not open for saving", s->path);
	while (n) {
		ssize_t k = write(s->fd, p, MIN(n, WRITE_MAX));
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return fail(s, k < 0 ? errno : ENOSPC, e);
		p += k;
		n -= (size_t)k;
		s->bytes += (unsigned long long)k;
	}
	return 0;
}

const char *save_temp(const struct save *s)
{
	return s->temp;
}

static int flush_fd(int fd)
{
#ifdef F_FULLFSYNC
	/* macOS: fsync stops at the drive's cache. Where the file system has no F_FULLFSYNC, fsync is what there is. */
	if (!fcntl(fd, F_FULLFSYNC))
		return 0;
	if (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY)
		return -1;
#endif
	return fsync(fd);
}

/* Closes too: what follows is reading back and rename. A failed fsync has dropped the pages: a second one would lie. */
int save_sync(struct save *s, struct err *e)
{
	if (s->fd < 0)
		return err_set(e, ERR_STATE, "disk: %s: not open for saving", s->path);
	if (flush_fd(s->fd))
		return fail(s, errno, e);
	int fd = s->fd;
	s->fd = -1;
	return close(fd) && errno != EINTR ? fail(s, errno, e) : 0;
}

/* The new name lives in the folder: without this it can be lost though the data are safe. Some file systems refuse. */
static int sync_folder(const struct save *s, struct err *e)
{
	char dir[sizeof s->path];
	folder_of(s, dir, sizeof dir);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	if (fd < 0)
		return errno == EACCES ? 0 : err_set(e, ERR_IO, "disk: %s: %s", dir, strerror(errno));
	if (flush_fd(fd) && errno != EINVAL && errno != ENOTSUP && errno != EBADF)
		rc = err_set(e, ERR_IO, "disk: %s: %s (saved, but a power cut may lose it)", s->path, strerror(errno));
	close(fd);
	return rc;
}

int save_commit(struct save *s, struct err *e)
{
	int rc = s->fd >= 0 ? save_sync(s, e) : 0;
	if (rc)
		return rc;
	if (!s->temp[0])
		return err_set(e, ERR_STATE, "disk: %s: not open for saving", s->path);
	if (rename(s->temp, s->path))
		return fail(s, errno, e);
	s->temp[0] = 0;
	return sync_folder(s, e);
}

void save_abort(struct save *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->temp[0])
		unlink(s->temp);
	s->fd = -1;
	s->temp[0] = 0;
}

int save_file(const char *path, const void *data, size_t n, struct err *e)
{
	struct save s;
	struct err mine;
	int rc = save_begin(&s, path, n, &mine);
	rc = rc ? rc : save_write(&s, data, n, &mine);
	rc = rc ? rc : save_commit(&s, &mine);
	if (!rc)
		return 0;
	/* A message with a hint in it already is about something else than a write that failed. */
	int plain = rc == ERR_IO && !strchr(mine.msg, '(') && !access(path, F_OK);
	return err_set(e, (enum err_code)rc, "%s%s", mine.msg, plain ? " (old file kept)" : "");
}
