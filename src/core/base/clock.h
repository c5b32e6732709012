/* clock.h: monotonic time. Wall time is for logs only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_CLOCK_H
#define ANETUI_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed moment; never goes back. */
uint64_t clock_ns(void);

#endif
