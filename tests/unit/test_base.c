/* test_base.c: errors, strings, UTF-8, random numbers, fp16, rings, the pool, CRC-32C, files, settings.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/file.h"
#include "base/fp16.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/pool.h"
#include "base/ring.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "train/settings.h"

static void err_messages(void **state)
{
	(void)state;
	struct err e;
	assert_int_equal(err_set(&e, ERR_IO, "a: %s: b", "x"), ERR_IO);
	assert_string_equal(e.msg, "a: x: b");
	assert_int_equal(err_prefix(&e, "file:%d", 3), ERR_IO);
	assert_string_equal(e.msg, "file:3: a: x: b");
	assert_int_equal(err_set(NULL, ERR_RANGE, "nobody listens"), ERR_RANGE);
	err_set(&e, ERR_RANGE, "%s", e.msg); /* its own text as an argument */
	assert_string_equal(e.msg, "file:3: a: x: b");
	char lng[2000];
	memset(lng, 'y', sizeof lng);
	lng[1999] = 0;
	err_set(&e, ERR_IO, "%s", lng);
	assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);
	assert_string_equal(e.msg + ERR_MSG_MAX - 4, "...");
}

static void strings(void **state)
{
	(void)state;
	struct str s = {0};
	for (int i = 0; i < 1000; i++)
		str_printf(&s, "%d,", i);
	assert_int_equal(s.len, 3890);
	str_clear(&s);
	const char raw[] = "a\"b\\\n\x01\xff z";
	str_json(&s, raw, sizeof raw - 1);
	assert_string_equal(s.s, "\"a\\\"b\\\\\\n\\u0001\xef\xbf\xbd z\"");
	str_done(&s);
	char b[16];
	assert_string_equal(str_si(b, 109529856), "110 M");
	assert_string_equal(str_si(b, 0), "0");
	assert_string_equal(str_si(b, NAN), "nan");
	assert_string_equal(str_si(b, 41234), "41.2 k");
	assert_string_equal(str_bytes(b, 1536), "1.5 KiB");
	assert_string_equal(str_bytes(b, 17), "17 B");
	assert_int_equal(str_distance("sample", "smaple"), 1);
	assert_int_equal(str_distance("", "abc"), 3);
	assert_int_equal(str_distance("train", "train"), 0);
}

static void numbers(void **state)
{
	(void)state;
	static const char *const bad[] = {"", " 1", "1 ", "nan", "inf", "-inf", "0x10", "1e999", "1,5", "1e", "--1", "e5", "."};
	double v = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!str_number(bad[i], &v) || v != 7)
			fail_msg("\"%s\" was taken for %g", bad[i], v);
	assert_true(!str_number("-3.5e-2", &v) && v == -3.5e-2);
	assert_true(!str_number("+4", &v) && v == 4);
	assert_true(!str_number("1e-400", &v) && v == 0);
}

static void utf8(void **state)
{
	(void)state;
	uint32_t cp;
	char b[4];
	for (uint32_t c = 0; c <= 0x10ffff; c += c < 0x3000 ? 1 : 97) {
		int n = utf8_encode(c, b);
		if (c >= 0xd800 && c < 0xe000) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_int_equal(utf8_decode(b, (size_t)n, &cp), n);
		assert_int_equal(cp, c);
		if (n > 1)
			assert_int_equal(utf8_decode(b, (size_t)n - 1, &cp), -2);
	}
	const char *text = "ab\xe6\xbc\xa2\xe5\xad\x97";
	assert_int_equal(utf8_chunk(text, 8, 8), 8);
	assert_int_equal(utf8_chunk(text, 8, 7), 5);
	assert_int_equal(utf8_chunk(text, 8, 5), 5);
	assert_int_equal(utf8_chunk(text, 8, 4), 2);
	assert_int_equal(utf8_chunk("\x80\x80\x80\x80\x80\x80\x80\x80", 8, 5), 5); /* garbage: a chunk is never empty */
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf5\x80\x80\x80", "\xf4\x90\x80\x80", "\xff"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), &cp), -1);
}

