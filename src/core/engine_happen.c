/* engine_happen.c: the moments that `on EVENT COMMAND` waits for, seen where the numbers are made. What is done then is the other side's business.
 *
 * Each is told once when it begins and again only when it has been over in between: a disk that stays full rings once. Whether it lasts is kept by who has the rules.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/mem.h"

/* A spike: above the mean of some 30 steps by 8 of their mean deviations and by a fifth; then none for 30 steps. */
enum { SPIKE_AFTER = 20, SPIKE_REST = 30, DISK_EVERY_S = 10, CKPTS_OF_ROOM = 3 };
#define SPIKE_DECAY 0.97
#define SPIKE_DEVIATIONS 8
#define SPIKE_PART 0.2

void worker_happened(struct worker *w, enum happening h, const char *fmt, ...)
{
	struct engine_event ev = {.kind = EV_HAPPENED, .code = (int)h, .t = run_seconds(&w->run), .obs = {.step = w->state.step}};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(ev.text, sizeof ev.text, fmt, ap);
	va_end(ap);
	worker_emit(w, &ev, 1);
}

/* What lasts, as it is now: when it began it was told; its end is told here, so that a rule that is made in between knows. */
static void note(struct worker *w, int *was, enum happening h, int now)
{
	struct engine_event ev = {.kind = EV_OVER, .code = (int)h, .t = run_seconds(&w->run), .obs = {.step = w->state.step}};
	if (*was && !now)
		worker_emit(w, &ev, 1);
	*was = now;
}

/* Both averages are divided by the sum of their weights, so that they are unbiased from the first step on. */
static void follow_loss(struct spike_watch *s, double loss)
{
	if (s->weight > 0)
		s->deviation = SPIKE_DECAY * s->deviation + (1 - SPIKE_DECAY) * fabs(loss - s->mean / s->weight);
	s->mean = SPIKE_DECAY * s->mean + (1 - SPIKE_DECAY) * loss;
	s->weight = SPIKE_DECAY * s->weight + (1 - SPIKE_DECAY);
	s->n++;
}

int spike_seen(struct spike_watch *s, double loss, double *mean)
{
	int is = 0;
	if (!isfinite(loss))
		return 0;
	if (s->rest > 0)
		s->rest--;
	*mean = s->weight > 0 ? s->mean / s->weight : NAN;
	if (s->n >= SPIKE_AFTER && !s->rest) {
		double above = loss - *mean, usual = s->deviation / s->weight;
		is = above > SPIKE_DEVIATIONS * usual && above > SPIKE_PART * fabs(*mean);
	}
	if (is)
		s->rest = SPIKE_REST;
	follow_loss(s, loss);
	return is;
}

void worker_look_for_spike(struct worker *w, double loss)
{
	double mean;
	if (!spike_seen(&w->happen.spike, loss, &mean))
		return;
	worker_log(w, LOG_WARN, "spike: loss %.4g at step %llu, %.4g before", loss, (unsigned long long)w->state.step, mean);
	worker_happened(w, HAPPENING_SPIKE, "loss %.4g, %.4g before", loss, mean);
}

void worker_forget_spikes(struct worker *w)
{
	w->happen.spike = (struct spike_watch){0};
}

void worker_disk_failed(struct worker *w, const char *why)
{
	if (!w->happen.disk_low)
		worker_happened(w, HAPPENING_DISK, "%s", why);
	w->happen.disk_low = 1;
}

/* Weights and both moments, fp32: what a checkpoint takes but for its head. */
static void look_at_disk(struct worker *w)
{
	struct statvfs v;
	char a[16], b[16];
	if (!run_is_open(&w->run) || !w->params || statvfs(w->run.dir, &v) || !v.f_frsize)
		return;
	double need = CKPTS_OF_ROOM * 12.0 * (double)model_params(&w->params->config), room = (double)v.f_bavail * (double)v.f_frsize;
	int low = room < need;
	if (low && !w->happen.disk_low) {
		str_bytes(a, (unsigned long long)room);
		str_bytes(b, (unsigned long long)need);
		worker_log(w, LOG_WARN, "disk: %.400s: %s free, %d checkpoints take %s", w->run.dir, a, CKPTS_OF_ROOM, b);
		worker_happened(w, HAPPENING_DISK, "%s free, %d checkpoints take %s", a, CKPTS_OF_ROOM, b);
	}
	note(w, &w->happen.disk_low, HAPPENING_DISK, low);
}

static void look_at_machine(struct worker *w)
{
	const struct machine_view *v = &w->machine.view;
	int hot = machine_is_hot(v), low = machine_is_low(v);
	if (hot && !w->happen.hot) {
		const char *why = v->throttles ? "the processor is slowed down" : "the processor is at its limit";
		worker_log(w, LOG_WARN, "heat: %s%s%.0f C", why, isfinite(v->celsius) ? ", " : "; temperature not known: ", v->celsius);
		worker_happened(w, HAPPENING_HEAT, "%s", why);
	}
	if (low && !w->happen.low) {
		worker_log(w, LOG_WARN, "battery: %.0f %% left", v->battery);
		worker_happened(w, HAPPENING_BATTERY, "%.0f %% left", v->battery);
	}
	note(w, &w->happen.hot, HAPPENING_HEAT, hot);
	note(w, &w->happen.low, HAPPENING_BATTERY, low);
}

void worker_look_around(struct worker *w, uint64_t now)
{
	look_at_machine(w);
	if (w->happen.looked_ns && now - w->happen.looked_ns < DISK_EVERY_S * 1000000000ull)
		return;
	w->happen.looked_ns = now;
	look_at_disk(w);
}
