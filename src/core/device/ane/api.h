/* api.h: the system libraries behind the ane device: opened, every name looked up, every class and method checked. Calls no engine.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_ANE_API_H
#define ANETUI_DEVICE_ANE_API_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum ane_library {
#define ANE_LIBRARY(ID, path) ANE_LIBRARY_##ID,
#include "device/ane/api.def"
	ANE_LIBRARIES
};

enum ane_class {
#define ANE_CLASS(ID, name) ANE_CLASS_##ID,
#include "device/ane/api.def"
	ANE_CLASSES
};

enum ane_method {
#define ANE_METHOD(ID, CLASS, kind, selector) ANE_METHOD_##ID,
#include "device/ane/api.def"
	ANE_METHODS
};

struct ane_api {
	void *library[ANE_LIBRARIES], *class[ANE_CLASSES], *selector[ANE_METHODS];
#define ANE_CALL(LIBRARY, result, name, arguments) result (*name) arguments;
#define ANE_DATA(LIBRARY, name) void *name;
#include "device/ane/api.def"
};

/* For tests: libraries to open instead of the system's, or NULL. Compiled in, so that no user's environment can name a library. */
void ane_api_paths(const char *const path[ANE_LIBRARIES]);

/* ERR_DEVICE: "device: ane: needs macOS on Apple silicon (...)", or which name, class or method this macOS does not have. */
int ane_api_open(struct ane_api *a, struct err *e);
void ane_api_close(struct ane_api *a);

/* Owned objects: CFRelease. NULL: memory. */
void *ane_string(const struct ane_api *a, const char *s);
void *ane_number(const struct ane_api *a, int64_t v);
void *ane_array(const struct ane_api *a, void *const *object, int n);
void *ane_dictionary(const struct ane_api *a, void *const *key, void *const *value, int n);
void ane_release(const struct ane_api *a, void *object); /* NULL is allowed */

/* ERR_DEVICE: "ane: STAGE: [domain code] description HINT", from an NSError, which may be NULL; line ends become blanks. */
int ane_error(const struct ane_api *a, const char *stage, void *error, const char *hint, struct err *e);
/* UTF-8 of a string object into buf: 0, or -1 when there is none or it is too long. */
int ane_text(const struct ane_api *a, void *string, char *buf, size_t n);

#endif
