/* test_sim_cost.c: the chips' table, the clock of one program, and predicted times of whole micro-steps beside what people reported. The two host
 * coefficients are made again without each report that they then predict.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "device/device.h"
#include "device/sim/cost.h"
#include "model/programs.h"
#include "model/work.h"
#include "support/upstream.h"

static const struct chip *chip_of(const char *name)
{
	struct err e = {0};
	const struct chip *c = chip_find(name, &e);
	if (!c)
		fail_msg("%s", e.msg);
	return c;
}

static void near(const char *what, double got, double want, double tolerance)
{
	if (!(fabs(got / want - 1) <= tolerance))
		fail_msg("%s: %.3f, wanted %.3f within %.0f %%", what, got, want, 100 * tolerance);
}

/* --- the table --- */

static void chips(void **state)
{
	struct err e = {0};
	(void)state;
	assert_int_equal(chip_count(), 13);
	for (size_t i = 0; i < chip_count(); i++) {
		const struct chip *c = chip_at(i);
		assert_ptr_equal(chip_find(c->name, NULL), c);
		assert_in_range(c->generation, 1, 5);
		assert_true(c->flops > 1e12 && c->weight_rate > 1e9 && c->act_rate > 1e9 && c->dispatch_ns > 1e4);
		assert_true(c->ghz > 3 && c->matrix_units >= 1 && c->score > 2000 && c->memory_rate >= 68e9);
		assert_true(isnan(c->watts_busy) == isnan(c->watts_idle));
	}
	assert_string_equal(chip_of("M4 Max")->name, "m4max");
	assert_string_equal(chip_of("m3-ultra")->name, "m3ultra");
	assert_null(chip_find("m9", &e));
	assert_string_equal(e.msg, "chip: m9: no such chip (one of m1 m1pro m1max m2 m3 m3pro m3max m3ultra m4 m4pro m4max m5 m5max)");
	assert_null(chip_find("", &e));
	assert_null(chip_find("m4maxandsomethingverylong", &e));
}

/* --- one program --- */

static struct cost cost_of_text(const char *chip, const char *params, const char *body)
{
	char text[2048];
	struct mil_graph *g = NULL;
	struct err e = {0};
	struct cost c;
	snprintf(text, sizeof text, "program(1.3) { func main<ios18>(%s) { %s } -> (y); }", params, body);
	if (mil_parse(&g, text, strlen(text), &e))
		fail_msg("%s", e.msg);
	cost_of_graph(&c, chip_of(chip), g);
	mil_free(g);
	return c;
}

/* One convolution of n channels at 64 positions. */
static struct cost square_conv(const char *chip, int n)
{
	char x[64], body[512];
	snprintf(x, sizeof x, "tensor<fp16, [1, %d, 1, 64]> x", n);
	snprintf(body, sizeof body,
		 "tensor<fp16, [%d, %d, 1, 1]> w = const()[val=tensor<fp16, [%d, %d, 1, 1]>(BLOBFILE(path=string(\"@model_path/weights/w.bin\"), offset=uint64(64)))];"
		 "tensor<fp16, [1, %d, 1, 64]> y = conv(x=x, weight=w);", n, n, n, n, n);
	return cost_of_text(chip, x, body);
}

