/* folder.h: the data files of a folder, in the order of their names. Opens none of them.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_FOLDER_H
#define ANETUI_TEXT_FOLDER_H

#include "base/err.h"

struct folder {
	char **path;     /* those that train, then those for validation; each sorted by name */
	int n;
	int nval;        /* the last nval: a word of their name is val, valid or validation (0 when all would be) */
	int tokens;      /* 1: token files, 0: texts */
};

/* Files that are called a token file or a text (shard.h); others, names with a leading dot and folders are passed over. Refuses a folder with both, with
 * neither, or with more than DATA_FILES_MAX. folder_done is needed in any case. */
int folder_open(struct folder *f, const char *dir, struct err *e);
void folder_done(struct folder *f);
/* 1: a folder that holds token files; 0: anything else. */
int folder_has_tokens(const char *dir);

#endif
