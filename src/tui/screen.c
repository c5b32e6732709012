/* screen.c: curses. What changed between two grids goes out in one refresh.
 * SPDX-License-Identifier: MIT */
#include "tui/screen.h"

#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/rescue.h"

/* A press and a release that come together are one click to curses. */
#define BUTTON1_DOWN (BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED | BUTTON1_TRIPLE_CLICKED)
/* Presses, releases and motion with a button held (1002), with coordinates beyond 223 (1006). Curses knows no motion without all of it. */
#define MOUSE_ON "\033[?1000h\033[?1002h\033[?1006h"
#define MOUSE_OFF "\033[?1002l\033[?1000l\033[?1006l"

enum { KEY_PASTE_ON = KEY_MAX + 1, KEY_PASTE_OFF };

struct screen {
	SCREEN *term;
	FILE *out;
	int fd;
	int utf8;
	int mouse;              /* it is reported */
	struct grid shown;      /* what the terminal has; w == 0: nothing is known */
	int colours, plain_fg, plain_bg;  /* colours 0: none are to be used */
	attr_t attr[ATTR_N];
	short pair[ATTR_N];
	cchar_t *row;
	int row_cap;
};

/* --- looks --- */

static attr_t flags_attr(const char *f)
{
	attr_t a = 0;
	for (; *f; f++)
		a |= *f == 'b' ? A_BOLD : *f == 'd' ? A_DIM : *f == 'r' ? A_REVERSE : *f == 'u' ? A_UNDERLINE : 0;
	return a;
}

/* Where there are millions of colours, numbers are red, green and blue; below 8 they are the eight of always. */
static int colour_of(const struct look *l, int colours, int back)
{
	int c = colours >= 256 ? (back ? l->bg256 : l->fg256) : colours >= 16 || back ? (back ? l->bg16 : l->fg16) : l->fg8;
	/* The bright half of 16 colours is the dark half to a terminal with 8. */
	if (colours < 16 && back && c >= 8)
		c -= 8;
	if (colours > 256 && c >= 0) {
		c = (int)theme_rgb(c);
		c = c < 8 ? 0 : c;
	}
	return c;
}

void screen_theme(struct screen *s, int theme)
{
	int colours = theme_is_mono(theme) ? 0 : s->colours;
	for (int i = 0; i < ATTR_N; i++) {
		struct look l = theme_look(theme, (enum attr)i);
		s->pair[i] = 0;
		s->attr[i] = flags_attr(colours >= 8 ? l.flags : l.mono);
		if (colours < 8)
			continue;
		int fg = colour_of(&l, colours, 0), bg = colour_of(&l, colours, 1);
		/* No grey to be had: dimmed, unless the theme has nothing dim. */
		if (colours < 256 && fg < 0 && l.fg256 >= 0 && strchr(l.mono, 'd'))
			s->attr[i] |= A_DIM;
		if (init_extended_pair(i + 1, fg < 0 ? s->plain_fg : fg, bg < 0 ? s->plain_bg : bg) == OK)
			s->pair[i] = (short)(i + 1);
	}
}

static void begin_colours(struct screen *s)
{
	const char *no = getenv("NO_COLOR");
	s->plain_fg = s->plain_bg = -1;
	if (!(no && *no) && has_colors() && start_color() == OK)
		s->colours = COLORS;
	/* Without default colours -1 is no colour: white on black is what such terminals are. */
	if (s->colours >= 8 && use_default_colors() == ERR)
		s->plain_fg = COLOR_WHITE, s->plain_bg = COLOR_BLACK;
	screen_theme(s, 0);
}

static int locale_is_utf8(void)
{
	const char *c = nl_langinfo(CODESET);
	return !strcmp(c, "UTF-8") || !strcmp(c, "utf8");
}

/* Whether the user's own locale speaks UTF-8, whatever was set for this program. */
static int user_has_utf8(void)
{
	const char *v = getenv("LC_ALL");
	if (!v || !*v)
		v = getenv("LC_CTYPE");
	if (!v || !*v)
		v = getenv("LANG");
	return v && (strstr(v, "UTF-8") || strstr(v, "utf8") || strstr(v, "UTF8") || strstr(v, "utf-8"));
}

