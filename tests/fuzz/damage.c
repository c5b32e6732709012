/* damage.c: a file cut at every length and with every bit of its head turned, given to one fuzz target: which of these are taken for whole? No randomness.
 *
 *   damage_NAME FILE [HEAD]: "NAME FILE: whole yes, cuts C of N taken, bits B of M taken". The target's own checks end the process. HEAD: bytes whose bits are turned, 1024 when not said.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fuzz/fuzz.h"

enum { EVERY = 4096, STEP = 997, HEAD = 1024 };

static int taken(const uint8_t *data, size_t n)
{
	unsigned long before = fuzz_accepted;
	/* As long as the input and no longer, so that a read behind its end is seen. */
	uint8_t *copy = malloc(n ? n : 1);
	FUZZ_CHECK(copy);
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	return fuzz_accepted != before;
}

int main(int argc, char **argv)
{
	struct str file = {0};
	struct err e = {0};
	size_t head = argc > 2 ? (size_t)atoi(argv[2]) : HEAD;
	if (argc < 2 || argc > 3 || file_read(&file, argv[1], "damage", 64 << 20, &e)) {
		fprintf(stderr, "%s\n", argc == 2 || argc == 3 ? e.msg : "usage: damage_NAME FILE [HEAD]");
		return 2;
	}
	uint8_t *data = (uint8_t *)file.s;
	unsigned cuts = 0, cut_taken = 0, bits = 0, bit_taken = 0;
	int whole = taken(data, file.len);
	for (size_t n = 0; n < file.len; n += n < EVERY ? 1 : STEP, cuts++)
		cut_taken += (unsigned)taken(data, n);
	for (size_t i = 0; i < file.len && i < head; i++)
		for (int b = 0; b < 8; b++, bits++) {
			data[i] ^= (uint8_t)(1 << b);
			bit_taken += (unsigned)taken(data, file.len);
			data[i] ^= (uint8_t)(1 << b);
		}
	printf("whole %s, cuts %u of %u taken, bits %u of %u taken\n", whole ? "yes" : "no", cut_taken, cuts, bit_taken, bits);
	str_done(&file);
	return 0;
}