static void adds_up(void **state)
{
	(void)state;
	struct cost c = square_conv("m4", 1024);
	assert_true(c.flops == 2.0 * 1024 * 1024 * 64 && c.weight_bytes == 2.0 * 1024 * 1024 && c.io_bytes == 2 * 2.0 * 1024 * 64);
	assert_true(c.moved_bytes == 0 && c.notch_op == -1);
	near("t0 + weights + activations", c.ns, 91e3 + c.weight_bytes / 55 + c.io_bytes / 24, 1e-12);
	/* A packed weight is written down and read again; one of its own is not; activations stream. */
	c = cost_of_text("m4", "tensor<fp16, [1, 1, 64, 320]> p",
			 "tensor<fp16, [1, 1, 64, 64]> a = slice_by_size(x=p, begin=tensor<int32, [4]>([0, 0, 0, 0]), size=tensor<int32, [4]>([1, 1, 64, 64]));"
			 "tensor<fp16, [1, 1, 64, 256]> w = slice_by_size(x=p, begin=tensor<int32, [4]>([0, 0, 0, 64]), size=tensor<int32, [4]>([1, 1, 64, 256]));"
			 "tensor<fp16, [1, 1, 64, 256]> y = matmul(x=a, y=w, transpose_x=bool(true));");
	assert_true(c.moved_bytes == 2 * 2.0 * 64 * 256);
	c = cost_of_text("m4", "tensor<fp16, [1, 1, 64, 64]> a, tensor<fp16, [1, 1, 64, 256]> w", "tensor<fp16, [1, 1, 64, 256]> y = matmul(x=a, y=w, transpose_x=bool(true));");
	assert_true(c.moved_bytes == 0);
	c = cost_of_text("m4", "tensor<fp16, [1, 128, 8, 64]> p",
			 "tensor<fp16, [1, 64, 8, 64]> a = slice_by_size(x=p, begin=tensor<int32, [4]>([0, 0, 0, 0]), size=tensor<int32, [4]>([1, 64, 8, 64]));"
			 "tensor<fp16, [1, 64, 8, 8]> y = matmul(x=a, y=a, transpose_y=bool(true));");
	assert_true(c.moved_bytes == 0);
}

/* Measured on an M4 mini: one convolution at 64 positions, ms. The last one is four times worse than its size. */
static void notch(void **state)
{
	static const struct { int n; double ms; } m4[] = {{1024, 0.116}, {2048, 0.237}, {3072, 0.421}, {4096, 1.012}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(m4); i++)
		near("one convolution on an M4", square_conv("m4", m4[i].n).ns / 1e6, m4[i].ms, 0.25);
	assert_int_equal(square_conv("m4", 4096).notch_op, 0);
	assert_int_equal(square_conv("m4", 3072).notch_op, -1);
	assert_int_equal(square_conv("m4max", 8192).notch_op, 0);
	double at = square_conv("m4max", 4096).ns, beside = square_conv("m4max", 4104).ns, past = square_conv("m4max", 4224).ns;
	assert_true(at > 1.5 * past && beside < at && beside > past);
}

/* Every device tells a chip's time when it was given a chip, and none when not. */
static void devices_tell(void **state)
{
	static const char text[] = "program(1.3) { func main<ios18>(tensor<fp16, [1, 64, 1, 32]> x) { tensor<fp16, [1, 64, 1, 32]> y = relu(x=x); } -> (y); }";
	static const struct { const char *spec, *chip; } devices[] = {{"sim", "m4"}, {"sim chip=m1", "m1"}, {"cpu chip=m5", "m5"}, {"cpu", NULL}};
	const struct mil_type t = {MIL_FP16, 4, {1, 64, 1, 32}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		struct err e = {0};
		struct device *d = device_open(devices[i].spec, NULL, &e);
		struct kernel *k = d ? device_compile(d, text, strlen(text), NULL, 0, &e) : NULL;
		struct surface *s[] = {d ? device_surface(d, &t, &e) : NULL, d ? device_surface(d, &t, &e) : NULL};
		struct binding *b = k ? device_bind(k, (const char *const[]){"x", "y"}, s, 2, &e) : NULL;
		if (!b)
			fail_msg("%s: %s", devices[i].spec, e.msg);
		const struct chip *c = devices[i].chip ? chip_of(devices[i].chip) : NULL;
		double want = c ? c->dispatch_ns + 2 * 64 * 32 * 2 / c->act_rate * 1e9 : 0;
		if (!(fabs(binding_perf(b)->model_ns - want) <= 1e-6 * want))
			fail_msg("%s: %g ns, wanted %g", devices[i].spec, binding_perf(b)->model_ns, want);
		binding_free(b);
		surface_free(s[0]);
		surface_free(s[1]);
		kernel_free(k);
		device_close(d);
	}
	struct err e = {0};
	assert_null(device_open("cpu chip=m9", NULL, &e));
	assert_string_equal(e.msg, "device: cpu: chip: m9: no such chip (one of m1 m1pro m1max m2 m3 m3pro m3max m3ultra m4 m4pro m4max m5 m5max)");
	assert_null(device_open("cpu fast", NULL, &e));
	assert_non_null(strstr(e.msg, "no such option"));
}

