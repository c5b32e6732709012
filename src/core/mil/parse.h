/* parse.h: what the parts of the parser share: parse.c (program, tokens, names), statement.c, literal.c (types, literals),
 * check.c (one op). Internal.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_PARSE_H
#define ANETUI_MIL_PARSE_H

#include "mil/lex.h"
#include "mil/mil.h"

enum {
	MIL_MAX_DEPTH = 64,         /* brackets within brackets; each costs a frame of the stack */
	MIL_MAX_TEXT = 1 << 30,     /* bytes of program text */
	MIL_MAX_COUNT = 0x7fffffff, /* elements of one tensor */
};

struct mil_parser {
	struct mil_lexer lex;
	struct mil_token tok; /* the next one */
	struct err *e;
	struct mil_graph *g;
	size_t cap_value, cap_op;
	int *slot;            /* hash of names: value index + 1, 0 free */
	size_t nslot, nname;
	int depth;
	struct { char c; int line, col; } open[MIL_MAX_DEPTH];
};

/* A type as it is written. Those that no value can have (tuples, symbolic sizes, bf16) are read too: attributes
 * that are skipped contain them. `problem` says what is wrong, NULL when the type is usable. */
struct mil_written_type {
	struct mil_type t;
	const char *problem;
	struct mil_token at; /* of the problem */
	int line, col;       /* of the type */
};

/* --- tokens (parse.c) --- */
int mil_next(struct mil_parser *p);
int mil_is(const struct mil_parser *p, const char *text);
/* "expected WHAT near 'TOKEN'", with the bracket that is still open. */
int mil_expected(struct mil_parser *p, const char *what);
int mil_expect(struct mil_parser *p, const char *text);
int mil_open(struct mil_parser *p, const char *bracket);
int mil_close(struct mil_parser *p, const char *bracket, const char *what);
char *mil_token_text(struct mil_parser *p, const struct mil_token *t); /* a copy; NULL: the error is set */
int mil_out_of_memory(struct mil_parser *p);
int mil_token_is(const struct mil_token *t, const char *text);
/* A word of any kind into *t, else "expected WHAT". */
int mil_take_word(struct mil_parser *p, struct mil_token *t, const char *what);

/* --- names (parse.c) --- */
int mil_find_value(const struct mil_parser *p, const struct mil_token *t); /* index, or -1 */
/* A new value; takes `konst` over, also when it fails. `name` NULL: an inline literal. Returns its index or < 0. */
int mil_add_value(struct mil_parser *p, const struct mil_token *name, const struct mil_type *t, struct mil_const *konst, int line,
		  int col);
/* "used before it is defined", with the nearest name. */
int mil_undefined(struct mil_parser *p, const struct mil_token *t);
/* Appends to a list that only this function grows. */
int mil_append_int(struct mil_parser *p, int **list, int *n, int v);

/* --- statements (statement.c) --- */
/* `TYPE NAME` on the left of a statement, or a parameter. */
struct mil_declared {
	struct mil_written_type type;
	struct mil_token name;
};
int mil_parse_statement(struct mil_parser *p);
/* [ ... ] of the program or the function, when there is one: read and forgotten. */
int mil_skip_attributes(struct mil_parser *p);

/* --- types and literals (literal.c) --- */
/* The type must be one that a value can have. */
int mil_parse_value_type(struct mil_parser *p, struct mil_written_type *t);
int mil_at_literal(const struct mil_parser *p);
/* TYPE(body) of a tensor, scalar or string: *out is owned by the caller. */
int mil_parse_literal(struct mil_parser *p, struct mil_type *type, struct mil_const **out);
/* Any attribute value, read and forgotten. */
int mil_skip_value(struct mil_parser *p);
void mil_const_free(struct mil_const *k);
void mil_op_done(struct mil_op *op); /* frees what an op owns (graph.c) */

/* --- one op (check.c, check_shapes.c) --- */
/* Looks the op's name up; an unknown one is an error that names the nearest. */
int mil_find_op(enum mil_opcode *out, const struct mil_token *name, struct err *e);
int mil_is_constexpr(enum mil_opcode c);
/* Checks names, kinds and types of the arguments and works out the results: out[0..nout), nout results being declared. */
int mil_check_op(const struct mil_graph *g, const struct mil_op *op, struct mil_type *out, int nout, struct err *e);

#endif
