/* keys.h: the keys outside the prompt, by the names that people read. Knows no curses: screen.c names what it reads.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_KEYS_H
#define ANETUI_TUI_KEYS_H

#include "base/str.h"

enum key_action {
	KEYS_NONE,
#define KEY(ACTION, keys, word, help) KEYS_##ACTION,
#include "tui/keys.def"
#undef KEY
	KEYS_N
};

struct key_row { const char *keys, *word, *help; };
/* a in 1 .. KEYS_N-1. */
const struct key_row *key_row(enum key_action a);
/* The action of a key named as in keys.def ("F1", "Space", "^L", "q"), or KEYS_NONE; *which is its place among the row's keys. */
enum key_action key_find(const char *name, int *which);
/* Is `name` one of the keys that stand in `keys`? */
int keys_hold(const char *keys, const char *name);

/* While a record is replayed these come first: replay.def. */
enum { REPLAY_KEYS = 0
#define REPLAY_KEY(keys, command, help) + 1
#include "tui/replay.def"
#undef REPLAY_KEY
};
struct replay_key_row { const char *keys, *command, *help; };
const struct replay_key_row *replay_key_row(int i);
void replay_keys_help(struct str *out);

/* The table in roff, a section of the manual page. */
void keys_man(struct str *out);
/* The table as lines for the help answer. */
void keys_help(struct str *out);

#endif
