/* standin.c: a library that exports the C names of macOS which the ane device uses, with objects that are counted, pools, errors, and the rules
 * that the hardware keeps: a budget of compiles, surfaces of equal and sufficient size, weights as they were at load. Knows no
 * arithmetic: programs are run by an engine that the test installs. SPDX-License-Identifier: MIT */
#include "ane/standin.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct standin s;

struct standin *standin_control(void)
{
	return &s;
}

static void misuse(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s.what, sizeof s.what, fmt, ap);
	va_end(ap);
	s.misuse++;
}

/* Does this call fail? */
static int fails(enum standin_stage stage)
{
	return ++s.calls[stage] == s.fail[stage];
}

/* --- objects --- */

enum kind { FIXED, STRING, DATA, NUMBER, ARRAY, DICTIONARY, ERROR, IOSURFACE, DESCRIPTION, MODEL, SURFACE, REQUEST };

enum { PARTS = 12 };

struct object {
	enum kind kind;
	int refs;
	char *bytes;               /* STRING, DATA, IOSURFACE, and the domain of an ERROR */
	size_t n;
	long number;               /* NUMBER, code of an ERROR */
	int nparts;                /* ARRAY: elements; DICTIONARY: keys, then values; others: what they hold on to */
	struct object **part;
	int locks, writing;        /* IOSURFACE */
	int compiled;              /* MODEL */
	void *program;             /* MODEL, loaded */
};

static struct object *new_object(enum kind kind, const void *bytes, size_t n, int nparts)
{
	struct object *o = calloc(1, sizeof *o);
	o->kind = kind;
	o->refs = 1;
	o->n = n;
	o->bytes = calloc(1, n + 1);
	if (bytes && n)
		memcpy(o->bytes, bytes, n);
	o->part = calloc((size_t)nparts + 1, sizeof *o->part);
	s.live++;
	return o;
}

void *CFRetain(void *object)
{
	struct object *o = object;
	if (o->kind != FIXED && o->refs++ < 1)
		misuse("CFRetain of an object that is gone");
	return o;
}

void CFRelease(void *object)
{
	struct object *o = object;
	if (!o)
		misuse("CFRelease of NULL");
	if (!o || o->kind == FIXED || --o->refs > 0)
		return;
	if (o->kind == MODEL && o->program) {
		misuse("a model goes without having been unloaded");
		s.engine->unload(o->program);
		s.loaded--;
	}
	for (int i = 0; i < o->nparts; i++)
		CFRelease(o->part[i]);
	free(o->bytes);
	free(o->part);
	free(o);
	s.live--;
}

static void hold(struct object *o, struct object *part)
{
	o->part[o->nparts++] = CFRetain(part);
}

/* --- autorelease pools --- */

enum { POOLED = 4096 };
static struct object *pooled[POOLED];
static int npooled;

void *objc_autoreleasePoolPush(void)
{
	s.pools++;
	return (void *)(intptr_t)(npooled + 1);
}

void objc_autoreleasePoolPop(void *pool)
{
	int to = (int)(intptr_t)pool - 1;
	if (to < 0 || to > npooled || --s.pools < 0)
		misuse("a pool that was not pushed");
	while (to >= 0 && npooled > to)
		CFRelease(pooled[--npooled]);
}

static struct object *autorelease(struct object *o)
{
	if (!s.pools || npooled == POOLED)
		misuse("an object is autoreleased where there is no pool: it leaks");
	else
		pooled[npooled++] = o;
	return o;
}

/* --- Core Foundation --- */

const struct { int x; } kCFTypeArrayCallBacks = {1}, kCFTypeDictionaryKeyCallBacks = {2}, kCFTypeDictionaryValueCallBacks = {3};

void *CFStringCreateWithCString(void *allocator, const char *text, uint32_t encoding)
{
	if (allocator || encoding != 0x08000100)
		misuse("CFStringCreateWithCString: not UTF-8");
	return new_object(STRING, text, strlen(text), 0);
}

unsigned char CFStringGetCString(void *string, char *buf, long size, uint32_t encoding)
{
	const struct object *o = string;
	if ((o->kind != STRING && o->kind != FIXED) || encoding != 0x08000100)
		misuse("CFStringGetCString: no string");
	if ((long)o->n + 1 > size)
		return 0;
	memcpy(buf, o->bytes, o->n + 1);
	return 1;
}

void *CFDataCreate(void *allocator, const uint8_t *bytes, long n)
{
	(void)allocator;
	return new_object(DATA, bytes, (size_t)n, 0);
}

