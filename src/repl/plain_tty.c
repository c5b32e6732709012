/* plain_tty.c: libedit on the real terminal, with history and completion. Not for use beside curses.
 * SPDX-License-Identifier: MIT */
#include "repl/plain_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "repl/history.h"
#include "repl/shell.h"
#include "repl/wake.h"
#include "repl/wide.h"

struct plain_tty {
	EditLine *el;
	HistoryW *keys;
	struct history *history;
	const struct engine_snapshot *snap;
	const struct agenda *agenda;
	int (*idle)(void *);
	void *ctx;
	int given_up;
	int in;           /* the terminal, opened for ourselves; never blocks */
	struct completion found;
	char text[4 * 4096 + 1];
};

static wchar_t *prompt(EditLine *el)
{
	static wchar_t text[] = L"anetui> ";
	(void)el;
	return text;
}

static void remember(struct plain_tty *t, const char *line)
{
	HistEventW ev;
	wchar_t wide[HISTORY_LINE_MAX + 1];
	wide_from_utf8(wide, ARRAY_LEN(wide), line);
	history_w(t->keys, &ev, H_ENTER, wide);
}

/* Names of files among them. */
static void list_found(struct completion *c)
{
	putchar('\n');
	for (int i = 0; i < c->n; i++) {
		utf8_one_line(c->word[i]);
		printf("%s%s", c->word[i], i + 1 < c->n ? "  " : "");
	}
	if (c->more)
		printf("  and %d more", c->more);
	putchar('\n');
	fflush(stdout);
}

static unsigned char complete(EditLine *el, wint_t c)
{
	struct plain_tty *t;
	wchar_t wide[140];
	char text[140];
	(void)c;
	el_get(el, EL_CLIENTDATA, &t);
	const LineInfoW *info = el_wline(el);
	if (info->cursor - info->buffer > 4000)
		return CC_ERROR;
	size_t cursor = wide_to_utf8(t->text, info->buffer, (size_t)(info->cursor - info->buffer));
	shell_complete(t->text, cursor, t->snap, t->agenda, &t->found);
	size_t n = shell_complete_text(&t->found, text, sizeof text);
	if (!t->found.n)
		return CC_ERROR;
	if (n > cursor - t->found.from || (n && t->found.n == 1)) {
		int chars = 0;
		for (size_t i = t->found.from; i < cursor; i++)
			chars += ((unsigned char)t->text[i] & 0xC0) != 0x80;
		wide_from_utf8(wide, ARRAY_LEN(wide), text);
		el_deletestr(el, chars);
		el_winsertstr(el, wide);
		return CC_REFRESH;
	}
	list_found(&t->found);
	return CC_REDISPLAY;
}

/* The next character. Waits for the wake pipe too: a signal that comes just before a read() would wait for the next key otherwise. And the read
 * never blocks: ^C throws away what was typed, after select() may have seen it. */
static int next_char(EditLine *el, wchar_t *c)
{
	struct plain_tty *t;
	char bytes[4];
	size_t n = 0;
	el_get(el, EL_CLIENTDATA, &t);
	for (;;) {
		if (!wake_wait(t->in, -1)) {
			if (t->idle(t->ctx)) {
				t->given_up = 1;
				return -1;
			}
			continue;
		}
		ssize_t got = read(t->in, bytes + n, 1);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return 0;
		/* ^D typed before the editor has switched the terminal over comes as a zero byte, and that is what libedit takes for every
		 * key of the terminal that is undefined, "quote the next" too: it would put the next key into the line whatever it means. */
		if (!n && !bytes[0])
			continue;
		uint32_t cp;
		int used = utf8_decode(bytes, ++n, &cp);
		if (used > 0) {
			*c = (wchar_t)cp;
			return 1;
		}
		if (used == -1)
			n = 0;
	}
}

/* A description of its own: O_NONBLOCK on standard input would be the shell's, too. Where that can not be had, standard input has to do. */
static int open_terminal(void)
{
	char name[256];
	int fd = ttyname_r(STDIN_FILENO, name, sizeof name) ? -1 : open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 ? fd : STDIN_FILENO;
}

struct plain_tty *plain_tty_new(const char *history, const struct engine_snapshot *snap, const struct agenda *agenda, int (*idle)(void *), void *ctx)
{
	struct plain_tty *t = mem_zalloc(1, sizeof *t);
	HistEventW ev;
	if (!t)
		return NULL;
	t->in = open_terminal();
	wake_on_signal_restart(SIGINT);
	t->snap = snap;
	t->agenda = agenda;
	t->idle = idle;
	t->ctx = ctx;
	t->history = history_open(history, NULL);
	t->keys = history_winit();
	t->el = t->history && t->keys ? el_init("anetui", stdin, stdout, stderr) : NULL;
	if (!t->el) {
		plain_tty_free(t);
		return NULL;
	}
	el_set(t->el, EL_CLIENTDATA, t);
	el_wset(t->el, EL_PROMPT, prompt);
	el_wset(t->el, EL_GETCFN, next_char);
	el_set(t->el, EL_SIGNAL, 0);
	el_set(t->el, EL_EDITOR, "emacs");
	history_w(t->keys, &ev, H_SETSIZE, HISTORY_LINES);
	history_w(t->keys, &ev, H_SETUNIQUE, 1);
	el_wset(t->el, EL_HIST, history_w, t->keys);
	el_wset(t->el, EL_ADDFN, L"anetui-complete", L"complete the word", complete);
	el_source(t->el, NULL);
	el_wset(t->el, EL_BIND, L"^I", L"anetui-complete", (wchar_t *)NULL);
	for (int i = 0; i < history_count(t->history); i++)
		remember(t, history_line(t->history, i));
	return t;
}

void plain_tty_save(struct plain_tty *t)
{
	history_save(t->history, NULL);
}

void plain_tty_free(struct plain_tty *t)
{
	if (!t)
		return;
	struct err e;
	if (t->history && history_save(t->history, &e))
		fprintf(stderr, "%s\n", e.msg);
	if (t->el)
		el_end(t->el);
	if (t->keys)
		history_wend(t->keys);
	history_close(t->history);
	if (t->in > STDERR_FILENO)
		close(t->in);
	free(t);
}

enum plain_tty_result plain_tty_line(struct plain_tty *t)
{
	int n = 0;
	t->given_up = 0;
	const wchar_t *line = el_wgets(t->el, &n);
	if (t->given_up || !line || n <= 0) {
		putchar('\n');
		fflush(stdout);
		return t->given_up ? PLAIN_TTY_GIVEN_UP : PLAIN_TTY_END;
	}
	while (n && (line[n - 1] == L'\n' || line[n - 1] == L'\r'))
		n--;
	/* Too long for any command: the parser says so. */
	wide_to_utf8(t->text, line, (size_t)MIN(n, 4096));
	if (history_add(t->history, t->text))
		remember(t, t->text);
	return PLAIN_TTY_LINE;
}

const char *plain_tty_text(const struct plain_tty *t)
{
	return t->text;
}
