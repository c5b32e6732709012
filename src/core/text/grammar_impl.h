/* grammar_impl.h: the parsed form, shared by grammar.c (reading) and grammar_expand.c (writing text).
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_GRAMMAR_IMPL_H
#define ANETUI_TEXT_GRAMMAR_IMPL_H

#include "text/grammar.h"

enum { FIELDS_MAX = 6, NAME_LEN = 32 };

enum part_kind { PART_TEXT, PART_RULE, PART_WORD, PART_ARTICLE, PART_LINE };

/* Marks in unfinished text: an article is chosen when the word after it is known. */
enum { MARK_ARTICLE = 1, MARK_ARTICLE_CAPITAL = 2 };

struct part {
	enum part_kind kind;
	int capital;     /* first letter in upper case */
	int silent;      /* PART_RULE: remember only */
	int name;        /* PART_RULE: rule name, then (linked) rule; -1 none */
	int word;        /* PART_RULE: remember as this; PART_WORD: this one */
	int field;       /* PART_WORD: name of a field or pronoun, -1: the first field */
	size_t at, len;  /* PART_TEXT: of pool */
	int line;
};

struct choice {
	int weight;
	char sex;        /* m, f, n, or 0 */
	int nfield;
	size_t first[FIELDS_MAX + 1]; /* parts [first[k], first[k+1]) are field k */
};

struct rule {
	int name;
	const char *file;
	char sex;
	int nfield, field[FIELDS_MAX];
	size_t first, n;  /* choices */
	int falling;      /* earlier choices are more likely */
	int total;        /* of their weights */
	size_t last;      /* the choice taken last in this text */
};

struct grammar {
	struct str pool;     /* all literal text */
	struct part *part;
	size_t npart, cap_part;
	struct choice *choice;
	size_t nchoice, cap_choice;
	struct rule *rule;
	size_t nrule, cap_rule;
	char (*name)[NAME_LEN]; /* of rules, words, fields */
	size_t nname, cap_name;
	int *rule_of;        /* by name, after linking */
	char *files[8];
	int nfiles;
	int hero, pronoun[5]; /* names */
	struct value *value; /* by name: what is remembered */
	struct str scratch[FIELDS_MAX];
	struct str raw;
};

struct value {
	int rule;            /* -1: nothing remembered */
	char sex;
	struct str field[FIELDS_MAX];
};

enum pronoun { PRONOUN_HE, PRONOUN_HIM, PRONOUN_HIS, PRONOUN_HERS, PRONOUN_SELF };

#endif