/* --- whole micro-steps --- */

static const struct report {
	const char *chip;
	enum upstream_pipeline pipeline;
	const struct upstream_model *model;
	double ms;
	int fitted; /* takes part in the fit, and must be held without it */
} reports[] = {
	{"m1pro", UPSTREAM_STATIC, &upstream_stories, 155, 1},
	{"m3ultra", UPSTREAM_STATIC, &upstream_stories, 91, 1},
	{"m4", UPSTREAM_STATIC, &upstream_stories, 107, 1},
	{"m4max", UPSTREAM_STATIC, &upstream_stories, 64, 1},
	{"m5", UPSTREAM_STATIC, &upstream_stories, 110, 1},
	{"m4", UPSTREAM_DYNAMIC, &upstream_stories_compact, 111, 1},
	{"m5max", UPSTREAM_DYNAMIC, &upstream_stories_compact, 73.5, 1},
	/* never fitted to: other machines, the weights as inputs, the larger model */
	{"m1max", UPSTREAM_STATIC, &upstream_stories, 155, 0},
	{"m4pro", UPSTREAM_STATIC, &upstream_stories, 71, 0},
	{"m3ultra", UPSTREAM_DYNAMIC, &upstream_stories_compact, 116, 0},
	{"m4", UPSTREAM_SEPARATE, &upstream_stories_compact, 76.9, 0},
	{"m4", UPSTREAM_DYNAMIC, &upstream_qwen, 412, 0},
	{"m5max", UPSTREAM_DYNAMIC, &upstream_qwen, 320, 0},
};
enum { NREPORT = ARRAY_LEN(reports) };

static struct step_work works[NREPORT];

static double ms_of(int i, const struct step_fit *f)
{
	return step_ns(chip_of(reports[i].chip), &works[i], f) / 1e6;
}

/* Sum of squared logarithms of predicted / reported, over the fitted reports but one. */
static double misfit(const struct step_fit *f, int without)
{
	double sum = 0;
	for (int i = 0; i < NREPORT; i++)
		if (reports[i].fitted && i != without)
			sum += pow(log(ms_of(i, f) / reports[i].ms), 2);
	return sum;
}

/* A grid that closes in: the misfit has kinks (a maximum of two times), so nothing is differentiated. */
static struct step_fit fit_without(int without)
{
	struct step_fit best = {.pass = 12e6, .matrix = 0.4};
	double width = log(4), least = misfit(&best, without);
	for (int round = 0; round < 12; round++, width /= 2) {
		struct step_fit centre = best;
		for (int i = -8; i <= 8; i++) {
			for (int j = -8; j <= 8; j++) {
				struct step_fit f = {centre.pass * exp(width * i / 8), fmin(centre.matrix * exp(width * j / 8), 1)};
				double m = misfit(&f, without);
				if (m < least) {
					least = m;
					best = f;
				}
			}
		}
	}
	return best;
}

static int setup(void **state)
{
	(void)state;
	for (int i = 0; i < NREPORT; i++)
		upstream_work(&works[i], chip_of(reports[i].chip), reports[i].pipeline, reports[i].model);
	return 0;
}

static void row(const char *how, int i, const struct step_fit *f)
{
	static const char *const pipelines[] = {"static", "dynamic", "separate"};
	double ms = ms_of(i, f);
	print_message("# %-8s %-8s %-9s reported %6.1f  predicted %6.1f  %+4.0f %%  (programs %5.1f + %5.1f)  %s\n", reports[i].chip, pipelines[reports[i].pipeline],
		      reports[i].model->L > 12 ? "qwen3" : "stories", reports[i].ms, ms, 100 * (ms / reports[i].ms - 1), works[i].device_forward_ns / 1e6,
		      works[i].device_backward_ns / 1e6, how);
}

