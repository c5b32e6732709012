/* power_ioreport.c: the energy counters of Apple silicon through libIOReport, opened at run time. Needs no root; starts no powermetrics; reads counters
 * as they stand, so that power.c makes differences, resets and gaps of them as of any other. Never run on a Mac: what is said of them here is what several
 * open programs that call the library, and reports about them, agree on.
 *
 * Group "Energy Model" has 100 to 400 channels, most of them parts of others (EACC_CPU, PACC0_CPU3_SRAM, PCPU1DTL2b, GPU SRAM0). Four units are told, by
 * whole names and never by how a name begins, so that a part with a longer name is not added to its whole:
 *   cpu   "CPU Energy"; of each die of an Ultra: "DIE_0_CPU Energy"
 *   gpu   "GPU Energy"; where that is missing GPU, GPU0, GPU0_0
 *   ane   ANE (M1 to M5), ANE0 (Max), ANE0_0 and ANE0_1 (Ultra); an M2 Pro has been seen without any
 *   dram  DRAM, DRAM0, DRAM0_0 in the same way
 * Where a unit has names of two of these forms, the first form alone is read: the other would count it again.
 *
 * cpu, gpu and ane are added, as powermetrics does; dram is shown, as beside RAPL. The millijoule channels move together about every second, often in two
 * halves 10 to 30 ms apart: hence `span`. Graphics and Neural Engine may rest for hours; the processor can not while it trains, so that alone is frozen when
 * it stands still: seen on macOS 27, with the graphics' counter alive. SPDX-License-Identifier: MIT */
#include "meter/power_source.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#ifdef __APPLE__
#define LIBRARY "/usr/lib/libIOReport.dylib" /* lies in the loader's cache, not in that folder */
#else
#define LIBRARY ""
#endif
#define CORE_FOUNDATION "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"

/* Names that begin with Copy or Create give an object that is ours to release, others one that is not. */
#define FUNCTIONS(F) \
	F(void, CFRelease, (const void *object)) \
	F(void *, CFStringCreateWithCString, (void *allocator, const char *s, uint32_t encoding)) \
	F(unsigned char, CFStringGetCString, (const void *string, char *buf, long size, uint32_t encoding)) \
	F(long, CFArrayGetCount, (const void *array)) \
	F(const void *, CFArrayGetValueAtIndex, (const void *array, long i)) \
	F(void *, CFArrayCreateMutable, (void *allocator, long capacity, const void *callbacks)) \
	F(void, CFArrayAppendValue, (void *array, const void *value)) \
	F(void *, CFDictionaryCreateMutableCopy, (void *allocator, long capacity, const void *dictionary)) \
	F(const void *, CFDictionaryGetValue, (const void *dictionary, const void *key)) \
	F(void, CFDictionarySetValue, (void *dictionary, const void *key, const void *value)) \
	F(void *, IOReportCopyChannelsInGroup, (const void *group, const void *subgroup, uint64_t, uint64_t, uint64_t)) \
	F(void *, IOReportCreateSubscription, (const void *, void *channels, void **subscribed, uint64_t, const void *)) \
	F(void *, IOReportCreateSamples, (const void *subscription, void *channels, const void *)) \
	F(const void *, IOReportChannelGetChannelName, (const void *channel)) \
	F(const void *, IOReportChannelGetUnitLabel, (const void *channel)) \
	F(int64_t, IOReportSimpleGetIntegerValue, (const void *channel, int32_t index)) /* INT64_MIN: not a simple counter */

enum { UTF8 = 0x08000100, RAILS = 4, CHANNELS = 32, NAME = 32 };

static const struct {
	const char *name, *unit;
	enum power_scope scope;
	int may_rest;
} rail_table[RAILS] = {
	{"cpu", "CPU Energy", POWER_SCOPE_IOREPORT, 0},
	{"gpu", "GPU", POWER_SCOPE_IOREPORT, 1},
	{"ane", "ANE", POWER_SCOPE_IOREPORT, 1},
	{"dram", "DRAM", POWER_SCOPE_PART, 0},
};

