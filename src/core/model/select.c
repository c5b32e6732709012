/* select.c: see select.h. SPDX-License-Identifier: MIT */
#include "model/select.h"

#include <ctype.h>
#include <string.h>

static const char separators[] = " ,\t", ending[] = ".weight";

static int is_digit(const char *s, const char *end)
{
	return s < end && isdigit((unsigned char)*s);
}

/* A run of digits; what is too long for any layer stays out of every range. */
static long number(const char **s, const char *end)
{
	long v = 0;
	for (; is_digit(*s, end); (*s)++)
		v = v > 1000000 ? v : v * 10 + (**s - '0');
	return v;
}

/* "2-5" at *p against the number at *s; 1: both moved on. 0: *p is no range, -1: the number is not in it. */
static int range(const char **p, const char *pend, const char **s, const char *send)
{
	const char *q = *p;
	if (!is_digit(q, pend))
		return 0;
	long lo = number(&q, pend);
	if (q == pend || *q++ != '-' || !is_digit(q, pend))
		return 0;
	long hi = number(&q, pend);
	if (!is_digit(*s, send))
		return -1;
	long v = number(s, send);
	*p = q;
	return v >= lo && v <= hi ? 1 : -1;
}

/* One thing of the pattern that is no star; 1: matched, both moved on. */
static int one(const char **p, const char *pend, const char **s, const char *send)
{
	int r = range(p, pend, s, send);
	if (r)
		return r > 0;
	if (*s == send || (**p != '?' && **p != **s))
		return 0;
	(*p)++;
	(*s)++;
	return 1;
}

/* Only the latest star has to be tried again: what stood before it has matched as early as it can. */
static int glob(const char *p, const char *pend, const char *s, const char *send)
{
	const char *star = NULL, *from = NULL;
	while (s < send || p < pend) {
		if (p < pend && *p == '*') {
			star = ++p;
			from = s;
		} else if (p < pend && one(&p, pend, &s, send)) {
			continue;
		} else if (star && from < send) {
			p = star;
			s = ++from;
		} else {
			return 0;
		}
	}
	return 1;
}

/* From every part of the name on but the last, "weight", to its end, and to where ".weight" begins. */
static int match(const char *p, const char *pend, const char *name)
{
	size_t n = strlen(name), k = sizeof ending - 1;
	const char *end = name + n, *bare = n > k && !strcmp(end - k, ending) ? end - k : end;
	for (const char *s = name; s && s < bare; s = memchr(s, '.', (size_t)(bare - s)), s += s != NULL)
		if (glob(p, pend, s, bare) || glob(p, pend, s, end))
			return 1;
	return 0;
}

/* The next pattern of the list; 0: there is none. */
static int next(const char **list, const char **p, const char **pend)
{
	*p = *list + strspn(*list, separators);
	*pend = *p + strcspn(*p, separators);
	*list = *pend;
	return *p < *pend;
}

int select_name(const char *patterns, const char *name)
{
	const char *p, *pend;
	while (next(&patterns, &p, &pend))
		if (match(p, pend, name))
			return 1;
	return 0;
}

int select_rows(const struct params *p, const char *patterns, unsigned char *hit)
{
	int n = 0;
	for (int i = 0; i < p->n; i++)
		n += hit[i] = (unsigned char)select_name(patterns, p->table[i].name);
	return n;
}

int select_check(const struct params *p, const char *patterns, int matrices, const char *what, struct err *e)
{
	const char *q, *qend;
	while (next(&patterns, &q, &qend)) {
		int n = 0;
		for (int i = 0; i < p->n && !n; i++)
			n = (!matrices || p->table[i].rank == 2) && match(q, qend, p->table[i].name);
		if (!n)
			return err_set(e, ERR_USAGE, "%s: %.*s: no %s of %s has such a name (names are like %s or %s)", what, (int)(qend - q), q,
				       matrices ? "matrix" : "tensor", p->config.name, p->table[0].name, p->table[2].name);
	}
	return 0;
}
