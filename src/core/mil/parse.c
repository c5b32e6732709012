/* parse.c: recursive descent over a program: header, function, statements. Types and literals are in literal.c; what an
 * op demands of its arguments is in check.c, asked statement by statement, so that the first error of the text is the
 * one that is told.
 * SPDX-License-Identifier: MIT */
#include "mil/parse.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mil/number.h"

/* --- tokens --- */

int mil_out_of_memory(struct mil_parser *p)
{
	return err_set(p->e, ERR_NOMEM, "mil: out of memory at line %d", p->tok.line);
}

int mil_next(struct mil_parser *p)
{
	return mil_lex_next(&p->lex, &p->tok, p->e);
}

static int token_is(const struct mil_token *t, const char *text)
{
	return t->kind != MIL_TOKEN_STRING && t->n == strlen(text) && !memcmp(t->s, text, t->n);
}

int mil_is(const struct mil_parser *p, const char *text)
{
	return token_is(&p->tok, text);
}

int mil_expected(struct mil_parser *p, const char *what)
{
	const struct mil_token *t = &p->tok;
	char open[64] = "";
	if (p->depth > 0 && (t->kind == MIL_TOKEN_END || p->open[p->depth - 1].line != t->line))
		snprintf(open, sizeof open, " ('%c' of line %d is still open)", p->open[p->depth - 1].c, p->open[p->depth - 1].line);
	if (t->kind == MIL_TOKEN_END)
		return mil_fail(p->e, t->line, t->col, "expected %s near the end of the text%s", what, open);
	return mil_fail(p->e, t->line, t->col, "expected %s near '%.*s'%s", what, (int)MIN(t->n, (size_t)40), t->s, open);
}

int mil_expect(struct mil_parser *p, const char *text)
{
	char quoted[32];
	if (mil_is(p, text))
		return mil_next(p);
	snprintf(quoted, sizeof quoted, "'%s'", text);
	return mil_expected(p, quoted);
}

int mil_open(struct mil_parser *p, const char *bracket)
{
	if (!mil_is(p, bracket))
		return mil_expect(p, bracket);
	if (p->depth == MIL_MAX_DEPTH)
		return mil_fail(p->e, p->tok.line, p->tok.col, "brackets nested more than %d deep", MIL_MAX_DEPTH);
	p->open[p->depth].c = bracket[0];
	p->open[p->depth].line = p->tok.line;
	p->open[p->depth].col = p->tok.col;
	p->depth++;
	return mil_next(p);
}

int mil_close(struct mil_parser *p, const char *bracket, const char *what)
{
	if (!mil_is(p, bracket))
		return mil_expected(p, what);
	p->depth--;
	return mil_next(p);
}

char *mil_token_text(struct mil_parser *p, const struct mil_token *t)
{
	char *s = malloc(t->n + 1);
	if (!s) {
		mil_out_of_memory(p);
		return NULL;
	}
	memcpy(s, t->s, t->n);
	s[t->n] = 0;
	return s;
}

static int take_word(struct mil_parser *p, struct mil_token *t, const char *what)
{
	*t = p->tok;
	return t->kind == MIL_TOKEN_WORD ? mil_next(p) : mil_expected(p, what);
}

/* --- names --- */

static size_t hash(const char *s, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 29);
}

static int find_value(const struct mil_parser *p, const struct mil_token *t)
{
	for (size_t i = hash(t->s, t->n); p->nslot; i++) {
		int v = p->slot[i & (p->nslot - 1)] - 1;
		if (v < 0)
			break;
		if (token_is(t, p->g->value[v].name))
			return v;
	}
	return -1;
}

static void put_slot(int *slot, size_t nslot, const char *name, int v)
{
	size_t i = hash(name, strlen(name));
	while (slot[i & (nslot - 1)])
		i++;
	slot[i & (nslot - 1)] = v + 1;
}

