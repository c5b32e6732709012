/* rules.h: what the Neural Engine refuses, answers wrongly, or is said to: rules.def put to a program and its surfaces. Runs nothing,
 * knows no time (cost.h). SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_SIM_RULES_H
#define ANETUI_DEVICE_SIM_RULES_H

#include "device/device.h"
#include "device/sim/chip.h"

enum rule_id {
#define RULE(ID, name, scope, level, generations, strict, text, why, way) RULE_##ID,
#include "device/sim/rules.def"
#undef RULE
	RULE_N
};

enum rule_level { RULE_ERROR, RULE_QUIRK, RULE_WARN, RULE_CONTESTED };
enum rule_scope { RULE_TEXT, RULE_OF_OP, RULE_PROGRAM, RULE_VALUE, RULE_BIND, RULE_PROCESS };

struct rule {
	const char *name;
	enum rule_scope scope;
	enum rule_level level;
	unsigned generations; /* bit n: chips of generation n + 1 */
	const char *strict;   /* the bundle that makes it an error; "": none */
	const char *text;     /* what a Mac says; "": nothing */
	const char *why, *way;
};

/* What a note is handed to: one line, no newline. */
typedef void rules_note(void *arg, const char *line);

struct rules_options {
	const struct chip *chip;
	const char *strict;   /* names with commas: "seed,orion"; "all"; "" */
	int pad;              /* 1: as device ane does for its caller: surfaces padded and sorted, the text in the form that the chip takes */
	int quirks;
	rules_note *note;     /* quirks and warnings; NULL: nobody listens */
	void *note_arg;
	uint64_t *told;       /* bit n: rule n has been told (each is told once); NULL: each time */
};

const struct rule *rules_row(enum rule_id id);
/* ERR_USAGE when strict names a bundle that no rule knows; the message lists them. */
int rules_strict(const char *strict, struct err *e);

/* Each of these: 0, or ERR_DEVICE and one line
 *   "sim: m4: line 12: conv: ANECCompile() FAILED: 9000 input channels: a conv takes at most ... (rule conv-inputs; try: ...)". */

/* Words that decide before anything is parsed: ops and types that the parser does not even know. */
int rules_text(const struct rules_options *o, const char *text, size_t n, struct err *e);
/* A parsed program. */
int rules_check(const struct rules_options *o, const struct mil_graph *g, struct err *e);
/* The wrong answers that the hardware gives, written into the program: an attention mask that is ignored is taken out. */
void rules_apply(const struct rules_options *o, struct mil_graph *g);
/* The surfaces of a binding. With pad, says once what is done for the caller. */
int rules_bind(const struct rules_options *o, const struct kernel_io *in, int nin, const struct kernel_io *out, int nout, struct err *e);
/* So many programs are loaded now. */
int rules_loaded(const struct rules_options *o, int n, struct err *e);

/* Bytes that the surfaces of these tensors get, each: the largest of them, at least 49152, up to a page of 16384. */
size_t rules_surface_bytes(const struct kernel_io *io, int n);

#endif
