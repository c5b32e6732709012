/* history.c: keeping typed lines. See history.h for why libedit does not do it.
 * SPDX-License-Identifier: MIT */
#include "repl/history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

struct lines {
	char **line;
	int n;
	size_t cap;
};

struct history {
	char *path;
	struct lines all;   /* what Up goes through */
	struct lines fresh; /* of this session, not yet in the file */
};

static void lines_done(struct lines *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->line[i]);
	free(l->line);
	*l = (struct lines){0};
}

/* Keeps the latest HISTORY_LINES. 1 when added, 0 for a repetition or without memory. */
static int lines_add(struct lines *l, const char *text)
{
	if (l->n && !strcmp(l->line[l->n - 1], text))
		return 0;
	char *copy = mem_strdup(text);
	if (!copy || mem_grow(&l->line, &l->cap, (size_t)l->n + 1, sizeof *l->line)) {
		free(copy);
		return 0;
	}
	if (l->n == HISTORY_LINES) {
		free(l->line[0]);
		memmove(l->line, l->line + 1, (HISTORY_LINES - 1) * sizeof *l->line);
		l->n--;
	}
	l->line[l->n++] = copy;
	return 1;
}

/* Text that can be kept: not empty, short enough, whole UTF-8 without control characters. */
static int is_keepable(const char *s, size_t n)
{
	if (!n || n >= HISTORY_LINE_MAX || *s == ' ' || *s == '\t')
		return 0;
	for (size_t i = 0; i < n;) {
		uint32_t cp;
		int k = utf8_decode(s + i, n - i, &cp);
		if (k < 0 || cp < 32 || (cp >= 127 && cp < 160))
			return 0;
		i += (size_t)k;
	}
	return 1;
}

static void lines_split(struct lines *l, const char *s, size_t len)
{
	char line[HISTORY_LINE_MAX];
	for (const char *end = s + len; s && s < end;) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((nl ? nl : end) - s);
		if (is_keepable(s, n)) {
			snprintf(line, sizeof line, "%.*s", (int)n, s);
			lines_add(l, line);
		}
		s += n + 1;
	}
}

static void lines_read(struct lines *l, const char *path)
{
	struct str text = {0};
	if (!file_read(&text, path, "history", 16 << 20, NULL))
		lines_split(l, text.s, text.len);
	str_done(&text);
}

static void lines_put(const struct lines *l, const char *name, struct handover *to)
{
	struct str text = {0};
	for (int i = 0; i < l->n; i++)
		str_printf(&text, "%s\n", l->line[i]);
	handover_put(to, name, text.s, text.len);
	str_done(&text);
}

static void lines_take(struct lines *l, const char *name, const struct handover *from)
{
	size_t n;
	const char *s = handover_find(from, name, &n);
	lines_split(l, s, n);
}

static struct history *make(const char *path, struct err *e)
{
	struct history *h = mem_zalloc(1, sizeof *h);
	if (!h || (path && !(h->path = mem_strdup(path)))) {
		free(h);
		err_nomem(e, "history", sizeof *h);
		return NULL;
	}
	/* A link (to a folder of dot files, say) stays one: what it points to is replaced. */
	char *real = path ? realpath(path, NULL) : NULL;
	if (real) {
		free(h->path);
		h->path = real;
	}
	return h;
}

struct history *history_open(const char *path, struct err *e)
{
	struct history *h = make(path, e);
	if (h && h->path)
		lines_read(&h->all, h->path);
	return h;
}

void history_hand_over(const struct history *h, struct handover *to)
{
	lines_put(&h->all, "history", to);
	lines_put(&h->fresh, "history.fresh", to);
}

struct history *history_take_over(const char *path, const struct handover *from, struct err *e)
{
	struct history *h = make(path, e);
	if (h) {
		lines_take(&h->all, "history", from);
		lines_take(&h->fresh, "history.fresh", from);
	}
	return h;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	lines_done(&h->all);
	lines_done(&h->fresh);
	free(h->path);
	free(h);
}

int history_count(const struct history *h)
{
	return h->all.n;
}

const char *history_line(const struct history *h, int i)
{
	return h->all.line[i];
}

int history_add(struct history *h, const char *line)
{
	char kept[HISTORY_LINE_MAX];
	size_t n = strlen(line);
	/* libedit shows a line without the blanks at its end: so it is kept. */
	while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	if (!is_keepable(line, n))
		return 0;
	snprintf(kept, sizeof kept, "%.*s", (int)n, line);
	if (!lines_add(&h->all, kept))
		return 0;
	lines_add(&h->fresh, kept);
	return 1;
}

/* The file, locked; -1 when it cannot be opened. Another session may replace it between open and lock: then once more. A lock that cannot be had within
 * a second is done without (some network file systems have none). */
static int open_locked(const char *path, struct err *e)
{
	for (int tries = 0;; tries++) {
		struct stat mine, now;
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
		if (fd < 0)
			return err_set(e, ERR_IO, "history: %s: %s", path, strerror(errno));
		if (fstat(fd, &mine) || !S_ISREG(mine.st_mode)) {
			close(fd);
			return err_set(e, ERR_IO, "history: %s: no regular file", path);
		}
		for (int k = 0; flock(fd, LOCK_EX | LOCK_NB) && k < 50; k++)
			nanosleep(&(struct timespec){0, 20000000}, NULL);
		if (tries == 50 || (!stat(path, &now) && now.st_ino == mine.st_ino && now.st_dev == mine.st_dev))
			return fd;
		close(fd);
	}
}

static int write_lines(FILE *f, const struct lines *l)
{
	for (int i = 0; i < l->n; i++)
		fprintf(f, "%s\n", l->line[i]);
	return fflush(f) || ferror(f) || fsync(fileno(f)) ? -1 : 0;
}

static int replace_file(const char *path, const struct lines *l, struct err *e)
{
	char temp[PATH_MAX + 32];
	snprintf(temp, sizeof temp, "%s.tmp.%ld", path, (long)getpid());
	unlink(temp); /* of a process that had our number and died */
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int rc = 0;
	if (!f || write_lines(f, l))
		rc = err_set(e, ERR_IO, "history: %s: %s", temp, strerror(errno));
	if (f ? fclose(f) : fd >= 0 && close(fd))
		rc = rc ? rc : err_set(e, ERR_IO, "history: %s: %s", temp, strerror(errno));
	if (!rc && rename(temp, path))
		rc = err_set(e, ERR_IO, "history: %s: %s", path, strerror(errno));
	if (rc && fd >= 0)
		unlink(temp);
	return rc;
}

int history_save(struct history *h, struct err *e)
{
	struct lines whole = {0};
	if (!h->path || !h->fresh.n)
		return 0;
	int fd = open_locked(h->path, e);
	if (fd < 0)
		return ERR_IO;
	lines_read(&whole, h->path);
	for (int i = 0; i < h->fresh.n; i++)
		lines_add(&whole, h->fresh.line[i]);
	int rc = replace_file(h->path, &whole, e);
	if (!rc)
		lines_done(&h->fresh);
	lines_done(&whole);
	close(fd);
	return rc;
}
