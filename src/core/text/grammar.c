/* grammar.c: reads grammar files. The format is explained at the head of assets/stories/grammar.txt.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/grammar_impl.h"

struct reader {
	struct grammar *g;
	const char *file;
	int line;
	struct err *e;
};

static const char *const pronouns[5] = {"he", "him", "his", "hers", "himself"};

static int bad(const struct reader *r, const char *why, const char *what, size_t n)
{
	return err_set(r->e, ERR_FORMAT, "stories: %s:%d: %s: %.*s", r->file, r->line, why, (int)MIN(n, 60), what);
}

static int no_memory(const struct reader *r)
{
	return err_nomem(r->e, "stories", r->g->npart * sizeof *r->g->part);
}

/* The number of a name, case of its first letter aside; made when it is new. */
static int name_number(struct grammar *g, const char *s, size_t n)
{
	char low[NAME_LEN] = "";
	if (n == 0 || n >= NAME_LEN)
		return -1;
	memcpy(low, s, n);
	low[0] = (char)tolower((unsigned char)low[0]);
	for (size_t i = 0; i < g->nname; i++)
		if (!strcmp(g->name[i], low))
			return (int)i;
	if (mem_grow(&g->name, &g->cap_name, g->nname + 1, sizeof *g->name))
		return -1;
	memcpy(g->name[g->nname], low, NAME_LEN);
	return (int)g->nname++;
}

struct grammar *grammar_new(void)
{
	struct grammar *g = mem_zalloc(1, sizeof *g);
	if (!g)
		return NULL;
	g->hero = name_number(g, "hero", 4);
	for (int i = 0; i < 5; i++)
		g->pronoun[i] = name_number(g, pronouns[i], strlen(pronouns[i]));
	return g;
}

void grammar_free(struct grammar *g)
{
	if (!g)
		return;
	for (size_t i = 0; g->value && i < g->nname; i++)
		for (int k = 0; k < FIELDS_MAX; k++)
			str_done(&g->value[i].field[k]);
	for (int i = 0; i < g->nfiles; i++)
		free(g->files[i]);
	for (int k = 0; k < FIELDS_MAX; k++)
		str_done(&g->scratch[k]);
	str_done(&g->raw);
	str_done(&g->pool);
	free(g->value);
	free(g->rule_of);
	free(g->name);
	free(g->rule);
	free(g->choice);
	free(g->part);
	free(g);
}

static int add_part(const struct reader *r, struct part p)
{
	struct grammar *g = r->g;
	if (mem_grow(&g->part, &g->cap_part, g->npart + 1, sizeof *g->part))
		return no_memory(r);
	p.line = r->line;
	g->part[g->npart++] = p;
	return 0;
}

static int add_text(const struct reader *r, const char *s, size_t n)
{
	struct part p = {.kind = PART_TEXT, .at = r->g->pool.len, .len = n};
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '}')
			return bad(r, "a } without its {", s, n);
	str_add(&r->g->pool, s, n);
	return r->g->pool.failed ? no_memory(r) : add_part(r, p);
}

static int is_name(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-')
			return 0;
	return n > 0 && n < NAME_LEN;
}

/* What stands between { and }. */
static int add_slot(const struct reader *r, const char *s, size_t n)
{
	struct grammar *g = r->g;
	const char *eq = memchr(s, '=', n), *dot = memchr(s, '.', n);
	struct part p = {.kind = PART_RULE, .word = -1, .field = -1, .capital = n && isupper((unsigned char)*s)};
	if (n == 1 && (*s == 'n' || *s == 'a' || *s == 'A')) {
		p.kind = *s == 'n' ? PART_LINE : PART_ARTICLE;
		return add_part(r, p);
	}
	if (eq) {
		p.silent = eq > s && eq[-1] == ':';
		size_t left = (size_t)(eq - s) - (size_t)p.silent;
		if (!is_name(s, left))
			return bad(r, "no name before =", s, n);
		p.word = name_number(g, s, left);
		n -= (size_t)(eq + 1 - s);
		s = eq + 1;
	} else if (dot) {
		p.kind = PART_WORD;
		size_t left = (size_t)(dot - s), right = n - left - 1;
		if (!is_name(s, left) || !is_name(dot + 1, right))
			return bad(r, "not NAME.FIELD", s, n);
		p.word = name_number(g, s, left);
		p.field = name_number(g, dot + 1, right);
		return p.word < 0 || p.field < 0 ? no_memory(r) : add_part(r, p);
	}
	if (!is_name(s, n))
		return bad(r, "no name in { }", s, n);
	p.name = name_number(g, s, n);
	return p.name < 0 ? no_memory(r) : add_part(r, p);
}

