/* lex.h: MIL text to tokens with line and column. Knows no grammar.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_MIL_LEX_H
#define ANETUI_MIL_LEX_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum mil_token_kind {
	MIL_TOKEN_END,
	MIL_TOKEN_WORD,   /* identifiers, keywords, true, inf */
	MIL_TOKEN_NUMBER, /* signed; also -inf */
	MIL_TOKEN_STRING, /* with its quotes and escapes */
	MIL_TOKEN_MARK,   /* one of ( ) [ ] { } < > , ; = ? or -> */
};

/* A piece of the text, which must outlive it. */
struct mil_token {
	enum mil_token_kind kind;
	const char *s;
	size_t n;
	int line, col; /* from 1; columns count characters, not bytes */
};

struct mil_lexer {
	const char *at, *end;
	int line, col;
};

void mil_lex_init(struct mil_lexer *l, const char *text, size_t n);
/* The next token, comments and blanks skipped. Bytes that begin no token: ERR_FORMAT. */
int mil_lex_next(struct mil_lexer *l, struct mil_token *t, struct err *e);
/* The contents of a string token, escapes resolved. */
void mil_lex_string(struct str *out, const struct mil_token *t);

/* "mil: LINE:COL: ..." with ERR_FORMAT. */
int mil_fail(struct err *e, int line, int col, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
