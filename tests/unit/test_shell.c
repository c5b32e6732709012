/* test_shell.c: the command language: parsing, dispatch, help, completion, hints, options. The engine is a fake of this file.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/programs.h"
#include "repl/options.h"
#include "repl/shell.h"

/* --- a fake engine: remembers the latest command --- */

static struct engine_cmd sent;
static int sends, full;
static struct engine_snapshot now;

struct engine *engine_start(const struct engine_options *o, struct err *e)
{
	(void)o;
	(void)e;
	return NULL;
}
void engine_free(struct engine *g) { (void)g; }
uint32_t engine_next_id(struct engine *g)
{
	(void)g;
	return 41 + (uint32_t)sends;
}
int engine_send(struct engine *g, const struct engine_cmd *c, struct err *e)
{
	(void)g;
	if (full)
		return err_set(e, ERR_STATE, "engine: 256 commands are waiting already");
	sent = *c;
	sends++;
	return 0;
}
int engine_event(struct engine *g, struct engine_event *ev)
{
	(void)g;
	(void)ev;
	return 0;
}
void engine_snapshot(struct engine *g, struct engine_snapshot *out)
{
	(void)g;
	*out = now;
}
void engine_cancel(struct engine *g) { (void)g; }
void engine_give_up(struct engine *g) { (void)g; }

/* Only when nothing else brings the real one. */
__attribute__((weak)) const char *program_name(enum program_id id)
{
	static const char *const names[] = {"fwdAttn", "fwdFFN", "ffnBwd", "sdpaBwd1", "sdpaBwd2", "qkvBwd"};
	return (size_t)id < sizeof names / sizeof *names ? names[id] : "sdpaBwd1";
}

/* --- parsing --- */

