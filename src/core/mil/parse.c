/* parse.c: recursive descent over a program: header, signature, return list; tokens and names for the other parts. Statements
 * are in statement.c, types and literals in literal.c; what an op demands of its arguments is in check.c.
 * SPDX-License-Identifier: MIT */
#include "mil/parse.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* --- tokens --- */

int mil_out_of_memory(struct mil_parser *p)
{
	return err_set(p->e, ERR_NOMEM, "mil: out of memory at line %d", p->tok.line);
}

int mil_next(struct mil_parser *p)
{
	return mil_lex_next(&p->lex, &p->tok, p->e);
}

int mil_token_is(const struct mil_token *t, const char *text)
{
	return t->kind != MIL_TOKEN_STRING && t->n == strlen(text) && !memcmp(t->s, text, t->n);
}

int mil_is(const struct mil_parser *p, const char *text)
{
	return mil_token_is(&p->tok, text);
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

int mil_take_word(struct mil_parser *p, struct mil_token *t, const char *what)
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

int mil_find_value(const struct mil_parser *p, const struct mil_token *t)
{
	for (size_t i = hash(t->s, t->n); p->nslot; i++) {
		int v = p->slot[i & (p->nslot - 1)] - 1;
		if (v < 0)
			break;
		if (mil_token_is(t, p->g->value[v].name))
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

int mil_add_value(struct mil_parser *p, const struct mil_token *name, const struct mil_type *t, struct mil_const *konst,
		     int line, int col)
{
	struct mil_graph *g = p->g;
	int old = name ? mil_find_value(p, name) : -1;
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

int mil_undefined(struct mil_parser *p, const struct mil_token *t)
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

int mil_append_int(struct mil_parser *p, int **list, int *n, int v)
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

/* --- the function and the program --- */

static int parse_params(struct mil_parser *p)
{
	int r = mil_open(p, "(");
	while (!r && !mil_is(p, ")")) {
		struct mil_declared d;
		r = mil_parse_value_type(p, &d.type);
		if (!r && d.type.t.dtype == MIL_STRING)
			r = mil_fail(p->e, d.type.line, d.type.col, "an input cannot be a string");
		if (!r)
			r = mil_take_word(p, &d.name, "a name");
		int v = r ? r : mil_add_value(p, &d.name, &d.type.t, NULL, d.type.line, d.type.col);
		r = v < 0 ? v : mil_append_int(p, &p->g->input, &p->g->ninput, v);
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
		r = mil_take_word(p, &t, "the name of a value to return");
		int v = r ? -1 : mil_find_value(p, &t);
		if (!r && v < 0)
			r = mil_undefined(p, &t);
		if (!r && g->value[v].op < 0)
			r = mil_fail(p->e, t.line, t.col, "'%.*s' is %s: only results of ops can be returned", (int)MIN(t.n, (size_t)64),
				     t.s, g->value[v].konst ? "a constant" : "an input");
		for (int i = 0; !r && i < g->noutput; i++)
			if (g->output[i] == v)
				r = mil_fail(p->e, t.line, t.col, "'%.*s' is returned twice", (int)MIN(t.n, (size_t)64), t.s);
		if (!r)
			r = mil_append_int(p, &g->output, &g->noutput, v);
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
		r = mil_take_word(p, &t, "the function's name");
	if (!r && !(p->g->function = mil_token_text(p, &t)))
		r = ERR_NOMEM;
	if (!r)
		r = mil_open(p, "<");
	if (!r)
		r = mil_take_word(p, &t, "the opset (ios18)");
	if (!r && !(p->g->opset = mil_token_text(p, &t)))
		r = ERR_NOMEM;
	if (!r)
		r = mil_close(p, ">", "'>'");
	if (!r)
		r = parse_params(p);
	return r ? r : mil_skip_attributes(p);
}

static int parse_function(struct mil_parser *p)
{
	int r = parse_signature(p);
	if (!r)
		r = mil_open(p, "{");
	while (!r && !mil_is(p, "}")) {
		if (p->tok.kind != MIL_TOKEN_WORD && !mil_is(p, "("))
			return mil_expected(p, "a statement or '}'");
		r = mil_parse_statement(p);
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
		r = mil_skip_attributes(p);
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
