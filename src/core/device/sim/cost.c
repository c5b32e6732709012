/* cost.c: the chip's clock. Adds up a graph; the constants are in chips.def, what they were held against in tests/unit/test_sim_cost.c.
 * SPDX-License-Identifier: MIT */
#include "device/sim/cost.h"

#include <math.h>

#include "base/mem.h"
#include "mil/shape.h"

const struct step_fit step_fit = {.pass = 13.44e6, .matrix = 0.471};

/* Weights stream at this rate where prefetching stops: 17 to 19 GB/s on an M1 that reaches 51, 33 to 40 on the M4 family. */
static double notch_rate(const struct chip *chip)
{
	return chip->generation < 4 ? 18e9 : 36e9;
}

/* Products of int8 by int8 against fp16: 35.1 to 18.6 TFLOP/s on an M4. */
static const double int8_gain = 1.88;

static double bytes_of(const struct mil_type *t)
{
	return (double)mil_count(t) * (double)mil_dtype_size(t->dtype);
}

/* The op that makes value v, views skipped; NULL for inputs and constants. */
static const struct mil_op *maker(const struct mil_graph *g, int v)
{
	while (g->value[v].op >= 0) {
		const struct mil_op *op = &g->op[g->value[v].op];
		if (op->code != MIL_OP_RESHAPE && op->code != MIL_OP_TRANSPOSE)
			return op;
		v = mil_arg(op, "x");
	}
	return NULL;
}

static int is_input(const struct mil_graph *g, int v)
{
	return g->value[v].op < 0 && !g->value[v].konst;
}

/* --- what is moved --- */

/* Bytes of v when it is a piece of an input that lies across its rows (cut along the last axis), else 0. */
static double cut_from_rows(const struct mil_graph *g, int v)
{
	const struct mil_op *op = maker(g, v);
	if (!op || (op->code != MIL_OP_SLICE_BY_SIZE && op->code != MIL_OP_SLICE_BY_INDEX && op->code != MIL_OP_SPLIT))
		return 0;
	int x = mil_arg(op, "x");
	const struct mil_type *whole = &g->value[x].type, *part = &g->value[op->result[0]].type;
	if (!is_input(g, x) || !whole->rank || !part->rank)
		return 0;
	return part->dim[part->rank - 1] < whole->dim[whole->rank - 1] ? bytes_of(&g->value[v].type) : 0;
}

/* A product keeps one operand: the larger of those that were cut out. The other streams through from where it lies. */
static double moved_by(const struct mil_graph *g, const struct mil_op *op)
{
	if (op->code != MIL_OP_MATMUL && op->code != MIL_OP_CONV)
		return 0;
	double a = cut_from_rows(g, mil_arg(op, "x")), b = cut_from_rows(g, mil_arg(op, op->code == MIL_OP_CONV ? "weight" : "y"));
	return 2 * fmax(a, b);
}

/* --- weights --- */

int64_t cost_notch(const struct mil_graph *g, const struct mil_op *op)
{
	int v = op->code == MIL_OP_CONV ? mil_arg(op, "weight") : -1;
	if (v < 0 || !g->value[v].konst)
		return -1;
	const struct mil_type *w = &g->value[v].type;
	int64_t share = (w->dim[0] + 15) / 16 * (mil_count(w) / MAX(w->dim[0], 1)) * 2, mib = 1 << 20;
	if (share < mib - COST_NOTCH_WIDTH)
		return -1;
	return MIN(share % mib, mib - share % mib);
}

static double weight_ns(const struct chip *chip, const struct mil_graph *g, struct cost *c)
{
	double ns = 0, worst = 1;
	for (int i = 0; i < g->nvalue; i++)
		if (g->value[i].konst && g->value[i].konst->blob)
			c->weight_bytes += bytes_of(&g->value[i].type);
	ns = c->weight_bytes / chip->weight_rate * 1e9;
	for (int i = 0; i < g->nop; i++) {
		int64_t off = cost_notch(g, &g->op[i]);
		if (off < 0 || off >= COST_NOTCH_WIDTH || notch_rate(chip) >= chip->weight_rate)
			continue;
		double near = (double)off / COST_NOTCH_WIDTH, rate = notch_rate(chip) + near * (chip->weight_rate - notch_rate(chip));
		ns += bytes_of(&g->value[mil_arg(&g->op[i], "weight")].type) * (1 / rate - 1 / chip->weight_rate) * 1e9;
		if (near < worst) {
			worst = near;
			c->notch_op = i;
		}
	}
	return ns;
}

/* --- products --- */

static int is_int8_product(const struct mil_graph *g, const struct mil_op *op)
{
	if (op->code != MIL_OP_CONV)
		return 0;
	const struct mil_op *x = maker(g, mil_arg(op, "x")), *w = maker(g, mil_arg(op, "weight"));
	return x && w && x->code == MIL_OP_DEQUANTIZE && w->code == MIL_OP_CONSTEXPR_AFFINE_DEQUANTIZE;
}

void cost_of_graph(struct cost *c, const struct chip *chip, const struct mil_graph *g)
{
	double product_ns = 0;
	*c = (struct cost){.notch_op = -1};
	for (int i = 0; i < g->nop; i++) {
		double flops = mil_op_flops(g, &g->op[i]);
		int fast = chip->generation >= 4 && is_int8_product(g, &g->op[i]);
		c->flops += flops;
		c->moved_bytes += moved_by(g, &g->op[i]);
		product_ns += flops / (chip->flops * (fast ? int8_gain : 1)) * 1e9;
	}
	for (int i = 0; i < g->ninput; i++)
		c->io_bytes += bytes_of(&g->value[g->input[i]].type);
	for (int i = 0; i < g->noutput; i++)
		c->io_bytes += bytes_of(&g->value[g->output[i]].type);
	c->ns = chip->dispatch_ns + fmax(product_ns, weight_ns(chip, g, c)) + (c->io_bytes + c->moved_bytes) / chip->act_rate * 1e9;
}

/* --- a micro-step --- */

static double product_ns_of(const struct chip *chip, const struct step_fit *fit, double flops, double bytes)
{
	return flops / (fit->matrix * 512 * chip->ghz * chip->matrix_units) + bytes / chip->memory_rate * 1e9;
}

double step_ns(const struct chip *chip, const struct step_work *w, const struct step_fit *fit)
{
	double pass = fmin(fit->pass * chip->score, chip->memory_rate) / 1e9; /* bytes a ns */
	double product = product_ns_of(chip, fit, w->product, w->product_bytes);
	double beside = product_ns_of(chip, fit, w->beside, w->beside_bytes);
	double forward = w->device_forward_ns + w->pass_forward / pass + product;
	return forward + product + fmax(w->device_backward_ns + w->pass_backward / pass, beside);
}