void *CFNumberCreate(void *allocator, long type, const void *value)
{
	(void)allocator;
	if (type != 4)
		misuse("CFNumberCreate: type %ld is not kCFNumberSInt64Type", type);
	struct object *o = new_object(NUMBER, NULL, 0, 0);
	int64_t v;
	memcpy(&v, value, sizeof v);
	o->number = (long)v;
	return o;
}

void *CFArrayCreate(void *allocator, const void **values, long n, const void *callbacks)
{
	(void)allocator;
	if (callbacks != &kCFTypeArrayCallBacks)
		misuse("CFArrayCreate: callbacks that retain nothing");
	struct object *o = new_object(ARRAY, NULL, 0, (int)n);
	for (long i = 0; i < n; i++)
		hold(o, (struct object *)(uintptr_t)values[i]);
	return o;
}

void *CFDictionaryCreate(void *allocator, const void **keys, const void **values, long n, const void *key_callbacks, const void *value_callbacks)
{
	(void)allocator;
	if (key_callbacks != &kCFTypeDictionaryKeyCallBacks || value_callbacks != &kCFTypeDictionaryValueCallBacks)
		misuse("CFDictionaryCreate: callbacks that retain nothing");
	struct object *o = new_object(DICTIONARY, NULL, 0, 2 * (int)n);
	for (long i = 0; i < n; i++)
		hold(o, (struct object *)(uintptr_t)keys[i]);
	for (long i = 0; i < n; i++)
		hold(o, (struct object *)(uintptr_t)values[i]);
	return o;
}

static struct object *lookup(const struct object *d, const char *key)
{
	int n = d->nparts / 2;
	for (int i = 0; i < n; i++)
		if (!strcmp(d->part[i]->bytes, key))
			return d->part[n + i];
	return NULL;
}

void *CFErrorGetDomain(void *error)
{
	return ((struct object *)error)->part[0];
}

long CFErrorGetCode(void *error)
{
	return ((struct object *)error)->number;
}

void *CFErrorCopyDescription(void *error)
{
	return CFRetain(((struct object *)error)->part[1]);
}

static void give_error(void *to, const char *domain, long code, const char *text)
{
	struct object *e, *d;
	if (!to || s.silent)
		return;
	e = new_object(ERROR, NULL, 0, 2);
	e->number = code;
	hold(e, d = new_object(STRING, domain, strlen(domain), 0));
	CFRelease(d);
	hold(e, d = new_object(STRING, text, strlen(text), 0));
	CFRelease(d);
	*(void **)to = autorelease(e);
}

/* --- IOSurface --- */

#define KEY(name) static struct object name##_string = {.kind = FIXED, .bytes = #name, .n = sizeof #name - 1}; void *name = &name##_string;
KEY(kIOSurfaceWidth)
KEY(kIOSurfaceHeight)
KEY(kIOSurfaceBytesPerElement)
KEY(kIOSurfaceBytesPerRow)
KEY(kIOSurfaceAllocSize)
KEY(kIOSurfacePixelFormat)

void *IOSurfaceCreate(void *properties)
{
	static const char *const keys[] = {"kIOSurfaceWidth", "kIOSurfaceHeight", "kIOSurfaceBytesPerElement", "kIOSurfaceBytesPerRow",
					   "kIOSurfaceAllocSize", "kIOSurfacePixelFormat"};
	long v[6] = {0};
	for (int i = 0; i < 6; i++) {
		const struct object *o = lookup(properties, keys[i]);
		if (!o || o->kind != NUMBER)
			misuse("IOSurfaceCreate: %s is not given", keys[i]);
		else
			v[i] = o->number;
	}
	if (v[0] != v[4] || v[1] != 1 || v[2] != 1 || v[3] != v[4] || v[5])
		misuse("IOSurfaceCreate: properties that do not agree");
	return fails(STANDIN_SURFACE) ? NULL : new_object(IOSURFACE, NULL, (size_t)v[4], 0);
}

int IOSurfaceLock(void *surface, uint32_t options, uint32_t *seed)
{
	struct object *o = surface;
	(void)seed;
	if (fails(STANDIN_LOCK))
		return (int)0xe00002bd;
	o->locks++;
	o->writing = !(options & 1);
	return 0;
}

int IOSurfaceUnlock(void *surface, uint32_t options, uint32_t *seed)
{
	struct object *o = surface;
	(void)seed;
	if (--o->locks < 0 || (!o->locks && o->writing == (int)(options & 1)))
		misuse("IOSurfaceUnlock: not as it was locked");
	return 0;
}

