/* term.c: forkpty, a shell of thirty lines, and libvterm.
 * SPDX-License-Identifier: MIT */
#include "support/term.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <util.h>
#else
#include <pty.h>
#endif
#include <vterm.h>

#include "base/str.h"

struct term {
	struct term *next;   /* of those that are there */
	int master;
	int report, order;   /* pipes from and to the little shell */
	pid_t shell, program;
	VTerm *vt;
	VTermScreen *screen;
	int alternate, cursor_shown, paste, mouse, saved_cursor;
	int stopped, status;
	struct termios first;
	unsigned long bytes;
	char tail[16];       /* end of the output, to find what libvterm does not tell */
	struct str text, raw;
};

static struct term *terms;

struct report { char kind; int value; }; /* 'p' pid, 's' stopped, 'e' ended: status */

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- the shell: job control for one job --- */

static void tell(int fd, char kind, int value)
{
	struct report r;
	memset(&r, 0, sizeof r); /* no byte of ours that was never written goes through the pipe */
	r.kind = kind;
	r.value = value;
	if (write(fd, &r, sizeof r) < 0)
		_exit(99);
}

static void run_program(char *const argv[], char *const env[])
{
	setpgid(0, 0);
	tcsetpgrp(0, getpgrp());
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	signal(SIGTSTP, SIG_DFL);
	for (int i = 0; env && env[i]; i++)
		putenv(env[i]);
	execv(argv[0], argv);
	_exit(127);
}

static void be_shell(int report, int order, char *const argv[], char *const env[])
{
	int status;
	char go;
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	/* Not before the terminal was looked at: a busy machine lets the program change its modes first. */
	if (read(order, &go, 1) != 1)
		_exit(98);
	pid_t pid = fork();
	if (!pid)
		run_program(argv, env);
	setpgid(pid, pid);
	tell(report, 'p', (int)pid);
	while (waitpid(pid, &status, WUNTRACED) == pid) {
		/* Real shells mend the modes here; this one leaves them as the program did, so that the test sees them. */
		tcsetpgrp(0, getpgrp());
		if (!WIFSTOPPED(status))
			break;
		tell(report, 's', 0);
		if (read(order, &go, 1) != 1)
			break;
		tcsetpgrp(0, pid);
		kill(-pid, SIGCONT);
	}
	tell(report, 'e', status);
	/* Stays, so that the terminal can be asked. */
	while (read(order, &status, 1) == 1)
		;
	kill(-pid, SIGKILL);
	_exit(0);
}

/* --- the terminal --- */

static int set_property(VTermProp prop, VTermValue *val, void *user)
{
	struct term *t = user;
	if (prop == VTERM_PROP_ALTSCREEN)
		t->alternate = val->boolean;
	if (prop == VTERM_PROP_CURSORVISIBLE)
		t->cursor_shown = val->boolean;
	return 1;
}

static void answer(const char *s, size_t n, void *user)
{
	struct term *t = user;
	if (write(t->master, s, n) < 0)
		return;
}

static const VTermScreenCallbacks callbacks = {.settermprop = set_property};

struct term *term_start(int w, int h, char *const argv[], char *const env[])
{
	struct term *t = calloc(1, sizeof *t);
	struct winsize ws = {.ws_row = (unsigned short)h, .ws_col = (unsigned short)w};
	int report[2], order[2];
	if (!t || pipe(report) || pipe(order))
		return NULL;
	for (int i = 0; i < 2; i++) {
		fcntl(report[i], F_SETFD, FD_CLOEXEC);
		fcntl(order[i], F_SETFD, FD_CLOEXEC);
	}
	t->cursor_shown = 1;
	t->status = -1;
	t->next = terms;
	t->shell = forkpty(&t->master, NULL, NULL, &ws);
	if (t->shell < 0) {
		free(t);
		return NULL;
	}
	if (!t->shell) {
		close(report[0]);
		close(order[1]);
		be_shell(report[1], order[0], argv, env);
	}
	terms = t;
	close(report[1]);
	close(order[0]);
	t->report = report[0];
	t->order = order[1];
	tcgetattr(t->master, &t->first);
	fcntl(t->master, F_SETFL, O_NONBLOCK);
	fcntl(t->report, F_SETFL, O_NONBLOCK);
	t->vt = vterm_new(h, w);
	vterm_set_utf8(t->vt, 1);
	vterm_output_set_callback(t->vt, answer, t);
	t->screen = vterm_obtain_screen(t->vt);
	vterm_screen_enable_altscreen(t->screen, 1);
	vterm_screen_set_callbacks(t->screen, &callbacks, t);
	vterm_screen_reset(t->screen, 1);
	if (write(t->order, "g", 1) != 1) {
		term_free(t);
		return NULL;
	}
	return t;
}

