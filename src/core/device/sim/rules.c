/* rules.c: walks a program, its text and its surfaces through the table: which rows count on this chip, who is told, what is said.
 * SPDX-License-Identifier: MIT */
#include "device/sim/rules.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "device/sim/rules_impl.h"
#include "mil/lex.h"

#define M1 1u
#define M2 2u
#define M3 4u
#define M4 8u
#define M5 16u
#define OLD (M1 | M2)
#define LATE (M3 | M4 | M5)
#define EVERY (OLD | LATE)
#define COMPILE_FAILED "_ANECompiler : ANECCompile() FAILED"
#define INVALID_MIL "InvalidMILProgram"
#define RUN_FAILED "ANEProgramProcessRequestDirect() Failed with status=0x1d : Program Inference error"

#define SCOPE_TEXT RULE_TEXT
#define SCOPE_OP RULE_OF_OP
#define SCOPE_PROGRAM RULE_PROGRAM
#define SCOPE_VALUE RULE_VALUE
#define SCOPE_BIND RULE_BIND
#define SCOPE_PROCESS RULE_PROCESS

static const struct rule rows[] = {
#define RULE(ID, name, scope, level, generations, strict, text, why, way) \
	{name, SCOPE_##scope, RULE_##level, generations, strict, text, why, way},
#include "device/sim/rules.def"
#undef RULE
};

_Static_assert(RULE_N <= 64, "rules_options.told has a bit for each rule");

enum { SURFACE_LEAST = 16384, SURFACE_SAFE = 49152, SURFACE_ALIGN = 128, SURFACE_PAGE = 16384, LOADED_SAFE = 55 };

const struct rule *rules_row(enum rule_id id)
{
	return &rows[id];
}

/* --- which rows count --- */

/* Is `name` one of the words of `list`, or is one of them "all"? */
static int names(const char *list, const char *name)
{
	for (const char *s = list; *s; s += strcspn(s, ","), s += *s == ',') {
		size_t n = strcspn(s, ",");
		if ((n == strlen(name) && !strncmp(s, name, n)) || (n == 3 && !strncmp(s, "all", 3)))
			return 1;
	}
	return 0;
}

int rules_strict(const char *strict, struct err *e)
{
	for (const char *s = strict; *s; s += strcspn(s, ","), s += *s == ',') {
		size_t n = strcspn(s, ",");
		int known = 0;
		for (size_t i = 0; i < RULE_N; i++)
			known |= n && strlen(rows[i].strict) == n && !strncmp(rows[i].strict, s, n);
		if (!known)
			return err_set(e, ERR_USAGE, "device: sim: strict=%.*s: nobody's rules (have: seed, orion, field, all)", (int)MIN(n, (size_t)40), s);
	}
	return 0;
}

static int counts(const struct rules_options *o, enum rule_id id)
{
	return rows[id].generations >> (o->chip->generation - 1) & 1;
}

static int refuses(const struct rules_options *o, enum rule_id id)
{
	return rows[id].level == RULE_ERROR || (*rows[id].strict && names(o->strict, rows[id].strict));
}

static int speaks(const struct rules_options *o, enum rule_id id)
{
	if (!o->note || rows[id].level == RULE_CONTESTED || (rows[id].level == RULE_QUIRK && !o->quirks))
		return 0;
	return !o->told || !(*o->told >> id & 1);
}

/* --- what is said --- */

/* `where` is "line 12: conv: ", or empty. Returns ERR_DEVICE when the rule refuses, else 0. */
static int broken(const struct rules_options *o, enum rule_id id, const char *where, const char *what, struct err *e)
{
	const struct rule *r = &rows[id];
	char line[ERR_MSG_MAX];
	if (refuses(o, id))
		return err_set(e, ERR_DEVICE, "sim: %s: %s%s%s%s%s%s (rule %s; try: %s)", o->chip->name, where, r->text, *r->text ? ": " : "", what, *what ? ": " : "",
			       r->why, r->name, r->way);
	if (!speaks(o, id))
		return 0;
	if (o->told)
		*o->told |= (uint64_t)1 << id;
	snprintf(line, sizeof line, "sim: %s: %s%s%s%s (rule %s; try: %s)", o->chip->name, where, what, *what ? ": " : "", r->why, r->name, r->way);
	o->note(o->note_arg, line);
	return 0;
}

static int broken_at(const struct rules_look *l, enum rule_id id, int line, const char *name, struct err *e)
{
	char where[96];
	snprintf(where, sizeof where, "line %d: %.60s: ", line, name);
	return broken(l->o, id, where, l->what, e);
}

/* --- a program --- */

static int check_value(const struct rules_options *o, const struct mil_graph *g, int v, int is_io, struct err *e)
{
	for (int id = 0; id < RULE_N; id++) {
		struct rules_look l = {.o = o, .g = g, .value = &g->value[v], .is_io = is_io};
		if (rows[id].scope != RULE_VALUE || !counts(o, (enum rule_id)id) || !rules_breaks_value(&l, (enum rule_id)id))
			continue;
		int r = broken_at(&l, (enum rule_id)id, l.value->line, l.value->name, e);
		if (r)
			return r;
	}
	return 0;
}

static int check_op(const struct rules_options *o, const struct mil_graph *g, const struct mil_op *op, struct err *e)
{
	for (int id = 0; id < RULE_N; id++) {
		struct rules_look l = {.o = o, .g = g, .op = op};
		if (rows[id].scope != RULE_OF_OP || !counts(o, (enum rule_id)id) || !rules_breaks_op(&l, (enum rule_id)id))
			continue;
		int r = broken_at(&l, (enum rule_id)id, op->line, mil_op_name(op->code), e);
		if (r)
			return r;
	}
	for (int i = 0; i < op->nresult; i++) {
		int io = 0;
		for (int j = 0; j < g->noutput; j++)
			io |= g->output[j] == op->result[i];
		int r = check_value(o, g, op->result[i], io, e);
		if (r)
			return r;
	}
	return 0;
}

int rules_check(const struct rules_options *o, const struct mil_graph *g, struct err *e)
{
	int r = 0;
	for (int i = 0; i < g->ninput && !r; i++)
		r = check_value(o, g, g->input[i], 1, e);
	for (int i = 0; i < g->nop && !r; i++)
		r = check_op(o, g, &g->op[i], e);
	for (int id = 0; id < RULE_N && !r; id++) {
		struct rules_look l = {.o = o, .g = g};
		if (rows[id].scope == RULE_PROGRAM && counts(o, (enum rule_id)id) && rules_breaks_program(&l, (enum rule_id)id))
			r = broken_at(&l, (enum rule_id)id, g->nop ? g->op[0].line : 1, g->function, e);
	}
	return r;
}

void rules_apply(const struct rules_options *o, struct mil_graph *g)
{
	if (!o->quirks)
		return;
	for (int i = 0; i < g->nop; i++) {
		struct mil_op *op = &g->op[i];
		for (int a = 0; op->code == MIL_OP_SDPA && a < op->narg; a++) /* a name that no reader asks for */
			if (!strcmp(op->arg[a].name, "attn_mask"))
				op->arg[a].n = 0;
	}
}

/* --- the text --- */

static const struct { const char *word; enum rule_id rule; } words[] = {
	{"neg", RULE_OP}, {"mod", RULE_OP}, {"reduce_prod", RULE_OP}, {"batch_norm", RULE_OP}, {"logical_and", RULE_OP}, {"logical_or", RULE_OP},
	{"logical_xor", RULE_OP}, {"sin", RULE_OP_OLD}, {"cos", RULE_OP_OLD}, {"scatter", RULE_SCATTER}, {"scatter_nd", RULE_SCATTER},
	{"scatter_along_axis", RULE_SCATTER}, {"read_state", RULE_STATE}, {"write_state", RULE_STATE},
};

static int check_word(const struct rules_options *o, const struct mil_token *t, enum rule_id id, struct err *e)
{
	struct rules_look l = {.o = o};
	char name[41];
	snprintf(name, sizeof name, "%.*s", (int)MIN(t->n, sizeof name - 1), t->s);
	return counts(o, id) ? broken_at(&l, id, t->line, name, e) : 0;
}

static int is(const struct mil_token *t, const char *text)
{
	return t->kind != MIL_TOKEN_STRING && t->n == strlen(text) && !memcmp(t->s, text, t->n);
}

int rules_text(const struct rules_options *o, const char *text, size_t n, struct err *e)
{
	struct mil_lexer lex;
	struct mil_token before = {0}, t = {0}, next = {0};
	int r = 0;
	/* A text that is none is the parser's to tell: it knows where and why. */
	for (mil_lex_init(&lex, n ? text : "", n); !r && !mil_lex_next(&lex, &next, NULL); before = t, t = next) {
		if (is(&t, "int4") || is(&t, "uint4"))
			r = check_word(o, &t, RULE_INT4, e);
		if (is(&t, "state") && is(&next, "<"))
			r = check_word(o, &t, RULE_STATE, e);
		for (size_t i = 0; !r && is(&before, "=") && is(&next, "(") && i < ARRAY_LEN(words); i++)
			if (is(&t, words[i].word))
				r = check_word(o, &t, words[i].rule, e);
		if (next.kind == MIL_TOKEN_END)
			break;
	}
	return r;
}

/* --- surfaces --- */

static size_t bytes_of(const struct kernel_io *io)
{
	return (size_t)mil_count(&io->type) * mil_dtype_size(io->type.dtype);
}

size_t rules_surface_bytes(const struct kernel_io *io, int n)
{
	size_t most = SURFACE_SAFE;
	for (int i = 0; i < n; i++)
		most = MAX(most, bytes_of(&io[i]));
	return (most + SURFACE_PAGE - 1) / SURFACE_PAGE * SURFACE_PAGE;
}

static int bind_rule(const struct rules_options *o, enum rule_id id, int is_broken, const struct kernel_io *io, struct err *e)
{
	char where[80], what[48];
	if (!is_broken || !counts(o, id))
		return 0;
	snprintf(where, sizeof where, "bind: %.63s: ", io->name);
	snprintf(what, sizeof what, "%zu bytes", bytes_of(io));
	return broken(o, id, where, what, e);
}

static int check_surfaces(const struct rules_options *o, const struct kernel_io *io, int n, struct err *e)
{
	for (int i = 0; i < n; i++) {
		size_t bytes = bytes_of(&io[i]);
		int r = bind_rule(o, RULE_SURFACE_MIN, bytes < SURFACE_LEAST, &io[i], e);
		if (r || (r = bind_rule(o, RULE_SURFACE_SIZES, bytes != bytes_of(&io[0]), &io[i], e)) ||
		    (r = bind_rule(o, RULE_SURFACE_SMALL, bytes < SURFACE_SAFE, &io[i], e)) ||
		    (r = bind_rule(o, RULE_SURFACE_ALIGN, bytes % SURFACE_ALIGN != 0, &io[i], e)))
			return r;
	}
	return 0;
}

/* Once: the rule about sizes stands for all that padding and sorting does. */
static void say_padding(const struct rules_options *o, const struct kernel_io *in, int nin, const struct kernel_io *out, int nout)
{
	size_t a = rules_surface_bytes(in, nin), b = rules_surface_bytes(out, nout);
	int does = nin > 1 || nout > 1;
	char line[ERR_MSG_MAX];
	for (int i = 0; i < nin + nout; i++)
		does |= bytes_of(i < nin ? &in[i] : &out[i - nin]) < SURFACE_SAFE;
	if (!does || !o->note || (o->told && *o->told >> RULE_SURFACE_SIZES & 1))
		return;
	if (o->told)
		*o->told |= (uint64_t)1 << RULE_SURFACE_SIZES;
	snprintf(line, sizeof line, "sim: %s: bind: surfaces are padded to one size (here %zu bytes in, %zu out) and sorted by name, as on the hardware (pad=off refuses "
		 "instead)", o->chip->name, a, b);
	o->note(o->note_arg, line);
}

int rules_bind(const struct rules_options *o, const struct kernel_io *in, int nin, const struct kernel_io *out, int nout, struct err *e)
{
	if (o->pad) {
		say_padding(o, in, nin, out, nout);
		return 0;
	}
	int r = check_surfaces(o, in, nin, e);
	if (!r)
		r = check_surfaces(o, out, nout, e);
	if (!r && nin)
		r = bind_rule(o, RULE_SURFACE_ORDER, nin > 1 || nout > 1, nin > 1 ? &in[1] : &out[nout - 1], e);
	return r;
}

int rules_loaded(const struct rules_options *o, int n, struct err *e)
{
	char what[48];
	snprintf(what, sizeof what, "%d programs are loaded", n);
	return n > LOADED_SAFE && counts(o, RULE_LOADED) ? broken(o, RULE_LOADED, "", what, e) : 0;
}
