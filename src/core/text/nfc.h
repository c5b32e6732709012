/* nfc.h: a stretch of text in Unicode's normal form C (utf8proc), with the way back to the places in the text. Valid UTF-8 only.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_NFC_H
#define ANETUI_TEXT_NFC_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* A stretch that changed. */
struct nfc_change {
	size_t from, to; /* in the normal form */
	size_t src_to;   /* its end in the text */
};

/* Used again and again, so that its memory is. Zeroed at first. */
struct nfc {
	const char *s;   /* the normal form: the text itself when nothing changed */
	size_t n;
	struct nfc_change *change;
	size_t nchange, cap;
	struct str out;
	int32_t *point;
	size_t cap_point;
};

/* Fills x->s and x->n from n bytes of text. -1: memory. More than 1,024 bytes of combining marks in a row are normalised in parts (their sorting is quadratic). */
int nfc_run(struct nfc *x, const char *s, size_t n);
void nfc_done(struct nfc *x);
/* The place in the text of byte `at` of the normal form; -1 inside a stretch that changed. */
long long nfc_back(const struct nfc *x, size_t at);
/* Whether nothing that comes before this character can change with it. */
int nfc_is_start(uint32_t cp);

#endif
