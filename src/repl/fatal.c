/* fatal.c: only async-signal-safe calls. A mapped file that loses its end while we read it is no error that a call could return: the processor stops us.
 * SPDX-License-Identifier: MIT */
#include "repl/fatal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

void fatal_put(int fd, const char *s, size_t n)
{
	while (n) {
		ssize_t k = write(fd, s, n);
		if (k <= 0)
			return;
		s += k;
		n -= (size_t)k;
	}
}

static void put(int fd, const char *s)
{
	fatal_put(fd, s, strlen(s));
}

/* A line of /proc/self/maps as far as it was read: "from-to rwxp offset device inode   /path". */
struct line {
	uintptr_t end[2];
	int n;              /* ends that are complete */
	size_t len;         /* of the path, in the caller's buffer */
};

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Names of files may hold anything; a terminal gets what is printable. */
static void take(struct line *l, char c, char *path, size_t size)
{
	if (l->n < 2 && hex(c) >= 0)
		l->end[l->n] = l->end[l->n] << 4 | (uintptr_t)hex(c);
	else if (l->n < 2)
		l->n++;
	else if ((l->len || c == '/') && l->len + 1 < size)
		path[l->len++] = c >= 32 && c < 127 ? c : '?';
}

/* 1: the address lies in a file's mapping; its path, ended by a zero. Memory files are nobody's to cut. */
static int find_file(uintptr_t address, char *path, size_t size)
{
	static const char memory[] = "/memfd:";
	char block[512];
	struct line l = {{0, 0}, 0, 0};
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), found = 0;
	while (fd >= 0 && !found && (n = read(fd, block, sizeof block)) > 0) {
		for (ssize_t i = 0; i < n && !found; i++) {
			if (block[i] != '\n') {
				take(&l, block[i], path, size);
				continue;
			}
			path[l.len] = 0;
			found = l.len && l.end[0] <= address && address < l.end[1];
			if (!found)
				l = (struct line){{0, 0}, 0, 0};
		}
	}
	if (fd >= 0)
		close(fd);
	return found && strncmp(path, memory, sizeof memory - 1) != 0;
}

void fatal_say(int fd, int sig, const void *address)
{
	char path[1024];
	char number[3] = {(char)('0' + sig / 10 % 10), (char)('0' + sig % 10), 0};
	put(fd, "anetui: ");
	if (sig == SIGBUS && find_file((uintptr_t)address, path, sizeof path)) {
		put(fd, path);
		put(fd, ": cut short by another program, or unreadable, while it was in use: ended (checkpoints that were announced are whole): ");
	}
	put(fd, "fatal signal ");
	put(fd, number);
	put(fd, "\n");
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	fatal_say(STDERR_FILENO, sig, info->si_addr);
	/* SA_RESETHAND has put the default back: this ends the process as if nobody had looked. */
	raise(sig);
}

void fatal_arm(void)
{
	struct sigaction a;
	memset(&a, 0, sizeof a);
	a.sa_sigaction = on_bus;
	a.sa_flags = SA_SIGINFO | (int)SA_RESETHAND;
	sigemptyset(&a.sa_mask);
	sigaction(SIGBUS, &a, NULL);
}
