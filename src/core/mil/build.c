/* build.c: program text, one statement a call. Results' types follow the simple cases of the shape rules; a call that
 * breaks a rule writes a program that mil_parse refuses with the line.
 * SPDX-License-Identifier: MIT */
#include "mil/build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "mil/number.h"
#include "mil/shape.h"
#include "mil/text.h"

struct mb_name {
	struct mb_name *next;
	char s[];
};

/* A constant already written: its literal and the value that holds it. */
struct mb_konst {
	struct mb_konst *next;
	struct mb_value value;
	char literal[];
};

struct mil_type mb_type(enum mil_dtype d, int rank, const int64_t *dim)
{
	struct mil_type t = {.dtype = d, .rank = rank};
	for (int i = 0; i < rank && i < MIL_MAX_RANK; i++)
		t.dim[i] = dim[i];
	return t;
}

struct mil_type mb_t4(enum mil_dtype d, int64_t a, int64_t b, int64_t c, int64_t e)
{
	return (struct mil_type){.dtype = d, .rank = 4, .dim = {a, b, c, e}};
}

/* --- names --- */

static int is_taken(const struct mil_builder *b, const char *s)
{
	for (const struct mb_name *n = b->names; n; n = n->next)
		if (!strcmp(n->s, s))
			return 1;
	return 0;
}

static const char *take_name(struct mil_builder *b, const char *wish)
{
	char s[80];
	snprintf(s, sizeof s, "%.60s", wish ? wish : "t");
	if (!wish || is_taken(b, s))
		do
			snprintf(s, sizeof s, "%.60s_%d", wish ? wish : "t", b->next++);
		while (is_taken(b, s));
	struct mb_name *n = malloc(sizeof *n + strlen(s) + 1);
	if (!n) {
		b->text.failed = 1;
		return "?";
	}
	strcpy(n->s, s);
	n->next = b->names;
	b->names = n;
	return n->s;
}

/* --- constants --- */

/* `TYPE NAME = ` */
static void put_left(struct mil_builder *b, const struct mil_type *t, const char *name)
{
	str_puts(&b->text, "        ");
	mil_put_type(&b->text, b->dialect, t);
	str_printf(&b->text, " %s = ", name);
}

static void put_label(struct mil_builder *b, const char *name)
{
	str_puts(&b->text, "[name = ");
	mil_put_string(&b->text, b->dialect, name);
}

/* A constant with this literal (owned here, freed): the one that is there already, or a new one. */
static struct mb_value put_const(struct mil_builder *b, const char *wish, struct mil_type type, struct str *literal)
{
	struct mb_value v = {"?", type};
	if (literal->failed)
		b->text.failed = 1;
	for (struct mb_konst *k = b->konsts; k && !literal->failed; k = k->next) {
		if (strcmp(k->literal, literal->s))
			continue;
		v = k->value;
		str_done(literal);
		return v;
	}
	struct mb_konst *k = literal->failed ? NULL : malloc(sizeof *k + literal->len + 1);
	if (k) {
		v.name = take_name(b, wish);
		put_left(b, &type, v.name);
		str_puts(&b->text, "const()");
		put_label(b, v.name);
		str_printf(&b->text, ", val = %s];\n", literal->s);
		k->next = b->konsts;
		k->value = v;
		strcpy(k->literal, literal->s);
		b->konsts = k;
	} else {
		b->text.failed = 1;
	}
	str_done(literal);
	return v;
}

struct mb_value mb_const_real(struct mil_builder *b, enum mil_dtype d, double v)
{
	struct mil_type t = {.dtype = d};
	struct str s = {0};
	mil_put_type(&s, b->dialect, &t);
	str_putc(&s, '(');
	mil_put_float(&s, d == MIL_FP16 ? (double)fp16_to_f32(mil_fp16_from_double(v)) : (double)(float)v);
	str_putc(&s, ')');
	return put_const(b, "num", t, &s);
}

struct mb_value mb_const_float(struct mil_builder *b, double v)
{
	return mb_const_real(b, MIL_FP16, v);
}

struct mb_value mb_const_int(struct mil_builder *b, int64_t v)
{
	struct mil_type t = {.dtype = MIL_INT32};
	struct str s = {0};
	mil_put_type(&s, b->dialect, &t);
	str_printf(&s, "(%lld)", (long long)v);
	return put_const(b, "int", t, &s);
}

