/* lineedit.c: libedit on a pseudo-terminal of its own, its output thrown away; the caller's loop runs where libedit waits for a key. Draws nothing.
 *
 * Ways that were tried and dropped: libedit on the real terminal (it paints over the panes and changes the terminal's mode at every Enter), and one call a key with
 * EL_UNBUFFERED (commands that read further keys by themselves lose the line). What libedit needs to be told, and why, stands at each place below.
 * SPDX-License-Identifier: MIT */
#include "repl/lineedit.h"

#include <fcntl.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "repl/history.h"
#include "repl/lineedit_small.h"
#include "repl/wide.h"

/* Where a vi user is, guessed from the keys: libedit does not tell. Only for showing it. */
enum vi_mode { VI_INSERT, VI_COMMAND, VI_CHANGE, VI_CHARACTER, VI_CHANGE_CHARACTER };

enum { KEYS_MAX = 2048 };

struct lineedit {
	struct lineedit_host host;
	struct history *history;
	int ended;                 /* the host said 0 */
	int asked;                 /* it was asked since el_wgets began */
	int is_vi;
	enum vi_mode vi;
	char warning[ERR_MSG_MAX];
	struct small_editor *small; /* instead of all that follows */

	EditLine *el;
	HistoryW *keys;            /* what Up and ^R go through, filled from history */
	int master;
	FILE *in, *out, *null;

	wchar_t keys_log[KEYS_MAX]; /* what the line that is being typed was made with; completions as if typed */
	int nlog;                  /* KEYS_MAX: there were more, so only the line itself is known */
	const wchar_t *again;      /* of another process, to be read first */
	size_t nagain;

	char *view;                /* the line in UTF-8, and the search behind it */
	size_t view_cap;
};

#if defined(__SANITIZE_ADDRESS__)
/* The terminal library, asked by libedit for its sequences, keeps eight bytes for each time: not ours to free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:_nc_trim_sgr0\n";
}
#endif

/* --- what libedit calls --- */

static struct lineedit *of(EditLine *el)
{
	void *l = NULL;
	el_get(el, EL_CLIENTDATA, &l);
	return l;
}

/* --- the keys of a line --- */

static void log_key(struct lineedit *l, wchar_t c)
{
	if (l->nlog < KEYS_MAX)
		l->keys_log[l->nlog++] = c;
}

/* The next character: another process's first. Tab is kept as what it did: later it may find something else. */
static int take_char(struct lineedit *l, wchar_t *c)
{
	if (l->nagain) {
		*c = *l->again++;
		l->nagain--;
	} else if (!l->host.next(l->host.ctx, c)) {
		return 0;
	}
	if (*c != L'\t')
		log_key(l, *c);
	return 1;
}

static void watch_vi(struct lineedit *l, wchar_t c)
{
	switch (l->vi) {
	case VI_INSERT:
		if (c == 27)
			l->vi = VI_COMMAND;
		break;
	case VI_COMMAND:
		if (c < 128 && c && strchr("iIaAsSCR", (int)c))
			l->vi = VI_INSERT;
		else if (c == L'c')
			l->vi = VI_CHANGE;
		else if (c < 128 && c && strchr("rfFtT", (int)c))
			l->vi = VI_CHARACTER;
		break;
	case VI_CHANGE:
		if (c == 27)
			l->vi = VI_COMMAND;
		else if (c < 128 && c && strchr("fFtT", (int)c))
			l->vi = VI_CHANGE_CHARACTER;
		else if (!(c >= L'1' && c <= L'9'))
			l->vi = VI_INSERT;
		break;
	case VI_CHARACTER:
		l->vi = VI_COMMAND;
		break;
	case VI_CHANGE_CHARACTER:
		l->vi = VI_INSERT;
		break;
	}
	if (c == L'\r' || c == L'\n' || c == LE_CANCEL)
		l->vi = VI_INSERT;
}

static int next_char(EditLine *el, wchar_t *c)
{
	struct lineedit *l = of(el);
	l->asked = 1;
	if (l->ended || !take_char(l, c)) {
		l->ended = 1;
		*c = 0;
		return 0;
	}
	if (l->is_vi)
		watch_vi(l, *c);
	return 1;
}

static unsigned char do_complete(EditLine *el, wint_t c)
{
	struct lineedit *l = of(el);
	(void)c;
	if (l->host.complete)
		l->host.complete(l->host.ctx);
	return CC_REFRESH;
}

/* CC_FATAL makes libedit forget the line, the place in the history and vi's mode. Deleting the text would leave the place behind. */
static unsigned char do_cancel(EditLine *el, wint_t c)
{
	(void)el;
	(void)c;
	return CC_FATAL;
}