/* what: "name|word|word", "-name" when the line may fail, "" for nothing to do, "!part of the message". */
static const struct { const char *line, *what; } lines[] = {
	{"", ""}, {"   ", ""}, {":", ""}, {" : ", ""}, {"# a comment", ""}, {"  # another", ""}, {":# and another", ""}, {"\n", ""}, {"-", ""}, {"\t\r\n", ""},
	{"train", "train"}, {":train", "train"}, {" : train", "train"}, {":  train  ", "train"}, {"train\n", "train"}, {"train\r\n", "train"}, {"\ttrain\t5", "train|5"},
	{"-train 5", "-train|5"}, {"- train 5", "-train|5"}, {":-train 5", "-train|5"}, {"-:train 5", "-train|5"}, {" - : train", "-train"},
	{"train 40", "train|40"}, {"tra 40", "!could be train, trace"}, {"trai 40", "train|40"}, {"tr", "!command: tr: could be train, trace"},
	{"lr", "lr"}, {"l", "!could be lr, load, layout"}, {"lr 3e-4 cosine max=1e-3", "lr|3e-4|cosine|max=1e-3"},
	{"lr 3e-4   warmup=5", "lr|3e-4|warmup=5"},
	{"on spike  run it", "on|spike| run it"}, {"o", "on"}, {"se clip 1", "set|clip|1"}, {"get", "get"}, {"get clip", "get|clip"}, {"get a b", "!get: one word too many: b (usage: get [KEY])"},
	{"set", "!set: too few words (usage: set KEY VALUE)"}, {"set clip", "set|clip"}, {"set clip 1 2", "!one word too many: 2"},
	{"set sample.stop \"a b\"", "set|sample.stop|a b"}, {"set sample.stop \"\"", "set|sample.stop|"}, {"set sample.stop \"\\n\\n\"", "set|sample.stop|\n\n"},
	{"set sample.stop \"a\\\"b\\\\c\\td\\e\"", "set|sample.stop|a\"b\\c\td\\e"}, {"set sample.stop \"open", "!quote not closed"}, {"set x\\y 1", "set|x\\y|1"},
	{"data \"my file.txt\" val=0.1", "data|my file.txt|val=0.1"}, {"data my\" \"file.txt", "data|my file.txt"}, {"data", "data"}, {"data order=shuffle", "data|order=shuffle"},
	{"new demo layers=1 dim=32", "new|demo|layers=1|dim=32"}, {"new", "!new: too few words"}, {"n demo", "new|demo"},
	{"pause", "pause"}, {"pause now", "!pause: one word too many: now (usage: pause)"}, {"pau", "pause"}, {"p", "!could be pipeline, pause, power"},
	{"sample", "!sample: too few words (usage: sample N [PROMPT])"}, {"sample 60", "sample|60"}, {"sample 60 ", "sample|60"}, {"sample 60    ", "sample|60"},
	{"sample 60 Once upon a time", "sample|60|Once upon a time"}, {"sample 60  two  blanks ", "sample|60| two  blanks "}, {"sample 60 \"quoted\" # no comment", "sample|60|\"quoted\" # no comment"},
	{"sample\t60\tOnce", "sample|60|Once"}, {"sample 60 Once\r\n", "sample|60|Once"}, {"sam 5 \\n", "sample|5|\\n"}, {"sample 9 \"half", "sample|9|\"half"}, {"sample 9 ok \x80", "!sample: byte 4 of the text is no UTF-8"}, {"data \x80", "data|\x80"},
	{"sample 3 むかし むかし", "sample|3|むかし むかし"}, {"step", "step"}, {"ste 3", "step|3"}, {"wait loss<2", "wait|loss<2"}, {"wait step 40", "wait|step|40"}, {"wait", "!wait: too few"},
	{"mil run a.mil weights=w x=1.f32 out=o.f32", "mil|run|a.mil|weights=w|x=1.f32|out=o.f32"}, {"mil", "!mil: too few words"},
	{"tain 4", "!command: tain: no such command (did you mean train?"}, {"quti", "!did you mean quit?"}, {"Train", "!did you mean train?"}, {"trainn", "!did you mean train?"},
	{"sampel 4", "!did you mean sample?"}, {"save", "!command: save: no such command (did you mean ckpt?"}, {"exit", "!did you mean quit?"}, {"learning_rate 1e-3", "!did you mean lr?"}, {"\"train", "!command: \"train: quote not closed"}, {"-\"", "!command: \": quote not closed"}, {"\"\" 5", "!command: \"\": an empty name"}, {"\"train\" 5", "train|5"}, {"--train", "!command: -train: no such command"},
	{"xyzzyxyzzyxyzzyxyzzyxyzzyxyzzyxyzzyxyzzyxyzzyxyzzy", "!command: xyzzyxyzzyxyzzyxyzzyxyzzyxyzzyxyzzyxyzzy: no"},
	{"help", "help"}, {"help lr", "help|lr"}, {"h lr", "help|lr"}, {"? ", "!no such command"}, {"quit", "quit"}, {"q now", "quit|now"}, {"quit now please", "!one word too many: please"},
	{"watch 2 kernels sort=ms", "watch|2|kernels sort=ms"}, {"watch 2", "watch|2"}, {"alias", "alias"}, {"alias t train  40", "alias|t|train  40"},
	{"export llama2c out.bin", "export|llama2c|out.bin"}, {"verify", "!usage: verify FILE"}, {"ckpt", "ckpt"}, {"ckpt a b", "!one word too many: b"},
};

static void show(const struct parsed *p, char *out, size_t n)
{
	size_t k = 0;
	out[0] = 0;
	if (p->id < 0)
		return;
	k += (size_t)snprintf(out, n, "%s%s", p->keep_going ? "-" : "", command_row(p->id)->name);
	for (int i = 0; i < p->argc; i++)
		k += (size_t)snprintf(out + k, n - k, "|%s", p->argv[i]);
}

static void lines_are_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct parsed p;
		struct err e = {0};
		char got[4200];
		const char *want = lines[i].what;
		int rc = shell_parse(&p, lines[i].line, &e);
		if (*want == '!') {
			if (rc != ERR_USAGE || e.code != ERR_USAGE || !strstr(e.msg, want + 1))
				fail_msg("line %zu <%s>: wanted the error <%s>, got %d <%s>", i, lines[i].line, want + 1, rc, e.msg);
			continue;
		}
		show(&p, got, sizeof got);
		if (rc || strcmp(got, want))
			fail_msg("line %zu <%s>: wanted <%s>, got %d <%s> %s", i, lines[i].line, want, rc, got, e.msg);
	}
}