static int remember_name(struct mil_parser *p, int v)
{
	if ((p->nname + 1) * 2 > p->nslot) {
		size_t n = p->nslot ? p->nslot * 2 : 256;
		int *slot = mem_zalloc(n, sizeof *slot);
		if (!slot)
			return mil_out_of_memory(p);
		for (size_t i = 0; i < p->nslot; i++)
			if (p->slot[i])
				put_slot(slot, n, p->g->value[p->slot[i] - 1].name, p->slot[i] - 1);
		free(p->slot);
		p->slot = slot;
		p->nslot = n;
	}
	put_slot(p->slot, p->nslot, p->g->value[v].name, v);
	p->nname++;
	return 0;
}

/* A new value; takes `konst` over, also when it fails. `name` NULL: an inline literal. Returns its index or < 0. */
static int add_value(struct mil_parser *p, const struct mil_token *name, const struct mil_type *t, struct mil_const *konst,
		     int line, int col)
{
	struct mil_graph *g = p->g;
	int old = name ? find_value(p, name) : -1;
	if (old >= 0) {
		mil_const_free(konst);
		return mil_fail(p->e, name->line, name->col, "the name '%.*s' is declared twice (first in line %d)",
				(int)MIN(name->n, (size_t)64), name->s, g->value[old].line);
	}
	char *s = name ? mil_token_text(p, name) : mem_strdup("");
	if (!s || g->nvalue == INT32_MAX || mem_grow(&g->value, &p->cap_value, (size_t)g->nvalue + 1, sizeof *g->value)) {
		free(s);
		mil_const_free(konst);
		return mil_out_of_memory(p);
	}
	g->value[g->nvalue] = (struct mil_value){.name = s, .type = *t, .op = -1, .konst = konst, .line = line, .col = col};
	int v = g->nvalue++, r = name ? remember_name(p, v) : 0;
	return r ? r : v;
}

static int undefined(struct mil_parser *p, const struct mil_token *t)
{
	char name[65];
	size_t n = MIN(t->n, sizeof name - 1);
	memcpy(name, t->s, n);
	name[n] = 0;
	if (!strcmp(name, "true") || !strcmp(name, "false"))
		return mil_fail(p->e, t->line, t->col, "expected a name or a typed literal near '%s' (write bool(%s))", name, name);
	const char *near = NULL;
	int best = n < 4 ? 2 : 3; /* one slip in a short name, two in a long one */
	for (int i = 0; i < p->g->nvalue; i++) {
		int d = p->g->value[i].name[0] ? str_distance(name, p->g->value[i].name) : best;
		if (d < best) {
			best = d;
			near = p->g->value[i].name;
		}
	}
	return mil_fail(p->e, t->line, t->col, "'%s' is used before it is defined%s%.64s%s", name, near ? " (did you mean " : "",
			near ? near : "", near ? "?)" : "");
}

static int append_int(struct mil_parser *p, int **list, int *n, int v)
{
	if (!(*n & (*n + 1)) || !*list) { /* room for 2^k - 1: grows when that is full */
		int *q = realloc(*list, sizeof **list * (2 * (size_t)*n + 2));
		if (!q)
			return mil_out_of_memory(p);
		*list = q;
	}
	(*list)[(*n)++] = v;
	return 0;
}

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
	return r ? r : add_value(p, NULL, &t, k, line, col);
}

