/* literal.c: types and typed literals, both dialects. Statements are in parse.c.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mil/number.h"
#include "mil/parse.h"

/* Scalar types that exist in the language and that no value of ours can have. */
static const char *const foreign[] = {"fp64", "bf16", "int4", "uint1", "uint2", "uint3", "uint4",
				      "uint6", "fp8e4m3fn", "fp8e5m2"};
static const char *const compound[] = {"tuple", "list", "dict", "state"};

static int dtype_of(const struct mil_token *t)
{
	for (int d = 0; d < MIL_NDTYPE; d++)
		if (mil_token_is(t, mil_dtype_name((enum mil_dtype)d)))
			return d;
	return -1;
}

static int is_among(const struct mil_token *t, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mil_token_is(t, names[i]))
			return 1;
	return 0;
}

static void problem(struct mil_written_type *t, const struct mil_token *at, const char *why)
{
	if (t->problem)
		return;
	t->problem = why;
	t->at = *at;
}

static int parse_scalar_type(struct mil_parser *p, struct mil_written_type *t)
{
	int d = p->tok.kind == MIL_TOKEN_WORD ? dtype_of(&p->tok) : -1;
	if (d >= 0)
		t->t.dtype = (enum mil_dtype)d;
	else if (p->tok.kind == MIL_TOKEN_WORD && is_among(&p->tok, foreign, ARRAY_LEN(foreign)))
		problem(t, &p->tok, "no device here has this element type");
	else
		return mil_expected(p, "a type (tensor<fp16, [1, 2]>, int32, string, ...)");
	return mil_next(p);
}

static void add_dim(struct mil_written_type *t, const struct mil_token *tok)
{
	int64_t v = 0;
	if (tok->kind != MIL_TOKEN_NUMBER) {
		problem(t, tok, "symbolic sizes are not supported (every size must be a number)");
		return;
	}
	for (size_t i = 0; i < tok->n; i++) {
		if (tok->s[i] < '0' || tok->s[i] > '9') {
			problem(t, tok, "a size must be a positive integer");
			return;
		}
		v = MIN(v * 10 + (tok->s[i] - '0'), (int64_t)MIL_MAX_COUNT + 1);
	}
	if (v < 1)
		problem(t, tok, "a size must be a positive integer");
	if (t->t.rank == MIL_MAX_RANK) {
		problem(t, tok, "more than 5 dimensions");
		return;
	}
	t->t.dim[t->t.rank++] = v;
	int64_t n = 1;
	for (int i = 0; i < t->t.rank; i++)
		if (__builtin_mul_overflow(n, t->t.dim[i], &n) || n > MIL_MAX_COUNT)
			problem(t, tok, "too many elements in one tensor (at most 2147483647)");
}

static int parse_dims(struct mil_parser *p, struct mil_written_type *t)
{
	int r = mil_open(p, "[");
	while (!r && !mil_is(p, "]")) {
		if (p->tok.kind != MIL_TOKEN_NUMBER && p->tok.kind != MIL_TOKEN_WORD && !mil_is(p, "?"))
			return mil_expected(p, "a size");
		add_dim(t, &p->tok);
		r = mil_next(p);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
		if (!r && mil_is(p, "]"))
			return mil_expected(p, "a size");
	}
	return r ? r : mil_close(p, "]", "',' or ']'");
}

static int parse_type(struct mil_parser *p, struct mil_written_type *t);

static int parse_compound_type(struct mil_parser *p, struct mil_written_type *t)
{
	struct mil_token head = p->tok;
	int r = mil_next(p), list = mil_token_is(&head, "list");
	problem(t, &head, mil_token_is(&head, "state") ? "state is not supported: no device here keeps values between runs"
						  : "a value must be a tensor or a scalar");
	if (!r)
		r = mil_open(p, "<");
	while (!r) {
		struct mil_written_type inner;
		if (list && (p->tok.kind == MIL_TOKEN_NUMBER || mil_is(p, "?")))
			r = mil_next(p);
		else
			r = parse_type(p, &inner);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
	}
	return r ? r : mil_close(p, ">", "',' or '>'");
}

static int parse_type(struct mil_parser *p, struct mil_written_type *t)
{
	*t = (struct mil_written_type){.line = p->tok.line, .col = p->tok.col};
	if (p->tok.kind == MIL_TOKEN_WORD && is_among(&p->tok, compound, ARRAY_LEN(compound)))
		return parse_compound_type(p, t);
	if (!mil_is(p, "tensor"))
		return parse_scalar_type(p, t);
	int r = mil_next(p);
	if (!r)
		r = mil_open(p, "<");
	if (!r)
		r = parse_scalar_type(p, t);
	if (!r)
		r = mil_expect(p, ",");
	if (!r)
		r = parse_dims(p, t);
	if (!r && !t->problem && t->t.rank == 0)
		p->g->verbose = 1;
	return r ? r : mil_close(p, ">", "'>'");
}

