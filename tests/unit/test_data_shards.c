/* test_data_shards.c: token files: every kind, what is refused and how, folders of them, files over 4 GB.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
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

static const struct data_work alone;

static struct data opened(const char *path, const struct data_how *how)
{
	struct data d;
	struct err e = {0};
	if (data_open_tokens(&d, path, how, &e))
		fail_msg("%s", e.msg);
	return d;
}

static void refuse_how(const char *path, const struct data_how *how, const char *message)
{
	struct data d;
	struct err e = {0};
	assert_true(data_open_tokens(&d, path, how, &e) < 0);
	assert_string_equal(e.msg, message);
	assert_null(d.file);
}

static void refuse(const char *path, int vocab, double val, const char *message)
{
	struct data_how how = {.vocab = vocab, .val = val};
	refuse_how(path, &how, message);
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

static void refused(void **state)
{
	(void)state;
	static uint16_t id[20000];
	id[12345] = 512;
	id[12346] = 60000;
	scratch_write("foreign.bin", id, sizeof id);
	refuse("foreign.bin", 512, 0.1,
	       "data: foreign.bin: id 512 at position 12345: the vocabulary has 512 ids (another tokenizer's shard, or 4-byte ids: width=4?)");
	refuse(scratch_write("odd.bin", id, 1001), 512, 0, "data: odd.bin: 1001 bytes: odd, so these are no 2-byte ids (truncated?)");
	refuse(scratch_write("short.bin", id, 2), 512, 0, "data: short.bin: 1 ids, at least 2 are needed");
	refuse(scratch_write("none.bin", id, 0), 512, 0, "data: none.bin: is empty");
	refuse("absent.bin", 512, 0, "data: absent.bin: No such file or directory");
	refuse("foreign.bin", 60001, NAN, "data: val=nan: must be 0 to 0.9");
	refuse("foreign.bin", 60001, 1, "data: val=1: must be 0 to 0.9");
	refuse(scratch_write("three.bin", id, 4002), 70000, 0,
	       "data: three.bin: 4002 bytes: no multiple of 4, so these are no 4-byte ids (truncated? 2-byte ids: width=2)");
	refuse(scratch_write("gguf.bin", "GGUF\3\0\0\0", 8), 512, 0, "data: gguf.bin: is a GGUF model, no tokens");
	refuse(scratch_write("packed.bin", "\x1f\x8b\x08\0", 4), 512, 0, "data: packed.bin: is packed by gzip (unpack it first), no tokens");
	struct data_how how = {.vocab = 60001, .val = 0.1};
	struct data d = opened("foreign.bin", &how);
	assert_int_equal(d.ntoken, 20000);
	assert_int_equal(d.ntrain, 18000);
	assert_int_equal(data_id(&d, 12346), 60000);
	data_close(&d);
}

/* Wherever the foreign id stands, with and without threads. */
static void first_foreign_id(void **state)
{
	(void)state;
	enum { N = 3000000 };
	uint32_t *id = mem_zalloc(N, sizeof *id);
	uint16_t *two = mem_zalloc(N, sizeof *two);
	struct err e = {0};
	struct pool *pool = pool_new(3, &e);
	for (uint64_t at = 0; at < N; at += 1 + at * 2 / 3) {
		id[at] = 70000;
		id[N - 1] = 70001;
		two[at] = 700;
		two[N - 1] = 701;
		scratch_write("four.u32", id, N * sizeof *id);
		scratch_write("two.u16", two, N * sizeof *two);
		for (int k = 0; k < 4; k++) {
			_Atomic float progress = 0;
			struct data_how how = {.vocab = k & 1 ? 70000 : 700, .work = {k & 2 ? pool : NULL, &progress, NULL}};
			struct data d;
			char want[64];
			assert_int_equal(data_open_tokens(&d, k & 1 ? "four.u32" : "two.u16", &how, &e), ERR_FORMAT);
			snprintf(want, sizeof want, ": id %d at position %llu:", k & 1 ? 70000 : 700, (unsigned long long)at);
			assert_non_null(strstr(e.msg, want));
			how.vocab += 2;
			d = opened(k & 1 ? "four.u32" : "two.u16", &how);
			assert_true(progress > 0.99f);
			data_close(&d);
		}
		id[at] = two[at] = 0;
	}
	atomic_int stop = 1;
	struct data_how how = {.vocab = 9000, .work = {.cancel = &stop}};
	struct data d;
	assert_int_equal(data_open_tokens(&d, "two.u16", &how, &e), ERR_CANCEL);
	pool_free(pool);
	free(id);
	free(two);
}

