/* engine_look.c: `info`, `kernels`, `power` and `mil`: looking, not changing.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "device/gemm.h"
#include "device/run_file.h"
#include "model/export.h"
#include "model/extras.h"
#include "model/programs.h"

/* --- info ---------------------------------------------------------------------------------------------------------- */

static int say_presets(struct worker *w, struct err *e)
{
	const char *const *names = model_preset_names(e);
	if (!names)
		return e->code;
	worker_say(w, "%-14s %10s %6s %7s %7s %6s %9s %7s %8s\n", "preset", "parameters", "dim", "hidden", "layers", "heads", "kv_heads", "vocab", "context");
	for (; *names; names++) {
		struct model_config c;
		char n[16];
		if (model_preset(&c, *names, e))
			return e->code;
		worker_say(w, "%-14s %10s %6d %7d %7d %6d %9d %7d %8d\n", *names, str_si(n, (double)model_params(&c)), c.dim, c.hidden, c.layers,
			   c.heads, c.kv_heads, c.vocab, c.context);
	}
	return 0;
}

static void say_model(struct worker *w)
{
	const struct model_config *c = &w->params->config;
	char a[16];
	worker_say(w, "model     %s: %s parameters; dim %d, hidden %d, %d layers, %d heads, %d kv heads of %d, vocabulary %d, context %d\n", c->name,
		   str_si(a, (double)model_params(c)), c->dim, c->hidden, c->layers, c->heads, c->kv_heads, c->head_dim, c->vocab, c->context);
	worker_say(w, "          %s classifier, RoPE %s theta %g, norm eps %g, residual scale %g%s\n", c->tied ? "tied" : "own",
		   c->rope == ROPE_HALF ? "half-split" : "interleaved", c->rope_theta, c->norm_eps, c->alpha,
		   c->qk_norm ? ", norms of q and k" : "");
	worker_say_memory(w);
	worker_say(w, "work      %s FLOP a micro-step\n", str_si(a, worker_flops(w)));
	if (settings_int(&w->settings, SET_VOCAB_COMPACT))
		worker_say(w, "compact   %d of %d rows occur in the data: the classifier has only those\n", worker_rows(w), c->vocab);
}

static void say_tokenizer(struct worker *w)
{
	if (!w->tok) {
		worker_say(w, "tokenizer none yet (learned from the data when it is opened)\n");
		return;
	}
	const struct tokenizer_info *t = tokenizer_info(w->tok);
	worker_say(w, "tokenizer %s: %d ids, hash %016llx\n", t->name, t->vocab, (unsigned long long)t->hash);
}

const char *worker_pipeline(const struct worker *w)
{
	struct model_options o = trainer_options(&w->settings);
	if (o.pipeline == PIPELINE_STATIC)
		return "static: weights stand in the programs";
	return o.separate ? "dynamic: weights are inputs of their own, programs are compiled once"
		: "dynamic: weights stand beside the activations in one input, programs are compiled once";
}

/* What is read, and where training stands in it. */
static void say_data(struct worker *w)
{
	const struct data *d = &w->data;
	const struct data_cursor *c = &w->state.cursor;
	int batch = settings_int(&w->settings, SET_BATCH), seq = settings_int(&w->settings, SET_SEQ);
	char order[SETTING_TEXT_MAX];
	if (!w->data_open) {
		worker_say(w, "data      %s (not opened yet)\n", w->data_name);
		return;
	}
	worker_say(w, "data      %s: %llu tokens, %llu of them held out%s%s, epoch %.2f\n", w->data_name, (unsigned long long)d->ntoken,
		   (unsigned long long)(d->ntoken - d->ntrain), *d->about ? "; " : "", d->about, data_epoch(d, c, batch, seq));
	worker_say(w, "position  %s, %s%llu sequences of %llu", setting_text(&w->settings, SET_DATA_ORDER, order), c->order == DATA_RANDOM ? "" : "in this epoch ",
		   (unsigned long long)c->index, (unsigned long long)data_sequences(d, c->order, batch, seq));
	worker_say(w, c->order == DATA_RANDOM ? ", drawn with replacement\n" : ", epoch %llu\n", (unsigned long long)c->epoch + 1);
}

