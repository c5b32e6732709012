/* test_lineedit.c: the line editor played by script: keys in, lines and states out; and the file that keeps the history.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "repl/history.h"
#include "repl/lineedit.h"
#include "repl/lineedit_small.h"

/* In a script of keys this one is no key: the state is written down. */
#define LOOK L'\uE000'
#define LOOKS L"\uE000"
#define UP L"\x80"
#define DOWN L"\x81"
#define LEFT L"\x82"
#define RIGHT L"\x83"
#define HOME L"\x84"
#define END L"\x85"
#define DEL L"\x86"
#define CANCEL L"\x87"

enum { SEEN = 16, ROOM = 5000 };
struct play {
	struct lineedit *l;
	const wchar_t *keys;
	char line[SEEN][ROOM], state[SEEN][ROOM];
	int nline, nstate;
	const char *insert;  /* what Tab puts in */
	size_t from;         /* ... in the place of [from, cursor); SIZE_MAX: at the cursor */
	const char *set;     /* ... or what it makes of the whole line */
	int tabs;
};

static int next_key(void *ctx, wchar_t *c)
{
	struct play *p = ctx;
	for (; *p->keys == LOOK; p->keys++) {
		struct lineedit_view v;
		lineedit_state(p->l, &v);
		assert_true(p->nstate < SEEN);
		snprintf(p->state[p->nstate++], ROOM, "%s|%zu|%s%s", v.line, v.cursor, v.search, v.vi_command ? "|vi" : "");
	}
	if (!*p->keys)
		return 0;
	*c = *p->keys++;
	return 1;
}

static void whole_line(void *ctx, const char *utf8)
{
	struct play *p = ctx;
	assert_true(p->nline < SEEN);
	snprintf(p->line[p->nline++], ROOM, "%s", utf8);
}

static void tab(void *ctx)
{
	struct play *p = ctx;
	p->tabs++;
	if (p->set)
		lineedit_set(p->l, p->set);
	else if (p->insert && p->from != SIZE_MAX)
		lineedit_replace(p->l, p->from, p->insert);
	else if (p->insert)
		lineedit_insert(p->l, p->insert);
}

static struct play play;

static struct play *open_editor(const char *history)
{
	const struct lineedit_host host = {&play, next_key, whole_line, tab};
	struct err e = {0};
	memset(&play, 0, sizeof play);
	play.from = SIZE_MAX;
	play.l = lineedit_new(&host, history, NULL, &e);
	if (!play.l)
		fail_msg("%s", e.msg);
	return &play;
}

static void type(struct play *p, const wchar_t *keys)
{
	p->keys = keys;
	lineedit_run(p->l);
	if (*p->keys)
		fail_msg("the editor ended before its keys did");
}

static void close_editor(struct play *p)
{
	lineedit_free(p->l);
	p->l = NULL;
}

/* One session without history: the lines that come of the keys, with '|' between. */
static void expect_lines(const wchar_t *keys, const char *want)
{
	static char got[SEEN * ROOM];
	struct play *p = open_editor(NULL);
	size_t k = 0;
	type(p, keys);
	got[0] = 0;
	for (int i = 0; i < p->nline; i++)
		k += (size_t)snprintf(got + k, sizeof got - k, "%s%s", i ? "|" : "", p->line[i]);
	close_editor(p);
	assert_string_equal(got, want);
}

static char dir[] = "/tmp/anetui-test-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "en_US.UTF-8");
	return mkdtemp(dir) && !chdir(dir) && !setenv("HOME", dir, 1) && !unsetenv("EDITRC") ? 0 : -1;
}

