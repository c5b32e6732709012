/* source.h: where text comes from: the built-in corpus, a file of text or JSON lines, a folder of such. Knows no tokenizer.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_SOURCE_H
#define ANETUI_TEXT_SOURCE_H

#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "text/data.h"

/* How a file is divided into documents. */
enum source_kind {
	SOURCE_PLAIN,    /* not at all: one text */
	SOURCE_MARKED,   /* by lines that say <|endoftext|> and nothing else; the first stands in the first MiB */
	SOURCE_STORIES,  /* by empty lines: the built-in corpus */
	SOURCE_JSONL,    /* a line is a document: the string "text" of a JSON object, else its "story" */
};

struct source_file {
	char *path;
	struct file_map map;
	const char *s;           /* the builtin's: NULL until source_tell */
	size_t n;
	enum source_kind kind;
};

struct source {
	struct source_file *file;
	int nfile;
	int ntrain;              /* files [ntrain, nfile) are for validation, by their names */
	struct str made;
	uint64_t hash;           /* of what it is: contents, kinds, which files validate. 0 until source_hash */
	uint64_t bytes;          /* of all files; the builtin's are known after source_tell */
	int builtin;
};

/* "builtin", a file, or a folder of texts (folder.h). JSON lines are told by the name (.jsonl .ndjson) or by a first line that is such an object. Refuses what is
 * empty and what is no text. source_close is needed in any case. */
int source_open(struct source *s, const char *path, struct err *e);
void source_close(struct source *s);
/* Makes s->hash; reads everything. ERR_CANCEL. */
int source_hash(struct source *s, const struct data_work *w, struct err *e);
/* Makes the corpus when it is that. */
int source_tell(struct source *s, struct err *e);

/* The first place at or after `at` where a document begins; in a plain text a line, or any character in one without lines. f->n when there is none. */
size_t source_begin(const struct source_file *f, size_t at);

/* One document after the other. */
struct source_doc {
	const char *s;           /* its text */
	size_t n, next;          /* bytes of it; where the one behind it begins */
	struct str own;          /* the text, where it does not stand in the file as it is */
};
/* The document at `at` (a place where one begins), within [at, end). doc->s is NULL when there is none there (empty lines). JSON that is wrong: ERR_FORMAT, one line with file,
 * line and reason. A plain file is one document. */
int source_doc(const struct source_file *f, size_t at, size_t end, struct source_doc *doc, struct err *e);

#endif
