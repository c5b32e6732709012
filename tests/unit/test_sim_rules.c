/* test_sim_rules.c: for every row of rules.def a program that breaks it and one that does not, through the device's own door; what is
 * said; and our own programs in both dialects on every chip.
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

#include "base/mem.h"
#include "device/sim/rules.h"
#include "model/programs.h"
#include "support/tiny.h"

struct text { const char *program, *opset, *params, *body; };
#define HEAD(program, opset, params, body) {program, opset, params, body}
#define BARE(params, body) {"program(1.3)", "ios18", params, body}

static const struct rule_case {
	enum rule_id id;
	const char *spec;
	int line;
	struct text broken;
	const char *fine_spec; /* NULL: spec */
	struct text fine;
} cases[] = {
#define CASE(ID, spec, line, broken, fine) {RULE_##ID, spec, line, broken, NULL, fine},
#define CASE_SPEC(ID, spec, line, broken, fine_spec, fine) {RULE_##ID, spec, line, broken, fine_spec, fine},
#include "support/rule_cases.def"
#undef CASE
#undef CASE_SPEC
};

/* --- running a text --- */

static void write_text(struct str *s, const struct text *t)
{
	str_printf(s, "%s\n{\nfunc main<%s>(%s) {\n%s\n} -> (y);\n}\n", t->program, t->opset, t->params, t->body);
}

enum { WEIGHTS = 24 };

/* Zeros for every weight file that the text names; none when it does not parse. */
static int weights_of(struct dev_weight w[WEIGHTS], const struct str *text)
{
	struct mil_graph *g = NULL;
	int n = 0;
	if (mil_parse(&g, text->s, text->len, NULL))
		return 0;
	for (int i = 0; i < g->nvalue && n < WEIGHTS; i++) {
		const struct mil_value *v = &g->value[i];
		if (!v->konst || !v->konst->blob)
			continue;
		w[n] = (struct dev_weight){.path = mem_strdup(v->konst->blob), .dtype = MIL_FP32, .rank = v->type.rank};
		int64_t stride = 1;
		for (int a = v->type.rank; a-- > 0; stride *= v->type.dim[a]) {
			w[n].dim[a] = v->type.dim[a];
			w[n].stride[a] = stride;
		}
		w[n++].data = mem_zalloc((size_t)stride, sizeof(float));
	}
	mil_free(g);
	return n;
}

static int bind_and_run(struct kernel *k, struct err *e)
{
	const struct kernel_io *io[2];
	int n[2] = {kernel_inputs(k, &io[0]), kernel_outputs(k, &io[1])}, count = 0;
	const char *names[8];
	struct surface *s[8];
	for (int side = 0; side < 2; side++)
		for (int i = 0; i < n[side]; i++) {
			names[count] = io[side][i].name;
			s[count] = device_surface(k->dev, &io[side][i].type, e);
			assert_non_null(s[count++]);
		}
	struct binding *b = device_bind(k, names, s, count, e);
	int r = b ? binding_run(b, e) : e->code;
	binding_free(b);
	while (count)
		surface_free(s[--count]);
	return r;
}

/* Opens a device and runs the text on it: 0 or the error's code; what the device had to say goes to notes. */
static int run(const char *spec, const struct text *t, struct str *notes, struct err *e)
{
	struct dev_weight w[WEIGHTS];
	struct str text = {0};
	struct err opening = {0};
	struct device *d = device_open(spec, NULL, &opening);
	if (!d)
		fail_msg("%s: %s", spec, opening.msg);
	write_text(&text, t);
	int nw = weights_of(w, &text);
	*e = (struct err){0};
	struct kernel *k = device_compile(d, text.s, text.len, w, nw, e);
	int r = k ? bind_and_run(k, e) : e->code;
	kernel_free(k);
	for (const char *note; (note = device_note(d));)
		str_printf(notes, "%s\n", note);
	str_putc(notes, '\n');
	device_close(d);
	for (int i = 0; i < nw; i++) {
		free((char *)(uintptr_t)w[i].path);
		free((void *)(uintptr_t)w[i].data);
	}
	str_done(&text);
	return r;
}

