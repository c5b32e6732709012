/* wake.c: a pipe whose bytes are signal numbers, or 0 from the engine.
 * SPDX-License-Identifier: MIT */
#include "repl/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include "base/clock.h"

/* Set once before threads start, then only read. */
static int ends[2] = {-1, -1};

int wake_open(struct err *e)
{
	if (ends[0] >= 0)
		return 0;
	if (pipe(ends))
		return err_set(e, ERR_IO, "start: pipe: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		fcntl(ends[i], F_SETFD, FD_CLOEXEC);
		fcntl(ends[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static void put(unsigned char byte)
{
	int keep = errno;
	/* A full pipe wakes its reader anyway. */
	ssize_t n = write(ends[1], &byte, 1);
	(void)n;
	errno = keep;
}

void wake_engine(void *unused)
{
	(void)unused;
	put(0);
}

static void on_signal(int sig)
{
	if (sig == SIGCONT)
		clock_continued();
	put((unsigned char)sig);
}

static void install(int sig, int flags)
{
	struct sigaction a;
	memset(&a, 0, sizeof a);
	a.sa_handler = on_signal;
	sigemptyset(&a.sa_mask);
	a.sa_flags = flags;
	sigaction(sig, &a, NULL);
}

void wake_on_signal(int sig)
{
	install(sig, 0);
}

void wake_on_signal_restart(int sig)
{
	install(sig, SA_RESTART);
}

int wake_fd(void)
{
	return ends[0];
}

int wake_read(sigset_t *got)
{
	unsigned char byte[256];
	int any = 0;
	ssize_t n;
	sigemptyset(got);
	while ((n = read(ends[0], byte, sizeof byte)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (byte[i]) {
				sigaddset(got, byte[i]);
				any = 1;
			}
		}
	}
	return any;
}

int wake_wait(int fd, int ms)
{
	struct timeval t = {ms / 1000, ms % 1000 * 1000};
	fd_set set;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	if (fd >= 0)
		FD_SET(fd, &set);
	int n = select((fd > ends[0] ? fd : ends[0]) + 1, &set, NULL, NULL, ms < 0 ? NULL : &t);
	return n > 0 && fd >= 0 && FD_ISSET(fd, &set);
}
