/* number.c: text to elements. A decimal in an fp16 list is rounded once, from the text to 11 bits. strtod reads "0.5" in the
 * "C" numeric locale only, which the program keeps.
 * SPDX-License-Identifier: MIT */
#include "mil/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"

enum { NUMBER_MAX = 256 }; /* characters of one number */

uint16_t mil_fp16_from_double(double v)
{
	float f = (float)v;
	if (isfinite(f) && (double)f != v) {
		/* Round to odd: the float keeps a trace of what was cut, so the second rounding sees no false tie. */
		uint32_t b;
		memcpy(&b, &f, 4);
		if (fabs((double)f) > fabs(v))
			b--;
		b |= 1;
		memcpy(&f, &b, 4);
	}
	return fp16_from_f32(f);
}

/* The digits of a decimal without point and leading zeros; *exp10 is the place of the first one. Returns how many. */
static int decimal_digits(char *out, int max, const char *s, long *exp10)
{
	int n = 0, point = 0;
	long before = 0, after_zeros = 0;
	for (; *s && *s != 'e' && *s != 'E'; s++) {
		if (*s < '0' || *s > '9') {
			point = point || (*s != '-' && *s != '+');
			continue;
		}
		if (n == 0 && *s == '0') {
			after_zeros += point;
			continue;
		}
		if (n < max)
			out[n++] = *s;
		before += !point;
	}
	*exp10 = (before ? before : -after_zeros) + (*s ? strtol(s + 1, NULL, 10) : 0);
	while (n > 0 && out[n - 1] == '0')
		n--;
	return n;
}

/* Sign of (decimal text without sign) - a, a being exactly printable with 60 digits. */
static int decimal_compare(const char *text, double a)
{
	char exact[96], da[NUMBER_MAX], db[NUMBER_MAX];
	long ea, eb;
	snprintf(exact, sizeof exact, "%.60e", a);
	int na = decimal_digits(da, NUMBER_MAX, text, &ea), nb = decimal_digits(db, NUMBER_MAX, exact, &eb);
	if (ea != eb)
		return ea > eb ? 1 : -1;
	int r = memcmp(da, db, (size_t)MIN(na, nb));
	return r ? r : na - nb;
}

/* strtod has rounded once already. That matters only when its result lies half way between two fp16 numbers: then
 * the text itself says on which side it is. */
static uint16_t fp16_from_decimal(const char *text, double v)
{
	double a = fabs(v), ulp = ldexp(1, MAX(a > 0 ? ilogb(a) : -14, -14) - 10), q = a / ulp;
	if (a > 0 && a < 70000 && q - floor(q) == 0.5) {
		int side = decimal_compare(text + (*text == '-' || *text == '+'), a);
		if (side)
			v = copysign(nextafter(a, side > 0 ? HUGE_VAL : 0), v);
	}
	return mil_fp16_from_double(v);
}

static int is_plain_word(const char *s, const char *word)
{
	return !strcmp(s + (*s == '-' || *s == '+'), word);
}

static int store_float(void *dst, enum mil_dtype d, const char *s, const struct mil_token *t, struct err *e)
{
	const char *name = mil_dtype_name(d), *p = s + (*s == '-' || *s == '+');
	int word = is_plain_word(s, "inf") || is_plain_word(s, "nan"), hex = p[0] == '0' && (p[1] | 32) == 'x';
	if (t->kind == MIL_TOKEN_STRING || (!word && !(*p >= '0' && *p <= '9') && *p != '.'))
		return mil_fail(e, t->line, t->col, "expected a number for %s near '%s'", name, s);
	if (hex && !strpbrk(s, "pP."))
		return mil_fail(e, t->line, t->col,
				"'%s': a hex integer in an %s list is ambiguous: value or bit pattern? (write a decimal, or a hex float as 0x1.8p+1)",
				s, name);
	if (hex && !strpbrk(s, "pP"))
		return mil_fail(e, t->line, t->col, "'%s': a hex float needs an exponent (0x1.8p+1)", s);
	char *end;
	double v = strtod(s, &end);
	float f = strtof(s, NULL);
	if (*end)
		return mil_fail(e, t->line, t->col, "'%s' is no number", s);
	uint16_t h = hex || word ? mil_fp16_from_double(v) : fp16_from_decimal(s, v);
	if (!word && (d == MIL_FP16 ? (h & 0x7fff) == 0x7c00 : isinf(f)))
		return mil_fail(e, t->line, t->col, "%s is too large for %s (largest %s; write inf for infinity)", s, name,
				d == MIL_FP16 ? "65504" : "3.4028235e38");
	if (d == MIL_FP16)
		memcpy(dst, &h, 2);
	else
		memcpy(dst, &f, 4);
	return 0;
}

