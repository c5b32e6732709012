/* file.c: reading files and finding folders.
 * SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#include "base/mem.h"

#ifndef ANETUI_DATADIR
#define ANETUI_DATADIR "/usr/local/share/anetui"
#endif

static int open_regular(const char *path, const char *what, size_t *size, struct err *e)
{
	int fd;
	struct stat st;
	while ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0 && errno == EINTR)
		;
	if (fd < 0 || fstat(fd, &st)) {
		err_set(e, ERR_IO, "%s: %s: %s", what, path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_IO, "%s: %s: %s", what, path,
			S_ISDIR(st.st_mode) ? "is a folder, a file is needed" : "not a regular file");
	} else {
		*size = (size_t)st.st_size;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

int file_map_fd(struct file_map *m, int fd, size_t size, struct err *e)
{
	*m = (struct file_map){0};
	void *p = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	if (p == MAP_FAILED)
		return err_set(e, ERR_IO, "can not be mapped: %s", strerror(errno));
	m->data = p;
	m->size = size;
	return 0;
}

static int map_path(struct file_map *m, const char *path, const char *what, int keep, struct err *e)
{
	size_t size = 0;
	*m = (struct file_map){0};
	int fd = open_regular(path, what, &size, e);
	if (fd < 0)
		return ERR_IO;
	int rc = file_map_fd(m, fd, size, e);
	if (rc)
		err_prefix(e, "%s: %s", what, path);
	if (!rc && keep && fd > 2)
		m->fd = fd;
	else
		close(fd);
	return rc;
}

int file_map(struct file_map *m, const char *path, const char *what, struct err *e)
{
	return map_path(m, path, what, 0, e);
}

int file_map_keep(struct file_map *m, const char *path, const char *what, struct err *e)
{
	return map_path(m, path, what, 1, e);
}

void file_unmap(struct file_map *m)
{
	if (m->data)
		munmap((void *)m->data, m->size);
	if (m->fd)
		close(m->fd);
	*m = (struct file_map){0};
}

size_t file_still(const struct file_map *m)
{
	struct stat st;
	return m->fd && !fstat(m->fd, &st) && st.st_size >= 0 ? MIN((size_t)st.st_size, m->size) : m->size;
}

void file_forget(const struct file_map *m, size_t at, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), from = (at + page - 1) / page * page, to = MIN(at + n, m->size) / page * page;
	if (m->fd && to > from)
		madvise((void *)(m->data + from), to - from, MADV_DONTNEED);
}

int file_in_memory(const char *name, size_t bytes)
{
#ifdef __linux__
	int fd = memfd_create(name, MFD_CLOEXEC);
#else
	char path[32];
	int fd = -1;
	(void)name;
	for (int i = 0; i < 100 && fd < 0; i++) {
		snprintf(path, sizeof path, "/anetui-%d-%d", (int)getpid() % 100000, i);
		fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
		if (fd >= 0)
			shm_unlink(path);
		else if (errno != EEXIST)
			break;
	}
#endif
	if (fd >= 0 && ftruncate(fd, (off_t)bytes)) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

void *file_memory(const char *name, size_t bytes, int *fd)
{
	int made = *fd < 0 ? file_in_memory(name, bytes) : -1, use = made < 0 ? *fd : made;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, use < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED, use, 0);
	if (p != MAP_FAILED) {
		*fd = use;
		return p;
	}
	int why = errno;
	if (made >= 0)
		close(made);
	errno = why;
	return NULL;
}

int file_memory_move(const char *name, void *p, size_t bytes)
{
	enum { PART = 8 << 20 }; /* what is there twice for a moment */
	int fd = file_in_memory(name, bytes);
	for (size_t at = 0; fd >= 0 && at < bytes; at += PART) {
		char *from = (char *)p + at;
		size_t n = MIN(bytes - at, (size_t)PART), done = 0;
		while (done < n) {
			ssize_t k = pwrite(fd, from + done, n - done, (off_t)(at + done));
			if (k <= 0 && !(k < 0 && errno == EINTR))
				break;
			done += k > 0 ? (size_t)k : 0;
		}
		/* Parts that have moved stay where they are: their mapping keeps them. */
		if (done < n || mmap(from, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)at) == MAP_FAILED) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