static void llmc_file(const char *name, int32_t kind, int32_t version, int32_t n, const void *ids, size_t bytes)
{
	static char all[1024 + 4000];
	int32_t head[256] = {kind, version, n};
	memcpy(all, head, sizeof head);
	memcpy(all + sizeof head, ids, bytes);
	scratch_write(name, all, sizeof head + bytes);
}

static void llmc(void **state)
{
	(void)state;
	uint16_t two[1000];
	uint32_t four[1000];
	for (int i = 0; i < 1000; i++) {
		two[i] = (uint16_t)(50 * i);
		four[i] = 128 * (uint32_t)i;
	}
	struct data_how how = {.vocab = 50257};
	llmc_file("gpt2.bin", 20240520, 1, 1000, two, sizeof two);
	struct data d = opened("gpt2.bin", &how);
	assert_int_equal(d.ntoken, 1000);
	assert_int_equal(d.file[0].width, 2);
	assert_int_equal(data_id(&d, 0), 0);
	assert_int_equal(data_id(&d, 999), 49950);
	data_close(&d);
	how.vocab = 128256;
	llmc_file("llama3", 20240801, 7, 1000, four, sizeof four); /* the name tells nothing */
	assert_true(data_is_shard("llama3"));
	d = opened("llama3", &how);
	assert_int_equal(d.ntoken, 1000);
	assert_int_equal(d.file[0].width, 4);
	assert_int_equal(data_id(&d, 999), 127872);
	data_close(&d);
	d = opened("gpt2.bin", &how); /* two bytes are enough for a larger vocabulary, when the file says so */
	assert_int_equal(d.file[0].width, 2);
	data_close(&d);
	llmc_file("v2.bin", 20240520, 2, 1000, two, sizeof two);
	refuse("v2.bin", 50257, 0, "data: v2.bin: llm.c token file 20240520 of version 2, 1 is read here");
	llmc_file("v1.bin", 20240801, 1, 1000, four, sizeof four);
	refuse("v1.bin", 128256, 0, "data: v1.bin: llm.c token file 20240801 of version 1, 7 is read here");
	llmc_file("cut.bin", 20240520, 1, 1001, two, sizeof two);
	refuse("cut.bin", 50257, 0, "data: cut.bin: its llm.c header tells of 1001 ids of 2 bytes, 3026 bytes in all: the file has 3024 (truncated?)");
	llmc_file("more.bin", 20240520, 1, 999, two, sizeof two);
	refuse("more.bin", 50257, 0,
	       "data: more.bin: its llm.c header tells of 999 ids of 2 bytes, 3022 bytes in all: the file has 3024 (more was written than the header knows of)");
	llmc_file("minus.bin", 20240801, 7, -1, four, sizeof four);
	refuse("minus.bin", 128256, 0,
	       "data: minus.bin: its llm.c header tells of 4294967295 ids of 4 bytes, 17179870204 bytes in all: the file has 5024 (truncated?)");
	refuse("gpt2.bin", 49950, 0, "data: gpt2.bin: id 49950 at position 999: the vocabulary has 49950 ids (another tokenizer's shard?)");
	int32_t model[4] = {20240326, 3, 1024, 50257};
	refuse(scratch_write("model.bin", model, sizeof model), 50257, 0, "data: model.bin: is an llm.c model, no tokens");
	struct str s = {0};
	struct err e = {0};
	assert_int_equal(file_read(&s, "gpt2.bin", "test", 1 << 20, &e), 0);
	for (size_t k = 4; k < s.len; k++) { /* cut anywhere */
		struct data_how any = {.vocab = 65536};
		scratch_write("part.bin", s.s, k);
		assert_int_equal(data_open_tokens(&d, "part.bin", &any, &e), ERR_FORMAT);
		assert_non_null(strstr(e.msg, "data: part.bin: "));
		assert_null(strchr(e.msg, '\n'));
	}
	str_done(&s);
}

