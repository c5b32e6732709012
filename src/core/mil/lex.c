/* lex.c: the tokens of MIL text. No grammar, no numbers: a number stays text until its type is known.
 * SPDX-License-Identifier: MIT */
#include "mil/lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int mil_fail(struct err *e, int line, int col, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	return err_set(e, ERR_FORMAT, "mil: %d:%d: %s", line, col, msg);
}

void mil_lex_init(struct mil_lexer *l, const char *text, size_t n)
{
	*l = (struct mil_lexer){text, text + n, 1, 1};
}

/* The byte `k` places on, or -1 past the end. */
static int look(const struct mil_lexer *l, size_t k)
{
	return (size_t)(l->end - l->at) > k ? (unsigned char)l->at[k] : -1;
}

static void step(struct mil_lexer *l)
{
	unsigned char c = (unsigned char)*l->at++;
	if (c == '\n') {
		l->line++;
		l->col = 1;
	} else if ((c & 0xc0) != 0x80) { /* the later bytes of a character take no column */
		l->col++;
	}
}

/* Not ctype.h: its answers depend on the locale. */
static int is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int is_alpha(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int is_word(int c)
{
	return is_alpha(c) || is_digit(c) || c == '@';
}

static int is_hex(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int skip_comment(struct mil_lexer *l, struct err *e)
{
	int line = l->line, col = l->col;
	if (look(l, 1) == '/') {
		while (l->at < l->end && *l->at != '\n')
			step(l);
		return 0;
	}
	step(l);
	step(l);
	while (l->at < l->end) {
		if (look(l, 0) == '*' && look(l, 1) == '/') {
			step(l);
			step(l);
			return 0;
		}
		step(l);
	}
	return mil_fail(e, line, col, "this comment is never closed (expected '*/' before the end of the text)");
}

static int skip_blank(struct mil_lexer *l, struct err *e)
{
	for (;;) {
		int c = look(l, 0);
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			step(l);
		} else if (c == '/' && (look(l, 1) == '/' || look(l, 1) == '*')) {
			int r = skip_comment(l, e);
			if (r)
				return r;
		} else {
			return 0;
		}
	}
}

static int lex_string(struct mil_lexer *l, struct mil_token *t, struct err *e)
{
	step(l);
	for (;;) {
		int c = look(l, 0);
		if (c < 0 || c == '\n')
			return mil_fail(e, t->line, t->col, "this string is never closed (expected '\"' before the end of the line)");
		if (c < 0x20 && c != '\t')
			return mil_fail(e, l->line, l->col, "byte 0x%02x inside a string", c);
		if (c == '\\') {
			step(l);
			if (look(l, 0) < 0x20)
				continue;
		}
		step(l);
		if (c == '"')
			return 0;
	}
}

static void lex_exponent(struct mil_lexer *l)
{
	step(l);
	if (look(l, 0) == '+' || look(l, 0) == '-')
		step(l);
	while (is_digit(look(l, 0)))
		step(l);
}

static int lex_number(struct mil_lexer *l, struct mil_token *t, struct err *e)
{
	if (look(l, 0) == '-' || look(l, 0) == '+')
		step(l);
	int c = look(l, 0);
	if (is_alpha(c)) { /* -inf */
		while (is_word(look(l, 0)))
			step(l);
		return 0;
	}
	if (c == '0' && (look(l, 1) | 32) == 'x') {
		step(l);
		step(l);
		while (is_hex(look(l, 0)) || look(l, 0) == '.')
			step(l);
		if (l->at < l->end && (*l->at | 32) == 'p')
			lex_exponent(l);
	} else {
		while (is_digit(look(l, 0)) || look(l, 0) == '.')
			step(l);
		if (l->at < l->end && (*l->at | 32) == 'e')
			lex_exponent(l);
	}
	if (!is_word(look(l, 0)) && look(l, 0) != '.')
		return 0;
	while (is_word(look(l, 0)) || look(l, 0) == '.')
		step(l);
	return mil_fail(e, t->line, t->col, "'%.*s' is neither a number nor a name", (int)(l->at - t->s > 40 ? 40 : l->at - t->s),
			t->s);
}

static int begins_number(const struct mil_lexer *l)
{
	int c = look(l, 0), d = look(l, 1);
	if (is_digit(c))
		return 1;
	if (c == '.')
		return is_digit(d);
	return (c == '-' || c == '+') && (is_digit(d) || d == '.' || is_alpha(d));
}

int mil_lex_next(struct mil_lexer *l, struct mil_token *t, struct err *e)
{
	int r = skip_blank(l, e);
	*t = (struct mil_token){MIL_TOKEN_END, l->at, 0, l->line, l->col};
	if (r)
		return r;
	int c = look(l, 0);
	if (c < 0)
		return 0;
	if (is_alpha(c)) {
		t->kind = MIL_TOKEN_WORD;
		while (is_word(look(l, 0)))
			step(l);
	} else if (begins_number(l)) {
		t->kind = MIL_TOKEN_NUMBER;
		r = lex_number(l, t, e);
	} else if (c == '"') {
		t->kind = MIL_TOKEN_STRING;
		r = lex_string(l, t, e);
	} else if (c == '-' && look(l, 1) == '>') {
		t->kind = MIL_TOKEN_MARK;
		step(l);
		step(l);
	} else if (c && strchr("()[]{}<>,;=?", c)) {
		t->kind = MIL_TOKEN_MARK;
		step(l);
	} else if (c > 0x20 && c < 0x7f) {
		return mil_fail(e, l->line, l->col, "unexpected character '%c'", c);
	} else {
		return mil_fail(e, l->line, l->col, "unexpected byte 0x%02x (program text is ASCII outside strings and comments)", c);
	}
	t->n = (size_t)(l->at - t->s);
	return r;
}

void mil_lex_string(struct str *out, const struct mil_token *t)
{
	for (size_t i = 1; i + 1 < t->n; i++) {
		char c = t->s[i];
		if (c == '\\' && i + 2 < t->n) {
			c = t->s[++i];
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
		}
		str_putc(out, c);
	}
	if (!out->s)
		str_puts(out, "");
}
