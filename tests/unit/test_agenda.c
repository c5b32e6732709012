/* test_agenda.c: aliases, rules, the watched command and the record, without an engine; and what the engine's part sees as a spike.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine_impl.h"
#include "repl/agenda.h"
#include "repl/shell.h"

static struct err e;
static struct str out;

static int alias(struct agenda *a, const char *name, const char *command)
{
	str_clear(&out);
	return agenda_alias(a, name, command, &out, &e);
}

static void names_stand_for_commands(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(&e);
	char line[5000];
	assert_int_equal(alias(a, "s", "sample 40"), 0);
	assert_int_equal(alias(a, "again", "s"), 0);
	assert_int_equal(agenda_expand(a, ":s Once upon", line, sizeof line, &e), 0);
	assert_string_equal(line, "sample 40 Once upon");
	assert_int_equal(agenda_expand(a, " -again", line, sizeof line, &e), 0);
	assert_string_equal(line, "-sample 40");
	/* A word that only begins like one, and a whole command, are left alone. */
	assert_int_equal(agenda_expand(a, "sa 5 s", line, sizeof line, &e), 0);
	assert_string_equal(line, "sa 5 s");
	/* By name, in the list and for completion. */
	assert_string_equal(agenda_alias_name(a, 0), "again");
	assert_string_equal(agenda_alias_name(a, 1), "s");
	assert_null(agenda_alias_name(a, 2));
	assert_int_equal(alias(a, NULL, NULL), 0);
	assert_string_equal(out.s, "alias again        s\nalias s            sample 40\n");
	assert_int_equal(alias(a, "s", "sample 50"), 0);
	assert_int_equal(alias(a, "s", NULL), 0);
	assert_string_equal(out.s, "alias s            sample 50\n");
	/* Refused: a command's own name, no name, no command, a circle, what would be too long. */
	assert_int_equal(alias(a, "train", "pause"), ERR_USAGE);
	assert_int_equal(alias(a, "a-b", "pause"), ERR_USAGE);
	assert_int_equal(alias(a, "x", "tain 4"), ERR_USAGE);
	assert_non_null(strstr(e.msg, "did you mean train?"));
	assert_int_equal(alias(a, "s", "again"), 0);
	assert_int_equal(agenda_expand(a, "s", line, sizeof line, &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "back to itself"));
	assert_int_equal(alias(a, "s", "sample 40"), 0);
	memset(line, 'x', 4090);
	line[0] = 's';
	line[1] = ' ';
	line[4090] = 0;
	char small[4097];
	assert_int_equal(agenda_expand(a, line, small, sizeof small, &e), ERR_USAGE);
	assert_int_equal(alias(a, "s", "off"), 0);
	assert_int_equal(alias(a, "s", NULL), ERR_USAGE);
	assert_int_equal(alias(a, "s", "off"), ERR_USAGE);
	for (int i = 0; i < AGENDA_ALIASES - 1; i++) {
		snprintf(line, sizeof line, "n%d", i);
		assert_int_equal(alias(a, line, "pause"), 0);
	}
	assert_int_equal(alias(a, "full", "pause"), ERR_STATE);
	agenda_free(a);
}

