/* err.h: how core reports failure: a negative code and one clear line. Not a log.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_ERR_H
#define ANETUI_BASE_ERR_H

/* Functions that can fail return 0 or one of these, and take a `struct err *` as their last argument. */
enum err_code {
	ERR_USAGE = -1,  /* the words of a command, or a key, are wrong */
	ERR_RANGE = -2,  /* a number outside its legal range */
	ERR_IO = -3,     /* the operating system refused: errno text in the message */
	ERR_FORMAT = -4, /* a file or text is not what it claims to be */
	ERR_NOMEM = -5,  /* memory; the message says how much was needed */
	ERR_STATE = -6,  /* not possible now (no model, run locked, ...) */
	ERR_DEVICE = -7, /* a device refused a program or a run */
	ERR_CANCEL = -8, /* interrupted by the user */
	ERR_BUDGET = -9, /* the device compiles no more in this process: a new one can */
};

#define ERR_MSG_MAX 512

struct err {
	int code;               /* 0 or enum err_code */
	char msg[ERR_MSG_MAX];  /* "what: thing: why (hint)", no newline */
};

/* Fills `e` (which may be NULL) and returns `code`. Too long a message is cut with "...". */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set with code ERR_NOMEM: "WHAT: out of memory: 12 MiB needed". */
int err_nomem(struct err *e, const char *what, unsigned long long bytes);

/* Puts "prefix: " before the message that is in `e`; returns e->code. For callers that know the file or command. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The code in `e`, or `otherwise` where there is none: what failed without saying why has failed all the same. */
static inline int err_code_or(const struct err *e, enum err_code otherwise) { return e && e->code ? e->code : (int)otherwise; }

void err_clear(struct err *e);

#endif
