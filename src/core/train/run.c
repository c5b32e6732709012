/* run.c: the folder of the run that is being trained: its name, its lock, its log. What lies in folders is in run_files.c.
 *
 * The lock is flock() on the file `lock`, with our process number inside for the message; the file stays when we go, the
 * lock does not: a dead process locks nothing. The folder may be moved or removed under us: run_look tells by the lock. The log is written with one write() a line, so that a line is whole or
 * (disk full) taken back; a line torn by a power cut is cut off when the run is opened again.
 * SPDX-License-Identifier: MIT */
#include "train/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"

enum { MAX_SUFFIX = 100000 };

int run_is_open(const struct run *r)
{
	return r->dir[0] != 0;
}

/* A file that a run writes in place. A link would lead what is written, and what is cut off, to wherever the folder's maker pointed it. */
static int open_own(const char *path, int flags, struct err *e)
{
	struct stat st;
	int fd;
	while ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0666)) < 0 && errno == EINTR)
		;
	if (fd < 0)
		err_set(e, ERR_IO, "run: %s: %s", path, errno == ELOOP ? "is a link: a run writes to files in its folder alone" : strerror(errno));
	else if (fstat(fd, &st))
		err_set(e, ERR_IO, "run: %s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err_set(e, ERR_IO, "run: %s: not a regular file", path);
	else
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* --- the lock --- */

static long lock_owner(int fd)
{
	char buf[32] = "";
	ssize_t n = pread(fd, buf, sizeof buf - 1, 0);
	return n > 0 ? strtol(buf, NULL, 10) : 0;
}

static void lock_sign(int fd)
{
	char buf[32];
	int n = snprintf(buf, sizeof buf, "%ld\n", (long)getpid());
	/* Only for the message; a full disk must not keep a run from being opened. */
	if (ftruncate(fd, 0) || pwrite(fd, buf, (size_t)n, 0) != n)
		return;
}

/* ERR_STATE when another process (or another struct run of ours) has it. */
static int lock_take(struct run *r, struct err *e)
{
	char path[1100];
	snprintf(path, sizeof path, "%s/lock", r->dir);
	if ((r->lock_fd = open_own(path, 0, e)) < 0)
		return ERR_IO;
	int rc;
	while ((rc = flock(r->lock_fd, LOCK_EX | LOCK_NB)) && errno == EINTR)
		;
	if (!rc) {
		lock_sign(r->lock_fd);
		return 0;
	}
	if (errno != EWOULDBLOCK)
		rc = err_set(e, ERR_IO, "run: %s: can not be locked: %s", path, strerror(errno));
	else
		rc = err_set(e, ERR_STATE, "run: %s: in use by process %ld", r->dir, lock_owner(r->lock_fd));
	close(r->lock_fd);
	r->lock_fd = -1;
	return rc;
}

/* --- the log --- */

/* Where the last whole line ends; its text goes to `last` when it fits. */
static off_t whole_lines(const struct file_map *m, char *last, size_t n)
{
	size_t end = m->size;
	while (end && m->data[end - 1] != '\n')
		end--;
	size_t begin = end ? end - 1 : 0;
	while (begin && m->data[begin - 1] != '\n')
		begin--;
	last[0] = 0;
	if (end && end - 1 - begin < n) {
		memcpy(last, m->data + begin, end - 1 - begin);
		last[end - 1 - begin] = 0;
	}
	return (off_t)end;
}

static double line_seconds(const char *line)
{
	json_t *o = json_loads(line, 0, NULL);
	const json_t *t = o ? json_object_get(o, "t") : NULL;
	double v = json_is_number(t) ? json_number_value(t) : 0;
	json_decref(o);
	return v > 0 ? v : 0;
}

static int metrics_open(struct run *r, struct err *e)
{
	char path[1100], last[8192];
	struct file_map m = {0};
	snprintf(path, sizeof path, "%s/metrics.jsonl", r->dir);
	if ((r->metrics_fd = open_own(path, O_APPEND, e)) < 0)
		return ERR_IO;
	int rc = file_map(&m, path, "run", e);
	if (rc)
		return rc;
	off_t end = whole_lines(&m, last, sizeof last);
	if ((size_t)end != m.size && ftruncate(r->metrics_fd, end))
		rc = err_set(e, ERR_IO, "run: %s: the torn last line can not be cut off: %s", path, strerror(errno));
	r->t_before = line_seconds(last);
	file_unmap(&m);
	return rc;
}

/* One line, whole or not at all. */
static int append(struct run *r, const char *line, size_t n)
{
	off_t old = lseek(r->metrics_fd, 0, SEEK_END);
	size_t done = 0;
	while (done < n) {
		ssize_t k = write(r->metrics_fd, line + done, n - done);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			int error = k < 0 ? errno : ENOSPC;
			if (done && old >= 0 && ftruncate(r->metrics_fd, old))
				error = errno;
			errno = error;
			return -1;
		}
		done += (size_t)k;
	}
	return 0;
}