/* The bar: each report within 25 % by coefficients that never saw it. */
static void left_out(void **state)
{
	(void)state;
	for (int i = 0; i < NREPORT; i++) {
		if (!reports[i].fitted)
			continue;
		char how[64];
		struct step_fit f = fit_without(i);
		snprintf(how, sizeof how, "without it: pass %.2f, matrix %.3f", f.pass / 1e6, f.matrix);
		row(how, i, &f);
		near(reports[i].chip, ms_of(i, &f), reports[i].ms, 0.25);
	}
}

/* The numbers in cost.c are this fit; what never took part is told beside it. */
static void the_fit(void **state)
{
	(void)state;
	struct step_fit f = fit_without(-1);
	print_message("# fit over all seven: pass %.2f MB/s a point, matrix %.3f\n", f.pass / 1e6, f.matrix);
	near("step_fit.pass", step_fit.pass, f.pass, 0.01);
	near("step_fit.matrix", step_fit.matrix, f.matrix, 0.01);
	for (int i = 0; i < NREPORT; i++) {
		row(reports[i].fitted ? "in the fit" : "never fitted", i, &step_fit);
		near(reports[i].chip, ms_of(i, &step_fit), reports[i].ms, 0.25);
	}
}

/* Timed by upstream on the machines themselves: the 24 forward programs of the static pipeline. */
static void forward_device(void **state)
{
	static const struct { const char *chip; double low, high; } measured[] = {{"m4", 9.6, 10.1}, {"m5", 9.1, 9.8}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(measured); i++) {
		struct step_work w;
		upstream_work(&w, chip_of(measured[i].chip), UPSTREAM_STATIC, &upstream_stories);
		print_message("# %s: 24 forward programs %.2f ms, measured %.1f to %.1f\n", measured[i].chip, w.device_forward_ns / 1e6, measured[i].low, measured[i].high);
		near(measured[i].chip, w.device_forward_ns / 1e6, measured[i].low, 0.20);
		near(measured[i].chip, w.device_forward_ns / 1e6, measured[i].high, 0.20);
	}
}

/* Our own generators at the same shape: not the same programs, but nearly the same work. */
static double ours_ms(const struct chip *chip, int first, int end, int separate)
{
	const struct model_config c = {.name = "stories110m", .dim = 768, .hidden = 2048, .layers = 12, .heads = 12, .kv_heads = 12, .head_dim = 64, .vocab = 32000,
				       .context = 256, .seq = 256, .tied = 1, .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 1};
	const struct program_shape shape_of = {.batch = 1, .seq = 256, .separate = separate};
	double ns = 0;
	for (int id = first; id < end; id++) {
		struct program p;
		struct mil_graph *g = NULL;
		struct err e = {0};
		struct cost cost;
		if (program_build(&p, (enum program_id)id, &c, &shape_of, MIL_BARE, &e) || mil_parse(&g, p.text.s, p.text.len, &e))
			fail_msg("%s: %s", p.name, e.msg);
		cost_of_graph(&cost, chip, g);
		ns += 12 * cost.ns;
		mil_free(g);
		program_done(&p);
	}
	return ns / 1e6;
}

static void our_programs(void **state)
{
	static const struct { int first, end, separate; enum upstream_pipeline theirs; } sets[] = {
		{PROGRAM_FWD_ATTN, PROGRAM_STATIC_N, 0, UPSTREAM_STATIC},
		{PROGRAM_DYN_SDPA_FWD, PROGRAM_DYN_KV_BWD + 1, 0, UPSTREAM_DYNAMIC},
		{PROGRAM_DYN_SDPA_FWD, PROGRAM_DYN_KV_BWD + 1, 1, UPSTREAM_SEPARATE},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		struct step_work w;
		upstream_work(&w, chip_of("m4"), sets[i].theirs, &upstream_stories);
		double theirs = (w.device_forward_ns + w.device_backward_ns) / 1e6, ours = ours_ms(chip_of("m4"), sets[i].first, sets[i].end, sets[i].separate);
		print_message("# m4, all programs of a micro-step: ours %.1f ms, upstream's %.1f\n", ours, theirs);
		near("our programs beside upstream's", ours, theirs, 0.10);
	}
}

