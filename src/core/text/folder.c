/* folder.c: which files of a folder are data. SPDX-License-Identifier: MIT */
#include "text/folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "text/shard.h"

/* "data-valid_00.bin" has the words data, valid, bin. */
static int is_val(const char *path)
{
	static const char *const words[] = {"val", "valid", "validation"};
	const char *s = strrchr(path, '/');
	for (s = s ? s + 1 : path; *s;) {
		size_t n = 0;
		while (isalpha((unsigned char)s[n]))
			n++;
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (n == strlen(words[i]) && !strncasecmp(s, words[i], n))
				return 1;
		s += n ? n : 1;
	}
	return 0;
}

/* Training before validation, then by name. */
static int by_name(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int vx = is_val(x), vy = is_val(y);
	return vx != vy ? vx - vy : strcmp(x, y);
}

static int add(struct folder *f, size_t *cap, const char *dir, const char *name, int *kinds, struct err *e)
{
	struct stat st;
	size_t n = strlen(dir);
	char path[4096];
	if (name[0] == '.' || (!shard_name(name) && !shard_text_name(name)))
		return 0;
	if ((size_t)snprintf(path, sizeof path, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name) >= sizeof path)
		return err_set(e, ERR_RANGE, "data: %.60s: %.60s: path too long", dir, name);
	if (stat(path, &st)) /* a link to nowhere: data that are missed silently are worse than a line */
		return err_set(e, ERR_IO, "data: %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return 0;
	kinds[shard_name(name)]++;
	if (f->n == DATA_FILES_MAX)
		return err_set(e, ERR_RANGE, "data: %s: more than %d files (join some of them)", dir, DATA_FILES_MAX);
	if (mem_grow(&f->path, cap, (size_t)f->n + 1, sizeof *f->path) || !(f->path[f->n] = mem_strdup(path)))
		return err_nomem(e, "data", sizeof path);
	f->n++;
	return 0;
}

int folder_open(struct folder *f, const char *dir, struct err *e)
{
	int kinds[2] = {0, 0}, rc = 0;
	size_t cap = 0;
	*f = (struct folder){0};
	DIR *o = opendir(dir);
	if (!o)
		return err_set(e, ERR_IO, "data: %s: %s", dir, strerror(errno));
	for (struct dirent *x; !rc && (x = readdir(o));)
		rc = add(f, &cap, dir, x->d_name, kinds, e);
	closedir(o);
	if (rc)
		return rc;
	if (!f->n)
		return err_set(e, ERR_FORMAT, "data: %s: is a folder without token files (.bin .tok .u16 .u32) and without texts (.txt .text .md .jsonl .ndjson)", dir);
	if (kinds[0] && kinds[1])
		return err_set(e, ERR_FORMAT, "data: %s: is a folder with texts (%d) and token files (%d): it must hold one kind, or name one file", dir, kinds[0], kinds[1]);
	f->tokens = kinds[1] > 0;
	qsort(f->path, (size_t)f->n, sizeof *f->path, by_name);
	for (int i = 0; i < f->n; i++)
		f->nval += is_val(f->path[i]);
	if (f->nval == f->n)
		f->nval = 0;
	return 0;
}

void folder_done(struct folder *f)
{
	for (int i = 0; i < f->n; i++)
		free(f->path[i]);
	free(f->path);
	*f = (struct folder){0};
}

int folder_has_tokens(const char *dir)
{
	struct folder f;
	int any = !folder_open(&f, dir, NULL) && f.tokens;
	folder_done(&f);
	return any;
}