int run_event(struct run *r, const char *event, uint64_t step, const char *fields, struct err *e)
{
	if (!run_is_open(r))
		return err_set(e, ERR_STATE, "run: no run is open");
	struct str line = {0};
	str_printf(&line, "{\"t\":%.9g,\"step\":%" PRIu64 ",\"event\":", run_seconds(r), step);
	str_json(&line, event, strlen(event));
	if (fields && fields[0])
		str_printf(&line, ",%s", fields);
	str_puts(&line, "}\n");
	int rc = 0, error = 0;
	size_t len = line.len;
	if (line.failed)
		rc = err_nomem(e, "run: metrics.jsonl", line.cap);
	else if (append(r, line.s, line.len))
		error = errno;
	str_done(&line);
	if (error && !r->failed)
		rc = err_set(e, ERR_IO, "disk: %s/metrics.jsonl: %s (events are lost, training goes on)", r->dir, strerror(error));
	/* Of a disk that is full a short line may find a last place: all is well when one about as long as those that were lost does. */
	if (error)
		r->failed = r->failed ? MIN(r->failed, (int)len) : (int)len;
	else if (4 * (int)len >= 3 * r->failed)
		r->failed = 0;
	return rc;
}

double run_seconds(const struct run *r)
{
	return run_is_open(r) ? r->t_before + (double)(clock_ns() - r->start_ns) / 1e9 : 0;
}

int run_settings(struct run *r, const char *commands, struct err *e)
{
	char path[1100];
	if (!run_is_open(r))
		return err_set(e, ERR_STATE, "run: no run is open");
	snprintf(path, sizeof path, "%s/settings.cmd", r->dir);
	return save_file(path, commands, strlen(commands), e);
}

/* --- opening and closing --- */

static int has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);
	return n >= k && !strcmp(s + n - k, suffix);
}

/* A log, commands or checkpoints make a folder a run; an empty folder, or one with other things in it, is none, and one that is not there neither. ERR_IO: nobody knows. */
static int holds_run(const char *dir, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *x;
	int found = 0;
	if (!d && errno == ENOENT)
		return 0;
	while (d && !found && (errno = 0, x = readdir(d)))
		found = !strcmp(x->d_name, "metrics.jsonl") || !strcmp(x->d_name, "settings.cmd") || has_suffix(x->d_name, ".ckpt");
	if (!found && errno)
		found = err_set(e, ERR_IO, "run: %s: reading the folder: %s", dir, strerror(errno));
	if (d)
		closedir(d);
	return found;
}

/* What a process that was killed while saving left behind. Only under the lock. */
static void sweep_temps(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *x;
	while (d && (x = readdir(d))) {
		const char *t = strstr(x->d_name, ".tmp-");
		char path[1400];
		if (t && ((t - x->d_name > 5 && !memcmp(t - 5, ".ckpt", 5)) || (t - x->d_name == 12 && !memcmp(x->d_name, "settings.cmd", 12)))) {
			snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
			unlink(path);
		}
	}
	if (d)
		closedir(d);
}

static int open_locked(struct run *r, struct err *e)
{
	sweep_temps(r->dir);
	int rc = metrics_open(r, e);
	r->start_ns = clock_ns();
	if (rc)
		run_close(r);
	return rc;
}

static int set_dir(struct run *r, const char *dir, int suffix, struct err *e)
{
	*r = (struct run){.lock_fd = -1, .metrics_fd = -1};
	size_t len = strlen(dir);
	while (len > 1 && dir[len - 1] == '/')
		len--;
	char tail[16] = "";
	if (suffix > 1)
		snprintf(tail, sizeof tail, "-%d", suffix);
	if (!len || len + strlen(tail) >= sizeof r->dir)
		return err_set(e, ERR_RANGE, "run: %.60s: %s", dir, len ? "path too long" : "no folder named");
	snprintf(r->dir, sizeof r->dir, "%.*s%s", (int)len, dir, tail);
	return 0;
}

/* 1: taken, try the next name. */
static int try_create(struct run *r, const char *base, int suffix, struct err *e)
{
	int rc = set_dir(r, base, suffix, e);
	if (rc)
		return rc;
	if (file_is_dir(r->dir) == 0)
		return 1;
	if ((rc = holds_run(r->dir, e)))
		return rc;
	if ((rc = file_mkdirs(r->dir, e)))
		return rc;
	struct err mine;
	if ((rc = lock_take(r, &mine))) {
		if (rc == ERR_STATE)
			return 1;
		return err_set(e, (enum err_code)rc, "%s", mine.msg);
	}
	/* Another process may have made its run here between our look and our lock. */
	if ((rc = holds_run(r->dir, e))) {
		run_close(r);
		return rc;
	}
	return open_locked(r, e);
}

