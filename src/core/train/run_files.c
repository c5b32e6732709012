/* run_files.c: what lies in run folders: which checkpoint is the newest, which may go, and the rows of `runs`. Opens no run.
 * SPDX-License-Identifier: MIT */
#include "train/run.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "train/ckpt.h"

/* How much of a log's end is looked at: some 30,000 steps. */
#define TAIL_BYTES ((size_t)4 << 20)

struct numbered {
	char name[64];
	uint64_t step;
	int64_t mtime;
	int event;         /* 1: a `ckpt` event names it, at `at` */
	size_t at;
	int age;           /* 2: younger than every event, 1: by its event, 0: older than every event */
};

struct numbered_list {
	struct numbered *v;
	size_t n, cap;
};

/* step-00000400.ckpt: 8 digits or more, nothing else. */
static int parse_name(const char *s, uint64_t *step)
{
	if (strncmp(s, "step-", 5))
		return -1;
	size_t digits = strspn(s + 5, "0123456789");
	if (digits < 8 || digits > 19 || strcmp(s + 5 + digits, ".ckpt"))
		return -1;
	*step = strtoull(s + 5, NULL, 10);
	return 0;
}

static int list_read(struct numbered_list *l, const char *dir, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *x;
	int rc = 0;
	if (!d)
		return err_set(e, ERR_IO, "run: %s: %s", dir, strerror(errno));
	while (!rc && (errno = 0, x = readdir(d))) {
		struct numbered c = {0};
		struct stat st = {0};
		char path[2048];
		if (parse_name(x->d_name, &c.step))
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
		/* One that can not be looked at is no reason to take an older one without a word: loading it tells. */
		if (stat(path, &st) ? errno == ENOENT : !S_ISREG(st.st_mode))
			continue;
		memcpy(c.name, x->d_name, strlen(x->d_name) + 1); /* at most 29 */
		c.mtime = (int64_t)st.st_mtime;
		if (mem_grow(&l->v, &l->cap, l->n + 1, sizeof *l->v))
			rc = err_nomem(e, "run", (l->n + 1) * sizeof *l->v);
		else
			l->v[l->n++] = c;
	}
	if (!rc && errno)
		rc = err_set(e, ERR_IO, "run: %s: reading the folder: %s", dir, strerror(errno));
	closedir(d);
	return rc;
}

/* Notes the latest `ckpt` event of each file. *last is the number in the last one, or -1. */
static void list_events(struct numbered_list *l, const char *text, size_t n, int64_t *last)
{
	static const char mark[] = "\"event\":\"ckpt\"";
	const char *end = text + n, *p = text;
	*last = -1;
	while (p < end && (p = memmem(p, (size_t)(end - p), mark, sizeof mark - 1))) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		eol = eol ? eol : end;
		const char *s = memmem(p, (size_t)(eol - p), "step-", 5);
		for (size_t i = 0; s && i < l->n; i++) {
			size_t len = strlen(l->v[i].name);
			if ((size_t)(eol - s) < len || memcmp(s, l->v[i].name, len))
				continue;
			l->v[i].event = 1;
			l->v[i].at = (size_t)(s - text);
			*last = (int64_t)l->v[i].step;
		}
		p = eol;
	}
}

static int newest_first(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	if (x->age != y->age)
		return y->age - x->age;
	if (x->age == 1)
		return x->at < y->at ? 1 : x->at > y->at ? -1 : 0;
	return x->step < y->step ? 1 : x->step > y->step ? -1 : 0;
}

/* 0 or an error; a log that is not there is empty. */
static int map_tail(struct file_map *m, const char *dir, const char **text, size_t *n, struct err *e)
{
	struct stat st;
	char path[2048];
	snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
	*text = "";
	*n = 0;
	int rc = file_map(m, path, "run", e);
	if (rc)
		return stat(path, &st) && errno == ENOENT ? 0 : rc;
	*n = MIN(m->size, TAIL_BYTES);
	if (*n)
		*text = (const char *)m->data + (m->size - *n);
	return 0;
}

/* The folder's numbered checkpoints, newest first (see run.h). Without its log nobody knows which those are: numbers alone may lead to a branch that was left. */
static int list_make(struct numbered_list *l, const char *dir, struct err *e)
{
	int rc = list_read(l, dir, e);
	if (rc || !l->n)
		return rc;
	struct file_map m;
	const char *text;
	int64_t last;
	size_t n;
	if ((rc = map_tail(&m, dir, &text, &n, e)))
		return rc;
	list_events(l, text, n, &last);
	file_unmap(&m);
	for (size_t i = 0; i < l->n; i++)
		l->v[i].age = l->v[i].event ? 1 : (int64_t)l->v[i].step > last ? 2 : 0;
	qsort(l->v, l->n, sizeof *l->v, newest_first);
	return 0;
}