static void random_numbers(void **state)
{
	(void)state;
	struct rng a, b;
	rng_seed(&a, 7);
	b = a;
	double sum = 0, sq = 0;
	int hist[7] = {0};
	for (int i = 0; i < 70000; i++) {
		double x = rng_normal(&a);
		sum += x;
		sq += x * x;
		hist[rng_below(&a, 7)]++;
	}
	assert_true(fabs(sum / 70000) < 0.02 && fabs(sq / 70000 - 1) < 0.03);
	for (int i = 0; i < 7; i++)
		assert_true(abs(hist[i] - 10000) < 500);
	/* The state is all there is. */
	struct rng c = b;
	for (int i = 0; i < 100; i++)
		assert_true(rng_u64(&b) == rng_u64(&c));
}

static void half_floats(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 65536; h++) {
		float f = fp16_to_f32((uint16_t)h);
		if (isnan(f))
			continue;
		assert_int_equal(fp16_from_f32(f), h);
	}
	assert_true(fp16_round(65519.9f) == 65504.0f);
	assert_true(isinf(fp16_round(65520.0f)));
	assert_true(fp16_round(1.00048828125f) == 1.0f);       /* tie: to even */
	assert_true(fp16_round(1.00146484375f) == 1.001953125f); /* tie: to even, upwards */
	assert_true(fp16_round(2.98e-8f) == 0.0f && fp16_round(2.99e-8f) > 0);
	assert_true(isnan(fp16_round(NAN)));
	/* The nearest of the two neighbours, for random numbers. */
	struct rng r;
	rng_seed(&r, 1);
	for (int i = 0; i < 100000; i++) {
		float x = (float)((rng_double(&r) - 0.5) * exp2(rng_double(&r) * 40 - 24));
		uint16_t h = fp16_from_f32(x);
		float d = fabsf(fp16_to_f32(h) - x);
		assert_true(d <= fabsf(fp16_to_f32((uint16_t)(h + 1)) - x));
		if (h & 0x7fff)
			assert_true(d <= fabsf(fp16_to_f32((uint16_t)(h - 1)) - x));
	}
}

static void crc(void **state)
{
	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
	unsigned char b[1000];
	for (size_t i = 0; i < sizeof b; i++)
		b[i] = (unsigned char)(i * 7);
	uint32_t whole = crc32c(0, b, sizeof b);
	for (size_t k = 0; k < sizeof b; k += 13)
		assert_int_equal(crc32c(crc32c(0, b, k), b + k, sizeof b - k), whole);
}

static uint32_t crc_by_bits(uint32_t crc, const unsigned char *p, size_t n)
{
	uint32_t c = ~crc;
	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
	}
	return ~c;
}

/* Lengths around those at which stretches are summed side by side; begun with a sum, at every alignment; and sums joined. */
static void crc_of_much(void **state)
{
	(void)state;
	enum { MOST = 200000 };
	static const size_t length[] = {0, 1, 7, 8, 49151, 49152, 49153, 98303, 98304, 98311, 147456, MOST - 8};
	unsigned char *b = malloc(MOST);
	struct rng r;
	rng_seed(&r, 5);
	assert_non_null(b);
	for (size_t i = 0; i < MOST; i++)
		b[i] = (unsigned char)rng_u64(&r);
	for (size_t i = 0; i < ARRAY_LEN(length); i++)
		for (uint32_t k = 0; k < 8; k += i < 3 || i == 5 ? 1 : 5) {
			size_t n = length[i];
			uint32_t before = k * 0x9e3779b9u, want = crc_by_bits(before, b + k, n);
			assert_int_equal(crc32c(before, b + k, n), want);
			assert_int_equal(crc32c_join(before, crc32c(0, b + k, n), n), want);
		}
	assert_int_equal(crc32c_join(crc32c(0, b, 77), crc32c(0, b + 77, 1000), 1000), crc_by_bits(0, b, 1077));
	free(b);
}

struct sums {
	atomic_int seen[500];
	atomic_long total;
	int nthreads;
};

static void add_task(void *arg, int task, int thread)
{
	struct sums *s = arg;
	assert_true(thread >= 0 && thread < s->nthreads);
	atomic_fetch_add(&s->seen[task], 1);
	atomic_fetch_add(&s->total, task);
}

