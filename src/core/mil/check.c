/* check.c: an op's name and the names, kinds and presence of its arguments, by the table in ops.def. Shapes are the rules'.
 * SPDX-License-Identifier: MIT */
#include "mil/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "mil/parse.h"

static const char *const spec_of[] = {
#define MIL_OP(ID, name, min_args, spec) spec,
#include "mil/ops.def"
#undef MIL_OP
};

/* One word of a spec: "pad_type:s?". */
struct wanted {
	char name[32];
	char kind;
	int optional;
};

static const char *next_wanted(const char *spec, struct wanted *w)
{
	while (*spec == ' ')
		spec++;
	if (!*spec)
		return NULL;
	size_t n = strcspn(spec, ":");
	snprintf(w->name, sizeof w->name, "%.*s", (int)n, spec);
	w->kind = spec[n + 1];
	w->optional = spec[n + 2] == '?';
	return spec + n + 2 + w->optional;
}

int mil_bad(const struct mil_check *c, const char *arg, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	const struct mil_arg *a = arg ? mil_arg_tuple(c->op, arg) : NULL;
	return mil_fail(c->e, a ? a->line : c->op->line, a ? a->col : c->op->col, "%s: %s%s%s", mil_op_name(c->op->code),
			arg ? arg : "", arg ? ": " : "", msg);
}

const struct mil_type *mil_check_type(const struct mil_check *c, const char *arg)
{
	int v = mil_arg(c->op, arg);
	return v < 0 ? NULL : &c->g->value[v].type;
}

/* --- the op's name --- */

int mil_is_constexpr(enum mil_opcode c)
{
	return c == MIL_OP_CONSTEXPR_AFFINE_DEQUANTIZE;
}

/* How far a word may be from a name to be taken for a slip of it. */
static int slip(const char *word)
{
	return MAX(1, (int)strlen(word) / 3);
}

int mil_find_op(enum mil_opcode *out, const struct mil_token *t, struct err *e)
{
	char name[65];
	snprintf(name, sizeof name, "%.*s", (int)MIN(t->n, sizeof name - 1), t->s);
	int best = 0;
	for (int i = 0; i < MIL_NOP; i++) {
		if (t->n == strlen(mil_op_name((enum mil_opcode)i)) && !strcmp(name, mil_op_name((enum mil_opcode)i))) {
			*out = (enum mil_opcode)i;
			return 0;
		}
		if (str_distance(name, mil_op_name((enum mil_opcode)i)) < str_distance(name, mil_op_name((enum mil_opcode)best)))
			best = i;
	}
	if (!strcmp(name, "cond") || !strcmp(name, "while_loop"))
		return mil_fail(e, t->line, t->col, "'%s': control flow is not supported: no device here branches inside a program", name);
	if (!strcmp(name, "read_state") || !strcmp(name, "write_state"))
		return mil_fail(e, t->line, t->col, "'%s': state is not supported: no device here keeps values between runs", name);
	const char *near = mil_op_name((enum mil_opcode)best);
	if (str_distance(name, near) <= slip(name))
		return mil_fail(e, t->line, t->col, "unknown op '%s' (did you mean %s?)", name, near);
	return mil_fail(e, t->line, t->col, "unknown op '%s' (the nearest is %s)", name, near);
}

/* --- the arguments --- */

static int is_float(enum mil_dtype d)
{
	return d == MIL_FP16 || d == MIL_FP32;
}

static int is_constant(const struct mil_graph *g, const struct mil_value *v)
{
	return v->konst || (v->op >= 0 && mil_is_constexpr(g->op[v->op].code));
}

static const char *kind_name(char kind)
{
	switch (kind) {
	case 'i': return "an int32 constant";
	case 'I': return "an int32 vector constant";
	case 'b': return "a bool constant";
	case 'B': return "a bool vector constant";
	case 's': return "a string constant";
	case 'f': return "an fp16 or fp32 constant";
	case 'k': return "a constant tensor";
	default: return "a tensor";
	}
}

