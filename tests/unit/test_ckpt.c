/* test_ckpt.c: checkpoints: the same bytes back, every kind of damage told, nothing bad saved. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/save.h"
#include "io/safetensors.h"
#include "support/tiny.h"
#include "text/vocab.h"
#include "train/ckpt.h"
#include "train/ckpt_blocks.h"

static const struct tiny shape = {.what = "ckpt", .dim = 6, .hidden = 11, .layers = 1, .heads = 4, .kv_heads = 2, .head_dim = 2,
				  .vocab = 13, .tied = 0, .rope = ROPE_HALF + TINY_QK_NORM, .alpha = 0.7f, .batch = 1, .seq = 5};

static struct params *some_params(int train)
{
	struct params *p = tiny_params(&shape, 9, train);
	struct rng r;
	rng_seed(&r, 10);
	p->config.lr_max = 1.0 / 3;
	p->config.seq = 4;
	for (int i = 0; train && i < p->n; i++)
		for (size_t j = 0; j < p->table[i].count; j++) {
			p->m[p->table[i].offset + j] = (float)rng_normal(&r) * 1e-3f;
			p->v[p->table[i].offset + j] = (float)rng_double(&r) * 1e-40f; /* subnormal too */
		}
	return p;
}

static void some_state(struct train_state *s)
{
	struct err e;
	memset(s, 0, sizeof *s);
	s->step = 0xfedcba9876543210u;
	s->tokens = 1234567890123;
	s->seconds = 1.0 / 7;
	s->best_loss = 2.0 / 3;
	s->kept_loss = 4.0 / 3;
	s->kept_step = 11;
	s->best_step = 9007199254740993; /* no double holds it */
	s->cursor.order = DATA_SHUFFLE;
	s->cursor.seed = 77;
	rng_seed(&s->cursor.rng, 5);
	s->cursor.index = UINT64_MAX;
	s->cursor.epoch = 3;
	s->sample_count = 42;
	s->skipped = 2;
	settings_init(&s->settings);
	assert_int_equal(settings_set(&s->settings, SET_LR_MAX, "0.00012345678901234567", &e), 0);
	assert_int_equal(settings_set(&s->settings, SET_LR_SHAPE, "wsd", &e), 0);
	assert_int_equal(settings_set(&s->settings, SET_SAMPLE_STOP, "a \"b\"\n\xc3\xa4", &e), 0);
	s->settings.num[SET_SEED] = 9007199254740991.0;
	snprintf(s->data_name, sizeof s->data_name, "../x \\ y.txt");
	snprintf(s->data_how, sizeof s->data_how, "val=0.05 own=1 width=4");
	s->tokenizer_hash = 0xfedcba9876543210u;
	s->data_hash = 0x8000000000000001u;
	snprintf(s->blas, sizeof s->blas, "openblas 0.3.21 SkylakeX, 2 threads");
}

static uint64_t save_some(const char *path, int train)
{
	struct params *p = some_params(train);
	struct train_state s;
	struct err e = {0};
	uint64_t bytes = 0;
	some_state(&s);
	if (ckpt_save(path, p, &s, NULL, &bytes, &e))
		fail_msg("%s", e.msg);
	params_free(p);
	return bytes;
}

static void read_all(const char *path, struct str *s)
{
	struct err e = {0};
	if (file_read(s, path, "test", 1 << 26, &e))
		fail_msg("%s", e.msg);
}

static void same_tensors(const struct params *a, const struct params *b)
{
	assert_int_equal(a->n, b->n);
	for (int i = 0; i < a->n; i++) {
		size_t at = a->table[i].offset, n = a->table[i].count * sizeof(float);
		assert_string_equal(a->table[i].name, b->table[i].name);
		assert_memory_equal(a->w + at, b->w + at, n);
		assert_int_equal(a->m != NULL, b->m != NULL);
		if (a->m) {
			assert_memory_equal(a->m + at, b->m + at, n);
			assert_memory_equal(a->v + at, b->v + at, n);
		}
	}
}

