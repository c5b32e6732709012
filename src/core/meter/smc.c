/* smc.c: the service AppleSMC, asked through IOKit, which is opened at run time. Never run on a Mac: the structure and its numbers are what several open
 * programs that read the controller agree on.
 *
 * One call does all: 80 bytes in, 80 bytes out; the command stands in `command`. A value is read in two calls, its size and type first. Numbers of the
 * structure have the machine's byte order; keys and types are four characters in one number, the first one highest. SPDX-License-Identifier: MIT */
#include "meter/smc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#ifdef __APPLE__
#define LIBRARY "/System/Library/Frameworks/IOKit.framework/IOKit"
#else
#define LIBRARY ""
#endif

#define FUNCTIONS(F) \
	F(void *, IOServiceMatching, (const char *class)) \
	F(int32_t, IOServiceGetMatchingServices, (uint32_t port, void *matching, uint32_t *iterator)) /* takes `matching` over */ \
	F(uint32_t, IOIteratorNext, (uint32_t iterator)) \
	F(int32_t, IORegistryEntryGetName, (uint32_t entry, char name[128])) \
	F(int32_t, IOObjectRelease, (uint32_t object)) \
	F(int32_t, IOServiceOpen, (uint32_t service, uint32_t task, uint32_t type, uint32_t *connection)) \
	F(int32_t, IOServiceClose, (uint32_t connection)) \
	F(int32_t, IOConnectCallStructMethod, (uint32_t connection, uint32_t selector, const void *in, size_t n, void *out, size_t *out_n))

enum { SELECTOR = 2, READ_VALUE = 5, READ_KEY = 8, READ_TYPE = 9, NO_SUCH_KEY = 0x84, NOT_READABLE = 0x85, VALUE = 32 };
#define NOT_PRIVILEGED 0xe00002c1u
#define NOT_PERMITTED 0xe00002e2u
#define NO_DEVICE 0xe00002c0u

struct request {
	uint32_t key;
	uint8_t version[6], unused[2];
	uint32_t limits[4];
	uint32_t size, type;
	uint8_t attributes, unused2[3];
	uint8_t result, status, command, unused3;
	uint32_t index;
	uint8_t value[VALUE];
};
_Static_assert(sizeof(struct request) == 80 && offsetof(struct request, size) == 28 && offsetof(struct request, result) == 40 &&
		       offsetof(struct request, index) == 44 && offsetof(struct request, value) == 48,
	       "the controller's layout");

struct smc {
	void *library;
#define MEMBER(result, name, arguments) result (*name) arguments;
	FUNCTIONS(MEMBER)
#undef MEMBER
	const uint32_t *task; /* mach_task_self_ */
	uint32_t connection;
};

const char *smc_library(void)
{
	const char *name = getenv("ANETUI_SMC");
	return name && *name ? name : LIBRARY;
}

static int to_errno(int32_t rc)
{
	uint32_t v = (uint32_t)rc;
	return !v ? 0 : v == NOT_PRIVILEGED || v == NOT_PERMITTED ? -EACCES : v == NO_DEVICE ? -ENODEV : -EIO;
}

static uint32_t four(const char *s)
{
	return (uint32_t)(uint8_t)s[0] << 24 | (uint32_t)(uint8_t)s[1] << 16 | (uint32_t)(uint8_t)s[2] << 8 | (uint8_t)s[3];
}

static void to_text(char out[5], uint32_t v)
{
	for (int i = 0; i < 4; i++)
		out[i] = (char)(v >> (24 - 8 * i) & 0xff);
	out[4] = 0;
}

