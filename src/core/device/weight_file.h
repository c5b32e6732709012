/* weight_file.h: the weights of a program as MIL weight files in memory, for a loader that reads files. Writes nothing to disk.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_WEIGHT_FILE_H
#define ANETUI_DEVICE_WEIGHT_FILE_H

#include "device/device.h"
#include "mil/blob.h"

struct weight_file {
	char *path;                /* as the program names it: "@model_path/weights/wq.bin" */
	const char *name;          /* the same below the model's folder: "weights/wq.bin" */
	struct mil_blob_file file;
};

struct weight_files {
	int n;
	struct weight_file *file;  /* one for each path, in alphabetical order */
};

/* The files that program `g` reads, each record at the offset that the program names, its elements in the dtype that the program
 * declares, rounded to nearest even; a transposed weight comes out in the program's order. Refused: a number beyond fp16, a
 * path outside "@model_path/" or deeper than one folder, records that overlap. */
int weight_files_make(struct weight_files *out, const struct mil_graph *g, const struct dev_weight *w, int nw, struct err *e);
void weight_files_done(struct weight_files *f);

#endif