int mil_parse_value_type(struct mil_parser *p, struct mil_written_type *t)
{
	int r = parse_type(p, t);
	if (r)
		return r;
	if (!t->problem && t->t.dtype == MIL_STRING && t->t.rank)
		return mil_fail(p->e, t->line, t->col, "a tensor of strings is not supported");
	if (t->problem)
		return mil_fail(p->e, t->at.line, t->at.col, "'%.*s': %s", (int)MIN(t->at.n, (size_t)40), t->at.s, t->problem);
	return 0;
}

int mil_at_literal(const struct mil_parser *p)
{
	if (p->tok.kind != MIL_TOKEN_WORD)
		return 0;
	struct mil_lexer ahead = p->lex;
	struct mil_token t;
	if (mil_lex_next(&ahead, &t, NULL))
		return 0;
	if (mil_token_is(&p->tok, "tensor") || is_among(&p->tok, compound, ARRAY_LEN(compound)))
		return mil_token_is(&t, "<");
	return mil_token_is(&t, "(") && (dtype_of(&p->tok) >= 0 || is_among(&p->tok, foreign, ARRAY_LEN(foreign)));
}

void mil_const_free(struct mil_const *k)
{
	if (!k)
		return;
	free(k->data);
	free(k->str);
	free(k->blob);
	free(k);
}

/* A list being read: flat, or nested as deep as the tensor's rank. */
struct elements {
	const struct mil_type *type;
	struct mil_const *k;
	size_t n, cap; /* elements, bytes */
	int leaf;      /* depth at which numbers were seen, 0: none yet */
};

static int add_element(struct mil_parser *p, struct elements *el)
{
	size_t size = mil_dtype_size(el->type->dtype);
	if (p->tok.kind != MIL_TOKEN_NUMBER && p->tok.kind != MIL_TOKEN_WORD && p->tok.kind != MIL_TOKEN_STRING)
		return mil_expected(p, el->type->dtype == MIL_BOOL ? "true or false" : "a number");
	if (mem_grow(&el->k->data, &el->cap, (el->n + 1) * size, 1))
		return mil_out_of_memory(p);
	int r = mil_number_store((char *)el->k->data + el->n * size, el->type->dtype, &p->tok, p->e);
	el->n++;
	return r ? r : mil_next(p);
}

/* [ ... ] at `depth` (1 is the outermost). */
static int parse_list(struct mil_parser *p, struct elements *el, int depth)
{
	int line = p->tok.line, col = p->tok.col, r = mil_open(p, "[");
	int64_t items = 0;
	while (!r && !mil_is(p, "]")) {
		if (mil_is(p, "[")) {
			r = parse_list(p, el, depth + 1);
		} else if (el->leaf && el->leaf != depth) {
			return mil_fail(p->e, p->tok.line, p->tok.col, "lists of different depth in one literal");
		} else {
			el->leaf = depth;
			r = add_element(p, el);
		}
		items++;
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
		if (!r && mil_is(p, "]"))
			return mil_expected(p, "an element");
	}
	if (!r)
		r = mil_close(p, "]", "',' or ']'");
	if (r || (el->leaf == 1 && depth == 1))
		return r;
	if (el->leaf && (el->leaf != el->type->rank || depth > el->type->rank))
		return mil_fail(p->e, line, col, "a list %d deep for %d dimensions", MAX(el->leaf, depth), el->type->rank);
	if (el->leaf && items != el->type->dim[depth - 1])
		return mil_fail(p->e, line, col, "%lld items where dimension %d is %lld", (long long)items, depth - 1,
				(long long)el->type->dim[depth - 1]);
	return 0;
}

static int parse_tensor_body(struct mil_parser *p, const struct mil_type *t, struct mil_const *k)
{
	struct elements el = {.type = t, .k = k};
	int line = p->tok.line, col = p->tok.col, r;
	char name[96];
	if (t->rank && !mil_is(p, "["))
		return mil_expected(p, "'[' or BLOBFILE");
	if (!t->rank && mil_is(p, "["))
		return mil_expected(p, "one value (the type is a scalar)");
	r = t->rank ? parse_list(p, &el, 1) : add_element(p, &el);
	if (!r && (int64_t)el.n != mil_count(t))
		return mil_fail(p->e, line, col, "%s needs %lld elements, %zu are given", mil_type_text(name, t),
				(long long)mil_count(t), el.n);
	return r;
}