static int add_arg(struct mil_parser *p, struct mil_op *op, const struct mil_token *name, struct mil_arg **out)
{
	for (int i = 0; i < op->narg; i++)
		if (token_is(name, op->arg[i].name))
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
	int r = take_word(p, &name, "an attribute name");
	if (!r)
		r = mil_expect(p, "=");
	if (r)
		return r;
	if (token_is(&name, "name"))
		return parse_label(p, &at->label);
	if (is_const && token_is(&name, "val"))
		return parse_val(p, at, &name);
	if (!op || is_const || !mil_is_constexpr(op->code))
		return mil_skip_value(p);
	struct mil_arg *a;
	r = add_arg(p, op, &name, &a);
	if (!r && !mil_at_literal(p))
		r = mil_expected(p, "a typed literal (as int32(1))");
	int v = r ? r : literal_value(p);
	return v < 0 ? v : append_int(p, &a->value, &a->n, v);
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
static int skip_attributes(struct mil_parser *p)
{
	struct attributes at = {0};
	int r = parse_attributes(p, NULL, &at, 0);
	free(at.label);
	return r;
}

/* --- statements --- */

/* `TYPE NAME` on the left of a statement, or a parameter. */
struct declared {
	struct mil_written_type type;
	struct mil_token name;
};

struct statement {
	int ndecl;
	struct declared *decl;
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
	struct declared *d = &s->decl[s->ndecl++];
	int r = mil_parse_value_type(p, &d->type);
	return r ? r : take_word(p, &d->name, "a name");
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
		v = find_value(p, &p->tok);
		if (v < 0)
			return undefined(p, &p->tok);
		int r = mil_next(p);
		v = r ? r : v;
	} else {
		return mil_expected(p, "a name or a typed literal (as int32(1))");
	}
	return v < 0 ? v : append_int(p, &a->value, &a->n, v);
}