/* --- one row, one program each way --- */

static int mentions(const char *text, const struct rule *r)
{
	char tag[64];
	snprintf(tag, sizeof tag, "(rule %s; try: ", r->name);
	return strstr(text, tag) != NULL;
}

/* A refusal or a note names the chip, the line, the reason, the rule and a way round; a refusal what a Mac says, too. */
static void complete(const struct rule_case *c, const char *text, int refused)
{
	const struct rule *r = rules_row(c->id);
	char at[32];
	snprintf(at, sizeof at, c->line ? "line %d: " : "bind: ", c->line);
	if (strncmp(text, "sim: m", 6) || !strstr(text, at) || !strstr(text, r->why) || !strstr(text, r->way) || !mentions(text, r) || (refused && !strstr(text, r->text)))
		fail_msg("%s: \"%s\" should hold \"%s\", \"%s\", \"%s\", \"%s\"", r->name, text, at, refused ? r->text : "", r->why, r->way);
}

static void refused(const struct rule_case *c, const char *spec)
{
	struct str notes = {0};
	struct err e;
	if (run(spec, &c->broken, &notes, &e) != ERR_DEVICE)
		fail_msg("%s on %s: should be refused, got \"%s\" and the notes \"%s\"", rules_row(c->id)->name, spec, e.msg, notes.s);
	complete(c, e.msg, 1);
	str_done(&notes);
}

static void accepted(const struct rule_case *c, const struct text *t, const char *spec, int told)
{
	struct str notes = {0};
	struct err e;
	if (run(spec, t, &notes, &e))
		fail_msg("%s on %s: should run: %s", rules_row(c->id)->name, spec, e.msg);
	if (mentions(notes.s, rules_row(c->id)) != told)
		fail_msg("%s on %s: %s be told, got \"%s\"", rules_row(c->id)->name, spec, told ? "should" : "should not", notes.s);
	for (char *line = told ? strtok(notes.s, "\n") : NULL; line; line = strtok(NULL, "\n"))
		if (mentions(line, rules_row(c->id)))
			complete(c, line, 0);
	str_done(&notes);
}

static void each_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct rule_case *c = &cases[i];
		const struct rule *r = rules_row(c->id);
		const char *fine_spec = c->fine_spec ? c->fine_spec : c->spec;
		char strict[96], fine_strict[96];
		snprintf(strict, sizeof strict, "%s strict=%s", c->spec, r->strict);
		snprintf(fine_strict, sizeof fine_strict, "%s strict=%s", fine_spec, r->strict);
		accepted(c, &c->fine, fine_spec, 0);
		if (r->level == RULE_ERROR)
			refused(c, c->spec);
		else
			accepted(c, &c->broken, c->spec, r->level != RULE_CONTESTED);
		if (!*r->strict)
			continue;
		refused(c, strict);
		if (strcmp(r->strict, "all")) /* under all the fine program may break another row */
			accepted(c, &c->fine, fine_strict, 0);
	}
}

/* No row without a program, but for those that the process breaks. */
static void all_rows(void **state)
{
	(void)state;
	for (int id = 0; id < RULE_N; id++) {
		const struct rule *r = rules_row((enum rule_id)id);
		int n = 0;
		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			n += cases[i].id == (enum rule_id)id;
		if (n != (r->scope != RULE_PROCESS))
			fail_msg("%s: %d programs", r->name, n);
		assert_true(r->generations && *r->why && *r->way && (r->level != RULE_ERROR || *r->text));
	}
}

