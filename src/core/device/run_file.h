/* run_file.h: runs any program text once on files: weights from a folder, inputs and outputs as raw little-endian fp32.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_RUN_FILE_H
#define ANETUI_DEVICE_RUN_FILE_H

#include "base/err.h"
#include "base/str.h"
#include "device/device.h"

/* argv: weights=DIR, NAME=FILE for every input, out=FILE for the one output or out.NAME=FILE for each. "@model_path/weights/x.bin" is looked for as
 * DIR/x.bin and DIR/weights/x.bin: a MIL weight file, or raw fp32 of exactly the tensor's size. Appends shapes and time to `report`. */
int mil_run_file(struct device *d, const char *path, int argc, char **argv, struct str *report, struct err *e);

#endif
