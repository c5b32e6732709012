/* stream.h: pieces of tokens in, whole characters out: what may be shown of a sample now. Knows nothing of models.
 *
 * A token may end inside a character, and a stop text may begin in one piece and end in another: such ends are held back until
 * more comes. What can never become UTF-8 becomes U+FFFD. SPDX-License-Identifier: MIT */
#ifndef ANETUI_SAMPLE_STREAM_H
#define ANETUI_SAMPLE_STREAM_H

#include "base/err.h"
#include "base/str.h"

struct stream {
	struct str held;  /* bytes that came and are not yet given out */
	struct str out;   /* what the last call gave out */
	char *stop;       /* NULL: none */
	size_t nstop;
	int stopped;
};

/* stop: a text that ends the sample and is not shown; NULL or "": none. */
int stream_init(struct stream *s, const char *stop, struct err *e);
void stream_done(struct stream *s);
/* Takes n bytes. *out and *nout are whole characters, perhaps none, good until the next call. 1 when the stop text has come: *out is what
 * stood before it, and nothing follows. Else 0, or ERR_NOMEM. */
int stream_put(struct stream *s, const char *piece, size_t n, const char **out, size_t *nout, struct err *e);
/* The end: what was held back. */
int stream_end(struct stream *s, const char **out, size_t *nout, struct err *e);

#endif