static void say_run(struct worker *w)
{
	char a[16];
	worker_say(w, "run       %s, step %llu, %s tokens", run_is_open(&w->run) ? w->run.dir : "none yet", (unsigned long long)w->state.step,
		   str_si(a, (double)w->state.tokens));
	if (isfinite(w->state.best_loss))
		worker_say(w, ", best validation %.4f at step %llu", w->state.best_loss, (unsigned long long)w->state.best_step);
	worker_say(w, "\n");
}

/* Numbers of a device that computes in fp16. */
static void say_fp16(struct worker *w)
{
	char set[SETTING_TEXT_MAX];
	if (!(w->loss_scale > 0))
		return;
	worker_say(w, "fp16      loss scale %.9g (%s), %.2f %% of the gradient entries come back as zero, %llu updates skipped\n", w->loss_scale,
		   setting_text(&w->settings, SET_LOSS_SCALE, set), 100 * w->flushed, (unsigned long long)w->state.skipped);
}

int cmd_info(struct worker *w, int argc, char **argv, struct err *e)
{
	if (argc && strcmp(argv[0], "presets"))
		return err_set(e, ERR_USAGE, "info: %s: wanted nothing, or presets", argv[0]);
	if (argc)
		return say_presets(w, e);
	int rc = worker_need_model(w, e);
	if (!rc)
		rc = worker_need_active(w, e);
	if (rc)
		return rc;
	say_model(w);
	worker_say_options(w);
	say_tokenizer(w);
	say_data(w);
	say_run(w);
	worker_say(w, "device    %s%s%s\n", w->dev ? device_caps(w->dev)->name : "none", w->dev ? ": " : "", w->dev ? device_caps(w->dev)->about : "");
	say_fp16(w);
	worker_say(w, "pipeline  %s\n", worker_pipeline(w));
	const struct blas_info *b = blas_open();
	worker_say(w, "BLAS      %s, %s kernels, %d threads%s%s\n", b->library, b->kernels, pool_threads(w->pool), b->note[0] ? "; " : "", b->note);
	worker_say_choice(w, "measured  ");
	worker_say(w, "version   %s\n", ANETUI_VERSION);
	return 0;
}

/* --- kernels ---------------------------------------------------------------------------------------------------------- */

struct kernel_line {
	char name[TIMING_NAME];
	double ms, gflops, share, chip_ms;
	unsigned calls;
	enum timing_kind kind;
};

#define BY(key, expr) \
	static int by_##key(const void *a, const void *b) \
	{ \
		const struct kernel_line *x = a, *y = b; \
		return expr; \
	}
BY(ms, (y->ms > x->ms) - (y->ms < x->ms))
BY(name, strcmp(x->name, y->name))
BY(calls, (y->calls > x->calls) - (y->calls < x->calls))
BY(gflops, (y->gflops > x->gflops) - (y->gflops < x->gflops))
#undef BY

static const struct { const char *word; int (*compare)(const void *, const void *); } kernel_orders[] = {
	{"sort=ms", by_ms}, {"sort=name", by_name}, {"sort=calls", by_calls}, {"sort=gflops", by_gflops},
};

static int kernel_lines(const struct timing *t, double total, struct kernel_line *out)
{
	int n = 0;
	for (int i = 0; i < t->n; i++) {
		const struct timing_row *r = &t->row[i];
		double ms = timing_mean_ms(t, i, TIMING_HIST);
		if (!(ms > 0))
			continue;
		struct kernel_line *k = &out[n++];
		*k = (struct kernel_line){.ms = ms, .share = total > 0 ? 100 * ms / total : 0, .calls = r->last_calls, .kind = r->kind};
		k->gflops = r->last_flops > 0 ? r->last_flops / ms / 1e6 : 0;
		k->chip_ms = r->last_chip_ns / 1e6;
		memcpy(k->name, r->name, sizeof k->name);
	}
	return n;
}

/* The chip's column: what it would take for a program; host work has no row of its own there. */
static const char *chip_column(char buf[16], const struct chip_view *c, const struct kernel_line *k)
{
	if (!c->name[0])
		buf[0] = 0;
	else if (k->kind == TIMING_PROGRAM && k->chip_ms > 0)
		snprintf(buf, 16, " %10.3f", k->chip_ms);
	else
		snprintf(buf, 16, " %10s", k->kind == TIMING_PROGRAM ? "--" : "host");
	return buf;
}

