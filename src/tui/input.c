/* input.c: what keys and typed lines do. Draws nothing, waits for nothing.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tui/filter.h"
#include "tui/keys.h"
#include "tui/ref.h"
#include "tui/setlist.h"
#include "tui/picture.h"
#include "tui/ui.h"

/* --- commands --- */

int64_t ui_command(struct ui *u, struct shell *sh, const char *line)
{
	struct err e = {0};
	char clock[12];
	ui_clock(clock);
	u->shell_text = 0;
	u->line = line;
	if (sh == u->shell) /* a script's line leaves what the script has said */
		view_message(&u->view, LOG_INFO, "");
	int64_t rc = shell_line(sh, line, &e);
	u->line = NULL;
	u->dirty = u->look_now = 1;
	if (rc < 0) {
		view_log(&u->view, LOG_ERROR, clock, e.msg);
		view_message(&u->view, LOG_ERROR, e.msg);
	} else if (u->shell_text) {
		view_answer_end(&u->view, clock);
	} else if (rc > 0 && sh == u->shell) {
		view_answer_begin(&u->view, (uint32_t)rc, line);
	}
	return rc;
}

void ui_line(void *ctx, const char *utf8)
{
	struct ui *u = ctx;
	u->view.prompt.open = 0;
	u->view.prompt.ncand = 0;
	if (utf8[strspn(utf8, " \t:")])
		ui_command(u, u->shell, utf8);
	u->dirty = 1;
}

static void host_text(void *ctx, const char *s)
{
	struct ui *u = ctx;
	if (!u->shell_text++)
		view_answer_begin(&u->view, 0, u->line ? u->line : "");
	view_answer_text(&u->view, s);
}

static int host_layout(void *ctx, const char *name, struct err *e)
{
	struct ui *u = ctx;
	char text[80];
	if (!name) {
		snprintf(text, sizeof text, "layout %s (drawn: %s)\n", layout_name(u->view.layout), layout_name(u->layout.kind));
		host_text(ctx, text);
		return 0;
	}
	int k = layout_find(name);
	if (k < 0)
		return err_set(e, ERR_USAGE, "layout: %s: must be auto, stage, wide, tall, strips or tiny", name);
	u->view.layout = (enum layout_kind)k;
	u->view.zoom = -1;
	memset(&u->view.moves.by[k], 0, sizeof u->view.moves.by[k]);
	layout_make(&u->layout, u->grid.w, u->grid.h, u->view.layout, -1, NULL);
	if (k != LAYOUT_AUTO && u->layout.kind != u->view.layout) {
		snprintf(text, sizeof text, "layout %s needs a larger window; %s is shown\n", name, layout_name(u->layout.kind));
		host_text(ctx, text);
	}
	return 0;
}

static int host_zoom(void *ctx, const char *pane, struct err *e)
{
	struct ui *u = ctx;
	if (!pane || !strcmp(pane, "off")) {
		u->view.zoom = pane || u->view.zoom >= 0 ? -1 : u->view.focus;
		return 0;
	}
	int p = layout_find_pane(pane);
	if (p < 0)
		return err_set(e, ERR_USAGE, "zoom: %s: must be loss, now, power, kernels, sample, log, curves, big or off", pane);
	u->view.zoom = u->view.focus = p;
	return 0;
}

/* The screen as it stands, as text or a picture. Drawn anew, so that it shows no prompt. */
static int host_screen(void *ctx, const char *path, struct err *e)
{
	struct ui *u = ctx;
	struct str s = {0};
	frame_draw(&u->grid, &u->view, &u->layout);
	picture_make(&u->grid, u->view.theme, path, &s);
	/* A pipe that nobody reads must not make the screen wait. */
	int fd = s.failed ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666), rc = 0;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (s.failed)
		rc = err_nomem(e, "screen", s.cap);
	else if (!f)
		rc = err_set(e, ERR_IO, "screen: %s: %s", path, strerror(errno));
	else if (fputs(s.s, f) < 0 || fflush(f))
		rc = err_set(e, ERR_IO, "screen: %s: %s", path, strerror(errno));
	if (f ? fclose(f) : fd >= 0 && close(fd))
		rc = rc ? rc : err_set(e, ERR_IO, "screen: %s: %s", path, strerror(errno));
	str_done(&s);
	if (!rc) {
		char text[LOG_TEXT];
		snprintf(text, sizeof text, "screen: %.180s: written\n", path);
		host_text(ctx, text);
	}
	return rc;
}

