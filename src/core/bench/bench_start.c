/* bench_start.c: from the start of a process to the end of its first step: this very program, started with `--plain` as a user would. Reads its lines, nothing else.
 * SPDX-License-Identifier: MIT */
#include "bench/bench_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

extern char **environ;

struct start {
	struct bench *b;
	char program[4096], dir[4096];
	const char *resume; /* "--resume", or "--no-rc" once more */
	const char *word;   /* the line that is waited for begins so; NULL: until the process ends */
	int fresh;          /* 1: the run's folder goes first */
};

static void remove_run(const char *dir)
{
	char path[4400];
	DIR *d = opendir(dir);
	for (struct dirent *f; d && (f = readdir(d));) {
		snprintf(path, sizeof path, "%s/%.255s", dir, f->d_name);
		if (f->d_name[0] != '.')
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

/* Its messages come through *fd. The signals that this thread has blocked are not blocked there. */
static int spawn(const struct start *s, pid_t *pid, int *fd, struct err *e)
{
	char *const argv[] = {(char *)s->program, "--plain", "--no-rc", (char *)s->resume, "--run", (char *)s->dir, "-e", "step 1", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int ends[2];
	if (pipe(ends))
		return err_set(e, ERR_IO, "bench: pipe: %s", strerror(errno));
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, ends[1], 2);
	posix_spawn_file_actions_addclose(&files, ends[1]);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	int rc = posix_spawn(pid, s->program, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	close(ends[1]);
	*fd = ends[0];
	if (rc)
		close(ends[0]);
	return rc ? err_set(e, ERR_IO, "bench: %s: %s", s->program, strerror(rc)) : 0;
}

/* 0: a line begins with the word, or (no word) the other end was closed. */
static int await(const struct start *s, int fd, struct err *e)
{
	char line[512];
	size_t n = 0;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char c;
		if (bench_cancelled(s->b, e))
			return e->code;
		if (poll(&p, 1, 100) <= 0)
			continue;
		if (read(fd, &c, 1) != 1)
			return s->word ? err_set(e, ERR_STATE, "bench: the program that was started ended before its first step: %.*s", (int)n, line) : 0;
		if (c != '\n') {
			if (n < sizeof line)
				line[n++] = c;
			continue;
		}
		if (s->word && n > strlen(s->word) && !strncmp(line, s->word, strlen(s->word)))
			return 0;
		n = 0;
	}
}

static int run(void *arg, struct err *e)
{
	const struct start *s = arg;
	pid_t pid;
	int fd, rc;
	if (s->fresh)
		remove_run(s->dir);
	if ((rc = spawn(s, &pid, &fd, e)))
		return rc;
	rc = await(s, fd, e);
	if (rc || s->word)
		kill(pid, SIGKILL);
	close(fd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc;
}

int bench_start(struct bench *b, struct err *e)
{
	struct start s = {.b = b, .resume = "--no-rc", .word = "step 1", .fresh = 1};
	double ms;
	int rc = file_cache_dir(s.dir, sizeof s.dir - 64, e);
	if (rc || (rc = file_program(s.program, sizeof s.program, e)))
		return rc;
	size_t n = strlen(s.dir);
	snprintf(s.dir + n, sizeof s.dir - n, "/bench-%ld-run", (long)getpid());
	rc = bench_time(b, run, &s, 5, 0, &ms, e);
	if (!rc)
		bench_row(b, "demo: start to first step", ms, 0, 0, 0, "a process of its own: built-in text, validation at step 0, one step");
	s.word = NULL;
	rc = rc ? rc : run(&s, e);
	s.resume = "--resume";
	s.word = "step 2";
	s.fresh = 0;
	rc = rc ? rc : bench_time(b, run, &s, 5, 0, &ms, e);
	if (!rc)
		bench_row(b, "demo: resume to first step", ms, 0, 0, 0, "");
	remove_run(s.dir);
	return rc;
}
