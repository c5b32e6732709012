/* record.c: writing commands down as a script. Each line is on the disk's way when it was given.
 * SPDX-License-Identifier: MIT */
#include "repl/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "repl/words.h"

static const char head[] = "# recorded by anetui: `anetui -x FILE` does it again\n";

struct record {
	int fd;
	uint64_t step;   /* the file leads to here */
	char *path;
};

static int write_all(struct record *r, const char *s, size_t n, struct err *e)
{
	while (n) {
		ssize_t k = write(r->fd, s, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return err_set(e, ERR_IO, "record: %s: %s", r->path, strerror(errno));
		s += k;
		n -= (size_t)k;
	}
	return 0;
}

/* Nothing that is somebody else's is written into. */
static int check_head(struct record *r, struct err *e)
{
	char begin[sizeof head];
	struct stat st;
	if (fstat(r->fd, &st) || !S_ISREG(st.st_mode))
		return err_set(e, ERR_STATE, "record: %s: is no regular file", r->path);
	if (!st.st_size)
		return write_all(r, head, sizeof head - 1, e);
	ssize_t n = pread(r->fd, begin, sizeof head - 1, 0);
	if (n != sizeof head - 1 || memcmp(begin, head, sizeof head - 1))
		return err_set(e, ERR_STATE, "record: %s: is there and was not recorded by this program (choose another name)", r->path);
	return 0;
}

struct record *record_open(const char *path, uint64_t step, struct err *e)
{
	struct record *r = mem_zalloc(1, sizeof *r);
	if (r)
		r->path = mem_strdup(path);
	if (!r || !r->path) {
		err_nomem(e, "record", sizeof *r + strlen(path));
		free(r);
		return NULL;
	}
	r->step = step;
	r->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (r->fd < 0)
		err_set(e, ERR_IO, "record: %s: %s", path, strerror(errno));
	else if (!check_head(r, e))
		return r;
	record_close(r);
	return NULL;
}

void record_close(struct record *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r->path);
	free(r);
}

const char *record_path(const struct record *r)
{
	return r->path;
}

uint64_t record_step(const struct record *r)
{
	return r->step;
}

static void add_wait(struct record *r, const struct engine_snapshot *now, struct str *s)
{
	uint64_t step = now->config.layers ? now->step : 0;
	if (step > r->step)
		str_printf(s, "wait step %llu\n", (unsigned long long)step);
	r->step = step; /* also when it went back: another model, an older checkpoint */
}

static int put(struct record *r, struct str *s, struct err *e)
{
	int rc = s->failed ? err_nomem(e, "record", s->len) : s->len ? write_all(r, s->s, s->len, e) : 0;
	str_done(s);
	return rc;
}

int record_line(struct record *r, const char *line, int command, int words, const struct engine_snapshot *now, struct err *e)
{
	struct str s = {0};
	int keep_going;
	if (command == CMD_RECORD || command == CMD_PAUSE || command == CMD_WAIT || (command == CMD_TRAIN && !words))
		return 0;
	line = words_begin(line, &keep_going);
	size_t n = strcspn(line, "\r\n");
	add_wait(r, now, &s);
	str_printf(&s, "%s%.*s\n", keep_going ? "-" : "", (int)n, line);
	return put(r, &s, e);
}

int record_end(struct record *r, const struct engine_snapshot *now, struct err *e)
{
	struct str s = {0};
	add_wait(r, now, &s);
	return put(r, &s, e);
}
