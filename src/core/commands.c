/* commands.c: the rows of commands.def and of happenings.def.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "engine.h"

#define REST COMMAND_REST

static const struct command_row rows[CMD_N] = {
#define COMMAND(ID, name, where, min, max, args, kinds, group, help, more) \
	{name, COMMAND_##where, min, max, args, kinds, GROUP_##group, help, more},
#include "commands.def"
#undef COMMAND
};

const struct command_row *command_row(enum command_id id)
{
	return &rows[id];
}

static const struct happening_row happenings[HAPPENING_N] = {
#define HAPPENING(ID, name, lasts, help) {name, lasts, help},
#include "happenings.def"
#undef HAPPENING
};

const struct happening_row *happening_row(enum happening h)
{
	return &happenings[h];
}

int happening_find(const char *name)
{
	for (int i = 0; i < HAPPENING_N; i++)
		if (!strcmp(happenings[i].name, name))
			return i;
	return -1;
}