struct mb_value mb_const_ints(struct mil_builder *b, const int64_t *v, int n)
{
	struct mil_type t = {.dtype = MIL_INT32, .rank = 1, .dim = {n}};
	struct str s = {0};
	mil_put_type(&s, b->dialect, &t);
	str_puts(&s, "([");
	for (int i = 0; i < n; i++)
		str_printf(&s, "%s%lld", i ? ", " : "", (long long)v[i]);
	str_puts(&s, "])");
	return put_const(b, "ints", t, &s);
}

struct mb_value mb_const_bool(struct mil_builder *b, int v)
{
	struct mil_type t = {.dtype = MIL_BOOL};
	struct str s = {0};
	mil_put_type(&s, b->dialect, &t);
	str_puts(&s, v ? "(true)" : "(false)");
	return put_const(b, v ? "yes" : "no", t, &s);
}

struct mb_value mb_const_string(struct mil_builder *b, const char *v)
{
	struct str s = {0};
	mil_put_string(&s, b->dialect, v);
	return put_const(b, "str", (struct mil_type){.dtype = MIL_STRING}, &s);
}

struct mb_value mb_blob(struct mil_builder *b, const char *name, const char *file, struct mil_type type)
{
	struct str s = {0}, path = {0};
	str_printf(&path, "@model_path/weights/%s.bin", file);
	mil_put_type(&s, b->dialect, &type);
	str_puts(&s, "(BLOBFILE(path = ");
	mil_put_string(&s, b->dialect, path.failed ? "" : path.s);
	str_puts(&s, ", offset = ");
	mil_put_type(&s, b->dialect, &(struct mil_type){.dtype = MIL_UINT64});
	str_puts(&s, "(64)))");
	s.failed |= path.failed;
	str_done(&path);
	return put_const(b, name ? name : file, type, &s);
}

/* --- program --- */

void mb_begin(struct mil_builder *b, enum mil_dialect dialect, const struct mb_value *inputs, int ninput)
{
	*b = (struct mil_builder){.dialect = dialect};
	mil_put_head(&b->text, dialect, NULL, "main", NULL);
	for (int i = 0; i < ninput; i++) {
		str_puts(&b->text, i ? ", " : "");
		mil_put_type(&b->text, dialect, &inputs[i].type);
		str_printf(&b->text, " %s", take_name(b, inputs[i].name));
	}
	str_puts(&b->text, ") {\n");
}

int mb_end(struct mil_builder *b, const struct mb_value *outputs, int noutput, struct str *text, struct err *e)
{
	str_puts(&b->text, "    } -> (");
	for (int i = 0; i < noutput; i++)
		str_printf(&b->text, "%s%s", i ? ", " : "", outputs[i].name);
	str_puts(&b->text, ");\n}\n");
	*text = b->text;
	b->text = (struct str){0};
	if (!text->failed)
		return 0;
	str_done(text);
	return err_set(e, ERR_NOMEM, "mil: out of memory while writing a program");
}

void mb_done(struct mil_builder *b)
{
	while (b->names) {
		struct mb_name *next = b->names->next;
		free(b->names);
		b->names = next;
	}
	while (b->konsts) {
		struct mb_konst *next = b->konsts->next;
		free(b->konsts);
		b->konsts = next;
	}
	str_done(&b->text);
}

/* --- ops --- */

struct mb_value mb_op(struct mil_builder *b, const char *op, const char *name, struct mil_type type, const char *fmt, ...)
{
	struct mb_value v = {take_name(b, name), type};
	va_list ap;
	put_left(b, &type, v.name);
	str_printf(&b->text, "%s(", op);
	va_start(ap, fmt);
	str_vprintf(&b->text, fmt, ap);
	va_end(ap);
	str_putc(&b->text, ')');
	put_label(b, v.name);
	str_puts(&b->text, "];\n");
	return v;
}

struct mb_value mb_conv1x1(struct mil_builder *b, const char *name, struct mb_value x, struct mb_value w)
{
	const int64_t ones[2] = {1, 1}, zeros[4] = {0};
	struct mb_value pad_type = mb_const_string(b, "valid"), one = mb_const_ints(b, ones, 2), pad = mb_const_ints(b, zeros, 4);
	struct mb_value groups = mb_const_int(b, 1);
	struct mil_type t = x.type;
	t.dim[1] = w.type.dim[0];
	return mb_op(b, "conv", name, t, "dilations = %s, groups = %s, pad = %s, pad_type = %s, strides = %s, weight = %s, x = %s",
		     one.name, groups.name, pad.name, pad_type.name, one.name, w.name, x.name);
}