static void say_kernel(struct worker *w, const struct chip_view *c, const struct kernel_line *k)
{
	char g[16] = "--", chip[16];
	if (k->gflops > 0)
		snprintf(g, sizeof g, "%.1f", k->gflops);
	chip_column(chip, c, k);
	if (k->kind == TIMING_OVERLAP)
		worker_say(w, "%-20s %6u %10s %7s %9s %12.3f%s\n", k->name, k->calls, "", "", g, k->ms, chip);
	else
		worker_say(w, "%-20s %6u %10.3f %6.1f%% %9s%s%s\n", k->name, k->calls, k->ms, k->share, g, chip[0] ? "             " : "", chip);
}

/* What the chip would take for the whole, and what is not known of it. */
static void say_chip(struct worker *w, const struct chip_view *c, double here)
{
	char watts[96] = "its engine's watts: nobody has published them";
	if (!c->name[0]) {
		worker_say(w, "chip: none chosen (device cpu chip=m4 tells its time beside ours)\n");
		return;
	}
	if (!(c->ms > 0)) {
		worker_say(w, "%s: nothing predicted: no micro-step on this device yet\n", c->name);
		return;
	}
	if (isfinite(c->watts))
		snprintf(watts, sizeof watts, "its engine %.2f W on average", c->watts);
	worker_say(w, "micro-step: here %.3g ms, %s %.3g ms: programs %.3g + %.3g, the rest is its host's work; %s\n", here, c->name, c->ms, c->forward_ms,
		   c->backward_ms, watts);
	worker_say(w, "%s: predicted, never run here; its speeds: %s%s\n", c->name, c->source, c->guess ? " (a guess)" : "");
}

/* Work outside micro-steps (update, checkpoint ...): mean of one call over the whole run. */
static void say_outside(struct worker *w)
{
	int head = 0;
	for (int i = 0; i < w->timing.n; i++) {
		const struct timing_row *r = &w->timing.row[i];
		if (!r->calls || timing_mean_ms(&w->timing, i, TIMING_HIST) > 0)
			continue;
		if (!head++)
			worker_say(w, "outside micro-steps, a call:\n");
		worker_say(w, "%-20s %6llu %10.3f\n", r->name, (unsigned long long)r->calls, (double)r->ns / (double)r->calls / 1e6);
	}
}

int cmd_kernels(struct worker *w, int argc, char **argv, struct err *e)
{
	const struct timing *t = &w->timing;
	struct kernel_line k[TIMING_ROWS];
	int (*order)(const void *, const void *) = argc ? NULL : by_ms;
	for (size_t i = 0; argc && i < ARRAY_LEN(kernel_orders); i++)
		if (!strcmp(argv[0], kernel_orders[i].word))
			order = kernel_orders[i].compare;
	if (!order)
		return err_set(e, ERR_USAGE, "kernels: %s: wanted sort=ms, sort=name, sort=calls or sort=gflops", argv[0]);
	if (!t->micro)
		return err_set(e, ERR_STATE, "kernels: no micro-step yet (train)");
	double total = timing_mean_ms(t, -1, TIMING_HIST), rest = timing_mean_ms(t, -2, TIMING_HIST), p50, p95;
	int n = kernel_lines(t, total, k);
	qsort(k, (size_t)n, sizeof *k, order);
	timing_percentiles(t, -1, &p50, &p95);
	struct chip_view chip;
	char head[24] = "";
	worker_chip(w, &chip);
	if (chip.name[0])
		snprintf(head, sizeof head, " %7s ms", chip.name);
	worker_say(w, "%-20s %6s %10s %7s %9s %12s%s\n", "kernel", "calls", "ms/micro", "share", "GFLOP/s", "overlapped", head);
	for (int i = 0; i < n; i++)
		say_kernel(w, &chip, &k[i]);
	worker_say(w, "%-20s %6s %10.3f %6.1f%%\n", "unaccounted", "", rest, total > 0 ? 100 * rest / total : 0);
	double flops = worker_flops(w);
	worker_say(w, "%-20s %6s %10.3f %6.1f%% %9.1f   p50 %.3f  p95 %.3f\n", "micro-step", "", total, 100.0, total > 0 ? flops / total / 1e6 : 0, p50, p95);
	say_outside(w);
	say_chip(w, &chip, total);
	say_fp16(w);
	return 0;
}

/* --- power -------------------------------------------------------------------------------------------------------------- */