int run_create(struct run *r, const char *base, struct err *e)
{
	for (int k = 1; k < MAX_SUFFIX; k++) {
		int rc = try_create(r, base, k, e);
		if (rc < 0)
			r->dir[0] = 0;
		if (rc <= 0)
			return rc;
	}
	r->dir[0] = 0;
	return err_set(e, ERR_STATE, "run: %s: %d runs of this name are there already", base, MAX_SUFFIX - 1);
}

static int try_open(struct run *r, const char *dir, struct err *e)
{
	int rc = set_dir(r, dir, 1, e);
	int found = rc ? 0 : file_is_dir(r->dir);
	if (!rc && found != 1)
		rc = err_set(e, ERR_IO, "run: %s: %s", r->dir, !found ? "is no folder" : errno == ENOENT ? "no such folder" : strerror(errno));
	if (!rc && (found = holds_run(r->dir, e)) <= 0)
		rc = found ? found : err_set(e, ERR_STATE, "run: %s: holds no run", r->dir);
	rc = rc ? rc : lock_take(r, e);
	rc = rc ? rc : open_locked(r, e);
	if (rc)
		r->dir[0] = 0;
	return rc;
}

int run_open(struct run *r, const char *dir, struct err *e)
{
	int rc = try_open(r, dir, e);
	return rc == ERR_IO ? try_open(r, dir, e) : rc; /* for a moment, perhaps */
}

void run_close(struct run *r)
{
	if (!run_is_open(r))
		return;
	if (r->metrics_fd >= 0)
		close(r->metrics_fd);
	/* The number inside would be that of some other process one day. */
	if (r->lock_fd >= 0 && ftruncate(r->lock_fd, 0))
		r->failed = 1;
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	*r = (struct run){.lock_fd = -1, .metrics_fd = -1};
}

/* --- where the folder is --- */

/* 1: the path leads to what fd has open, 0: it does not, -1: nobody can tell. */
static int is_same(int fd, const char *path)
{
	struct stat mine, there;
	if (fd < 0 || fstat(fd, &mine))
		return -1;
	if (stat(path, &there))
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	return mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

/* Where the lock lies now, as the system knows it. */
static int follow(struct run *r)
{
	char path[4096] = "";
#ifdef __APPLE__
	if (fcntl(r->lock_fd, F_GETPATH, path))
		return 0;
#else
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", r->lock_fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	path[MAX(n, 0)] = 0;
#endif
	char *slash = strrchr(path, '/');
	if (!slash || slash == path || (size_t)(slash - path) >= sizeof r->dir || is_same(r->lock_fd, path) != 1)
		return 0;
	*slash = 0;
	memcpy(r->dir, path, strlen(path) + 1);
	return 1;
}

/* The folder's lock, where ours is another file by now. Some file systems give a file another number each time: then the lock that keeps us out is our own. */
static int lock_again(struct run *r, struct err *e)
{
	int old = r->lock_fd, rc = lock_take(r, e);
	if (!rc) {
		close(old);
		return 0;
	}
	r->lock_fd = old;
	char path[1100];
	snprintf(path, sizeof path, "%s/lock", r->dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ours = fd >= 0 && lock_owner(fd) == (long)getpid();
	if (fd >= 0)
		close(fd);
	return ours ? 0 : rc;
}

/* A folder of our name without a run in it: somebody has emptied it, or made it again. */
static int take_again(struct run *r, struct err *e)
{
	double before = run_seconds(r);
	int log = r->metrics_fd, gone = file_is_dir(r->dir) != 1 || holds_run(r->dir, NULL) || lock_again(r, NULL);
	if (gone || metrics_open(r, NULL)) {
		if (r->metrics_fd != log && r->metrics_fd >= 0)
			close(r->metrics_fd);
		r->metrics_fd = log;
		return err_set(e, ERR_STATE, "run: %s: was moved or removed while this run was in it: nothing is saved there (an empty folder of that name is taken again)", r->dir);
	}
	close(log);
	r->t_before = before;
	r->start_ns = clock_ns();
	return RUN_AGAIN;
}

int run_look(struct run *r, struct err *e)
{
	char path[1100];
	if (!run_is_open(r) || r->lock_fd < 0)
		return RUN_HERE;
	snprintf(path, sizeof path, "%s/lock", r->dir);
	if (is_same(r->lock_fd, path))
		return RUN_HERE;
	snprintf(path, sizeof path, "%s/metrics.jsonl", r->dir);
	if (is_same(r->metrics_fd, path) == 1)
		return lock_again(r, e);
	return follow(r) ? RUN_MOVED : take_again(r, e);
}

void run_ckpt_path(const struct run *r, const char *name, uint64_t step, char *out, size_t n)
{
	const char *end = name && has_suffix(name, ".ckpt") ? "" : ".ckpt";
	if (!name)
		snprintf(out, n, "%s/step-%08" PRIu64 ".ckpt", r->dir, step);
	else if (strchr(name, '/'))
		snprintf(out, n, "%s%s", name, end);
	else
		snprintf(out, n, "%s/%s%s", r->dir, name, end);
}