static void pool_runs_each_task_once(void **state)
{
	(void)state;
	struct err e;
	for (int nt = 1; nt <= 5; nt++) {
		struct pool *p = pool_new(nt, &e);
		assert_non_null(p);
		for (int round = 0; round < 400; round++) {
			static struct sums s;
			memset(&s, 0, sizeof s);
			s.nthreads = nt;
			int n = (round * 37) % 500;
			pool_run(p, n, add_task, &s);
			for (int i = 0; i < 500; i++)
				assert_int_equal(atomic_load(&s.seen[i]), i < n);
			assert_int_equal(atomic_load(&s.total), (long)n * (n - 1) / 2);
			if (round % 100 == 99)
				usleep(2000); /* let the threads fall asleep */
		}
		pool_free(p);
	}
	assert_null(pool_new(0, &e));
	assert_non_null(strstr(e.msg, "1 to 256"));
	assert_true(pool_cpus() >= 1);
}

static void *produce(void *arg)
{
	struct ring *r = arg;
	for (int i = 0; i < 20000;)
		if (!ring_push(r, &i))
			i++;
	return NULL;
}

static void *look_at_mask(void *arg)
{
	char deep[4 << 20]; /* more than macOS gives by itself */
	memset(deep, 1, sizeof deep);
	pthread_sigmask(SIG_SETMASK, NULL, arg);
	return deep[sizeof deep / 2] ? arg : NULL;
}

/* Signals come to the thread that asked for them, faults to the one that made them. */
static void threads_take_no_signals(void **state)
{
	(void)state;
	pthread_t t;
	sigset_t in, before, after;
	void *back;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(thread_start(&t, look_at_mask, &in), 0);
	assert_int_equal(pthread_join(t, &back), 0);
	assert_ptr_equal(back, &in);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	static const int outside[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT, SIGCHLD, SIGALRM, SIGPIPE};
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
		assert_int_equal(sigismember(&in, outside[i]), 1);
		assert_int_equal(sigismember(&after, outside[i]), sigismember(&before, outside[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		assert_int_equal(sigismember(&in, faults[i]), 0);
}

static void ring_keeps_order(void **state)
{
	(void)state;
	struct ring *r = ring_new(5, sizeof(int)); /* rounded up to 8 */
	int v = 0;
	for (int i = 0; i < 8; i++)
		assert_int_equal(ring_push(r, &i), 0);
	assert_int_equal(ring_push(r, &v), -1);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(ring_pop(r, &v), 1);
		assert_int_equal(v, i);
	}
	assert_int_equal(ring_pop(r, &v), 0);
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, produce, r), 0);
	for (int want = 0; want < 20000;)
		if (ring_pop(r, &v))
			assert_int_equal(v, want++);
	pthread_join(t, NULL);
	ring_free(r);
}

static void files(void **state)
{
	(void)state;
	struct err e;
	struct file_map m;
	struct str s = {0};
	assert_int_equal(file_map(&m, "no/such/file", "data", &e), ERR_IO);
	assert_string_equal(e.msg, "data: no/such/file: No such file or directory");
	assert_int_equal(file_map(&m, ".", "data", &e), ERR_IO);
	assert_non_null(strstr(e.msg, "is a folder"));
	assert_int_equal(file_mkdirs("a/b/c", &e), 0);
	assert_int_equal(file_is_dir("a/b/c"), 1);
	FILE *f = fopen("a/x", "w");
	fputs("hello", f);
	fclose(f);
	assert_int_equal(file_mkdirs("a/x/y", &e), ERR_IO);
	assert_int_equal(file_read(&s, "a/x", "text", 4, &e), ERR_RANGE);
	assert_int_equal(file_read(&s, "a/x", "text", 5, &e), 0);
	assert_string_equal(s.s, "hello");
	str_done(&s);
	fclose(fopen("a/empty", "w"));
	assert_int_equal(file_map(&m, "a/empty", "data", &e), 0);
	assert_int_equal(m.size, 0);
	file_unmap(&m);
	char path[4096];
	assert_int_equal(file_asset(path, sizeof path, "presets.conf", &e), 0);
	assert_int_equal(file_asset(path, sizeof path, "no.such", &e), ERR_IO);
}

