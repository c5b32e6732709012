/* completions.h: completion scripts for shells, from the tables. SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_COMPLETIONS_H
#define ANETUI_REPL_COMPLETIONS_H

#include "base/err.h"
#include "base/str.h"

/* The script for bash, zsh or fish; ERR_USAGE for anything else. */
int completions_make(struct str *out, const char *shell, struct err *e);

#endif
