/* ref.h: another run's curve, out of its record. Draws nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_REF_H
#define ANETUI_TUI_REF_H

#include "base/err.h"
#include "tui/series.h"

/* A new series (the caller frees it) from RUN/metrics.jsonl, where RUN is a run's folder, or its name below runs/. `dir` gets the folder. NULL and an error. */
struct series *ref_read(const char *run, char *dir, size_t n, struct err *e);

#endif
