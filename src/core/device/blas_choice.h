/* blas_choice.h: which library and how many threads: measured at the first start, remembered in one file for each kind of machine. Multiplies nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_BLAS_CHOICE_H
#define ANETUI_DEVICE_BLAS_CHOICE_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { BLAS_LIBS = 8, BLAS_COUNTS = 8, BLAS_CHOICE_NS = 100000000 };

struct blas;

/* One library that was looked for; not there: library is empty. */
struct blas_tried {
	char name[128];      /* as it was asked for */
	char path[512];      /* where it was found; "" for the built-in product */
	uint64_t bytes;      /* of the file, and when it was written: another library stands there when they differ */
	int64_t mtime;
	char library[64], kernels[32];
	double gflops;       /* on as many threads as there are processors */
};

struct blas_count {
	int threads;
	double gflops;       /* of the library that was taken */
};

/* A plain value: it goes through a restart. */
struct blas_choice {
	char processor[128]; /* its model, as the system names it */
	char simd[32], kernels[32]; /* what it can do; what OpenBLAS was told */
	int cpus;            /* that this process may use */
	int busy;            /* others used the machine meanwhile: all processors are used, and it is measured again when they no longer do */
	int nlib, lib;       /* the one taken */
	struct blas_tried tried[BLAS_LIBS];
	int ncount, threads; /* how many to use */
	struct blas_count count[BLAS_COUNTS];
	int remembered;      /* 1: read, not measured now */
};

/* What decides, and where it is remembered. */
struct blas_choice_how {
	const char *const *names;  /* libraries to look for, NULL at the end; the built-in product comes after them */
	int asked_for;             /* somebody named them: the built-in product comes only where none opens, however fast it is */
	const char *folder;        /* NULL: nothing is remembered */
	int cpus;
	int busy;                  /* do others use the machine now? */
	int (*disturbed)(void *ctx); /* asked after measuring: did they meanwhile? May be NULL */
	/* GFLOP/s of a library on that many threads, found within about ns. */
	double (*rate)(void *ctx, const struct blas *b, int threads, uint64_t ns);
	void *ctx;
};

/* Fills *c: from the file that fits this machine, else by measuring for about BLAS_CHOICE_NS. Never fails. `note` becomes one line when a file
 * was there and could not be used, or could not be written, else empty; that there is no folder is no note. */
void blas_choose(struct blas_choice *c, const struct blas_choice_how *how, char *note, size_t nnote);

/* The choice of this process on this machine: the libraries that are known, or the one that $ANETUI_BLAS names; the program's cache folder; real rates. Makes the library the
 * one in use: to be called before any product. */
void blas_choose_here(struct blas_choice *c, char *note, size_t nnote);
/* What an earlier process has chosen: the same library. */
void blas_choose_again(const struct blas_choice *c);

/* "OpenBLAS 0.3.21 304, built-in 121 GFLOP/s on 2 threads, 155 on 1 (measured earlier)", for people; and as a JSON object. Nothing for a choice that was never made (nlib 0). */
void blas_choice_text(const struct blas_choice *c, struct str *out);
void blas_choice_json(const struct blas_choice *c, struct str *out);

#endif
