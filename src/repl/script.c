/* script.c: collecting lines.
 * SPDX-License-Identifier: MIT */
#include "repl/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine.h"
#include "repl/shell.h"

void script_done(struct script *s)
{
	for (int i = 0; i < s->n; i++) {
		free(s->line[i].text);
		free(s->line[i].where);
	}
	free(s->line);
	*s = (struct script){0};
}

int script_add(struct script *s, const char *text, const char *where, struct err *e)
{
	char *t = mem_strdup(text), *w = mem_strdup(where);
	if (!t || !w || mem_grow(&s->line, &s->cap, (size_t)s->n + 1, sizeof *s->line)) {
		free(t);
		free(w);
		return err_nomem(e, "script", strlen(text));
	}
	s->line[s->n++] = (struct script_line){t, w};
	return 0;
}

void script_filter(struct script *s, int from, int (*keep)(const char *text))
{
	int n = from;
	for (int i = from; i < s->n; i++)
		if (keep(s->line[i].text)) {
			s->line[n++] = s->line[i];
		} else {
			free(s->line[i].text);
			free(s->line[i].where);
		}
	s->n = n;
}

void script_hand_over(const struct script *s, struct handover *h)
{
	struct str all = {0};
	for (int i = 0; i < s->n; i++) {
		str_add(&all, s->line[i].text, strlen(s->line[i].text) + 1);
		str_add(&all, s->line[i].where, strlen(s->line[i].where) + 1);
	}
	handover_put(h, "script.lines", all.s, all.len);
	str_done(&all);
}

int script_take_over(struct script *s, const struct handover *h, struct err *e)
{
	size_t n;
	const char *at = handover_find(h, "script.lines", &n), *end = at ? at + n : at;
	int rc = 0;
	while (at < end && !rc) {
		const char *text = at, *where = text + strlen(text) + 1;
		rc = script_add(s, text, where, e);
		at = where + strlen(where) + 1;
	}
	return rc;
}

int script_add_file(struct script *s, const char *path, struct err *e)
{
	struct str text = {0};
	char where[1100];
	int rc = file_read(&text, path, "script", 16 << 20, e), number = 1;
	char *at = text.s, *end = at ? at + text.len : at;
	if (!rc && text.len >= 3 && !memcmp(at, "\xef\xbb\xbf", 3))
		at += 3;
	for (; !rc && at < end; number++) {
		char *nl = memchr(at, '\n', (size_t)(end - at));
		if (!nl)
			nl = end;
		snprintf(where, sizeof where, "%.1000s:%d", path, number);
		if (memchr(at, 0, (size_t)(nl - at))) {
			rc = err_set(e, ERR_FORMAT, "script: %s: a zero byte (no text file?)", where);
			break;
		}
		*nl = 0;
		rc = script_add(s, at, where, e);
		at = nl + 1;
	}
	str_done(&text);
	return rc;
}

/* The run that "rerun RUN" names, without quotes; 0: another command. */
static int is_rerun(const char *text, char *run, size_t n)
{
	struct parsed *p = mem_zalloc(1, sizeof *p);
	int is = p && !shell_parse(p, text, NULL) && p->id == CMD_RERUN && strlen(p->argv[0]) < n;
	if (is)
		snprintf(run, n, "%s", p->argv[0]);
	free(p);
	return is;
}

/* What a run writes into its settings.cmd, and what is as good as that: it trains, reads files, and writes into the new run's folder alone. Whoever wants
 * other commands of somebody else's file has -x. */
static int check_recorded(const struct script_line *l, struct err *e)
{
	static const int recorded[] = {CMD_SET, CMD_NEW, CMD_IMPORT, CMD_DATA, CMD_DEVICE, CMD_PIPELINE, CMD_FREEZE, CMD_LR, CMD_UNDO, CMD_WAIT, CMD_TRAIN, CMD_STEP, CMD_EVAL, CMD_CKPT, CMD_LOAD};
	struct parsed *p = mem_zalloc(1, sizeof *p);
	int rc = p ? shell_parse(p, l->text, e) : err_nomem(e, "rerun", sizeof *p), known = !rc && p->id < 0;
	for (size_t i = 0; !rc && i < ARRAY_LEN(recorded); i++)
		known |= p->id == recorded[i];
	if (rc)
		err_prefix(e, "%s", l->where);
	else if (!known)
		rc = err_set(e, ERR_USAGE, "rerun: %s: %s: no run records this: nothing was executed (-x FILE executes any command)", l->where, command_row((enum command_id)p->id)->name);
	free(p);
	return rc;
}

int script_add_command(struct script *s, const char *text, struct err *e)
{
	char run[1024], path[1100];
	if (!is_rerun(text, run, sizeof run))
		return script_add(s, text, "", e);
	snprintf(path, sizeof path, "%s/settings.cmd", run);
	int first = s->n, rc = script_add_file(s, path, e);
	for (int i = first; i < s->n && !rc; i++)
		rc = check_recorded(&s->line[i], e);
	if (rc)
		return rc;
	const char *words[] = {command_row(CMD_EQUALS)->name, run};
	struct str line = {0};
	shell_join(&line, 2, words);
	rc = line.failed ? err_nomem(e, "rerun", line.len) : script_add(s, line.s, "", e);
	str_done(&line);
	return rc;
}
