/* crc32c.h: CRC-32C (Castagnoli, reflected 0x82F63B78). Not for security.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_CRC32C_H
#define ANETUI_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues from `crc` (0 at the start): crc32c(crc32c(0, a), b) == crc32c(0, ab). "123456789" gives e3069283.
 * Uses the processor's instruction where there is one. */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);

/* Of ab, from that of a, that of b and the bytes of b. */
uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t bytes);

#endif