static int remove_dir(void **state)
{
	char cmd[100];
	(void)state;
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return chdir("/") || system(cmd);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static const char *read_file(const char *path)
{
	static char text[100000];
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

static void typing_and_moving(void **state)
{
	(void)state;
	expect_lines(L"train 40\r", "train 40");
	expect_lines(L"train\nckpt\r\r", "train|ckpt|");
	expect_lines(L"tain" LEFT LEFT LEFT L"r\r", "train");
	expect_lines(L"rain" HOME L"t" END L" 5\r", "train 5");
	expect_lines(L"xtrain" L"\x01\x04\x05" L" 9\r", "train 9");
	expect_lines(L"trainz" LEFT DEL L"\r", "train");
	expect_lines(L"trainz\x7f\x08n\r", "train");
	expect_lines(L"sample 60 Once\x17Twice\r", "sample 60 Twice");
	expect_lines(L"all of it\x15ne\r", "ne");
	expect_lines(L"abcdef" LEFT LEFT L"\x0b\r", "abcd");
	expect_lines(L"abc" RIGHT RIGHT LEFT LEFT LEFT LEFT LEFT L"x\r", "xabc");
	expect_lines(L"gone" CANCEL L"here\r", "here");
	expect_lines(L"\x04\x04x\r", "x"); /* ^D in an empty line does nothing */
	expect_lines(L"one two" L"\x1b" L"b" L"x\r", "one xtwo");
	expect_lines(L"", "");
}

static void characters_beyond_ascii(void **state)
{
	(void)state;
	struct play *p = open_editor(NULL);
	type(p, L"é漢字ł😀č" LOOKS LEFT LEFT LOOKS L"x" LOOKS L"\x7f" DEL LOOKS L"\r");
	assert_string_equal(p->state[0], "é漢字ł😀č|16|");
	assert_string_equal(p->state[1], "é漢字ł😀č|10|");
	assert_string_equal(p->state[2], "é漢字łx😀č|11|");
	assert_string_equal(p->state[3], "é漢字łč|10|");
	assert_string_equal(p->line[0], "é漢字łč");
	close_editor(p);
}

static void the_state_is_seen(void **state)
{
	(void)state;
	struct play *p = open_editor(NULL);
	type(p, LOOKS L"lr 3e-4" LOOKS HOME LOOKS L"\r" LOOKS);
	assert_string_equal(p->state[0], "|0|");
	assert_string_equal(p->state[1], "lr 3e-4|7|");
	assert_string_equal(p->state[2], "lr 3e-4|0|");
	assert_string_equal(p->state[3], "|0|");
	/* It may be run again. */
	type(p, L"again\r");
	assert_string_equal(p->line[1], "again");
	close_editor(p);
}

static void tab_asks_the_host(void **state)
{
	(void)state;
	struct play *p = open_editor(NULL);
	p->insert = "in ";
	type(p, L"tra\t5\r");
	assert_string_equal(p->line[0], "train 5");
	p->insert = "żółw.txt ";
	p->from = 5;
	type(p, L"data ż\tx\r");
	assert_string_equal(p->line[1], "data żółw.txt x");
	p->insert = "漢字 ";
	type(p, L"data żółwx tail" LEFT LEFT LEFT LEFT LEFT LEFT L"\t" LOOKS L"\r");
	assert_string_equal(p->line[2], "data 漢字 x tail");
	assert_string_equal(p->state[0], "data 漢字 x tail|12|");
	p->insert = NULL;
	type(p, L"a\tb\r");
	assert_string_equal(p->line[3], "ab");
	assert_int_equal(p->tabs, 4);
	close_editor(p);
}

static void lines_can_be_set(void **state)
{
	(void)state;
	struct play *p = open_editor(NULL);
	p->set = "set clip ż";
	type(p, L"zz" LEFT L"\t" LOOKS L"5" HOME L"x" LOOKS);
	assert_string_equal(p->state[0], "set clip ż|11|");
	assert_string_equal(p->state[1], "xset clip ż5|1|");
	p->set = "";
	type(p, L"zz\t" LOOKS L"\r");
	assert_string_equal(p->state[2], "|0|");
	close_editor(p);
}

static void long_lines_scroll_nowhere(void **state)
{
	(void)state;
	static wchar_t keys[4200];
	wmemset(keys, L'y', 4000);
	wcscpy(keys + 4000, L"\r");
	struct play *p = open_editor(NULL);
	type(p, keys);
	assert_int_equal(p->nline, 1);
	assert_int_equal(strlen(p->line[0]), 4000);
	close_editor(p);
}

static void history_is_walked_and_searched(void **state)
{
	(void)state;
	struct play *p = open_editor(NULL);
	type(p, L"train 40\rlr 3e-4\r" UP L"\r" UP UP L"\r");
	assert_int_equal(p->nline, 4);
	assert_string_equal(p->line[2], "lr 3e-4");
	assert_string_equal(p->line[3], "train 40");
	/* Down comes back to the empty line; a cancelled walk begins anew at the latest. */
	type(p, UP UP DOWN DOWN LOOKS UP UP CANCEL UP LOOKS CANCEL);
	assert_string_equal(p->state[0], "|0|");
	assert_string_equal(p->state[1], "train 40|8|");
	/* The search shows its pattern apart from the line. */
	type(p, L"\x12" L"lr" LOOKS L"\r");
	assert_string_equal(p->line[4], "lr 3e-4");
	assert_non_null(strstr(p->state[2], "lr 3e-4|"));
	assert_non_null(strstr(p->state[2], "|bck:lr"));
	/* Leading blanks are not kept, repetitions once. */
	type(p, L" secret\rckpt\rckpt\r" UP LOOKS UP LOOKS CANCEL);
	assert_string_equal(p->state[3], "ckpt|4|");
	assert_string_equal(p->state[4], "lr 3e-4|7|");
	close_editor(p);
}

static void history_outlives_the_session(void **state)
{
	(void)state;
	struct stat st;
	struct play *p = open_editor("h1");
	type(p, L"train 40\rsample 9 żółw \"x\" \\n\r secret\r");
	close_editor(p);
	assert_string_equal(read_file("h1"), "train 40\nsample 9 żółw \"x\" \\n\n");
	assert_int_equal(stat("h1", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	p = open_editor("h1");
	type(p, UP LOOKS UP LOOKS CANCEL);
	assert_string_equal(p->state[0], "sample 9 żółw \"x\" \\n|23|");
	assert_string_equal(p->state[1], "train 40|8|");
	close_editor(p);

	/* Two sessions at once: neither loses what it typed. */
	struct err e;
	struct history *a = history_open("h1", &e), *b = history_open("h1", &e);
	assert_int_equal(history_add(a, "of a"), 1);
	assert_int_equal(history_add(b, "of b"), 1);
	assert_int_equal(history_save(b, &e), 0);
	assert_int_equal(history_save(a, &e), 0);
	assert_int_equal(history_save(a, &e), 0);
	history_close(a);
	history_close(b);
	assert_string_equal(read_file("h1"), "train 40\nsample 9 żółw \"x\" \\n\nof b\nof a\n");
	/* A link stays a link. */
	assert_int_equal(symlink("h1", "link"), 0);
	a = history_open("link", &e);
	history_add(a, "through");
	assert_int_equal(history_save(a, &e), 0);
	history_close(a);
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_non_null(strstr(read_file("h1"), "of a\nthrough\n"));
}

static void many_sessions_end_at_once(void **state)
{
	(void)state;
	enum { N = 8 };
	pid_t child[N];
	for (int i = 0; i < N; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i] == 0) {
			struct err e;
			char line[32];
			struct history *h = history_open("h2", &e);
			snprintf(line, sizeof line, "line of %d", i);
			history_add(h, line);
			_exit(history_save(h, &e) ? 1 : 0);
		}
	}
	for (int i = 0; i < N; i++) {
		int status;
		waitpid(child[i], &status, 0);
		assert_int_equal(status, 0);
	}
	const char *text = read_file("h2");
	for (int i = 0; i < N; i++) {
		char line[32];
		snprintf(line, sizeof line, "line of %d\n", i);
		assert_non_null(strstr(text, line));
	}
}

static void long_and_damaged_histories(void **state)
{
	(void)state;
	struct err e;
	char line[1100];
	/* A line of 1,024 bytes is what libedit's own loader cannot take. */
	static const int sizes[] = {998, 999, 1000, 1023, 1024, 1025, 1099};
	struct play *p = open_editor("h3");
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		static wchar_t keys[1200];
		wmemset(keys, (wchar_t)(L'a' + (int)i), (size_t)sizes[i]);
		wcscpy(keys + sizes[i], L"\r");
		type(p, keys);
		assert_int_equal(strlen(p->line[i]), sizes[i]);
	}
	close_editor(p);
	assert_int_equal(strlen(read_file("h3")), 999 + 1000);
	/* The same in a file that came from elsewhere; half a line, bytes that are no text, and none at all. */
	memset(line, 'z', sizeof line);
	line[1024] = '\n';
	memcpy(line + 1025, "ok\n\xff\xfe\nbell\a\n\n  \nlast", 20);
	FILE *f = fopen("h4", "w");
	fwrite(line, 1, 1025 + 20, f);
	fclose(f);
	struct history *h = history_open("h4", &e);
	assert_int_equal(history_count(h), 2);
	assert_string_equal(history_line(h, 0), "ok");
	assert_string_equal(history_line(h, 1), "last");
	history_close(h);
	f = fopen("h5", "w");
	for (int i = 0; i < 1500; i++)
		fprintf(f, "line %d\n", i);
	fclose(f);
	h = history_open("h5", &e);
	assert_int_equal(history_count(h), HISTORY_LINES);
	assert_string_equal(history_line(h, 0), "line 500");
	assert_int_equal(history_add(h, "one more"), 1);
	assert_int_equal(history_count(h), HISTORY_LINES);
	assert_string_equal(history_line(h, 0), "line 501");
	assert_int_equal(history_save(h, &e), 0);
	history_close(h);
	assert_int_equal(strncmp(read_file("h5"), "line 501\n", 9), 0);
	write_file("h6", "");
	h = history_open("h6", &e);
	assert_int_equal(history_count(h), 0);
	history_close(h);
	h = history_open("no/such/folder/h", &e);
	assert_int_equal(history_count(h), 0);
	history_add(h, "x");
	assert_int_equal(history_save(h, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "no/such/folder/h: No such file"));
	history_close(h);
}

static void a_full_disk_keeps_the_old_history(void **state)
{
	(void)state;
	struct err e;
	write_file("h7", "old one\nold two\n");
	pid_t child = fork();
	if (child == 0) {
		/* No file may grow beyond eight bytes: what a full disk does, without filling one. */
		const struct rlimit small = {8, 8};
		signal(SIGXFSZ, SIG_IGN);
		struct history *h = history_open("h7", &e);
		history_add(h, "new");
		if (setrlimit(RLIMIT_FSIZE, &small))
			_exit(3);
		_exit(history_save(h, &e) == ERR_IO && strstr(e.msg, "history: ") ? 0 : 1);
	}
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_string_equal(read_file("h7"), "old one\nold two\n");
	assert_int_equal(system("ls | grep -c 'h7.tmp' | grep -q '^0$'"), 0);
	/* A device is not a place for it, and stays what it is. */
	struct history *h = history_open("/dev/full", &e);
	assert_non_null(h);
	history_add(h, "new");
	assert_int_equal(history_save(h, &e), ERR_IO);
	history_close(h);
	struct stat st;
	if (!stat("/dev/full", &st))
		assert_true(S_ISCHR(st.st_mode));
}

static void vi_keys_work(void **state)
{
	(void)state;
	write_file("editrc", "bind -v\n");
	setenv("EDITRC", "editrc", 1);
	struct play *p = open_editor(NULL);
	assert_null(lineedit_warning(p->l));
	assert_int_equal(lineedit_is_vi(p->l), 1);
	type(p, L"sample 60 Once" LOOKS L"\x1b" LOOKS L"bb" L"x" L"A twice" LOOKS L"\r");
	assert_string_equal(p->line[0], "sample 0 Once twice");
	assert_string_equal(p->state[0], "sample 60 Once|14|");
	assert_string_equal(p->state[1], "sample 60 Once|13||vi");
	assert_string_equal(p->state[2], "sample 0 Once twice|19|");
	/* Arrows stay in insert mode; `v` and `:` start nothing; `cw` goes back to inserting. */
	type(p, L"abc" LEFT L"x" LOOKS L"\x1b" L"v:" LOOKS L"0cwnew" LOOKS L"\r");
	assert_string_equal(p->state[3], "abxc|3|");
	assert_string_equal(p->state[4], "abxc|2||vi");
	assert_string_equal(p->state[5], "new|3|");
	assert_string_equal(p->line[1], "new");
	/* A cancelled line is followed by inserting, with the history at its end. */
	type(p, L"word\x1b" L"kk" CANCEL L"ok" LOOKS L"\r" UP LOOKS CANCEL L"\x12" L"samp\r");
	assert_string_equal(p->state[6], "ok|2|");
	assert_int_equal(strncmp(p->state[7], "ok|", 3), 0);
	assert_string_equal(p->line[3], "sample 0 Once twice");
	p->insert = "done";
	type(p, L"x\t\r");
	assert_string_equal(p->line[4], "xdone");
	close_editor(p);
	unsetenv("EDITRC");
}

static void editrc_faults_are_told(void **state)
{
	(void)state;
	write_file("editrc", "bind ^T ed-move-to-beg\nbind ^T no-such-function\nbind ^Y ed-move-to-beg\n");
	setenv("EDITRC", "editrc", 1);
	struct play *p = open_editor(NULL);
	assert_non_null(lineedit_warning(p->l));
	assert_non_null(strstr(lineedit_warning(p->l), "editrc: editrc: "));
	type(p, L"bc\x14" L"a\r");
	assert_string_equal(p->line[0], "abc");
	close_editor(p);
	setenv("EDITRC", "nowhere", 1);
	p = open_editor(NULL);
	assert_null(lineedit_warning(p->l));
	close_editor(p);
	/* `edit off` is a wish for something simpler, and it gets it. */
	write_file("editrc", "edit off\n");
	setenv("EDITRC", "editrc", 1);
	p = open_editor("h8");
	assert_non_null(strstr(lineedit_warning(p->l), "edit off"));
	type(p, L"tain żó" HOME RIGHT L"r" LOOKS END L"\x7fx\r" UP LOOKS L"\x17" L"9\r");
	assert_string_equal(p->state[0], "train żó|2|");
	assert_string_equal(p->line[0], "train żx");
	assert_string_equal(p->state[1], "train żx|9|");
	assert_string_equal(p->line[1], "train 9");
	p->insert = "ckpt";
	p->from = 0;
	type(p, L"x\t\r");
	assert_string_equal(p->line[2], "ckpt");
	close_editor(p);
	assert_string_equal(read_file("h8"), "train żx\ntrain 9\nckpt\n");
	unsetenv("EDITRC");
}

static void the_small_editor(void **state)
{
	(void)state;
	static struct small_editor s;
	struct err e;
	struct history *h = history_open(NULL, &e);
	history_add(h, "first");
	history_add(h, "second");
	small_init(&s, h);
	for (const wchar_t *c = L"half" UP UP UP LEFT L"\x0b" DOWN DOWN DOWN L"!\x01\x06\x02" L"<"; *c; c++)
		assert_int_equal(small_key(&s, *c), SMALL_GOES_ON);
	assert_int_equal(wcscmp(s.text, L"<half!"), 0);
	assert_int_equal(small_key(&s, L'\t'), SMALL_COMPLETE);
	assert_int_equal(small_key(&s, L'\r'), SMALL_LINE);
	for (int i = 0; i < 2 * SMALL_MAX; i++)
		small_key(&s, L'x');
	assert_int_equal(s.length, SMALL_MAX);
	small_key(&s, L'\a');
	assert_int_equal(s.length, SMALL_MAX);
	history_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typing_and_moving),
		cmocka_unit_test(characters_beyond_ascii),
		cmocka_unit_test(the_state_is_seen),
		cmocka_unit_test(tab_asks_the_host),
		cmocka_unit_test(lines_can_be_set),
		cmocka_unit_test(long_lines_scroll_nowhere),
		cmocka_unit_test(history_is_walked_and_searched),
		cmocka_unit_test(history_outlives_the_session),
		cmocka_unit_test(many_sessions_end_at_once),
		cmocka_unit_test(long_and_damaged_histories),
		cmocka_unit_test(a_full_disk_keeps_the_old_history),
		cmocka_unit_test(vi_keys_work),
		cmocka_unit_test(editrc_faults_are_told),
		cmocka_unit_test(the_small_editor),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