int file_read(struct str *out, const char *path, const char *what, size_t max, struct err *e)
{
	struct file_map m;
	if (file_map(&m, path, what, e))
		return ERR_IO;
	int rc = 0;
	if (m.size > max)
		rc = err_set(e, ERR_RANGE, "%s: %s: %zu bytes: at most %zu are read", what, path, m.size, max);
	else
		str_add(out, m.data ? (const void *)m.data : "", m.size);
	if (!rc && out->failed)
		rc = err_nomem(e, path, m.size);
	file_unmap(&m);
	return rc;
}

int file_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) ? -1 : S_ISDIR(st.st_mode) != 0;
}

int file_mkdirs(const char *path, struct err *e)
{
	char tmp[4096];
	if ((size_t)snprintf(tmp, sizeof tmp, "%s", path) >= sizeof tmp)
		return err_set(e, ERR_RANGE, "folder: %.60s...: path too long", path);
	for (char *p = tmp + 1;; p++) {
		if (*p && *p != '/')
			continue;
		char c = *p;
		*p = 0;
		if (mkdir(tmp, 0777) && errno != EEXIST)
			return err_set(e, ERR_IO, "folder: %s: %s", tmp, strerror(errno));
		if (!c)
			break;
		*p = c;
	}
	if (file_is_dir(path) != 1)
		return err_set(e, ERR_IO, "folder: %s: exists and is no folder", path);
	return 0;
}

static int xdg(char *out, size_t n, const char *var, const char *under_home, struct err *e)
{
	const char *x = getenv(var), *home = getenv("HOME");
	int len;
	if (x && x[0] == '/')
		len = snprintf(out, n, "%s/anetui", x);
	else if (home && home[0])
		len = snprintf(out, n, "%s/%s/anetui", home, under_home);
	else
		return err_set(e, ERR_STATE, "%s: neither it nor HOME is set (nowhere to keep files)", var);
	return (size_t)len < n ? 0 : err_set(e, ERR_RANGE, "%s: path too long", var);
}

int file_cache_dir(char *out, size_t n, struct err *e)
{
	int rc = xdg(out, n, "XDG_CACHE_HOME", ".cache", e);
	return rc ? rc : file_mkdirs(out, e);
}

int file_state_dir(char *out, size_t n, struct err *e)
{
	int rc = xdg(out, n, "XDG_STATE_HOME", ".local/state", e);
	return rc ? rc : file_mkdirs(out, e);
}

int file_config_dir(char *out, size_t n, struct err *e)
{
	return xdg(out, n, "XDG_CONFIG_HOME", ".config", e);
}

int file_program(char *out, size_t n, struct err *e)
{
#ifdef __APPLE__
	char raw[4096], real[PATH_MAX];
	uint32_t len = sizeof raw;
	if (_NSGetExecutablePath(raw, &len) || !realpath(raw, real) || strlen(real) >= n)
		return err_set(e, ERR_IO, "program: its path can not be told");
	snprintf(out, n, "%s", real);
#else
	ssize_t len = readlink("/proc/self/exe", out, n - 1);
	if (len <= 0)
		return err_set(e, ERR_IO, "program: /proc/self/exe: %s", strerror(errno));
	out[len] = 0;
#endif
	return 0;
}

static int program_dir(char *out, size_t n)
{
	char *slash = file_program(out, n, NULL) ? NULL : strrchr(out, '/');
	if (!slash)
		return -1;
	*slash = 0;
	return 0;
}

int file_asset(char *out, size_t n, const char *name, struct err *e)
{
	char dir[4096] = "";
	const char *env = getenv("ANETUI_ASSETS");
	if (env && env[0]) {
		snprintf(out, n, "%s/%s", env, name);
		if (!access(out, R_OK))
			return 0;
	}
	/* Beside the program (a build tree: also two folders up, for build/BUILD/anetui), then the installed place. */
	static const char *const beside[] = {"assets", "../assets", "../../assets", "../../../assets", "../share/anetui"};
	if (!program_dir(dir, sizeof dir))
		for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
			if ((size_t)snprintf(out, n, "%s/%s/%s", dir, beside[i], name) < n && !access(out, R_OK))
				return 0;
	if ((size_t)snprintf(out, n, "%s/%s", ANETUI_DATADIR, name) < n && !access(out, R_OK))
		return 0;
	return err_set(e, ERR_IO, "assets: %s: not found beside the program or in %s (set ANETUI_ASSETS)", name,
		       ANETUI_DATADIR);
}