/* A row that is another generation's is silent here. */
static void other_chips(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct rule *r = rules_row(cases[i].id);
		for (int g = 1; g <= 5; g++) {
			static const char *const chip[] = {"m1", "m2", "m3", "m4", "m5"};
			struct str notes = {0};
			struct err e;
			char spec[64];
			if (r->generations >> (g - 1) & 1 || (cases[i].id == RULE_STATE || cases[i].id == RULE_OP_OLD))
				continue; /* state, sin and cos end at the parser there */
			snprintf(spec, sizeof spec, "sim chip=%s%s", chip[g - 1], strstr(cases[i].spec, "pad=off") ? " pad=off" : "");
			run(spec, &cases[i].broken, &notes, &e);
			const char *said = e.code ? e.msg : notes.s;
			if (strstr(said, r->why))
				fail_msg("%s on %s: \"%s\"", r->name, spec, said);
			str_done(&notes);
		}
	}
}

/* --- what is told once, what is switched off --- */

static const struct text masked = BARE("tensor<fp16, [1, 2, 32, 32]> x, tensor<fp16, [1, 1, 32, 32]> m",
				       "tensor<fp16, [1, 2, 32, 32]> y = scaled_dot_product_attention(query=x, key=x, value=x, attn_mask=m);");

static struct kernel *compile(struct device *d, const struct text *t)
{
	struct str s = {0};
	struct err e = {0};
	write_text(&s, t);
	struct kernel *k = device_compile(d, s.s, s.len, NULL, 0, &e);
	if (!k)
		fail_msg("%s", e.msg);
	str_done(&s);
	return k;
}

static struct device *open_device(const char *spec)
{
	struct err e = {0};
	struct device *d = device_open(spec, NULL, &e);
	if (!d)
		fail_msg("%s: %s", spec, e.msg);
	return d;
}

static void told_once(void **state)
{
	(void)state;
	struct device *d = open_device("sim chip=m4");
	struct kernel *a = compile(d, &masked), *b = compile(d, &masked);
	const char *note = device_note(d);
	assert_non_null(note);
	assert_true(mentions(note, rules_row(RULE_SDPA_MASK)));
	assert_null(device_note(d));
	kernel_free(a);
	kernel_free(b);
	device_close(d);
}

/* The first row of y, with a mask that leaves only the first key. */
static float masked_value(const char *spec)
{
	static const char *const names[] = {"x", "m", "y"};
	const struct mil_type tx = {MIL_FP16, 4, {1, 2, 32, 32}}, tm = {MIL_FP16, 4, {1, 1, 32, 32}};
	struct err e = {0};
	struct device *d = open_device(spec);
	struct kernel *k = compile(d, &masked);
	struct surface *s[] = {device_surface(d, &tx, &e), device_surface(d, &tm, &e), device_surface(d, &tx, &e)};
	struct binding *b = device_bind(k, names, s, 3, &e);
	assert_non_null(b);
	float *x = surface_window(s[0], 0, 2, SURFACE_WRITE);
	for (int i = 0; i < 2048; i++)
		x[i] = (float)(i / 32 % 32); /* key k holds k everywhere */
	surface_release(s[0]);
	float *m = surface_window(s[1], 0, 1, SURFACE_WRITE);
	for (int i = 0; i < 1024; i++)
		m[i] = i % 32 ? -10000 : 0;
	surface_release(s[1]);
	assert_int_equal(binding_run(b, &e), 0);
	float y = surface_window(s[2], 0, 1, SURFACE_READ)[0];
	surface_release(s[2]);
	binding_free(b);
	for (int i = 0; i < 3; i++)
		surface_free(s[i]);
	kernel_free(k);
	device_close(d);
	return y;
}

/* Query 0 is all zeros: without a mask it sees all keys alike, 15.5 on average; with it only key 0. */
static void mask_is_ignored(void **state)
{
	(void)state;
	assert_true(masked_value("sim") == 15.5f);
	assert_true(masked_value("sim quirks=off") == 0);
	assert_true(masked_value("cpu") == 0);
}

