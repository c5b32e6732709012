/* stdio.h: hand-written, only what the files that darwin.sh compiles use; macOS' real headers need not be here.
 * SPDX-License-Identifier: MIT */
#ifndef DARWIN_STDIO_H
#define DARWIN_STDIO_H

#include <stdarg.h>
#include <stddef.h>

int snprintf(char *s, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *s, size_t n, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

#endif
