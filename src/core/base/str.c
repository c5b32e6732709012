/* str.c: growing strings and a few number formats.
 * SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

void str_done(struct str *b)
{
	free(b->s);
	*b = (struct str){0};
}

void str_clear(struct str *b)
{
	b->len = 0;
	b->failed = 0;
	if (b->s)
		b->s[0] = 0;
}

static int reserve(struct str *b, size_t n)
{
	if (b->failed || n > (size_t)-1 - b->len - 1 || mem_grow(&b->s, &b->cap, b->len + n + 1, 1)) {
		b->failed = 1;
		return -1;
	}
	return 0;
}

void str_add(struct str *b, const void *bytes, size_t n)
{
	if (reserve(b, n))
		return;
	if (n)
		memcpy(b->s + b->len, bytes, n);
	b->len += n;
	b->s[b->len] = 0;
}

void str_zeros(struct str *b, size_t n)
{
	if (reserve(b, n))
		return;
	memset(b->s + b->len, 0, n + 1);
	b->len += n;
}

void str_puts(struct str *b, const char *s)
{
	str_add(b, s, strlen(s));
}

void str_putc(struct str *b, char c)
{
	str_add(b, &c, 1);
}

void str_vprintf(struct str *b, const char *fmt, va_list ap)
{
	va_list ap2;
	va_copy(ap2, ap);
	int n = vsnprintf(NULL, 0, fmt, ap2);
	va_end(ap2);
	if (n < 0 || reserve(b, (size_t)n))
		return;
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void str_printf(struct str *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	str_vprintf(b, fmt, ap);
	va_end(ap);
}

void str_json(struct str *b, const char *s, size_t n)
{
	str_putc(b, '"');
	for (size_t i = 0; i < n;) {
		uint32_t cp;
		int k = utf8_decode(s + i, n - i, &cp);
		if (k < 0) {
			str_puts(b, "\xef\xbf\xbd");
			i++;
			continue;
		}
		if (cp == '"' || cp == '\\') {
			str_putc(b, '\\');
			str_putc(b, (char)cp);
		} else if (cp == '\n') {
			str_puts(b, "\\n");
		} else if (cp == '\t') {
			str_puts(b, "\\t");
		} else if (cp < 0x20 || cp == 0x7f) {
			str_printf(b, "\\u%04x", cp);
		} else {
			str_add(b, s + i, (size_t)k);
		}
		i += (size_t)k;
	}
	str_putc(b, '"');
}

int str_number(const char *s, double *v)
{
	char *end;
	if (!*s || s[strspn(s, "+-.eE0123456789")])
		return -1;
	double x = strtod(s, &end);
	if (end == s || *end || !isfinite(x))
		return -1;
	*v = x;
	return 0;
}

char *str_si(char buf[16], double v)
{
	static const char *const unit[] = {"", " k", " M", " G", " T"};
	size_t u = 0;
	if (!isfinite(v)) {
		snprintf(buf, 16, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
		return buf;
	}
	while (fabs(v) >= 999.5 && u + 1 < ARRAY_LEN(unit)) {
		v /= 1000;
		u++;
	}
	if (u == 0 && v == floor(v))
		snprintf(buf, 16, "%.0f", v);
	else
		snprintf(buf, 16, "%.*f%s", fabs(v) < 10 ? 2 : fabs(v) < 100 ? 1 : 0, v, unit[u]);
	return buf;
}

char *str_bytes(char buf[16], unsigned long long n)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t u = 0;
	double v = (double)n;
	while (v >= 1000 && u + 1 < ARRAY_LEN(unit)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, 16, u && v < 10 ? "%.1f %s" : "%.0f %s", v, unit[u]);
	return buf;
}

int str_distance(const char *a, const char *b)
{
	enum { MAX_LEN = 64 };
	int n = (int)strnlen(a, MAX_LEN), m = (int)strnlen(b, MAX_LEN);
	int row[3][MAX_LEN + 1];
	for (int j = 0; j <= m; j++)
		row[0][j] = j;
	for (int i = 1; i <= n; i++) {
		int *cur = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
		cur[0] = i;
		for (int j = 1; j <= m; j++) {
			int d = up[j - 1] + (a[i - 1] != b[j - 1]);
			d = MIN(d, up[j] + 1);
			d = MIN(d, cur[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = MIN(d, up2[j - 2] + 1);
			cur[j] = d;
		}
	}
	return row[n % 3][m];
}
