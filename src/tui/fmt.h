/* fmt.h: numbers as the panes write them. What is not known is "--", never 0. Every function returns its buffer.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_FMT_H
#define ANETUI_TUI_FMT_H

#include <stdint.h>

enum { FMT = 32 };

char *fmt_group(char buf[FMT], uint64_t v);          /* 12 340 */
char *fmt_time(char buf[FMT], double seconds);       /* 18:53, 1:02:03, 3 d 04:05; < 0: -- */
char *fmt_age(char buf[FMT], double seconds);        /* 34 s ago */
char *fmt_lr(char buf[FMT], double v);               /* 3.00e-4 */
char *fmt_fixed(char buf[FMT], double v, int digits);
char *fmt_short(char buf[FMT], double v);            /* three digits: 0.52 9.13 30.1 120 1.2e+03 */
char *fmt_si(char buf[FMT], double v);               /* 41.2 k */
char *fmt_watts(char buf[FMT], double v);            /* 18.4 W, 820 mW */
char *fmt_joules(char buf[FMT], double v);           /* 6.8 kJ */
char *fmt_memory(char buf[FMT], uint64_t now, uint64_t peak); /* 612/640 MiB */

#endif