struct rail {
	int form, channels;   /* the form that is read, -1: none; how many channels that are */
	char wrong[NAME];     /* a unit that we do not know, or "" */
	int rc, seen;         /* of the last sample: 0 or -errno; channels found in it */
	uint64_t nanojoules;
};

struct power_ioreport {
	void *library, *core_foundation;
#define MEMBER(result, name, arguments) result (*name) arguments;
	FUNCTIONS(MEMBER)
#undef MEMBER
	const void *kCFTypeArrayCallBacks;
	void *key;                     /* "IOReportChannels" */
	void *channels, *subscription; /* dictionary of what is read; NULL: refused */
	struct rail rail[RAILS];
	int n;
	struct channel { char name[NAME]; int rail; uint64_t scale; } channel[CHANNELS]; /* scale: nanojoules of a tick */
	uint64_t sampled_ns;
};

/* What is behind the digits that a text begins with; NULL: it begins with none. */
static const char *behind_digits(const char *s)
{
	size_t n = strspn(s, "0123456789");
	return n ? s + n : NULL;
}

/* 0: UNIT, 1: UNIT0, 2: UNIT0_0, -1: something else. */
static int form_of(const char *name, const char *unit)
{
	size_t n = strlen(unit);
	if (strncmp(name, unit, n))
		return -1;
	if (!name[n])
		return 0;
	const char *s = behind_digits(name + n);
	if (!s || !*s)
		return s ? 1 : -1;
	s = *s == '_' ? behind_digits(s + 1) : NULL;
	return s && !*s ? 2 : -1;
}

static int is_on_die(const char *name)
{
	const char *s = strncmp(name, "DIE_", 4) ? NULL : behind_digits(name + 4);
	return s && !strcmp(s, "_CPU Energy");
}

/* The unit that a channel counts, and by which form of its name; -1: none of ours. */
static int rail_of(const char *name, int *form)
{
	for (int i = 0; i < RAILS; i++)
		if ((*form = form_of(name, rail_table[i].unit)) >= 0) {
			*form += i == 1; /* before them comes: */
			return i;
		}
	if (is_on_die(name))
		return *form = 1, 0;
	return *form = 0, strcmp(name, "GPU Energy") ? -1 : 1;
}

static uint64_t scale_of(const char *unit)
{
	return !strcmp(unit, "mJ") ? 1000000 : !strcmp(unit, "uJ") ? 1000 : !strcmp(unit, "nJ");
}

/* The text of a string object without blanks at its end ("mJ  "): its length, or -1: none, or too long. */
static int text(const struct power_ioreport *r, char *buf, size_t n, const void *string)
{
	if (!string || !r->CFStringGetCString(string, buf, (long)n, UTF8))
		return -1;
	size_t len = strnlen(buf, n - 1);
	while (len && buf[len - 1] == ' ')
		len--;
	buf[len] = 0;
	return (int)len;
}

static const void *channels_of(const struct power_ioreport *r, const void *dictionary)
{
	return dictionary ? r->CFDictionaryGetValue(dictionary, r->key) : NULL;
}

static int find_channel(const struct power_ioreport *r, const char *name)
{
	for (int i = 0; i < r->n; i++)
		if (!strcmp(r->channel[i].name, name))
			return i;
	return -1;
}

