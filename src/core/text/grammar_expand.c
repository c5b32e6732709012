/* grammar_expand.c: writes one text from a linked grammar. Reading grammars is in grammar.c.
 *
 * First the parts are written one after the other, with marks for articles; then one pass over the result chooses "a" or "an" by the
 * letter that follows and takes away blanks where an empty alternative left two.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "text/grammar_impl.h"

enum { DEPTH_MAX = 40, OTHER_TRIES = 16 };

struct expansion {
	struct grammar *g;
	struct rng *r;
	int depth;
	struct err *e;
};

static const char *const pronoun_text[5][3] = {
	[PRONOUN_HE] = {"he", "she", "it"},	    [PRONOUN_HIM] = {"him", "her", "it"},
	[PRONOUN_HIS] = {"his", "her", "its"},	    [PRONOUN_HERS] = {"his", "hers", "its"},
	[PRONOUN_SELF] = {"himself", "herself", "itself"},
};

static int write_parts(struct expansion *x, size_t from, size_t to, struct str *out);

static void capital_at(struct str *out, size_t at)
{
	if (at >= out->len)
		return;
	if (out->s[at] == MARK_ARTICLE)
		out->s[at] = MARK_ARTICLE_CAPITAL;
	else
		out->s[at] = (char)toupper((unsigned char)out->s[at]);
}

/* One of the rule's lines by weight, and not the one taken just before in this text when there is another. */
static size_t pick(struct expansion *x, struct rule *rule)
{
	size_t k = 0;
	for (int tries = 0; tries < 4; tries++) {
		int at = (int)rng_below(x->r, (uint64_t)rule->total);
		k = rule->first;
		while ((at -= x->g->choice[k].weight) >= 0)
			k++;
		if (k + 1 != rule->last)
			break;
	}
	rule->last = k + 1;
	return k;
}

static int is_taken(const struct grammar *g, int word, const struct str *s)
{
	for (size_t i = 0; i < g->nname; i++)
		if ((int)i != word && g->value[i].rule >= 0 && g->value[i].field[0].len == s->len &&
		    !memcmp(g->value[i].field[0].s, s->s, s->len))
			return 1;
	return 0;
}

/* A line that is nothing but another rule hands over that rule's word with all its fields. */
static int handed_over(const struct grammar *g, const struct choice *c)
{
	const struct part *p = &g->part[c->first[0]];
	return c->nfield == 1 && c->first[1] - c->first[0] == 1 && p->kind == PART_RULE && p->word < 0 ? p->name : -1;
}

/* Chooses a word of `rule` and remembers it as `word`; another than those that are remembered already, if it can. */
static int choose(struct expansion *x, int rule, int word)
{
	struct grammar *g = x->g;
	struct value *v = &g->value[word];
	for (int tries = 0; tries < OTHER_TRIES; tries++) {
		int at = rule, next = rule;
		const struct choice *c = NULL;
		for (int hops = 0; next >= 0 && hops < DEPTH_MAX; hops++) {
			at = next;
			c = &g->choice[pick(x, &g->rule[at])];
			next = handed_over(g, c);
		}
		for (int k = 0; k < c->nfield; k++) {
			struct str aside = v->field[k]; /* the word itself may be used while it is chosen anew */
			v->field[k] = (struct str){0};
			str_clear(&aside);
			str_puts(&aside, "");
			int rc = write_parts(x, c->first[k], c->first[k + 1], &aside);
			str_done(&v->field[k]);
			v->field[k] = aside;
			if (rc)
				return rc;
			v->rule = at;
			v->sex = c->sex;
		}
		if (!is_taken(g, word, &v->field[0]))
			break;
	}
	return 0;
}

static int write_word(struct expansion *x, const struct part *p, struct str *out)
{
	struct grammar *g = x->g;
	const struct value *v = &g->value[p->word];
	if (v->rule < 0)
		return err_set(x->e, ERR_FORMAT, "stories: line %d: %s is used before it is chosen", p->line, g->name[p->word]);
	const struct rule *rule = &g->rule[v->rule];
	if (p->field < 0) {
		str_add(out, v->field[0].s, v->field[0].len);
		return 0;
	}
	for (int k = 0; k < rule->nfield; k++)
		if (rule->field[k] == p->field) {
			str_add(out, v->field[k].s, v->field[k].len);
			return 0;
		}
	for (int k = 0; k < 5; k++)
		if (g->pronoun[k] == p->field) {
			str_puts(out, pronoun_text[k][v->sex == 'm' ? 0 : v->sex == 'f' ? 1 : 2]);
			return 0;
		}
	return err_set(x->e, ERR_FORMAT, "stories: line %d: %s, a %s, has no %s", p->line, g->name[p->word], g->name[rule->name], g->name[p->field]);
}

