/* cost.h: how long a chip takes for one run of a program, and for a whole micro-step around its programs. Predicts; measures nothing.
 *
 * A run: t0 + max(FLOPs / P, weight bytes / Bw) + (input and output bytes + moved bytes) / Ba, the chip's four constants (chips.def).
 * Moved is what has to be written down and read again before the engine can use it: runtime weights that are cut out of the last
 * axis of a packed input. Reshapes, other slices, transposes and concats ride along with the transfers (the reported times of
 * programs that are full of them leave no room for more). SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_SIM_COST_H
#define ANETUI_DEVICE_SIM_COST_H

#include "device/sim/chip.h"
#include "mil/mil.h"

/* One run of a program. Bytes as the hardware sees them (fp16: 2 an element). */
struct cost {
	double flops;
	double weight_bytes; /* constants that come from files */
	double io_bytes;
	double moved_bytes;
	double ns;
	int notch_op;        /* index of the worst op whose weights hit the notch (cost_notch), -1: none */
};

void cost_of_graph(struct cost *c, const struct chip *chip, const struct mil_graph *g);

/* The engine's transfers count their distance in 64-byte lines with 14 bits, so that prefetching stops when one core's share of a
 * convolution's weights, ceil(Cout / 16) * Cin * kernel * 2 bytes, is a multiple of 1 MiB. Bytes between the share of op and the nearest
 * such multiple; -1 when op is no convolution with constant weights, or its share is below 1 MiB - 16 KiB. */
int64_t cost_notch(const struct mil_graph *g, const struct mil_op *op);
enum { COST_NOTCH_WIDTH = 16384 }; /* bytes on either side within which the rate recovers */

/* --- a whole micro-step: the programs and what the host does around them --- */

/* Host work in figures that do not depend on the machine. Products in FLOP and in bytes of their matrices (fp32, read and written);
 * passes in bytes read and written by loops that one core runs (conversions, copies, residuals, norms, the loss). */
struct step_work {
	double device_forward_ns, device_backward_ns; /* the chip's programs */
	double pass_forward, pass_backward;           /* bytes; the loss counts as forward */
	double product, product_bytes;                /* one classifier product; there are two in the main line, before and after the loss */
	double beside, beside_bytes;                  /* weight gradients, made beside the backward programs */
};

/* What no data sheet says: how far upstream's loops and products come on the rates that are published. Two numbers for all chips. */
struct step_fit {
	double pass;   /* bytes/s of a pass for each point of the single-core score */
	double matrix; /* share of 512 FLOP * GHz * matrix units that products reach */
};
extern const struct step_fit step_fit; /* over all reports: tests/unit/test_sim_cost.c makes it and says how far it holds */

/* forward programs + passes + product, then a product and max(backward programs + passes, weight gradients). */
double step_ns(const struct chip *chip, const struct step_work *w, const struct step_fit *fit);

#endif