static void take_sample(struct power_ioreport *r)
{
	char name[NAME];
	void *sample = r->IOReportCreateSamples(r->subscription, r->channels, NULL);
	const void *list = channels_of(r, sample);
	for (int i = 0; i < RAILS; i++) {
		r->rail[i].rc = list ? 0 : -EIO;
		r->rail[i].seen = 0;
		r->rail[i].nanojoules = 0;
	}
	for (long i = 0, n = list ? r->CFArrayGetCount(list) : 0; i < n; i++) {
		const void *item = r->CFArrayGetValueAtIndex(list, i);
		int c = text(r, name, sizeof name, r->IOReportChannelGetChannelName(item)) < 0 ? -1 : find_channel(r, name);
		if (c < 0)
			continue;
		struct rail *rail = &r->rail[r->channel[c].rail];
		int64_t v = r->IOReportSimpleGetIntegerValue(item, 0);
		if ((uint64_t)v > (uint64_t)INT64_MAX / CHANNELS / r->channel[c].scale)
			rail->rc = -EIO; /* a negative one is among them */
		else
			rail->nanojoules += (uint64_t)v * r->channel[c].scale;
		rail->seen++;
	}
	if (sample)
		r->CFRelease(sample);
}

static void read_rail(struct power *p, struct power_source *s, struct power_sample *out)
{
	struct power_ioreport *r = p->ioreport;
	struct rail *rail = s->handle;
	if (r->sampled_ns != p->poll_ns) /* one sample serves them all */
		take_sample(r);
	r->sampled_ns = p->poll_ns;
	out->rc = rail->rc ? rail->rc : rail->seen == rail->channels ? 0 : -ENODEV;
	out->ticks = rail->nanojoules;
}

/* POSIX has no other way from a symbol to a function than through its bytes. */
static int symbol(struct power_ioreport *r, const char *name, void *fn)
{
	void *at = dlsym(r->library, name);
	if (!at && r->core_foundation)
		at = dlsym(r->core_foundation, name);
	memcpy(fn, &at, sizeof at);
	return at ? 0 : -1;
}

static int open_library(struct power *p, struct power_ioreport *r, const char *name)
{
	const char *lacks = NULL;
	r->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!r->library) {
		power_note(p, "IOReport: %.200s: not there", name);
		return -1;
	}
	r->core_foundation = dlopen(CORE_FOUNDATION, RTLD_NOW | RTLD_LOCAL);
