/* test_data.c: token sources: texts and their cache, shards and what is refused, every order and its resumption, the validation set.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "support/testdata.h"
#include "text/data.h"
#include "text/shard.h"

/* A shard of n ids 0, 1, 2, ... below 65536. */
static struct data counting(uint64_t n, double val)
{
	uint16_t *id = mem_zalloc((size_t)n, sizeof *id);
	for (uint64_t i = 0; i < n; i++)
		id[i] = (uint16_t)i;
	scratch_write("count.bin", id, (size_t)n * 2);
	free(id);
	struct data d;
	struct err e = {0};
	if (data_open_shard(&d, "count.bin", 65536, val, &e))
		fail_msg("%s", e.msg);
	return d;
}

static struct tokenizer *bytes_only(void)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_train("", 0, 257, NULL, &e);
	assert_non_null(t);
	return t;
}

/* --- orders --- */

static void sequential(void **state)
{
	(void)state;
	struct data d = counting(1000, 0);
	struct data_cursor c;
	struct err e = {0};
	int x[3 * 16], y[3 * 16], seq = 16, batch = 3;
	data_cursor_init(&c, DATA_SEQUENTIAL, 1);
	for (int i = 0; i < 70; i++) { /* 20 whole batches fit in 999 */
		assert_int_equal(data_next(&d, &c, batch, seq, x, y, &e), 0);
		for (int k = 0; k < batch * seq; k++) {
			assert_int_equal(x[k], i % 20 * batch * seq + k);
			assert_int_equal(y[k], x[k] + 1);
		}
		assert_int_equal(c.epoch, i / 20);
		assert_true(data_epoch(&d, &c, batch, seq) == i / 20 + (i % 20 + 1) / 20.0);
	}
	data_close(&d);
}

/* Lengths around a whole number of batches: the last id has no target, so 4 batches of 8 need 33 ids. */
static void sequential_to_the_last_id(void **state)
{
	(void)state;
	for (uint64_t n = 31; n < 36; n++) {
		struct data d = counting(n + 5, 0);
		struct data_cursor c;
		struct err e = {0};
		int x[8], y[8], last = 0;
		d.ntrain = n; /* what follows is the validation part */
		data_cursor_init(&c, DATA_SEQUENTIAL, 1);
		for (int i = 0; i < 50; i++) {
			assert_int_equal(data_next(&d, &c, 2, 4, x, y, &e), 0);
			assert_int_equal(x[0], i % (n < 33 ? 3 : 4) * 8);
			last = y[7] > last ? y[7] : last;
		}
		assert_int_equal(last, n < 33 ? 24 : 32);
		data_close(&d);
	}
}

/* A batch of more sequences than there are: each wraps by itself; the smallest part has one. */
static void few_sequences(void **state)
{
	(void)state;
	int x[5 * 16], y[5 * 16];
	for (uint64_t n = 17; n < 60; n += 6)
		for (int order = DATA_SEQUENTIAL; order <= DATA_SHUFFLE; order++) {
			struct data d = counting(n, 0);
			struct data_cursor c;
			struct err e = {0};
			data_cursor_init(&c, (enum data_order)order, 1);
			for (int i = 0; i < 20; i++) {
				assert_int_equal(data_next(&d, &c, 5, 16, x, y, &e), 0);
				for (int k = 0; k < 5 * 16; k++) {
					assert_in_range(x[k], 0, n - 2);
					assert_int_equal(y[k], x[k] + 1);
				}
			}
			data_close(&d);
		}
	struct data d = counting(16, 0);
	struct data_cursor c;
	struct err e = {0};
	data_cursor_init(&c, DATA_RANDOM, 1);
	assert_int_equal(data_next(&d, &c, 1, 16, x, y, &e), ERR_RANGE);
	assert_string_equal(e.msg, "data: count.bin: 16 ids for training, seq 16 needs 17 (a longer text or a smaller seq)");
	assert_int_equal(data_next(&d, &c, 0, 16, x, y, &e), ERR_RANGE);
	data_close(&d);
}