/* Elements a token that go through the surfaces of the programs [first, end), weights left out. */
static double io_of(const struct model_config *c, int seq, int first, int end)
{
	const struct program_shape shape_of = {.batch = 1, .seq = seq, .separate = 1};
	double n = 0;
	for (int id = first; id < end; id++) {
		struct program p;
		struct mil_graph *g = NULL;
		struct err e = {0};
		if (program_build(&p, (enum program_id)id, c, &shape_of, MIL_BARE, &e) || mil_parse(&g, p.text.s, p.text.len, &e))
			fail_msg("%s: %s", p.name, e.msg);
		for (int i = 0; i < g->ninput; i++) {
			int weight = 0;
			for (int k = 0; k < p.nchannel; k++)
				weight |= p.channel[k].weight && !strcmp(p.channel[k].surface, g->value[g->input[i]].name);
			n += weight ? 0 : (double)mil_count(&g->value[g->input[i]].type);
		}
		for (int i = 0; i < g->noutput; i++)
			n += (double)mil_count(&g->value[g->output[i]].type);
		mil_free(g);
		program_done(&p);
	}
	return n / seq;
}

/* The host's conversions are those of the surfaces that the generators make. With no rows in the classifier what else is counted is the norms' and the embedding's. */
static void host_work(void **state)
{
	enum { L = 3, D = 96, F = 160, S = 32 };
	const struct model_config c = {.name = "gqa", .dim = D, .hidden = F, .layers = L, .heads = 6, .kv_heads = 2, .head_dim = 32, .vocab = 100, .context = S, .seq = S,
				       .tied = 1, .rope_theta = 10000, .norm_eps = 1e-5f, .alpha = 1};
	const struct model_options dynamic = {.pipeline = PIPELINE_DYNAMIC}, extras = {.extras = 1};
	struct step_work w;
	(void)state;
	model_host_work(&w, &c, 1, S, NULL, 0);
	near("static, forward", w.pass_forward, S * (L * 6 * io_of(&c, S, PROGRAM_FWD_ATTN, PROGRAM_FFN_BWD) + 24 * D), 1e-12);
	near("static, backward", w.pass_backward, S * L * (6 * io_of(&c, S, PROGRAM_FFN_BWD, PROGRAM_STATIC_N) + 32 * D), 1e-12);
	model_host_work(&w, &c, 1, S, &dynamic, 0);
	near("dynamic, forward", w.pass_forward, S * (L * (6 * io_of(&c, S, PROGRAM_DYN_SDPA_FWD, PROGRAM_DYN_W2T_BWD) + 28 * D) + 24 * D), 1e-12);
	near("dynamic, backward", w.pass_backward, S * L * (6 * io_of(&c, S, PROGRAM_DYN_W2T_BWD, PROGRAM_DYN_KV_BWD + 1) + 44 * D + 28 * F), 1e-12);
	model_host_work(&w, &c, 1, S, NULL, 100);
	assert_true(w.product == 2.0 * 100 * D * S && w.beside > w.product);
	model_host_work(&w, &c, 1, S, &extras, 100);
	assert_true(w.product == 0 && w.product_bytes == 0 && w.beside > 0);
}

/* The M5 Max's one guessed constant comes from the larger model's report, with coefficients that know nothing of an M5 Max. */
static void m5max_rate(void **state)
{
	(void)state;
	int stories = -1, qwen = -1;
	for (int i = 0; i < NREPORT; i++)
		if (!strcmp(reports[i].chip, "m5max"))
			*(reports[i].model == &upstream_qwen ? &qwen : &stories) = i;
	struct step_fit f = fit_without(stories);
	near("m5max, qwen3", ms_of(qwen, &f), reports[qwen].ms, 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chips),     cmocka_unit_test(adds_up), cmocka_unit_test(notch),
		cmocka_unit_test(devices_tell), cmocka_unit_test(left_out), cmocka_unit_test(the_fit),
		cmocka_unit_test(forward_device), cmocka_unit_test(our_programs), cmocka_unit_test(host_work), cmocka_unit_test(m5max_rate),
	};
	return cmocka_run_group_tests_name("sim_cost", tests, setup, NULL);
}