static void say_machine(struct worker *w)
{
	const struct machine_view *v = &w->machine.view;
	if (isfinite(v->celsius))
		worker_say(w, "processor %.0f C%s", v->celsius, isfinite(v->limit) ? "" : " (its limit is not told)");
	else
		worker_say(w, "processor temperature -- (no sensor of a processor was found)");
	if (isfinite(v->celsius) && isfinite(v->limit))
		worker_say(w, " of %.0f", v->limit);
	if (v->counted)
		worker_say(w, "%s, slowed down %llu times since the start\n", v->throttles ? ", slowed down now" : "", (unsigned long long)v->throttled);
	else
		worker_say(w, ", slowed down -- (nobody counts it here)\n");
	if (isfinite(v->battery))
		worker_say(w, "battery   %.0f %%, %s%s\n", v->battery, v->discharging ? "discharging" : "not discharging", machine_is_low(v) ? " (low)" : "");
}

/* Training waits for so long: the mean of what the sources say meanwhile is what the machine takes without us. */
static int measure_idle(struct worker *w, const char *seconds, struct err *e)
{
	double v, sum = 0;
	uint64_t n = 0;
	struct power_view view;
	if (!strcmp(seconds, "off")) {
		power_set_baseline(w->power, NAN);
		return 0;
	}
	if (str_number(seconds, &v) || !(v >= 1 && v <= 600))
		return err_set(e, ERR_RANGE, "power: baseline: %s: must be 1 to 600 seconds, or off", seconds);
	worker_state(w, ENGINE_PREPARING, "measuring the idle machine");
	uint64_t begun = clock_ns(), end = begun + (uint64_t)(v * 1e9);
	for (uint64_t now; (now = clock_ns()) < end;) {
		struct timespec ms50 = {0, 50000000};
		if (worker_cancelled(w))
			return err_set(e, ERR_CANCEL, "power: baseline: interrupted");
		w->g->progress = (float)((double)(now - begun) / (v * 1e9));
		power_poll(w->power, now, 0);
		power_look(w->power, &view);
		/* What ran a moment ago is still in the first readings. */
		if (isfinite(view.watts) && !view.estimated && (double)(now - begun) > 0.3e9) {
			sum += view.watts;
			n++;
		}
		worker_publish(w, 0);
		nanosleep(&ms50, NULL);
	}
	if (!n)
		return err_set(e, ERR_STATE, "power: baseline: no source works (`power` tells why; an estimate can not be idle)");
	power_set_baseline(w->power, sum / (double)n);
	worker_say(w, "idle %.1f W, mean of %.0f s\n", sum / (double)n, v);
	return 0;
}

int cmd_power(struct worker *w, int argc, char **argv, struct err *e)
{
	if (argc == 2 && !strcmp(argv[0], "estimate")) {
		double v;
		if (str_number(argv[1], &v) || !(v >= 0 && v <= 100000))
			return err_set(e, ERR_RANGE, "power: %s: must be 0 to 100000 watts", argv[1]);
		power_estimate(w->power, v);
	} else if (argc && !strcmp(argv[0], "baseline")) {
		return measure_idle(w, argc == 2 ? argv[1] : "10", e);
	} else if (argc) {
		return err_set(e, ERR_USAGE, "power: usage: power [estimate WATTS | baseline SECONDS]");
	}
	power_poll(w->power, clock_ns(), w->training);
	power_report(w->power, &w->answer);
	say_machine(w);
	return 0;
}

/* --- mil ------------------------------------------------------------------------------------------------------------------- */

static int mil_build(struct worker *w, struct program *p, int id, struct err *e)
{
	struct model_options how = trainer_options(&w->settings);
	struct program_shape shape = {.batch = settings_int(&w->settings, SET_BATCH), .seq = settings_int(&w->settings, SET_SEQ),
				      .separate = how.separate};
	static const struct device_caps none = {0};
	const struct device_caps *caps = w->dev ? device_caps(w->dev) : &none;
	struct extras_plan x;
	extras_plan(&x, caps, &w->params->config, &how, shape.batch * shape.seq, worker_rows(w), 1);
	extras_shape(&shape, &x, caps, &how, worker_rows(w));
	shape.precise = model_is_precise(caps, &w->params->config, &how);
	return program_build(p, (enum program_id)id, &w->params->config, &shape, MIL_BARE, e);
}

/* The first program of the pipeline in use, and the one behind its last. */
static enum program_id mil_first(const struct worker *w)
{
	return trainer_options(&w->settings).pipeline == PIPELINE_STATIC ? PROGRAM_FWD_ATTN : PROGRAM_STATIC_N;
}

