/* folder.h: the temporary folder in which the framework looks for a program's text and weights. Reads nothing back.
 *
 * The framework prescribes the name, a hash of what is in it, so two kernels, or two processes, may want the same one. Mode 0700; whoever
 * has it holds a lock on it: exclusive while writing, shared while using; the last one takes it away.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_ANE_FOLDER_H
#define ANETUI_DEVICE_ANE_FOLDER_H

#include "base/str.h"
#include "device/weight_file.h"

struct ane_folder {
	int fd; /* 0: none */
	char path[1200];
};

/* BASE/NAME with model.mil and the weight files. ERR_IO: not ours alone, or the system refused. */
int ane_folder_make(struct ane_folder *f, const char *base, const char *name, const struct str *text, const struct weight_files *w,
		    struct err *e);
void ane_folder_done(struct ane_folder *f);

#endif
