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

static const struct replay_key_row replay_rows[REPLAY_KEYS] = {
#define REPLAY_KEY(keys, command, help) {keys, command, help},
#include "tui/replay.def"
#undef REPLAY_KEY
};

const struct replay_key_row *replay_key_row(int i)
{
	return &replay_rows[i];
}

int keys_hold(const char *keys, const char *name)
{
	size_t len = strlen(name);
	for (const char *s = keys; *s;) {
		size_t n = strcspn(s, " ");
		if (n == len && !strncmp(s, name, n))
			return 1;
		s += n + (s[n] == ' ');
	}
	return 0;
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
		str_printf(out, "%-16s %s\n", rows[a].keys, rows[a].help);
}

void replay_keys_help(struct str *out)
{
	str_puts(out, "\nWhile a record is replayed:\n");
	for (int i = 0; i < REPLAY_KEYS; i++)
		str_printf(out, "%-16s %s\n", replay_rows[i].keys, replay_rows[i].help);
}

/* A lone ^ or - means something else to roff. */
static void man_item(struct str *out, const char *keys, const char *help)
{
	str_puts(out, ".TP\n.B ");
	for (const char *k = keys; *k; k++)
		str_puts(out, *k == '^' ? "\\(ha" : *k == '-' ? "\\-" : *k == ' ' ? ", " : (const char[]){*k, 0});
	str_printf(out, "\n%s\n", help);
}

void keys_man(struct str *out)
{
	str_puts(out, ".SH KEYS\nOn the screen, outside the command line:\n");
	for (int a = 1; a < KEYS_N; a++)
		man_item(out, rows[a].keys, rows[a].help);
	str_puts(out, ".SS \"while a record is replayed\"\n");
	for (int i = 0; i < REPLAY_KEYS; i++)
		man_item(out, replay_rows[i].keys, replay_rows[i].help);
}