void *IOSurfaceGetBaseAddress(void *surface)
{
	const struct object *o = surface;
	if (!o->locks)
		misuse("IOSurfaceGetBaseAddress of a surface that is not locked");
	return o->bytes;
}

size_t IOSurfaceGetAllocSize(void *surface)
{
	return ((struct object *)surface)->n;
}

/* --- Foundation, sysctl --- */

void *NSTemporaryDirectory(void)
{
	return autorelease(new_object(STRING, s.folder, strlen(s.folder), 0));
}

int sysctlbyname(const char *name, void *value, size_t *size, void *new_value, size_t new_size)
{
	if (strcmp(name, "machdep.cpu.brand_string") || new_value || new_size || !s.brand || strlen(s.brand) + 1 > *size)
		return -1;
	*size = strlen(s.brand) + 1;
	memcpy(value, s.brand, *size);
	return 0;
}

/* --- the framework's methods; a: arguments behind receiver and selector --- */

static void *with_text(void **a)
{
	struct object *text = a[0], *weights = a[1];
	if (text->kind != DATA || !weights || weights->kind != DICTIONARY || a[2])
		misuse("modelWithMILText: data, a dictionary and nil are wanted");
	if (fails(STANDIN_DESCRIBE))
		return NULL;
	struct object *o = new_object(DESCRIPTION, NULL, 0, 2);
	hold(o, text);
	hold(o, weights);
	return autorelease(o);
}

static void *in_memory(void **a)
{
	if (fails(STANDIN_MODEL))
		return NULL;
	struct object *o = new_object(MODEL, NULL, 0, 1);
	hold(o, a[0]);
	return autorelease(o);
}

static const struct object *text_of(const struct object *model)
{
	return model->part[0]->part[0];
}

static const struct object *weights_of(const struct object *model)
{
	return model->part[0]->part[1];
}

static uint64_t hash(uint64_t h, const struct object *o)
{
	for (size_t i = 0; i < o->n; i++)
		h = (h ^ (unsigned char)o->bytes[i]) * 1099511628211u;
	for (int i = 0; i < o->nparts; i++)
		h = hash(h, o->part[i]);
	return h;
}

static void identify(char *buf, size_t n, const struct object *model)
{
	if (s.identifier)
		snprintf(buf, n, "%s", s.identifier);
	else
		snprintf(buf, n, "%016llX_%016llX", (unsigned long long)hash(14695981039346656037u, text_of(model)),
			 (unsigned long long)hash(14695981039346656037u, weights_of(model)));
}

static void *identifier(struct object *model)
{
	char name[600];
	identify(name, sizeof name, model);
	return autorelease(new_object(STRING, name, strlen(name), 0));
}

/* Is the file there, with these bytes, for nobody else to see? */
static int is_file(const char *folder, const char *name, const struct object *data)
{
	char path[2048], *got = malloc(data->n + 1);
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_RDONLY | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, got, data->n + 1);
	int same = fd >= 0 && !fstat(fd, &st) && !(st.st_mode & 077) && n == (ssize_t)data->n && !memcmp(got, data->bytes, data->n);
	if (fd >= 0)
		close(fd);
	free(got);
	return same;
}

static int folder_is_right(const struct object *model)
{
	char name[600], folder[1400];
	struct stat st;
	identify(name, sizeof name, model);
	snprintf(folder, sizeof folder, "%s%s", s.folder, name);
	if (lstat(folder, &st) || !S_ISDIR(st.st_mode) || (st.st_mode & 0777) != 0700)
		return 0;
	const struct object *w = weights_of(model);
	int n = w->nparts / 2;
	for (int i = 0; i < n; i++) {
		const struct object *data = lookup(w->part[n + i], "data"), *offset = lookup(w->part[n + i], "offset");
		if (!data || !offset || offset->number || strncmp(w->part[i]->bytes, "@model_path/", 12) || !is_file(folder, w->part[i]->bytes + 12, data))
			return 0;
	}
	return is_file(folder, "model.mil", text_of(model));
}

/* Older chips read only the older way of writing; newer ones are given the newer one. */
static int dialect_is_right(const struct object *model)
{
	int old = s.brand && (!strncmp(s.brand, "Apple M1", 8) || !strncmp(s.brand, "Apple M2", 8));
	return !strncmp(text_of(model)->bytes, old ? "program(1.0)" : "program(1.3)", 12);
}