static void long_lines_are_refused(void **state)
{
	(void)state;
	static char line[70000];
	struct parsed p;
	struct err e;
	/* The longest that fits, and one more. */
	memset(line, 'x', 4095);
	memcpy(line, "sample 9 ", 9);
	line[4095] = 0;
	assert_int_equal(shell_parse(&p, line, &e), 0);
	assert_int_equal(strlen(p.argv[1]), 4095 - 9);
	memset(line + 4095, 'x', 1);
	assert_int_equal(shell_parse(&p, line, &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "4096 bytes"));
	memset(line, 'x', sizeof line - 1);
	assert_int_equal(shell_parse(&p, line, &e), ERR_USAGE);
	/* 64 words are the most. */
	size_t k = (size_t)sprintf(line, "new");
	for (int i = 0; i < 64; i++)
		k += (size_t)sprintf(line + k, " a=%d", i);
	assert_int_equal(shell_parse(&p, line, &e), 0);
	assert_int_equal(p.argc, 64);
	sprintf(line + k, " b=1");
	assert_int_equal(shell_parse(&p, line, &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "more than 64 words"));
}

static void full_names_and_unique_prefixes(void **state)
{
	(void)state;
	for (int i = 0; i < CMD_N; i++) {
		const struct command_row *r = command_row(i);
		struct parsed p;
		struct err e;
		char line[256];
		int n = snprintf(line, sizeof line, "%s", r->name);
		for (int k = 0; k < r->min; k++)
			n += snprintf(line + n, sizeof line - (size_t)n, " x");
		assert_int_equal(shell_parse(&p, line, &e), 0);
		assert_int_equal(p.id, i);
		assert_int_equal(p.argc, r->min);
		for (size_t len = 1; len < strlen(r->name); len++) {
			int hits = 0, exact = -1;
			e.msg[0] = 0;
			for (int k = 0; k < CMD_N; k++) {
				hits += !strncmp(command_row(k)->name, r->name, len);
				if (strlen(command_row(k)->name) == len && !strncmp(command_row(k)->name, r->name, len))
					exact = k;
			}
			snprintf(line, sizeof line, "%.*s x x", (int)len, r->name);
			int rc = shell_parse(&p, line, &e);
			if (exact >= 0)
				assert_true(rc || p.id == exact);
			else if (hits > 1 && len == 2 && !strncmp(r->name, "se", 2))
				assert_true(rc || p.id == CMD_SET); /* settings goes on from it */
			else if (hits > 1)
				assert_non_null(strstr(e.msg, "could be"));
			else
				assert_true(rc ? strstr(e.msg, r->name) != NULL : p.id == i);
		}
	}
}

static void random_bytes_do_no_harm(void **state)
{
	(void)state;
	static const char some[] = "trainsetlrsample \t\"\\:-#=5.\xc3\xa9\x01\x1b%snmil";
	static struct completion c;
	uint32_t r = 7;
	for (int i = 0; i < 20000; i++) {
		char line[64], hint[64];
		struct parsed p;
		struct err e = {0};
		size_t n = 0;
		r = r * 1664525 + 1013904223;
		for (size_t len = (r >> 20) % 60; n < len; n++) {
			r = r * 1664525 + 1013904223;
			line[n] = some[(r >> 16) % (sizeof some - 1)];
		}
		line[n] = 0;
		int rc = shell_parse(&p, line, &e);
		assert_true(rc == 0 || (rc == ERR_USAGE && e.msg[0]));
		shell_hint(line, i % 2 ? &now : NULL, NULL, hint, sizeof hint);
		if (i % 16 == 0)
			shell_complete(line, n, &now, NULL, &c);
	}
}

