/* test_programs.c: the generated texts parse for every shape, and their tables say what is in them.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "model/programs.h"
#include "support/tiny.h"

static const struct tiny shapes[] = {
	{"plain heads", 16, 24, 2, 4, 4, 4, 19, 1, ROPE_INTERLEAVED, 1, 1, 8},
	{"half-split, batch 3", 16, 24, 2, 4, 4, 4, 19, 1, ROPE_HALF, 1, 3, 7},
	{"grouped by 2", 12, 20, 2, 4, 2, 6, 23, 0, ROPE_INTERLEAVED, 1, 1, 13},
	{"grouped by 4, one kv head, batch 2", 10, 14, 3, 4, 1, 2, 17, 1, ROPE_HALF, 0.5f, 2, 6},
	{"head size of its own, alpha", 13, 11, 2, 3, 3, 10, 29, 0, ROPE_INTERLEAVED, 0.37f, 3, 33},
	{"norms of q and k, head size of its own", 13, 11, 2, 6, 3, 10, 29, 0, ROPE_HALF + TINY_QK_NORM, 0.37f, 3, 33},
	{"norms of q and k, one head", 8, 11, 2, 1, 1, 4, 29, 1, ROPE_INTERLEAVED + TINY_QK_NORM, 1, 1, 5},
	{"one of everything", 1, 1, 1, 1, 1, 2, 2, 1, ROPE_INTERLEAVED, 1, 1, 1},
};

/* The type of an input or output by name; the test fails when it is not there. */
static const struct mil_type *surface(const struct mil_graph *g, const char *name, int *is_output)
{
	for (int i = 0; i < g->ninput + g->noutput; i++) {
		const struct mil_value *v = &g->value[i < g->ninput ? g->input[i] : g->output[i - g->ninput]];
		*is_output = i >= g->ninput;
		if (!strcmp(v->name, name))
			return &v->type;
	}
	fail_msg("no surface %s", name);
	return NULL;
}

/* What is packed in a surface lies one after the other along one axis, without holes, and fills it. */
static void check_channels(const struct program *p, const struct mil_graph *g)
{
	for (int i = 0; i < p->nchannel; i++) {
		const struct program_channel *c = &p->channel[i];
		int out, last = i + 1 == p->nchannel || strcmp(p->channel[i + 1].surface, c->surface);
		const struct mil_type *t = surface(g, c->surface, &out);
		assert_int_equal(t->rank, 4);
		assert_int_equal(t->dtype, MIL_FP16);
		assert_int_equal(t->dim[0], 1);
		assert_int_equal(t->dim[2], 1);
		assert_true(c->count > 0 && (c->axis == 1 || c->axis == 3));
		if (i == 0 || strcmp(p->channel[i - 1].surface, c->surface))
			assert_int_equal(c->offset, 0);
		if (last)
			assert_int_equal(c->offset + c->count, t->dim[c->axis]);
		else
			assert_int_equal(p->channel[i + 1].offset, c->offset + c->count);
		assert_ptr_equal(program_channel(p, c->surface, c->name), c);
	}
	assert_null(program_channel(p, "nowhere", "x"));
}

static void check_weights(const struct program *p, const struct mil_graph *g)
{
	int blobs = 0;
	for (int i = 0; i < g->nvalue; i++)
		blobs += g->value[i].konst && g->value[i].konst->blob;
	assert_int_equal(blobs, p->nweight);
	for (int i = 0; i < p->nweight; i++) {
		char path[64];
		int found = 0;
		snprintf(path, sizeof path, "@model_path/weights/%s.bin", p->weight[i]);
		for (int k = 0; k < g->nvalue; k++) {
			const struct mil_value *v = &g->value[k];
			if (v->konst && v->konst->blob && !strcmp(v->konst->blob, path)) {
				found = 1;
				assert_true(mil_same_type(&v->type, &p->weight_type[i]));
			}
		}
		if (!found)
			fail_msg("%s: %s is not in the text", p->name, path);
	}
}