/* We draw the prompt. */
static wchar_t *no_prompt(EditLine *el)
{
	static wchar_t none[1];
	(void)el;
	return none;
}

/* --- making it --- */

static void bind_key(EditLine *el, const wchar_t *key, const wchar_t *function)
{
	el_wset(el, EL_BIND, key, function, (wchar_t *)NULL);
}

static void bind_both(EditLine *el, const wchar_t *key, const wchar_t *function)
{
	bind_key(el, key, function);
	el_wset(el, EL_BIND, L"-a", key, function, (wchar_t *)NULL);
}

/* After the user's own file, which may switch to vi and so forget all bindings. */
static void bind_keys(struct lineedit *l)
{
	static const struct { const wchar_t *key, *function; } keys[] = {
		{L"\\200", L"ed-prev-history"},       {L"\\201", L"ed-next-history"},     {L"\\202", L"ed-prev-char"},
		{L"\\203", L"ed-next-char"},          {L"\\204", L"ed-move-to-beg"},      {L"\\205", L"ed-move-to-end"},
		{L"\\206", L"ed-delete-next-char"},   {L"\\207", L"anetui-cancel"},
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		bind_both(l->el, keys[i].key, keys[i].function);
	bind_key(l->el, L"^I", L"anetui-complete");
	/* In vi's insert mode ^R redraws otherwise. A search ends at any character whose low byte is a control character's (U+010D as if it were Enter): libedit's
	 * table has 256 entries and it looks there with one byte. */
	bind_key(l->el, L"^R", L"em-inc-search-prev");
	if (l->is_vi) {
		/* They would start an editor, or ask for a libedit command, on a terminal that nobody sees. */
		el_wset(l->el, EL_BIND, L"-a", L"v", L"ed-unassigned", (wchar_t *)NULL);
		el_wset(l->el, EL_BIND, L"-a", L":", L"ed-unassigned", (wchar_t *)NULL);
	}
}

/* el_source stops at the first bad line and says the same as for a file that is not there: look first, and catch what it prints. */
static void read_editrc(struct lineedit *l)
{
	const char *env = getenv("EDITRC"), *home = getenv("HOME");
	char path[4096], *text = NULL;
	size_t n = 0;
	snprintf(path, sizeof path, "%s", env && *env ? env : "");
	if (!*path && home)
		snprintf(path, sizeof path, "%s/.editrc", home);
	if (!*path || access(path, R_OK) || file_is_dir(path))
		return;
	FILE *said = open_memstream(&text, &n);
	if (!said)
		return;
	el_set(l->el, EL_SETFP, 2, said);
	int rc = el_source(l->el, path);
	fflush(said);
	if (rc || n) {
		for (char *c = text; c && *c; c++)
			if (*c == '\n')
				*c = c[1] ? ';' : 0;
		snprintf(l->warning, sizeof l->warning, "editrc: %.200s: %.200s", path, n && *text ? text : "a line was refused");
	}
	el_set(l->el, EL_SETFP, 2, l->null);
	fclose(said);
	free(text);
}

/* Both ends of a pseudo-terminal of a fixed, wide size: libedit refuses to edit unless its output is a terminal when it starts. */
static int open_pty(struct lineedit *l)
{
	const struct winsize size = {.ws_row = 24, .ws_col = 1024};
	char name[128];
	l->master = posix_openpt(O_RDWR | O_NOCTTY);
	if (l->master < 0)
		return -1;
	fcntl(l->master, F_SETFD, FD_CLOEXEC);
	const char *slave = grantpt(l->master) || unlockpt(l->master) ? NULL : ptsname(l->master);
	if (!slave)
		return -1;
	snprintf(name, sizeof name, "%s", slave);
	int in = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC), out = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	l->in = in < 0 ? NULL : fdopen(in, "r");
	l->out = out < 0 ? NULL : fdopen(out, "w");
	if (in >= 0 && !l->in)
		close(in);
	if (out >= 0 && !l->out)
		close(out);
	l->null = fopen("/dev/null", "we");
	if (!l->in || !l->out || !l->null || ioctl(in, TIOCSWINSZ, &size))
		return -1;
	return 0;
}

static void remember(struct lineedit *l, const char *line)
{
	HistEventW ev;
	wchar_t wide[HISTORY_LINE_MAX + 1];
	wide_from_utf8(wide, ARRAY_LEN(wide), line);
	if (l->keys)
		history_w(l->keys, &ev, H_ENTER, wide);
}