static void rules_become_due(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(&e);
	char line[AGENDA_LINE];
	const char *event;
	str_clear(&out);
	assert_int_equal(agenda_on(a, "nan", "load best", &out, &e), 0);
	assert_int_equal(agenda_on(a, "nan", "lr 1e-4", &out, &e), 0);
	assert_int_equal(agenda_on(a, "done", "quit", &out, &e), 0);
	assert_int_equal(agenda_on(a, "dnoe", "quit", &out, &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "must be one of nan, spike, done"));
	assert_int_equal(agenda_on(a, "done", "quti", &out, &e), ERR_USAGE);
	assert_int_equal(agenda_next_rule(a, line, &event), 0);
	agenda_happened(a, HAPPENING_NAN);
	agenda_happened(a, HAPPENING_NAN);
	assert_int_equal(agenda_next_rule(a, line, &event), 1);
	assert_string_equal(line, "load best");
	assert_string_equal(event, "nan");
	assert_int_equal(agenda_next_rule(a, line, &event), 1);
	assert_string_equal(line, "lr 1e-4");
	assert_int_equal(agenda_next_rule(a, line, &event), 0);
	assert_int_equal(agenda_on(a, "nan", "off", &out, &e), 0);
	agenda_happened(a, HAPPENING_NAN);
	agenda_happened(a, HAPPENING_SPIKE);
	assert_int_equal(agenda_next_rule(a, line, &event), 0);
	str_clear(&out);
	assert_int_equal(agenda_on(a, NULL, NULL, &out, &e), 0);
	assert_string_equal(out.s, "on done     quit\n");
	for (int i = 1; i < AGENDA_RULES; i++)
		assert_int_equal(agenda_on(a, "disk", "pause", &out, &e), 0);
	assert_int_equal(agenda_on(a, "disk", "pause", &out, &e), ERR_STATE);
	agenda_happened(NULL, HAPPENING_NAN);
	agenda_free(a);
}

/* What lasts was told when it began: a rule that comes later is due at once, until it is over. A moment is gone. */
static void late_rules_of_what_lasts(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(&e);
	char line[AGENDA_LINE];
	const char *event;
	agenda_happened(a, HAPPENING_HEAT);
	agenda_happened(a, HAPPENING_SPIKE);
	assert_int_equal(agenda_on(a, "spike", "pause", &out, &e), 0);
	assert_int_equal(agenda_on(a, "battery", "pause", &out, &e), 0);
	assert_int_equal(agenda_next_rule(a, line, &event), 0);
	assert_int_equal(agenda_on(a, "heat", "set threads 1", &out, &e), 0);
	assert_int_equal(agenda_next_rule(a, line, &event), 1);
	assert_string_equal(line, "set threads 1");
	assert_int_equal(agenda_next_rule(a, line, &event), 0);
	agenda_over(a, HAPPENING_HEAT);
	assert_int_equal(agenda_on(a, "heat", "pause", &out, &e), 0);
	assert_int_equal(agenda_next_rule(a, line, &event), 0);
	agenda_happened(a, HAPPENING_HEAT);
	assert_int_equal(agenda_next_rule(a, line, &event), 1);
	agenda_over(NULL, HAPPENING_HEAT);
	agenda_free(a);
}

