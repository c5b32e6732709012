/* upstream.h: the programs and the host work of the project whose reported times we compare with. Not our own programs: model/ has those.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TESTS_UPSTREAM_H
#define ANETUI_TESTS_UPSTREAM_H

#include "device/sim/cost.h"

struct upstream_model {
	int64_t D, F, L, H, KV, HD, S;
	int64_t V; /* rows of the classifier: of the dynamic pipeline those that occur in its data */
};

extern const struct upstream_model upstream_stories, upstream_stories_compact, upstream_qwen;

/* The dynamic pipeline's weights: in one surface with the activations, or as inputs of their own. */
enum upstream_pipeline { UPSTREAM_STATIC, UPSTREAM_DYNAMIC, UPSTREAM_SEPARATE };

/* Times of all layers' programs and the host work of a micro-step. Fails the test when a text does not parse. */
void upstream_work(struct step_work *w, const struct chip *chip, enum upstream_pipeline p, const struct upstream_model *m);

#endif
