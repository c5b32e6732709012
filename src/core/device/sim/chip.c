/* chip.c: looking a chip up. The rows are in chips.def.
 * SPDX-License-Identifier: MIT */
#include "device/sim/chip.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

static const struct chip chips[] = {
#define CHIP(ID, name, generation, p, bw, ba, t0, ghz, units, score, memory, idle, busy, side, flags, source) \
	{name, generation, (p) * 1e12, (bw) * 1e9, (ba) * 1e9, (t0) * 1e3, ghz, units, score, (memory) * 1e9, idle, busy, side, flags, source},
#include "device/sim/chips.def"
#undef CHIP
};

size_t chip_count(void)
{
	return ARRAY_LEN(chips);
}

const struct chip *chip_at(size_t i)
{
	return &chips[i];
}

const char *chip_names(void)
{
	static const char *const names =
#define CHIP(ID, name, generation, p, bw, ba, t0, ghz, units, score, memory, idle, busy, side, flags, source) " " name
#include "device/sim/chips.def"
#undef CHIP
		;
	return names + 1;
}

/* Letters and digits alone, in lower case. */
static void plain(char out[16], const char *s)
{
	size_t n = 0;
	for (; *s && n < 15; s++)
		if (isalnum((unsigned char)*s))
			out[n++] = (char)tolower((unsigned char)*s);
	out[n] = 0;
}

const struct chip *chip_find(const char *name, struct err *e)
{
	char wanted[16];
	plain(wanted, name);
	for (size_t i = 0; i < ARRAY_LEN(chips); i++)
		if (!strcmp(chips[i].name, wanted))
			return &chips[i];
	err_set(e, ERR_USAGE, "chip: %.40s: no such chip (one of %s)", name, chip_names());
	return NULL;
}