static void same_state(const struct train_state *a, const struct train_state *b)
{
	assert_true(a->step == b->step && a->tokens == b->tokens && a->seconds == b->seconds && a->best_step == b->best_step);
	assert_true(a->kept_loss == b->kept_loss && a->kept_step == b->kept_step);
	assert_true(a->best_loss == b->best_loss || (isnan(a->best_loss) && isnan(b->best_loss)));
	assert_true(a->cursor.order == b->cursor.order && a->cursor.seed == b->cursor.seed && a->cursor.index == b->cursor.index &&
		    a->cursor.epoch == b->cursor.epoch);
	assert_memory_equal(&a->cursor.rng, &b->cursor.rng, sizeof a->cursor.rng);
	assert_true(a->sample_count == b->sample_count && a->skipped == b->skipped && a->data_hash == b->data_hash);
	assert_string_equal(a->data_name, b->data_name);
	assert_string_equal(a->data_how, b->data_how);
	assert_true(a->tokenizer_hash == b->tokenizer_hash);
	assert_string_equal(a->blas, b->blas);
	assert_memory_equal(a->settings.num, b->settings.num, sizeof a->settings.num);
	assert_memory_equal(a->settings.set, b->settings.set, sizeof a->settings.set);
	for (int i = 0; i < SET_N; i++)
		assert_string_equal(a->settings.text[i], b->settings.text[i]);
}

static void round_trip(void **state)
{
	(void)state;
	for (int train = 0; train < 2; train++) {
		struct params *p = some_params(train), *q = NULL;
		struct train_state s, back;
		struct tokenizer *tok = (struct tokenizer *)&s;
		struct err e = {0};
		struct str a = {0}, b = {0};
		uint64_t bytes;
		some_state(&s);
		if (train)
			s.best_loss = NAN;
		assert_int_equal(ckpt_save("a.ckpt", p, &s, NULL, &bytes, &e), 0);
		if (ckpt_verify("a.ckpt", &e) || ckpt_load("a.ckpt", &q, &back, &tok, &e))
			fail_msg("%s", e.msg);
		assert_null(tok);
		same_tensors(p, q);
		same_state(&s, &back);
		assert_int_equal(p->config.rope, q->config.rope);
		assert_true(q->config.qk_norm);
		assert_true(p->config.alpha == q->config.alpha && p->config.norm_eps == q->config.norm_eps && p->config.lr_max == q->config.lr_max);
		assert_true(p->config.seq == q->config.seq && p->config.context == q->config.context);
		assert_string_equal(p->config.name, q->config.name);
		/* Saved again: the same file. */
		assert_int_equal(ckpt_save("b.ckpt", q, &back, NULL, NULL, &e), 0);
		read_all("a.ckpt", &a);
		read_all("b.ckpt", &b);
		assert_int_equal(a.len, bytes);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.s, b.s, a.len);
		str_done(&a);
		str_done(&b);
		params_free(p);
		params_free(q);
	}
}

/* The tokenizer travels in the file; its length is no multiple of 4 for at least one of these. */
static void with_tokenizer(void **state)
{
	(void)state;
	static const char text[] = "the cat sat on the mat and the cat sat on the hat, said the bat to the rat";
	for (int vocab = 257; vocab < 265; vocab++) {
		struct params *p = some_params(1), *q = NULL;
		struct train_state s, back;
		struct err e = {0};
		struct tokenizer *t = tokenizer_train(text, sizeof text - 1, vocab, NULL, &e), *u = NULL;
		if (!t)
			fail_msg("%s", e.msg);
		some_state(&s);
		if (ckpt_save("tok.ckpt", p, &s, t, NULL, &e) || ckpt_verify("tok.ckpt", &e) || ckpt_load("tok.ckpt", &q, &back, &u, &e))
			fail_msg("%s", e.msg);
		assert_non_null(u);
		assert_int_equal(tokenizer_info(t)->vocab, tokenizer_info(u)->vocab);
		assert_true(tokenizer_info(t)->hash == tokenizer_info(u)->hash);
		assert_string_equal(tokenizer_info(t)->name, tokenizer_info(u)->name);
		same_tensors(p, q);
		tokenizer_free(t);
		tokenizer_free(u);
		params_free(p);
		params_free(q);
	}
}

static void expect_bad(const char *path, const char *want)
{
	struct err e = {0};
	struct params *p = NULL;
	struct train_state s;
	struct tokenizer *t = NULL;
	if (!ckpt_load(path, &p, &s, &t, &e))
		fail_msg("%s: loaded, expected \"%s\"", path, want);
	assert_null(p);
	if (!strstr(e.msg, want) || strncmp(e.msg, "ckpt: ", 6) || strchr(e.msg, '\n'))
		fail_msg("\"%s\" is not \"ckpt: ... %s\"", e.msg, want);
}

