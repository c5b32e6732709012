/* rules_impl.h: between rules.c (when a rule counts, what is said) and rules_program.c (whether it is broken). Internal.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_SIM_RULES_IMPL_H
#define ANETUI_DEVICE_SIM_RULES_IMPL_H

#include "device/sim/rules.h"

/* One thing under examination. */
struct rules_look {
	const struct rules_options *o;
	const struct mil_graph *g;
	const struct mil_op *op;       /* RULE_OF_OP */
	const struct mil_value *value; /* RULE_VALUE */
	int is_io;                     /* the value is an input or output of the program */
	char what[96];                 /* what is wrong, in figures; "": the rule says it all */
};

/* 1: broken. */
int rules_breaks_op(struct rules_look *l, enum rule_id id);
int rules_breaks_program(struct rules_look *l, enum rule_id id);
int rules_breaks_value(struct rules_look *l, enum rule_id id);

#endif
