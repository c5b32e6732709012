/* restart.c: path, arguments, signals, exec().
 * SPDX-License-Identifier: MIT */
#include "repl/restart.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static const char variable[] = "ANETUI_RESTART";

/* Of the process; written before any thread is started, and by the UI thread only. */
static struct {
	char **argv;
	char path[4096];
	struct stat st;   /* of the program file when it was started */
	sigset_t mask;    /* before signals were held */
} self;

void restart_init(char **argv)
{
	self.argv = argv;
	if (file_program(self.path, sizeof self.path, NULL) || stat(self.path, &self.st))
		self.path[0] = 0;
}

struct handover *restart_from(struct err *e)
{
	const char *value = getenv(variable);
	char *end;
	if (!value)
		return NULL;
	long fd = strtol(value, &end, 10);
	struct handover *h = NULL;
	if (end == value || *end || fd < 3 || fd > 1 << 20)
		err_set(e, ERR_FORMAT, "restart: %s=%.40s: is no descriptor (it is the program's own)", variable, value);
	else
		h = handover_open((int)fd, e);
	unsetenv(variable);
	return h;
}

/* --- signals --- */

void restart_hold_signals(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
	sigset_t all;
	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		sigdelset(&all, faults[i]);
	sigprocmask(SIG_SETMASK, &all, &self.mask);
}

void restart_release_signals(void)
{
	sigprocmask(SIG_SETMASK, &self.mask, NULL);
}

void restart_signals_on(const struct handover *from)
{
	sigset_t mask;
	if (from && !handover_get(from, "signals", &mask, sizeof mask, NULL))
		sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* --- exec --- */

/* By its own path while that is the file that was started; else (built anew, moved) by what the system knows the running file as. */
static const char *program(void)
{
	struct stat now;
	if (self.path[0] && !stat(self.path, &now) && now.st_dev == self.st.st_dev && now.st_ino == self.st.st_ino)
		return self.path;
#ifdef __linux__
	return "/proc/self/exe";
#else
	return NULL;
#endif
}

int restart_exec(struct handover *h, struct err *e)
{
	char number[16];
	const char *path = program();
	if (!path)
		return err_set(e, ERR_IO, "restart: %s: the program file was replaced", self.path);
	handover_put(h, "signals", &self.mask, sizeof self.mask);
	int fd = handover_seal(h, e);
	if (fd < 0)
		return fd;
	fflush(stdout);
	fflush(stderr);
	snprintf(number, sizeof number, "%d", fd);
	if (!setenv(variable, number, 1))
		execv(path, self.argv);
	int error = errno;
	unsetenv(variable);
	handover_unseal(h);
	return err_set(e, ERR_IO, "restart: %s: %s", path, strerror(error));
}