/* Weights go with one tokenizer: when the one in the file is not that, nothing is loaded. */
static void another_tokenizer(void **state)
{
	(void)state;
	struct params *p = some_params(1);
	struct train_state s;
	struct err e = {0};
	struct tokenizer *t = tokenizer_train("a text", 6, 258, NULL, &e);
	assert_non_null(t);
	some_state(&s);
	t->info.hash ^= 1;
	assert_int_equal(ckpt_save("other.ckpt", p, &s, t, NULL, &e), 0);
	expect_bad("other.ckpt", "other.ckpt: its weights were trained with tokenizer ");
	tokenizer_free(t);
	params_free(p);
}

#if defined(__SANITIZE_ADDRESS__)
enum { BIT_STEP = 23 };
#else
enum { BIT_STEP = 1 };
#endif

static void flip(int fd, uint64_t bit, unsigned char byte)
{
	byte ^= (unsigned char)(1 << bit % 8);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
}

/* Tensors of several blocks, by any number of threads; one damaged in its middle, one cut while it is read. */
static void large(void **state)
{
	(void)state;
	static const struct tiny big = {.what = "large", .dim = 96, .hidden = 200, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 24, .vocab = 9001, .tied = 0,
					.rope = ROPE_HALF, .alpha = 1, .batch = 1, .seq = 5};
	struct params *p = tiny_params(&big, 3, 1), *q;
	struct train_state s, back;
	struct tokenizer *t;
	struct err e = {0};
	struct st_file f;
	for (int i = 0; i < p->n; i++)
		for (size_t j = 0; j < p->table[i].count; j++) {
			p->m[p->table[i].offset + j] = (float)(j % 1013) * 1e-3f - (float)i;
			p->v[p->table[i].offset + j] = (float)(j % 4099) * 1e-5f + (float)i;
		}
	some_state(&s);
	assert_int_equal(ckpt_save("large.ckpt", p, &s, NULL, NULL, &e), 0);
	for (int threads = 0; threads <= 3; threads++) {
		struct pool *pool = threads ? pool_new(threads, &e) : NULL;
		if (ckpt_load_on(pool, "large.ckpt", &q, &back, &t, &e))
			fail_msg("%s", e.msg);
		same_tensors(p, q);
		params_free(q);
		pool_free(pool);
	}
	assert_int_equal(st_open(&f, "large.ckpt", &e), 0);
	const struct st_tensor *m = st_find(&f, "adam.m.model.embed_tokens.weight");
	assert_non_null(m);
	uint64_t end = (uint64_t)(f.buffer - f.map.data) + m->end;
	struct ckpt_want want = {.t = m, .to = p->m};
	assert_int_equal(truncate("large.ckpt", (off_t)end - 5), 0);
	assert_int_equal(ckpt_read_blocks(NULL, &f, "large.ckpt", &want, 1, &e), ERR_FORMAT);
	assert_string_equal(e.msg, "ckpt: large.ckpt: tensor adam.m.model.embed_tokens.weight: the file ends before it does (cut while it was read?)");
	st_close(&f);
	assert_int_equal(ckpt_save("large.ckpt", p, &s, NULL, NULL, &e), 0);
	int fd = open("large.ckpt", O_RDWR);
	unsigned char byte;
	assert_int_equal(pread(fd, &byte, 1, (off_t)end - 1500000), 1);
	flip(fd, 8 * (end - 1500000), byte);
	close(fd);
	expect_bad("large.ckpt", "large.ckpt: tensor adam.m.model.embed_tokens.weight is damaged (CRC ");
	params_free(p);
}

