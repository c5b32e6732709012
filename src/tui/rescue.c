/* rescue.c: what has to work when nothing else does: only async-signal-safe calls below the handler.
 * SPDX-License-Identifier: MIT */
#include "tui/rescue.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "repl/fatal.h"

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
enum { FATAL_N = sizeof fatal / sizeof fatal[0], STACK = 1 << 16 };

/* A handler has no argument of ours: this is the one place with state of the process. Written by the UI thread before `live` is set. */
static struct {
	int fd, err_fd, drain_fd;
	int known, inherited;
	struct termios modes;
	char reset[512];
	size_t len;
	volatile sig_atomic_t live;
} guard = {.fd = -1, .err_fd = 2, .drain_fd = -1};

static void restore(void)
{
	if (!guard.live)
		return;
	guard.live = 0;
	fatal_put(guard.fd, guard.reset, guard.len);
	if (guard.known)
		tcsetattr(guard.fd, TCSANOW, &guard.modes);
}

static void pour_out(void)
{
	char buf[512];
	ssize_t n;
	/* The reading end never blocks. */
	while (guard.drain_fd >= 0 && (n = read(guard.drain_fd, buf, sizeof buf)) > 0)
		fatal_put(guard.err_fd, buf, (size_t)n);
}

static void on_fatal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	int was_live = guard.live;
	restore();
	if (was_live) {
		pour_out();
		fatal_put(guard.err_fd, "\n", 1);
		fatal_say(guard.err_fd, sig, info->si_addr);
	}
	/* SA_RESETHAND has put the default back: this ends the process as if nobody had looked. */
	raise(sig);
}

int rescue_remember(int fd)
{
	guard.fd = fd;
	if (guard.inherited)
		return 0;
	guard.known = !tcgetattr(fd, &guard.modes);
	return guard.known ? 0 : -1;
}

void rescue_arm(const char *reset, int err_fd)
{
	static char stack[STACK];
	static int once;
	guard.len = strlen(reset);
	if (guard.len > sizeof guard.reset)
		guard.len = sizeof guard.reset;
	memcpy(guard.reset, reset, guard.len);
	guard.err_fd = err_fd;
	guard.live = 1;
	if (once++)
		return;
	/* For a stack overflow of this thread; others fault on their own stacks. */
	stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack};
	sigaltstack(&alt, NULL);
	atexit(restore);
	for (int i = 0; i < FATAL_N; i++) {
		struct sigaction a;
		memset(&a, 0, sizeof a);
		a.sa_sigaction = on_fatal;
		a.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND;
		sigemptyset(&a.sa_mask);
		sigaction(fatal[i], &a, NULL);
	}
}

void rescue_hand_over(struct handover *h)
{
	handover_put(h, "rescue.modes", &guard.modes, guard.known ? sizeof guard.modes : 0);
	handover_put(h, "rescue.reset", guard.reset, sizeof guard.reset);
	handover_put(h, "rescue.len", &guard.len, sizeof guard.len);
}

void rescue_take_over(const struct handover *h)
{
	char reset[sizeof guard.reset + 1] = "";
	size_t len = 0;
	if (handover_get(h, "rescue.reset", reset, sizeof guard.reset, NULL) || handover_get(h, "rescue.len", &len, sizeof len, NULL) ||
	    len > sizeof guard.reset)
		return;
	guard.known = guard.inherited = !handover_get(h, "rescue.modes", &guard.modes, sizeof guard.modes, NULL);
	guard.fd = STDOUT_FILENO;
	reset[len] = 0;
	rescue_arm(reset, STDERR_FILENO);
}

void rescue_disarm(void)
{
	guard.live = 0;
}

void rescue_modes(void)
{
	if (guard.known)
		tcsetattr(guard.fd, TCSANOW, &guard.modes);
}

void rescue_drain(int fd)
{
	guard.drain_fd = fd;
}
