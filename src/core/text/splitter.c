/* splitter.c: the pre-tokenizers of GPT-2, Qwen2 and Llama 3 as regular expressions.
 *
 * The expressions are given to PCRE2 with \s written out: with PCRE2_UCP it would take U+180E for a blank, which Unicode has not since 6.3. They are matched
 * at one place after the other ("anchored"); each of them matches something wherever text is, since their classes together hold every character.
 * SPDX-License-Identifier: MIT */
#include "text/splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define SPACES "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define S "[" SPACES "]"
#define END_OF_BLANKS S "+(?=" S "|\\z)|" S "+" /* \s+(?!\S)|\s+ */

/* Ours (split.h) as an expression, for files only: 64 bytes at most are 64 characters here. */
#define HIRAGANA "\\x{3041}-\\x{309f}"
#define KATAKANA "\\x{30a1}-\\x{30fa}\\x{30fc}-\\x{30ff}\\x{ff66}-\\x{ff9f}"
#define HAN "\\x{3005}\\x{3400}-\\x{9fff}\\x{f900}-\\x{faff}\\x{20000}-\\x{3ffff}"
#define SIGNS "\\x00-\\x08\\x0e-\\x1f!-/:-@\\[-`{-\\x7f\\x{2000}-\\x{206f}\\x{3000}-\\x{3004}\\x{3006}-\\x{303f}\\x{30fb}\\x{ff01}-\\x{ff0f}"
#define BLANKS "\\t-\\r "
#define LETTER "[^" BLANKS "0-9" SIGNS HIRAGANA KATAKANA HAN "]"
#define WORD(n) LETTER "(?:" LETTER "|'(?=[A-Za-z])){0," n "}"
/* Kana have three bytes, Chinese characters nearly all. */
#define RUN(n) "[0-9]{1," n "}|[" SIGNS "]{1," n "}|[" HIRAGANA "]{1,21}|[" KATAKANA "]{1,21}|[" HAN "]{1,21}"

/* As files write it, and for PCRE2. */
static const struct {
	const char *written, *compiled;
} pattern[TOKENIZER_NSPLIT] = {
	[TOKENIZER_SPLIT_OURS] = {
		" (?:" WORD("62") "|" RUN("63") ")|" WORD("63") "|" RUN("64") "|[" BLANKS "]{1,63}(?= [^" BLANKS "])|[" BLANKS "]{1,64}", NULL,
	},
	[TOKENIZER_SPLIT_GPT2] = {
		"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
		"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" SPACES "\\p{L}\\p{N}]+|" END_OF_BLANKS,
	},
	[TOKENIZER_SPLIT_QWEN2] = {
		"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
		"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^" SPACES "\\p{L}\\p{N}]+[\\r\\n]*|" S "*[\\r\\n]+|" END_OF_BLANKS,
	},
	[TOKENIZER_SPLIT_LLAMA3] = {
		"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
		"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^" SPACES "\\p{L}\\p{N}]+[\\r\\n]*|" S "*[\\r\\n]+|" END_OF_BLANKS,
	},
};

struct splitter {
	pcre2_code *code;
};

struct split_state {
	const struct splitter *s;
	pcre2_match_data *md;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

const char *splitter_pattern(enum tokenizer_split split)
{
	return pattern[split].written;
}

int splitter_find(const char *text)
{
	for (int i = 0; i < TOKENIZER_NSPLIT; i++)
		if (pattern[i].written && !strcmp(pattern[i].written, text))
			return i;
	return -1;
}

int split_is_space(unsigned cp)
{
	return (cp >= 9 && cp <= 13) || cp == 32 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
	       cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

int splitter_new(struct splitter **out, enum tokenizer_split split, struct err *e)
{
	int code;
	PCRE2_SIZE at;
	*out = NULL;
	if (!pattern[split].compiled)
		return 0;
	struct splitter *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return err_nomem(e, "tokenizer", sizeof *s);
	s->code = pcre2_compile((PCRE2_SPTR)pattern[split].compiled, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED, &code, &at, NULL);
	if (!s->code) {
		char why[120];
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
		free(s);
		return err_set(e, ERR_STATE, "tokenizer: %s's split: PCRE2: %s (a PCRE2 without Unicode?)", tokenizer_split_name(split), why);
	}
	pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE); /* where there is none the interpreter does the same, slower */
	*out = s;
	return 0;
}

void splitter_free(struct splitter *s)
{
	if (s)
		pcre2_code_free(s->code);
	free(s);
}

struct split_state *split_state_new(const struct splitter *s)
{
	struct split_state *m = mem_zalloc(1, sizeof *m);
	if (!m || !s)
		return m;
	m->s = s;
	m->md = pcre2_match_data_create_from_pattern(s->code, NULL);
	m->context = pcre2_match_context_create(NULL);
	m->stack = pcre2_jit_stack_create(32 << 10, 1 << 20, NULL); /* NULL where there is no JIT */
	if (!m->md || !m->context) {
		split_state_free(m);
		return NULL;
	}
	if (m->stack)
		pcre2_jit_stack_assign(m->context, NULL, m->stack);
	return m;
}

void split_state_free(struct split_state *m)
{
	if (!m)
		return;
	pcre2_match_data_free(m->md);
	pcre2_match_context_free(m->context);
	pcre2_jit_stack_free(m->stack);
	free(m);
}

size_t split_state_next(struct split_state *m, const char *s, size_t n, size_t from)
{
	uint32_t cp;
	if (!m->s)
		return n;
	int rc = pcre2_match(m->s->code, (PCRE2_SPTR)s, n, from, PCRE2_NO_UTF_CHECK, m->md, m->context);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) /* the JIT's stack, at most: the interpreter needs none */
		rc = pcre2_match(m->s->code, (PCRE2_SPTR)s, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, m->md, m->context);
	size_t end = rc > 0 ? pcre2_get_ovector_pointer(m->md)[1] : from;
	if (end > from)
		return end;
	int k = utf8_decode(s + from, n - from, &cp); /* nothing matched (a limit of the interpreter): one character */
	return from + (size_t)(k > 0 ? k : 1);
}