static void memory_sizes(void **state)
{
	(void)state;
	size_t v;
	assert_int_equal(mem_mul(&v, SIZE_MAX, 2), -1);
	assert_int_equal(mem_mul(&v, 3, 5), 0);
	assert_int_equal(v, 15);
	assert_null(mem_aligned(SIZE_MAX, 2));
	void *p = mem_aligned(3, 5);
	assert_int_equal((uintptr_t)p % 64, 0);
	free(p);
	assert_true(mem_total() >= mem_available());
	assert_true(mem_available() > 0);
}

static void group_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void memory_of_groups(void **state)
{
	(void)state;
	static const char *const folders[] = {"cg", "cg/memory", "cg/memory/a", "cg/memory/a/b", "cg/slice", "cg/slice/unit"};
	struct cgroup_memory m = cgroup_memory("cg", "no-such-file");
	assert_true(m.limit == UINT64_MAX && m.room == UINT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		assert_int_equal(mkdir(folders[i], 0755), 0);
	group_file("self2", "1:name=systemd:/x\n0::/slice/unit\n");
	group_file("self1", "4:cpu,memory:/a/b\n0::/\n");
	group_file("selfgone", "4:memory:/host/name/of/this/container\n");
	group_file("selfout", "0::/../elsewhere\n");
	/* Version 2: the unit has no limit of its own, the slice above it has. File pages that can go are no used memory. */
	group_file("cg/slice/unit/memory.max", "max\n");
	group_file("cg/slice/unit/memory.current", "500\n");
	group_file("cg/slice/memory.max", "4000\n");
	group_file("cg/slice/memory.current", "3000\n");
	group_file("cg/slice/memory.stat", "anon 1000\ninactive_file 1800\nactive_file 100\n");
	m = cgroup_memory("cg", "self2");
	assert_true(m.limit == 4000 && m.room == 4000 - (3000 - 1800));
	group_file("cg/slice/unit/memory.max", "600\n");
	m = cgroup_memory("cg", "self2");
	assert_true(m.limit == 600 && m.room == 100);
	/* More used than allowed, as after the limit was lowered. */
	group_file("cg/slice/unit/memory.max", "400\n");
	m = cgroup_memory("cg", "self2");
	assert_true(m.limit == 400 && m.room == 0);
	/* The root of what is mounted is a container's own group. */
	m = cgroup_memory("cg", "selfout");
	assert_true(m.limit == UINT64_MAX);
	group_file("cg/memory.max", "7000\n");
	group_file("cg/memory.current", "1000\n");
	m = cgroup_memory("cg", "selfout");
	assert_true(m.limit == 7000 && m.room == 6000);
	/* Version 1. */
	group_file("cg/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
	group_file("cg/memory/a/b/memory.usage_in_bytes", "10\n");
	group_file("cg/memory/memory.limit_in_bytes", "90000\n");
	group_file("cg/memory/memory.usage_in_bytes", "50000\n");
	group_file("cg/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 20000\n");
	m = cgroup_memory("cg", "selfgone");
	assert_true(m.limit == 90000 && m.room == 60000);
	m = cgroup_memory("cg", "self1");
	assert_true(m.limit == 7000 && m.room == 6000); /* both versions: the smaller */
}

/* In the folders of the test above. */
static void cpus_of_groups(void **state)
{
	(void)state;
	assert_true(isinf(cgroup_cpus("cg", "no-such-file")) && isinf(cgroup_cpus("cg", "self2")));
	group_file("cg/slice/unit/cpu.max", "max 100000\n");
	assert_true(isinf(cgroup_cpus("cg", "self2")));
	group_file("cg/slice/cpu.max", "150000 100000\n");
	assert_true(cgroup_cpus("cg", "self2") == 1.5);
	group_file("cg/slice/unit/cpu.max", "50000 100000\n");
	assert_true(cgroup_cpus("cg", "self2") == 0.5);
	group_file("cg/slice/unit/cpu.max", "nonsense\n");
	assert_true(cgroup_cpus("cg", "self2") == 1.5);
	/* Version 1: a file each, -1 for none. */
	assert_int_equal(mkdir("cg/cpu", 0755), 0);
	assert_int_equal(mkdir("cg/cpu/a", 0755), 0);
	group_file("cg/cpu/a/cpu.cfs_quota_us", "-1\n");
	group_file("cg/cpu/a/cpu.cfs_period_us", "100000\n");
	assert_true(isinf(cgroup_cpus("cg", "self1")));
	group_file("cg/cpu/cpu.cfs_quota_us", "200000\n");
	group_file("cg/cpu/cpu.cfs_period_us", "50000\n");
	assert_true(cgroup_cpus("cg", "self1") == 4);
}

static void note_nice(void *arg, int task, int thread)
{
	(void)task;
	((int *)arg)[thread] = pool_nice_now();
	usleep(200); /* so that the others get some */
}

/* All threads of a pool get it, those that sleep too; the caller's other threads do not. */
static void niceness(void **state)
{
	(void)state;
	struct err e = {0};
	struct pool *p = pool_new(3, &e);
	int begun = pool_nice_now(), now[3] = {-1, -1, -1};
	assert_non_null(p);
	if (begun > 15)
		skip();
	assert_int_equal(pool_nice(p, begun + 2, &e), 0);
	assert_int_equal(pool_nice_now(), begun + 2);
	for (int i = 0; i < 2000 && (now[1] < 0 || now[2] < 0); i++)
		pool_run(p, 3, note_nice, now);
	for (int i = 0; i < 3; i++)
		assert_true(now[i] == begun + 2);
	if (pool_nice(p, begun, &e)) { /* only the system's administrator may */
		assert_int_equal(e.code, ERR_STATE);
		assert_non_null(strstr(e.msg, "nice: "));
		assert_int_equal(pool_nice_now(), begun + 2);
	} else {
		assert_int_equal(pool_nice_now(), begun);
	}
	pool_free(p);
}

/* Blocks that overlap no other, are aligned, and zero also where memory was used before; what is freed is no other block's. */
static void pages_in_blocks(void **state)
{
	(void)state;
	enum { N = 40 };
	static const size_t size[] = {4, 1, 260, 65536, 3000000, 5000000, 64, 200000};
	struct pages_pool p = {0};
	for (int turn = 0; turn < 3; turn++) {
		unsigned char *block[N];
		for (int i = 0; i < N; i++) {
			size_t n = size[(i + turn) % (int)ARRAY_LEN(size)];
			assert_non_null(block[i] = pages_cut(&p, n, 1));
			assert_int_equal((uintptr_t)block[i] % 64, 0);
			for (size_t k = 0; k < n; k += n > 4096 ? 509 : 1)
				assert_int_equal(block[i][k], 0);
			assert_int_equal(block[i][n - 1], 0);
			memset(block[i], i + 1, n);
		}
		/* Every second one goes, and its place holds nothing of the others. */
		for (int i = 0; i < N; i += 2)
			pages_return(&p, block[i]);
		for (int i = 1; i < N; i += 2) {
			size_t n = size[(i + turn) % (int)ARRAY_LEN(size)];
			assert_int_equal(block[i][0], i + 1);
			assert_int_equal(block[i][n - 1], i + 1);
			pages_return(&p, block[i]);
		}
	}
	pages_return(&p, NULL);
	assert_null(pages_cut(&p, SIZE_MAX, 2));
	assert_null(pages_cut(&p, SIZE_MAX, 1));
	pages_pool_done(&p);
	assert_null(p.chunk);
	for (size_t n = 0; n < 9u << 20; n = n * 3 + 4095) {
		unsigned char *at = pages_new(n);
		assert_non_null(at);
		assert_int_equal(n ? at[0] | at[n - 1] : 0, 0);
		memset(at, 1, n);
		pages_touch(at, n);
		assert_int_equal(n ? at[0] & at[n - 1] : 1, 1);
		pages_free(at, n);
	}
	assert_null(pages_new(SIZE_MAX));
}

static void settings_table(void **state)
{
	(void)state;
	struct settings s;
	struct err e;
	char v[SETTING_TEXT_MAX];
	settings_init(&s);
	for (int i = 0; i < SET_N; i++) {
		const struct setting_row *r = setting_row((enum setting_id)i);
		assert_int_equal(setting_find(r->key, &e), i);
		assert_true(strlen(r->help) > 5);
		/* Every default is a legal value of its own key. */
		assert_int_equal(settings_set(&s, (enum setting_id)i, setting_text(&s, (enum setting_id)i, v), &e), 0);
		assert_true(s.num[i] == r->def);
	}
	/* Bounds are inclusive. */
	assert_int_equal(settings_set(&s, SET_LR_MAX, "10", &e), 0);
	assert_int_equal(settings_set(&s, SET_LR_MAX, "0", &e), 0);
	assert_int_equal(settings_set(&s, SET_LR_MAX, "10.000001", &e), ERR_RANGE);
	assert_int_equal(settings_set(&s, SET_LR_MAX, "-1e-9", &e), ERR_RANGE);
	assert_int_equal(settings_set(&s, SET_LR_MAX, "20", &e), ERR_RANGE);
	assert_string_equal(e.msg, "lr.max: 20: must be 0 to 10");
	static const char *const no_number[] = {"", "x", "1x", "nan", "inf", "-inf", "1e999", "0x"};
	for (size_t i = 0; i < ARRAY_LEN(no_number); i++)
		assert_int_equal(settings_set(&s, SET_LR_MAX, no_number[i], &e), ERR_RANGE);
	assert_int_equal(settings_set(&s, SET_SEQ, "12.5", &e), ERR_RANGE);
	assert_int_equal(settings_set(&s, SET_SEQ, "64", &e), 0);
	assert_int_equal(settings_int(&s, SET_SEQ), 64);
	assert_int_equal(settings_set(&s, SET_LR_SHAPE, "wsd", &e), 0);
	assert_string_equal(setting_text(&s, SET_LR_SHAPE, v), "wsd");
	assert_int_equal(settings_set(&s, SET_LR_SHAPE, "cos", &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "constant cosine linear wsd"));
	assert_int_equal(setting_find("temprature", &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "sample.temperature"));
	assert_int_equal(setting_find("lr", &e), SET_LR_MAX);
}

/* --- every key of settings.def at its exact bounds --- */

static void bound_text(char *out, size_t n, const struct setting_row *r, double v, int outside)
{
	if (r->kind == SETTING_INT)
		snprintf(out, n, "%lld", (long long)v + outside);
	else
		snprintf(out, n, "%.17g", outside ? nextafter(v, outside * INFINITY) : v);
}

static void number_at_bounds(enum setting_id id, const struct setting_row *r)
{
	static struct settings s;
	struct err e;
	char text[64], got[SETTING_TEXT_MAX], range[80];
	snprintf(range, sizeof range, r->kind == SETTING_INT ? "%.0f to %.0f" : "%.9g to %.9g", r->min, r->max);
	for (int upper = 0; upper < 2; upper++) {
		double bound = upper ? r->max : r->min;
		settings_init(&s);
		bound_text(text, sizeof text, r, bound, 0);
		if (settings_set(&s, id, text, &e))
			fail_msg("%s: %s", r->key, e.msg);
		assert_true(s.num[id] == bound && s.set[id]);
		setting_text(&s, id, got);
		assert_true(strtod(got, NULL) == bound);
		bound_text(text, sizeof text, r, bound, upper ? 1 : -1);
		if (settings_set(&s, id, text, &e) != ERR_RANGE)
			fail_msg("%s: %s: taken, the range is %s", r->key, text, range);
		if (!strstr(e.msg, range) || strncmp(e.msg, r->key, strlen(r->key)))
			fail_msg("%s does not name %s", e.msg, range);
		assert_true(s.num[id] == bound);
	}
}

static void words_at_bounds(enum setting_id id, const struct setting_row *r)
{
	static struct settings s;
	struct err e;
	char words[256], got[SETTING_TEXT_MAX], *rest;
	settings_init(&s);
	snprintf(words, sizeof words, "%s", r->kind == SETTING_BOOL ? "off on" : r->unit);
	int n = 0;
	for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest), n++) {
		assert_int_equal(settings_set(&s, id, w, &e), 0);
		assert_true(s.num[id] == n);
		assert_string_equal(setting_text(&s, id, got), w);
	}
	assert_true(r->kind == SETTING_BOOL || n == (int)r->max + 1);
	assert_int_equal(settings_set(&s, id, "", &e), ERR_RANGE);
	assert_int_equal(settings_set(&s, id, "of", &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, r->kind == SETTING_BOOL ? "on or off" : r->unit));
}