static void check_call(unsigned qos, const struct object *options)
{
	if (qos != 21 || !options || options->kind != DICTIONARY)
		misuse("QoS %u, or options that are no dictionary", qos);
}

static void *compile(struct object *model, void **a)
{
	static const char domain[] = "com.apple.appleneuralengine.compiler";
	int failed = fails(STANDIN_COMPILE);
	check_call((unsigned)(uintptr_t)a[0], a[1]);
	if (!folder_is_right(model))
		give_error(a[2], domain, 1, "_ANECompiler : CompilationFailure : no such model in\nthe temporary folder");
	else if (!dialect_is_right(model))
		give_error(a[2], domain, 1, "InvalidMILProgram");
	else if (failed || s.calls[STANDIN_COMPILE] > s.budget)
		give_error(a[2], domain, 1, "_ANECompiler : ANECCompile() FAILED");
	else
		model->compiled = 1;
	return (void *)(intptr_t)model->compiled;
}

static void *load_program(const struct object *model, char *says, size_t room)
{
	const struct object *w = weights_of(model);
	int n = w->nparts / 2;
	char **path = calloc((size_t)n + 1, sizeof *path);
	const void **data = calloc((size_t)n + 1, sizeof *data);
	size_t *size = calloc((size_t)n + 1, sizeof *size);
	for (int i = 0; i < n; i++) {
		const struct object *d = lookup(w->part[n + i], "data");
		path[i] = w->part[i]->bytes;
		data[i] = d->bytes;
		size[i] = d->n;
	}
	void *program = s.engine->load(text_of(model)->bytes, text_of(model)->n, n, path, data, size, says, room);
	free(path);
	free(data);
	free(size);
	return program;
}

static void *load(struct object *model, void **a)
{
	char says[512] = "";
	int failed = fails(STANDIN_LOAD);
	check_call((unsigned)(uintptr_t)a[0], a[1]);
	if (!model->compiled || model->program)
		misuse("load of a model that is not compiled, or loaded");
	if (!failed)
		model->program = load_program(model, says, sizeof says);
	s.loaded += model->program != NULL;
	if (!model->program)
		give_error(a[2], "com.apple.appleneuralengine", 3, failed ? "load failed" : says);
	return (void *)(intptr_t)(model->program != NULL);
}

static void *unload(struct object *model, void **a)
{
	int failed = fails(STANDIN_UNLOAD);
	if ((unsigned)(uintptr_t)a[0] != 21 || !model->program)
		misuse("unload of a model that is not loaded");
	else
		s.engine->unload(model->program);
	s.loaded -= model->program != NULL;
	model->program = NULL;
	if (failed)
		give_error(a[1], "com.apple.appleneuralengine", 5, "unload failed");
	return (void *)(intptr_t)!failed;
}

static void *wrap(void **a)
{
	struct object *io = a[0];
	if (io->kind != IOSURFACE)
		misuse("objectWithIOSurface: no surface");
	if (fails(STANDIN_WRAP))
		return NULL;
	struct object *o = new_object(SURFACE, NULL, 0, 1);
	hold(o, io);
	return autorelease(o);
}

static void *request(void **a)
{
	for (int i = 0; i < 4; i += 2) {
		const struct object *objects = a[i], *indices = a[i + 1];
		for (int k = 0; k < objects->nparts; k++)
			if (objects->part[k]->kind != SURFACE || k >= indices->nparts || indices->part[k]->number != k)
				misuse("request: surfaces with the indices 0, 1, ... are wanted");
	}
	if (a[4] || a[5] || !a[6] || ((struct object *)a[6])->number)
		misuse("request: no weights, no statistics and procedure 0 are wanted");
	if (fails(STANDIN_REQUEST))
		return NULL;
	struct object *o = new_object(REQUEST, NULL, 0, 2);
	hold(o, a[0]);
	hold(o, a[2]);
	return autorelease(o);
}

/* The rule behind status 0x1d: as many surfaces as the program has, all of one size, none too small. */
static int surfaces_fit(const struct object *model, const struct object *list, int outputs, void **base)
{
	if (list->nparts != s.engine->count(model->program, outputs))
		return 0;
	for (int i = 0; i < list->nparts; i++) {
		struct object *io = list->part[i]->part[0];
		if (io->n < s.min_bytes || io->n < s.engine->bytes(model->program, outputs, i) || io->n != list->part[0]->part[0]->n)
			return 0;
		if (io->locks)
			misuse("a program runs on a surface that is locked");
		base[i] = io->bytes;
	}
	return 1;
}

