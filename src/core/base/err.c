/* err.c: filling `struct err`.
 * SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/utf8.h"

/* Names and contents of files stand in messages: one line, whatever they hold. */
static void finish(char *s, int wanted)
{
	if (wanted >= ERR_MSG_MAX)
		memcpy(s + ERR_MSG_MAX - 4, "...", 4);
	utf8_one_line(s);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	if (!e)
		return code;
	/* The arguments may point into e->msg: format aside first. */
	char tmp[ERR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(tmp, sizeof tmp, fmt, ap);
	va_end(ap);
	finish(tmp, n);
	memcpy(e->msg, tmp, sizeof tmp);
	e->code = code;
	return code;
}

int err_nomem(struct err *e, const char *what, unsigned long long bytes)
{
	char size[16];
	return err_set(e, ERR_NOMEM, "%s: out of memory: %s needed", what, str_bytes(size, bytes));
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	if (!e)
		return ERR_STATE;
	char head[ERR_MSG_MAX], tmp[ERR_MSG_MAX * 2 + 4];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(head, sizeof head, fmt, ap);
	va_end(ap);
	int n = snprintf(tmp, sizeof tmp, "%s: %s", head, e->msg);
	finish(tmp, n);
	memcpy(e->msg, tmp, ERR_MSG_MAX);
	e->msg[ERR_MSG_MAX - 1] = 0;
	return e->code;
}

void err_clear(struct err *e)
{
	if (e) {
		e->code = 0;
		e->msg[0] = 0;
	}
}