static void shuffle_takes_each_window_once(void **state)
{
	(void)state;
	static const uint64_t lengths[] = {9, 17, 25, 100, 1000, 8193, 30001};
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct data d = counting(lengths[i], 0);
		uint64_t windows = (lengths[i] - 1) / 8, same = 0;
		int *first = mem_zalloc((size_t)windows, sizeof *first), x[8], y[8];
		struct data_cursor c;
		struct err e = {0};
		data_cursor_init(&c, DATA_SHUFFLE, 3);
		for (int epoch = 0; epoch < 3; epoch++) {
			char *seen = mem_zalloc((size_t)windows, 1);
			for (uint64_t w = 0; w < windows; w++) {
				assert_int_equal(data_next(&d, &c, 1, 8, x, y, &e), 0);
				assert_int_equal(c.epoch, epoch);
				assert_int_equal(x[0] % 8, 0);
				assert_int_equal(seen[x[0] / 8]++, 0);
				same += epoch && first[w] == x[0];
				if (!epoch)
					first[w] = x[0];
			}
			free(seen);
		}
		if (windows > 100)
			assert_true(same < windows / 4);
		free(first);
		data_close(&d);
	}
}

static void random_reaches_all(void **state)
{
	(void)state;
	struct data d = counting(40, 0);
	struct data_cursor c;
	struct err e = {0};
	int x[8], y[8], seen[32] = {0};
	data_cursor_init(&c, DATA_RANDOM, 9);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(data_next(&d, &c, 1, 8, x, y, &e), 0);
		assert_in_range(x[0], 0, 31);
		seen[x[0]] = 1;
		assert_int_equal(y[7], x[0] + 8);
	}
	for (int i = 0; i < 32; i++)
		assert_true(seen[i]);
	data_close(&d);
}

static void resumed_is_straight(void **state)
{
	(void)state;
	enum { STEPS = 60, BATCH = 2, SEQ = 7 };
	struct data d = counting(400, 0.1);
	struct err e = {0};
	for (int order = DATA_SEQUENTIAL; order <= DATA_SHUFFLE; order++) {
		static int straight[STEPS][BATCH * SEQ];
		struct data_cursor c, at[STEPS];
		int x[BATCH * SEQ], y[BATCH * SEQ];
		data_cursor_init(&c, (enum data_order)order, 77);
		for (int i = 0; i < STEPS; i++) {
			at[i] = c;
			assert_int_equal(data_next(&d, &c, BATCH, SEQ, straight[i], y, &e), 0);
		}
		for (int k = 0; k < STEPS; k++) {
			c = at[k];
			for (int i = k; i < STEPS; i++) {
				assert_int_equal(data_next(&d, &c, BATCH, SEQ, x, y, &e), 0);
				assert_memory_equal(x, straight[i], sizeof x);
				for (int j = 0; j < BATCH * SEQ; j++)
					assert_in_range(y[j], 1, d.ntrain - 1); /* never a held-out id */
			}
		}
		struct data_cursor other;
		data_cursor_init(&other, (enum data_order)order, 78);
		assert_int_equal(data_next(&d, &other, BATCH, SEQ, x, y, &e), 0);
		if (order != DATA_SEQUENTIAL)
			assert_memory_not_equal(x, straight[0], sizeof x);
	}
	data_close(&d);
}

/* --- validation --- */

static void validation_is_fixed_and_apart(void **state)
{
	(void)state;
	static const uint64_t lengths[] = {40, 100, 333, 5000};
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct data d = counting(lengths[i], 0.25);
		uint64_t held = d.ntoken - d.ntrain, targets = 0;
		assert_true(held > 0);
		int x[4 * 16], y[4 * 16], again[4 * 16], batches = 0;
		char *seen = mem_zalloc((size_t)lengths[i], 1);
		while (!data_val(&d, batches, 5, 4, 16, x, y)) {
			assert_int_equal(data_val(&d, batches, 5, 4, 16, again, again), 0);
			for (int k = 0; k < 4 * 16; k++) {
				assert_int_equal(again[k], y[k]);
				if (y[k] < 0)
					continue;
				assert_int_equal(y[k], x[k] + 1);
				assert_in_range(x[k], d.ntrain, d.ntoken - 1);
				assert_int_equal(seen[y[k]]++, 0);
				targets++;
			}
			batches++;
		}
		free(seen);
		assert_true(batches >= 1 && batches <= 5);
		assert_true(targets >= (held < 17 ? held - 1 : 16));
		assert_int_equal(data_val(&d, -1, 5, 4, 16, x, y), 1);
		data_close(&d);
	}
	struct data d = counting(100, 0);
	int x[16], y[16];
	assert_int_equal(data_val(&d, 0, 5, 1, 16, x, y), 1);
	assert_true(data_bytes_per_token(&d) == 0);
	data_close(&d);
}

