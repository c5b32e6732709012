/* ioreport_standin.c: energy counters that are none, behind the names of macOS' libIOReport and the part of Core Foundation that is used with it; counts
 * references, so that what is kept or released twice is seen. For test_ioreport. SPDX-License-Identifier: MIT */
#include "meter/ioreport_standin.h"

#include <stdio.h>
#include <string.h>

enum { FREE, STRING, ARRAY, DICTIONARY, CHANNEL, SUBSCRIPTION, OBJECTS = 3000, ITEMS = 64, UTF8 = 0x08000100 };

struct object {
	int kind, refs, n;
	char text[32];
	struct object *item[ITEMS]; /* of an array; of a dictionary: key, value, key, ...; of a channel: name, unit */
	const struct ioreport_row *row;
	int64_t value;
};

struct ioreport_standin ioreport_standin;
const int kCFTypeArrayCallBacks = 7;
static struct object pool[OBJECTS], subscribed_channels;

static struct object *new_object(int kind)
{
	for (int i = 0; i < OBJECTS; i++)
		if (pool[i].kind == FREE) {
			pool[i] = (struct object){.kind = kind, .refs = 1};
			ioreport_standin.live++;
			return &pool[i];
		}
	return NULL;
}

static struct object *check(const void *p, int kind)
{
	struct object *o = (struct object *)(uintptr_t)p;
	static struct object nothing;
	if (o && o->kind == kind && o->refs > 0)
		return o;
	ioreport_standin.wrong++;
	return &nothing;
}

static void add(struct object *o, struct object *item)
{
	if (o->n == ITEMS || !item || item->kind == FREE) {
		ioreport_standin.wrong++;
		return;
	}
	item->refs++;
	o->item[o->n++] = item;
}

void CFRelease(const void *p)
{
	struct object *o = (struct object *)(uintptr_t)p;
	if (!o || o->kind == FREE || o->refs < 1) {
		ioreport_standin.wrong++;
		return;
	}
	if (--o->refs)
		return;
	for (int i = 0; i < o->n; i++)
		CFRelease(o->item[i]);
	o->kind = FREE;
	ioreport_standin.live--;
}

void *CFStringCreateWithCString(void *allocator, const char *s, uint32_t encoding)
{
	struct object *o = new_object(STRING);
	if (allocator || encoding != UTF8)
		ioreport_standin.wrong++;
	snprintf(o->text, sizeof o->text, "%s", s);
	return o;
}

unsigned char CFStringGetCString(const void *string, char *buf, long size, uint32_t encoding)
{
	const struct object *o = check(string, STRING);
	if (encoding != UTF8 || size <= (long)strlen(o->text))
		return 0;
	memcpy(buf, o->text, strlen(o->text) + 1);
	return 1;
}

long CFArrayGetCount(const void *array)
{
	return check(array, ARRAY)->n;
}

const void *CFArrayGetValueAtIndex(const void *array, long i)
{
	return check(array, ARRAY)->item[i];
}

void *CFArrayCreateMutable(void *allocator, long capacity, const void *callbacks)
{
	if (allocator || capacity || callbacks != &kCFTypeArrayCallBacks)
		ioreport_standin.wrong++;
	return new_object(ARRAY);
}

void CFArrayAppendValue(void *array, const void *value)
{
	add(check(array, ARRAY), (struct object *)(uintptr_t)value);
}

void *CFDictionaryCreateMutableCopy(void *allocator, long capacity, const void *dictionary)
{
	struct object *from = check(dictionary, DICTIONARY), *o = new_object(DICTIONARY);
	if (allocator || capacity)
		ioreport_standin.wrong++;
	for (int i = 0; i < from->n; i++)
		add(o, from->item[i]);
	return o;
}

static int find_key(const struct object *o, const void *key)
{
	for (int i = 0; i < o->n; i += 2)
		if (!strcmp(o->item[i]->text, check(key, STRING)->text))
			return i;
	return -1;
}