static int write_rule(struct expansion *x, const struct part *p, struct str *out)
{
	struct grammar *g = x->g;
	if (p->word >= 0) {
		int rc = choose(x, p->name, p->word);
		if (!rc && !p->silent)
			str_add(out, g->value[p->word].field[0].s, g->value[p->word].field[0].len);
		return rc;
	}
	const struct choice *c = &g->choice[pick(x, &g->rule[p->name])];
	return write_parts(x, c->first[0], c->first[1], out);
}

static int write_parts(struct expansion *x, size_t from, size_t to, struct str *out)
{
	if (++x->depth > DEPTH_MAX)
		return err_set(x->e, ERR_FORMAT, "stories: rules that contain themselves, %d deep", DEPTH_MAX);
	for (size_t i = from; i < to; i++) {
		const struct part *p = &x->g->part[i];
		size_t at = out->len;
		int rc = 0;
		switch (p->kind) {
		case PART_TEXT:
			str_add(out, x->g->pool.s + p->at, p->len);
			break;
		case PART_ARTICLE:
			str_putc(out, MARK_ARTICLE);
			break;
		case PART_LINE:
			str_putc(out, '\n');
			break;
		case PART_WORD:
			rc = write_word(x, p, out);
			break;
		case PART_RULE:
			rc = write_rule(x, p, out);
			break;
		}
		if (rc)
			return rc;
		if (p->capital)
			capital_at(out, at);
	}
	x->depth--;
	return out->failed ? err_nomem(x->e, "stories", out->len) : 0;
}

static int begins(const char *s, size_t n, const char *with)
{
	size_t k = strlen(with);
	return n >= k && !strncmp(s, with, k);
}

/* By sound as far as spelling tells: an hour, a unicorn, an umbrella, a one-eyed cat. */
static int wants_an(const char *s, size_t n)
{
	if (begins(s, n, "hour") || begins(s, n, "honest"))
		return 1;
	if (begins(s, n, "uni") || begins(s, n, "uku") || begins(s, n, "use") || begins(s, n, "eu") || begins(s, n, "one"))
		return 0;
	return n && strchr("aeiouAEIOU", s[0]) != NULL;
}

static void tidy(const struct str *raw, struct str *out)
{
	size_t begin = out->len;
	for (size_t i = 0; i < raw->len; i++) {
		char c = raw->s[i], last = out->len > begin ? out->s[out->len - 1] : '\n';
		if (c == MARK_ARTICLE || c == MARK_ARTICLE_CAPITAL) {
			size_t k = i + 1;
			while (k < raw->len && raw->s[k] == ' ')
				k++;
			str_putc(out, c == MARK_ARTICLE ? 'a' : 'A');
			if (wants_an(raw->s + k, raw->len - k))
				str_putc(out, 'n');
			continue;
		}
		if (c == ' ' && (last == ' ' || last == '\n'))
			continue;
		if (c == '\n' && last == '\n')
			continue;
		if (last == ' ' && out->len > begin && strchr("\n.,!?", c))
			out->s[--out->len] = 0;
		str_putc(out, c);
	}
	while (out->len > begin && (out->s[out->len - 1] == ' ' || out->s[out->len - 1] == '\n'))
		out->s[--out->len] = 0;
}

int grammar_expand(struct grammar *g, const char *rule, struct rng *r, struct str *out, struct err *e)
{
	struct expansion x = {g, r, 0, e};
	int start = -1;
	for (size_t i = 0; i < g->nrule; i++) {
		g->rule[i].last = 0;
		if (!strcmp(g->name[g->rule[i].name], rule))
			start = (int)i;
	}
	if (start < 0)
		return err_set(e, ERR_FORMAT, "stories: no rule has the name %s", rule);
	for (size_t i = 0; i < g->nname; i++)
		g->value[i].rule = -1;
	str_clear(&g->raw);
	const struct choice *c = &g->choice[pick(&x, &g->rule[start])];
	int rc = write_parts(&x, c->first[0], c->first[1], &g->raw);
	if (!rc)
		tidy(&g->raw, out);
	return rc ? rc : out->failed ? err_nomem(e, "stories", out->len) : 0;
}
