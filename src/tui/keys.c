/* keys.c: looking keys up in their table.
 * SPDX-License-Identifier: MIT */
#include "tui/keys.h"

#include <string.h>

static const struct key_row rows[KEYS_N] = {
	{"", "", ""},
#define KEY(ACTION, keys, word, help) {keys, word, help},
#include "tui/keys.def"
#undef KEY
};

const struct key_row *key_row(enum key_action a)
{
	return &rows[a];
}

enum key_action key_find(const char *name, int *which)
{
	size_t len = strlen(name);
	for (int a = 1; a < KEYS_N; a++) {
		const char *s = rows[a].keys;
		for (int i = 0; *s; i++) {
			size_t n = strcspn(s, " ");
			if (n == len && !strncmp(s, name, n)) {
				*which = i;
				return (enum key_action)a;
			}
			s += n + (s[n] == ' ');
		}
	}
	*which = 0;
	return KEYS_NONE;
}

void keys_help(struct str *out)
{
	for (int a = 1; a < KEYS_N; a++)
		str_printf(out, "%-14s %s\n", rows[a].keys, rows[a].help);
}
