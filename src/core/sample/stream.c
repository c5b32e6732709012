/* stream.c: see stream.h. Not a terminal filter: control characters pass. SPDX-License-Identifier: MIT */
#include "sample/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

int stream_init(struct stream *s, const char *stop, struct err *e)
{
	*s = (struct stream){0};
	if (!stop || !stop[0])
		return 0;
	s->nstop = strlen(stop);
	s->stop = mem_strdup(stop);
	return s->stop ? 0 : err_nomem(e, "sample", s->nstop);
}

void stream_done(struct stream *s)
{
	str_done(&s->held);
	str_done(&s->out);
	free(s->stop);
	*s = (struct stream){0};
}

/* Where the stop text begins in what is held, or -1. */
static long find_stop(const struct stream *s)
{
	for (size_t i = 0; s->stop && i + s->nstop <= s->held.len; i++)
		if (!memcmp(s->held.s + i, s->stop, s->nstop))
			return (long)i;
	return -1;
}

/* How many bytes at the end may be the beginning of the stop text. */
static size_t stop_begun(const struct stream *s)
{
	if (!s->stop)
		return 0;
	for (size_t n = MIN(s->nstop - 1, s->held.len); n; n--)
		if (!memcmp(s->held.s + s->held.len - n, s->stop, n))
			return n;
	return 0;
}

/* Gives out characters of the first `limit` bytes. last: nothing follows, an unfinished character is a broken one. */
static void give(struct stream *s, size_t limit, int last)
{
	size_t at = 0;
	while (at < limit) {
		uint32_t cp;
		int n = utf8_decode(s->held.s + at, (last ? limit : s->held.len) - at, &cp);
		if (n == -2 && !last)
			break;
		if (n > 0 && at + (size_t)n > limit)
			break;
		if (n > 0)
			str_add(&s->out, s->held.s + at, (size_t)n);
		else
			str_puts(&s->out, "\xef\xbf\xbd");
		at += n > 0 ? (size_t)n : n == -2 ? limit - at : 1;
	}
	memmove(s->held.s, s->held.s + at, s->held.len - at);
	s->held.len -= at;
}

static int result(struct stream *s, const char **out, size_t *nout, struct err *e)
{
	if (s->held.failed || s->out.failed)
		return err_nomem(e, "sample", s->held.len + s->out.len);
	*out = s->out.len ? s->out.s : "";
	*nout = s->out.len;
	return s->stopped;
}

int stream_put(struct stream *s, const char *piece, size_t n, const char **out, size_t *nout, struct err *e)
{
	str_clear(&s->out);
	if (s->stopped)
		return result(s, out, nout, e);
	str_add(&s->held, piece, n);
	if (s->held.failed)
		return result(s, out, nout, e);
	long at = find_stop(s);
	if (at >= 0) {
		s->stopped = 1;
		give(s, (size_t)at, 1);
		str_clear(&s->held);
	} else if (s->held.len) {
		give(s, s->held.len - stop_begun(s), 0);
	}
	return result(s, out, nout, e);
}

int stream_end(struct stream *s, const char **out, size_t *nout, struct err *e)
{
	str_clear(&s->out);
	if (s->held.len)
		give(s, s->held.len, 1);
	return result(s, out, nout, e);
}