static int call(const struct smc *m, struct request *out, const struct request *in)
{
	size_t n = sizeof *out;
	memset(out, 0, sizeof *out);
	int rc = to_errno(m->IOConnectCallStructMethod(m->connection, SELECTOR, in, sizeof *in, out, &n));
	if (rc)
		return rc;
	if (n != sizeof *out)
		return -EPROTO;
	return !out->result ? 0 : out->result == NO_SUCH_KEY ? -ENOENT : out->result == NOT_READABLE ? -EACCES : -EIO;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "sp78", "fpe2": the bits before and behind the point, which make 16 with the sign. */
static int decode_fixed(double *out, const char *type, const uint8_t *bytes)
{
	int before = hex_digit(type[2]), behind = hex_digit(type[3]), sign = type[0] == 's';
	unsigned v = (unsigned)bytes[0] << 8 | bytes[1];
	if (before < 0 || behind < 0 || before + behind + sign != 16)
		return -EPROTO;
	*out = (double)(sign && v & 0x8000 ? (int)v - 0x10000 : (int)v) / (double)(1 << behind);
	return 0;
}

int smc_decode(double *out, const char *type, const uint8_t *bytes, size_t n)
{
	if (!strcmp(type, "flt ") && n == 4) {
		uint32_t bits = (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
		float f;
		memcpy(&f, &bits, sizeof f);
		*out = (double)f;
		return 0;
	}
	if ((!strncmp(type, "sp", 2) || !strncmp(type, "fp", 2)) && n == 2)
		return decode_fixed(out, type, bytes);
	if ((strcmp(type, "ui8 ") || n != 1) && (strcmp(type, "ui16") || n != 2) && (strcmp(type, "ui32") || n != 4))
		return -EPROTO;
	uint32_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | bytes[i];
	*out = v;
	return 0;
}

int smc_read(const struct smc *m, double *out, const char *key)
{
	struct request in = {.key = four(key), .command = READ_TYPE}, type, value;
	char name[5];
	int rc = call(m, &type, &in);
	if (rc)
		return rc;
	in.command = READ_VALUE;
	in.size = type.size;
	rc = call(m, &value, &in);
	if (rc)
		return rc;
	to_text(name, type.type);
	/* No size but those that belong to a type is taken: none of 0, none that is larger than the field. */
	return smc_decode(out, name, value.value, type.size);
}

int smc_key(const struct smc *m, char name[5], uint32_t i)
{
	struct request in = {.index = i, .command = READ_KEY}, out;
	int rc = call(m, &out, &in);
	to_text(name, out.key);
	return rc;
}

/* Apple silicon has several services of that class: the keys are behind one of them. An Intel Mac has one, with another name. */
static uint32_t find_service(const struct smc *m)
{
	uint32_t iterator = 0, found = 0;
	void *matching = m->IOServiceMatching("AppleSMC");
	if (!matching || m->IOServiceGetMatchingServices(0, matching, &iterator))
		return 0;
	for (uint32_t s; (s = m->IOIteratorNext(iterator));) {
		char name[128] = "";
		int keys = !m->IORegistryEntryGetName(s, name) && !strcmp(name, "AppleSMCKeysEndpoint");
		uint32_t other = !found || keys ? found : s;
		found = other == s ? found : s;
		if (other)
			m->IOObjectRelease(other);
	}
	m->IOObjectRelease(iterator);
	return found;
}

static int connect_keys(struct smc *m)
{
	uint32_t service = find_service(m);
	if (!service)
		return -ENODEV;
	int rc = to_errno(m->IOServiceOpen(service, *m->task, 0, &m->connection));
	m->IOObjectRelease(service);
	if (rc)
		m->connection = 0;
	return rc;
}

/* POSIX has no other way from a symbol to a function than through its bytes. */
static int symbol(const struct smc *m, const char *name, void *fn)
{
	void *at = dlsym(m->library, name);
	memcpy(fn, &at, sizeof at);
	return !at;
}

static int open_library(struct smc *m)
{
	int lacks = 0;
	if (!*smc_library() || !(m->library = dlopen(smc_library(), RTLD_NOW | RTLD_LOCAL)))
		return -ENOENT;
#define LOOK_UP(result, function, arguments) lacks |= symbol(m, #function, &m->function);
	FUNCTIONS(LOOK_UP)
#undef LOOK_UP
	/* Of the system's library, which IOKit stands on: dlsym looks there too. */
	lacks |= symbol(m, "mach_task_self_", &m->task);
	return lacks ? -ENOSYS : connect_keys(m);
}

int smc_open(struct smc **out)
{
	struct smc *m = *out = mem_zalloc(1, sizeof *m);
	int rc = m ? open_library(m) : -ENOMEM;
	if (rc) {
		smc_close(m);
		*out = NULL;
	}
	return rc;
}

void smc_close(struct smc *m)
{
	if (!m)
		return;
	if (m->connection)
		m->IOServiceClose(m->connection);
	if (m->library)
		dlclose(m->library);
	free(m);
}