static int mil_list(struct worker *w, struct err *e)
{
	int first = (int)mil_first(w), end = first < PROGRAM_STATIC_N ? PROGRAM_STATIC_N : PROGRAM_EXTRAS;
	worker_say(w, "%-13s %7s %7s  %s\n", "program", "lines", "weights", "what it does");
	for (int id = first; id < PROGRAM_N; id++) {
		struct program p;
		if (id >= PROGRAM_EXTRAS ? !settings_int(&w->settings, SET_EXTRAS) : id >= end)
			continue;
		int rc = mil_build(w, &p, id, e), lines = 0;
		if (rc)
			return rc;
		for (int i = 0; i < p.nchannel; i++)
			p.nweight += p.channel[i].weight;
		for (const char *s = p.text.s; s && *s; s++)
			lines += *s == '\n';
		worker_say(w, "%-13s %7d %7d  %s\n", p.name, lines, p.nweight, program_about((enum program_id)id));
		program_done(&p);
	}
	return 0;
}

static int mil_show(struct worker *w, const char *name, struct err *e)
{
	int id = program_by_name(name, mil_first(w));
	struct program p;
	if (id < 0)
		return err_set(e, ERR_USAGE, "mil: %s: no such program (mil list)", name);
	int rc = mil_build(w, &p, id, e);
	if (rc)
		return rc;
	str_add(&w->answer, p.text.s, p.text.len);
	if (p.text.len && p.text.s[p.text.len - 1] != '\n')
		str_putc(&w->answer, '\n');
	for (int i = 0; i < p.nchannel; i++)
		worker_say(w, "// %s: %s %s %d..%d\n", p.channel[i].surface, p.channel[i].name, p.channel[i].axis == 1 ? "channels" : "columns",
			   p.channel[i].offset, p.channel[i].offset + p.channel[i].count - 1);
	program_done(&p);
	return 0;
}

/* A model on a cpu device of its own holds what is wanted, and costs no compiles where those are counted. */
static int mil_export(struct worker *w, const char *dir, const char *dialect, struct err *e)
{
	enum mil_dialect d = !strcmp(dialect, "verbose") ? MIL_VERBOSE : MIL_BARE;
	if (d == MIL_BARE && strcmp(dialect, "bare"))
		return err_set(e, ERR_USAGE, "mil: export: %s: wanted bare or verbose", dialect);
	int batch = device_caps(w->dev)->batch ? settings_int(&w->settings, SET_BATCH) : 1;
	int rc = params_train(w->params, e);
	struct device *cpu = rc ? NULL : device_open("cpu", w->pool, e);
	struct model_options o = trainer_options(&w->settings);
	o.precise = model_is_precise(device_caps(w->dev), &w->params->config, &o) ? PRECISE_ON : PRECISE_OFF;
	struct model *m = cpu ? model_new(cpu, w->params, w->pool, batch, settings_int(&w->settings, SET_SEQ), &o, NULL, &w->g->cancel, e) : NULL;
	rc = m ? model_export(m, dir, d, &w->answer, e) : e->code;
	model_free(m);
	device_close(cpu);
	return rc;
}

int cmd_mil(struct worker *w, int argc, char **argv, struct err *e)
{
	if (!strcmp(argv[0], "run")) {
		if (argc < 2)
			return err_set(e, ERR_USAGE, "mil: usage: mil run FILE weights=DIR INPUT=FILE.f32 ... out=FILE.f32");
		int rc = worker_machine(w, e);
		if (!rc)
			rc = mil_run_file(w->dev, argv[1], argc - 2, argv + 2, &w->answer, e);
		worker_device_notes(w);
		return rc;
	}
	int rc = worker_need_model(w, e);
	if (rc)
		return rc;
	if (!strcmp(argv[0], "list") && argc == 1)
		return mil_list(w, e);
	if (!strcmp(argv[0], "show") && argc == 2)
		return mil_show(w, argv[1], e);
	if (!strcmp(argv[0], "export") && (argc == 2 || argc == 3))
		return mil_export(w, argv[1], argc == 3 ? argv[2] : "bare", e);
	return err_set(e, ERR_USAGE, "mil: usage: mil list | show NAME | export DIR [bare|verbose] | run FILE weights=DIR INPUT=FILE.f32 ... out=FILE.f32");
}