static int add_field(const struct reader *r, const char *s, size_t n)
{
	size_t from = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] != '{')
			continue;
		const char *close = memchr(s + i, '}', n - i);
		if (!close)
			return bad(r, "a { without its }", s + i, n - i);
		int rc = add_text(r, s + from, i - from);
		if (!rc)
			rc = add_slot(r, s + i + 1, (size_t)(close - s) - i - 1);
		if (rc)
			return rc;
		i = (size_t)(close - s);
		from = i + 1;
	}
	return add_text(r, s + from, n - from);
}

/* "3* text / text :f" */
static int add_choice(const struct reader *r, const char *s, size_t n)
{
	struct grammar *g = r->g;
	if (!g->nrule)
		return bad(r, "a line before the first [rule]", s, n);
	struct rule *rule = &g->rule[g->nrule - 1];
	struct choice c = {.weight = 1, .sex = rule->sex};
	size_t digits = 0;
	while (digits < n && digits < 4 && isdigit((unsigned char)s[digits]))
		digits++;
	if (digits && digits < n && s[digits] == '*') {
		c.weight = atoi(s);
		for (digits++; digits < n && s[digits] == ' '; digits++)
			;
		s += digits;
		n -= digits;
	}
	if (rule->falling)
		c.weight *= 1200 / ((int)rule->n + 3) + 1;
	if (n >= 3 && s[n - 3] == ' ' && s[n - 2] == ':' && strchr("mfn", s[n - 1])) {
		c.sex = s[n - 1];
		n -= 3;
	}
	if (n == 1 && *s == '-')
		n = 0;
	for (size_t from = 0, i = 0; i <= n; i++) {
		if (i < n && !(rule->nfield > 1 && i + 3 <= n && !memcmp(s + i, " / ", 3)))
			continue;
		if (c.nfield == FIELDS_MAX)
			return bad(r, "too many fields", s, n);
		c.first[c.nfield++] = g->npart;
		int rc = add_field(r, s + from, i - from);
		if (rc)
			return rc;
		from = i + 3;
		i += 2;
	}
	if (c.nfield != rule->nfield)
		return bad(r, "not as many fields as its rule names", s, n);
	c.first[c.nfield] = g->npart;
	if (c.weight < 1 || mem_grow(&g->choice, &g->cap_choice, g->nchoice + 1, sizeof *g->choice))
		return c.weight < 1 ? bad(r, "a weight of 0", s, n) : no_memory(r);
	g->choice[g->nchoice++] = c;
	rule->n++;
	rule->total += c.weight;
	return 0;
}

/* "name : field field :f ~" */
static int add_rule(const struct reader *r, const char *s, size_t n)
{
	struct grammar *g = r->g;
	struct rule rule = {.name = -1, .file = r->file, .first = g->nchoice};
	char copy[256], *save = NULL;
	if (n >= sizeof copy)
		return bad(r, "rule head too long", s, n);
	memcpy(copy, s, n);
	copy[n] = 0;
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		size_t len = strlen(w);
		if (!strcmp(w, ":"))
			continue;
		if (!strcmp(w, "~"))
			rule.falling = 1;
		else if (w[0] == ':' && len == 2 && strchr("mfn", w[1]))
			rule.sex = w[1];
		else if (!is_name(w, len))
			return bad(r, "not a name", w, len);
		else if (rule.name < 0)
			rule.name = name_number(g, w, len);
		else if (rule.nfield == FIELDS_MAX)
			return bad(r, "too many fields", w, len);
		else
			rule.field[rule.nfield++] = name_number(g, w, len);
	}
	if (rule.name < 0)
		return bad(r, "a rule without a name", s, n);
	for (size_t i = 0; i < g->nrule; i++)
		if (g->rule[i].name == rule.name)
			return bad(r, "this rule is there already", s, n);
	if (!rule.nfield)
		rule.field[rule.nfield++] = rule.name;
	if (mem_grow(&g->rule, &g->cap_rule, g->nrule + 1, sizeof *g->rule))
		return no_memory(r);
	g->rule[g->nrule++] = rule;
	return 0;
}

