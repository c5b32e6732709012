/* smc_standin.c: a system management controller that is none, behind the names of macOS' IOKit. Takes its 80 bytes apart by their places, not by the
 * program's own structure. For test_smc. SPDX-License-Identifier: MIT */
#include "meter/smc_standin.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Places in the 80 bytes. */
enum { KEY = 0, SIZE = 28, TYPE = 32, RESULT = 40, COMMAND = 42, INDEX = 44, VALUE = 48, ALL = 80, ITERATOR = 900, SERVICE = 100, CONNECTION = 77, TASK = 5 };

struct smc_standin smc_standin;
uint32_t mach_task_self_ = TASK;
static const char *const name[] = {"AppleSMC", "AppleSMCUserClientHelper", "AppleSMCKeysEndpoint", "AppleSMCLast"};
static int next, matching, released[4];

void *IOServiceMatching(const char *class)
{
	return strcmp(class, "AppleSMC") ? NULL : &matching;
}

int32_t IOServiceGetMatchingServices(uint32_t port, void *what, uint32_t *iterator)
{
	if (port || what != &matching)
		smc_standin.wrong++;
	next = 0;
	smc_standin.live++;
	*iterator = ITERATOR;
	return 0;
}

uint32_t IOIteratorNext(uint32_t iterator)
{
	smc_standin.wrong += iterator != ITERATOR;
	while (next < 4 && !(smc_standin.services & 1 << next))
		next++;
	if (next == 4)
		return 0;
	smc_standin.live++;
	released[next] = 0;
	return (uint32_t)(SERVICE + next++);
}

int32_t IORegistryEntryGetName(uint32_t entry, char out[128])
{
	snprintf(out, 128, "%s", name[entry - SERVICE]);
	return 0;
}

int32_t IOObjectRelease(uint32_t object)
{
	smc_standin.live--;
	if (object != ITERATOR && (object < SERVICE || object >= SERVICE + 4 || released[object - SERVICE]++))
		smc_standin.wrong++;
	return 0;
}

int32_t IOServiceOpen(uint32_t service, uint32_t task, uint32_t type, uint32_t *connection)
{
	if (service < SERVICE || service >= SERVICE + 4 || released[service - SERVICE] || task != TASK || type) {
		smc_standin.wrong++;
		return 1;
	}
	snprintf(smc_standin.opened, sizeof smc_standin.opened, "%s", name[service - SERVICE]);
	if (smc_standin.refuse_open)
		return (int32_t)smc_standin.refuse_open;
	smc_standin.live++;
	*connection = CONNECTION;
	return 0;
}

int32_t IOServiceClose(uint32_t connection)
{
	smc_standin.live--;
	smc_standin.wrong += connection != CONNECTION;
	return 0;
}

static uint32_t number(const uint8_t *at)
{
	uint32_t v;
	memcpy(&v, at, 4);
	return v;
}

static uint32_t four(const char *s)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++)
		v = v << 8 | (uint8_t)s[i];
	return v;
}

static const struct smc_row *find_row(uint32_t key)
{
	for (int i = 0; i < smc_standin.rows; i++)
		if (four(smc_standin.row[i].key) == key)
			return &smc_standin.row[i];
	return NULL;
}

static void answer(uint8_t *out, const uint8_t *in)
{
	const struct smc_row *row = in[COMMAND] == 8 ? NULL : find_row(number(in + KEY));
	uint32_t i = number(in + INDEX), v;
	if (in[COMMAND] == 8 && i < (uint32_t)smc_standin.rows) {
		v = four(smc_standin.row[i].key);
		memcpy(out + KEY, &v, 4);
	} else if (!row) {
		out[RESULT] = 0x84;
	} else if (in[COMMAND] == 9) {
		v = four(row->type);
		memcpy(out + SIZE, &row->n, 4);
		memcpy(out + TYPE, &v, 4);
	} else if (in[COMMAND] == 5) {
		smc_standin.wrong += number(in + SIZE) != row->n;
		memcpy(out + VALUE, row->value, sizeof row->value);
		out[RESULT] = row->result;
	} else {
		smc_standin.wrong++;
	}
}

int32_t IOConnectCallStructMethod(uint32_t connection, uint32_t selector, const void *in, size_t n, void *out, size_t *out_n)
{
	smc_standin.calls++;
	if (connection != CONNECTION || selector != 2 || n != ALL || *out_n != ALL) {
		smc_standin.wrong++;
		return 1;
	}
	if (smc_standin.refuse_call)
		return (int32_t)smc_standin.refuse_call;
	answer(out, in);
	if (smc_standin.answer)
		*out_n = smc_standin.answer;
	return 0;
}