enum glyphs screen_glyphs(void)
{
	const char *wish = getenv("ANETUI_GLYPHS"), *term = getenv("TERM");
	int k = wish ? glyphs_find(wish) : -1;
	if (k >= 0)
		return (enum glyphs)k;
	if (!locale_is_utf8() || !user_has_utf8())
		return GLYPHS_ASCII;
	return term && !strcmp(term, "linux") ? GLYPHS_BLOCK : GLYPHS_BRAILLE;
}

/* --- opening and closing --- */

const char *screen_refuses(void)
{
	const char *term = getenv("TERM");
	int bad;
	if (!term || !*term)
		return "TERM is not set";
	if (!strcmp(term, "dumb"))
		return "TERM is dumb";
	/* setupterm with a place for the error does not end the program, as initscr would. */
	if (setupterm(NULL, 1, &bad) != OK)
		return "this TERM is unknown here";
	char *cup = tigetstr("cup"), *clear_all = tigetstr("clear");
	int can = cup && cup != (char *)-1 && clear_all && clear_all != (char *)-1;
	del_curterm(cur_term);
	return can ? NULL : "this terminal cannot move its cursor";
}

/* A terminfo string without its delays. */
static void add_capability(struct str *out, const char *name)
{
	const char *s = tigetstr((char *)name);
	if (!s || s == (char *)-1)
		return;
	while (*s) {
		const char *end = s[0] == '$' && s[1] == '<' ? strchr(s, '>') : NULL;
		if (end)
			s = end + 1;
		else
			str_putc(out, *s++);
	}
}

static void say(struct screen *s, const char *text)
{
	fflush(s->out);
	if (write(s->fd, text, strlen(text)) < 0)
		return; /* a dead terminal shows itself soon enough */
}

static void arm(struct screen *s, int err_fd)
{
	struct str reset = {0};
	(void)s;
	str_puts(&reset, "\033[?2004l" MOUSE_OFF);
	add_capability(&reset, "sgr0");
	add_capability(&reset, "op");
	add_capability(&reset, "cnorm");
	add_capability(&reset, "rmkx");
	add_capability(&reset, "rmcup");
	rescue_arm(reset.s ? reset.s : "", err_fd);
	str_done(&reset);
}

static void set_modes(void)
{
	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	scrollok(stdscr, FALSE);
	leaveok(stdscr, FALSE);
	set_escdelay(25);
	/* Either form, whatever the terminal is said to send: some keep to one of them. */
	static const struct { const char *bytes; int code; } cursor[] = {{"A", KEY_UP}, {"B", KEY_DOWN}, {"C", KEY_RIGHT}, {"D", KEY_LEFT}, {"H", KEY_HOME}, {"F", KEY_END}};
	for (size_t i = 0; i < ARRAY_LEN(cursor); i++) {
		char form[8];
		snprintf(form, sizeof form, "\033[%s", cursor[i].bytes);
		define_key(form, cursor[i].code);
		snprintf(form, sizeof form, "\033O%s", cursor[i].bytes);
		define_key(form, cursor[i].code);
	}
	/* tmux, PuTTY, rxvt and the Linux console, under whatever name: else such a key is Esc and three letters. */
	static const struct { int number, code; } tilde[] = {{1, KEY_HOME}, {4, KEY_END}, {7, KEY_HOME}, {8, KEY_END}, {11, KEY_F(1)}, {12, KEY_F(2)}};
	for (size_t i = 0; i < ARRAY_LEN(tilde); i++) {
		char form[8];
		snprintf(form, sizeof form, "\033[%d~", tilde[i].number);
		define_key(form, tilde[i].code);
	}
	define_key("\033[200~", KEY_PASTE_ON);
	define_key("\033[201~", KEY_PASTE_OFF);
}

/* Curses has begun with its output going nowhere, and draws there what the terminal shows already: so it knows all and has switched, cleared and written
 * nothing. Then it gets the terminal, with the modes as they are. */
