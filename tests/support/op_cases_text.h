/* op_cases_text.h: between the two halves of the table of op_cases.h. SPDX-License-Identifier: MIT */
#ifndef TESTS_OP_CASES_TEXT_H
#define TESTS_OP_CASES_TEXT_H

/* A program of one function: parameters, the names returned, the statements. */
void op_case_add(const char *name, const char *params, const char *ret, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The cases that are written out (op_cases_text.c). */
void op_case_add_written(void);

#endif
