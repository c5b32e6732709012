/* fakeview.c: the same run every time. Random numbers come from a fixed little generator.
 * SPDX-License-Identifier: MIT */
#include "support/fakeview.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static uint32_t state;

static double noise(void)
{
	double sum = 0;
	for (int i = 0; i < 4; i++) {
		state = state * 1664525u + 1013904223u;
		sum += state / 4294967296.0;
	}
	return sum - 2;
}

static void add_steps(struct view *v, uint64_t steps)
{
	for (uint64_t i = 1; i <= steps; i++) {
		double x = (double)i, loss = 1.62 + 4.6 * exp(-x / 420) + 1.8 * exp(-x / 2600);
		struct engine_event ev = {.kind = EV_STEP};
		ev.obs = (struct step_obs){.step = i, .tokens = i * 1240, .t = x * 0.0301, .ms = 30.1 + 2 * noise(), .micro_ms = 29.8};
		ev.obs.loss = loss * (1 + 0.055 * noise());
		if (i == 5200 || i == 9001)
			ev.obs.loss = 5.5;
		if (i == 7700)
			ev.obs.loss = NAN;
		ev.obs.grad_norm = 0.8 * (1 + 0.3 * noise()) + 3 * exp(-x / 300);
		ev.obs.lr = i < 1000 ? 6e-4 * x / 1000 : i < 6000 ? 6e-4 : 3e-4 * 0.5 * (1 + cos(3.1416 * (x - 6000) / 44000));
		ev.obs.watts = 18 + 2 * sin(x / 300);
		ev.obs.joules = NAN;
		view_event(v, &ev, "14:02:00");
		if (i == 6000) {
			struct engine_event m = {.kind = EV_MARK, .obs = {.step = i}, .text = "lr.max 0.0006 -> 0.0003"};
			view_event(v, &m, "14:02:11");
		}
		if (i == 10500) {
			struct engine_event m = {.kind = EV_MARK, .obs = {.step = i}, .text = "clip 1 -> 0.5"};
			view_event(v, &m, "14:02:11");
		}
		if (i % 500 == 0) {
			struct engine_event e = {.kind = EV_EVAL, .obs = {.step = i, .val = loss + 0.07, .bpb = (loss + 0.07) / 1.27}};
			view_event(v, &e, "14:02:12");
		}
		if (i % 2000 == 0) {
			struct engine_event c = {.kind = EV_CKPT, .obs = {.step = i}, .text = "runs/demo/step.ckpt"};
			view_event(v, &c, "14:02:13");
		}
	}
}

static void add_timing(struct timing *t)
{
	static const struct { const char *name; enum timing_kind kind; double ms; int calls; double gflops; } rows[] = {
		{"fwdAttn", TIMING_PROGRAM, 3.1, 6, 41.2}, {"fwdFFN", TIMING_PROGRAM, 5.0, 6, 58.3}, {"ffnBwd", TIMING_PROGRAM, 9.1, 6, 55.0},
		{"sdpaBwd1", TIMING_PROGRAM, 1.9, 6, 22.0}, {"sdpaBwd2", TIMING_PROGRAM, 2.4, 6, 31.0}, {"qkvBwd", TIMING_PROGRAM, 2.2, 6, 50.2},
		{"classifier", TIMING_HOST, 3.0, 2, 60.1}, {"cross entropy", TIMING_HOST, 0.6, 1, 0}, {"rmsnorm", TIMING_HOST, 0.5, 25, 0},
		{"embedding", TIMING_HOST, 0.2, 2, 0}, {"wait", TIMING_WAIT, 0.9, 6, 0}, {"weight grads", TIMING_OVERLAP, 8.4, 42, 61.0}, {"adamw", TIMING_HOST, 0, 0, 0}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int k = timing_row(t, rows[i].name, rows[i].kind);
		struct timing_row *r = &t->row[k];
		r->calls = 12340 * (uint64_t)rows[i].calls;
		r->ns = (uint64_t)(12340 * rows[i].ms * 1e6);
		r->last_calls = (uint32_t)rows[i].calls;
		r->last_flops = rows[i].gflops * rows[i].ms * 1e6;
		for (int h = 0; h < TIMING_HIST; h++)
			r->hist_ns[h] = (uint32_t)(rows[i].ms * 1e6);
	}
	struct timing_row *adam = &t->row[t->n - 1];
	adam->calls = 12340;
	adam->ns = (uint64_t)(12340 * 2.2e6);
	for (int h = 0; h < TIMING_HIST; h++)
		t->hist_total[h] = (uint32_t)(29.1e6);
	t->micro = 12340;
	t->total_ns = 12340 * (uint64_t)29100000;
}

static void add_power(struct power_view *p)
{
	*p = (struct power_view){.n = 4, .watts = 18.4, .joules = 6800};
	p->source[0] = (struct power_source_view){.name = "package-0", .kind = "powercap", .state = POWER_OK, .watts = 18.4, .joules = 6800};
	p->source[1] = (struct power_source_view){.name = "core", .kind = "powercap", .state = POWER_OK, .watts = 13.1, .joules = 4900, .part = 1};
	p->source[2] = (struct power_source_view){.name = "psys", .kind = "perf", .state = POWER_FROZEN, .reason = "counter does not move (a virtual machine?)"};
	p->source[3] = (struct power_source_view){.name = "battery BAT0", .kind = "battery", .state = POWER_STALE, .watts = 21, .age = 34};
}

