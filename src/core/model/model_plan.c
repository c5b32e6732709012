/* model_plan.c: adds up weights, the host memory that model_memory.c cuts, and what devices keep of the programs' texts. Makes none of it.
 * SPDX-License-Identifier: MIT */
#include "model/model_plan.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "mil/mil.h"
#include "model/extras.h"
#include "model/model_state.h"

/* A shape whose plan is being made. */
struct plan {
	const struct device_caps *caps;
	const struct model_config *c;
	const struct model_options *o;
	struct program_shape shape;
	int train;
};

/* What attention's programs hold for each token, with training. Where every op is rounded sdpaBwd2 has the scores' gradient (B*H*S of them a query) beside dq and
 * dk, twice where these go through norms or groups; elsewhere it is nowhere whole. In two parts of a number, sdpaBwd1 has the scores twice, and what they are the product of. */
static uint64_t attention_floats(const struct plan *p, uint64_t Q, uint64_t K)
{
	const struct model_config *c = p->c;
	uint64_t scores = (uint64_t)c->heads * (uint64_t)p->shape.seq, pad = (uint64_t)program_score_pad(c) * (uint64_t)(c->heads + c->kv_heads);
	int groups = c->heads != c->kv_heads;
	uint64_t rounded = scores + MAX((c->qk_norm ? 2 : 1) * (Q + K), groups ? 2 * Q : 0);
	uint64_t whole = c->qk_norm ? 3 * (Q + K) : groups ? 2 * Q + K : Q + K;
	uint64_t two_parts = p->shape.precise ? 2 * scores + 6 * (Q + K) + pad : 0;
	return MAX(p->caps->fp16 ? rounded : whole, two_parts);
}

/* Intermediate values of the program that has most of them; one set for all programs, since one runs at a time. Of the extras it is the softmax:
 * logits of a part of the vocabulary. */
static uint64_t arena_floats(const struct plan *p, int rows)
{
	const struct model_config *c = p->c;
	uint64_t T = (uint64_t)p->shape.batch * (uint64_t)p->shape.seq, D = (uint64_t)c->dim, Q = (uint64_t)model_q_dim(c), K = (uint64_t)model_kv_dim(c);
	uint64_t ffn = MAX((uint64_t)c->hidden, 3 * D), attention = p->train ? attention_floats(p, Q, K) : MAX(2 * Q, D);
	struct extras_plan x = {.parts = 1};
	if (p->o->extras)
		extras_plan(&x, p->caps, c, p->o, (int)T, rows, p->train);
	uint64_t part = (uint64_t)rows / (uint64_t)x.parts * (uint64_t)x.block;
	return MAX(part, T * MAX(ffn, attention));
}

static int parse(struct program *text, struct mil_graph **g, const struct plan *p, int id, struct err *e)
{
	int r = program_build(text, (enum program_id)id, p->c, &p->shape, MIL_BARE, e);
	if (!r && (r = mil_parse(g, text->text.s, text->text.len, e)))
		program_done(text);
	return r;
}

static int holds_weight(const struct program *text, const char *surface)
{
	for (int i = 0; i < text->nchannel; i++)
		if (text->channel[i].weight && !strcmp(text->channel[i].surface, surface))
			return 1;
	return 0;
}

/* Surfaces of a device that has its own: one set for all `owners` but where a weight stands in it. Frozen weights: a copy each. */
static int add_program(uint64_t *floats, const struct plan *p, int id, uint64_t owners, int own_surfaces, struct err *e)
{
	struct program text;
	struct mil_graph *g;
	int r = parse(&text, &g, p, id, e);
	if (r)
		return r;
	for (int i = 0; i < g->ninput + g->noutput; i++) {
		const struct mil_value *v = &g->value[i < g->ninput ? g->input[i] : g->output[i - g->ninput]];
		*floats += (uint64_t)mil_count(&v->type) * (own_surfaces || holds_weight(&text, v->name) ? owners : 1);
	}
	for (int i = 0; i < text.nweight; i++)
		*floats += (uint64_t)mil_count(&text.weight_type[i]) * (own_surfaces || model_own_weights(&text) ? owners : 1);
	mil_free(g);
	program_done(&text);
	return 0;
}

static int add_extras(uint64_t *floats, struct plan *p, int rows, struct err *e)
{
	struct extras_plan x;
	int T = p->shape.batch * p->shape.seq, r = 0;
	extras_plan(&x, p->caps, p->c, p->o, T, rows, p->train);
	extras_shape(&p->shape, &x, p->caps, p->o, rows);
	const uint64_t parts = (uint64_t)x.parts, owners[] = {1, parts, parts, parts, 2 * (uint64_t)p->c->layers + 1};
	for (int id = PROGRAM_EXTRAS; !r && id < (p->train ? PROGRAM_N : PROGRAM_CLASSIFIER_BWD); id++)
		r = add_program(floats, p, id, owners[id - PROGRAM_EXTRAS], 1, e);
	return r;
}

/* What the programs take on a device whose memory is not the host's. */
static int add_surfaces(uint64_t *floats, struct plan *p, int rows, struct err *e)
{
	int first, end, r = 0;
	if (p->caps->host_memory)
		return 0;
	model_programs(p->o->pipeline, p->train, &first, &end);
	for (int id = first; !r && id < end; id++)
		r = add_program(floats, p, id, (uint64_t)p->c->layers, 0, e);
	return r || !p->o->extras ? r : add_extras(floats, p, rows, e);
}

int model_plan(struct model_plan *out, const struct device_caps *caps, const struct model_config *c, int batch, int seq, int rows,
	       const struct model_options *o, int train, struct err *e)
{
	static const struct model_options plain = {0};
	*out = (struct model_plan){0};
	int r = model_config_check(c, e);
	if (r)
		return r;
	if (batch < 1 || seq < 1 || (double)batch * seq > INT_MAX / 64)
		return err_set(e, ERR_RANGE, "model: %s: batch %d, seq %d: must be at least 1 and smaller together", c->name, batch, seq);
	struct plan p = {caps, c, o ? o : &plain, {.batch = caps->batch ? batch : 1, .seq = seq, .separate = o && o->separate}, train};
	p.shape.precise = model_is_precise(caps, c, p.o);
	rows = rows ? rows : c->vocab;
	uint64_t device = arena_floats(&p, rows), logits = 0, all;
	if ((r = add_surfaces(&device, &p, rows, e)))
		return r;
	all = model_floats(caps, c, p.shape.batch, seq, rows, p.o, train, &logits);
	out->weights = params_bytes(c, 0);
	out->gradients = train ? out->weights : 0;
	out->moments = 2 * out->gradients;
	out->activations = (all - logits) * sizeof(float);
	out->logits = logits * sizeof(float);
	out->device = device * sizeof(float);
	return 0;
}

uint64_t model_plan_sum(const struct model_plan *p)
{
	return p->weights + p->gradients + p->moments + p->activations + p->logits + p->device;
}