static void one_command_is_watched(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(&e);
	char line[AGENDA_LINE];
	assert_int_equal(agenda_watch_due(a, UINT64_MAX - 1, line), 0);
	assert_int_equal(agenda_watch(a, "2", "kernels sort=ms", &out, &e), 0);
	uint64_t t = agenda_due_ns(a);
	assert_int_equal(agenda_watch_due(a, t - 1, line), 0);
	assert_int_equal(agenda_watch_due(a, t, line), 1);
	assert_string_equal(line, "kernels sort=ms");
	/* While it is being answered it is not due; then the seconds begin. */
	assert_int_equal(agenda_watch_due(a, t + 9000000000u, line), 0);
	agenda_watch_done(a, t + 9000000000u);
	assert_int_equal(agenda_watch_due(a, t + 10999999999u, line), 0);
	assert_int_equal(agenda_watch_due(a, t + 11000000000u, line), 1);
	static const char *const bad[][2] = {{"0", "kernels"}, {"nan", "kernels"}, {"x", "kernels"}, {"2", NULL}, {"2", "help"}, {"2", "quit"}, {"2", "watch 2 info"}, {"2", "kernles"}, {"2", "lr 1 2 3 \""}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(agenda_watch(a, bad[i][0], bad[i][1], &out, &e) < 0);
	assert_int_equal(agenda_watching(a), 1);
	assert_int_equal(agenda_watch(a, "5", "screen shot.txt", &out, &e), 0);
	assert_int_equal(agenda_watch(a, "off", NULL, &out, &e), 0);
	assert_int_equal(agenda_watching(a), 0);
	assert_true(agenda_due_ns(a) == UINT64_MAX);
	agenda_free(a);
}

static void completion_and_hints_know_them(void **state)
{
	(void)state;
	static struct completion c;
	static struct engine_snapshot now;
	struct agenda *a = agenda_new(&e);
	char hint[200];
	settings_init(&now.settings);
	assert_int_equal(alias(a, "story", "sample 200 Once"), 0);
	shell_complete("sto", 3, &now, a, &c);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.word[0], "story");
	shell_complete("on s", 4, &now, a, &c);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.word[0], "spike");
	/* Behind these commands another line stands. */
	static const struct { const char *line, *word; size_t from; } inner[] = {
		{"watch 2 kern", "kernels", 8}, {"watch 2 kernels sort=n", "sort=name", 16}, {"on nan pau", "pause", 7}, {"on nan set lr.wa", "lr.warmup", 11}, {"alias x kern", "kernels", 8}};
	for (size_t i = 0; i < ARRAY_LEN(inner); i++) {
		shell_complete(inner[i].line, strlen(inner[i].line), &now, a, &c);
		if (c.n != 1 || strcmp(c.word[0], inner[i].word) || c.from != inner[i].from)
			fail_msg("<%s>: %d candidates, first <%s> from %zu", inner[i].line, c.n, c.n ? c.word[0] : "", c.from);
	}
	shell_hint("story", &now, a, hint, sizeof hint);
	assert_non_null(strstr(hint, "= sample 200 Once"));
	shell_hint("on spike ", &now, a, hint, sizeof hint);
	assert_non_null(strstr(hint, happening_row(HAPPENING_SPIKE)->help));
	shell_hint("on spike set clip ", &now, a, hint, sizeof hint);
	assert_non_null(strstr(hint, "now 1"));
	agenda_free(a);
}

static void the_record_is_a_script(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(&e);
	struct engine_snapshot now = {.config = {.layers = 1}, .step = 12};
	struct str text = {0};
	unlink("rec.cmd");
	assert_int_equal(agenda_record(a, "rec.cmd", &out, &e), 0);
	struct record *r = agenda_recorder(a);
	assert_int_equal(record_line(r, ":lr 3e-4", CMD_LR, 1, &now, &e), 0);
	assert_int_equal(record_line(r, "get seed\r\n", CMD_GET, 1, &now, &e), 0);
	assert_int_equal(record_line(r, "train", CMD_TRAIN, 0, &now, &e), 0);
	assert_int_equal(record_line(r, "pause", CMD_PAUSE, 0, &now, &e), 0);
	now.step = 20;
	assert_int_equal(record_line(r, "- : ckpt", CMD_CKPT, 0, &now, &e), 0);
	now.step = 0; /* another model */
	assert_int_equal(record_line(r, "new demo", CMD_NEW, 1, &now, &e), 0);
	now.step = 3;
	assert_int_equal(record_end(r, &now, &e), 0);
	assert_int_equal(agenda_record(a, "off", &out, &e), 0);
	assert_null(agenda_recorder(a));
	assert_int_equal(file_read(&text, "rec.cmd", "t", 10000, &e), 0);
	const char *want = "wait step 12\nlr 3e-4\nget seed\nwait step 20\n-ckpt\nnew demo\nwait step 3\n";
	assert_string_equal(strchr(text.s, '\n') + 1, want);
	/* Gone on with; nothing else is written into. */
	assert_int_equal(agenda_record(a, "rec.cmd", &out, &e), 0);
	assert_int_equal(record_line(agenda_recorder(a), "eval", CMD_EVAL, 0, &now, &e), 0);
	str_clear(&text);
	assert_int_equal(file_read(&text, "rec.cmd", "t", 10000, &e), 0);
	assert_non_null(strstr(text.s, "wait step 3\nwait step 3\neval\n"));
	FILE *f = fopen("mine.txt", "w");
	fputs("my own words, more than a head has, which must stay as they are\n", f);
	fclose(f);
	assert_int_equal(agenda_record(a, "mine.txt", &out, &e), ERR_STATE);
	assert_int_equal(agenda_record(a, ".", &out, &e), ERR_IO);
	assert_int_equal(agenda_record(a, "/dev/null", &out, &e), ERR_STATE);
	assert_non_null(agenda_recorder(a)); /* the first one goes on */
	str_done(&text);
	agenda_free(a);
	unlink("rec.cmd");
	unlink("mine.txt");
}

