/* shell.c: a line done: sent to the engine, answered here, or handed to the host. No parsing rules, no terminal.
 * SPDX-License-Identifier: MIT */
#include "repl/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repl/agenda.h"
#include "repl/words.h"

struct shell {
	struct engine *engine;
	struct shell_host host;
	int scripted;
	struct parsed line;
	struct engine_cmd cmd;
	struct engine_snapshot snap;
	char expanded[4097];
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

static int record_is_over(struct shell *s, struct err *e)
{
	struct record *r = agenda_recorder(s->host.agenda);
	if (!r)
		return 0;
	engine_snapshot(s->engine, &s->snap);
	return record_end(r, &s->snap, e);
}

/* Alias, on, watch, record. */
static int do_agenda(struct shell *s, const struct command_row *row, struct err *e)
{
	struct agenda *a = s->host.agenda;
	struct str out = {0};
	const char *first = s->line.argc ? s->line.argv[0] : NULL, *rest = s->line.argc > 1 ? s->line.argv[1] : NULL;
	int rc = 0;
	if (!a)
		return err_set(e, ERR_STATE, "%s: nobody keeps it here", row->name);
	if (s->line.id == CMD_RECORD && first)
		rc = record_is_over(s, e);
	if (!rc)
		rc = s->line.id == CMD_ALIAS ? agenda_alias(a, first, rest, &out, e) : s->line.id == CMD_ON ? agenda_on(a, first, rest, &out, e)
		   : s->line.id == CMD_WATCH ? agenda_watch(a, first, rest, &out, e) : agenda_record(a, first, &out, e);
	if (!rc && out.s && !out.failed && s->host.text)
		s->host.text(s->host.ctx, out.s);
	str_done(&out);
	return rc;
}

/* A rule belongs to the process that trains. When that is another one it goes there, with the aliases of this side put in. */
static int64_t do_on(struct shell *s, const struct command_row *row, struct err *e)
{
	char command[AGENDA_LINE];
	engine_snapshot(s->engine, &s->snap);
	if (s->snap.view.kind == VIEW_NONE)
		return do_agenda(s, row, e);
	if (s->snap.view.kind == VIEW_REPLAY)
		return err_set(e, ERR_STATE, "on: this is the record of a run: nothing happens here that a rule could wait for");
	if (s->line.argc > 1) {
		int rc = agenda_expand(s->host.agenda, s->line.argv[1], command, sizeof command, e);
		if (rc)
			return rc;
		s->line.argv[1] = command;
	}
	return send_to_engine(s, e);
}

static int do_say(struct shell *s, const char *word)
{
	struct str line = {0};
	str_printf(&line, "%s\n", word);
	if (s->host.text && !line.failed)
		s->host.text(s->host.ctx, line.s);
	str_done(&line);
	return 0;
}

/* `quit run` goes to the process that is watched, when this is not the one that trains; the view ends when that has said yes. */
static int64_t do_quit(struct shell *s, const char *word, struct err *e)
{
	if (word && !strcmp(word, "run")) {
		engine_snapshot(s->engine, &s->snap);
		s->cmd = (struct engine_cmd){.id = engine_next_id(s->engine), .op = CMD_STOP_RUN};
		if (s->snap.view.kind == VIEW_ATTACHED)
			return engine_send(s->engine, &s->cmd, e) ? e->code : (int64_t)s->cmd.id;
	}
	s->host.quit(s->host.ctx, word && !strcmp(word, "now"));
	return 0;
}

static int64_t do_here(struct shell *s, const struct command_row *row, struct err *e)
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
	case CMD_THEME:
		return host_call(row, h->theme, h->ctx, word, e);
	case CMD_SETTINGS:
		return host_call(row, h->settings, h->ctx, word, e);
	case CMD_REF:
		return host_call(row, h->ref, h->ctx, word, e);
	case CMD_SCREEN:
		return host_call(row, h->screen, h->ctx, word, e);
	case CMD_ON:
		return do_on(s, row, e);
	case CMD_ALIAS:
	case CMD_WATCH:
	case CMD_RECORD:
		return do_agenda(s, row, e);
	case CMD_SAY:
		return do_say(s, word);
	case CMD_RERUN:
		return err_set(e, ERR_STATE, "rerun: a run is executed again by a program of its own: anetui rerun %s", word ? word : "RUN");
	case CMD_QUIT:
		return do_quit(s, word, e);
	}
	return err_set(e, ERR_STATE, "%s: nobody does this", row->name);
}

static int64_t do_line(struct shell *s, const struct command_row *row, struct err *e)
{
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

/* The step is that of before: the command itself may lead elsewhere. A record that can not be written ends, and says so. */
static int write_down(struct shell *s, struct err *e)
{
	struct record *r = agenda_recorder(s->host.agenda);
	int rc = r ? record_line(r, s->expanded, s->line.id, s->line.argc, &s->snap, e) : 0;
	if (rc)
		agenda_record(s->host.agenda, "off", NULL, NULL);
	return rc;
}

static int64_t run_line(struct shell *s, const char *line, int record, struct err *e)
{
	int rc = strlen(line) < sizeof s->expanded ? agenda_expand(s->host.agenda, line, s->expanded, sizeof s->expanded, e) : 0;
	if (!rc)
		rc = shell_parse(&s->line, strlen(line) < sizeof s->expanded ? s->expanded : line, e);
	if (rc || s->line.id < 0)
		return rc;
	if (record && agenda_recorder(s->host.agenda))
		engine_snapshot(s->engine, &s->snap);
	int id = s->line.id;
	int64_t done = do_line(s, command_row(id), e);
	if (done >= 0 && record && id != CMD_RECORD && write_down(s, e))
		return e->code;
	return done;
}

int64_t shell_line(struct shell *s, const char *line, struct err *e)
{
	return run_line(s, line, 1, e);
}

int64_t shell_due(struct shell *s, const char *line, struct err *e)
{
	return run_line(s, line, 0, e);
}

void shell_record_end(struct shell *s)
{
	struct err e;
	record_is_over(s, &e);
}

static int is_one_of(const char *line, const int *ids, size_t n)
{
	struct parsed p;
	if (shell_parse(&p, line, NULL))
		return 0;
	int known = p.id < 0;
	for (size_t i = 0; i < n; i++)
		known |= p.id == ids[i];
	return known;
}

int shell_is_looks(const char *line)
{
	static const int looks[] = {CMD_HELP, CMD_SAY, CMD_ALIAS, CMD_LAYOUT, CMD_THEME, CMD_ZOOM, CMD_REF};
	return is_one_of(line, looks, ARRAY_LEN(looks));
}

int shell_leaves_start(const char *line)
{
	static const int leave[] = {CMD_DATA, CMD_DEVICE, CMD_PIPELINE, CMD_FREEZE, CMD_LR, CMD_SET, CMD_GET, CMD_UNDO, CMD_POWER, CMD_RUNS, CMD_WATCH, CMD_REF, CMD_RECORD,
				    CMD_HELP, CMD_SAY, CMD_ALIAS, CMD_ON, CMD_LAYOUT, CMD_THEME, CMD_ZOOM, CMD_SETTINGS};
	return is_one_of(line, leave, ARRAY_LEN(leave));
}