static int open_libedit(struct lineedit *l)
{
	HistEventW ev;
	int editing = 1;
	const char *mode = NULL;
	if (open_pty(l) || !(l->el = el_init("anetui", l->in, l->out, l->null)) || !(l->keys = history_winit()))
		return -1;
	el_set(l->el, EL_SETFP, 1, l->null);
	el_set(l->el, EL_CLIENTDATA, l);
	el_wset(l->el, EL_PROMPT, no_prompt);
	el_set(l->el, EL_SIGNAL, 0);
	el_set(l->el, EL_EDITOR, "emacs");
	history_w(l->keys, &ev, H_SETSIZE, HISTORY_LINES); /* 0 by default: nothing would be kept */
	history_w(l->keys, &ev, H_SETUNIQUE, 1);
	el_wset(l->el, EL_HIST, history_w, l->keys);
	el_wset(l->el, EL_GETCFN, next_char);
	el_wset(l->el, EL_ADDFN, L"anetui-complete", L"complete the word", do_complete);
	el_wset(l->el, EL_ADDFN, L"anetui-cancel", L"forget the line", do_cancel);
	read_editrc(l);
	/* EL_TERMINAL is never called: it would replace the terminal description that curses uses. */
	el_get(l->el, EL_EDITOR, &mode);
	l->is_vi = mode && !strcmp(mode, "vi");
	bind_keys(l);
	el_get(l->el, EL_EDITMODE, &editing);
	for (int i = 0; i < history_count(l->history); i++)
		remember(l, history_line(l->history, i));
	return editing ? 0 : -1;
}

static void close_libedit(struct lineedit *l)
{
	if (l->el)
		el_end(l->el);
	if (l->keys)
		history_wend(l->keys);
	if (l->in)
		fclose(l->in);
	if (l->out)
		fclose(l->out);
	if (l->null)
		fclose(l->null);
	if (l->master >= 0)
		close(l->master);
	l->el = NULL;
	l->keys = NULL;
	l->in = l->out = l->null = NULL;
	l->master = -1;
	l->is_vi = 0;
}

struct lineedit *lineedit_new(const struct lineedit_host *h, const char *history, const struct handover *from, struct err *e)
{
	struct lineedit *l = mem_zalloc(1, sizeof *l);
	if (!l) {
		err_nomem(e, "line editor", sizeof *l);
		return NULL;
	}
	l->host = *h;
	l->master = -1;
	l->history = from ? history_take_over(history, from, e) : history_open(history, e);
	if (from) {
		l->again = handover_find(from, "line.keys", &l->nagain);
		l->nagain /= sizeof *l->again;
	}
	if (!l->history) {
		lineedit_free(l);
		return NULL;
	}
	if (open_libedit(l)) {
		if (!l->warning[0])
			snprintf(l->warning, sizeof l->warning, "line editor: the small one is used (%s)", l->el ? "editrc says: edit off" : "no pseudo-terminal");
		close_libedit(l);
		l->small = mem_zalloc(1, sizeof *l->small);
		if (!l->small) {
			err_nomem(e, "line editor", sizeof *l->small);
			lineedit_free(l);
			return NULL;
		}
		small_init(l->small, l->history);
	}
	return l;
}

void lineedit_free(struct lineedit *l)
{
	if (!l)
		return;
	if (l->history)
		history_save(l->history, NULL);
	close_libedit(l);
	history_close(l->history);
	free(l->small);
	free(l->view);
	free(l);
}

int lineedit_save(struct lineedit *l, struct err *e)
{
	return history_save(l->history, e);
}

const char *lineedit_warning(const struct lineedit *l)
{
	return l->warning[0] ? l->warning : NULL;
}

int lineedit_is_vi(const struct lineedit *l)
{
	return l->is_vi;
}

/* --- running --- */

/* Enter: n characters, without the newline. */
static void line_is_whole(struct lineedit *l, const wchar_t *text, size_t n)
{
	char *utf8 = mem_zalloc(n + 1, 4);
	if (!utf8)
		return;
	wide_to_utf8(utf8, text, n);
	if (history_add(l->history, utf8))
		remember(l, utf8);
	l->host.line(l->host.ctx, utf8);
	free(utf8);
}

static void run_small(struct lineedit *l)
{
	struct small_editor *s = l->small;
	wchar_t c;
	while (take_char(l, &c)) {
		enum small_result r = small_key(s, c);
		if (r == SMALL_LINE || c == LE_CANCEL)
			l->nlog = 0;
		if (r == SMALL_COMPLETE && l->host.complete)
			l->host.complete(l->host.ctx);
		if (r != SMALL_LINE)
			continue;
		wchar_t text[SMALL_MAX + 1];
		int n = s->length;
		wmemcpy(text, s->text, (size_t)n);
		small_clear(s);
		line_is_whole(l, text, (size_t)n);
		small_clear(s); /* the history may be longer now */
	}
}

