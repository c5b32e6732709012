/* print.c: a checked graph as program text: values in the order of their declarations, one line each.
 * SPDX-License-Identifier: MIT */
#include "mil/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mil/number.h"
#include "mil/parse.h"
#include "mil/text.h"

struct printer {
	struct str *out;
	const struct mil_graph *g;
	enum mil_dialect dialect;
};

static void put_element(struct str *out, const struct mil_const *k, enum mil_dtype d, int64_t i)
{
	if (d == MIL_FP16 || d == MIL_FP32)
		mil_put_float(out, mil_number_load(k->data, d, i));
	else if (d == MIL_BOOL)
		str_puts(out, ((const uint8_t *)k->data)[i] ? "true" : "false");
	else if (d == MIL_UINT64)
		str_printf(out, "%llu", (unsigned long long)((const uint64_t *)k->data)[i]);
	else if (d == MIL_INT64)
		str_printf(out, "%lld", (long long)((const int64_t *)k->data)[i]);
	else
		str_printf(out, "%lld", (long long)mil_number_load(k->data, d, i));
}

/* Lists as deep as the tensor's rank. */
static void put_list(const struct printer *p, const struct mil_value *v, int depth, int64_t *at)
{
	int64_t n = v->type.dim[depth];
	str_putc(p->out, '[');
	for (int64_t i = 0; i < n; i++) {
		str_puts(p->out, i ? ", " : "");
		if (depth + 1 < v->type.rank)
			put_list(p, v, depth + 1, at);
		else
			put_element(p->out, v->konst, v->type.dtype, (*at)++);
	}
	str_putc(p->out, ']');
}

static void put_literal(const struct printer *p, const struct mil_value *v)
{
	const struct mil_const *k = v->konst;
	int64_t at = 0;
	if (v->type.dtype == MIL_STRING) {
		mil_put_string(p->out, p->dialect, k->str);
		return;
	}
	mil_put_type(p->out, p->dialect, &v->type);
	str_putc(p->out, '(');
	if (k->blob) {
		str_puts(p->out, "BLOBFILE(path = ");
		mil_put_string(p->out, p->dialect, k->blob);
		str_puts(p->out, ", offset = ");
		mil_put_type(p->out, p->dialect, &(struct mil_type){.dtype = MIL_UINT64});
		str_printf(p->out, "(%llu))", (unsigned long long)k->blob_offset);
	} else if (v->type.rank) {
		put_list(p, v, 0, &at);
	} else {
		put_element(p->out, k, v->type.dtype, 0);
	}
	str_putc(p->out, ')');
}

static void put_value(const struct printer *p, int value)
{
	const struct mil_value *v = &p->g->value[value];
	if (*v->name)
		str_puts(p->out, v->name);
	else
		put_literal(p, v);
}

/* What 0 means in a reshape differs between opsets: the sizes themselves do not. */
static int put_shape(const struct printer *p, const struct mil_op *op, const struct mil_arg *a)
{
	int64_t zeros = 0;
	if (op->code != MIL_OP_RESHAPE || strcmp(a->name, "shape"))
		return 0;
	const struct mil_value *v = &p->g->value[a->value[0]];
	const struct mil_type *t = &p->g->value[op->result[0]].type;
	for (int64_t i = 0; i < mil_count(&v->type); i++)
		zeros += mil_const_at(v, i) == 0;
	if (!zeros)
		return 0;
	str_puts(p->out, "shape = ");
	mil_put_type(p->out, p->dialect, &v->type);
	for (int i = 0; i < t->rank; i++)
		str_printf(p->out, "%s%lld", i ? ", " : "([", (long long)t->dim[i]);
	str_puts(p->out, "])");
	return 1;
}

static void put_arg(const struct printer *p, const struct mil_op *op, const struct mil_arg *a)
{
	if (put_shape(p, op, a))
		return;
	int tuple = !strcmp(a->name, "values");
	str_printf(p->out, "%s = %s", a->name, tuple ? "(" : "");
	for (int i = 0; i < a->n; i++) {
		str_puts(p->out, i ? ", " : "");
		put_value(p, a->value[i]);
	}
	str_puts(p->out, tuple ? ")" : "");
}

static void put_results(const struct printer *p, const struct mil_op *op)
{
	str_puts(p->out, "        ");
	for (int i = 0; i < op->nresult; i++) {
		const struct mil_value *v = &p->g->value[op->result[i]];
		str_puts(p->out, i ? ", " : "");
		mil_put_type(p->out, p->dialect, &v->type);
		str_printf(p->out, " %s", v->name);
	}
	str_puts(p->out, " = ");
}

/* Arguments of a constexpr op stand in the brackets, behind its name. */
static void put_op(const struct printer *p, const struct mil_op *op)
{
	int bracket = mil_is_constexpr(op->code);
	put_results(p, op);
	str_printf(p->out, "%s(", mil_op_name(op->code));
	for (int i = 0; i < op->narg && !bracket; i++) {
		str_puts(p->out, i ? ", " : "");
		put_arg(p, op, &op->arg[i]);
	}
	str_puts(p->out, ")[name = ");
	mil_put_string(p->out, p->dialect, op->label ? op->label : p->g->value[op->result[0]].name);
	for (int i = 0; i < op->narg && bracket; i++) {
		str_puts(p->out, ", ");
		put_arg(p, op, &op->arg[i]);
	}
	str_puts(p->out, "];\n");
}

static void put_const(const struct printer *p, const struct mil_value *v)
{
	str_puts(p->out, "        ");
	mil_put_type(p->out, p->dialect, &v->type);
	str_printf(p->out, " %s = const()[name = ", v->name);
	mil_put_string(p->out, p->dialect, v->name);
	str_puts(p->out, ", val = ");
	put_literal(p, v);
	str_puts(p->out, "];\n");
}

static void put_head(const struct printer *p)
{
	const struct mil_graph *g = p->g;
	int kept = (g->verbose ? MIL_VERBOSE : MIL_BARE) == p->dialect;
	char version[32];
	snprintf(version, sizeof version, "%.1f", g->version);
	mil_put_head(p->out, p->dialect, kept ? version : NULL, g->function, kept ? g->opset : NULL);
	for (int i = 0; i < g->ninput; i++) {
		const struct mil_value *v = &g->value[g->input[i]];
		str_puts(p->out, i ? ", " : "");
		mil_put_type(p->out, p->dialect, &v->type);
		str_printf(p->out, " %s", v->name);
	}
	str_puts(p->out, ") {\n");
}

void mil_print(struct str *text, const struct mil_graph *g, enum mil_dialect dialect)
{
	struct printer p = {text, g, dialect};
	put_head(&p);
	for (int i = 0, op = 0; i < g->nvalue; i++) {
		if (g->value[i].konst && *g->value[i].name)
			put_const(&p, &g->value[i]);
		else if (op < g->nop && g->op[op].result[0] == i)
			put_op(&p, &g->op[op++]);
	}
	str_puts(text, "    } -> (");
	for (int i = 0; i < g->noutput; i++)
		str_printf(text, "%s%s", i ? ", " : "", g->value[g->output[i]].name);
	str_puts(text, ");\n}\n");
}
