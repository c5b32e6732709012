/* standin.h: what a test and the stand-in for macOS' libraries say to each other. The ane device itself never sees this.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_ANE_STANDIN_H
#define TESTS_ANE_STANDIN_H

#include <stddef.h>

enum standin_stage { STANDIN_DESCRIBE, STANDIN_MODEL, STANDIN_COMPILE, STANDIN_LOAD, STANDIN_SURFACE, STANDIN_LOCK, STANDIN_WRAP,
		     STANDIN_REQUEST, STANDIN_RUN, STANDIN_UNLOAD, STANDIN_STAGES };

/* Who runs a program: the test installs our own executor. Inputs and outputs are numbered in the order of their names, and hold
 * packed tensors in the dtype that the text declares. */
struct standin_engine {
	/* NULL, and why in `says`. path[i] is as the text names it, data[i] the file's bytes. */
	void *(*load)(const char *text, size_t n, int nfile, char *const *path, const void *const *data, const size_t *size, char *says, size_t room);
	int (*count)(void *program, int outputs);
	size_t (*bytes)(void *program, int output, int i);
	int (*run)(void *program, void *const *in, void *const *out, char *says, size_t room);
	void (*unload)(void *program);
};

struct standin {
	/* knobs */
	const struct standin_engine *engine;
	const char *brand;        /* what sysctl says; NULL: nothing */
	const char *folder;       /* NSTemporaryDirectory, with a slash at the end */
	const char *identifier;   /* instead of the hash; NULL: the hash */
	const char *missing;      /* a class or selector that is not there, or "" */
	int budget;               /* compiles before compiling fails */
	size_t min_bytes;         /* of a surface */
	int fail[STANDIN_STAGES]; /* the number of the call that fails, 0: none; negative: and says no reason */
	int silent;               /* 1: failing calls leave no NSError */

	/* what was seen */
	int calls[STANDIN_STAGES];
	int live;                 /* objects that exist */
	int pools;                /* autorelease pools that are open */
	int loaded;               /* programs that are loaded */
	int misuse;               /* rules of the libraries that were broken; the latest in `what` */
	char what[256];
};

/* Exported by the library. */
struct standin *standin_control(void);

#endif