static void count(const struct program *p, const char *surface_name, const char *name, int want)
{
	const struct program_channel *c = program_channel(p, surface_name, name);
	if (!c || c->count != want)
		fail_msg("%s: %s: %d channels, not %d", p->name, name, c ? c->count : -1, want);
}

/* Weights stand behind the activations, at the offsets that the hardware's pipeline has, or each in a surface of its own. */
static void column(const struct program *p, const char *name, int weight, int separate, int at, int want)
{
	const struct program_channel *c = program_channel(p, weight && separate ? name : "x", name);
	if (!c || c->axis != 3 || c->weight != weight || c->count != want || c->offset != (weight && separate ? 0 : at))
		fail_msg("%s: %s: wanted %d columns from %d on, have %d from %d", p->name, name, want, at, c ? c->count : -1, c ? c->offset : -1);
}

static void check_dynamic(const struct tiny *t, const struct program *p, int separate)
{
	int D = t->dim, Q = t->heads * t->head_dim, K = t->kv_heads * t->head_dim, F = t->hidden, T = t->batch * t->seq;
	int rows = t->heads * T;
	const struct { int id; const char *name; int weight, at, count; } want[] = {
		{PROGRAM_DYN_SDPA_FWD, "xnorm", 0, 0, T}, {PROGRAM_DYN_SDPA_FWD, "wqt", 1, T, Q}, {PROGRAM_DYN_SDPA_FWD, "wkt", 1, T + Q, K},
		{PROGRAM_DYN_SDPA_FWD, "wvt", 1, T + Q + K, K}, {PROGRAM_DYN_WO_FWD, "attn", 0, 0, T}, {PROGRAM_DYN_WO_FWD, "wot", 1, T, D},
		{PROGRAM_DYN_FFN, "x2norm", 0, 0, T}, {PROGRAM_DYN_FFN, "x2", 0, T, T}, {PROGRAM_DYN_FFN, "w1t", 1, 2 * T, F},
		{PROGRAM_DYN_FFN, "w3t", 1, 2 * T + F, F}, {PROGRAM_DYN_FFN, "w2", 1, 2 * T + 2 * F, F},
		{PROGRAM_DYN_W2T_BWD, "dy", 0, 0, T}, {PROGRAM_DYN_W2T_BWD, "w2", 1, T, F},
		{PROGRAM_DYN_W13T_BWD, "dh1", 0, 0, T}, {PROGRAM_DYN_W13T_BWD, "dh3", 0, T, T}, {PROGRAM_DYN_W13T_BWD, "w1", 1, 2 * T, D},
		{PROGRAM_DYN_W13T_BWD, "w3", 1, 2 * T + D, D}, {PROGRAM_DYN_WOT_BWD, "dx2", 0, 0, T}, {PROGRAM_DYN_WOT_BWD, "wo", 1, T, Q},
		{PROGRAM_DYN_Q_BWD, "dq", 0, 0, T}, {PROGRAM_DYN_Q_BWD, "wq", 1, T, D}, {PROGRAM_DYN_KV_BWD, "dk", 0, 0, T},
		{PROGRAM_DYN_KV_BWD, "dv", 0, T, T}, {PROGRAM_DYN_KV_BWD, "wk", 1, 2 * T, D}, {PROGRAM_DYN_KV_BWD, "wv", 1, 2 * T + D, D},
	};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		column(&p[want[i].id], want[i].name, want[i].weight, separate, want[i].at, want[i].count);
	count(&p[PROGRAM_DYN_SDPA_FWD], "out", "attn", Q);
	count(&p[PROGRAM_DYN_SDPA_FWD], "out", "v", K);
	count(&p[PROGRAM_DYN_FFN], "out", "gate", F);
	count(&p[PROGRAM_DYN_SDPA_BWD1], "x", "da", Q);
	count(&p[PROGRAM_DYN_SDPA_BWD1], "ps", "probs", rows);
	count(&p[PROGRAM_DYN_SDPA_BWD2], "out", "dk", K);
	count(&p[PROGRAM_DYN_KV_BWD], "dxkv", "dxkv", D);
	const struct program_channel *norm = program_channel(&p[PROGRAM_DYN_SDPA_FWD], "norms", "rmsk");
	assert_int_equal(norm != NULL, t->rope >= TINY_QK_NORM);
	assert_true(!norm || (norm->axis == 3 && norm->weight && norm->offset == t->head_dim && norm->count == t->head_dim));
}