static void bit_flips(void **state)
{
	(void)state;
	struct str all = {0};
	struct err e;
	struct rng r;
	save_some("flip.ckpt", 1);
	read_all("flip.ckpt", &all);
	uint64_t header = 0;
	memcpy(&header, all.s, 8);
	header += 8;
	int fd = open("flip.ckpt", O_RDWR);
	assert_true(fd >= 0);
	rng_seed(&r, 3);
	uint64_t nheader = 8 * header / BIT_STEP;
	for (uint64_t i = 0; i < nheader + 2000; i++) {
		uint64_t bit = i < nheader ? i * BIT_STEP : 8 * header + rng_below(&r, 8 * (all.len - header));
		unsigned char was = (unsigned char)all.s[bit / 8];
		flip(fd, bit, was);
		e.msg[0] = 0;
		if (!ckpt_verify("flip.ckpt", &e))
			fail_msg("bit %d of byte %d was not noticed", (int)(bit % 8), (int)(bit / 8));
		if (strncmp(e.msg, "ckpt: flip.ckpt: ", 17) || strchr(e.msg, '\n'))
			fail_msg("%s", e.msg);
		assert_int_equal(pwrite(fd, &was, 1, (off_t)(bit / 8)), 1);
	}
	close(fd);
	assert_int_equal(ckpt_verify("flip.ckpt", &e), 0);
	str_done(&all);
}