void term_free(struct term *t)
{
	if (!t)
		return;
	for (struct term **at = &terms; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	if (t->program > 0 && t->status < 0) {
		kill(t->program, SIGCONT);
		kill(t->program, SIGKILL);
	}
	close(t->order);
	close(t->report);
	if (t->master >= 0)
		close(t->master);
	kill(t->shell, SIGKILL);
	waitpid(t->shell, NULL, 0);
	vterm_free(t->vt);
	str_done(&t->text);
	str_done(&t->raw);
	free(t);
}

void term_free_all(void)
{
	while (terms)
		term_free(terms);
}

/* What libvterm 0.1 does not tell is looked for in the bytes: the switch of bracketed paste, and whether the cursor was saved. */
static void watch_bytes(struct term *t, const char *s, size_t n)
{
	char both[sizeof t->tail + 4096];
	size_t keep = strlen(t->tail);
	memcpy(both, t->tail, keep);
	memcpy(both + keep, s, n);
	both[keep + n] = 0;
	for (char *p = both; p + 8 <= both + keep + n; p++)
		if (!memcmp(p, "\033[?2004", 7))
			t->paste = p[7] == 'h';
		else if (!memcmp(p, "\033[?1000", 7))
			t->mouse = p[7] == 'h';
	for (char *p = both; p + 2 <= both + keep + n; p++)
		t->saved_cursor |= !memcmp(p, "\0337", 2);
	size_t total = keep + n, tail = total < 7 ? total : 7;
	for (size_t i = 0; i < tail; i++)
		t->tail[i] = both[total - tail + i] ? both[total - tail + i] : ' ';
	t->tail[tail] = 0;
}

/* Takes what is there, waiting at most `seconds` for the first of it. */
static void take(struct term *t, double seconds)
{
	char buf[4096];
	struct report r;
	struct timeval tv = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
	fd_set set;
	FD_ZERO(&set);
	if (t->master >= 0)
		FD_SET(t->master, &set);
	FD_SET(t->report, &set);
	select((t->master > t->report ? t->master : t->report) + 1, &set, NULL, NULL, &tv);
	for (ssize_t n; t->master >= 0 && (n = read(t->master, buf, sizeof buf)) > 0;) {
		t->bytes += (unsigned long)n;
		str_add(&t->raw, buf, (size_t)n);
		watch_bytes(t, buf, (size_t)n);
		vterm_input_write(t->vt, buf, (size_t)n);
	}
	while (read(t->report, &r, sizeof r) == (ssize_t)sizeof r) {
		if (r.kind == 'p')
			t->program = r.value;
		else if (r.kind == 's')
			t->stopped = 1;
		else
			t->status = r.value;
	}
}

void term_run(struct term *t, double seconds)
{
	for (double end = now() + seconds, left; (left = end - now()) > 0;)
		take(t, left);
}

void term_type(struct term *t, const char *bytes)
{
	size_t n = strlen(bytes);
	while (n) {
		ssize_t k = write(t->master, bytes, n);
		if (k > 0) {
			bytes += k;
			n -= (size_t)k;
		} else if (errno != EAGAIN) {
			return;
		}
		take(t, 0.01);
	}
}

void term_resize(struct term *t, int w, int h)
{
	struct winsize ws = {.ws_row = (unsigned short)h, .ws_col = (unsigned short)w};
	/* libvterm 0.1 keeps the top of a scroll region that the new size does not have, and writes outside its lines when it scrolls there: no region meanwhile. */
	VTermPos at;
	char calm[64];
	vterm_state_get_cursorpos(vterm_obtain_state(t->vt), &at);
	vterm_input_write(t->vt, calm, (size_t)snprintf(calm, sizeof calm, "\033[r\033[%d;%dH", at.row + 1, at.col + 1));
	vterm_set_size(t->vt, h, w);
	ioctl(t->master, TIOCSWINSZ, &ws);
}

const char *term_screen(struct term *t)
{
	int h, w;
	vterm_get_size(t->vt, &h, &w);
	str_clear(&t->text);
	for (int y = 0; y < h; y++) {
		char line[4096];
		VTermRect r = {y, y + 1, 0, w};
		size_t n = vterm_screen_get_text(t->screen, line, sizeof line, r);
		while (n && line[n - 1] == ' ')
			n--;
		str_add(&t->text, line, n);
		str_putc(&t->text, '\n');
	}
	return t->text.s ? t->text.s : "";
}

static int wait_text(struct term *t, const char *text, int want, double seconds)
{
	for (double end = now() + seconds;;) {
		if ((strstr(term_screen(t), text) != NULL) == want)
			return 1;
		if (now() > end || t->status >= 0)
			break;
		take(t, 0.05);
	}
	take(t, 0);
	return (strstr(term_screen(t), text) != NULL) == want;
}

int term_wait(struct term *t, const char *text, double seconds)
{
	return wait_text(t, text, 1, seconds);
}

int term_wait_gone(struct term *t, const char *text, double seconds)
{
	return wait_text(t, text, 0, seconds);
}

int term_alternate(const struct term *t)
{
	return t->alternate;
}

int term_cursor_shown(const struct term *t)
{
	return t->cursor_shown;
}

int term_mouse_on(const struct term *t)
{
	return t->mouse;
}

int term_paste_on(const struct term *t)
{
	return t->paste;
}

int term_saved_cursor(const struct term *t)
{
	return t->saved_cursor;
}

void term_cursor(struct term *t, int *x, int *y)
{
	VTermPos p;
	vterm_state_get_cursorpos(vterm_obtain_state(t->vt), &p);
	*x = p.col;
	*y = p.row;
}

void term_modes(struct term *t, struct termios *out)
{
	memset(out, 0, sizeof *out);
	tcgetattr(t->master, out);
}

const struct termios *term_first_modes(const struct term *t)
{
	return &t->first;
}

unsigned long term_bytes(const struct term *t)
{
	return t->bytes;
}

int term_count(const struct term *t, unsigned long from, const char *bytes)
{
	size_t n = strlen(bytes);
	int k = 0;
	for (const char *p = t->raw.s + from, *end = t->raw.s + t->raw.len; p && (p = memmem(p, (size_t)(end - p), bytes, n)); p += n)
		k++;
	return k;
}

pid_t term_program(const struct term *t)
{
	return t->program;
}

/* A word of /proc/PID/NAME: the line that begins with `key`, or the whole of it. */
static void add_proc(struct str *out, pid_t pid, const char *name, const char *key)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	FILE *f = pid > 0 ? fopen(path, "re") : NULL;
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, key, strlen(key)))
			str_printf(out, ", %s %.*s", name, (int)strcspn(line, "\n"), line);
	if (f)
		fclose(f);
}

