/* export.h: the programs of a model with their weights as folders that a loader of MIL models reads. No checkpoint format.
 *
 *   DIR/PROGRAM/model.mil, DIR/PROGRAM/weights/...            a program whose weights are the same for all layers
 *   DIR/PROGRAM/layer00/model.mil, .../layer00/weights/...    one that has weights of a layer
 *   DIR/anetui-export.txt                                     every other file, one a line: how we know our own work again
 * Weights are MIL weight files, fp16, the one record of each at offset 64. SPDX-License-Identifier: MIT */
#ifndef ANETUI_MODEL_EXPORT_H
#define ANETUI_MODEL_EXPORT_H

#include "mil/build.h"
#include "model/model.h"

/* The weights as they are now. DIR must be new, empty, or hold an export of exactly these files, which are replaced; anything else is refused
 * before a byte is written. Appends to `report` what was written. ERR_STATE, ERR_IO, ERR_DEVICE (a weight beyond fp16). */
int model_export(const struct model *m, const char *dir, enum mil_dialect dialect, struct str *report, struct err *e);

#endif