static int parse_arg(struct mil_parser *p, struct statement *s, int is_const)
{
	struct mil_token name;
	struct mil_arg *a;
	int r = take_word(p, &name, "an argument name or ')'");
	if (!r)
		r = mil_expect(p, "=");
	if (r)
		return r;
	if (is_const) { /* const(val=...) is said to exist */
		if (token_is(&name, "name"))
			return parse_label(p, &s->at.label);
		if (token_is(&name, "val"))
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
	struct declared *d = &s->decl[0];
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
	int v = add_value(p, &d->name, &d->type.t, k, d->type.line, d->type.col);
	return MIN(v, 0);
}

static int compare_results(struct mil_parser *p, const struct statement *s, const struct mil_type *inferred)
{
	char a[96], b[96];
	for (int i = 0; i < s->ndecl; i++) {
		const struct declared *d = &s->decl[i];
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
		struct declared *d = &s->decl[i];
		int v = add_value(p, &d->name, &d->type.t, NULL, d->type.line, d->type.col);
		if (v < 0)
			return v;
		g->value[v].op = g->nop;
		r = append_int(p, &s->op.result, &s->op.nresult, v);
	}
	if (r)
		return r;
	s->op.label = s->at.label;
	s->at.label = NULL;
	g->op[g->nop++] = s->op;
	s->op = (struct mil_op){0};
	return 0;
}

static int parse_statement(struct mil_parser *p)
{
	struct statement s = {0};
	int r = parse_left(p, &s);
	if (!r)
		r = mil_expect(p, "=");
	if (!r)
		r = take_word(p, &s.opname, "the name of an op");
	int is_const = token_is(&s.opname, "const");
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

/* --- the function and the program --- */

static int parse_params(struct mil_parser *p)
{
	int r = mil_open(p, "(");
	while (!r && !mil_is(p, ")")) {
		struct declared d;
		r = mil_parse_value_type(p, &d.type);
		if (!r && d.type.t.dtype == MIL_STRING)
			r = mil_fail(p->e, d.type.line, d.type.col, "an input cannot be a string");
		if (!r)
			r = take_word(p, &d.name, "a name");
		int v = r ? r : add_value(p, &d.name, &d.type.t, NULL, d.type.line, d.type.col);
		r = v < 0 ? v : append_int(p, &p->g->input, &p->g->ninput, v);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
		if (!r && mil_is(p, ")"))
			return mil_expected(p, "a type");
	}
	return r ? r : mil_close(p, ")", "',' or ')'");
}

static int parse_return(struct mil_parser *p)
{
	struct mil_graph *g = p->g;
	struct mil_token t;
	int r = mil_open(p, "(");
	while (!r) {
		r = take_word(p, &t, "the name of a value to return");
		int v = r ? -1 : find_value(p, &t);
		if (!r && v < 0)
			r = undefined(p, &t);
		if (!r && g->value[v].op < 0)
			r = mil_fail(p->e, t.line, t.col, "'%.*s' is %s: only results of ops can be returned", (int)MIN(t.n, (size_t)64),
				     t.s, g->value[v].konst ? "a constant" : "an input");
		for (int i = 0; !r && i < g->noutput; i++)
			if (g->output[i] == v)
				r = mil_fail(p->e, t.line, t.col, "'%.*s' is returned twice", (int)MIN(t.n, (size_t)64), t.s);
		if (!r)
			r = append_int(p, &g->output, &g->noutput, v);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
	}
	return r ? r : mil_close(p, ")", "',' or ')'");
}

static int parse_signature(struct mil_parser *p)
{
	struct mil_token t = {0};
	int r = mil_expect(p, "func");
	if (!r)
		r = take_word(p, &t, "the function's name");
	if (!r && !(p->g->function = mil_token_text(p, &t)))
		r = ERR_NOMEM;
	if (!r)
		r = mil_open(p, "<");
	if (!r)
		r = take_word(p, &t, "the opset (ios18)");
	if (!r && !(p->g->opset = mil_token_text(p, &t)))
		r = ERR_NOMEM;
	if (!r)
		r = mil_close(p, ">", "'>'");
	if (!r)
		r = parse_params(p);
	return r ? r : skip_attributes(p);
}

static int parse_function(struct mil_parser *p)
{
	int r = parse_signature(p);
	if (!r)
		r = mil_open(p, "{");
	while (!r && !mil_is(p, "}")) {
		if (p->tok.kind != MIL_TOKEN_WORD && !mil_is(p, "("))
			return mil_expected(p, "a statement or '}'");
		r = parse_statement(p);
	}
	if (!r)
		r = mil_close(p, "}", "'}'");
	if (!r)
		r = mil_expect(p, "->");
	if (!r)
		r = parse_return(p);
	return r ? r : mil_expect(p, ";");
}

static int parse_version(struct mil_parser *p)
{
	char s[16] = "";
	int r = mil_expect(p, "program");
	if (!r)
		r = mil_open(p, "(");
	if (r)
		return r;
	if (p->tok.kind != MIL_TOKEN_NUMBER || p->tok.n >= sizeof s)
		return mil_expected(p, "the version (1.0 or 1.3)");
	memcpy(s, p->tok.s, p->tok.n);
	p->g->version = strtod(s, NULL);
	if (!(p->g->version >= 1 && p->g->version < 2))
		return mil_fail(p->e, p->tok.line, p->tok.col, "program version %s: only versions 1.x are known", s);
	r = mil_next(p);
	return r ? r : mil_close(p, ")", "')'");
}

static int parse_program(struct mil_parser *p)
{
	int r = mil_next(p);
	if (!r)
		r = parse_version(p);
	if (!r)
		r = skip_attributes(p);
	if (!r)
		r = mil_open(p, "{");
	if (!r)
		r = parse_function(p);
	if (!r && mil_is(p, "func"))
		return mil_fail(p->e, p->tok.line, p->tok.col, "a second function: only programs of one function are supported");
	if (!r)
		r = mil_close(p, "}", "'}'");
	if (!r && p->tok.kind != MIL_TOKEN_END)
		return mil_expected(p, "the end of the text");
	return r;
}

int mil_parse(struct mil_graph **out, const char *text, size_t n, struct err *e)
{
	*out = NULL;
	if (n > MIL_MAX_TEXT)
		return err_set(e, ERR_RANGE, "mil: %zu bytes of program text (at most %d)", n, MIL_MAX_TEXT);
	struct mil_parser *p = mem_zalloc(1, sizeof *p);
	if (!p || !(p->g = mem_zalloc(1, sizeof *p->g))) {
		free(p);
		return err_nomem(e, "mil", sizeof *p);
	}
	p->e = e;
	mil_lex_init(&p->lex, n ? text : "", n);
	int r = parse_program(p);
	if (r)
		mil_free(p->g);
	else
		*out = p->g;
	free(p->slot);
	free(p);
	return r;
}