/* --- texts --- */

static void text_refused(const char *path, const char *message)
{
	struct tokenizer *t = bytes_only();
	struct data d;
	struct err e = {0};
	struct str s;
	assert_true(data_open_text(&d, path, t, 0.1, NULL, NULL, &e) < 0);
	assert_string_equal(e.msg, message);
	assert_true(data_text(&s, path, &e) < 0);
	assert_string_equal(e.msg, message);
	assert_null(data_tokenizer(path, 300, NULL, &e));
	tokenizer_free(t);
}

static void texts_refused(void **state)
{
	(void)state;
	text_refused("absent.txt", "data: absent.txt: No such file or directory");
	mkdir("empty", 0777);
	text_refused("empty", "data: empty: is a folder without token files (.bin .tok .u16 .u32) and without texts (.txt .text .md .jsonl .ndjson)");
	text_refused(scratch_write("empty.txt", "", 0), "data: empty.txt: is empty");
	text_refused(scratch_write("binary.txt", "ab\0c", 4), "data: binary.txt: NUL byte at 2: this is no text (token files end in .bin, .tok, .u16 or .u32)");
	struct tokenizer *t = bytes_only();
	struct data d;
	struct err e = {0};
	int x[64], y[64];
	assert_true(data_open_text(&d, scratch_write("one.txt", "a", 1), t, 0.1, NULL, NULL, &e) < 0);
	assert_string_equal(e.msg, "data: one.txt: 1 ids, at least 2 are needed");
	assert_int_equal(data_open_text(&d, scratch_write("short.txt", "a few words\n", 12), t, 0, NULL, NULL, &e), 0);
	struct data_cursor c;
	data_cursor_init(&c, DATA_RANDOM, 1);
	assert_true(data_next(&d, &c, 1, 64, x, y, &e) < 0);
	assert_string_equal(e.msg, "data: short.txt: 12 ids for training, seq 64 needs 65 (a longer text or a smaller seq)");
	data_close(&d);
	atomic_int stop = 1;
	assert_int_equal(data_open_text(&d, scratch_write("stop.txt", "never cached before\n", 20), t, 0, NULL, &stop, &e), ERR_CANCEL);
	tokenizer_free(t);
}

static void assert_text(const struct data *d, const struct tokenizer *t, const char *s, size_t n)
{
	size_t at = 0, k;
	for (uint64_t i = 0; i < d->ntoken; i++) {
		const char *p = tokenizer_piece(t, -1, data_id(d, i), &k);
		assert_true(at + k <= n && !memcmp(p, s + at, k));
		at += k;
	}
	assert_int_equal(at, n);
}

static int count_files(const char *end)
{
	char dir[4096];
	int n = 0;
	if (file_cache_dir(dir, sizeof dir, NULL))
		return -1;
	DIR *f = opendir(dir);
	for (struct dirent *x; f && (x = readdir(f));)
		n += strstr(x->d_name, end) != NULL;
	if (f)
		closedir(f);
	return n;
}