static void check_shape(const struct tiny *t, const struct program *p)
{
	int D = t->dim, Q = t->heads * t->head_dim, K = t->kv_heads * t->head_dim, F = t->hidden;
	int rows = t->batch * t->heads * t->seq;
	count(&p[PROGRAM_FWD_ATTN], "x", "x", D);
	count(&p[PROGRAM_FWD_ATTN], "out", "x2", D);
	count(&p[PROGRAM_FWD_ATTN], "out", "q", Q);
	count(&p[PROGRAM_FWD_ATTN], "out", "k", K);
	count(&p[PROGRAM_FWD_ATTN], "out", "v", K);
	count(&p[PROGRAM_FWD_ATTN], "out", "attn", Q);
	count(&p[PROGRAM_FWD_ATTN], "out", "xnorm", D);
	count(&p[PROGRAM_FWD_FFN], "out", "y", D);
	count(&p[PROGRAM_FWD_FFN], "out", "gate", F);
	count(&p[PROGRAM_FFN_BWD], "x", "h3", F);
	count(&p[PROGRAM_FFN_BWD], "out", "dh1", F);
	count(&p[PROGRAM_SDPA_BWD1], "dv", "dv", K);
	count(&p[PROGRAM_SDPA_BWD1], "ps", "probs", rows);
	count(&p[PROGRAM_SDPA_BWD2], "ps", "dp", rows);
	count(&p[PROGRAM_SDPA_BWD2], "out", "dq", Q);
	count(&p[PROGRAM_SDPA_BWD2], "out", "dk", K);
	count(&p[PROGRAM_QKV_BWD], "x", "dv", K);
	count(&p[PROGRAM_QKV_BWD], "dxnorm", "dxnorm", D);
	if (t->rope < TINY_QK_NORM) {
		assert_null(program_channel(&p[PROGRAM_FWD_ATTN], "out", "q_raw"));
		return;
	}
	count(&p[PROGRAM_FWD_ATTN], "out", "q_raw", Q);
	count(&p[PROGRAM_FWD_ATTN], "out", "k_raw", K);
	count(&p[PROGRAM_SDPA_BWD2], "raw", "k_raw", K);
	count(&p[PROGRAM_SDPA_BWD2], "dn", "dknorm", t->head_dim);
}

/* What sdpaBwd1 needs of q and k stands in one piece, with and without. */
static void check_precise(const struct tiny *t, const struct program *p, int precise)
{
	int Q = t->heads * t->head_dim, K = t->kv_heads * t->head_dim;
	if (!precise || t->rope >= TINY_QK_NORM) {
		assert_null(program_channel(&p[PROGRAM_FWD_ATTN], "out", "q_low"));
		assert_null(program_channel(&p[PROGRAM_DYN_SDPA_BWD1], "x", "k_low"));
		return;
	}
	static const struct { enum program_id id; const char *surface; } uses[] = {
		{PROGRAM_FWD_ATTN, "out"}, {PROGRAM_SDPA_BWD1, "x"}, {PROGRAM_DYN_SDPA_FWD, "out"}, {PROGRAM_DYN_SDPA_BWD1, "x"},
	};
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
		const struct program *u = &p[uses[i].id];
		count(u, uses[i].surface, "q_low", Q);
		count(u, uses[i].surface, "k_low", K);
		assert_int_equal(program_channel(u, uses[i].surface, "v")->offset, program_channel(u, uses[i].surface, "q")->offset + 2 * (Q + K));
	}
}