static void padding_is_told(void **state)
{
	static const struct text two = BARE("tensor<fp16, [1, 64, 1, 64]> x, tensor<fp16, [1, 32, 1, 512]> z",
					    "tensor<fp16, [1, 64, 1, 64]> a = relu(x=x);\ntensor<fp16, [1, 32, 1, 512]> b = relu(x=z);\ntensor<fp16, [1, 64, 1, 64]> y = add(x=a, y=x);");
	struct str notes = {0};
	struct err e;
	(void)state;
	assert_int_equal(run("sim", &two, &notes, &e), 0);
	assert_non_null(strstr(notes.s, "padded to one size (here 49152 bytes in, 49152 out) and sorted by name"));
	str_clear(&notes);
	assert_int_equal(run("sim pad=off", &two, &notes, &e), ERR_DEVICE);
	const struct kernel_io io[] = {{.name = "a", .type = {MIL_FP16, 4, {1, 64, 1, 512}}}, {.name = "b", .type = {MIL_FP16, 4, {1, 64, 1, 8}}}};
	assert_int_equal(rules_surface_bytes(io, 2), 65536);
	assert_int_equal(rules_surface_bytes(io + 1, 1), 49152);
	str_done(&notes);
}

static void strict_words(void **state)
{
	struct err e = {0};
	(void)state;
	assert_int_equal(rules_strict("", &e), 0);
	assert_int_equal(rules_strict("seed,orion", &e), 0);
	assert_int_equal(rules_strict("all", &e), 0);
	assert_int_equal(rules_strict("seed,aple", &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "aple"));
	assert_null(device_open("sim strict=nobody", NULL, &e));
}

/* --- the process --- */

/* The budget's refusal, the 56th program, weights that stay as they were. */
static void process_rules(void **state)
{
	static const struct text relu = BARE("tensor<fp16, [1, 64, 1, 512]> x", "tensor<fp16, [1, 64, 1, 512]> y = relu(x=x);");
	struct kernel *k[56];
	struct err e = {0};
	struct str s = {0};
	(void)state;
	struct device *d = open_device("sim budget=57");
	for (int i = 0; i < 56; i++) {
		k[i] = compile(d, &relu);
		const char *note = device_note(d);
		if (i < 55)
			assert_null(note);
		else
			assert_true(note && mentions(note, rules_row(RULE_LOADED)));
	}
	for (int i = 0; i < 56; i++)
		kernel_free(k[i]);
	k[0] = compile(d, &relu);
	assert_null(device_note(d));
	kernel_free(k[0]);
	write_text(&s, &relu);
	assert_null(device_compile(d, s.s, s.len, NULL, 0, &e)); /* freeing gave nothing back */
	assert_int_equal(e.code, ERR_BUDGET);
	assert_non_null(strstr(e.msg, rules_row(RULE_BUDGET)->text));
	str_done(&s);
	device_close(d);
	d = open_device("sim budget=119");
	assert_int_equal(device_caps(d)->weights_live, 0);
	device_close(d);
}

/* --- our own programs --- */

static const struct tiny shape = {.what = "GQA", .dim = 64, .hidden = 96, .layers = 1, .heads = 4, .kv_heads = 2, .head_dim = 32, .vocab = 100, .tied = 1, .rope = ROPE_HALF, .alpha = 0.7f, .batch = 1, .seq = 64};