static void widths(void **state)
{
	(void)state;
	uint32_t id[1000];
	for (int i = 0; i < 1000; i++)
		id[i] = 1 + (uint32_t)i;
	struct data_how how = {.vocab = 2000};
	struct data d = opened(scratch_write("plain.bin", id, sizeof id), &how); /* upper halves all zero: 4-byte ids */
	assert_int_equal(d.file[0].width, 4);
	assert_int_equal(d.ntoken, 1000);
	data_close(&d);
	how.width = 2;
	d = opened("plain.bin", &how);
	assert_int_equal(d.ntoken, 2000);
	data_close(&d);
	how.width = 0;
	d = opened(scratch_write("plain.u16", id, sizeof id), &how);
	assert_int_equal(d.file[0].width, 2);
	data_close(&d);
	uint16_t two[1000];
	for (int i = 0; i < 1000; i++)
		two[i] = (uint16_t)(1 + i);
	d = opened(scratch_write("two.bin", two, sizeof two), &how);
	assert_int_equal(d.file[0].width, 2);
	assert_int_equal(data_id(&d, 999), 1000);
	data_close(&d);
	how.vocab = 151936; /* two bytes do not hold such ids: four */
	d = opened(scratch_write("wide.bin", id, sizeof id), &how);
	assert_int_equal(d.file[0].width, 4);
	data_close(&d);
	id[7] = 151936;
	refuse(scratch_write("wide.bin", id, sizeof id), 151936, 0,
	       "data: wide.bin: id 151936 at position 7: the vocabulary has 151936 ids (another tokenizer's shard?)");
	id[7] = 0xffffffff; /* no sign */
	refuse(scratch_write("wide.bin", id, sizeof id), 151936, 0,
	       "data: wide.bin: id 4294967295 at position 7: the vocabulary has 151936 ids (another tokenizer's shard?)");
	how.width = 2;
	d = opened("two.bin", &how);
	assert_int_equal(d.file[0].width, 2);
	data_close(&d);
	assert_true(data_is_shard("a/b.bin") && data_is_shard("x.TOK") && data_is_shard("x.u16") && data_is_shard("x.u32"));
	assert_false(data_is_shard("x.txt") || data_is_shard("builtin") || data_is_shard(".bin") || data_is_shard("a/.bin"));
	assert_true(data_is_shard(scratch_write("ids", two, sizeof two))); /* NUL bytes */
	assert_false(data_is_shard(scratch_write("ids.txt", two, sizeof two)));
	assert_false(data_is_shard(scratch_write("words", "no zero in it\n", 14)));
}

/* --- ours --------------------------------------------------------------------------------------------------------- */

static struct tokenizer *learned(const char *text)
{
	struct err e = {0};
	struct tokenizer *t = tokenizer_train(text, strlen(text), 258, NULL, &e);
	assert_non_null(t);
	return t;
}

static void tokenizer_is_told_apart(void **state)
{
	(void)state;
	struct err e = {0};
	struct tokenizer *t = learned("abab abab abab"), *other = learned("cdcd cdcd cdcd");
	assert_true(tokenizer_info(t)->hash != tokenizer_info(other)->hash);
	scratch_write("in.txt", "abcd abcd abcd\n", 15);
	assert_int_equal(data_tokenize("in.txt", t, "mine.tok", &alone, NULL, &e), 0);
	struct data_how how = {.vocab = 300, .tokenizer_hash = tokenizer_info(t)->hash, .tokenizer = "mine"};
	struct data d = opened("mine.tok", &how);
	assert_true(d.tokenizer_hash == tokenizer_info(t)->hash);
	data_close(&d);
	how.tokenizer_hash = 0; /* a model without one */
	d = opened("mine.tok", &how);
	data_close(&d);
	how.tokenizer_hash = tokenizer_info(other)->hash;
	how.tokenizer = "other";
	char want[400];
	snprintf(want, sizeof want, "data: mine.tok: its ids are of tokenizer %016llx, the model's is other (%016llx): tokenize the text again, or `new` with the tokenizer it was made with",
		 (unsigned long long)tokenizer_info(t)->hash, (unsigned long long)tokenizer_info(other)->hash);
	refuse_how("mine.tok", &how, want);
	how.tokenizer_hash = 0;
	mkdir("mixed", 0777);
	assert_int_equal(data_tokenize("in.txt", t, "mixed/a.tok", &alone, NULL, &e), 0);
	assert_int_equal(data_tokenize("in.txt", other, "mixed/b.tok", &alone, NULL, &e), 0);
	assert_int_equal(data_open_tokens(&d, "mixed", &how, &e), ERR_FORMAT);
	assert_non_null(strstr(e.msg, "data: mixed/b.tok: its ids are of tokenizer "));
	tokenizer_free(t);
	tokenizer_free(other);
}

/* --- folders ------------------------------------------------------------------------------------------------------ */

/* n ids from `from` on. */
static void ids_file(const char *path, int from, int n)
{
	uint16_t *id = mem_zalloc((size_t)n, sizeof *id);
	for (int i = 0; i < n; i++)
		id[i] = (uint16_t)(from + i);
	scratch_write(path, id, (size_t)n * sizeof *id);
	free(id);
}

