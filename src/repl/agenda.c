/* agenda.c: lists of what is to be done later, and when it is due. The file of `record` is record.c.
 * SPDX-License-Identifier: MIT */
#include "repl/agenda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repl/shell.h"
#include "repl/words.h"

enum { EXPANSIONS = 8 };

struct alias { char name[AGENDA_NAME], command[AGENDA_LINE]; };
struct rule { int event; unsigned due; char command[AGENDA_LINE]; };

/* The part that a restart carries over as bytes. */
struct lists {
	int nalias, nrule;
	struct alias alias[AGENDA_ALIASES];  /* by name */
	struct rule rule[AGENDA_RULES];      /* in the order they were given */
	double every;                        /* seconds; 0: nothing is watched */
	char watched[AGENDA_LINE];
	int watch_runs;
	int holds[HAPPENING_N];              /* what lasts and is not over */
};

struct agenda {
	struct lists l;
	uint64_t watch_ns;
	struct record *record;
};

struct agenda *agenda_new(struct err *e)
{
	struct agenda *a = mem_zalloc(1, sizeof *a);
	if (!a)
		err_nomem(e, "agenda", sizeof *a);
	return a;
}

void agenda_free(struct agenda *a)
{
	if (a)
		record_close(a->record);
	free(a);
}

void agenda_hand_over(const struct agenda *a, struct handover *h)
{
	uint64_t step = a->record ? record_step(a->record) : 0;
	handover_put(h, "agenda", &a->l, sizeof a->l);
	handover_put(h, "agenda.step", &step, sizeof step);
	handover_put_text(h, "agenda.record", a->record ? record_path(a->record) : "");
}

int agenda_take_over(struct agenda *a, const struct handover *h, struct err *e)
{
	uint64_t step;
	const char *path = handover_text(h, "agenda.record");
	int rc = handover_get(h, "agenda", &a->l, sizeof a->l, e);
	if (!rc)
		rc = handover_get(h, "agenda.step", &step, sizeof step, e);
	if (!rc && *path && !(a->record = record_open(path, step, e)))
		rc = e->code;
	return rc;
}

/* --- alias --- */

static int find_alias(const struct agenda *a, const char *name)
{
	for (int i = 0; a && i < a->l.nalias; i++)
		if (!strcmp(a->l.alias[i].name, name))
			return i;
	return -1;
}

const char *agenda_alias_name(const struct agenda *a, int i)
{
	return a && i < a->l.nalias ? a->l.alias[i].name : NULL;
}

const char *agenda_alias_command(const struct agenda *a, const char *name)
{
	int i = find_alias(a, name);
	return i < 0 ? NULL : a->l.alias[i].command;
}

static void remove_alias(struct agenda *a, int i)
{
	memmove(&a->l.alias[i], &a->l.alias[i + 1], (size_t)(a->l.nalias - i - 1) * sizeof a->l.alias[0]);
	a->l.nalias--;
}

static int check_name(const char *name, struct err *e)
{
	size_t n = strlen(name);
	if (!n || n >= AGENDA_NAME || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != n)
		return err_set(e, ERR_USAGE, "alias: %.40s: a name is letters, digits and _ (at most %d)", name, AGENDA_NAME - 1);
	for (int i = 0; i < CMD_N; i++)
		if (!strcmp(command_row(i)->name, name))
			return err_set(e, ERR_USAGE, "alias: %s: is a command already", name);
	return 0;
}

/* Its first word must be a command or an alias: a slip of the finger is told now, not when it is used. */
static int check_command(const struct agenda *a, const char *what, const char *command, struct err *e)
{
	char first[AGENDA_LINE];
	int open, keep;
	if (strlen(command) >= AGENDA_LINE)
		return err_set(e, ERR_USAGE, "%s: a command of more than %d bytes", what, AGENDA_LINE - 1);
	words_next(words_begin(command, &keep), first, sizeof first, &open);
	if (!*first)
		return err_set(e, ERR_USAGE, "%s: no command", what);
	if (words_command(first) >= 0 || find_alias(a, first) >= 0)
		return 0;
	struct parsed p;
	int rc = shell_parse(&p, first, e);
	return rc ? err_prefix(e, "%s", what) : 0;
}

static void put_alias(struct agenda *a, const char *name, const char *command)
{
	int i = a->l.nalias++;
	for (; i > 0 && strcmp(name, a->l.alias[i - 1].name) < 0; i--)
		a->l.alias[i] = a->l.alias[i - 1];
	snprintf(a->l.alias[i].name, sizeof a->l.alias[i].name, "%s", name);
	snprintf(a->l.alias[i].command, sizeof a->l.alias[i].command, "%s", command);
}

