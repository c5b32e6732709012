/* test_stories.c: the built-in corpus and the grammar that tells it.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/grammar.h"
#include "text/stories.h"

enum { CORPUS = 5500000 };
static struct str corpus;

static int make_corpus(void **state)
{
	(void)state;
	struct err e = {0};
	if (stories_generate(&corpus, CORPUS, 1, &e))
		fprintf(stderr, "%s\n", e.msg);
	return corpus.len < CORPUS;
}

static int drop_corpus(void **state)
{
	(void)state;
	str_done(&corpus);
	return 0;
}

/* The end of the story at `from`. Not strstr: a checked build's would look at the whole corpus each time. */
static size_t story_end(size_t from)
{
	while (from < corpus.len && !(corpus.s[from] == '\n' && (from + 1 == corpus.len || corpus.s[from + 1] == '\n')))
		from++;
	return from;
}

/* fn for each story, without the empty line after it. */
static size_t each_story(void (*fn)(const char *s, size_t n))
{
	size_t count = 0;
	for (size_t at = 0, end; at < corpus.len; at = end + 2, count++) {
		end = story_end(at);
		fn(corpus.s + at, end - at);
	}
	return count;
}

static void story_length(const char *s, size_t n)
{
	int words = 0;
	for (size_t i = 0; i < n; i++)
		words += !isspace((unsigned char)s[i]) && (i == 0 || isspace((unsigned char)s[i - 1]));
	if (words < 80 || words > 250)
		fail_msg("%d words: %.*s", words, (int)n, s);
}

static void lengths(void **state)
{
	(void)state;
	assert_in_range(each_story(story_length), 2000, 68750);
	assert_in_range(corpus.len, CORPUS, CORPUS + 3000);
	assert_int_equal(corpus.s[corpus.len - 1], '\n');
	assert_true(corpus.s[corpus.len - 2] != '\n');
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void distinct_words(void **state)
{
	(void)state;
	char *copy = mem_strdup(corpus.s);
	char **word = mem_zalloc(corpus.len / 2, sizeof *word);
	assert_non_null(copy);
	assert_non_null(word);
	size_t n = 0, different = 0;
	for (char *p = copy; *p;) {
		while (*p && !isalpha((unsigned char)*p))
			p++;
		word[n++] = p;
		for (; isalpha((unsigned char)*p); p++)
			*p = (char)tolower((unsigned char)*p);
		if (*p)
			*p++ = 0;
	}
	qsort(word, n, sizeof *word, by_text);
	for (size_t i = 0; i < n; i++)
		different += i == 0 || strcmp(word[i], word[i - 1]) != 0;
	assert_in_range(different, 1500, 10000);
	free(word);
	free(copy);
}

static void same_seed_same_stories(void **state)
{
	(void)state;
	struct err e = {0};
	struct str a = {0}, b = {0}, c = {0};
	assert_int_equal(stories_generate(&a, 100000, 1, &e), 0);
	assert_int_equal(stories_generate(&b, 100000, 1, &e), 0);
	assert_int_equal(stories_generate(&c, 100000, 2, &e), 0);
	assert_string_equal(a.s, b.s);
	assert_true(strcmp(a.s, c.s) != 0);
	assert_memory_equal(a.s, corpus.s, 100000); /* a longer corpus begins with the shorter one */
	str_done(&a);
	str_done(&b);
	str_done(&c);
}

static void show(const char *what, const char *at)
{
	const char *from = at - corpus.s > 60 ? at - 60 : corpus.s;
	fail_msg("%s: ...%.120s", what, from);
}

static void clean_text(void **state)
{
	(void)state;
	static const char *const never[] = {"  ", "\n\n\n", " \n", "\n ", " .", " ,", " !", " ?", "..", ",,", "{", "}", "|", "[", "]", "\t", " / ", ".,", ",.", "!.", "?.", "\x01", "\x02", "_", "= "};
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		const char *at = strstr(corpus.s, never[i]);
		if (at)
			show(never[i], at);
	}
	int quotes = 0;
	for (const char *p = corpus.s; *p; p++) {
		if ((unsigned char)*p >= 127)
			show("not ASCII", p);
		quotes += *p == '"';
		if (*p == '\n' && quotes % 2)
			show("a quote is left open", p);
	}
}