const char *term_about(struct term *t)
{
	str_clear(&t->text);
	str_printf(&t->text, "program %d: %lu bytes so far, %s, status %x, foreground group %d", (int)t->program, t->bytes, t->stopped ? "stopped" : "not stopped",
		   (unsigned)t->status, t->master >= 0 ? (int)tcgetpgrp(t->master) : -1);
	add_proc(&t->text, t->program, "status", "State:");
	add_proc(&t->text, t->program, "wchan", "");
	add_proc(&t->text, t->program, "syscall", "");
	str_putc(&t->text, '\n');
	return t->text.s ? t->text.s : "";
}

void term_signal(struct term *t, int sig)
{
	for (int i = 0; i < 100 && !t->program; i++)
		take(t, 0.05);
	if (t->program)
		kill(t->program, sig);
}

int term_signal_thread(struct term *t, int sig)
{
#ifdef __linux__
	char path[64];
	struct dirent *d;
	int sent = 0;
	snprintf(path, sizeof path, "/proc/%d/task", (int)t->program);
	DIR *dir = opendir(path);
	while (dir && !sent && (d = readdir(dir))) {
		int tid = atoi(d->d_name);
		if (tid > 0 && tid != (int)t->program)
			sent = syscall(SYS_tgkill, (long)t->program, (long)tid, (long)sig) == 0;
	}
	if (dir)
		closedir(dir);
	return sent;
#else
	(void)t, (void)sig;
	return 0;
#endif
}

void term_hang_up(struct term *t)
{
	close(t->master);
	t->master = -1;
}

int term_wait_stopped(struct term *t, double seconds)
{
	for (double end = now() + seconds; !t->stopped && t->status < 0 && now() < end;)
		take(t, 0.05);
	take(t, 0.05);
	return t->stopped;
}

void term_continue(struct term *t)
{
	t->stopped = 0;
	if (write(t->order, "c", 1) < 0)
		return;
}

int term_wait_end(struct term *t, double seconds)
{
	for (double end = now() + seconds; t->status < 0 && now() < end;)
		take(t, 0.05);
	/* What it wrote last. */
	term_run(t, 0.1);
	return t->status;
}