const void *CFDictionaryGetValue(const void *dictionary, const void *key)
{
	const struct object *o = check(dictionary, DICTIONARY);
	int i = find_key(o, key);
	return i < 0 ? NULL : o->item[i + 1];
}

void CFDictionarySetValue(void *dictionary, const void *key, const void *value)
{
	struct object *o = check(dictionary, DICTIONARY);
	int i = find_key(o, key);
	if (i < 0) {
		add(o, check(key, STRING));
		add(o, (struct object *)(uintptr_t)value);
		return;
	}
	((struct object *)(uintptr_t)value)->refs++;
	CFRelease(o->item[i + 1]);
	o->item[i + 1] = (struct object *)(uintptr_t)value;
}

/* Gives up the caller's own reference. */
static void add_new(struct object *o, struct object *item)
{
	add(o, item);
	CFRelease(item);
}

static struct object *new_channel(const struct ioreport_row *row)
{
	struct object *o = new_object(CHANNEL);
	o->row = row;
	o->value = row->value;
	add_new(o, CFStringCreateWithCString(NULL, row->name, UTF8));
	if (row->unit)
		add_new(o, CFStringCreateWithCString(NULL, row->unit, UTF8));
	return o;
}

static struct object *new_list(struct object *channels)
{
	struct object *o = new_object(DICTIONARY);
	add_new(o, CFStringCreateWithCString(NULL, "IOReportChannels", UTF8));
	add_new(o, channels);
	return o;
}

void *IOReportCopyChannelsInGroup(const void *group, const void *subgroup, uint64_t a, uint64_t b, uint64_t c)
{
	if (ioreport_standin.refuse & IOREPORT_GROUP || strcmp(check(group, STRING)->text, "Energy Model") || subgroup || a || b || c)
		return NULL;
	struct object *list = new_object(ARRAY);
	for (int i = 0; i < ioreport_standin.rows; i++)
		add_new(list, new_channel(&ioreport_standin.row[i]));
	return new_list(list);
}

void *IOReportCreateSubscription(const void *a, void *channels, void **subscribed, uint64_t b, const void *c)
{
	check(channels, DICTIONARY);
	if (ioreport_standin.refuse & IOREPORT_SUBSCRIPTION || a || b || c)
		return NULL;
	subscribed_channels = (struct object){.kind = DICTIONARY, .refs = 1};
	*subscribed = &subscribed_channels; /* not to be released: that would be seen as wrong */
	return new_object(SUBSCRIPTION);
}

/* Last channel first: the order is nobody's promise. */
void *IOReportCreateSamples(const void *subscription, void *channels, const void *c)
{
	struct object *key = CFStringCreateWithCString(NULL, "IOReportChannels", UTF8), *list = new_object(ARRAY);
	check(subscription, SUBSCRIPTION);
	const struct object *wanted = check(CFDictionaryGetValue(channels, key), ARRAY);
	CFRelease(key);
	ioreport_standin.samples++;
	ioreport_standin.sampled = wanted->n;
	for (int i = wanted->n; i--;)
		if (!wanted->item[i]->row->gone)
			add_new(list, new_channel(wanted->item[i]->row));
	struct object *o = new_list(list);
	if (!(ioreport_standin.refuse & IOREPORT_SAMPLE) && !c)
		return o;
	CFRelease(o);
	return NULL;
}

const void *IOReportChannelGetChannelName(const void *channel)
{
	return check(channel, CHANNEL)->item[0];
}

const void *IOReportChannelGetUnitLabel(const void *channel)
{
	const struct object *o = check(channel, CHANNEL);
	return o->n > 1 ? o->item[1] : NULL;
}

int64_t IOReportSimpleGetIntegerValue(const void *channel, int32_t index)
{
	return index ? INT64_MIN : check(channel, CHANNEL)->value;
}