void lineedit_run(struct lineedit *l)
{
	if (l->small) {
		run_small(l);
		return;
	}
	l->ended = 0;
	do {
		int n = 0;
		l->asked = l->nlog = 0;
		const wchar_t *text = el_wgets(l->el, &n);
		if (l->ended)
			break;
		/* ^D in an empty line gives nothing and is no end: the host has its own ways out. */
		if (!text || n <= 0)
			continue;
		while (n && (text[n - 1] == L'\n' || text[n - 1] == L'\r'))
			n--;
		line_is_whole(l, text, (size_t)n);
	} while (l->asked);
}

/* --- looking and changing --- */

static int view_room(struct lineedit *l, size_t chars)
{
	return mem_grow(&l->view, &l->view_cap, chars * 4 + 2, 1);
}

void lineedit_state(struct lineedit *l, struct lineedit_view *v)
{
	const wchar_t *text, *cursor, *end;
	*v = (struct lineedit_view){"", 0, "", l->is_vi && l->vi != VI_INSERT};
	if (l->small) {
		text = l->small->text;
		cursor = text + l->small->cursor;
		end = text + l->small->length;
	} else {
		const LineInfoW *info = el_wline(l->el);
		text = info->buffer;
		cursor = info->cursor;
		end = info->lastchar;
	}
	/* While one searches, libedit keeps its "bck:pattern" in the same buffer, behind a newline. */
	const wchar_t *split = wmemchr(text, L'\n', (size_t)(end - text));
	if (view_room(l, (size_t)(end - text) + 2))
		return;
	size_t n = wide_to_utf8(l->view, text, (size_t)((split ? split : end) - text));
	if (split)
		wide_to_utf8(l->view + n + 1, split + 1, (size_t)(end - split - 1));
	/* Where the cursor is in bytes: one character at a time, into a place of its own. */
	char one[8];
	for (const wchar_t *c = text; c < cursor && c < (split ? split : end); c++)
		v->cursor += wide_to_utf8(one, c, 1);
	v->line = l->view;
	v->search = split ? l->view + n + 1 : "";
}

static void insert_wide(struct lineedit *l, const wchar_t *w)
{
	for (const wchar_t *c = w; *c; c++)
		log_key(l, *c);
	if (l->small)
		small_insert(l->small, w);
	else
		el_winsertstr(l->el, w);
}

void lineedit_insert(struct lineedit *l, const char *utf8)
{
	size_t n = strlen(utf8);
	wchar_t *w = mem_zalloc(n + 1, sizeof *w);
	if (w && wide_from_utf8(w, n + 1, utf8))
		insert_wide(l, w);
	free(w);
}

/* Characters in the first `n` bytes of a UTF-8 text. */
static int count_chars(const char *s, size_t n)
{
	int k = 0;
	for (size_t i = 0; i < n; i++)
		k += ((unsigned char)s[i] & 0xC0) != 0x80;
	return k;
}

void lineedit_replace(struct lineedit *l, size_t from, const char *utf8)
{
	struct lineedit_view v;
	lineedit_state(l, &v);
	if (from < v.cursor) {
		int n = count_chars(v.line + from, v.cursor - from);
		for (int i = 0; i < n; i++)
			log_key(l, 127);
		if (l->small)
			small_delete_before(l->small, n);
		else
			el_deletestr(l->el, n);
	}
	lineedit_insert(l, utf8);
}

void lineedit_set(struct lineedit *l, const char *utf8)
{
	struct lineedit_view v;
	lineedit_state(l, &v);
	if (l->small)
		l->small->cursor = l->small->length;
	else
		el_cursor(l->el, count_chars(v.line, strlen(v.line)));
	lineedit_replace(l, 0, utf8);
}

/* --- a restart --- */

void lineedit_hand_over(struct lineedit *l, struct handover *to)
{
	history_hand_over(l->history, to);
	if (l->nlog == KEYS_MAX) {
		struct lineedit_view v;
		lineedit_state(l, &v);
		int n = count_chars(v.line, strlen(v.line)), back = count_chars(v.line + v.cursor, strlen(v.line) - v.cursor);
		n = (int)wide_from_utf8(l->keys_log, (size_t)MIN(n + 1, KEYS_MAX - 1), v.line);
		for (l->nlog = n; back-- > 0 && l->nlog < KEYS_MAX;)
			l->keys_log[l->nlog++] = LE_LEFT;
	}
	handover_put(to, "line.keys", l->keys_log, (size_t)l->nlog * sizeof *l->keys_log);
}