static int settle(struct screen *s, const struct grid *shown)
{
	char *cup = tigetstr("cup");
	struct str place = {0};
	int y, x;
	typeahead(-1); /* keys that wait must not cut this drawing short */
	resizeterm(shown->h, shown->w);
	screen_show(s, shown, 1);
	typeahead(STDIN_FILENO);
	if (fflush(s->out) || dup2(s->fd, fileno(s->out)) < 0)
		return -1;
	fcntl(fileno(s->out), F_SETFD, FD_CLOEXEC);
	def_shell_mode();
	def_prog_mode();
	getyx(stdscr, y, x);
	add_capability(&place, "sgr0");
	if (cup && cup != (char *)-1)
		str_puts(&place, tparm(cup, y, x));
	say(s, place.s ? place.s : "");
	str_done(&place);
	return 0;
}

const struct grid *screen_shown(const struct screen *s)
{
	return &s->shown;
}

struct screen *screen_open(int out, int err_fd, const struct grid *shown, struct err *e)
{
	struct screen *s = mem_zalloc(1, sizeof *s);
	int fd = !s ? -1 : shown ? open("/dev/null", O_WRONLY | O_CLOEXEC) : fcntl(out, F_DUPFD_CLOEXEC, 3);
	if (!s || fd < 0 || !(s->out = fdopen(fd, "w"))) {
		free(s);
		err_set(e, ERR_IO, "screen: the terminal cannot be opened");
		return NULL;
	}
	s->fd = out;
	s->utf8 = locale_is_utf8();
	rescue_remember(out);
	s->term = newterm(NULL, s->out, stdin);
	if (!s->term) {
		fclose(s->out);
		free(s);
		const char *term = getenv("TERM");
		err_set(e, ERR_STATE, "screen: TERM=%s: unknown terminal (--plain works everywhere)", term ? term : "");
		return NULL;
	}
	set_term(s->term);
	arm(s, err_fd);
	begin_colours(s);
	if (shown && settle(s, shown)) {
		screen_close(s, 0);
		err_set(e, ERR_IO, "screen: the terminal cannot be taken over");
		return NULL;
	}
	set_modes();
	if (!shown)
		say(s, "\033[?2004h");
	screen_mouse(s, 1);
	return s;
}

int screen_mouse(struct screen *s, int on)
{
	const char *kmous = tigetstr("kmous");
	int can = kmous && kmous != (char *)-1;
	s->mouse = can && (on < 0 ? !s->mouse : on);
	mouseinterval(0);
	mousemask(s->mouse ? BUTTON1_DOWN | BUTTON1_RELEASED | BUTTON4_PRESSED | BUTTON5_PRESSED | REPORT_MOUSE_POSITION : 0, NULL);
	if (can)
		say(s, s->mouse ? MOUSE_ON : MOUSE_OFF);
	return s->mouse;
}

void screen_close(struct screen *s, int dead)
{
	if (!s)
		return;
	if (!dead) {
		const char *back = tigetstr("rmcup");
		say(s, "\033[?2004l");
		screen_mouse(s, 0);
		/* No other screen to leave: what comes next is printed on an empty line below the picture. */
		if (!back || back == (const char *)-1) {
			move(LINES - 1, 0);
			clrtoeol();
			refresh();
		}
		endwin();
		fflush(s->out);
		rescue_modes();
	}
	rescue_disarm();
	/* delscreen would write to a terminal that is gone. */
	if (!dead) {
		delscreen(s->term);
		fclose(s->out);
	}
	free(s->row);
	grid_done(&s->shown);
	free(s);
}

void screen_leave(struct screen *s)
{
	say(s, s->mouse ? "\033[?2004l" MOUSE_OFF : "\033[?2004l");
	def_prog_mode();
	endwin();
	fflush(s->out);
	rescue_modes();
}

void screen_return(struct screen *s)
{
	reset_prog_mode();
	refresh();
	say(s, s->mouse ? "\033[?2004h" MOUSE_ON : "\033[?2004h");
	s->shown.w = 0;
}