struct mb_value mb_matmul(struct mil_builder *b, const char *name, struct mb_value x, struct mb_value y, int tx, int ty)
{
	struct mb_value bx = mb_const_bool(b, tx != 0), by = mb_const_bool(b, ty != 0);
	struct mil_type px = x.type, py = y.type, t = x.type;
	int rx = x.type.rank, ry = y.type.rank;
	px.rank = MAX(rx - 2, 0);
	py.rank = MAX(ry - 2, 0);
	if (rx >= 2 && ry >= 2 && !mil_broadcast(&t, &px, &py)) {
		t.dim[t.rank++] = x.type.dim[rx - 2 + (tx != 0)];
		t.dim[t.rank++] = y.type.dim[ry - 1 - (ty != 0)];
	}
	return mb_op(b, "matmul", name, t, "transpose_x = %s, transpose_y = %s, x = %s, y = %s", bx.name, by.name, x.name, y.name);
}

struct mb_value mb_binary(struct mil_builder *b, const char *op, const char *name, struct mb_value x, struct mb_value y)
{
	struct mil_type t = x.type;
	mil_broadcast(&t, &x.type, &y.type);
	return mb_op(b, op, name, t, "x = %s, y = %s", x.name, y.name);
}

struct mb_value mb_unary(struct mil_builder *b, const char *op, const char *name, struct mb_value x)
{
	return mb_op(b, op, name, x.type, "x = %s", x.name);
}

struct mb_value mb_softmax(struct mil_builder *b, const char *name, struct mb_value x, int axis)
{
	struct mb_value a = mb_const_int(b, axis);
	return mb_op(b, "softmax", name, x.type, "axis = %s, x = %s", a.name, x.name);
}

struct mb_value mb_reduce(struct mil_builder *b, const char *op, const char *name, struct mb_value x, int axis)
{
	const int64_t axes[1] = {axis};
	struct mb_value a = mb_const_ints(b, axes, 1), keep = mb_const_bool(b, 1);
	struct mil_type t = x.type;
	int at = mil_axis(t.rank, axis);
	if (at >= 0)
		t.dim[at] = 1;
	return mb_op(b, op, name, t, "axes = %s, keep_dims = %s, x = %s", a.name, keep.name, x.name);
}

struct mb_value mb_reshape(struct mil_builder *b, const char *name, struct mb_value x, int rank, const int64_t *dim)
{
	struct mb_value shape = mb_const_ints(b, dim, rank);
	return mb_op(b, "reshape", name, mb_type(x.type.dtype, rank, dim), "shape = %s, x = %s", shape.name, x.name);
}

struct mb_value mb_transpose(struct mil_builder *b, const char *name, struct mb_value x, const int64_t *perm)
{
	struct mb_value p = mb_const_ints(b, perm, x.type.rank);
	struct mil_type t = x.type;
	for (int i = 0; i < t.rank; i++) {
		int from = mil_axis(t.rank, perm[i]);
		t.dim[i] = x.type.dim[from < 0 ? 0 : from];
	}
	return mb_op(b, "transpose", name, t, "perm = %s, x = %s", p.name, x.name);
}

struct mb_value mb_concat(struct mil_builder *b, const char *name, const struct mb_value *v, int n, int axis)
{
	struct mb_value a = mb_const_int(b, axis), no = mb_const_bool(b, 0);
	struct mil_type t = v[0].type;
	struct str names = {0};
	int at = mil_axis(t.rank, axis);
	for (int i = 0; i < n; i++) {
		str_printf(&names, "%s%s", i ? ", " : "", v[i].name);
		if (i && at >= 0)
			t.dim[at] += v[i].type.dim[at];
	}
	b->text.failed |= names.failed;
	struct mb_value r = mb_op(b, "concat", name, t, "axis = %s, interleave = %s, values = (%s)", a.name, no.name,
				  names.s ? names.s : "");
	str_done(&names);
	return r;
}

struct mb_value mb_slice(struct mil_builder *b, const char *name, struct mb_value x, const int64_t *begin, const int64_t *size)
{
	struct mb_value at = mb_const_ints(b, begin, x.type.rank), n = mb_const_ints(b, size, x.type.rank);
	return mb_op(b, "slice_by_size", name, mb_type(x.type.dtype, x.type.rank, size), "begin = %s, size = %s, x = %s", at.name,
		     n.name, x.name);
}
