/* nfc.c: normal form C, segment by segment: a character that nothing before it combines with, and the marks that follow it.
 *
 * Most text is in that form already: below U+0300, and among kana, Chinese characters and Hangul syllables, a character without a mark behind it is left alone
 * without a look into utf8proc's tables.
 * SPDX-License-Identifier: MIT */
#include "text/nfc.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { SEGMENT_MAX = 1024 };

/* In normal form C by itself, and a start. */
static int plain(uint32_t cp)
{
	return cp < 0x300 || (cp >= 0x3041 && cp <= 0x3096) || (cp >= 0x30a1 && cp <= 0x30fa) || (cp >= 0x3400 && cp <= 0x9fff) || (cp >= 0xac00 && cp <= 0xd7a3);
}

/* What combines with a character before it is a mark, or a vowel or final consonant of Hangul. */
int nfc_is_start(uint32_t cp)
{
	if (plain(cp))
		return 1;
	if ((cp >= 0x1160 && cp <= 0x11ff) || (cp >= 0xd7b0 && cp <= 0xd7ff))
		return 0;
	const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
	return p->category != UTF8PROC_CATEGORY_MN && p->category != UTF8PROC_CATEGORY_MC && p->category != UTF8PROC_CATEGORY_ME && p->combining_class == 0;
}

/* The bytes of the segment at s; *check: whether the tables have to be asked what becomes of it. */
static size_t segment(const char *s, size_t n, int *check)
{
	uint32_t cp = 0;
	int k = utf8_decode(s, n, &cp);
	size_t i = (size_t)(k > 0 ? k : 1);
	*check = !plain(cp) && utf8proc_get_property((utf8proc_int32_t)cp)->decomp_seqindex != UINT16_MAX;
	while (i < n && i < SEGMENT_MAX && (unsigned char)s[i] >= 0xcc) { /* U+0300 is 0xcc 0x80 */
		k = utf8_decode(s + i, n - i, &cp);
		if (k <= 0 || nfc_is_start(cp))
			break;
		*check = 1;
		i += (size_t)k;
	}
	return i;
}

/* The normal form of a segment into x->point, as bytes; how many, or -1. */
static long long compose(struct nfc *x, const char *s, size_t n)
{
	const utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
	for (;;) {
		utf8proc_ssize_t got = utf8proc_decompose((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, x->point, (utf8proc_ssize_t)x->cap_point, how);
		if (got < 0)
			return -1;
		if ((size_t)got < x->cap_point) /* one more is needed for the NUL */
			return utf8proc_reencode(x->point, got, how);
		if (mem_grow(&x->point, &x->cap_point, (size_t)got + 1, sizeof *x->point))
			return -1;
	}
}

static int change(struct nfc *x, size_t src_to, const char *s, size_t n)
{
	if (mem_grow(&x->change, &x->cap, x->nchange + 1, sizeof *x->change))
		return -1;
	x->change[x->nchange++] = (struct nfc_change){x->out.len, x->out.len + n, src_to};
	str_add(&x->out, s, n);
	return x->out.failed ? -1 : 0;
}

int nfc_run(struct nfc *x, const char *s, size_t n)
{
	size_t copied = 0;
	str_clear(&x->out);
	x->nchange = 0;
	for (size_t i = 0, k; i < n; i += k) {
		int check;
		k = (unsigned char)s[i] < 0x80 ? 1 : 2;
		if ((unsigned char)s[i] < 0xcc && (i + k >= n || (unsigned char)s[i + k] < 0xcc)) /* below U+0300, and no mark behind it */
			continue;
		k = segment(s + i, n - i, &check);
		if (!check)
			continue;
		long long got = compose(x, s + i, k);
		if (got < 0)
			return -1;
		if ((size_t)got == k && !memcmp(x->point, s + i, k))
			continue;
		str_add(&x->out, s + copied, i - copied);
		copied = i + k;
		if (change(x, copied, (const char *)x->point, (size_t)got))
			return -1;
	}
	if (!x->nchange) {
		x->s = s;
		x->n = n;
		return 0;
	}
	str_add(&x->out, s + copied, n - copied);
	x->s = x->out.s;
	x->n = x->out.len;
	return x->out.failed ? -1 : 0;
}

void nfc_done(struct nfc *x)
{
	free(x->change);
	free(x->point);
	str_done(&x->out);
	*x = (struct nfc){0};
}

long long nfc_back(const struct nfc *x, size_t at)
{
	size_t lo = 0, hi = x->nchange; /* the changes that end at or before `at` */
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (x->change[mid].to <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < x->nchange && x->change[lo].from < at)
		return -1;
	return (long long)(lo ? x->change[lo - 1].src_to + (at - x->change[lo - 1].to) : at);
}