static void texts_parse(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
		for (int how = 0; how < 8; how++) {
			const struct tiny *t = &shapes[k];
			struct program_shape shape = {.batch = t->batch, .seq = t->seq, .separate = how & 1, .dynamic = how & 1, .precise = how >> 2};
			enum mil_dialect dialect = how & 2 ? MIL_VERBOSE : MIL_BARE;
			struct model_config c;
			struct program p[PROGRAM_N];
			struct err e = {0};
			tiny_config(&c, t);
			for (int id = 0; id < PROGRAM_N; id++) {
				struct mil_graph *g;
				if (program_build(&p[id], (enum program_id)id, &c, &shape, dialect, &e))
					fail_msg("%s: %s: %s", t->what, program_name((enum program_id)id), e.msg);
				assert_string_equal(p[id].name, program_name((enum program_id)id));
				if (mil_parse(&g, p[id].text.s, p[id].text.len, &e))
					fail_msg("%s: %s: %s\n%s", t->what, p[id].name, e.msg, p[id].text.s);
				check_channels(&p[id], g);
				check_weights(&p[id], g);
				mil_free(g);
			}
			check_shape(t, p);
			check_precise(t, p, shape.precise);
			check_dynamic(t, p, shape.separate);
			for (int id = 0; id < PROGRAM_N; id++)
				program_done(&p[id]);
		}
}

static void presets_parse(void **state)
{
	(void)state;
	struct err e = {0};
	for (const char *const *n = model_preset_names(&e); n && *n; n++) {
		struct model_config c;
		assert_int_equal(model_preset(&c, *n, &e), 0);
		for (int id = 0; id < PROGRAM_N; id++) {
			struct program p;
			struct mil_graph *g;
			assert_int_equal(program_build(&p, (enum program_id)id, &c, &(struct program_shape){.batch = c.batch, .seq = c.seq, .separate = 0}, MIL_BARE, &e), 0);
			if (mil_parse(&g, p.text.s, p.text.len, &e))
				fail_msg("%s: %s: %s", *n, p.name, e.msg);
			mil_free(g);
			program_done(&p);
		}
	}
}

static void names(void **state)
{
	(void)state;
	for (int id = 0; id < PROGRAM_N; id++) {
		assert_int_equal(program_by_name(program_name((enum program_id)id), (enum program_id)id), id);
		assert_true(strlen(program_about((enum program_id)id)) > 1);
	}
	assert_int_equal(program_by_name("qBwd", PROGRAM_FWD_ATTN), PROGRAM_DYN_Q_BWD);
	assert_int_equal(program_by_name("fwdFFN", PROGRAM_DYN_FFN), PROGRAM_FWD_FFN);
	assert_int_equal(program_by_name("fwdattn", PROGRAM_FWD_ATTN), -1);
	assert_int_equal(program_by_name("", PROGRAM_DYN_FFN), -1);
}

static void refusals(void **state)
{
	(void)state;
	struct model_config c;
	struct program p;
	struct err e = {0};
	tiny_config(&c, &shapes[0]);
	assert_int_equal(program_build(&p, PROGRAM_FWD_ATTN, &c, &(struct program_shape){.batch = 0, .seq = 8, .separate = 0}, MIL_BARE, &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "batch 0"));
	assert_int_equal(program_build(&p, PROGRAM_FWD_ATTN, &c, &(struct program_shape){.batch = 1 << 20, .seq = 1 << 20, .separate = 0}, MIL_BARE, &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "smaller batch"));
	c.kv_heads = 3;
	assert_int_equal(program_build(&p, PROGRAM_FWD_ATTN, &c, &(struct program_shape){.batch = 1, .seq = 8, .separate = 0}, MIL_BARE, &e), ERR_RANGE);
	assert_non_null(strstr(e.msg, "kv_heads"));
	program_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_parse), cmocka_unit_test(presets_parse), cmocka_unit_test(names), cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
