/* capture.c: the pipe behind descriptors 1 and 2. A writer never waits for the screen: what does not fit is lost.
 * SPDX-License-Identifier: MIT */
#include "tui/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tui/rescue.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

static struct {
	int read_fd, write_fd, out, err_fd;
	size_t len;
	char buf[1024];
} cap = {.read_fd = -1, .write_fd = -1, .out = -1, .err_fd = -1};

static int close_on_exec(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

int capture_begin(int *out, int *err_fd, struct err *e)
{
	int p[2];
	fflush(stdout);
	fflush(stderr);
	cap.out = close_on_exec(dup(1));
	cap.err_fd = close_on_exec(dup(2));
	if (cap.out < 0 || cap.err_fd < 0 || pipe(p))
		return err_set(e, ERR_IO, "screen: pipe: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
		fcntl(close_on_exec(p[i]), F_SETFL, O_NONBLOCK);
	cap.read_fd = p[0];
	cap.len = 0;
	cap.write_fd = p[1];
	dup2(p[1], 1);
	dup2(p[1], 2);
	setvbuf(stdout, NULL, _IOLBF, 0);
	rescue_drain(cap.read_fd);
#if defined(__SANITIZE_ADDRESS__)
	/* Its report comes when nobody reads the pipe any more. */
	__sanitizer_set_report_fd((void *)(long)cap.err_fd);
#endif
	*out = cap.out;
	*err_fd = cap.err_fd;
	return 0;
}

int capture_fd(void)
{
	return cap.read_fd;
}

static void take_line(size_t n, size_t used, void (*line)(void *, const char *), void *ctx)
{
	char end = cap.buf[n];
	cap.buf[n] = 0;
	if (n)
		line(ctx, cap.buf);
	cap.buf[n] = end;
	memmove(cap.buf, cap.buf + used, cap.len - used);
	cap.len -= used;
}

int capture_read(void (*line)(void *ctx, const char *text), void *ctx)
{
	int any = 0;
	for (;;) {
		char *nl = memchr(cap.buf, '\n', cap.len);
		if (nl || cap.len == sizeof cap.buf - 1) {
			size_t n = nl ? (size_t)(nl - cap.buf) : cap.len;
			take_line(n, n + (nl != NULL), line, ctx);
			any = 1;
			continue;
		}
		ssize_t n = cap.read_fd < 0 ? -1 : read(cap.read_fd, cap.buf + cap.len, sizeof cap.buf - 1 - cap.len);
		if (n <= 0)
			return any;
		cap.len += (size_t)n;
	}
}

void capture_pause(void (*line)(void *ctx, const char *text), void *ctx)
{
	fflush(stdout);
	fflush(stderr);
	capture_read(line, ctx);
	if (cap.len)
		take_line(cap.len, cap.len, line, ctx);
	dup2(cap.out, 1);
	dup2(cap.err_fd, 2);
}

void capture_resume(void)
{
	dup2(cap.write_fd, 1);
	dup2(cap.write_fd, 2);
}

static void print_line(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

void capture_end(int gone)
{
	if (cap.read_fd < 0)
		return;
	fflush(stdout);
	fflush(stderr);
	int null = gone ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
	rescue_drain(-1);
	dup2(null >= 0 ? null : cap.out, 1);
	dup2(null >= 0 ? null : cap.err_fd, 2);
	if (null >= 0) {
		dup2(null, 0);
		close(null);
	}
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_set_report_fd((void *)2L);
#endif
	capture_read(print_line, NULL);
	if (cap.len)
		fprintf(stderr, "%.*s\n", (int)cap.len, cap.buf);
	close(cap.read_fd);
	close(cap.write_fd);
	close(cap.out);
	close(cap.err_fd);
	cap.read_fd = cap.write_fd = cap.out = cap.err_fd = -1;
	cap.len = 0;
}