static void words_are_joined_as_they_are_read(void **state)
{
	(void)state;
	static const struct { const char *word[5]; const char *line; } cases[] = {
		{{"train", "40"}, "train 40"},
		{{"data", "my file.txt", "val=0.1"}, "data \"my file.txt\" val=0.1"},
		{{"set", "sample.stop", ""}, "set sample.stop \"\""},
		{{"set", "sample.stop", "a\"\\\n "}, "set sample.stop \"a\\\"\\\\\\n \""},
		{{"sample", "60", "Once", "upon a", "\"time\""}, "sample 60 Once upon a \"time\""},
		{{"load", "a\r"}, "load \"a\r\""},
		{{"nothing", "a b"}, "nothing \"a b\""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str s = {0};
		int n = 0;
		while (n < 5 && cases[i].word[n])
			n++;
		shell_join(&s, n, cases[i].word);
		assert_string_equal(s.s, cases[i].line);
		struct parsed p;
		if (!shell_parse(&p, s.s, NULL) && strcmp(cases[i].word[0], "sample"))
			for (int k = 0; k < p.argc; k++)
				assert_string_equal(p.argv[k], cases[i].word[k + 1]);
		str_done(&s);
	}
}

/* --- doing --- */

static char said[8192];
static int asked_quit;
static void on_text(void *ctx, const char *s)
{
	(void)ctx;
	snprintf(said, sizeof said, "%s", s);
}
static void on_quit(void *ctx, int at_once)
{
	(void)ctx;
	asked_quit = 1 + at_once;
}
static int on_layout(void *ctx, const char *name, struct err *e)
{
	(void)ctx;
	snprintf(said, sizeof said, "layout %s", name ? name : "(none)");
	return name && !strcmp(name, "tiny") ? err_set(e, ERR_STATE, "layout: tiny: no") : 0;
}

static void lines_are_done(void **state)
{
	(void)state;
	const struct shell_host host = {.text = on_text, .quit = on_quit, .layout = on_layout};
	struct engine *g = (struct engine *)&now; /* the fake never looks inside */
	struct err e = {0};
	struct shell *s = shell_new(g, &host, 1, &e);
	assert_non_null(s);
	sends = full = 0;
	assert_int_equal(shell_line(s, "  # nothing", &e), 0);
	assert_int_equal(sends, 0);

	assert_int_equal(shell_line(s, ":sample 60 Once upon", &e), 41);
	assert_int_equal(sends, 1);
	assert_int_equal(sent.op, CMD_SAMPLE);
	assert_int_equal(sent.id, 41);
	assert_int_equal(sent.scripted, 1);
	assert_int_equal(sent.argc, 2);
	assert_memory_equal(sent.words, "60\0Once upon", 14);
	full = 1;
	assert_int_equal(shell_line(s, "train", &e), ERR_STATE);
	full = 0;

	for (int i = 0; i < CMD_N; i++) {
		const struct command_row *r = command_row(i);
		char line[128];
		if (r->where != COMMAND_LATER)
			continue;
		snprintf(line, sizeof line, "%s%s", r->name, r->min > 1 ? " 1 x" : r->min ? " x" : "");
		assert_int_equal(shell_line(s, line, &e), ERR_STATE);
		snprintf(line, sizeof line, "%s: comes with later work (nothing was done)", r->name);
		assert_string_equal(e.msg, line);
	}
	assert_int_equal(sends, 1);

	assert_int_equal(shell_line(s, "layout wide", &e), 0);
	assert_string_equal(said, "layout wide");
	assert_int_equal(shell_line(s, "layout", &e), 0);
	assert_string_equal(said, "layout (none)");
	assert_int_equal(shell_line(s, "layout tiny", &e), ERR_STATE);
	assert_int_equal(shell_line(s, "layout wid", &e), ERR_USAGE);
	assert_string_equal(e.msg, "layout: wid: must be one of auto,stage,wide,tall,strips,tiny");
	assert_int_equal(shell_line(s, "zoom loss", &e), ERR_STATE);
	assert_string_equal(e.msg, "zoom: needs the screen (nothing was done)");
	assert_int_equal(shell_line(s, "screen out.txt", &e), ERR_STATE);

	assert_int_equal(shell_line(s, "help lr", &e), 0);
	assert_non_null(strstr(said, "lr [RATE]"));
	settings_init(&now.settings);
	settings_set(&now.settings, SET_CLIP, "0.5", &e);
	assert_int_equal(shell_line(s, "help clip", &e), 0);
	assert_non_null(strstr(said, "now       0.5 (set by you)"));
	assert_int_equal(shell_line(s, "help clpi", &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "did you mean clip?"));

	assert_int_equal(shell_line(s, "quit later", &e), ERR_USAGE);
	assert_int_equal(asked_quit, 0);
	assert_int_equal(shell_line(s, "quit", &e), 0);
	assert_int_equal(asked_quit, 1);
	assert_int_equal(shell_line(s, "q now", &e), 0);
	assert_int_equal(asked_quit, 2);
	shell_free(s);
	shell_free(NULL);
}

/* --- help --- */

static void everything_has_help(void **state)
{
	(void)state;
	struct str all = {0}, one = {0};
	struct err e;
	assert_int_equal(shell_help(&all, NULL, &e), 0);
	for (int i = 0; i < CMD_N; i++) {
		const struct command_row *r = command_row(i);
		char line[160];
		snprintf(line, sizeof line, "  %-11s %s", r->name, r->help);
		assert_non_null(strstr(all.s, line));
		assert_true(*r->help);
		assert_true(strlen(line) <= 100);
		str_clear(&one);
		assert_int_equal(shell_help(&one, r->name, &e), 0);
		assert_int_equal(strncmp(one.s, r->name, strlen(r->name)), 0);
		assert_non_null(strstr(one.s, r->args));
	}
	for (int i = 0; i < SET_N; i++) {
		str_clear(&one);
		assert_int_equal(shell_help(&one, setting_row(i)->key, &e), 0);
		assert_non_null(strstr(one.s, "range     "));
		assert_non_null(strstr(one.s, "default   "));
	}
	str_clear(&one);
	assert_int_equal(shell_help(&one, "clip", &e), 0);
	assert_non_null(strstr(one.s, "0 to 1e9 (norm)"));
	str_clear(&one);
	assert_int_equal(shell_help(&one, "lr", &e), 0);
	assert_non_null(strstr(one.s, "lr.warmup"));
	assert_null(strstr(one.s, "adam.eps"));
	str_clear(&one);
	assert_int_equal(shell_help(&one, "train", &e), 0);
	assert_non_null(strstr(one.s, "adam.eps"));
	/* No line of one command's help is wider than the screen, but the usage line. */
	const char *nl = strchr(one.s, '\n');
	for (const char *l = nl + 1; *l; l = strchr(l, '\n') + 1)
		assert_true(strcspn(l, "\n") <= 78);
	assert_int_equal(shell_help(&one, "temperture", &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "did you mean sample.temperature?"));
	str_done(&all);
	str_done(&one);
}

static void manual_has_everything(void **state)
{
	(void)state;
	struct str man = {0};
	shell_man(&man);
	for (int i = 0; i < CMD_N; i++) {
		char item[80];
		snprintf(item, sizeof item, ".TP\n\\fB%s\\fR", command_row(i)->name);
		assert_non_null(strstr(man.s, item));
	}
	for (int i = 0; i < SET_N; i++) {
		char item[80];
		snprintf(item, sizeof item, ".TP\n\\fB%s\\fR", setting_row(i)->key);
		assert_non_null(strstr(man.s, item));
	}
	assert_non_null(strstr(man.s, "\\fB\\-\\-on\\-hup=WHAT\\fR"));
	static const char *const heads[] = {"NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "SETTINGS", "FILES", "EXIT STATUS"};
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		char head[40];
		snprintf(head, sizeof head, ".SH \"%s\"\n", heads[i]);
		assert_non_null(strstr(man.s, head));
	}
	/* Every line that begins with a dot is a request that is used here. */
	for (const char *l = man.s; *l; l = strchr(l, '\n') + 1)
		if (*l == '.' || *l == '\'')
			assert_true(!strncmp(l, ".TP\n", 4) || !strncmp(l, ".SH ", 4) || !strncmp(l, ".SS ", 4) || !strncmp(l, ".br\n", 4) || !strncmp(l, ".PP\n", 4) ||
				    !strncmp(l, ".TH ", 4) || !strncmp(l, ".B ", 3) || !strncmp(l, ".\\\"", 3) || !strncmp(l, ".nf\n", 4) || !strncmp(l, ".fi\n", 4));
	str_done(&man);
}

/* --- completion --- */

static struct completion comp;

/* Candidates of line (cursor at its end) with blanks between. */
static const char *candidates(const char *line)
{
	static char out[64 * 130];
	size_t k = 0;
	out[0] = 0;
	shell_complete(line, strlen(line), &now, NULL, &comp);
	for (int i = 0; i < comp.n; i++)
		k += (size_t)snprintf(out + k, sizeof out - k, "%s%s", k ? " " : "", comp.word[i]);
	return out;
}

static void touch(const char *name)
{
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	fclose(f);
}

static void words_are_completed(void **state)
{
	(void)state;
	char text[256];
	assert_string_equal(candidates("tra"), "train trace");
	assert_int_equal(comp.from, 0);
	assert_int_equal(shell_complete_text(&comp, text, sizeof text), 3);
	assert_string_equal(candidates(" :trai"), "train");
	assert_int_equal(comp.from, 2);
	shell_complete_text(&comp, text, sizeof text);
	assert_string_equal(text, "train ");
	assert_string_equal(candidates("zzz"), "");
	assert_int_equal(shell_complete_text(&comp, text, sizeof text), 0);
	candidates("");
	assert_int_equal(comp.n, CMD_N);
	assert_string_equal(candidates("unknown x"), "");
	assert_string_equal(candidates("set lr.m"), "lr.max lr.min");
	assert_int_equal(comp.from, 4);
	shell_complete_text(&comp, text, sizeof text);
	assert_string_equal(text, "lr.m");
	assert_string_equal(candidates("set lr.shape "), "constant cosine linear wsd");
	assert_string_equal(candidates("set lr.shape co"), "constant cosine");
	assert_string_equal(candidates("set vocab.compact "), "off on");
	assert_string_equal(candidates("set clip "), "");
	assert_string_equal(candidates("get adam.b"), "adam.beta1 adam.beta2");
	assert_string_equal(candidates("help sample.top"), "sample.top_k sample.top_p");
	assert_string_equal(candidates("help lay"), "layout");
	assert_string_equal(candidates("layout t"), "tall tiny");
	assert_string_equal(candidates("lr co"), "constant cosine");
	assert_string_equal(candidates("lr 3e-4 wa"), "warmup=");
	shell_complete_text(&comp, text, sizeof text);
	assert_string_equal(text, "warmup=");
	assert_string_equal(candidates("lr 3e-4 cosine wa"), "warmup=");
	assert_string_equal(candidates("mil show fwd"), "fwdAttn fwdFFN");
	assert_string_equal(candidates("mil s"), "show");
	assert_string_equal(candidates("device s"), "sim");
	assert_string_equal(candidates("quit "), "now run");
	assert_string_equal(candidates("pause "), "");
	assert_string_equal(candidates("info p"), "presets");
	/* The cursor in the middle: only what stands before it counts. */
	shell_complete("set lr.m 0.1", 8, &now, NULL, &comp);
	assert_int_equal(comp.n, 2);
	shell_complete("abc", 99, &now, NULL, &comp);
	assert_int_equal(comp.n, 0);
	shell_complete("load ", 5, NULL, NULL, &comp);
}

static void files_are_completed(void **state)
{
	(void)state;
	char old[1024], dir[] = "/tmp/anetui-test-XXXXXX", text[256];
	assert_non_null(getcwd(old, sizeof old));
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	touch("alpha.txt");
	touch("alphabet.bin");
	touch("with blank.txt");
	touch("ä1.txt");
	touch("ã2.txt");
	touch(".hidden");
	assert_int_equal(mkdir("runs", 0777) | mkdir("runs/demo", 0777) | mkdir("runs/demo-2", 0777) | mkdir("my dir", 0777), 0);
	touch("runs/demo/best.ckpt");
	touch("runs/demo/step-00000400.ckpt");
	touch("runs/demo/metrics.jsonl");
	touch("my dir/x");

	assert_string_equal(candidates("data al"), "alpha.txt alphabet.bin");
	shell_complete_text(&comp, text, sizeof text);
	assert_string_equal(text, "alpha");
	assert_string_equal(candidates("data b"), "builtin");
	assert_string_equal(candidates("data alpha.txt val"), "val=");
	assert_string_equal(candidates("data alpha.txt order=s"), "order=sequential order=shuffle");
	assert_string_equal(candidates("data w"), "\"with blank.txt\"");
	assert_string_equal(candidates("data \"with b"), "\"with blank.txt\"");
	assert_int_equal(comp.from, 5);
	assert_string_equal(candidates("data my"), "\"my dir/");
	assert_string_equal(candidates("data \"my dir/"), "\"my dir/x\"");
	assert_string_equal(candidates("data .h"), ".hidden");
	assert_string_equal(candidates("data ru"), "runs/");
	shell_complete_text(&comp, text, sizeof text);
	assert_string_equal(text, "runs/");
	assert_string_equal(candidates("data nowhere/x"), "");
	/* Two names with the same first byte of their first character have nothing in common. */
	candidates("verify \xc3");
	assert_int_equal(comp.n, 2);
	assert_int_equal(shell_complete_text(&comp, text, sizeof text), 0);
	assert_string_equal(candidates("new demo tokenizer=al"), "tokenizer=alpha.txt tokenizer=alphabet.bin");
	assert_non_null(strstr(candidates("new st"), "stories15m"));
	assert_string_equal(candidates("new demo la"), "layers=");
	assert_string_equal(candidates("mil run al"), "alpha.txt alphabet.bin");
	assert_string_equal(candidates("mil run m.mil x=alphab"), "x=alphabet.bin");
	assert_string_equal(candidates("ref "), "runs/demo runs/demo-2");
	snprintf(now.run_dir, sizeof now.run_dir, "runs/demo");
	assert_string_equal(candidates("load "), "best step-00000400");
	assert_string_equal(candidates("load st"), "step-00000400");
	assert_string_equal(candidates("load runs/demo/b"), "runs/demo/best.ckpt");
	now.run_dir[0] = 0;

	/* More than there is room for: the first ones by name, the rest counted. */
	assert_int_equal(mkdir("many", 0777), 0);
	for (int i = 99; i >= 0; i--) {
		snprintf(text, sizeof text, "many/f%02d", i);
		touch(text);
	}
	candidates("data many/");
	assert_int_equal(comp.n, 64);
	assert_int_equal(comp.more, 36);
	assert_string_equal(comp.word[0], "many/f00");
	assert_string_equal(comp.word[63], "many/f63");
	assert_int_equal(chdir(old), 0);
	snprintf(text, sizeof text, "rm -rf %s", dir);
	assert_int_equal(system(text), 0);
}

/* --- hints --- */

static void hints_are_shown(void **state)
{
	(void)state;
	static const struct { const char *line, *hint; } cases[] = {
		{"", ""}, {"#", ""}, {"zzz ", ""}, {"tra", ""}, {"train", " now at step 12  [N]"}, {"train ", "now at step 12  [N]"}, {"train 4", ""}, {"pause ", ""},
		{"lr ", "now 0.0006, cosine  [RATE] [constant|cosine|linear|wsd] [max=R] [min=FRACTION] [warmup=N] [steps=N]"},
		{"lr 1e-3 ", "[constant|cosine|linear|wsd] [max=R] [min=FRACTION] [warmup=N] [steps=N]"},
		{"set ", "KEY VALUE"}, {"set cl", " VALUE"}, {"set clip ", "now 1, 0 to 1e9 norm"}, {"set clip 0.", " now 1, 0 to 1e9 norm"}, {"set clpi ", "VALUE"},
		{"set lr.shape ", "now cosine, constant, cosine, linear, wsd"}, {"set sample.stop ", "now empty, text, at most 127 bytes"},
		{"sample ", "N [PROMPT]"}, {"sample 60 ", "[PROMPT]"}, {"mil ", "list | show NAME | export DIR [bare|verbose] | run FILE weights=DIR INPUT=FILE.f32 ... out=FILE.f32"}, {"mil show ", "NAME"},
		{"mil list ", ""}, {"wait step ", "N [SECONDS]"}, {"new ", "now demo  PRESET|DIR|FILE [tokenizer=FILE] [KEY=VALUE...]"}, {"new demo tokenizer=a layers=1 ", "[KEY=VALUE...]"},
		{"export ", "FORMAT PATH"}, {"tokenize a ", "OUT"},
	};
	struct err e;
	memset(&now, 0, sizeof now);
	settings_init(&now.settings);
	assert_int_equal(settings_set(&now.settings, SET_LR_MAX, "6e-4", &e), 0);
	now.config.layers = 2;
	snprintf(now.config.name, sizeof now.config.name, "demo");
	now.step = 12;
	now.ckpt_age = -1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char hint[256];
		shell_hint(cases[i].line, &now, NULL, hint, sizeof hint);
		if (strcmp(hint, cases[i].hint))
			fail_msg("<%s>: wanted <%s>, got <%s>", cases[i].line, cases[i].hint, hint);
	}
	char hint[256];
	now.lr_now = 1.25e-4;
	shell_hint("lr ", &now, NULL, hint, sizeof hint);
	assert_int_equal(strncmp(hint, "now 0.000125 of 0.0006, cosine", 30), 0);
	shell_hint("set clip ", NULL, NULL, hint, sizeof hint);
	assert_string_equal(hint, "0 to 1e9 norm");
}