static void *evaluate(struct object *model, void **a)
{
	static const char domain[] = "com.apple.appleneuralengine";
	struct object *r = a[2];
	void *in[64], *out[64];
	char says[512] = "";
	int failed = fails(STANDIN_RUN), ok = 0;
	check_call((unsigned)(uintptr_t)a[0], a[1]);
	if (!model->program)
		misuse("evaluate of a model that is not loaded");
	else if (failed || r->part[0]->nparts > 64 || r->part[1]->nparts > 64 || !surfaces_fit(model, r->part[0], 0, in) ||
		 !surfaces_fit(model, r->part[1], 1, out))
		give_error(a[3], domain, 8, "ANEProgramProcessRequestDirect() Failed with status=0x1d : statusType=0x9: Program Inference error");
	else if (!(ok = !s.engine->run(model->program, in, out, says, sizeof says)))
		give_error(a[3], domain, 8, says);
	return (void *)(intptr_t)ok;
}

/* --- the Objective-C runtime --- */

static struct object classes[] = {
	{.kind = FIXED, .bytes = "_ANEInMemoryModelDescriptor"}, {.kind = FIXED, .bytes = "_ANEInMemoryModel"},
	{.kind = FIXED, .bytes = "_ANEIOSurfaceObject"}, {.kind = FIXED, .bytes = "_ANERequest"},
};

static const struct method {
	int class, on_class;
	const char *selector;
	void *(*of_class)(void **a);
	void *(*of_object)(struct object *o, void **a);
} methods[] = {
	{0, 1, "modelWithMILText:weights:optionsPlist:", with_text, NULL},
	{1, 1, "inMemoryModelWithDescriptor:", in_memory, NULL},
	{1, 0, "hexStringIdentifier", NULL, NULL},
	{1, 0, "compileWithQoS:options:error:", NULL, compile},
	{1, 0, "loadWithQoS:options:error:", NULL, load},
	{1, 0, "evaluateWithQoS:options:request:error:", NULL, evaluate},
	{1, 0, "unloadWithQoS:error:", NULL, unload},
	{2, 1, "objectWithIOSurface:", wrap, NULL},
	{3, 1, "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:", request, NULL},
};

enum { NCLASS = sizeof classes / sizeof *classes, NMETHOD = sizeof methods / sizeof *methods };

static const char *selectors[64];

void *sel_registerName(const char *name)
{
	int i = 0;
	while (selectors[i] && strcmp(selectors[i], name))
		i++;
	if (!selectors[i])
		for (int m = 0; m < NMETHOD; m++)
			if (!strcmp(methods[m].selector, name))
				selectors[i] = methods[m].selector;
	return selectors[i] ? &selectors[i] : NULL;
}

void *objc_getClass(const char *name)
{
	for (int i = 0; i < NCLASS; i++)
		if (!strcmp(classes[i].bytes, name) && (!s.missing || strcmp(s.missing, name)))
			return &classes[i];
	return NULL;
}

static const struct method *find_method(const void *class, const void *selector, int on_class)
{
	const char *name = selector ? *(const char *const *)selector : "";
	for (int m = 0; m < NMETHOD; m++)
		if (&classes[methods[m].class] == class && methods[m].on_class == on_class && !strcmp(methods[m].selector, name) &&
		    (!s.missing || strcmp(s.missing, name)))
			return &methods[m];
	return NULL;
}

void *class_getClassMethod(void *class, void *selector)
{
	return (void *)(uintptr_t)find_method(class, selector, 1);
}

void *class_getInstanceMethod(void *class, void *selector)
{
	return (void *)(uintptr_t)find_method(class, selector, 0);
}

/* Whatever the prototype of the cast call: on the processors that this is built for its arguments are these nine. */
void *objc_msgSend(struct object *to, void *selector, void *a2, void *a3, void *a4, void *a5, void *a6, void *a7, void *a8)
{
	void *a[] = {a2, a3, a4, a5, a6, a7, a8};
	if (!s.pools)
		misuse("a message outside of any pool");
	const struct method *m = find_method(to->kind == MODEL ? &classes[1] : to, selector, to->kind != MODEL);
	if (!m) {
		misuse("unrecognized selector: an exception");
		return NULL;
	}
	return m->of_class ? m->of_class(a) : m->of_object ? m->of_object(to, a) : identifier(to);
}
