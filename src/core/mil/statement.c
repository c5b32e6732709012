/* statement.c: `TYPE NAME = op(ARGUMENTS)[ATTRIBUTES];` to a constant or an op of the graph. Each statement is checked when its
 * `;` is read, so that the first error of the text is the one that is told.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/mem.h"
#include "mil/parse.h"

/* --- attributes: [name=string("y"), val=...] --- */

struct attributes {
	char *label;             /* name= */
	struct mil_const *val;   /* val=, of a const */
	struct mil_type val_type;
};

static int literal_value(struct mil_parser *p)
{
	struct mil_type t;
	struct mil_const *k;
	int line = p->tok.line, col = p->tok.col, r = mil_parse_literal(p, &t, &k);
	return r ? r : mil_add_value(p, NULL, &t, k, line, col);
}

static int add_arg(struct mil_parser *p, struct mil_op *op, const struct mil_token *name, struct mil_arg **out)
{
	for (int i = 0; i < op->narg; i++)
		if (mil_token_is(name, op->arg[i].name))
			return mil_fail(p->e, name->line, name->col, "argument '%s' is given twice", op->arg[i].name);
	if (op->narg == 64)
		return mil_fail(p->e, name->line, name->col, "more than 64 arguments");
	struct mil_arg *a = realloc(op->arg, sizeof *a * (size_t)(op->narg + 1));
	if (!a)
		return mil_out_of_memory(p);
	op->arg = a;
	a[op->narg] = (struct mil_arg){.line = name->line, .col = name->col};
	if (!(a[op->narg].name = mil_token_text(p, name)))
		return ERR_NOMEM;
	*out = &a[op->narg++];
	return 0;
}

static int parse_label(struct mil_parser *p, char **label)
{
	struct mil_type t;
	struct mil_const *k;
	int line = p->tok.line, col = p->tok.col;
	if (!mil_at_literal(p))
		return mil_expected(p, "string(\"...\")");
	int r = mil_parse_literal(p, &t, &k);
	if (r)
		return r;
	if (!k->str)
		r = mil_fail(p->e, line, col, "name= must be a string");
	free(*label);
	*label = k->str;
	k->str = NULL;
	mil_const_free(k);
	return r;
}

static int parse_val(struct mil_parser *p, struct attributes *at, const struct mil_token *name)
{
	if (at->val)
		return mil_fail(p->e, name->line, name->col, "val= is given twice");
	if (!mil_at_literal(p))
		return mil_expected(p, "a typed literal (as int32(1))");
	return mil_parse_literal(p, &at->val_type, &at->val);
}

/* One of `name = value`; where it goes depends on the op: const takes val, constexpr ops take arguments, others nothing. */
static int parse_attribute(struct mil_parser *p, struct mil_op *op, struct attributes *at, int is_const)
{
	struct mil_token name;
	int r = mil_take_word(p, &name, "an attribute name");
	if (!r)
		r = mil_expect(p, "=");
	if (r)
		return r;
	if (mil_token_is(&name, "name"))
		return parse_label(p, &at->label);
	if (is_const && mil_token_is(&name, "val"))
		return parse_val(p, at, &name);
	if (!op || is_const || !mil_is_constexpr(op->code))
		return mil_skip_value(p);
	struct mil_arg *a;
	r = add_arg(p, op, &name, &a);
	if (!r && !mil_at_literal(p))
		r = mil_expected(p, "a typed literal (as int32(1))");
	int v = r ? r : literal_value(p);
	return v < 0 ? v : mil_append_int(p, &a->value, &a->n, v);
}

static int parse_attributes(struct mil_parser *p, struct mil_op *op, struct attributes *at, int is_const)
{
	if (!mil_is(p, "["))
		return 0;
	int r = mil_open(p, "[");
	while (!r && !mil_is(p, "]")) {
		r = parse_attribute(p, op, at, is_const);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
		if (!r && mil_is(p, "]"))
			return mil_expected(p, "an attribute name");
	}
	return r ? r : mil_close(p, "]", "',' or ']'");
}

/* Attributes of the program or the function: read and forgotten. */
int mil_skip_attributes(struct mil_parser *p)
{
	struct attributes at = {0};
	int r = parse_attributes(p, NULL, &at, 0);
	free(at.label);
	return r;
}

/* --- statements --- */

struct statement {
	int ndecl;
	struct mil_declared *decl;
	size_t cap;
	struct mil_token opname;
	struct mil_op op;
	struct attributes at;
};

static void statement_done(struct statement *s)
{
	free(s->decl);
	mil_op_done(&s->op);
	free(s->at.label);
	mil_const_free(s->at.val);
}

static int parse_declared(struct mil_parser *p, struct statement *s)
{
	if (mem_grow(&s->decl, &s->cap, (size_t)s->ndecl + 1, sizeof *s->decl))
		return mil_out_of_memory(p);
	struct mil_declared *d = &s->decl[s->ndecl++];
	int r = mil_parse_value_type(p, &d->type);
	return r ? r : mil_take_word(p, &d->name, "a name");
}

static int parse_left(struct mil_parser *p, struct statement *s)
{
	int bracket = mil_is(p, "("), r = bracket ? mil_open(p, "(") : 0;
	while (!r) {
		r = parse_declared(p, s);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
	}
	return r || !bracket ? r : mil_close(p, ")", "',' or ')'");
}

