/* engine_report.c: `report`: what training has cost and how much of the machine it used. Measures nothing itself.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "device/gemm.h"

/* FLOPs of one micro-step by part; their sum is model_flops'. The formula: 6 a parameter of a matrix and token (2 forward, 4 backward;
 * Kaplan et al. 2020), attention's products twice 2 * S * S * HD a head forward, half of it behind the mask. */
struct parts {
	double projections, attention, feed_forward, classifier;
};

static struct parts parts_of(const struct worker *w, double *total)
{
	const struct model_config *c = &w->params->config;
	double seq = settings_int(&w->settings, SET_SEQ), tokens = settings_int(&w->settings, SET_BATCH) * seq;
	double q = model_q_dim(c), kv = model_kv_dim(c), d = c->dim;
	struct parts p = {
		.projections = 6 * tokens * c->layers * (2 * q * d + 2 * kv * d),
		.attention = 6 * tokens * seq * q * c->layers,
		.feed_forward = 6 * tokens * c->layers * 3 * d * c->hidden,
		.classifier = 6 * tokens * d * worker_rows(w),
	};
	*total = p.projections + p.attention + p.feed_forward + p.classifier;
	return p;
}

static uint64_t row_ns(const struct timing *t, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->row[i].name, name))
			return t->row[i].ns;
	return 0;
}

static void say_time(struct worker *w)
{
	const struct timing *t = &w->timing;
	double micro = (double)t->total_ns / 1e9, update = (double)row_ns(t, "update") / 1e9, compile = (double)row_ns(t, "compile") / 1e9;
	double wall = (double)(clock_ns() - w->cost.began_ns) / 1e9, rest = wall - micro - update - compile;
	worker_say(w, "time       %.2f s since training began here: micro-steps %.2f, updates %.2f, compiling %.2f, all else %.2f\n", wall, micro, update, compile,
		   MAX(rest, 0));
	worker_say(w, "           (all else: evaluations, samples, checkpoints, pauses)\n");
}

static void say_speed(struct worker *w)
{
	const struct timing *t = &w->timing;
	double p50, p95, rate = w->cost.flops / (double)t->total_ns, machine = blas_open()->gflops;
	timing_percentiles(t, -1, &p50, &p95);
	if (machine > 0)
		worker_say(w, "speed      %.1f GFLOP/s in micro-steps, %.2f of the %.1f that sgemm(1024) gave here\n", rate, rate / machine, machine);
	else
		worker_say(w, "speed      %.1f GFLOP/s in micro-steps, of -- (sgemm was not measured yet)\n", rate);
	worker_say(w, "micro-step %.3g ms median, %.3g ms at the 95th percentile, the last %d; %.4g tokens/s\n", p50, p95, (int)MIN(t->micro, (uint64_t)TIMING_HIST),
		   p50 > 0 ? settings_int(&w->settings, SET_BATCH) * settings_int(&w->settings, SET_SEQ) / p50 * 1e3 : 0);
}

static void say_energy(struct worker *w)
{
	struct power_view v;
	power_look(w->power, &v);
	double joules = v.joules - w->cost.joules, tokens = w->cost.tokens;
	if (!(joules > 0)) {
		worker_say(w, "energy     -- no source works (`power` says why; power estimate W counts with W watts)\n");
		return;
	}
	worker_say(w, "energy     %.4g J%s, %.3g mJ a token, %.3g tokens a joule\n", joules, v.estimated ? " (estimated)" : "", 1e3 * joules / tokens, tokens / joules);
	double seconds = (double)(clock_ns() - w->cost.began_ns) / 1e9, net = joules - v.baseline * seconds;
	if (isfinite(net) && net > 0)
		worker_say(w, "           above the idle %.1f W: %.4g J, %.3g mJ a token\n", v.baseline, net, 1e3 * net / tokens);
}

/* What would be there if it ended here. */
static void say_kept(struct worker *w)
{
	uint64_t unsaved = worker_unsaved(w);
	if (!w->saved)
		worker_say(w, "kept       -- no checkpoint yet\n");
	else if (unsaved)
		worker_say(w, "kept       up to step %llu; %llu step%s since then are in no checkpoint\n", (unsigned long long)w->saved_step, (unsigned long long)unsaved, unsaved > 1 ? "s" : "");
	else
		worker_say(w, "kept       up to step %llu: all\n", (unsigned long long)w->saved_step);
	if (w->lost.to)
		worker_say(w, "           steps %llu to %llu were not saved by the session before (%s): made again here\n", (unsigned long long)w->lost.from,
			   (unsigned long long)w->lost.to, w->lost.why);
}

int cmd_report(struct worker *w, struct err *e)
{
	const struct timing *t = &w->timing;
	char a[16], b[16];
	double flops;
	if (!w->params || !t->micro || !w->cost.began_ns)
		return err_set(e, ERR_STATE, "report: no micro-step yet (train)");
	struct parts p = parts_of(w, &flops);
	worker_say(w, "run        %s: step %llu, %s tokens in all; here %llu micro-steps, %s tokens\n", run_is_open(&w->run) ? w->run.dir : "none yet",
		   (unsigned long long)w->state.step, str_si(a, (double)w->state.tokens), (unsigned long long)t->micro, str_si(b, w->cost.tokens));
	say_kept(w);
	say_time(w);
	worker_say(w, "work       %sFLOP here, %sFLOP a micro-step: projections %.0f %%, attention %.0f %%, feed-forward %.0f %%, classifier %.0f %%\n",
		   str_si(a, w->cost.flops), str_si(b, flops), 100 * p.projections / flops, 100 * p.attention / flops, 100 * p.feed_forward / flops,
		   100 * p.classifier / flops);
	say_speed(w);
	say_energy(w);
	return 0;
}