static void text_and_its_cache(void **state)
{
	(void)state;
	static char text[700000];
	struct rng r;
	rng_seed(&r, 6);
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = "etaoin  shr\nlu  x.\n"[rng_below(&r, 19)];
	scratch_write("text.txt", text, sizeof text);
	struct err e = {0};
	struct tokenizer *t = data_tokenizer("text.txt", 300, NULL, &e), *again = data_tokenizer("text.txt", 300, NULL, &e);
	assert_non_null(t);
	assert_non_null(again);
	assert_true(tokenizer_info(t)->hash == tokenizer_info(again)->hash);
	tokenizer_free(again);
	struct data a, b;
	_Atomic float progress = 0;
	int before = count_files(".tok");
	assert_int_equal(data_open_text(&a, "text.txt", t, 0.1, &progress, NULL, &e), 0);
	assert_true(progress == 1);
	assert_int_equal(count_files(".tok"), before + 1);
	assert_text(&a, t, text, sizeof text);
	/* The held-out part begins a line and is about as long as was asked; its bytes are known exactly. */
	size_t train_bytes = 0, k;
	for (uint64_t i = 0; i < a.ntrain; i++) {
		tokenizer_piece(t, -1, data_id(&a, i), &k);
		train_bytes += k;
	}
	assert_int_equal(text[train_bytes - 1], '\n');
	assert_true(a.val_bytes == (double)(sizeof text - train_bytes));
	assert_in_range((uintmax_t)a.val_bytes, 69900, 70000);
	assert_true(data_bytes_per_token(&a) == a.val_bytes / (double)(a.ntoken - a.ntrain));
	/* Another val, another shard; the same again, the same shard, with nothing to do. */
	assert_int_equal(data_open_text(&b, "text.txt", t, 0.2, NULL, NULL, &e), 0);
	assert_true(b.ntrain < a.ntrain);
	assert_int_equal(count_files(".tok"), before + 2);
	data_close(&b);
	atomic_int stop = 1;
	assert_int_equal(data_open_text(&b, "text.txt", t, 0.1, NULL, &stop, &e), 0);
	assert_int_equal(count_files(".tok"), before + 2);
	assert_true(b.hash == a.hash && b.ntoken == a.ntoken && b.ntrain == a.ntrain && b.val_bytes == a.val_bytes);
	data_close(&b);
	data_close(&a);
	tokenizer_free(t);
}

static void damaged_cache_is_made_anew(void **state)
{
	(void)state;
	char dir[4096], path[8400];
	struct err e = {0};
	struct data d;
	struct tokenizer *t = bytes_only();
	assert_int_equal(file_cache_dir(dir, sizeof dir, &e), 0);
	static const char text[] = "one line\nand another\nand a third one\n";
	scratch_write("small.txt", text, sizeof text - 1);
	assert_int_equal(data_open_text(&d, "small.txt", t, 0.3, NULL, NULL, &e), 0);
	uint64_t hash = d.hash, ntrain = d.ntrain;
	data_close(&d);
	DIR *f = opendir(dir);
	assert_non_null(f);
	for (struct dirent *x; (x = readdir(f));) {
		snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
		FILE *o = strstr(x->d_name, ".tok") ? fopen(path, "r+b") : NULL;
		if (o) {
			fputc('?', o);
			fclose(o);
		}
	}
	closedir(f);
	assert_int_equal(data_open_text(&d, "small.txt", t, 0.3, NULL, NULL, &e), 0);
	assert_true(d.hash == hash && d.ntrain == ntrain);
	assert_text(&d, t, text, sizeof text - 1);
	data_close(&d);
	tokenizer_free(t);
}

static void without_a_cache(void **state)
{
	(void)state;
	char *keep = mem_strdup(getenv("XDG_CACHE_HOME") ? getenv("XDG_CACHE_HOME") : "");
	setenv("XDG_CACHE_HOME", "/proc/none", 1);
	struct tokenizer *t = bytes_only();
	struct data d;
	struct err e = {0};
	static const char text[] = "nothing of this is kept\nbut it works\n";
	assert_int_equal(data_open_text(&d, scratch_write("bare.txt", text, sizeof text - 1), t, 0.3, NULL, NULL, &e), 0);
	assert_text(&d, t, text, sizeof text - 1);
	data_close(&d);
	struct tokenizer *made = data_tokenizer("bare.txt", 260, NULL, &e);
	assert_non_null(made);
	tokenizer_free(made);
	tokenizer_free(t);
	if (*keep)
		setenv("XDG_CACHE_HOME", keep, 1);
	else
		unsetenv("XDG_CACHE_HOME");
	free(keep);
}

static const struct data_work alone;

