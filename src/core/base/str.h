/* str.h: a growing byte string, for program text, JSON lines and messages. Not UTF-8 aware.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_STR_H
#define ANETUI_BASE_STR_H

#include <stdarg.h>
#include <stddef.h>

struct str {
	char *s;      /* NUL-terminated when not NULL */
	size_t len;   /* bytes, without the NUL */
	size_t cap;
	int failed;   /* 1 once memory ran out; later appends do nothing, so check once at the end */
};

void str_done(struct str *b);
void str_clear(struct str *b); /* empty again, the memory is kept; a failure is forgotten */
void str_add(struct str *b, const void *bytes, size_t n);
void str_zeros(struct str *b, size_t n); /* n zero bytes */
void str_puts(struct str *b, const char *s);
void str_putc(struct str *b, char c);
void str_printf(struct str *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vprintf(struct str *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* s as a JSON string with quotes; control bytes and bytes that are no UTF-8 are escaped (the latter as U+FFFD). */
void str_json(struct str *b, const char *s, size_t n);

/* The whole of `s` as a finite decimal number: 0; else -1 and *v stays. No blanks, no hexadecimal, no NaN. */
int str_number(const char *s, double *v);
/* 14.2 k, 3.10 M, ... into buf (always fits 16 bytes); 1000-based. Returns buf. */
char *str_si(char buf[16], double v);
/* 612 KiB, 1.4 GiB, ... into buf. Returns buf. */
char *str_bytes(char buf[16], unsigned long long v);
/* Edit distance (insert, delete, replace, swap of neighbours), for "did you mean". At most 64 bytes are looked at. */
int str_distance(const char *a, const char *b);

#endif
