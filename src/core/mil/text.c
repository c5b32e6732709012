/* text.c: types, strings, numbers and the head of a program as text, for those who write programs. Reads none.
 * SPDX-License-Identifier: MIT */
#include "mil/text.h"

#include <math.h>

void mil_put_type(struct str *out, enum mil_dialect dialect, const struct mil_type *t)
{
	if (!t->rank && dialect == MIL_BARE) {
		str_puts(out, mil_dtype_name(t->dtype));
		return;
	}
	str_printf(out, "tensor<%s, [", mil_dtype_name(t->dtype));
	for (int i = 0; i < t->rank; i++)
		str_printf(out, "%s%lld", i ? ", " : "", (long long)t->dim[i]);
	str_puts(out, "]>");
}

void mil_put_string(struct str *out, enum mil_dialect dialect, const char *s)
{
	mil_put_type(out, dialect, &(struct mil_type){.dtype = MIL_STRING});
	str_puts(out, "(\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			str_putc(out, '\\');
		if (*s == '\n' || *s == '\t' || *s == '\r')
			str_printf(out, "\\%c", *s == '\n' ? 'n' : *s == '\t' ? 't' : 'r');
		else
			str_putc(out, *s);
	}
	str_puts(out, "\")");
}

/* A float of at most 24 bits as a hex float, exactly; not by %a, whose point depends on the locale. */
void mil_put_float(struct str *out, double v)
{
	if (!isfinite(v) || v == 0) {
		str_puts(out, isnan(v) ? "nan" : v == 0 ? (signbit(v) ? "-0.0" : "0.0") : v < 0 ? "-inf" : "inf");
		return;
	}
	int e;
	double m = frexp(fabs(v), &e) * 2; /* 1 <= m < 2 */
	unsigned frac = (unsigned)((m - 1) * 0x1000000), digits = 6;
	while (digits && !(frac & 15)) {
		frac >>= 4;
		digits--;
	}
	str_printf(out, "%s0x1%s", v < 0 ? "-" : "", digits ? "." : "");
	if (digits)
		str_printf(out, "%0*x", (int)digits, frac);
	str_printf(out, "p%+d", e - 1);
}

/* buildInfo as Apple's compiler has seen it many times; its values do not matter to it, its presence may. */
void mil_put_head(struct str *out, enum mil_dialect dialect, const char *version, const char *function, const char *opset)
{
	static const char *const key[] = {"coremlc-component-MIL", "coremlc-version", "coremltools-component-milinternal", "coremltools-version"};
	static const char *const val[] = {"3510.2.1", "3505.4.1", "", "9.0"};
	struct mil_type str_type = {.dtype = MIL_STRING};
	str_printf(out, "program(%s)\n[buildInfo = dict<", version ? version : dialect == MIL_BARE ? "1.3" : "1.0");
	mil_put_type(out, dialect, &str_type);
	str_puts(out, ", ");
	mil_put_type(out, dialect, &str_type);
	str_puts(out, ">({");
	for (int i = 0; i < 4; i++) {
		str_puts(out, i ? ", {" : "{");
		for (int k = 0; k < 2; k++) {
			const char *s = k ? val[i] : key[i];
			if (k)
				str_puts(out, ", ");
			if (dialect == MIL_VERBOSE)
				mil_put_string(out, dialect, s);
			else
				str_printf(out, "\"%s\"", s);
		}
		str_puts(out, "}");
	}
	str_printf(out, "})]\n{\n    func %s<%s>(", function, opset ? opset : dialect == MIL_BARE ? "ios18" : "ios16");
}
