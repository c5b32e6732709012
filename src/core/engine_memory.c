/* engine_memory.c: the memory plan of the model in use, or of one that is to be: told by `info`, and refused by `new` and the first `train` when
 * it does not fit. Allocates nothing. SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <stdio.h>

#include "base/mem.h"
#include "model/model_plan.h"
#include "sample/sample.h"
#include "train/choose.h"

static const struct device_caps *caps_of(const struct worker *w)
{
	static const struct device_caps cpu = {.name = "cpu", .weights_live = 1, .host_memory = 1, .batch = 1};
	return w->dev ? device_caps(w->dev) : &cpu;
}

static int plan_of(struct model_plan *p, const struct worker *w, const struct model_config *c, const struct settings *s, int rows, struct err *e)
{
	struct model_options o = trainer_options(s);
	return model_plan(p, caps_of(w), c, settings_int(s, SET_BATCH), MIN(settings_int(s, SET_SEQ), c->context), rows, &o, 1, e);
}

/* What goes when another model comes: the one in use, and its trainer. */
static uint64_t held(const struct worker *w)
{
	struct model_plan p;
	struct err e = {0};
	if (!w->params || plan_of(&p, w, &w->params->config, &w->settings, worker_rows(w), &e))
		return 0;
	return w->trainer ? model_plan_sum(&p) : p.weights;
}

static int refuse(const struct model_plan *p, const struct model_config *c, const struct settings *s, uint64_t need, uint64_t have, struct err *e)
{
	char t[8][16];
	const char *way = p->weights + p->gradients + p->moments + p->logits > have ? "fewer layers or a smaller dim" :
		settings_int(s, SET_RECOMPUTE) ? "a smaller batch or seq, fewer layers" : "set recompute on, a smaller batch or seq, fewer layers";
	return err_set(e, ERR_NOMEM, "model: %s: %s needed to train (weights %s, gradients %s, moments %s, activations %s at batch %d, seq %d, logits %s, "
		       "device %s), %s free (%s)", c->name, str_bytes(t[0], need), str_bytes(t[1], p->weights),
		       str_bytes(t[2], p->gradients), str_bytes(t[3], p->moments), str_bytes(t[4], p->activations), settings_int(s, SET_BATCH),
		       MIN(settings_int(s, SET_SEQ), c->context), str_bytes(t[5], p->logits), str_bytes(t[6], p->device), str_bytes(t[7], have),
		       way);
}

int worker_plan_new(const struct worker *w, const struct model_config *c, const struct settings *s, struct err *e)
{
	struct model_plan p;
	int r = plan_of(&p, w, c, s, 0, e);
	uint64_t need = r ? 0 : model_plan_sum(&p), have = mem_available();
	if (r || !have || need <= have + held(w))
		return r;
	return refuse(&p, c, s, need, have + held(w), e);
}

int worker_plan_train(const struct worker *w, struct err *e)
{
	const struct params *q = w->params;
	struct model_plan p;
	int r = plan_of(&p, w, &q->config, &w->settings, worker_rows(w), e);
	uint64_t have = mem_available(), there = p.weights + (q->g ? p.gradients + p.moments : 0);
	uint64_t beside = q->lora || q->ema ? 0 : choose_bytes(q, &w->settings), need = r ? 0 : model_plan_sum(&p) + beside - there;
	if (r || !have || need <= have)
		return r;
	return refuse(&p, &q->config, &w->settings, need + there, have + there, e);
}

/* A sixteenth of what training was planned with: who was told that a model fits is not to find twice its weights in memory at every save.
 * And of what is free a half, for others are on this machine too. */
uint64_t worker_room(const struct worker *w)
{
	return w->trainer ? MIN(mem_available() / 2, held(w) / 16) : 0;
}

void worker_say_memory(struct worker *w)
{
	const struct model_config *c = &w->params->config;
	struct model_plan p;
	struct err e = {0};
	char a[16], b[16];
	uint64_t cache, full, scratch, have = mem_available();
	if (plan_of(&p, w, c, &w->settings, worker_rows(w), &e)) {
		worker_say(w, "memory    -- (%s)\n", e.msg);
		return;
	}
	const struct { const char *what; uint64_t bytes; } part[] = {
		{"weights", p.weights}, {"gradients", p.gradients}, {"moments", p.moments}, {"activations", p.activations}, {"logits", p.logits},
		{"device", p.device}, {"beside", choose_bytes(w->params, &w->settings)}, /* adapters, the average */
	};
	const size_t n = part[ARRAY_LEN(part) - 1].bytes ? ARRAY_LEN(part) : ARRAY_LEN(part) - 1;
	worker_say(w, "memory    to train, batch %d, seq %d\n", settings_int(&w->settings, SET_BATCH), MIN(settings_int(&w->settings, SET_SEQ), c->context));
	for (size_t i = 0; i < n; i++)
		worker_say(w, "            %-12s%10s\n", part[i].what, str_bytes(a, part[i].bytes));
	worker_say(w, "            %-12s%10s, %s free\n", "all", str_bytes(a, model_plan_sum(&p) + part[ARRAY_LEN(part) - 1].bytes), have ? str_bytes(b, have) : "--");
	decoder_bytes(&cache, &scratch, c, w->pool ? pool_threads(w->pool) : 1, MIN(c->context, 1024));
	decoder_bytes(&full, &scratch, c, w->pool ? pool_threads(w->pool) : 1, c->context);
	worker_say(w, "          to sample, beside the weights\n");
	worker_say(w, "            %-12s%10s for %d tokens", "KV cache", str_bytes(a, cache), MIN(c->context, 1024));
	if (c->context > 1024)
		worker_say(w, ", %s for the whole context", str_bytes(a, full));
	worker_say(w, "\n            %-12s%10s\n", "scratch", str_bytes(a, scratch));
	if (settings_int(&w->settings, SET_SAMPLE_INT8))
		worker_say(w, "            %-12s%10s\n", "8-bit copy", str_bytes(a, decoder_int8_bytes(c)));
}
