/* commands.c: the rows of commands.def.
 * SPDX-License-Identifier: MIT */
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