static void all_of_it_goes_through_a_restart(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(&e), *b = agenda_new(&e);
	char line[AGENDA_LINE];
	const char *event;
	unlink("rec.cmd");
	alias(a, "s", "sample 40");
	agenda_on(a, "nan", "load best", &out, &e);
	agenda_happened(a, HAPPENING_NAN);
	agenda_watch(a, "2", "kernels", &out, &e);
	assert_int_equal(agenda_record(a, "rec.cmd", &out, &e), 0);
	struct engine_snapshot now = {.config = {.layers = 1}, .step = 7};
	record_line(agenda_recorder(a), "eval", CMD_EVAL, 0, &now, &e);
	struct handover *h = handover_new(&e);
	agenda_hand_over(a, h);
	int fd = handover_seal(h, &e);
	assert_true(fd >= 0);
	struct handover *from = handover_open(dup(fd), &e);
	assert_non_null(from);
	assert_int_equal(agenda_take_over(b, from, &e), 0);
	assert_string_equal(agenda_alias_command(b, "s"), "sample 40");
	assert_int_equal(agenda_next_rule(b, line, &event), 1);
	assert_int_equal(agenda_watching(b), 1);
	assert_int_equal((int)record_step(agenda_recorder(b)), 7);
	handover_free(from);
	handover_free(h);
	agenda_free(a);
	agenda_free(b);
	unlink("rec.cmd");
}

static void a_spike_is_told_from_noise(void **state)
{
	(void)state;
	struct spike_watch s = {0};
	double mean;
	uint32_t r = 1;
	int seen = 0;
	/* A loss that falls and is noisy has none. */
	for (int i = 0; i < 3000; i++) {
		r = r * 1664525 + 1013904223;
		double noise = (double)(r >> 8) / (1 << 24) - 0.5;
		seen += spike_seen(&s, 2 + 4 * exp(-i / 100.0) + 0.4 * noise, &mean);
	}
	assert_int_equal(seen, 0);
	assert_int_equal(spike_seen(&s, 4.5, &mean), 1);
	assert_true(fabs(mean - 2) < 0.3);
	/* Told once; then there is a rest. */
	assert_int_equal(spike_seen(&s, 6, &mean), 0);
	assert_int_equal(spike_seen(&s, NAN, &mean), 0);
	for (int i = 0; i < 400; i++)
		seen += spike_seen(&s, 2 + (i % 3) * 0.1, &mean);
	assert_int_equal(seen, 0);
	assert_int_equal(spike_seen(&s, 4.5, &mean), 1);
	/* The first steps tell nothing yet. */
	s = (struct spike_watch){0};
	for (int i = 0; i < 19; i++)
		seen += spike_seen(&s, i % 2 ? 9 : 1, &mean);
	assert_int_equal(seen, 0);
	/* A constant has no deviation: a fifth above counts, less does not. */
	s = (struct spike_watch){0};
	for (int i = 0; i < 50; i++)
		spike_seen(&s, 1, &mean);
	assert_int_equal(spike_seen(&s, 1.1, &mean), 0);
	assert_int_equal(spike_seen(&s, 1.5, &mean), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_stand_for_commands), cmocka_unit_test(rules_become_due), cmocka_unit_test(late_rules_of_what_lasts), cmocka_unit_test(one_command_is_watched),
		cmocka_unit_test(completion_and_hints_know_them), cmocka_unit_test(the_record_is_a_script), cmocka_unit_test(all_of_it_goes_through_a_restart),
		cmocka_unit_test(a_spike_is_told_from_noise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