#define LOOK_UP(result, function, arguments) \
	if (symbol(r, #function, &r->function)) \
		lacks = #function;
	FUNCTIONS(LOOK_UP)
#undef LOOK_UP
	if (symbol(r, "kCFTypeArrayCallBacks", &r->kCFTypeArrayCallBacks))
		lacks = "kCFTypeArrayCallBacks";
	power_note(p, "IOReport: %.200s: %s%s", name, lacks ? "lacks " : "opened", lacks ? lacks : "");
	return lacks ? -1 : 0;
}

/* Keeps the channels of the first form of each unit in r->channel and in `kept`. */
static void choose(struct power *p, struct power_ioreport *r, const void *list, void *kept)
{
	char name[NAME], unit[NAME];
	long n = r->CFArrayGetCount(list);
	for (int pass = 0; pass < 2; pass++)
		for (long i = 0; i < n; i++) {
			const void *item = r->CFArrayGetValueAtIndex(list, i);
			int form, rail = text(r, name, sizeof name, r->IOReportChannelGetChannelName(item)) < 0 ? -1 : rail_of(name, &form);
			if (rail < 0)
				continue;
			if (!pass && (r->rail[rail].form < 0 || form < r->rail[rail].form))
				r->rail[rail].form = form;
			if (!pass || form != r->rail[rail].form || r->n == CHANNELS || find_channel(r, name) >= 0)
				continue;
			if (text(r, unit, sizeof unit, r->IOReportChannelGetUnitLabel(item)) < 0)
				snprintf(unit, sizeof unit, "none");
			power_note(p, "IOReport: channel %s, unit %s", name, unit);
			struct channel *c = &r->channel[r->n];
			*c = (struct channel){.rail = rail, .scale = scale_of(unit)};
			snprintf(c->name, sizeof c->name, "%s", name);
			if (!c->scale) {
				snprintf(r->rail[rail].wrong, NAME, "%s", unit);
				continue;
			}
			r->CFArrayAppendValue(kept, item);
			r->rail[rail].channels++;
			r->n++;
		}
	power_note(p, "IOReport: group \"Energy Model\": %d of %ld channels are read", r->n, n);
}

/* 0: r->channel is filled, and r->subscription unless it was refused. -1: there is nothing to read. */
static int subscribe(struct power *p, struct power_ioreport *r)
{
	void *group = r->CFStringCreateWithCString(NULL, "Energy Model", UTF8);
	void *all = group ? r->IOReportCopyChannelsInGroup(group, NULL, 0, 0, 0) : NULL;
	void *kept = r->CFArrayCreateMutable(NULL, 0, r->kCFTypeArrayCallBacks), *subscribed = NULL;
	r->key = r->CFStringCreateWithCString(NULL, "IOReportChannels", UTF8);
	const void *list = r->key ? channels_of(r, all) : NULL;
	if (list && kept)
		choose(p, r, list, kept);
	else
		power_note(p, "IOReport: no group \"Energy Model\"");
	if (r->n && (r->channels = r->CFDictionaryCreateMutableCopy(NULL, 0, all))) {
		r->CFDictionarySetValue(r->channels, r->key, kept);
		/* Nobody tells who owns `subscribed`: it is let be. */
		r->subscription = r->IOReportCreateSubscription(NULL, r->channels, &subscribed, 0, NULL);
		if (!r->subscription)
			power_note(p, "IOReport: the subscription is refused");
	}
	if (kept)
		r->CFRelease(kept);
	if (all)
		r->CFRelease(all);
	if (group)
		r->CFRelease(group);
	return list ? 0 : -1;
}

static void add_rail(struct power *p, int i)
{
	struct rail *rail = &p->ioreport->rail[i];
	const char *name = rail_table[i].name;
	char why[96] = "this Mac has no such counter";
	if (rail->wrong[0])
		snprintf(why, sizeof why, "its counter has the unit \"%s\", which is not known here", rail->wrong);
	if (rail->form < 0 || rail->wrong[0]) {
		power_add_none(p, name, "ioreport", why);
		return;
	}
	struct power_source *s = power_add(p, name, "ioreport", rail_table[i].scope);
	if (!s)
		return;
	s->handle = rail;
	s->denied = p->ioreport->subscription ? 0 : -EACCES;
	s->counter = 1;
	s->unit = 1e-9;
	s->span = 1000000000;
	s->may_rest = rail_table[i].may_rest;
	s->need = "macOS refuses its energy counters";
	s->cure = "start it in Terminal, outside any sandbox";
	s->stuck = "stands still while the processor works (seen on macOS 27)";
	s->unstick = "restart the Mac, or update macOS; `power estimate WATTS` counts until then";
	s->read = read_rail;
}

void power_find_ioreport(struct power *p)
{
	const char *name = getenv("ANETUI_IOREPORT");
	name = name && *name ? name : LIBRARY;
	if (!*name)
		return;
	struct power_ioreport *r = p->ioreport = mem_zalloc(1, sizeof *r);
	if (!r)
		return;
	for (int i = 0; i < RAILS; i++)
		r->rail[i].form = -1;
	if (!open_library(p, r, name) && !subscribe(p, r)) {
		for (int i = 0; i < RAILS; i++)
			add_rail(p, i);
		return;
	}
	power_add_none(p, "package", "ioreport", r->key ? "no energy counters (an Intel Mac, or a virtual machine)" : "this macOS has no IOReport library that can be used");
	power_close_ioreport(p);
}

void power_close_ioreport(struct power *p)
{
	struct power_ioreport *r = p->ioreport;
	if (!r)
		return;
	void *const object[] = {r->subscription, r->channels, r->key};
	for (size_t i = 0; i < ARRAY_LEN(object); i++)
		if (object[i])
			r->CFRelease(object[i]);
	if (r->core_foundation)
		dlclose(r->core_foundation);
	if (r->library)
		dlclose(r->library);
	free(r);
	p->ioreport = NULL;
}