static int host_ref(void *ctx, const char *run, struct err *e)
{
	struct ui *u = ctx;
	char dir[256], text[LOG_TEXT];
	if (!run) {
		snprintf(text, sizeof text, "ref %.200s\n", u->view.ref ? u->view.ref_name : "off");
		host_text(ctx, text);
		return 0;
	}
	struct series *s = strcmp(run, "off") ? ref_read(run, dir, sizeof dir, e) : NULL;
	if (!s && strcmp(run, "off"))
		return e->code;
	free(u->view.ref);
	u->view.ref = s;
	snprintf(u->view.ref_name, sizeof u->view.ref_name, "%s", s ? dir : "");
	if (s)
		snprintf(text, sizeof text, "ref %.120s: step %llu, drawn behind\n", dir, (unsigned long long)s->step);
	else
		snprintf(text, sizeof text, "ref off\n");
	host_text(ctx, text);
	return 0;
}

/* Both tell themselves when nothing is said. */
static int host_theme(void *ctx, const char *name, struct err *e)
{
	struct ui *u = ctx;
	char text[200];
	int k = name ? theme_find(name) : u->view.theme;
	if (k < 0)
		return err_set(e, ERR_USAGE, "theme: %s: must be dark, light, contrast, cb or mono", name);
	u->view.theme = k;
	if (u->screen)
		screen_theme(u->screen, k);
	u->redraw_all = 1;
	if (!name) {
		snprintf(text, sizeof text, "theme %s: %s\n", theme_name(k), theme_help(k));
		host_text(ctx, text);
	}
	return 0;
}

static int host_settings(void *ctx, const char *text, struct err *e)
{
	struct ui *u = ctx;
	(void)e;
	setlist_open(&u->view, text);
	return 0;
}

static void host_quit(void *ctx, int now)
{
	ui_stop(ctx, now ? STOP_NOW : STOP_SAVE, "quit");
}

void ui_shell_host(struct ui *u, struct shell_host *h)
{
	*h = (struct shell_host){.ctx = u, .text = host_text, .layout = host_layout, .zoom = host_zoom, .screen = host_screen, .ref = host_ref, .theme = host_theme, .settings = host_settings, .quit = host_quit, .agenda = u->agenda};
}

/* --- the prompt --- */

void ui_sync_prompt(struct ui *u)
{
	struct prompt *p = &u->view.prompt;
	struct lineedit_view v;
	if (!p->open || !u->editor)
		return;
	lineedit_state(u->editor, &v);
	if (!strcmp(p->line, v.line) && p->cursor == v.cursor && p->vi_command == v.vi_command && !strcmp(p->search, v.search))
		return;
	snprintf(p->line, sizeof p->line, "%s", v.line);
	snprintf(p->search, sizeof p->search, "%s", v.search);
	p->vi_command = v.vi_command;
	p->cursor = MIN(v.cursor, strlen(p->line));
	p->hint[0] = 0;
	if (p->cursor == strlen(p->line) && p->line[0])
		shell_hint(p->line, &u->view.live->snap, u->agenda, p->hint, sizeof p->hint);
	u->dirty = 1;
}

/* Bytes that all candidates have in common, whole characters. */
static size_t common_prefix(const struct completion *c)
{
	size_t n = strlen(c->word[0]);
	for (int i = 1; i < c->n; i++) {
		size_t k = 0;
		while (k < n && c->word[0][k] == c->word[i][k])
			k++;
		n = k;
	}
	while (n && ((unsigned char)c->word[0][n] & 0xc0) == 0x80)
		n--;
	return n;
}

void ui_complete(void *ctx)
{
	struct ui *u = ctx;
	struct completion *c = &u->completion;
	struct prompt *p = &u->view.prompt;
	struct lineedit_view v;
	char word[sizeof c->word[0] + 2];
	lineedit_state(u->editor, &v);
	size_t cursor = v.cursor;
	shell_complete(v.line, cursor, &u->view.live->snap, u->agenda, c);
	p->ncand = 0;
	u->dirty = 1;
	if (c->n < 1 || c->from > cursor)
		return;
	size_t n = common_prefix(c);
	if (c->n == 1) {
		/* A folder and a key go on at once; anything else is a finished word. */
		int open = n && strchr("/=", c->word[0][n - 1]);
		snprintf(word, sizeof word, "%s%s", c->word[0], open ? "" : " ");
		lineedit_replace(u->editor, c->from, word);
		return;
	}
	if (n > cursor - c->from) {
		snprintf(word, sizeof word, "%.*s", (int)n, c->word[0]);
		lineedit_replace(u->editor, c->from, word);
	}
	p->ncand = MIN(c->n, CANDIDATES);
	p->more = c->more;
	for (int i = 0; i < p->ncand; i++)
		memcpy(p->cand[i], c->word[i], sizeof p->cand[i]);
}

