/* ane.h: Apple's Neural Engine by its private framework, from plain C: what the files of the device share, and hooks for tests.
 * Programs use device.h. SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_ANE_ANE_H
#define ANETUI_DEVICE_ANE_ANE_H

#include "device/ane/api.h"
#include "device/ane/folder.h"
#include "mil/build.h"

/* Compiles after which a process gets no more: 119 was seen on several chips. The framework itself says only that compiling failed;
 * from ANE_BUDGET_DOUBT on such a failure is taken for the end of the budget. A new process tells whether it was. */
enum { ANE_BUDGET = 119, ANE_BUDGET_DOUBT = 100 };

/* Every input of a program must have a surface of the same size, and so every output; smaller ones than this are refused. Pages are 16 KiB. */
enum { ANE_SURFACE_MIN = 49152, ANE_SURFACE_PAGE = 16384 };

enum { ANE_COPIES = 8 };

struct ane {
	struct device base;
	struct ane_api api;
	enum mil_dialect dialect;
	char chip[16];           /* "m4max" */
	void *no_options;        /* an empty dictionary */
	struct ane_copy { float *mem; size_t bytes; } copy[ANE_COPIES]; /* fp32 windows not in use */
};

/* --- model.c: a program in the framework --- */

struct ane_model {
	void *model;             /* _ANEInMemoryModel */
	int loaded;
	struct ane_folder folder;
};

/* Describes, writes the folder, compiles, loads. Counts the compile. ERR_BUDGET, or an error that names the stage. */
int ane_model_make(struct ane *a, struct ane_model *m, const struct str *text, const struct weight_files *w, struct err *e);
void ane_model_done(struct ane *a, struct ane_model *m);
int ane_model_run(struct ane *a, struct ane_model *m, void *request, struct err *e);
void ane_count(struct ane *a); /* caps.compiles_* as they are in this process */

/* --- surface.c --- */

struct ane_surface {
	struct surface base;
	size_t bytes, alloc;     /* of the tensor, packed; of the IOSurface */
	void *io, *object;       /* IOSurfaceRef; the framework's object around it */
	int broken;              /* it could not be locked for a window: the next run says so */
	unsigned generation;     /* counts IOSurfaces: a request holds those of its time */
	struct ane_copy copy;    /* the open window */
	int64_t c0, n;
	enum surface_access how;
};

struct surface *ane_surface(struct device *d, const struct mil_type *t, float *mem, struct err *e);
void ane_surface_free(struct surface *s);
float *ane_window(struct surface *s, int64_t c0, int64_t n, enum surface_access how);
void ane_window_release(struct surface *s);
/* Surfaces of the same size, at least `alloc`; contents stay. */
int ane_surface_grow(struct ane_surface *s, size_t alloc, struct err *e);

/* --- for tests --- */

/* Libraries instead of the system's (NULL: those), compiles that a process has (0: ANE_BUDGET). The count of compiles begins anew. */
void ane_testing(const char *const path[ANE_LIBRARIES], int budget);

#endif
