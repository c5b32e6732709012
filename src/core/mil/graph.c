/* graph.c: answers about types, values and arguments of a checked program.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mil/number.h"
#include "mil/parse.h"

static const struct {
	const char *name;
	size_t size;
} dtype[MIL_NDTYPE] = {
	[MIL_FP16] = {"fp16", 2},     [MIL_FP32] = {"fp32", 4},     [MIL_INT32] = {"int32", 4},   [MIL_INT8] = {"int8", 1},
	[MIL_UINT8] = {"uint8", 1},   [MIL_INT16] = {"int16", 2},   [MIL_UINT16] = {"uint16", 2}, [MIL_UINT32] = {"uint32", 4},
	[MIL_UINT64] = {"uint64", 8}, [MIL_INT64] = {"int64", 8},   [MIL_BOOL] = {"bool", 1},     [MIL_STRING] = {"string", 0},
};

static const char *const op_name[] = {
#define MIL_OP(ID, name, min_args, spec) name,
#include "mil/ops.def"
#undef MIL_OP
};

size_t mil_dtype_size(enum mil_dtype d)
{
	return (unsigned)d < MIL_NDTYPE ? dtype[d].size : 0;
}

const char *mil_dtype_name(enum mil_dtype d)
{
	return (unsigned)d < MIL_NDTYPE ? dtype[d].name : "?";
}

const char *mil_op_name(enum mil_opcode c)
{
	return (unsigned)c < MIL_NOP ? op_name[c] : "?";
}

int64_t mil_count(const struct mil_type *t)
{
	int64_t n = 1;
	for (int i = 0; i < t->rank; i++)
		n *= t->dim[i];
	return n;
}

int mil_same_type(const struct mil_type *a, const struct mil_type *b)
{
	if (a->dtype != b->dtype || a->rank != b->rank)
		return 0;
	for (int i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return 0;
	return 1;
}

char *mil_type_text(char buf[96], const struct mil_type *t)
{
	size_t at = (size_t)snprintf(buf, 96, "%s%s", mil_dtype_name(t->dtype), t->rank ? "[" : "");
	for (int i = 0; i < t->rank && at < 90; i++)
		at += (size_t)snprintf(buf + at, 96 - at, "%lld%s", (long long)t->dim[i], i + 1 < t->rank ? ", " : "]");
	return buf;
}

void mil_op_done(struct mil_op *op)
{
	for (int i = 0; i < op->narg; i++) {
		free((char *)op->arg[i].name);
		free(op->arg[i].value);
	}
	free(op->arg);
	free(op->label);
	free(op->result);
}

void mil_free(struct mil_graph *g)
{
	if (!g)
		return;
	for (int i = 0; i < g->nvalue; i++) {
		free(g->value[i].name);
		mil_const_free(g->value[i].konst);
	}
	for (int i = 0; i < g->nop; i++)
		mil_op_done(&g->op[i]);
	free(g->value);
	free(g->op);
	free(g->input);
	free(g->output);
	free(g->function);
	free(g->opset);
	free(g);
}

const struct mil_arg *mil_arg_tuple(const struct mil_op *op, const char *name)
{
	for (int i = 0; i < op->narg; i++)
		if (!strcmp(op->arg[i].name, name))
			return &op->arg[i];
	return NULL;
}

int mil_arg(const struct mil_op *op, const char *name)
{
	const struct mil_arg *a = mil_arg_tuple(op, name);
	return a && a->n > 0 ? a->value[0] : -1;
}

int mil_is_literal(const struct mil_value *v)
{
	return v->konst && !v->konst->blob;
}

double mil_const_at(const struct mil_value *v, int64_t i)
{
	return v->konst && v->konst->data ? mil_number_load(v->konst->data, v->type.dtype, i) : 0;
}

/* What an op takes for a vector argument that the text leaves out; x being of rank `rank`. */
static int default_ints(const char *name, int rank, int64_t *out)
{
	int n = 0, spatial = MAX(rank - 2, 0);
	if (!strcmp(name, "strides") || !strcmp(name, "dilations")) {
		while (n < spatial)
			out[n++] = 1;
	} else if (!strcmp(name, "pad")) {
		while (n < spatial * 2)
			out[n++] = 0;
	} else if (!strcmp(name, "stride")) {
		while (n < rank)
			out[n++] = 1;
	} else if (!strcmp(name, "begin_mask") || !strcmp(name, "end_mask") || !strcmp(name, "squeeze_mask")) {
		while (n < rank)
			out[n++] = 0;
	} else if (!strcmp(name, "axes")) {
		for (; n < rank; n++)
			out[n] = n;
	}
	return n;
}

int mil_arg_ints(const struct mil_graph *g, const struct mil_op *op, const char *name, int64_t *out)
{
	int v = mil_arg(op, name), x = mil_arg(op, "x");
	if (v < 0)
		return default_ints(name, x < 0 ? 0 : g->value[x].type.rank, out);
	int64_t n = MIN(mil_count(&g->value[v].type), MIL_MAX_RANK * 2);
	for (int64_t i = 0; i < n; i++)
		out[i] = (int64_t)mil_const_at(&g->value[v], i);
	return (int)n;
}

int64_t mil_arg_int(const struct mil_graph *g, const struct mil_op *op, const char *name, int64_t otherwise)
{
	int v = mil_arg(op, name);
	return v < 0 ? otherwise : (int64_t)mil_const_at(&g->value[v], 0);
}

int mil_arg_bool(const struct mil_graph *g, const struct mil_op *op, const char *name, int otherwise)
{
	int v = mil_arg(op, name);
	return v < 0 ? otherwise : mil_const_at(&g->value[v], 0) != 0;
}

double mil_arg_float(const struct mil_graph *g, const struct mil_op *op, const char *name, double otherwise)
{
	int v = mil_arg(op, name);
	return v < 0 ? otherwise : mil_const_at(&g->value[v], 0);
}

const char *mil_arg_str(const struct mil_graph *g, const struct mil_op *op, const char *name, const char *otherwise)
{
	int v = mil_arg(op, name);
	return v < 0 || !g->value[v].konst || !g->value[v].konst->str ? otherwise : g->value[v].konst->str;
}
