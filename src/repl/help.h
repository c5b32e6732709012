/* help.h: pieces of help that the manual page uses too. Made from the tables; knows no engine state.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_REPL_HELP_H
#define ANETUI_REPL_HELP_H

#include "base/str.h"
#include "engine.h"

const char *help_group(int group);                              /* heading of an enum command_group */
int help_key_belongs(int command, int key);                     /* is the key one of those that steer the command? */
void help_wrap(struct str *out, const char *text, int indent);  /* words in lines of at most 78 columns; empty text: nothing */
void help_key_range(struct str *out, const struct setting_row *r);   /* "0 to 10", or the choices */
void help_key_default(struct str *out, int key);
const char *help_key_when(const struct setting_row *r);         /* from when a change holds */

#endif