static char *string_contents(struct mil_parser *p, const struct mil_token *t)
{
	struct str s = {0};
	mil_lex_string(&s, t);
	if (s.failed) {
		str_done(&s);
		mil_out_of_memory(p);
		return NULL;
	}
	return s.s;
}

static int parse_blob_field(struct mil_parser *p, const char *name, enum mil_dtype want, struct mil_const **out)
{
	struct mil_type t;
	*out = NULL;
	int r = mil_is(p, name) ? mil_next(p) : mil_expected(p, name);
	if (!r)
		r = mil_expect(p, "=");
	int line = p->tok.line, col = p->tok.col;
	if (!r && !mil_at_literal(p))
		r = mil_expected(p, want == MIL_STRING ? "string(\"@model_path/...\")" : "uint64(offset)");
	if (!r)
		r = mil_parse_literal(p, &t, out);
	if (!r && (t.rank || t.dtype != want))
		r = mil_fail(p->e, line, col, "%s must be a %s", name, mil_dtype_name(want));
	return r;
}

/* BLOBFILE(path=string("..."), offset=uint64(64)) */
static int parse_blob(struct mil_parser *p, struct mil_const *k)
{
	struct mil_const *path = NULL, *offset = NULL;
	int r = mil_next(p);
	if (!r)
		r = mil_open(p, "(");
	if (!r)
		r = parse_blob_field(p, "path", MIL_STRING, &path);
	if (!r)
		r = mil_expect(p, ",");
	if (!r)
		r = parse_blob_field(p, "offset", MIL_UINT64, &offset);
	if (!r)
		r = mil_close(p, ")", "')'");
	if (!r) {
		k->blob = path->str;
		path->str = NULL;
		memcpy(&k->blob_offset, offset->data, 8);
	}
	mil_const_free(path);
	mil_const_free(offset);
	return r;
}

static int parse_literal_body(struct mil_parser *p, const struct mil_type *t, struct mil_const *k)
{
	if (mil_is(p, "BLOBFILE")) {
		if (t->dtype == MIL_STRING || !t->rank)
			return mil_fail(p->e, p->tok.line, p->tok.col, "only tensors live in weight files");
		return parse_blob(p, k);
	}
	if (t->dtype != MIL_STRING)
		return parse_tensor_body(p, t, k);
	if (p->tok.kind != MIL_TOKEN_STRING)
		return mil_expected(p, "a string in quotes");
	k->str = string_contents(p, &p->tok);
	return k->str ? mil_next(p) : ERR_NOMEM;
}

int mil_parse_literal(struct mil_parser *p, struct mil_type *type, struct mil_const **out)
{
	struct mil_written_type w;
	*out = NULL;
	int r = mil_parse_value_type(p, &w);
	if (!r)
		r = mil_open(p, "(");
	if (r)
		return r;
	struct mil_const *k = mem_zalloc(1, sizeof *k);
	if (!k)
		return mil_out_of_memory(p);
	*type = w.t;
	r = parse_literal_body(p, type, k);
	if (!r)
		r = mil_close(p, ")", "')'");
	if (r) {
		mil_const_free(k);
		return r;
	}
	*out = k;
	return 0;
}

/* Bodies between brackets, separated by commas; the opening one is the next token. */
static int skip_bracket(struct mil_parser *p, const char *opener, const char *closer)
{
	int r = mil_open(p, opener);
	while (!r && !mil_is(p, closer)) {
		r = mil_skip_value(p);
		if (r || !mil_is(p, ","))
			break;
		r = mil_next(p);
	}
	return r ? r : mil_close(p, closer, "',' or the closing bracket");
}

int mil_skip_value(struct mil_parser *p)
{
	struct mil_written_type t;
	if (mil_at_literal(p)) {
		int r = parse_type(p, &t);
		return r ? r : skip_bracket(p, "(", ")");
	}
	if (mil_is(p, "{"))
		return skip_bracket(p, "{", "}");
	if (mil_is(p, "["))
		return skip_bracket(p, "[", "]");
	if (mil_is(p, "("))
		return skip_bracket(p, "(", ")");
	if (p->tok.kind != MIL_TOKEN_WORD && p->tok.kind != MIL_TOKEN_NUMBER && p->tok.kind != MIL_TOKEN_STRING)
		return mil_expected(p, "a value");
	int word = p->tok.kind == MIL_TOKEN_WORD, r = mil_next(p);
	if (r || !word)
		return r;
	if (mil_is(p, "=")) { /* path=..., offset=... inside BLOBFILE */
		r = mil_next(p);
		return r ? r : mil_skip_value(p);
	}
	return mil_is(p, "(") ? skip_bracket(p, "(", ")") : 0;
}