/* Every order over several files: windows of each, none across two; of the held-out file nothing. */
static void check_orders(const struct data *d, const int *from, const int *n, int files)
{
	enum { SEQ = 8, BATCH = 3 };
	struct err e = {0};
	int x[BATCH * SEQ], y[BATCH * SEQ], windows = 0;
	for (int k = 0; k < files; k++)
		windows += (n[k] - 1) / SEQ;
	assert_int_equal(data_sequences(d, DATA_SHUFFLE, BATCH, SEQ), windows);
	for (int order = DATA_SEQUENTIAL; order <= DATA_SHUFFLE; order++) {
		int length = order == DATA_SEQUENTIAL ? windows / BATCH * BATCH : windows, *times = mem_zalloc((size_t)windows, sizeof *times);
		struct data_cursor c;
		data_cursor_init(&c, (enum data_order)order, 5);
		for (int i = 0; i < length; i++) { /* three epochs */
			assert_int_equal(data_next(d, &c, BATCH, SEQ, x, y, &e), 0);
			for (int b = 0; b < BATCH; b++) {
				int k = 0, w = 0, at = x[b * SEQ];
				while (k < files && !(at >= from[k] && at < from[k] + n[k]))
					w += (n[k++] - 1) / SEQ;
				assert_true(k < files);
				for (int j = 0; j < SEQ; j++) {
					assert_int_equal(x[b * SEQ + j], at + j);
					assert_int_equal(y[b * SEQ + j], at + j + 1);
				}
				assert_true(at + SEQ < from[k] + n[k]);
				if (order == DATA_RANDOM)
					continue;
				assert_int_equal((at - from[k]) % SEQ, 0);
				w += (at - from[k]) / SEQ;
				assert_int_equal(times[w]++, (i * BATCH + b) / length);
				if (order == DATA_SEQUENTIAL)
					assert_int_equal(w, (i * BATCH + b) % length);
			}
		}
		free(times);
	}
}

static void folders(void **state)
{
	(void)state;
	static const int from[] = {1000, 2000, 3000, 4000}, n[] = {100, 41, 9, 333};
	struct data_how how = {.vocab = 60000, .val = 0.05};
	mkdir("shards", 0777);
	for (int i = 0; i < 4; i++) {
		char name[32];
		snprintf(name, sizeof name, "shards/data%02d.bin", i);
		ids_file(name, from[i], n[i]);
	}
	scratch_write("shards/data00.json", "[]", 2); /* what else may lie there */
	scratch_write("shards/.hidden.bin", "x", 1);
	mkdir("shards/sub.bin", 0777);
	assert_true(data_is_shard("shards"));
	struct data d = opened("shards", &how);
	assert_int_equal(d.nfile, 4);
	assert_int_equal(d.ntoken, 483);
	assert_int_equal(d.ntrain, 383); /* the first is held out */
	assert_int_equal(data_id(&d, d.ntrain), 1000);
	assert_int_equal(data_longest(&d), 332);
	check_orders(&d, from + 1, n + 1, 3);
	int x[2 * 8], y[2 * 8], targets = 0;
	for (int k = 0; !data_val(&d, k, 100, 2, 8, x, y); k++)
		for (int j = 0; j < 16; j++) {
			assert_in_range(x[j], 1000, 1099);
			assert_int_equal(y[j], x[j] + 1);
			targets++;
		}
	assert_int_equal(targets, 96);
	uint64_t hash = d.hash;
	data_close(&d);
	how.val = 0;
	d = opened("shards/", &how);
	assert_int_equal(d.ntrain, 483);
	assert_true(d.hash != hash);
	check_orders(&d, from, n, 4);
	data_close(&d);
	/* Called so: for validation, whatever val says. */
	ids_file("shards/tiny-val-1.bin", 5000, 50);
	ids_file("shards/Validation.bin", 6000, 5);
	ids_file("shards/evaluate.bin", 7000, 20);
	d = opened("shards", &how);
	assert_int_equal(d.ntoken - d.ntrain, 55);
	assert_int_equal(data_id(&d, d.ntrain), 6000);
	data_close(&d);
	/* One file that is wrong. */
	ids_file("shards/x.bin", 59990, 11);
	refuse("shards", 60000, 0, "data: shards/x.bin: id 60000 at position 10: the vocabulary has 60000 ids (another tokenizer's shard?)");
	scratch_write("shards/x.bin", "abc", 3);
	refuse("shards", 60000, 0, "data: shards/x.bin: 3 bytes: odd, so these are no 2-byte ids (truncated?)");
	scratch_write("shards/x.u32", "abcdabcd", 8);
	unlink("shards/x.bin");
	refuse("shards", 60000, 0, "data: shards/x.u32: no header, 4-byte ids, unlike evaluate.bin: a folder must hold one kind");
	unlink("shards/x.u32");
	scratch_write("shards/x.txt", "text", 4);
	refuse("shards", 60000, 0, "data: shards: is a folder with texts (1) and token files (7): it must hold one kind, or name one file");
	mkdir("bare", 0777);
	refuse("bare", 60000, 0, "data: bare: is a folder without token files (.bin .tok .u16 .u32) and without texts (.txt .text .md .jsonl .ndjson)");
	/* One file alone is as if it had been named itself. */
	ids_file("bare/one.bin", 0, 100);
	how.val = 0.25;
	d = opened("bare", &how);
	assert_int_equal(d.ntrain, 75);
	data_close(&d);
	/* Files shorter than a sequence give none. */
	ids_file("bare/two.bin", 500, 3);
	how.val = 0;
	d = opened("bare", &how);
	struct data_cursor c;
	struct err e = {0};
	int big[200], bigger[200];
	data_cursor_init(&c, DATA_RANDOM, 1);
	assert_int_equal(data_next(&d, &c, 1, 99, big, bigger, &e), 0);
	assert_int_equal(data_next(&d, &c, 1, 100, big, bigger, &e), ERR_RANGE);
	assert_string_equal(e.msg, "data: bare: 100 ids for training in the longest file, seq 100 needs 101 (a longer text or a smaller seq)");
	data_close(&d);
}