/* Several choices may share a line: "red | green | blue". */
static int add_choices(const struct reader *r, const char *s, size_t n)
{
	int rc = 0;
	for (size_t from = 0, i = 0; i <= n && !rc; i++) {
		if (i < n && !(i + 3 <= n && !memcmp(s + i, " | ", 3)))
			continue;
		rc = add_choice(r, s + from, i - from);
		from = i + 3;
		i += 2;
	}
	return rc;
}

int grammar_add(struct grammar *g, const char *text, size_t n, const char *file, struct err *e)
{
	struct reader r = {g, file, 0, e};
	if (g->nfiles == (int)ARRAY_LEN(g->files) || !(g->files[g->nfiles] = mem_strdup(file)))
		return err_set(e, ERR_RANGE, "stories: %s: more than %zu files", file, ARRAY_LEN(g->files));
	r.file = g->files[g->nfiles++];
	for (size_t i = 0; i < n;) {
		const char *s = text + i, *eol = memchr(s, '\n', n - i);
		size_t len = eol ? (size_t)(eol - s) : n - i;
		i += len + 1;
		r.line++;
		while (len && isspace((unsigned char)s[len - 1]))
			len--;
		if (!len || *s == '#')
			continue;
		int rc = s[0] == '[' && s[len - 1] == ']' ? add_rule(&r, s + 1, len - 2) : add_choices(&r, s, len);
		if (rc)
			return rc;
	}
	return 0;
}

/* chosen[word]: it is chosen somewhere. */
static int link_part(struct grammar *g, const char *chosen, struct part *p, const struct rule *rule, struct err *e)
{
	if (p->kind == PART_RULE) {
		int target = g->rule_of[p->name];
		for (int k = 0; k < 5 && p->word < 0; k++)
			if (p->name == g->pronoun[k]) {
				p->kind = PART_WORD;
				p->word = g->hero;
				p->field = p->name;
				return 0;
			}
		if (target >= 0) {
			p->name = target;
			return 0;
		}
		if (p->word >= 0 || !chosen[p->name])
			return err_set(e, ERR_FORMAT, "stories: %s:%d: no rule and no chosen word has the name %s", rule->file, p->line, g->name[p->name]);
		p->kind = PART_WORD;
		p->word = p->name;
	}
	if (p->kind == PART_WORD && !chosen[p->word])
		return err_set(e, ERR_FORMAT, "stories: %s:%d: the word %s is never chosen", rule->file, p->line, g->name[p->word]);
	return 0;
}

static int link_parts(struct grammar *g, const char *chosen, struct err *e)
{
	for (size_t i = 0; i < g->nrule; i++) {
		const struct rule *rule = &g->rule[i];
		const struct choice *last = &g->choice[rule->first + rule->n - 1];
		for (size_t k = g->choice[rule->first].first[0]; k < last->first[last->nfield]; k++) {
			int rc = link_part(g, chosen, &g->part[k], rule, e);
			if (rc)
				return rc;
		}
	}
	return 0;
}

int grammar_link(struct grammar *g, struct err *e)
{
	g->rule_of = mem_zalloc(g->nname, sizeof *g->rule_of);
	g->value = mem_zalloc(g->nname, sizeof *g->value);
	if (!g->rule_of || !g->value)
		return err_nomem(e, "stories", g->nname * sizeof *g->value);
	for (size_t i = 0; i < g->nname; i++)
		g->rule_of[i] = -1;
	for (size_t i = 0; i < g->nrule; i++) {
		g->rule_of[g->rule[i].name] = (int)i;
		if (!g->rule[i].n)
			return err_set(e, ERR_FORMAT, "stories: %s: rule %s has no lines", g->rule[i].file, g->name[g->rule[i].name]);
	}
	char *chosen = mem_zalloc(g->nname, 1);
	if (!chosen)
		return err_nomem(e, "stories", g->nname);
	for (size_t i = 0; i < g->npart; i++)
		if (g->part[i].kind == PART_RULE && g->part[i].word >= 0)
			chosen[g->part[i].word] = 1;
	int rc = link_parts(g, chosen, e);
	free(chosen);
	return rc;
}