int run_rotate(const struct run *r, int keep, uint64_t milestone, const char *verified, struct err *e)
{
	struct numbered_list l = {0};
	int rc = list_make(&l, r->dir, e);
	/* Whatever the order says: what was checked last stays. */
	const char *name = verified ? strrchr(verified, '/') : NULL;
	size_t latest = 0, begin = rc ? l.n : (size_t)MAX(keep, 1); /* an order that is not known deletes nothing */
	for (size_t i = 1; !verified && i < l.n; i++)
		if (l.v[i].mtime > l.v[latest].mtime)
			latest = i;
	for (size_t i = 0; name && i < l.n; i++)
		if (!strcmp(l.v[i].name, name + 1))
			latest = i;
	for (size_t i = begin; i < l.n; i++) {
		char path[2048];
		snprintf(path, sizeof path, "%s/%s", r->dir, l.v[i].name);
		if (i != latest && !(milestone && l.v[i].step % milestone == 0) && unlink(path) && errno != ENOENT)
			rc = err_set(e, ERR_IO, "run: %s: can not be deleted: %s", path, strerror(errno));
	}
	free(l.v);
	return rc;
}

/* The newest that `fits`: 1 taken (why may say what was in the way), 0 passed over (why), negative: an error that ends it. */
static int newest(const char *dir, char *out, size_t n, struct str *notes, int (*fits)(void *ctx, const char *path, struct err *why), void *ctx, struct err *e)
{
	struct numbered_list l = {0};
	struct err first = {0}, why = {0};
	int rc = list_make(&l, dir, e), found = 0;
	if (rc == ERR_IO) { /* for a moment, perhaps */
		free(l.v);
		l = (struct numbered_list){0};
		rc = list_make(&l, dir, e);
	}
	for (size_t i = 0; !rc && !found && i < l.n; i++) {
		if (i == 1)
			first = why;
		why = (struct err){0};
		if ((size_t)snprintf(out, n, "%s/%s", dir, l.v[i].name) >= n)
			rc = err_set(e, ERR_RANGE, "run: %s: path too long", dir);
		else if ((found = fits(ctx, out, &why)) < 0)
			rc = i ? err_set(e, (enum err_code)found, "%.240s (passed over: %.230s)", why.msg, first.msg) : err_set(e, (enum err_code)found, "%s", why.msg);
		else if (why.msg[0] && notes)
			str_printf(notes, "%s (%s)\n", why.msg, found ? "read again, and whole" : "skipped");
	}
	if (!rc && !found && l.n)
		rc = err_set(e, ERR_STATE, "run: %.100s: none of its checkpoints is whole (%.180s%s%.180s)", dir, l.n > 1 ? first.msg : "", l.n > 1 ? "; " : "", why.msg);
	else if (!rc && !found)
		rc = err_set(e, ERR_STATE, "run: %s: no checkpoint to go on from", dir);
	free(l.v);
	return rc;
}

static int verifies(void *ctx, const char *path, struct err *why)
{
	(void)ctx;
	return !ckpt_verify(path, why);
}

int run_newest_ckpt(const char *dir, char *out, size_t n, struct str *notes, struct err *e)
{
	return newest(dir, out, n, notes, verifies, NULL, e);
}

/* Only a file that is damaged or can not be read is passed over. One that is whole when it is looked at again was not to be read for a moment: once more, then. */
static int loads(void *ctx, const char *path, struct err *why)
{
	struct run_loaded *l = ctx;
	struct err again;
	int rc = ckpt_load_on(l->pool, path, &l->params, &l->state, &l->tok, why);
	if (!rc)
		return 1;
	if (rc != ERR_FORMAT && rc != ERR_IO)
		return rc;
	if (ckpt_verify(path, &again)) {
		*why = again;
		return 0;
	}
	if (!(rc = ckpt_load_on(l->pool, path, &l->params, &l->state, &l->tok, &again)))
		return 1;
	*why = again;
	return rc == ERR_IO ? 0 : rc;
}

int run_load_newest(const char *dir, char *path, size_t n, struct str *notes, struct run_loaded *out, struct err *e)
{
	return newest(dir, path, n, notes, loads, out, e);
}

/* --- the rows of `runs` --- */

/* Takes from one line what is still missing; 1 when nothing is. */
static int read_line(struct run_info *o, const char *line, size_t n, int *have_step, int *have_val)
{
	json_t *j = json_loadb(line, n, 0, NULL);
	const char *event = json_string_value(json_object_get(j, "event"));
	const json_t *loss = json_object_get(j, "loss"), *step = json_object_get(j, "step");
	if (event && !*have_step && !strcmp(event, "step") && json_is_integer(step)) {
		o->step = (uint64_t)json_integer_value(step);
		o->loss = json_is_number(loss) ? json_number_value(loss) : NAN;
		*have_step = 1;
	}
	if (event && !*have_val && !strcmp(event, "eval")) {
		o->val = json_is_number(loss) ? json_number_value(loss) : NAN;
		*have_val = 1;
	}
	json_decref(j);
	return *have_step && *have_val;
}