/* --- large -------------------------------------------------------------------------------------------------------- */

/* Ids beyond 2^32 bytes into a file: a sparse one, where the file system has such. What it does not hold is not read. */
static void file_of_5_gb(void **state)
{
	(void)state;
	const off_t size = (off_t)5 << 30, at = ((off_t)1 << 32) + 2 * 123456;
	int fd = open("huge.bin", O_RDWR | O_CREAT | O_TRUNC, 0666);
	uint16_t mark[] = {7, 8, 9};
	struct stat st;
	if (fd < 0 || ftruncate(fd, size) || pwrite(fd, mark, sizeof mark, at) != sizeof mark || fstat(fd, &st) || st.st_blocks > 1 << 20 ||
	    lseek(fd, 0, SEEK_DATA) < 1 << 30) {
		if (fd >= 0)
			close(fd);
		unlink("huge.bin");
		fprintf(stderr, "skipped: no sparse file of 5 GB can be made here\n");
		skip();
	}
	uint64_t i = (uint64_t)at / 2;
	char want[160];
	snprintf(want, sizeof want, "data: huge.bin: id 9 at position %llu: the vocabulary has 9 ids (another tokenizer's shard, or 4-byte ids: width=4?)", (unsigned long long)i + 2);
	refuse("huge.bin", 9, 0, want);
	struct data_how how = {.vocab = 10};
	struct data d = opened("huge.bin", &how);
	assert_int_equal(d.ntoken, (uint64_t)size / 2);
	assert_int_equal(data_id(&d, i - 1), 0);
	assert_int_equal(data_id(&d, i), 7);
	assert_int_equal(data_id(&d, i + 2), 9);
	struct err e = {0};
	struct data_cursor c;
	data_cursor_init(&c, DATA_SEQUENTIAL, 1);
	c.index = i / 64;
	int x[64], y[64];
	assert_int_equal(data_next(&d, &c, 1, 64, x, y, &e), 0);
	assert_int_equal(x[i % 64], 7);
	assert_int_equal(y[i % 64], 8);
	assert_true(data_epoch(&d, &c, 1, 64) > 0.8);
	data_close(&d);
	/* An id in the last place, read as 4-byte ones. */
	uint32_t last = 70000;
	assert_int_equal(pwrite(fd, &last, sizeof last, size - 4), 4);
	close(fd);
	how = (struct data_how){.vocab = 70000};
	snprintf(want, sizeof want, "data: huge.bin: id 524295 at position %llu: the vocabulary has 70000 ids (another tokenizer's shard?)", (unsigned long long)at / 4);
	refuse_how("huge.bin", &how, want);
	unlink("huge.bin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused), cmocka_unit_test(first_foreign_id), cmocka_unit_test(llmc),
		cmocka_unit_test(widths),
		cmocka_unit_test(tokenizer_is_told_apart),
		cmocka_unit_test(folders),
		cmocka_unit_test(file_of_5_gb),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
