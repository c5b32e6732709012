/* link.c: sockets and frames.
 * SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/handover.h"
#include "base/mem.h"
#include "engine.h"

enum { OUT_MAX = 4 << 20, VERSION = 1 };

struct head { uint32_t kind, bytes; };
struct hello { char magic[12]; uint32_t version; uint64_t program[4]; };

static size_t kind_bytes(unsigned kind)
{
	switch (kind) {
	case LINK_HELLO: return sizeof(struct hello);
	case LINK_SNAPSHOT: return sizeof(struct engine_snapshot);
	case LINK_EVENT: return sizeof(struct engine_event);
	case LINK_COMMAND: return sizeof(struct engine_cmd);
	}
	return 0;
}

static void make_hello(struct hello *h)
{
	*h = (struct hello){.magic = "anetui link", .version = VERSION};
	handover_program(h->program);
}

/* Names of sockets are short (108 bytes on Linux, 104 elsewhere): through the open folder any path will do. */
static int address(struct sockaddr_un *a, const char *dir, int *dir_fd, struct err *e)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	*dir_fd = -1;
	int n = snprintf(a->sun_path, sizeof a->sun_path, "%s/" LINK_FILE, dir);
	if (n > 0 && (size_t)n < sizeof a->sun_path)
		return 0;
#ifdef __linux__
	*dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dir_fd >= 0) {
		snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/" LINK_FILE, *dir_fd);
		return 0;
	}
#endif
	return err_set(e, ERR_RANGE, "attach: %.100s...: path too long for a socket", dir);
}

static int prepare(int fd)
{
	int on = 1;
	(void)on;
#ifdef SO_NOSIGPIPE
	setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
	return fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK) ? -1 : 0;
}

int link_listen(const char *dir, unsigned long long *id, struct err *e)
{
	struct sockaddr_un a;
	struct stat st;
	int dir_fd, fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || prepare(fd) || address(&a, dir, &dir_fd, e)) {
		int rc = fd < 0 ? errno : 0;
		if (fd >= 0)
			close(fd);
		if (rc)
			err_set(e, ERR_IO, "attach: %s: %s", dir, strerror(rc));
		return -1;
	}
	unlink(a.sun_path);
	/* Until it listens nobody gets in, whatever the umask made of its rights. */
	int bad = bind(fd, (struct sockaddr *)&a, sizeof a) || chmod(a.sun_path, 0600) || stat(a.sun_path, &st) || listen(fd, 4);
	if (bad)
		err_set(e, ERR_IO, "attach: %s/" LINK_FILE ": %s", dir, strerror(errno));
	if (dir_fd >= 0)
		close(dir_fd);
	if (bad) {
		close(fd);
		return -1;
	}
	*id = (unsigned long long)st.st_ino;
	return fd;
}

void link_unlisten(const char *dir, unsigned long long id)
{
	char path[1200];
	struct stat st;
	if ((size_t)snprintf(path, sizeof path, "%s/" LINK_FILE, dir) < sizeof path && !stat(path, &st) && (unsigned long long)st.st_ino == id)
		unlink(path);
}

static int same_user(int fd)
{
#ifdef __linux__
	struct ucred u;
	socklen_t n = sizeof u;
	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) && u.uid == geteuid();
#else
	uid_t uid;
	gid_t gid;
	return !getpeereid(fd, &uid, &gid) && uid == geteuid();
#endif
}

static void greet(struct link *l, int fd)
{
	struct hello h;
	*l = (struct link){.fd = fd};
	make_hello(&h);
	link_put(l, LINK_HELLO, &h, sizeof h);
}

int link_accept(int listening, struct link *l)
{
	int fd = accept(listening, NULL, NULL);
	if (fd < 0)
		return -1;
	if (prepare(fd) || !same_user(fd)) {
		close(fd);
		return -1;
	}
	greet(l, fd);
	return 0;
}