static void auto_and_off(enum setting_id id)
{
	static const struct { const char *word; double held; } both[] = {{"auto", SETTING_IS_AUTO}, {"off", SETTING_IS_OFF}};
	static struct settings s;
	struct err e;
	char got[SETTING_TEXT_MAX];
	settings_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		assert_int_equal(settings_set(&s, id, both[i].word, &e), 0);
		assert_true(s.num[id] == both[i].held);
		assert_string_equal(setting_text(&s, id, got), both[i].word);
	}
}

static void count_at_bounds(enum setting_id id, const struct setting_row *r)
{
	static const char *const wrong[] = {"-1", "1.5", "off", "", "nan"};
	static struct settings s;
	struct err e;
	char got[SETTING_TEXT_MAX], most[32], range[80];
	settings_init(&s);
	snprintf(range, sizeof range, "auto or a whole number, 1 to %.0f", r->max);
	for (int i = 0; i < 2; i++) { /* as it was written before there was the word */
		assert_int_equal(settings_set(&s, id, i ? "0" : "auto", &e), 0);
		assert_true(s.num[id] == 0 && !setting_is_number(&s, id));
		assert_string_equal(setting_text(&s, id, got), "auto");
	}
	for (int i = 0; i < 2; i++) {
		snprintf(most, sizeof most, "%.0f", i ? r->max : 1);
		assert_int_equal(settings_set(&s, id, most, &e), 0);
		assert_true(setting_is_number(&s, id));
		assert_string_equal(setting_text(&s, id, got), most);
	}
	snprintf(most, sizeof most, "%.0f", r->max + 1);
	for (size_t i = 0; i <= ARRAY_LEN(wrong); i++) {
		assert_int_equal(settings_set(&s, id, i < ARRAY_LEN(wrong) ? wrong[i] : most, &e), ERR_RANGE);
		assert_non_null(strstr(e.msg, range));
		assert_true(s.num[id] == r->max);
	}
}

