/* api.c: loading by name. After ane_api_open nothing that the device calls can be missing: an unknown method would raise an
 * exception that C can not catch. SPDX-License-Identifier: MIT */
#include "device/ane/api.h"

#include <dlfcn.h>
#include <string.h>

enum { UTF8 = 0x08000100, NUMBER_INT64 = 4, CLASS_METHOD = 0, INSTANCE_METHOD = 1 };

static const char *const system_path[ANE_LIBRARIES] = {
#define ANE_LIBRARY(ID, path) path,
#include "device/ane/api.def"
};

static const char *const class_name[ANE_CLASSES] = {
#define ANE_CLASS(ID, name) name,
#include "device/ane/api.def"
};

static const struct {
	enum ane_class class;
	int kind;
	const char *selector;
} method[ANE_METHODS] = {
#define ANE_METHOD(ID, CLASS, kind, selector) {ANE_CLASS_##CLASS, kind, selector},
#include "device/ane/api.def"
};

static const struct {
	enum ane_library library;
	const char *name;
	size_t at; /* in struct ane_api */
} symbol[] = {
#define ANE_CALL(LIBRARY, result, name, arguments) {ANE_LIBRARY_##LIBRARY, #name, offsetof(struct ane_api, name)},
#define ANE_DATA(LIBRARY, name) {ANE_LIBRARY_##LIBRARY, #name, offsetof(struct ane_api, name)},
#include "device/ane/api.def"
};

static const char *const *paths = system_path;

void ane_api_paths(const char *const path[ANE_LIBRARIES])
{
	paths = path ? path : system_path;
}

static int open_libraries(struct ane_api *a, struct err *e)
{
	for (int i = 0; i < ANE_LIBRARIES; i++) {
		/* These files lie in the loader's cache, not in folders: nothing to look for beforehand. */
		if ((a->library[i] = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL)))
			continue;
		if (i == ANE_LIBRARY_ANE)
			return err_set(e, ERR_DEVICE, "device: ane: this macOS has no %s (try: device sim chip=m4)", paths[i]);
		return err_set(e, ERR_DEVICE, "device: ane: needs macOS on Apple silicon (try: device sim chip=m4)");
	}
	return 0;
}

static int find_symbols(struct ane_api *a, struct err *e)
{
	for (size_t i = 0; i < sizeof symbol / sizeof *symbol; i++) {
		void *p = dlsym(a->library[symbol[i].library], symbol[i].name);
		if (!p)
			return err_set(e, ERR_DEVICE, "device: ane: this macOS has no %s in %s", symbol[i].name, paths[symbol[i].library]);
		memcpy((char *)a + symbol[i].at, &p, sizeof p);
	}
	return 0;
}

static int find_methods(struct ane_api *a, struct err *e)
{
	for (int i = 0; i < ANE_CLASSES; i++)
		if (!(a->class[i] = a->objc_getClass(class_name[i])))
			return err_set(e, ERR_DEVICE, "device: ane: this macOS has no class %s", class_name[i]);
	for (int i = 0; i < ANE_METHODS; i++) {
		void *class = a->class[method[i].class];
		a->selector[i] = a->sel_registerName(method[i].selector);
		if (!(method[i].kind == CLASS_METHOD ? a->class_getClassMethod : a->class_getInstanceMethod)(class, a->selector[i]))
			return err_set(e, ERR_DEVICE, "device: ane: this macOS has no such method: %c[%s %s]",
				       method[i].kind == CLASS_METHOD ? '+' : '-', class_name[method[i].class], method[i].selector);
	}
	return 0;
}

int ane_api_open(struct ane_api *a, struct err *e)
{
	memset(a, 0, sizeof *a);
	int r = open_libraries(a, e);
	if (!r)
		r = find_symbols(a, e);
	if (!r)
		r = find_methods(a, e);
	if (r)
		ane_api_close(a);
	return r;
}

void ane_api_close(struct ane_api *a)
{
	for (int i = ANE_LIBRARIES - 1; i >= 0; i--)
		if (a->library[i])
			dlclose(a->library[i]);
	memset(a, 0, sizeof *a);
}

/* --- objects --- */

void *ane_string(const struct ane_api *a, const char *s)
{
	return a->CFStringCreateWithCString(NULL, s, UTF8);
}

void *ane_number(const struct ane_api *a, int64_t v)
{
	return a->CFNumberCreate(NULL, NUMBER_INT64, &v);
}

void *ane_array(const struct ane_api *a, void *const *object, int n)
{
	return a->CFArrayCreate(NULL, (const void **)(uintptr_t)object, n, a->kCFTypeArrayCallBacks);
}

void *ane_dictionary(const struct ane_api *a, void *const *key, void *const *value, int n)
{
	return a->CFDictionaryCreate(NULL, (const void **)(uintptr_t)key, (const void **)(uintptr_t)value, n,
				     a->kCFTypeDictionaryKeyCallBacks, a->kCFTypeDictionaryValueCallBacks);
}

void ane_release(const struct ane_api *a, void *object)
{
	if (object)
		a->CFRelease(object);
}

int ane_text(const struct ane_api *a, void *string, char *buf, size_t n)
{
	if (string && a->CFStringGetCString(string, buf, (long)n, UTF8))
		return 0;
	buf[0] = 0;
	return -1;
}

int ane_error(const struct ane_api *a, const char *stage, void *error, const char *hint, struct err *e)
{
	char domain[96], text[4096];
	if (!error)
		return err_set(e, ERR_DEVICE, "ane: %s: failed, and macOS gives no reason%s", stage, hint);
	void *description = a->CFErrorCopyDescription(error);
	if (ane_text(a, a->CFErrorGetDomain(error), domain, sizeof domain))
		strcpy(domain, "?");
	if (ane_text(a, description, text, sizeof text))
		strcpy(text, "no description");
	ane_release(a, description);
	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
	return err_set(e, ERR_DEVICE, "ane: %s: [%s %ld] %.240s%s", stage, domain, a->CFErrorGetCode(error), text, hint);
}