static const struct {
	int64_t lo;
	uint64_t hi;
} int_range[MIL_NDTYPE] = {
	[MIL_INT8] = {INT8_MIN, INT8_MAX},   [MIL_UINT8] = {0, UINT8_MAX},   [MIL_INT16] = {INT16_MIN, INT16_MAX},
	[MIL_UINT16] = {0, UINT16_MAX},      [MIL_INT32] = {INT32_MIN, INT32_MAX}, [MIL_UINT32] = {0, UINT32_MAX},
	[MIL_INT64] = {INT64_MIN, INT64_MAX}, [MIL_UINT64] = {0, UINT64_MAX},
};

static int store_int(void *dst, enum mil_dtype d, const char *s, const struct mil_token *t, struct err *e)
{
	const char *name = mil_dtype_name(d), *p = s + (*s == '-' || *s == '+');
	if (t->kind == MIL_TOKEN_STRING || !*p || strspn(p, "0123456789") != strlen(p))
		return mil_fail(e, t->line, t->col, "expected an integer for %s near '%s'", name, s);
	errno = 0;
	unsigned long long m = strtoull(p, NULL, 10);
	uint64_t limit = *s == '-' ? (uint64_t)0 - (uint64_t)int_range[d].lo : int_range[d].hi;
	if (errno == ERANGE || m > limit)
		return mil_fail(e, t->line, t->col, "%s does not fit in %s (%lld to %llu)", s, name, (long long)int_range[d].lo,
				(unsigned long long)int_range[d].hi);
	uint64_t v = *s == '-' ? (uint64_t)0 - m : m;
	switch (mil_dtype_size(d)) {
	case 1: *(uint8_t *)dst = (uint8_t)v; break;
	case 2: memcpy(dst, &(uint16_t){(uint16_t)v}, 2); break;
	case 4: memcpy(dst, &(uint32_t){(uint32_t)v}, 4); break;
	default: memcpy(dst, &v, 8);
	}
	return 0;
}

int mil_number_store(void *dst, enum mil_dtype d, const struct mil_token *t, struct err *e)
{
	char s[NUMBER_MAX + 1];
	if (t->n > NUMBER_MAX)
		return mil_fail(e, t->line, t->col, "a number of %zu characters (at most %d)", t->n, NUMBER_MAX);
	memcpy(s, t->s, t->n);
	s[t->n] = 0;
	if (d == MIL_FP16 || d == MIL_FP32)
		return store_float(dst, d, s, t, e);
	if (d != MIL_BOOL)
		return store_int(dst, d, s, t, e);
	if (t->kind != MIL_TOKEN_WORD || (strcmp(s, "true") && strcmp(s, "false")))
		return mil_fail(e, t->line, t->col, "expected true or false near '%s'", s);
	*(uint8_t *)dst = s[0] == 't';
	return 0;
}

#define LOAD(type) (((const type *)data)[i])

double mil_number_load(const void *data, enum mil_dtype d, int64_t i)
{
	switch (d) {
	case MIL_FP16: return (double)fp16_to_f32(LOAD(uint16_t));
	case MIL_FP32: return (double)LOAD(float);
	case MIL_INT32: return LOAD(int32_t);
	case MIL_INT8: return LOAD(int8_t);
	case MIL_UINT8: case MIL_BOOL: return LOAD(uint8_t);
	case MIL_INT16: return LOAD(int16_t);
	case MIL_UINT16: return LOAD(uint16_t);
	case MIL_UINT32: return LOAD(uint32_t);
	case MIL_UINT64: return (double)LOAD(uint64_t);
	case MIL_INT64: return (double)LOAD(int64_t);
	case MIL_STRING: case MIL_NDTYPE: break;
	}
	return 0;
}