/* --- the program's own options --- */

static int parse(struct options *o, struct err *e, const char *line)
{
	static char buf[512];
	static char *argv[32];
	int argc = 0;
	snprintf(buf, sizeof buf, "anetui %s", line);
	for (char *w = strtok(buf, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	return options_parse(o, argc, argv, e);
}

static void options_are_parsed(void **state)
{
	(void)state;
	struct options o;
	struct err e;
	assert_int_equal(parse(&o, &e, "--plain -e train -xfile --set a=1 -e ckpt --run=d1 --on-hup checkpoint,continue mil run --x"), 0);
	assert_int_equal(o.given[OPTION_PLAIN], 1);
	assert_int_equal(o.nscript, 4);
	assert_string_equal(o.script[0].arg, "train");
	assert_int_equal(o.script[1].id, OPTION_FILE);
	assert_string_equal(o.script[1].arg, "file");
	assert_string_equal(o.script[2].arg, "a=1");
	assert_string_equal(o.run_dir, "d1");
	assert_int_equal(o.on_hup, ON_HUP_CONTINUE);
	assert_int_equal(o.ncommand, 3);
	assert_string_equal(o.command[2], "--x");
	options_done(&o);
	static const struct { const char *line, *message; } bad[] = {
		{"--plian", "option: --plian: no such option (did you mean --plain?"}, {"-q", "no such option"}, {"--run", "--run: DIR is missing"}, {"-e", "-e: COMMAND is missing"},
		{"--plain=yes", "takes no value"}, {"--set clip", "must be KEY=VALUE"}, {"--on-hup never", "--on-hup: never: must be"}, {"--run=", "is empty"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(parse(&o, &e, bad[i].line), ERR_USAGE);
		if (!strstr(e.msg, bad[i].message))
			fail_msg("<%s>: %s", bad[i].line, e.msg);
		options_done(&o);
	}
	assert_int_equal(parse(&o, &e, "-- --plain"), 0);
	assert_int_equal(o.ncommand, 1);
	options_done(&o);
	assert_int_equal(parse(&o, &e, ""), 0);
	assert_int_equal(o.ncommand, 0);
	options_done(&o);
	struct str help = {0};
	options_help(&help);
	for (int i = 0; i < OPTION_N; i++)
		assert_non_null(strstr(help.s, option_row(i)->help));
	str_done(&help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_parsed),
		cmocka_unit_test(long_lines_are_refused),
		cmocka_unit_test(full_names_and_unique_prefixes),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(words_are_joined_as_they_are_read),
		cmocka_unit_test(lines_are_done),
		cmocka_unit_test(everything_has_help),
		cmocka_unit_test(manual_has_everything),
		cmocka_unit_test(words_are_completed),
		cmocka_unit_test(files_are_completed),
		cmocka_unit_test(hints_are_shown),
		cmocka_unit_test(options_are_parsed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