static void read_metrics(struct run_info *o, const char *dir)
{
	struct file_map m;
	const char *text;
	size_t end;
	int have_step = 0, have_val = 0, done = 0;
	if (map_tail(&m, dir, &text, &end, NULL))
		return;
	while (end && !done) {
		size_t stop = end - (text[end - 1] == '\n'), begin = stop;
		while (begin && text[begin - 1] != '\n')
			begin--;
		/* Parsing is what costs: only lines of the two kinds are. */
		if (memmem(text + begin, stop - begin, "\"event\":\"step\"", 14) || memmem(text + begin, stop - begin, "\"event\":\"eval\"", 14))
			done = read_line(o, text + begin, stop - begin, &have_step, &have_val);
		end = begin;
	}
	file_unmap(&m);
}

static void read_ckpts(struct run_info *o, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *x;
	while (d && (x = readdir(d))) {
		size_t len = strlen(x->d_name);
		struct stat st;
		char path[2048];
		snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
		if (len < 6 || strcmp(x->d_name + len - 5, ".ckpt") || stat(path, &st))
			continue;
		o->ckpts++;
		o->bytes += (uint64_t)st.st_size;
	}
	if (d)
		closedir(d);
}

/* 1: the folder is a run; 0: it is none; ERR_STATE: it may not be looked into (lost+found); ERR_IO: nobody knows. */
static int read_run(struct run_info *o, const char *dir, struct err *e)
{
	struct stat st;
	char path[2048];
	*o = (struct run_info){.loss = NAN, .val = NAN};
	if ((size_t)snprintf(o->dir, sizeof o->dir, "%s", dir) >= sizeof o->dir)
		return 0;
	snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
	int rc = stat(path, &st);
	if (rc && errno != ENOENT && errno != ENOTDIR) /* for a moment, perhaps */
		rc = stat(path, &st);
	if (rc && errno != ENOENT && errno != ENOTDIR)
		return err_set(e, errno == EACCES ? ERR_STATE : ERR_IO, "run: %s: %s", path, strerror(errno));
	if (rc || !S_ISREG(st.st_mode))
		return 0;
	o->mtime = (long long)st.st_mtime;
	read_metrics(o, dir);
	read_ckpts(o, dir);
	return 1;
}

static size_t count_run(struct run_info *o, const char *dir, struct err *hidden)
{
	struct err why;
	int rc = read_run(o, dir, &why);
	if (rc < 0 && hidden->code != ERR_IO)
		*hidden = why;
	return rc > 0;
}

static int by_time(const void *a, const void *b)
{
	const struct run_info *x = a, *y = b;
	if (x->mtime != y->mtime)
		return x->mtime < y->mtime ? 1 : -1;
	return strcmp(x->dir, y->dir);
}

static int list_once(const char *runs_dir, struct run_info *out, int n, struct err *hidden, struct err *e)
{
	DIR *d = opendir(runs_dir);
	struct dirent *x;
	struct run_info *all = NULL;
	size_t count = 0, cap = 0;
	int rc = 0;
	if (!d)
		return errno == ENOENT ? 0 : err_set(e, ERR_IO, "runs: %s: %s", runs_dir, strerror(errno));
	while (!rc && (errno = 0, x = readdir(d))) {
		char dir[1024];
		if (x->d_name[0] == '.' || (size_t)snprintf(dir, sizeof dir, "%s/%s", runs_dir, x->d_name) >= sizeof dir)
			continue;
		if (mem_grow(&all, &cap, count + 1, sizeof *all))
			rc = err_nomem(e, "runs", (count + 1) * sizeof *all);
		else
			count += count_run(&all[count], dir, hidden);
	}
	if (!rc && errno)
		rc = err_set(e, ERR_IO, "runs: %s: reading the folder: %s", runs_dir, strerror(errno));
	closedir(d);
	if (count)
		qsort(all, count, sizeof *all, by_time);
	if (!rc && n > 0 && count)
		memcpy(out, all, MIN((size_t)n, count) * sizeof *all);
	free(all);
	return rc ? rc : (int)count;
}

/* *hidden: why a run could not be looked at, the last such; ERR_STATE: only where there is none of ERR_IO. */
static int list_runs(const char *runs_dir, struct run_info *out, int n, struct err *hidden, struct err *e)
{
	*hidden = (struct err){0};
	int k = list_once(runs_dir, out, n, hidden, e);
	if (k != ERR_IO)
		return k;
	*hidden = (struct err){0};
	return list_once(runs_dir, out, n, hidden, e); /* for a moment, perhaps */
}

int run_list(const char *runs_dir, struct run_info *out, int n, struct err *e)
{
	struct err hidden;
	return list_runs(runs_dir, out, n, &hidden, e);
}

int run_newest(const char *runs_dir, char *out, size_t n, struct err *e)
{
	struct run_info first;
	struct err hidden;
	int k = list_runs(runs_dir, &first, 1, &hidden, e);
	if (k < 0)
		return k;
	/* It may be the newest: an older one is not taken in its place. */
	if (hidden.code == ERR_IO || (hidden.code && !k))
		return err_set(e, ERR_IO, "%.400s (--run DIR names a run)", hidden.msg);
	if (!k)
		return err_set(e, ERR_STATE, "run: %s: no run there", runs_dir);
	if ((size_t)snprintf(out, n, "%s", first.dir) >= n)
		return err_set(e, ERR_RANGE, "run: %s: path too long", first.dir);
	return 0;
}