static void truncations(void **state)
{
	(void)state;
	struct str all = {0};
	struct err e;
	save_some("cut.ckpt", 1);
	read_all("cut.ckpt", &all);
	for (size_t n = all.len - 1; n > 0; n -= MIN(n, (size_t)BIT_STEP)) {
		assert_int_equal(truncate("cut.ckpt", (off_t)n), 0);
		assert_int_equal(ckpt_verify("cut.ckpt", &e), ERR_FORMAT);
		assert_non_null(strstr(e.msg, "short"));
	}
	FILE *f = fopen("cut.ckpt", "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(all.s, 1, all.len - 1024, f), all.len - 1024);
	fclose(f);
	expect_bad("cut.ckpt", "ckpt: cut.ckpt: 1024 bytes short (interrupted copy?)");
	f = fopen("cut.ckpt", "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(all.s, 1, all.len, f), all.len);
	fputs("123", f);
	fclose(f);
	expect_bad("cut.ckpt", "3 bytes too many");
	str_done(&all);
}

/* Replaces text in the header by another of equal length and mends the header's sum: what is left to find is the contents. */
static void forge(const char *path, const char *from, const char *to)
{
	struct str all = {0};
	struct err e;
	save_some(path, 1);
	read_all(path, &all);
	assert_int_equal(strlen(from), strlen(to));
	char *at = memmem(all.s, all.len, from, strlen(from));
	if (!at)
		fail_msg("%s: not in the header", from);
	memcpy(at, to, strlen(to));
	struct st_file f;
	uint64_t n = 0;
	memcpy(&n, all.s, 8);
	uint32_t crc = crc32c(0, all.s, n + 8);
	assert_int_equal(save_file(path, all.s, all.len, &e), 0);
	if (!st_open(&f, path, &e)) {
		memcpy(all.s + n + 8 + f.tensor[f.n - 1].begin, &crc, 4);
		assert_int_equal(save_file(path, all.s, all.len, &e), 0);
		st_close(&f);
	}
	str_done(&all);
}

static void wrong_contents(void **state)
{
	(void)state;
	static const struct { const char *from, *to, *want; } row[] = {
		{"config.hidden\":\"11\"", "config.hidden\":\"12\"", "tensor model.layers.0.mlp.gate_proj.weight: F32 [11, 6], the model needs F32 [12, 6]"},
		{"config.vocab\":\"13\"", "config.vocab\":\"99\"", "tensor model.embed_tokens.weight: F32 [13, 6], the model needs F32 [99, 6]"},
		{"config.tied\":\"0\"", "config.tied\":\"1\"", "tensor lm_head.weight: no part of this model"},
		{"config.layers\":\"1\"", "config.layers\":\"2\"", "14 weights and 28 moments, the model has 25 and 50"},
		{"config.qk_norm\":\"1\"", "config.qk_norm\":\"0\"", "tensor model.layers.0.self_attn.q_norm.weight: no part of this model"},
		{"config.qk_norm", "config.qk_none", "tensor model.layers.0.self_attn.q_norm.weight: no part of this model"}, /* older files do not have it */
		{"config.kv_heads\":\"2\"", "config.kv_heads\":\"3\"", "config: "},
		{"config.dim\":\"6\"", "config.dim\":\"x\"", "metadata: config.dim: x is no whole number"},
		{"config.dim\":\"6\"", "config.dix\":\"6\"", "metadata: config.dim is missing"},
		{"config.rope\":\"half\"", "config.rope\":\"harf\"", "metadata: config.rope: harf is no word known here"},
		{"state.step\":\"0xfedcba9876543210\"", "state.step\":\"0Xfedcba9876543210\"", "metadata: state.step"},
		{"state.skipped\":\"0x2\"", "state.skipped\":\"0xg\"", "metadata: state.skipped"},
		{"anetui.version\":\"1\"", "anetui.version\":\"2\"", "newer anetui (format 2"},
		{"set.lr.shape\":\"wsd\"", "set.lr.shape\":\"wst\"", "metadata: set: lr.shape: wst: must be one of"},
		{"set.clip\":\"1\"", "set.clip\":\"z\"", "metadata: set: clip: z"},
		{"model.norm.weight", "model.norx.weight", "tensor model.norx.weight: no part of this model"},
		{"\"adam.m.model.norm.weight", "\"adam.q.model.norm.weight", "tensor adam.q.model.norm.weight: no part of this model"},
		{"\"anetui.crc\":{\"dtype\":\"U32\"", "\"anetui.crx\":{\"dtype\":\"U32\"", "no checkpoint of anetui"},
		{"\"anetui.crc\":{\"dtype\":\"U32\"", "\"anetui.crc\":{\"dtype\":\"I32\"", "sums of U32 expected"},
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		forge("forged.ckpt", row[i].from, row[i].to);
		expect_bad("forged.ckpt", row[i].want);
	}
	/* What is unknown is passed over, and a setting that is missing has its default. */
	struct params *p;
	struct train_state s;
	struct tokenizer *t;
	struct err e = {0};
	forge("forged.ckpt", "\"set.clip\":", "\"set.klip\":");
	if (ckpt_load("forged.ckpt", &p, &s, &t, &e))
		fail_msg("%s", e.msg);
	assert_true(s.settings.num[SET_CLIP] == setting_row(SET_CLIP)->def);
	params_free(p);
}

static void not_checkpoints(void **state)
{
	(void)state;
	struct err e;
	struct str h = {0};
	char name[] = "anetui.crx";
	struct st_tensor t = {.name = name, .dtype = "F32", .rank = 1, .dim = {0}};
	expect_bad("missing.ckpt", "missing.ckpt: No such file or directory");
	expect_bad(".", "is a folder");
	assert_int_equal(save_file("x.ckpt", "", 0, &e), 0);
	expect_bad("x.ckpt", "0 bytes: too short");
	assert_int_equal(save_file("x.ckpt", "{\"t\":1,\"step\":2}\n", 17, &e), 0);
	expect_bad("x.ckpt", "not a safetensors file?");
	assert_int_equal(st_header(&h, &t, 1, NULL, 0, &e), 0);
	assert_int_equal(save_file("x.ckpt", h.s, h.len, &e), 0);
	expect_bad("x.ckpt", "no checkpoint of anetui");
	str_done(&h);
}

static void not_finite(void **state)
{
	(void)state;
	struct params *p = some_params(1);
	struct train_state s;
	struct err e;
	struct str before = {0}, after = {0};
	some_state(&s);
	save_some("nan.ckpt", 1);
	read_all("nan.ckpt", &before);
	const struct param *row = &p->table[p->n - 1];
	float *cells[] = {&p->w[row->offset + row->count - 1], &p->w[0], &p->m[row->offset], &p->v[3]};
	static const float bad[] = {NAN, INFINITY, -INFINITY, NAN};
	for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
		float was = *cells[i];
		*cells[i] = bad[i];
		assert_int_equal(ckpt_save("nan.ckpt", p, &s, NULL, NULL, &e), ERR_STATE);
		*cells[i] = was;
		assert_non_null(strstr(e.msg, "ckpt: nan.ckpt: weights are not finite (tensor "));
		assert_non_null(strstr(e.msg, "), not saved"));
		if (i == 0)
			assert_string_equal(e.msg, "ckpt: nan.ckpt: weights are not finite (tensor lm_head.weight), not saved");
	}
	*cells[0] = 3.4028235e38f; /* the largest is finite */
	assert_int_equal(ckpt_save("nan2.ckpt", p, &s, NULL, NULL, &e), 0);
	read_all("nan.ckpt", &after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.s, after.s, after.len);
	str_done(&before);
	str_done(&after);
	params_free(p);
}

static void disk_full(void **state)
{
	(void)state;
	struct params *p = some_params(1);
	struct train_state s;
	struct err e;
	struct rlimit old, now;
	struct str before = {0}, after = {0};
	some_state(&s);
	uint64_t bytes = save_some("full.ckpt", 1);
	read_all("full.ckpt", &before);
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	for (int i = 0; i < 64; i++) {
		now = old;
		now.rlim_cur = (rlim_t)(bytes * (uint64_t)i / 64);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
		int rc = ckpt_save("full.ckpt", p, &s, NULL, NULL, &e);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		assert_int_equal(rc, ERR_IO);
		assert_string_equal(e.msg, "disk: full.ckpt: File too large (old checkpoint kept)");
		assert_int_equal(ckpt_verify("full.ckpt", &e), 0);
	}
	signal(SIGXFSZ, handler);
	read_all("full.ckpt", &after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.s, after.s, after.len);
	str_done(&before);
	str_done(&after);
	params_free(p);
}

/* A reader that shares nothing with ours: names, shapes, first and last bits of each tensor. */
static const char python[] =
	"import json, struct, sys\n"
	"d = open(sys.argv[1], 'rb').read()\n"
	"n = struct.unpack('<Q', d[:8])[0]\n"
	"h = json.loads(d[8:8 + n].decode())\n"
	"m = h.pop('__metadata__')\n"
	"assert all(type(k) is str and type(v) is str for k, v in m.items())\n"
	"assert n % 8 == 0 and m['format'] == 'pt' and m['set.lr.shape'] == 'wsd' and m['user.lr.shape'] == '1'\n"
	"assert int(m['state.step'], 16) == 0xfedcba9876543210 and float(m['state.seconds']) == 1 / 7\n"
	"end = 0\n"
	"for k, t in sorted(h.items(), key=lambda i: i[1]['data_offsets']):\n"
	"    a, b = t['data_offsets']\n"
	"    assert a == end; end = b\n"
	"    v = struct.unpack('<%dI' % ((b - a) // 4), d[8 + n + a:8 + n + b])\n"
	"    print(k, t['dtype'], t['shape'], '%08x %08x' % (v[0], v[-1]))\n"
	"assert 8 + n + end == len(d)\n";

static unsigned bits(float v)
{
	unsigned u;
	memcpy(&u, &v, 4);
	return u;
}

static void expect_lines(FILE *f, const struct params *p, const char *prefix, const float *block)
{
	for (int i = 0; i < p->n; i++) {
		const struct param *r = &p->table[i];
		char want[300], got[300], dims[60];
		const float *x = block + r->offset;
		snprintf(dims, sizeof dims, r->rank == 1 ? "[%d]" : "[%d, %d]", (int)r->dim[0], (int)r->dim[1]);
		snprintf(want, sizeof want, "%s%s F32 %s %08x %08x\n", prefix, r->name, dims, bits(x[0]), bits(x[r->count - 1]));
		assert_non_null(fgets(got, sizeof got, f));
		assert_string_equal(got, want);
	}
}

static void python_reads(void **state)
{
	(void)state;
	struct err e;
	char last[300];
	if (system("python3 -c 'import json, struct' >/dev/null 2>&1")) {
		print_message("skipped: needs python3\n");
		skip();
	}
	struct params *p = some_params(1);
	save_some("py.ckpt", 1);
	assert_int_equal(save_file("read.py", python, sizeof python - 1, &e), 0);
	FILE *f = popen("python3 read.py py.ckpt", "r");
	assert_non_null(f);
	expect_lines(f, p, "", p->w);
	expect_lines(f, p, "adam.m.", p->m);
	expect_lines(f, p, "adam.v.", p->v);
	assert_non_null(fgets(last, sizeof last, f));
	assert_int_equal(strncmp(last, "anetui.crc U32 [", 16), 0);
	assert_int_equal(pclose(f), 0);
	params_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(with_tokenizer), cmocka_unit_test(another_tokenizer), cmocka_unit_test(bit_flips), cmocka_unit_test(large), cmocka_unit_test(truncations), cmocka_unit_test(wrong_contents),
		cmocka_unit_test(not_checkpoints), cmocka_unit_test(not_finite), cmocka_unit_test(disk_full), cmocka_unit_test(python_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
