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

void keys_man(struct str *out)
{
	str_puts(out, ".SH KEYS\nOn the screen, outside the command line:\n");
	for (int a = 1; a < KEYS_N; a++) {
		str_puts(out, ".TP\n.B ");
		/* A lone ^ or - means something else to roff. */
		for (const char *k = rows[a].keys; *k; k++)
			str_puts(out, *k == '^' ? "\\(ha" : *k == '-' ? "\\-" : *k == ' ' ? ", " : (const char[]){*k, 0});
		str_printf(out, "\n%s\n", rows[a].help);
	}
}
