/* metrics.c: reading the record of a run. Lines that are no JSON, or of a kind that is not known, are passed over.
 * SPDX-License-Identifier: MIT */
#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { BLOCK = 1 << 16, LINE_MAX_BYTES = 1 << 20 };

static double number_or_nan(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_number(v) ? json_number_value(v) : NAN;
}

static int find_kind(const char *name)
{
	static const char *const names[] = {"start", "step", "eval", "set", "ckpt", "sample", "error", "stop"};
	for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -1;
}

/* A `ckpt` line tells when its file was whole, and the step that is in it: that may be an earlier one, but nobody went back. */
static void go_back(struct metrics *m, int kind, uint64_t step)
{
	size_t n = m->n;
	for (size_t i = kind == METRICS_CKPT ? 0 : n; i-- > 0;) {
		const struct metrics_row *r = &m->row[i];
		if (r->kind == METRICS_CKPT)
			continue;
		if (r->step < step || (r->step == step && !(kind == METRICS_STEP && r->kind == METRICS_STEP)))
			break;
		n = i;
	}
	m->went_back |= n < m->n;
	while (m->n > n)
		free(m->row[--m->n].text);
}

static void read_numbers(struct metrics_row *r, const json_t *o)
{
	r->loss = (float)number_or_nan(o, "loss");
	r->grad_norm = (float)number_or_nan(o, r->kind == METRICS_EVAL ? "bits_per_byte" : "grad_norm");
	r->lr = (float)number_or_nan(o, "lr");
	r->ms = (float)number_or_nan(o, "ms");
	r->micro_ms = (float)number_or_nan(o, "micro_ms");
	r->watts = (float)number_or_nan(o, "watts");
	r->gap = (float)fmax(number_or_nan(o, "gap"), 0);
	double tokens = number_or_nan(o, "tokens");
	r->tokens = tokens >= 0 && tokens < 1e18 ? (uint64_t)tokens : 0;
}

static int read_line(struct metrics *m, const char *s, size_t n)
{
	json_t *o = json_loadb(s, n, 0, NULL);
	int kind = find_kind(json_string_value(json_object_get(o, "event"))), rc = 0;
	double step = number_or_nan(o, "step"), t = number_or_nan(o, "t");
	if (kind >= 0 && step >= 0 && step < 1e18 && t >= 0) {
		go_back(m, kind, (uint64_t)step);
		const struct metrics_row *last = m->n ? &m->row[m->n - 1] : NULL;
		struct metrics_row r = {.kind = (enum metrics_kind)kind, .step = (uint64_t)step, .t = t};
		double gap = last ? t - last->t : 0;
		r.play = (last ? last->play : 0) + MIN(MAX(gap, 0), METRICS_GAP_S);
		read_numbers(&r, o);
		if (kind != METRICS_STEP && kind != METRICS_EVAL && (r.text = mem_zalloc(n + 1, 1)))
			memcpy(r.text, s, n);
		rc = mem_grow(&m->row, &m->cap, m->n + 1, sizeof *m->row);
		if (rc)
			free(r.text);
		else
			m->row[m->n++] = r;
	}
	json_decref(o);
	return rc;
}

/* Whole lines of the text; returns the bytes they took, or -1 without memory. A line that is too long (a sample of half a million tokens) is passed over. */
static ssize_t read_lines(struct metrics *m, const struct str *text)
{
	size_t at = 0;
	if (m->too_long) {
		const char *nl = memchr(text->s, '\n', text->len);
		if (!nl)
			return (ssize_t)text->len;
		at = (size_t)(nl - text->s) + 1;
		m->too_long = 0;
	}
	while (at < text->len) {
		const char *nl = memchr(text->s + at, '\n', text->len - at);
		if (!nl)
			break;
		if (read_line(m, text->s + at, (size_t)(nl - text->s) - at))
			return -1;
		at = (size_t)(nl - text->s) + 1;
	}
	if (text->len - at <= LINE_MAX_BYTES)
		return (ssize_t)at;
	m->too_long = 1;
	return (ssize_t)text->len;
}

/* From m->at to the end of the file. */
static int read_rest(struct metrics *m, int fd, struct err *e)
{
	struct str text = {0};
	char *block = mem_zalloc(BLOCK, 1);
	int rc = block ? 0 : err_nomem(e, "metrics", BLOCK);
	while (!rc) {
		ssize_t n = pread(fd, block, BLOCK, (off_t)(m->at + text.len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_set(e, ERR_IO, "metrics: %s: %s", m->path, strerror(errno));
		if (n <= 0)
			break;
		str_add(&text, block, (size_t)n);
		ssize_t used = text.failed ? -1 : read_lines(m, &text);
		if (used < 0) {
			rc = err_nomem(e, "metrics", text.len);
		} else {
			m->at += (uint64_t)used;
			memmove(text.s, text.s + used, text.len - (size_t)used);
			text.len -= (size_t)used;
		}
	}
	free(block);
	str_done(&text);
	return rc;
}

int metrics_more(struct metrics *m, struct err *e)
{
	struct stat st;
	size_t had = m->n;
	int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		int rc = err_set(e, ERR_IO, "metrics: %s: %s", m->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	int rc = S_ISREG(st.st_mode) ? 0 : err_set(e, ERR_FORMAT, "metrics: %s: is no regular file", m->path);
	/* Another file, or cut shorter (a torn line is taken back when a run is gone on with): from where it is now. */
	if (!rc && (uint64_t)st.st_size < m->at) {
		m->at = (uint64_t)st.st_size;
		m->too_long = 0;
	}
	if (!rc && (uint64_t)st.st_size > m->at)
		rc = read_rest(m, fd, e);
	close(fd);
	return rc ? rc : m->n >= had && !m->went_back ? (int)MIN(m->n - had, (size_t)1 << 30) : 1;
}

int metrics_open(struct metrics *m, const char *dir, struct err *e)
{
	memset(m, 0, sizeof *m);
	if ((size_t)snprintf(m->path, sizeof m->path, "%s/metrics.jsonl", dir) >= sizeof m->path)
		return err_set(e, ERR_RANGE, "metrics: %.60s...: path too long", dir);
	int rc = metrics_more(m, e);
	m->went_back = 0;
	if (rc < 0)
		return rc;
	return m->n ? 0 : err_set(e, ERR_FORMAT, "metrics: %s: no line of it is a run's", m->path);
}

void metrics_done(struct metrics *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->row[i].text);
	free(m->row);
	memset(m, 0, sizeof *m);
}

size_t metrics_find(const struct metrics *m, double play)
{
	size_t lo = 0, hi = m->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (m->row[mid].play <= play)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}