static void add_snapshot(struct view *v)
{
	static struct engine_snapshot s;
	memset(&s, 0, sizeof s);
	s.machine = (struct machine_view){.celsius = NAN, .limit = NAN, .battery = NAN, .discharging = -1, .minutes = -1};
	s.power.baseline = NAN;
	s.state = ENGINE_TRAINING;
	s.config = (struct model_config){.name = "demo", .dim = 384, .hidden = 1024, .layers = 6, .heads = 6, .kv_heads = 6, .head_dim = 64, .vocab = 2048, .context = 256, .seq = 256};
	s.params = 10700000;
	strcpy(s.run_dir, "runs/demo");
	strcpy(s.device, "cpu: planned, fp32, avx512");
	strcpy(s.blas, "OpenBLAS 0.3.21, SKYLAKEX kernels");
	strcpy(s.data_name, "stories");
	s.blas_gflops = 310;
	s.threads = 2;
	s.data_tokens = 1480000;
	s.epoch = 1.31;
	s.step = 12340;
	s.target = 50000;
	s.tokens = 15301600;
	s.elapsed = 371;
	s.remaining = 1133;
	s.tokens_per_s = 41200;
	s.step_ms = 30.1;
	s.micro_ms = 29.1;
	s.flops_per_micro = 1.9e9;
	s.last = v->live->series.n ? (struct step_obs){.step = 12340, .tokens = s.tokens, .loss = 1.832, .grad_norm = 0.83, .lr = 2.84e-4} : (struct step_obs){0};
	s.best_val = 1.771;
	s.best_step = 11900;
	s.ckpt_step = 12000;
	s.ckpt_age = 10.2;
	s.lr_now = 2.84e-4;
	settings_init(&s.settings);
	add_timing(&s.timing);
	add_power(&s.power);
	s.proc = (struct proc_view){.cpu = 183, .rss = (uint64_t)612 << 20, .peak = (uint64_t)640 << 20, .cpus = 2, .n = 120};
	for (int i = 0; i < 120; i++) {
		s.proc.cpu_hist[i] = 150 + 40 * (float)sin(i / 9.0);
		s.proc.rss_hist[i] = 400 + 2 * (float)i;
	}
	view_snapshot(v, &s, "14:03:11");
	for (int i = 0; i < 180; i++) {
		v->live->snap.power.watts = 18 + 4 * sin(i / 7.0) + noise();
		view_second(v);
	}
	v->live->snap.power.watts = 18.4;
}

static void add_sample(struct view *v, uint64_t step, const char *prompt, const char *text, const char *end)
{
	struct engine_event b = {.kind = EV_SAMPLE_BEGIN, .obs = {.step = step}}, t = {.kind = EV_SAMPLE}, e = {.kind = EV_SAMPLE_END};
	snprintf(b.text, sizeof b.text, "%s", prompt);
	snprintf(t.text, sizeof t.text, "%s", text);
	view_event(v, &b, "14:03:00");
	view_event(v, &t, "14:03:00");
	if (end) {
		snprintf(e.text, sizeof e.text, "%s", end);
		view_event(v, &e, "14:03:02");
	}
}

int fakeview_training(struct view *v)
{
	if (view_init(v))
		return -1;
	state = 1;
	add_steps(v, 12340);
	add_snapshot(v);
	add_sample(v, 11000, "", "The the a the dog dog went in the.", "60 tokens in 0.4 s");
	add_sample(v, 12300, "Once upon a time", " there was a little fox named Mila. Mila loved to play by the river. One day she found a shiny stone.\n\n"
		"\"Look what I found!\" said Mila. Her friend Tom the badger came to see. 「きれいな石だね」とトムは言いました。 They laughed and", NULL);
	view_log(v, LOG_WARN, "14:01:55", "data: 3 bytes at 81234 are no UTF-8, replaced");
	view_log(v, LOG_INFO, "14:02:11", "lr.max 0.0006 -> 0.0003 at step 6000   (undo takes it back)");
	view_log(v, LOG_GOOD, "14:02:40", "checkpoint runs/demo/step-00012000.ckpt 48.1 MB in 0.21 s");
	view_log(v, LOG_ERROR, "14:02:55", "sample: 9000: must be 1 to 4096");
	view_log(v, LOG_INFO, "14:03:02", "sample: 60 tokens in 0.4 s");
	return 0;
}

int fakeview_empty(struct view *v)
{
	static struct engine_snapshot s;
	if (view_init(v))
		return -1;
	memset(&s, 0, sizeof s);
	s.machine = (struct machine_view){.celsius = NAN, .limit = NAN, .battery = NAN, .discharging = -1, .minutes = -1};
	s.power.baseline = NAN;
	s.state = ENGINE_PREPARING;
	strcpy(s.doing, "making the tokenizer");
	s.progress = 0.4f;
	s.remaining = s.ckpt_age = -1;
	s.best_val = s.proc.cpu = s.lr_now = NAN;
	settings_init(&s.settings);
	s.power = (struct power_view){.n = 2, .watts = NAN, .joules = NAN};
	s.power.source[0] = (struct power_source_view){.name = "package-0", .kind = "powercap", .state = POWER_NO_PERMISSION, .reason = "energy_uj is root-only",
		.fix = "sudo setcap cap_dac_read_search=ep ./anetui"};
	s.power.source[1] = (struct power_source_view){.name = "psys", .kind = "perf", .state = POWER_FROZEN};
	view_snapshot(v, &s, "14:00:00");
	return 0;
}
