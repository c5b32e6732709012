/* smc.h: the keys of Apple's system management controller as numbers. Reads, never writes; what a key means is its reader's business.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_METER_SMC_H
#define ANETUI_METER_SMC_H

#include <stddef.h>
#include <stdint.h>

struct smc;

/* Through IOKit, or the library that ANETUI_SMC names. 0 or -errno: -ENOENT no such library (not a Mac),
 * -ENOSYS it lacks a function, -ENODEV no controller, -EACCES refused, -ENOMEM. */
int smc_open(struct smc **out);
void smc_close(struct smc *m);
/* The library that smc_open takes, "" elsewhere than on a Mac. */
const char *smc_library(void);

/* `key`: four characters. 0 or -errno: -ENOENT no such key, -EACCES it may not be read, -ENODEV the controller is gone, -EPROTO an answer that we do not
 * understand, -EIO. */
int smc_read(const struct smc *m, double *out, const char *key);
/* The name of key number i, 0 to the value of "#KEY" - 1. */
int smc_key(const struct smc *m, char name[5], uint32_t i);

/* The number in the n bytes of a value of that type (four characters): 0 or -EPROTO.
 *   "flt " IEEE single, lowest byte first; ui8, ui16, ui32: highest byte first; "spIF" and "fpIF": 16 bits, highest byte first, with and without a sign,
 *   F (a hexadecimal digit) of them behind the point, as "sp78" for degrees. */
int smc_decode(double *out, const char *type, const uint8_t *bytes, size_t n);

#endif
