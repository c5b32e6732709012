/* export.c: `mil export`: folders of program texts and weight files. Replaces nothing that it did not write.
 * SPDX-License-Identifier: MIT */
#include "model/export.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/save.h"
#include "device/weight_file.h"
#include "mil/print.h"
#include "model/model_state.h"

static const char list_name[] = "anetui-export.txt";

struct job {
	const struct model *m;
	const char *dir;
	enum mil_dialect dialect;
	struct str list;          /* what list_name will hold */
	int folders;
	unsigned long long bytes;
};

/* The folder of a program for a layer, below DIR. */
static void folder_of(char out[64], const struct program *p, int layer, int own)
{
	if (own)
		snprintf(out, 64, "%s/layer%02d", p->name, layer);
	else
		snprintf(out, 64, "%s", p->name);
}

/* --- what will be written, and whether it may --- */

static void list_folder(struct job *j, const struct program *p, int layer, int own)
{
	char folder[64];
	folder_of(folder, p, layer, own);
	str_printf(&j->list, "%s/model.mil\n", folder);
	for (int i = 0; i < p->nweight; i++)
		str_printf(&j->list, "%s/weights/%s.bin\n", folder, p->weight[i]);
}

/* Calls `each` for every folder of the export. */
static int for_folders(struct job *j, int (*each)(struct job *j, int id, int layer, int own, struct err *e), struct err *e)
{
	for (int id = j->m->first; id < j->m->end; id++) {
		int own = model_own_weights(&j->m->program[id]);
		for (int l = 0; l < (own ? j->m->c->layers : 1); l++) {
			int r = each(j, id, l, own, e);
			if (r)
				return r;
		}
	}
	return 0;
}

static int list_one(struct job *j, int id, int layer, int own, struct err *e)
{
	list_folder(j, &j->m->program[id], layer, own);
	return j->list.failed ? err_nomem(e, "mil: export", j->list.len) : 0;
}

/* Names in a folder but . and ..; -1: it can not be read. */
static int count_names(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;
	if (!d)
		return -1;
	for (const struct dirent *f; (f = readdir(d));)
		n += strcmp(f->d_name, ".") && strcmp(f->d_name, "..");
	closedir(d);
	return n;
}

/* 0: nothing is there; 1: our files, all of them; else an error. */
static int look(const struct job *j, struct err *e)
{
	char path[4096];
	struct str old = {0};
	struct stat st;
	if (lstat(j->dir, &st))
		return errno == ENOENT ? 0 : err_set(e, ERR_IO, "mil: %s: %s", j->dir, strerror(errno));
	int names = count_names(j->dir), r;
	if (names < 0)
		return err_set(e, ERR_IO, "mil: %s: %s", j->dir, strerror(errno));
	if (!names)
		return 0;
	snprintf(path, sizeof path, "%s/%s", j->dir, list_name);
	if (lstat(path, &st) || !S_ISREG(st.st_mode))
		return err_set(e, ERR_STATE, "mil: %s: is not empty, and mil export did not write it (choose a new folder)", j->dir);
	if ((r = file_read(&old, path, "mil", 16u << 20, e)))
		return r;
	if (old.len == j->list.len && !memcmp(old.s, j->list.s, old.len))
		r = 1;
	else
		err_set(e, ERR_STATE, "mil: %s: holds an export of other programs (choose a new folder, or remove that one)", j->dir);
	str_done(&old);
	return r == 1 ? 1 : ERR_STATE;
}

/* --- writing --- */

static int put(struct job *j, const char *folder, const char *name, const struct str *s, struct err *e)
{
	char path[4096];
	if ((size_t)snprintf(path, sizeof path, "%s/%s%s%s", j->dir, folder, *folder ? "/" : "", name) >= sizeof path)
		return err_set(e, ERR_RANGE, "mil: %.60s...: path too long", j->dir);
	j->bytes += s->len;
	return save_file(path, s->s, s->len, e);
}

static int put_weights(struct job *j, const char *folder, const struct mil_graph *g, int id, int layer, struct err *e)
{
	struct dev_weight w[PROGRAM_WEIGHTS];
	char path[PROGRAM_WEIGHTS][64], sub[4096];
	struct weight_files f;
	const struct program *p = &j->m->program[id];
	model_layer_weights(j->m, layer, p, w, path);
	int r = weight_files_make(&f, g, w, p->nweight, e);
	if (r)
		return err_prefix(e, "mil: %s: layer %d", p->name, layer);
	snprintf(sub, sizeof sub, "%s/%s/weights", j->dir, folder);
	r = file_mkdirs(sub, e);
	for (int i = 0; i < f.n && !r; i++)
		r = put(j, folder, f.file[i].name, &f.file[i].file.bytes, e);
	weight_files_done(&f);
	return r;
}

static int write_one(struct job *j, int id, int layer, int own, struct err *e)
{
	const struct program *p = &j->m->program[id];
	struct mil_graph *g;
	struct str text = {0};
	char folder[64];
	folder_of(folder, p, layer, own);
	int r = model_cancelled(j->m, e);
	if (r || (r = mil_parse(&g, p->text.s, p->text.len, e)))
		return r;
	mil_print(&text, g, j->dialect);
	r = text.failed ? err_nomem(e, "mil: export", text.len) : put_weights(j, folder, g, id, layer, e);
	if (!r)
		r = put(j, folder, "model.mil", &text, e);
	j->folders++;
	str_done(&text);
	mil_free(g);
	return r;
}

int model_export(const struct model *m, const char *dir, enum mil_dialect dialect, struct str *report, struct err *e)
{
	struct job j = {.m = m, .dir = dir, .dialect = dialect};
	char size[16];
	str_puts(&j.list, "anetui mil export\n");
	int r = for_folders(&j, list_one, e), again = 0;
	if (!r)
		r = again = look(&j, e);
	if (r >= 0 && !(r = file_mkdirs(dir, e)) && !(r = put(&j, "", list_name, &j.list, e)))
		r = for_folders(&j, write_one, e);
	if (!r)
		str_printf(report, "%d programs, %d layers: %d folders, %s in %s (%s)%s\n", m->end - m->first, m->c->layers, j.folders,
			   str_bytes(size, j.bytes), dir, dialect == MIL_BARE ? "program(1.3), ios18" : "program(1.0), ios16",
			   again ? "; an export of the same programs was there and is replaced" : "");
	if (!r && m->o.extras)
		str_puts(report, "the extras' programs are not among them (mil show NAME prints their texts)\n");
	str_done(&j.list);
	return r;
}