static void text_at_bounds(enum setting_id id)
{
	static struct settings s;
	struct err e;
	char text[SETTING_TEXT_MAX + 1] = "", got[SETTING_TEXT_MAX];
	settings_init(&s);
	assert_int_equal(settings_set(&s, id, "", &e), 0);
	memset(text, 'x', SETTING_TEXT_MAX - 1);
	assert_int_equal(settings_set(&s, id, text, &e), 0);
	assert_string_equal(setting_text(&s, id, got), text);
	text[SETTING_TEXT_MAX - 1] = 'x';
	assert_int_equal(settings_set(&s, id, text, &e), ERR_RANGE);
}

static void settings_bounds(void **state)
{
	(void)state;
	for (int i = 0; i < SET_N; i++) {
		const struct setting_row *r = setting_row((enum setting_id)i);
		if (r->kind == SETTING_AUTO)
			auto_and_off((enum setting_id)i);
		if (r->kind == SETTING_INT || r->kind == SETTING_FLOAT || r->kind == SETTING_AUTO)
			number_at_bounds((enum setting_id)i, r);
		else if (r->kind == SETTING_TEXT)
			text_at_bounds((enum setting_id)i);
		else if (r->kind == SETTING_COUNT)
			count_at_bounds((enum setting_id)i, r);
		else
			words_at_bounds((enum setting_id)i, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_messages), cmocka_unit_test(strings), cmocka_unit_test(numbers), cmocka_unit_test(utf8), cmocka_unit_test(random_numbers),
		cmocka_unit_test(half_floats), cmocka_unit_test(crc), cmocka_unit_test(crc_of_much), cmocka_unit_test(pool_runs_each_task_once), cmocka_unit_test(threads_take_no_signals), cmocka_unit_test(ring_keeps_order),
		cmocka_unit_test(files), cmocka_unit_test(memory_sizes), cmocka_unit_test(pages_in_blocks), cmocka_unit_test(memory_of_groups), cmocka_unit_test(cpus_of_groups), cmocka_unit_test(niceness), cmocka_unit_test(settings_table), cmocka_unit_test(settings_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