/* After . ! ? and a blank, outside or after a quote that ended so with a full stop, and at the start of lines. */
static void sentences_begin_with_capitals(void **state)
{
	(void)state;
	int inside = 0;
	for (size_t i = 0; i < corpus.len; i++) {
		char c = corpus.s[i], b = i ? corpus.s[i - 1] : '\n', a = i > 1 ? corpus.s[i - 2] : '\n';
		inside ^= c == '"';
		int begins = b == '\n' || (b == ' ' && strchr(".!?", a)) || (b == ' ' && a == '"' && corpus.s[i - 3] == '.');
		if (begins && c != '\n' && !isupper((unsigned char)c) && c != '"')
			show("a small letter begins a sentence", corpus.s + i);
		if (c == '.' && i + 1 < corpus.len && !strchr(" \n\"", corpus.s[i + 1]))
			show("no blank after a full stop", corpus.s + i);
	}
	assert_int_equal(inside, 0);
}

static void articles(void **state)
{
	(void)state;
	for (const char *p = corpus.s; *p; p++) {
		if (p[0] != ' ' || p[1] != 'a')
			continue;
		int an = p[2] == 'n';
		const char *w = p + 2 + an;
		if (*w != ' ')
			continue;
		w++;
		int vowel = strchr("aeiou", *w) != NULL;
		if (!strncmp(w, "uni", 3) || !strncmp(w, "one", 3) || !strncmp(w, "uku", 3))
			vowel = 0;
		if (!strncmp(w, "hour", 4) || !strncmp(w, "honest", 6))
			vowel = 1;
		if (an != vowel)
			show("wrong article", p);
	}
	assert_non_null(strstr(corpus.s, " an honest "));
	assert_non_null(strstr(corpus.s, " a unicorn "));
	assert_non_null(strstr(corpus.s, " an apple "));
}

/* "Lily and Lily", "the the": no word twice in a row, where both are letters. */
static void no_word_twice(void **state)
{
	(void)state;
	const char *last = NULL;
	size_t nlast = 0;
	for (const char *p = corpus.s; *p;) {
		size_t n = 0;
		while (p[n] && p[n] != ' ' && p[n] != '\n')
			n++;
		if (last && n == nlast && n > 1 && isalpha((unsigned char)p[n - 1]) && !memcmp(last, p, n))
			show("a word twice", p);
		last = p;
		nlast = n;
		p += n + (p[n] != 0);
	}
	assert_null(strstr(corpus.s, " himself herself"));
}

static size_t once;
static void count_once(const char *s, size_t n)
{
	once += n > 16 && !memcmp(s, "Once upon a time", 16);
}

static void many_begin_once_upon_a_time(void **state)
{
	(void)state;
	once = 0;
	size_t all = each_story(count_once);
	assert_true(once > all / 4 && once < all);
}

/* --- the grammar itself --- */

static int expand(const char *rules, struct str *out, struct err *e)
{
	struct grammar *g = grammar_new();
	struct rng r;
	rng_seed(&r, 1);
	int rc = grammar_add(g, rules, strlen(rules), "g.txt", e);
	if (!rc)
		rc = grammar_link(g, e);
	if (!rc)
		rc = grammar_expand(g, "story", &r, out, e);
	grammar_free(g);
	return rc;
}

static void grammar_says(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"[story]\nA {x} b.\n[x]\n-\n", "A b."},
		{"[story]\n{a} {x} and {A} {y}, {n}{n} end\n[x]\napple\n[y]\nball\n", "an apple and A ball,\nend"},
		{"[story]\n{hero:=who}{He} saw {hero.field}. {His} hat, {himself}. {Hero}\n[who : name field]\ntom / a dog :m\n", "He saw a dog. His hat, himself. Tom"},
		{"[story]\n{x=both} {x.him}\n[both]\n{girl}\n[girl :f]\nAnn\n", "Ann her"},
		{"[story]\n{x=t} {y=t} {x}{y}\n[t]\none | one | one | one | one | one\n", "one one oneone"},
		{"[story]\n{X}\n[x]\n{a} {y}\n[y]\nhour", "An hour"},
		{"# note\n[story : a b]\n9999* {x=w} is {x} / unused\n[w]\nred", "red is red"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = {0};
		struct str out = {0};
		if (expand(cases[i][0], &out, &e))
			fail_msg("%s", e.msg);
		assert_string_equal(out.s, cases[i][1]);
		str_done(&out);
	}
}