static int kind_fits(const struct mil_graph *g, const struct mil_value *v, char kind)
{
	enum mil_dtype d = v->type.dtype;
	switch (kind) {
	case 'i': return mil_is_literal(v) && v->type.rank == 0 && d == MIL_INT32;
	case 'I': return mil_is_literal(v) && v->type.rank == 1 && d == MIL_INT32;
	case 'b': return mil_is_literal(v) && v->type.rank == 0 && d == MIL_BOOL;
	case 'B': return mil_is_literal(v) && v->type.rank == 1 && d == MIL_BOOL;
	case 's': return d == MIL_STRING;
	case 'f': return mil_is_literal(v) && v->type.rank == 0 && is_float(d);
	case 'k': return is_constant(g, v) && d != MIL_STRING;
	default: return d != MIL_STRING;
	}
}

static int check_kind(const struct mil_check *c, const struct mil_arg *a, const struct wanted *w)
{
	char text[96];
	if (a->n != 1 && w->kind != 'T')
		return mil_bad(c, a->name, "one value expected, a tuple of %d is given", a->n);
	for (int i = 0; i < a->n; i++) {
		const struct mil_value *v = &c->g->value[a->value[i]];
		if (kind_fits(c->g, v, w->kind))
			continue;
		const char *what = v->konst && v->konst->blob ? "a constant in a weight file" : "a constant";
		return mil_bad(c, a->name, "%s expected, '%.64s' is %s of type %s", kind_name(w->kind), v->name[0] ? v->name : "the literal",
			       is_constant(c->g, v) ? what : "a run-time value", mil_type_text(text, &v->type));
	}
	return 0;
}

static int unknown_arg(const struct mil_check *c, const struct mil_arg *a)
{
	struct wanted w;
	char best[32] = "";
	for (const char *s = spec_of[c->op->code]; (s = next_wanted(s, &w));)
		if (!best[0] || str_distance(a->name, w.name) < str_distance(a->name, best))
			snprintf(best, sizeof best, "%s", w.name);
	return mil_fail(c->e, a->line, a->col, "%s has no argument '%.40s' (the nearest is %s)", mil_op_name(c->op->code),
			a->name, best);
}

static int check_args(const struct mil_check *c)
{
	struct wanted w;
	int given = 0, known = 0, r;
	for (const char *s = spec_of[c->op->code]; (s = next_wanted(s, &w));) {
		const struct mil_arg *a = mil_arg_tuple(c->op, w.name);
		known += a != NULL;
		if (a && (r = check_kind(c, a, &w)))
			return r;
	}
	for (int i = 0; i < c->op->narg && known < c->op->narg; i++, given = 0) {
		for (const char *s = spec_of[c->op->code]; (s = next_wanted(s, &w));)
			given |= !strcmp(w.name, c->op->arg[i].name);
		if (!given)
			return unknown_arg(c, &c->op->arg[i]);
	}
	for (const char *s = spec_of[c->op->code]; (s = next_wanted(s, &w));)
		if (!w.optional && !mil_arg_tuple(c->op, w.name))
			return mil_bad(c, NULL, "the argument '%s' is missing (%s)", w.name, kind_name(w.kind));
	return 0;
}

static int check_size(const struct mil_check *c)
{
	for (int i = 0; i < MIN(c->nout, c->ndecl); i++) {
		int64_t n = 1;
		for (int k = 0; k < c->out[i].rank; k++)
			if (__builtin_mul_overflow(n, c->out[i].dim[k], &n) || n > MIL_MAX_COUNT)
				return mil_bad(c, NULL, "the result has too many elements (at most %d)", MIL_MAX_COUNT);
	}
	return 0;
}

int mil_check_op(const struct mil_graph *g, const struct mil_op *op, struct mil_type *out, int nout, struct err *e)
{
	struct mil_check c = {.g = g, .op = op, .out = out, .ndecl = nout, .nout = 1, .e = e};
	int r = check_args(&c);
	if (!r)
		r = mil_rule_of(op->code)(&c);
	if (!r && c.nout != nout)
		r = mil_bad(&c, NULL, "gives %d result%s, %d declared", c.nout, c.nout == 1 ? "" : "s", nout);
	return r ? r : check_size(&c);
}