int agenda_alias(struct agenda *a, const char *name, const char *command, struct str *out, struct err *e)
{
	int at = name ? find_alias(a, name) : -1;
	if (!name || !command) {
		if (name && at < 0)
			return err_set(e, ERR_USAGE, "alias: %.40s: no such alias", name);
		for (int i = name ? at : 0; i < (name ? at + 1 : a->l.nalias); i++)
			str_printf(out, "alias %-12s %s\n", a->l.alias[i].name, a->l.alias[i].command);
		if (!name && !a->l.nalias)
			str_puts(out, "no alias (alias NAME COMMAND makes one)\n");
		return 0;
	}
	if (!strcmp(command, "off")) {
		if (at < 0)
			return err_set(e, ERR_USAGE, "alias: %.40s: no such alias", name);
		remove_alias(a, at);
		return 0;
	}
	int rc = check_name(name, e);
	if (!rc)
		rc = check_command(a, "alias", command, e);
	if (!rc && at < 0 && a->l.nalias == AGENDA_ALIASES)
		rc = err_set(e, ERR_STATE, "alias: there are %d already (alias NAME off takes one away)", AGENDA_ALIASES);
	if (rc)
		return rc;
	if (at >= 0)
		remove_alias(a, at);
	put_alias(a, name, command);
	return 0;
}

int agenda_expand(const struct agenda *a, const char *line, char *out, size_t n, struct err *e)
{
	char first[AGENDA_LINE], next[4096 + AGENDA_LINE], now[4096 + AGENDA_LINE];
	if (!a || !a->l.nalias || strlen(line) >= 4096) {
		snprintf(out, n, "%s", line);
		return 0;
	}
	snprintf(now, sizeof now, "%s", line);
	for (int i = 0; i <= EXPANSIONS; i++) {
		int open, keep;
		const char *at = words_begin(now, &keep), *rest = words_next(at, first, sizeof first, &open);
		const char *command = agenda_alias_command(a, first);
		if (!command) {
			snprintf(out, n, "%s", now);
			return 0;
		}
		int len = snprintf(next, sizeof next, "%s%s%s", keep ? "-" : "", command, rest);
		if (len < 0 || (size_t)len >= n)
			return err_set(e, ERR_USAGE, "alias: %s: the line gets longer than %zu bytes", first, n - 1);
		memcpy(now, next, (size_t)len + 1);
	}
	return err_set(e, ERR_USAGE, "alias: %s: leads back to itself", first);
}

/* --- on --- */

static int fail_event(const char *event, struct err *e)
{
	struct str list = {0};
	for (int i = 0; i < HAPPENING_N; i++)
		str_printf(&list, "%s%s", i ? ", " : "", happening_row(i)->name);
	int rc = err_set(e, ERR_USAGE, "on: %.40s: must be one of %s", event, list.s ? list.s : "?");
	str_done(&list);
	return rc;
}

static void list_rules(const struct agenda *a, int event, struct str *out)
{
	int any = 0;
	for (int i = 0; i < a->l.nrule; i++)
		if (event < 0 || a->l.rule[i].event == event) {
			str_printf(out, "on %-8s %s\n", happening_row(a->l.rule[i].event)->name, a->l.rule[i].command);
			any = 1;
		}
	if (!any)
		str_puts(out, "no rule (on EVENT COMMAND makes one)\n");
}

int agenda_on(struct agenda *a, const char *event, const char *command, struct str *out, struct err *e)
{
	int id = event ? happening_find(event) : -1, n = 0;
	if (event && id < 0)
		return fail_event(event, e);
	if (!command) {
		list_rules(a, id, out);
		return 0;
	}
	if (!strcmp(command, "off")) {
		for (int i = 0; i < a->l.nrule; i++)
			if (a->l.rule[i].event != id)
				a->l.rule[n++] = a->l.rule[i];
		a->l.nrule = n;
		return 0;
	}
	int rc = check_command(a, "on", command, e);
	if (!rc && a->l.nrule == AGENDA_RULES)
		rc = err_set(e, ERR_STATE, "on: there are %d rules already (on EVENT off takes an event's away)", AGENDA_RULES);
	if (rc)
		return rc;
	struct rule *r = &a->l.rule[a->l.nrule++];
	*r = (struct rule){.event = id, .due = a->l.holds[id] != 0};
	snprintf(r->command, sizeof r->command, "%s", command);
	return 0;
}