static void tokenized_files(void **state)
{
	(void)state;
	static const char text[] = "one line\nand another\nand a third one, with \xc3\xa4\n";
	scratch_write("in.txt", text, sizeof text - 1);
	struct tokenizer *t = bytes_only();
	struct err e = {0};
	static const char *const outs[] = {"out.bin", "out.tok"};
	for (int i = 0; i < 2; i++) {
		uint64_t n;
		struct data_made made;
		struct data d;
		assert_int_equal(data_tokenize("in.txt", t, outs[i], &alone, &made, &e), 0);
		n = made.ntoken;
		assert_int_equal(made.bytes, sizeof text - 1);
		assert_int_equal(n, sizeof text - 1);
		assert_int_equal(data_open_shard(&d, outs[i], 257, 0.25, &e), 0);
		assert_text(&d, t, text, sizeof text - 1);
		assert_int_equal(d.ntoken - d.ntrain, n / 4);
		assert_true(i ? data_bytes_per_token(&d) > 0.99 : data_bytes_per_token(&d) == 0);
		assert_true(i ? d.tokenizer_hash == tokenizer_info(t)->hash : d.tokenizer_hash == 0);
		data_close(&d);
	}
	/* Every byte of our own form is guarded. */
	struct str s = {0};
	assert_int_equal(file_read(&s, "out.tok", "test", 1 << 20, &e), 0);
	struct data d;
	size_t tail = s.len - SHARD_TAIL;
	for (size_t k = 0; k < s.len - 4; k++) {
		s.s[k] ^= 4;
		scratch_write("bad.tok", s.s, s.len);
		s.s[k] ^= 4;
		int rc = data_open_shard(&d, "bad.tok", 257, 0, &e);
		assert_true(rc < 0);
		if (k < tail)
			assert_string_equal(e.msg, "data: bad.tok: checksum does not match (damaged)");
	}
	for (size_t k = 0; k < s.len; k++) {
		scratch_write("cut.tok", s.s, k);
		assert_true(data_open_shard(&d, "cut.tok", 257, 0, &e) < 0 || d.tokenizer_hash == 0);
		data_close(&d);
	}
	str_done(&s);
	assert_true(data_tokenize("in.txt", t, "absent/out.bin", &alone, NULL, &e) < 0);
	tokenizer_free(t);
}

static void builtin_stories(void **state)
{
	(void)state;
	struct err e = {0};
	struct tokenizer *t = data_tokenizer("builtin", 2048, NULL, &e);
	if (!t)
		fail_msg("%s", e.msg);
	assert_int_equal(tokenizer_info(t)->vocab, 2048);
	struct data d;
	assert_int_equal(data_open_text(&d, "builtin", t, 0.05, NULL, NULL, &e), 0);
	assert_string_equal(d.name, "builtin");
	assert_int_equal(d.file[0].width, 2);
	assert_int_equal(data_id(&d, 0), 0);
	assert_int_equal(data_id(&d, d.ntrain), 0);
	assert_in_range((uintmax_t)d.val_bytes, 270000, 276000);
	assert_true(data_bytes_per_token(&d) > 3.5);
	/* The text comes back, with a separator before each story in place of the empty line. */
	struct str text, back = {0};
	assert_int_equal(data_text(&text, "builtin", &e), 0);
	for (uint64_t i = 0; i < d.ntoken; i++) {
		size_t n;
		const char *p = tokenizer_piece(t, -1, data_id(&d, i), &n);
		if (i && data_id(&d, i) == 0)
			str_puts(&back, "\n\n");
		str_add(&back, p, n);
	}
	assert_int_equal(back.len + 1, text.len);
	assert_memory_equal(back.s, text.s, back.len);
	str_done(&text);
	str_done(&back);
	data_close(&d);
	tokenizer_free(t);
	const char *path = testdata_path("tok512.bin");
	if (!path)
		skip();
	t = tokenizer_load(path, &e);
	assert_non_null(t);
	assert_int_equal(data_open_text(&d, "builtin", t, 0.05, NULL, NULL, &e), 0);
	assert_int_equal(data_id(&d, 0), 1);
	data_close(&d);
	tokenizer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequential), cmocka_unit_test(sequential_to_the_last_id),
		cmocka_unit_test(few_sequences),
		cmocka_unit_test(shuffle_takes_each_window_once),
		cmocka_unit_test(random_reaches_all),
		cmocka_unit_test(resumed_is_straight),
		cmocka_unit_test(validation_is_fixed_and_apart),
		cmocka_unit_test(texts_refused),
		cmocka_unit_test(text_and_its_cache),
		cmocka_unit_test(damaged_cache_is_made_anew),
		cmocka_unit_test(without_a_cache),
		cmocka_unit_test(tokenized_files),
		cmocka_unit_test(builtin_stories),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