/* "~": the first line is taken most often, the last one least, and each one sometimes. */
static void falling_rule(void **state)
{
	(void)state;
	static const char rules[] = "[story]\n{x}\n[x ~]\na | b | c | d\n";
	struct err e = {0};
	struct grammar *g = grammar_new();
	assert_int_equal(grammar_add(g, rules, sizeof rules - 1, "g.txt", &e), 0);
	assert_int_equal(grammar_link(g, &e), 0);
	struct str out = {0};
	struct rng r;
	rng_seed(&r, 1);
	int seen[4] = {0};
	for (int i = 0; i < 20000; i++) {
		str_clear(&out);
		assert_int_equal(grammar_expand(g, "story", &r, &out, &e), 0);
		assert_int_equal(out.len, 1);
		seen[out.s[0] - 'a']++;
	}
	/* 1/3, 1/4, 1/5, 1/6 of 57/60 */
	for (int k = 0; k < 4; k++)
		assert_in_range(seen[k], 20000 * 60 / 57 / (k + 3) - 400, 20000 * 60 / 57 / (k + 3) + 400);
	str_done(&out);
	grammar_free(g);
}

static void grammar_refuses(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"[story]\n{y}\n", "stories: g.txt:2: no rule and no chosen word has the name y"},
		{"[story]\n{x\n", "stories: g.txt:2: a { without its }: {x"},
		{"[story]\nx}\n", "stories: g.txt:2: a } without its {: x}"},
		{"x\n", "stories: g.txt:1: a line before the first [rule]: x"},
		{"[story]\n[x]\ny\n", "stories: g.txt: rule story has no lines"},
		{"[story : a b]\nx\n", "stories: g.txt:2: not as many fields as its rule names: x"},
		{"[story]\nx\n[story]\ny\n", "stories: g.txt:3: this rule is there already: story"},
		{"[story]\n0* x\n", "stories: g.txt:2: a weight of 0: x"},
		{"[story]\n{story}\n", "stories: rules that contain themselves, 40 deep"},
		{"[story]\n{x.he}{x=w}\n[w]\nv\n", "stories: line 2: x is used before it is chosen"},
		{"[story]\n{x=w}{x.size}\n[w]\nv\n", "stories: line 2: x, a w, has no size"},
		{"[other]\nx\n", "stories: no rule has the name story"},
		{"[]\nx\n", "stories: g.txt:1: a rule without a name: "},
		{"[story]\n{}\n", "stories: g.txt:2: no name in { }: "},
		{"[story]\n{=x}\n", "stories: g.txt:2: no name before =: =x"},
		{"[story]\n{x.}\n", "stories: g.txt:2: not NAME.FIELD: x."},
		{"[story]\n{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n", "stories: g.txt:2: no name in { }: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = {0};
		struct str out = {0};
		assert_true(expand(cases[i][0], &out, &e) < 0);
		assert_string_equal(e.msg, cases[i][1]);
		str_done(&out);
	}
}

/* Damaged grammars: an error or a text, never more. */
static void grammar_noise(void **state)
{
	(void)state;
	static const char good[] = "[story : a b]\n3* {hero:=who}{He} {x=w} {x.size} / {a} {w}{n} :f\n[who :m]\nTom | {w}\n[w : it size]\nbox / {a} big\n";
	struct rng r;
	rng_seed(&r, 4);
	for (int i = 0; i < 3000; i++) {
		char s[sizeof good];
		memcpy(s, good, sizeof good);
		for (int k = 0; k < 3; k++)
			s[rng_below(&r, sizeof good - 1)] = "{}[]|/:.=*\n x3a"[rng_below(&r, 15)];
		struct err e = {0};
		struct str out = {0};
		if (expand(s, &out, &e))
			assert_true(e.msg[0] != 0);
		str_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),
		cmocka_unit_test(distinct_words),
		cmocka_unit_test(same_seed_same_stories),
		cmocka_unit_test(clean_text),
		cmocka_unit_test(sentences_begin_with_capitals),
		cmocka_unit_test(articles),
		cmocka_unit_test(no_word_twice),
		cmocka_unit_test(many_begin_once_upon_a_time),
		cmocka_unit_test(grammar_says),
		cmocka_unit_test(falling_rule),
		cmocka_unit_test(grammar_refuses),
		cmocka_unit_test(grammar_noise),
	};
	return cmocka_run_group_tests(tests, make_corpus, drop_corpus);
}