void agenda_happened(struct agenda *a, enum happening h)
{
	if (a)
		a->l.holds[h] = happening_row(h)->lasts;
	for (int i = 0; a && i < a->l.nrule; i++)
		if (a->l.rule[i].event == (int)h)
			a->l.rule[i].due = 1;
}

void agenda_over(struct agenda *a, enum happening h)
{
	if (a)
		a->l.holds[h] = 0;
}

void agenda_event(struct agenda *a, const struct engine_event *ev)
{
	if (ev->kind == EV_HAPPENED)
		agenda_happened(a, (enum happening)ev->code);
	if (ev->kind == EV_OVER)
		agenda_over(a, (enum happening)ev->code);
}

int agenda_next_rule(struct agenda *a, char *line, const char **event)
{
	for (int i = 0; a && i < a->l.nrule; i++) {
		struct rule *r = &a->l.rule[i];
		if (!r->due)
			continue;
		r->due = 0;
		*event = happening_row(r->event)->name;
		memcpy(line, r->command, sizeof r->command);
		return 1;
	}
	return 0;
}

/* --- watch --- */

/* What can be repeated: work of the engine, and pictures of the screen. */
static int check_watched(const struct agenda *a, const char *command, struct err *e)
{
	char line[4096];
	struct parsed p;
	int rc = agenda_expand(a, command, line, sizeof line, e);
	if (!rc)
		rc = shell_parse(&p, line, e);
	if (rc)
		return err_prefix(e, "watch");
	if (p.id < 0 || (command_row(p.id)->where != COMMAND_ENGINE && p.id != CMD_SCREEN))
		return err_set(e, ERR_USAGE, "watch: %.60s: can not be repeated", command);
	return 0;
}

int agenda_watch(struct agenda *a, const char *seconds, const char *command, struct str *out, struct err *e)
{
	double v;
	if (!seconds) {
		if (a->l.every > 0)
			str_printf(out, "watch %g %s\n", a->l.every, a->l.watched);
		else
			str_puts(out, "nothing is watched (watch SECONDS COMMAND)\n");
		return 0;
	}
	if (!command && !strcmp(seconds, "off")) {
		agenda_watch_end(a);
		return 0;
	}
	if (str_number(seconds, &v) || !(v >= 0.1 && v <= 1e6))
		return err_set(e, ERR_RANGE, "watch: %.40s: must be 0.1 to 1e6 seconds, or off", seconds);
	if (!command)
		return err_set(e, ERR_USAGE, "watch: no command (usage: watch SECONDS COMMAND)");
	int rc = check_command(a, "watch", command, e);
	if (!rc)
		rc = check_watched(a, command, e);
	if (rc)
		return rc;
	snprintf(a->l.watched, sizeof a->l.watched, "%s", command);
	a->l.every = v;
	a->l.watch_runs = 0;
	a->watch_ns = clock_ns();
	return 0;
}

int agenda_watching(const struct agenda *a)
{
	return a && a->l.every > 0;
}

uint64_t agenda_due_ns(const struct agenda *a)
{
	return agenda_watching(a) && !a->l.watch_runs ? a->watch_ns : UINT64_MAX;
}

int agenda_watch_due(struct agenda *a, uint64_t now, char *line)
{
	if (now < agenda_due_ns(a))
		return 0;
	a->l.watch_runs = 1;
	memcpy(line, a->l.watched, sizeof a->l.watched);
	return 1;
}

/* Counted from its end: a slow command does not pile up. */
void agenda_watch_done(struct agenda *a, uint64_t now)
{
	a->l.watch_runs = 0;
	a->watch_ns = now + (uint64_t)(a->l.every * 1e9);
}

uint32_t agenda_watch_begun(struct agenda *a, int64_t rc)
{
	if (rc < 0)
		agenda_watch_end(a);
	if (rc == 0)
		agenda_watch_done(a, clock_ns());
	return rc > 0 ? (uint32_t)rc : 0;
}

void agenda_watch_end(struct agenda *a)
{
	a->l.every = 0;
	a->l.watch_runs = 0;
}

/* --- record --- */

struct record *agenda_recorder(struct agenda *a)
{
	return a ? a->record : NULL;
}

int agenda_record(struct agenda *a, const char *file, struct str *out, struct err *e)
{
	if (!file) {
		if (a->record)
			str_printf(out, "record %s\n", record_path(a->record));
		else
			str_puts(out, "nothing is recorded (record FILE)\n");
		return 0;
	}
	struct record *r = strcmp(file, "off") ? record_open(file, 0, e) : NULL;
	if (!r && strcmp(file, "off"))
		return e->code;
	record_close(a->record);
	a->record = r;
	return 0;
}
