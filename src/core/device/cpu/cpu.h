/* cpu.h: hooks into the cpu device for tests. Programs use device.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_DEVICE_CPU_CPU_H
#define ANETUI_DEVICE_CPU_CPU_H

#include "device/device.h"

/* From now on scratch memory is filled with NaN before each run: who reads what was not written shows it. */
void cpu_poison(struct device *d, int on);

#endif