int link_connect(const char *dir, struct link *l, struct err *e)
{
	struct sockaddr_un a;
	int dir_fd, fd = socket(AF_UNIX, SOCK_STREAM, 0);
	l->fd = -1;
	if (fd < 0)
		return err_set(e, ERR_IO, "attach: %s: %s", dir, strerror(errno));
	if (address(&a, dir, &dir_fd, e)) {
		close(fd);
		return e->code;
	}
	int bad = prepare(fd) || (connect(fd, (struct sockaddr *)&a, sizeof a) && errno != EINPROGRESS);
	if (bad)
		err_set(e, ERR_STATE, "attach: %s: nobody listens there (%s)", dir, strerror(errno));
	if (dir_fd >= 0)
		close(dir_fd);
	if (bad || !same_user(fd)) {
		close(fd);
		return bad ? e->code : err_set(e, ERR_STATE, "attach: %s: another user's process listens there", dir);
	}
	greet(l, fd);
	return 0;
}

void link_close(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	str_done(&l->in);
	str_done(&l->out);
	l->taken = 0;
}

void link_put(struct link *l, enum link_kind kind, const void *data, size_t n)
{
	struct head h = {kind, (uint32_t)n};
	if (l->fd < 0)
		return;
	str_add(&l->out, &h, sizeof h);
	str_add(&l->out, data, n);
	if (l->out.failed || l->out.len > OUT_MAX)
		link_close(l);
}

static int send_some(struct link *l)
{
	while (l->out.len) {
#ifdef MSG_NOSIGNAL
		ssize_t n = send(l->fd, l->out.s, l->out.len, MSG_NOSIGNAL);
#else
		ssize_t n = send(l->fd, l->out.s, l->out.len, 0);
#endif
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN ? 0 : -1;
		memmove(l->out.s, l->out.s + n, l->out.len - (size_t)n);
		l->out.len -= (size_t)n;
	}
	return 0;
}

int link_pump(struct link *l)
{
	char block[16384];
	if (l->fd < 0)
		return -1;
	if (send_some(l)) {
		link_close(l);
		return -1;
	}
	while (l->in.len - l->taken < OUT_MAX) {
		ssize_t n = recv(l->fd, block, sizeof block, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		/* Closed: what came before can still be read, once. */
		if (n <= 0 && (l->ended || l->in.len - l->taken < sizeof(struct head))) {
			link_close(l);
			return -1;
		}
		if (n <= 0) {
			l->ended = 1;
			break;
		}
		str_add(&l->in, block, (size_t)n);
		if (l->in.failed) {
			link_close(l);
			return -1;
		}
	}
	return 0;
}

static int take_hello(struct link *l, const void *data)
{
	struct hello want;
	make_hello(&want);
	l->greeted = memcmp(data, &want, sizeof want) ? -1 : 1;
	return l->greeted;
}

int link_next(struct link *l, void *data, size_t cap)
{
	struct head h;
	while (l->fd >= 0 && l->in.len - l->taken >= sizeof h) {
		const char *at = l->in.s + l->taken;
		memcpy(&h, at, sizeof h);
		/* What does not greet first, or is not of the size that its kind has here, is no link of this program. */
		if (h.kind >= LINK_KINDS || h.bytes != kind_bytes(h.kind) || (h.kind != LINK_HELLO && (l->greeted <= 0 || h.bytes > cap))) {
			l->greeted = -1;
			link_close(l);
			return -1;
		}
		if (l->in.len - l->taken < sizeof h + h.bytes)
			break;
		l->taken += sizeof h + h.bytes;
		if (h.kind != LINK_HELLO) {
			memcpy(data, at + sizeof h, h.bytes);
			return (int)h.kind;
		}
		if (take_hello(l, at + sizeof h) < 0) {
			link_close(l);
			return -1;
		}
	}
	if (l->taken) {
		memmove(l->in.s, l->in.s + l->taken, l->in.len - l->taken);
		l->in.len -= l->taken;
		l->taken = 0;
	}
	return -1;
}

const char *link_refusal(const struct link *l)
{
	return l->greeted < 0 ? "another build of this program runs there: its record is followed, kernels and power are not seen" : "";
}