void screen_size(struct screen *s, int *w, int *h)
{
	struct winsize ws;
	if (!ioctl(s->fd, TIOCGWINSZ, &ws) && ws.ws_col && ws.ws_row && (ws.ws_col != COLS || ws.ws_row != LINES)) {
		resizeterm(ws.ws_row, ws.ws_col);
		s->shown.w = 0;
	}
	*w = MAX(COLS, 1);
	*h = MAX(LINES, 1);
}

/* --- showing --- */

static int same_cell(const struct cell *a, const struct cell *b)
{
	return a->ch == b->ch && a->mark == b->mark && a->width == b->width && a->attr == b->attr;
}

static void make_cchar(const struct screen *s, const struct cell *c, cchar_t *out)
{
	wchar_t text[3] = {(wchar_t)c->ch, (wchar_t)c->mark, 0};
	if (!s->utf8 && c->ch > 126) {
		text[0] = L'?';
		text[1] = 0;
	}
	if (setcchar(out, text, s->attr[c->attr], s->pair[c->attr], NULL) == ERR)
		setcchar(out, L"?", s->attr[c->attr], s->pair[c->attr], NULL);
}

/* Writes the cells [from, to) of a row. Without UTF-8 a wide character is one question mark and a blank. */
static void write_cells(struct screen *s, const struct cell *row, int y, int from, int to)
{
	int n = 0;
	for (int x = from; x < to; x++) {
		struct cell c = row[x];
		if (!c.width && s->utf8)
			continue;
		if (!c.width)
			c.ch = ' ';
		make_cchar(s, &c, &s->row[n++]);
	}
	mvadd_wchnstr(y, from, s->row, n);
}

static int write_row(struct screen *s, const struct grid *g, int y, int all)
{
	const struct cell *now = g->cell + (size_t)y * (size_t)g->w, *was = s->shown.cell + (size_t)y * (size_t)g->w;
	int from = 0, to = g->w;
	if (!all) {
		while (from < to && same_cell(&now[from], &was[from]))
			from++;
		while (to > from && same_cell(&now[to - 1], &was[to - 1]))
			to--;
		if (from == to)
			return 0;
		/* Whole characters, of what was there and of what comes. */
		while (from > 0 && (!now[from].width || !was[from].width))
			from--;
		while (to < g->w && (!now[to].width || !was[to].width))
			to++;
	}
	write_cells(s, now, y, from, to);
	return 1;
}

uint64_t screen_show(struct screen *s, const struct grid *g, int all)
{
	int changed = 0;
	all = all || s->shown.w != g->w || s->shown.h != g->h;
	if (g->w > s->row_cap) {
		free(s->row);
		s->row = mem_zalloc((size_t)g->w, sizeof *s->row);
		s->row_cap = s->row ? g->w : 0;
	}
	if (!s->row || (all && grid_resize(&s->shown, g->w, g->h)))
		return 0;
	if (all) {
		erase();
		clearok(stdscr, TRUE);
	}
	for (int y = 0; y < g->h && y < LINES; y++)
		changed += write_row(s, g, y, all);
	if (!changed && g->cursor_x == s->shown.cursor_x && g->cursor_y == s->shown.cursor_y)
		return 0;
	memcpy(s->shown.cell, g->cell, (size_t)g->w * (size_t)g->h * sizeof *g->cell);
	s->shown.cursor_x = g->cursor_x;
	s->shown.cursor_y = g->cursor_y;
	uint64_t start = clock_ns();
	curs_set(0);
	/* Hidden, it rests in the last line, where the prompt has it too. From anywhere else curses may save and restore it to scroll a few lines, and terminals
	 * with one place for this and for the cursor that the shell left (libvterm, which is in Neovim) then gave the shell a hidden one in a wrong line. */
	if (g->cursor_x >= 0)
		move(g->cursor_y, g->cursor_x);
	else
		move(LINES - 1, 0);
	wnoutrefresh(stdscr);
	doupdate();
	if (g->cursor_x >= 0)
		curs_set(1);
	fflush(s->out);
	return clock_ns() - start;
}

