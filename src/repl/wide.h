/* wide.h: UTF-8 to wchar_t and back, whatever the locale says. Only for src/repl.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_WIDE_H
#define ANETUI_REPL_WIDE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "base/utf8.h"

/* At most n - 1 characters and a 0. Bytes that are no UTF-8 are left out. */
static inline size_t wide_from_utf8(wchar_t *out, size_t n, const char *s)
{
	size_t len = strlen(s), k = 0;
	for (size_t i = 0; i < len && k + 1 < n;) {
		uint32_t cp;
		int used = utf8_decode(s + i, len - i, &cp);
		if (used > 0)
			out[k++] = (wchar_t)cp;
		i += used > 0 ? (size_t)used : 1;
	}
	if (n)
		out[k] = 0;
	return k;
}

/* `count` characters to out (4 * count + 1 bytes are enough); returns the bytes without the NUL. */
static inline size_t wide_to_utf8(char *out, const wchar_t *w, size_t count)
{
	size_t k = 0;
	for (size_t i = 0; i < count; i++)
		k += (size_t)utf8_encode((uint32_t)w[i], out + k);
	out[k] = 0;
	return k;
}

#endif
