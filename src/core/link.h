/* link.h: two anetui processes on one machine: a Unix socket in the run's folder, frames of plain values over it. No threads, nothing waits.
 *
 * Both ends must be the same program file, as for a restart: a frame is the bytes of a plain value. HELLO says so and comes first from both sides.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_LINK_H
#define ANETUI_LINK_H

#include "base/err.h"
#include "base/str.h"

#define LINK_FILE "attach.sock"

enum link_kind { LINK_HELLO, LINK_SNAPSHOT, LINK_EVENT, LINK_COMMAND, LINK_KINDS };

struct link {
	int fd;              /* -1: closed */
	int greeted;         /* the other side's HELLO was right */
	int ended;           /* the other side has closed it */
	struct str in, out;
	size_t taken;        /* bytes of `in` that are done with */
};

/* A socket in the folder that only this user can open (0600). What lies there under that name is taken away: whoever asks holds the run's lock. -1 and an error. */
int link_listen(const char *dir, unsigned long long *id, struct err *e);
/* Takes the file away, if it is still the one of that id: the run may be somebody else's by now. */
void link_unlisten(const char *dir, unsigned long long id);
/* The next one that wants in, greeted, or -1: nobody, or not this user. */
int link_accept(int listening, struct link *l);
/* 0, or ERR_STATE: nobody listens there. */
int link_connect(const char *dir, struct link *l, struct err *e);
void link_close(struct link *l);

/* Kept until link_flush; a link whose other side does not read is closed when 4 MiB wait. */
void link_put(struct link *l, enum link_kind kind, const void *data, size_t n);
/* Writes and reads what can be at once: 0, or -1 when it is closed now. */
int link_pump(struct link *l);
/* The next whole frame: its kind, and its bytes copied to data (which has that kind's size); -1: none. A frame that is not as it must be closes the link. */
int link_next(struct link *l, void *data, size_t cap);
/* Why a link of another program file was refused; empty otherwise. */
const char *link_refusal(const struct link *l);

#endif