/* Compiles and runs a program in a dialect, with numbers of its own for every weight and input; the outputs' bytes. */
static float *program_outputs(const char *spec, enum program_id id, int separate, int precise, enum mil_dialect dialect, size_t *n)
{
	struct model_config c;
	struct program p;
	struct err e = {0};
	struct dev_weight w[WEIGHTS];
	struct device *d = open_device(spec);
	tiny_config(&c, &shape);
	const struct program_shape ps = {.batch = shape.batch, .seq = shape.seq, .separate = separate, .dynamic = separate, .precise = precise};
	if (program_build(&p, id, &c, &ps, dialect, &e))
		fail_msg("%s", e.msg);
	int nw = weights_of(w, &p.text);
	for (int i = 0; i < nw; i++)
		for (int64_t j = 0; j < w[i].dim[0] * w[i].stride[0]; j++)
			((float *)(uintptr_t)w[i].data)[j] = 0.02f * (float)((i * 7 + j * 13) % 23 - 11);
	struct kernel *k = device_compile(d, p.text.s, p.text.len, w, nw, &e);
	if (!k)
		fail_msg("%s on %s: %s", p.name, spec, e.msg);
	const struct kernel_io *in, *out;
	int nin = kernel_inputs(k, &in), nout = kernel_outputs(k, &out), count = 0;
	const char *names[16];
	struct surface *s[16];
	for (int i = 0; i < nin; i++) {
		s[count] = device_surface(d, &in[i].type, &e);
		float *x = surface_window(s[count], 0, in[i].type.dim[1], SURFACE_WRITE);
		for (int64_t j = 0; j < mil_count(&in[i].type); j++)
			x[j] = 0.1f * (float)((j * 31 + i) % 17 - 8);
		surface_release(s[count]);
		names[count++] = in[i].name;
	}
	*n = 0;
	for (int i = 0; i < nout; i++) {
		s[count] = device_surface(d, &out[i].type, &e);
		names[count++] = out[i].name;
		*n += (size_t)mil_count(&out[i].type);
	}
	struct binding *b = device_bind(k, names, s, count, &e);
	if (!b || binding_run(b, &e))
		fail_msg("%s on %s: %s", p.name, spec, e.msg);
	float *result = mem_zalloc(*n, sizeof *result), *at = result;
	for (int i = 0; i < nout; i++) {
		size_t here = (size_t)mil_count(&out[i].type);
		memcpy(at, surface_window(s[nin + i], 0, out[i].type.dim[1], SURFACE_READ), here * sizeof *at);
		surface_release(s[nin + i]);
		at += here;
	}
	binding_free(b);
	while (count)
		surface_free(s[--count]);
	kernel_free(k);
	device_close(d);
	for (int i = 0; i < nw; i++) {
		free((char *)(uintptr_t)w[i].path);
		free((void *)(uintptr_t)w[i].data);
	}
	program_done(&p);
	return result;
}

static void same_in_both(const char *chip, enum program_id id, int separate, int precise)
{
	char spec[48];
	size_t n, m;
	double sum = 0;
	snprintf(spec, sizeof spec, "sim budget=9 chip=%s", chip);
	float *bare = program_outputs(spec, id, separate, precise, MIL_BARE, &n), *verbose = program_outputs(spec, id, separate, precise, MIL_VERBOSE, &m);
	assert_int_equal(n, m);
	for (size_t j = 0; j < n; j++)
		sum += fabs((double)bare[j]);
	assert_true(isfinite(sum) && sum > 0);
	if (memcmp(bare, verbose, n * sizeof *bare))
		fail_msg("%s on %s: the two dialects differ", program_name(id), spec);
	free(bare);
	free(verbose);
}

/* Every chip takes every program of ours, in both dialects, and both give the same bytes. */
static void both_dialects(void **state)
{
	(void)state;
	for (int id = 0; id < PROGRAM_N; id++)
		for (size_t i = 0; i < chip_count(); i++)
			for (int how = 0; how < 4; how++)
				if (how < 2 || id == PROGRAM_FWD_ATTN || id == PROGRAM_SDPA_BWD1 || id == PROGRAM_DYN_SDPA_FWD || id == PROGRAM_DYN_SDPA_BWD1)
					same_in_both(chip_at(i)->name, (enum program_id)id, how & 1, how >> 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_rows),        cmocka_unit_test(each_rule),     cmocka_unit_test(other_chips), cmocka_unit_test(told_once),
		cmocka_unit_test(mask_is_ignored), cmocka_unit_test(padding_is_told), cmocka_unit_test(strict_words), cmocka_unit_test(process_rules),
		cmocka_unit_test(both_dialects),
	};
	return cmocka_run_group_tests_name("sim_rules", tests, NULL, NULL);
}
