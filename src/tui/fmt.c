/* fmt.c: numbers as text.
 * SPDX-License-Identifier: MIT */
#include "tui/fmt.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static char *none(char buf[FMT])
{
	return strcpy(buf, "--");
}

char *fmt_group(char buf[FMT], uint64_t v)
{
	char digits[FMT];
	int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)v), k = 0;
	for (int i = 0; i < n; i++) {
		/* Four digits stay together: 1500, but 12 340. */
		if (i && n > 4 && (n - i) % 3 == 0)
			buf[k++] = ' ';
		buf[k++] = digits[i];
	}
	buf[k] = 0;
	return buf;
}

char *fmt_time(char buf[FMT], double s)
{
	if (!(s >= 0) || s > 1e9)
		return none(buf);
	long t = (long)(s + 0.5), d = t / 86400, h = t / 3600 % 24, m = t / 60 % 60;
	if (d)
		snprintf(buf, FMT, "%ld d %02ld:%02ld", d, h, m);
	else if (h)
		snprintf(buf, FMT, "%ld:%02ld:%02ld", h, m, t % 60);
	else
		snprintf(buf, FMT, "%ld:%02ld", m, t % 60);
	return buf;
}

char *fmt_age(char buf[FMT], double s)
{
	if (!(s >= 0))
		return none(buf);
	if (s < 100)
		snprintf(buf, FMT, "%.0f s ago", s);
	else if (s < 6000)
		snprintf(buf, FMT, "%.0f min ago", s / 60);
	else
		snprintf(buf, FMT, "%.0f h ago", fmin(s / 3600, 1e6));
	return buf;
}

char *fmt_lr(char buf[FMT], double v)
{
	if (!isfinite(v))
		return none(buf);
	if (v == 0)
		return strcpy(buf, "0");
	snprintf(buf, FMT, "%.2e", v);
	/* 3.00e-04: the exponent without its leading zero. */
	char *e = strchr(buf, 'e');
	if (e && e[2] == '0')
		memmove(e + 2, e + 3, strlen(e + 3) + 1);
	return buf;
}

char *fmt_fixed(char buf[FMT], double v, int digits)
{
	if (!isfinite(v) || fabs(v) > 1e12)
		return none(buf);
	snprintf(buf, FMT, "%.*f", digits, v);
	return buf;
}

char *fmt_short(char buf[FMT], double v)
{
	double a = fabs(v);
	if (!isfinite(v))
		return none(buf);
	if (a != 0 && (a < 0.01 || a >= 1e6))
		snprintf(buf, FMT, "%.1e", v);
	else
		snprintf(buf, FMT, "%.*f", a >= 100 ? 0 : a >= 10 ? 1 : 2, v);
	return buf;
}

char *fmt_si(char buf[FMT], double v)
{
	char b[16];
	if (!isfinite(v))
		return none(buf);
	return strcpy(buf, str_si(b, v));
}

char *fmt_watts(char buf[FMT], double v)
{
	if (!isfinite(v))
		return none(buf);
	if (fabs(v) < 0.9995)
		snprintf(buf, FMT, "%.0f mW", v * 1000);
	else
		snprintf(buf, FMT, fabs(v) < 1000 ? "%.1f W" : "%.0f W", v);
	return buf;
}

char *fmt_joules(char buf[FMT], double v)
{
	if (!isfinite(v))
		return none(buf);
	if (v < 1000)
		snprintf(buf, FMT, "%.0f J", v);
	else
		snprintf(buf, FMT, v < 1e6 ? "%.1f kJ" : "%.2f MJ", v < 1e6 ? v / 1e3 : v / 1e6);
	return buf;
}

char *fmt_memory(char buf[FMT], uint64_t now, uint64_t peak)
{
	double mib = 1048576.0, a = (double)now / mib, b = (double)peak / mib;
	if (!now)
		return none(buf);
	if (b < 9999)
		snprintf(buf, FMT, "%.0f/%.0f MiB", a, b);
	else
		snprintf(buf, FMT, "%.1f/%.1f GiB", a / 1024, b / 1024);
	return buf;
}
