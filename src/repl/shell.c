/* shell.c: a line done: sent to the engine, answered here, or handed to the host. No parsing rules, no terminal.
 * SPDX-License-Identifier: MIT */
#include "repl/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repl/words.h"

struct shell {
	struct engine *engine;
	struct shell_host host;
	int scripted;
	struct parsed line;
	struct engine_cmd cmd;
	struct engine_snapshot snap;
};

struct shell *shell_new(struct engine *g, const struct shell_host *host, int scripted, struct err *e)
{
	struct shell *s = mem_zalloc(1, sizeof *s);
	if (!s) {
		err_nomem(e, "shell", sizeof *s);
		return NULL;
	}
	s->engine = g;
	s->host = *host;
	s->scripted = scripted;
	return s;
}

void shell_free(struct shell *s)
{
	free(s);
}

static int64_t send_to_engine(struct shell *s, struct err *e)
{
	struct engine_cmd *c = &s->cmd;
	size_t used = 0;
	memset(c, 0, sizeof *c);
	c->op = s->line.id;
	c->argc = s->line.argc;
	c->scripted = s->scripted;
	for (int i = 0; i < c->argc; i++) {
		size_t n = strlen(s->line.argv[i]) + 1;
		if (n > sizeof c->words - used)
			return err_set(e, ERR_USAGE, "%s: too many words", command_row(c->op)->name);
		memcpy(c->words + used, s->line.argv[i], n);
		used += n;
	}
	c->id = engine_next_id(s->engine);
	int rc = engine_send(s->engine, c, e);
	return rc ? rc : (int64_t)c->id;
}

/* Adds what a key is at now: the table does not know. */
static void add_present(struct shell *s, const char *key, struct str *out)
{
	char value[SETTING_TEXT_MAX];
	int id = setting_find(key, NULL);
	if (id < 0 || strcmp(setting_row(id)->key, key) || !s->engine)
		return;
	engine_snapshot(s->engine, &s->snap);
	setting_text(&s->snap.settings, id, value);
	str_printf(out, "  now       %s%s\n", *value ? value : "(empty)", s->snap.settings.set[id] ? " (set by you)" : "");
}

static int do_help(struct shell *s, const char *what, struct err *e)
{
	struct str out = {0};
	int rc = shell_help(&out, what, e);
	if (!rc && what)
		add_present(s, what, &out);
	if (!rc && out.failed)
		rc = err_nomem(e, "help", out.len);
	if (!rc && s->host.text)
		s->host.text(s->host.ctx, out.s);
	str_done(&out);
	return rc;
}

/* A word that stands for one of a fixed list has to be in it. */
static int check_choice(const struct command_row *row, const char *word, struct err *e)
{
	size_t len = 0, n = strlen(word);
	const char *kind = words_kind(row, 0, &len);
	if (!kind || strncmp(kind, "choice:", 7))
		return 0;
	const char *list = kind + 7;
	for (const char *c = list; c < kind + len; c += strcspn(c, ",") + 1)
		if (strcspn(c, ", ") == n && !memcmp(c, word, n))
			return 0;
	return err_set(e, ERR_USAGE, "%s: %s: must be one of %.*s", row->name, word, (int)(kind + len - list), list);
}

static int host_call(const struct command_row *row, int (*fn)(void *, const char *, struct err *), void *ctx, const char *word, struct err *e)
{
	if (!fn)
		return err_set(e, ERR_STATE, "%s: needs the screen (nothing was done)", row->name);
	return fn(ctx, word, e);
}

static int do_here(struct shell *s, const struct command_row *row, struct err *e)
{
	const struct shell_host *h = &s->host;
	const char *word = s->line.argc ? s->line.argv[0] : NULL;
	int rc = word ? check_choice(row, word, e) : 0;
	if (rc)
		return rc;
	switch (s->line.id) {
	case CMD_HELP:
		return do_help(s, word, e);
	case CMD_LAYOUT:
		return host_call(row, h->layout, h->ctx, word, e);
	case CMD_ZOOM:
		return host_call(row, h->zoom, h->ctx, word, e);
	case CMD_SCREEN:
		return host_call(row, h->screen, h->ctx, word, e);
	case CMD_QUIT:
		h->quit(h->ctx, word != NULL);
		return 0;
	}
	return err_set(e, ERR_STATE, "%s: nobody does this", row->name);
}

int64_t shell_line(struct shell *s, const char *line, struct err *e)
{
	int rc = shell_parse(&s->line, line, e);
	if (rc || s->line.id < 0)
		return rc;
	const struct command_row *row = command_row(s->line.id);
	switch (row->where) {
	case COMMAND_ENGINE:
		return send_to_engine(s, e);
	case COMMAND_SHELL:
		return do_here(s, row, e);
	case COMMAND_LATER:
		break;
	}
	return err_set(e, ERR_STATE, "%s: comes with later work (nothing was done)", row->name);
}