void ui_open_prompt(struct ui *u)
{
	u->view.prompt.open = 1;
	u->view.prompt.line[0] = u->view.prompt.hint[0] = u->view.prompt.search[0] = 0;
	u->view.prompt.cursor = 0;
	view_message(&u->view, LOG_INFO, "");
}

/* 1: the key is one for the panes even while the prompt is open. */
static int prompt_side_key(struct ui *u, const struct screen_key *k)
{
	if (!strcmp(k->name, "PgUp") || !strcmp(k->name, "PgDn"))
		view_scroll_page(&u->view, k->name[2] == 'U' ? -1 : 1);
	else if (!strcmp(k->name, "^L"))
		u->redraw_all = 1;
	else
		return 0;
	return 1;
}

static void prompt_key(struct ui *u, const struct screen_key *k)
{
	static const struct { const char *name; wchar_t code; } codes[] = {
		{"Up", LE_UP}, {"Down", LE_DOWN}, {"Left", LE_LEFT}, {"Right", LE_RIGHT}, {"Home", LE_HOME}, {"End", LE_END}, {"Del", LE_DELETE}};
	struct prompt *p = &u->view.prompt;
	int searching = p->search[0] != 0;
	p->ncand = 0;
	if (k->kind == SCREEN_NAMED) {
		for (size_t i = 0; i < ARRAY_LEN(codes); i++)
			if (!strcmp(k->name, codes[i].name)) {
				ui_queue(u, codes[i].code);
				return;
			}
		prompt_side_key(u, k);
		return;
	}
	if (k->c == 27 && (p->vi_command || !lineedit_is_vi(u->editor))) {
		/* Out of a search first, then out of the prompt. vi users press it to get to command mode: there it leaves. */
		ui_queue(u, LE_CANCEL);
		p->open = searching;
		return;
	}
	if (k->c == 3) {
		/* ^C in an empty line leaves it: the next one interrupts. */
		ui_queue(u, LE_CANCEL);
		p->open = p->line[0] || searching;
		return;
	}
	if (prompt_side_key(u, k))
		return;
	if ((k->c == 4 || k->c == 127 || k->c == 8) && !p->line[0] && !searching) {
		p->open = 0;
		return;
	}
	if (k->alt)
		ui_queue(u, 27);
	ui_queue(u, k->c == '\r' ? L'\n' : k->c);
}

static void ask_key(struct ui *u, const struct screen_key *k)
{
	u->view.ask = ASK_NONE;
	if (!strcmp(k->name, "s") || !strcmp(k->name, "Enter"))
		ui_stop(u, STOP_SAVE, "quit");
	else if (!strcmp(k->name, "q"))
		ui_stop(u, STOP_NOW, "quit");
	else if (strcmp(k->name, "Esc") && strcmp(k->name, "^C"))
		u->view.ask = ASK_QUIT;
}

/* Pasted text is text: its newlines run nothing and its letters press no keys. */
static void pasted(struct ui *u, const struct screen_key *k)
{
	wchar_t c = k->c;
	if (k->kind != SCREEN_CHAR || u->view.ask != ASK_NONE)
		return;
	if (!u->view.prompt.open) {
		ui_open_prompt(u);
		if (c == ':')
			return;
	}
	if (c == '\r' || c == '\n' || c == '\t')
		c = L' ';
	if (c >= 32 && c != 127)
		ui_queue(u, c);
}

void ui_key(struct ui *u, const struct screen_key *k)
{
	u->dirty = 1;
	if (k->kind == SCREEN_MOUSE) {
		ui_mouse(u, k);
		return;
	}
	if (k->kind == SCREEN_PASTE_BEGIN || k->kind == SCREEN_PASTE_END) {
		u->pasting = k->kind == SCREEN_PASTE_BEGIN;
	} else if (u->pasting) {
		pasted(u, k);
	} else if (!strcmp(k->name, "^Z")) {
		ui_suspend(u); /* whatever is asked or typed */
	} else if (u->stopping) {
		if (!strcmp(k->name, "^C"))
			ui_give_up(u);
	} else if (u->view.ask != ASK_NONE) {
		ask_key(u, k);
	} else if (u->view.filtering != FILTER_NONE) {
		filter_key(&u->view, k->kind == SCREEN_CHAR ? k->c : 0, k->name);
	} else if (u->view.prompt.open) {
		if (!strcmp(k->name, "F1"))
			ui_act(u, KEYS_HELP, 0);
		else
			prompt_key(u, k);
	} else {
		int which;
		/* No key has Alt here: it was Escape, and then another key, quickly. */
		if (k->alt)
			ui_act(u, KEYS_CLOSE, 0);
		if (u->view.live->snap.view.kind == VIEW_REPLAY && ui_replay_key(u, k->name))
			return;
		enum key_action a = key_find(k->name, &which);
		ui_act(u, a, which);
	}
}