static int parse_operand(struct mil_parser *p, struct mil_arg *a)
{
	int v;
	if (mil_at_literal(p)) {
		v = literal_value(p);
	} else if (p->tok.kind == MIL_TOKEN_WORD) {
		v = mil_find_value(p, &p->tok);
		if (v < 0)
			return mil_undefined(p, &p->tok);
		int r = mil_next(p);
		v = r ? r : v;
	} else {
		return mil_expected(p, "a name or a typed literal (as int32(1))");
	}
	return v < 0 ? v : mil_append_int(p, &a->value, &a->n, v);
}

static int parse_arg(struct mil_parser *p, struct statement *s, int is_const)
{
	struct mil_token name;
	struct mil_arg *a;
	int r = mil_take_word(p, &name, "an argument name or ')'");
	if (!r)
		r = mil_expect(p, "=");
	if (r)
		return r;
	if (is_const) { /* const(val=...) is said to exist */
		if (mil_token_is(&name, "name"))
			return parse_label(p, &s->at.label);
		if (mil_token_is(&name, "val"))
			return parse_val(p, &s->at, &name);
		return mil_fail(p->e, name.line, name.col, "const has no argument '%.*s'", (int)MIN(name.n, (size_t)40), name.s);
	}
	if (mil_is_constexpr(s->op.code))
		return mil_fail(p->e, name.line, name.col, "%s takes its arguments as attributes: %s()[%.*s=...]",
				mil_op_name(s->op.code), mil_op_name(s->op.code), (int)MIN(name.n, (size_t)40), name.s);
	if ((r = add_arg(p, &s->op, &name, &a)))
		return r;
	if (!mil_is(p, "("))
		return parse_operand(p, a);
	r = mil_open(p, "(");
	while (!r) {
		r = parse_operand(p, a);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
	}
	return r ? r : mil_close(p, ")", "',' or ')'");
}

static int parse_args(struct mil_parser *p, struct statement *s, int is_const)
{
	int r = mil_open(p, "(");
	while (!r && !mil_is(p, ")")) {
		r = parse_arg(p, s, is_const);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
		if (!r && mil_is(p, ")"))
			return mil_expected(p, "an argument name");
	}
	return r ? r : mil_close(p, ")", "',' or ')'");
}

static int define_const(struct mil_parser *p, struct statement *s)
{
	struct mil_declared *d = &s->decl[0];
	char a[96], b[96];
	if (!s->at.val)
		return mil_fail(p->e, s->opname.line, s->opname.col, "const: the attribute val= is missing");
	if (s->ndecl != 1)
		return mil_fail(p->e, s->opname.line, s->opname.col, "const gives 1 result, %d are declared", s->ndecl);
	if (!mil_same_type(&d->type.t, &s->at.val_type))
		return mil_fail(p->e, d->type.line, d->type.col, "%.*s: declared %s, val is %s", (int)MIN(d->name.n, (size_t)64),
				d->name.s, mil_type_text(a, &d->type.t), mil_type_text(b, &s->at.val_type));
	struct mil_const *k = s->at.val;
	s->at.val = NULL;
	int v = mil_add_value(p, &d->name, &d->type.t, k, d->type.line, d->type.col);
	return MIN(v, 0);
}

static int compare_results(struct mil_parser *p, const struct statement *s, const struct mil_type *inferred)
{
	char a[96], b[96];
	for (int i = 0; i < s->ndecl; i++) {
		const struct mil_declared *d = &s->decl[i];
		if (mil_same_type(&d->type.t, &inferred[i]))
			continue;
		return mil_fail(p->e, d->type.line, d->type.col, "%.*s: declared %s, %s gives %s", (int)MIN(d->name.n, (size_t)64),
				d->name.s, mil_type_text(a, &d->type.t), mil_op_name(s->op.code), mil_type_text(b, &inferred[i]));
	}
	return 0;
}

static int define_op(struct mil_parser *p, struct statement *s)
{
	struct mil_graph *g = p->g;
	struct mil_type *inferred = mem_zalloc((size_t)s->ndecl, sizeof *inferred);
	if (!inferred)
		return mil_out_of_memory(p);
	int r = mil_check_op(g, &s->op, inferred, s->ndecl, p->e);
	if (!r)
		r = compare_results(p, s, inferred);
	free(inferred);
	if (!r && mem_grow(&g->op, &p->cap_op, (size_t)g->nop + 1, sizeof *g->op))
		r = mil_out_of_memory(p);
	for (int i = 0; !r && i < s->ndecl; i++) {
		struct mil_declared *d = &s->decl[i];
		int v = mil_add_value(p, &d->name, &d->type.t, NULL, d->type.line, d->type.col);
		if (v < 0)
			return v;
		g->value[v].op = g->nop;
		r = mil_append_int(p, &s->op.result, &s->op.nresult, v);
	}
	if (r)
		return r;
	s->op.label = s->at.label;
	s->at.label = NULL;
	g->op[g->nop++] = s->op;
	s->op = (struct mil_op){0};
	return 0;
}

int mil_parse_statement(struct mil_parser *p)
{
	struct statement s = {0};
	int r = parse_left(p, &s);
	if (!r)
		r = mil_expect(p, "=");
	if (!r)
		r = mil_take_word(p, &s.opname, "the name of an op");
	int is_const = mil_token_is(&s.opname, "const");
	if (!r && !is_const)
		r = mil_find_op(&s.op.code, &s.opname, p->e);
	s.op.line = s.opname.line;
	s.op.col = s.opname.col;
	if (!r)
		r = parse_args(p, &s, is_const);
	if (!r)
		r = parse_attributes(p, &s.op, &s.at, is_const);
	if (!r)
		r = mil_expect(p, ";");
	if (!r)
		r = is_const ? define_const(p, &s) : define_op(p, &s);
	statement_done(&s);
	return r;
}
