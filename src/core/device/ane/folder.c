/* folder.c: a folder of prescribed name, made so that nobody else can have put anything into it.
 * SPDX-License-Identifier: MIT */
#include "device/ane/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 4, TRIES = 16 };

/* --- emptying --- */

/* Everything in the folder, which is closed. Links are removed, not followed. */
static void empty(int fd, int depth)
{
	DIR *d = depth < DEPTH && fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *f; (f = readdir(d));) {
		if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, "..") || !unlinkat(fd, f->d_name, 0))
			continue;
		empty(openat(fd, f->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), depth + 1);
		unlinkat(fd, f->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static void empty_folder(const struct ane_folder *f)
{
	empty(openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
}

/* --- opening --- */

static int refuse(const struct ane_folder *f, const char *why, struct err *e)
{
	return err_set(e, ERR_IO, "ane: %s: %s", f->path, why);
}

/* Is what stands at the path still the folder that is open? Another one may have removed it while we waited for the lock. */
static int still_there(const struct ane_folder *f)
{
	struct stat a, b;
	return !fstat(f->fd, &a) && !lstat(f->path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int open_once(struct ane_folder *f, struct err *e)
{
	struct stat st;
	if (mkdir(f->path, 0700) && errno != EEXIST)
		return refuse(f, strerror(errno), e);
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->fd < 0) {
		int gone = errno == ENOENT;
		f->fd = 0;
		return gone ? 0 : refuse(f, "exists and is no folder of ours (remove it)", e);
	}
	if (fstat(f->fd, &st) || st.st_uid != geteuid() || (st.st_mode & 077))
		return refuse(f, "exists and is open to others (remove it)", e);
	return 0;
}

static void drop(struct ane_folder *f)
{
	if (f->fd > 0)
		close(f->fd);
	f->fd = 0;
}

/* 1: ours to fill, locked for writing; 0: filled by another holder, locked for use; else an error. */
static int take(struct ane_folder *f, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		int r = open_once(f, e);
		if (r) {
			drop(f);
			return r;
		}
		int mine = f->fd && !flock(f->fd, LOCK_EX | LOCK_NB);
		if (f->fd && (mine || !flock(f->fd, LOCK_SH)) && still_there(f))
			return mine;
		drop(f);
	}
	return refuse(f, "others make and remove it all the time", e);
}

/* --- filling --- */

static int write_all(int fd, const char *s, size_t n)
{
	while (n) {
		ssize_t k = write(fd, s, n > (1u << 30) ? (1u << 30) : n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		s += k;
		n -= (size_t)k;
	}
	return 0;
}

static int put(const struct ane_folder *f, const char *name, const struct str *s, struct err *e)
{
	const char *slash = strchr(name, '/');
	char sub[256];
	if (slash) {
		snprintf(sub, sizeof sub, "%.*s", (int)(slash - name), name);
		if (mkdirat(f->fd, sub, 0700) && errno != EEXIST)
			return err_set(e, ERR_IO, "ane: %s/%s: %s", f->path, sub, strerror(errno));
	}
	int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int bad = fd < 0 || write_all(fd, s->s, s->len), why = errno;
	if (fd >= 0 && close(fd) && !bad) {
		bad = 1;
		why = errno;
	}
	return bad ? err_set(e, ERR_IO, "ane: %s/%s: %s", f->path, name, strerror(why)) : 0;
}

int ane_folder_make(struct ane_folder *f, const char *base, const char *name, const struct str *text, const struct weight_files *w,
		    struct err *e)
{
	*f = (struct ane_folder){0};
	size_t n = strlen(base);
	if ((size_t)snprintf(f->path, sizeof f->path, "%s%s%s", base, n && base[n - 1] == '/' ? "" : "/", name) >= sizeof f->path)
		return err_set(e, ERR_RANGE, "ane: %.60s...: path too long", base);
	int r = take(f, e);
	if (r <= 0)
		return r;
	empty_folder(f); /* of a process that did not end well */
	r = put(f, "model.mil", text, e);
	for (int i = 0; i < w->n && !r; i++)
		r = put(f, w->file[i].name, &w->file[i].file.bytes, e);
	if (r)
		ane_folder_done(f);
	else
		flock(f->fd, LOCK_SH);
	return r;
}

void ane_folder_done(struct ane_folder *f)
{
	if (f->fd <= 0)
		return;
	if (!flock(f->fd, LOCK_EX | LOCK_NB) && still_there(f)) {
		empty_folder(f);
		rmdir(f->path);
	}
	drop(f);
}