/* --- keys --- */

static const struct { int code; const char *name; } named[] = {
	{KEY_UP, "Up"}, {KEY_DOWN, "Down"}, {KEY_LEFT, "Left"}, {KEY_RIGHT, "Right"}, {KEY_HOME, "Home"}, {KEY_END, "End"}, {KEY_PPAGE, "PgUp"},
	{KEY_NPAGE, "PgDn"}, {KEY_DC, "Del"}, {KEY_BTAB, "S-Tab"}, {KEY_F(1), "F1"}, {KEY_F(2), "F2"}, {KEY_BACKSPACE, "Back"}, {KEY_ENTER, "Enter"}};

static void name_char(struct screen_key *k)
{
	char b[5] = "";
	if (k->c == 27)
		snprintf(k->name, sizeof k->name, "Esc");
	else if (k->c == '\r' || k->c == '\n')
		snprintf(k->name, sizeof k->name, "Enter");
	else if (k->c == '\t')
		snprintf(k->name, sizeof k->name, "Tab");
	else if (k->c == ' ')
		snprintf(k->name, sizeof k->name, "Space");
	else if (k->c > 0 && k->c < 32)
		snprintf(k->name, sizeof k->name, "^%c", (char)(k->c + 64));
	else if (utf8_encode((uint32_t)k->c, b) > 0)
		snprintf(k->name, sizeof k->name, "%s", b);
}

static int read_code(struct screen_key *k, int *is_code)
{
	wint_t c;
	int r = get_wch(&c);
	if (r == ERR)
		return 0;
	*is_code = r == KEY_CODE_YES;
	k->c = (wchar_t)c;
	return 1;
}

static int take_mouse(struct screen_key *k)
{
	MEVENT m;
	if (getmouse(&m) == ERR)
		return 0;
	*k = (struct screen_key){.kind = SCREEN_MOUSE, .x = MAX(m.x, 0), .y = MAX(m.y, 0)};
	k->button = m.bstate & BUTTON4_PRESSED ? SCREEN_WHEEL_UP : m.bstate & BUTTON5_PRESSED ? SCREEN_WHEEL_DOWN : m.bstate & BUTTON1_DOWN ? SCREEN_PRESS
		  : m.bstate & BUTTON1_RELEASED ? SCREEN_RELEASE : SCREEN_DRAG;
	return 1;
}

static int take_code(struct screen_key *k)
{
	int code = (int)k->c;
	if (code == KEY_MOUSE)
		return take_mouse(k);
	k->kind = code == KEY_PASTE_ON ? SCREEN_PASTE_BEGIN : code == KEY_PASTE_OFF ? SCREEN_PASTE_END : SCREEN_NONE;
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (named[i].code == code) {
			k->kind = SCREEN_NAMED;
			snprintf(k->name, sizeof k->name, "%s", named[i].name);
		}
	/* Some terminals send what the editor wants as a character under a name. */
	if (code == KEY_BACKSPACE || code == KEY_ENTER) {
		k->kind = SCREEN_CHAR;
		k->c = code == KEY_ENTER ? '\r' : 127;
	}
	return k->kind != SCREEN_NONE;
}

int screen_read_key(struct screen *s, struct screen_key *k)
{
	int is_code;
	(void)s;
	for (;;) {
		*k = (struct screen_key){.kind = SCREEN_CHAR};
		if (!read_code(k, &is_code))
			return 0;
		if (is_code) {
			if (take_code(k))
				return 1;
			continue; /* KEY_RESIZE, which has its own way, and keys without a name */
		}
		if (k->c == 27) {
			struct screen_key second = {.kind = SCREEN_CHAR};
			if (read_code(&second, &is_code) && !is_code && second.c == 27) {
				/* Pressed twice: two keys. */
				unget_wch(27);
			} else if (second.c) {
				*k = second;
				if (is_code && !take_code(k))
					continue;
				k->alt = 1;
			}
		}
		if (k->kind == SCREEN_CHAR)
			name_char(k);
		return 1;
	}
}
