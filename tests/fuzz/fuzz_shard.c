/* fuzz_shard.c: token files of every kind (the first byte chooses the name): what is opened gives ids below the vocabulary. SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"
#include "text/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = {"ids.tok", "ids.bin", "ids.u32"};
	enum { VOCAB = 300, SEQ = 4, BATCH = 2 };
	const char *path = fuzz_file(names[n && (data[0] == 0xf1 || data[0] == 0xf2) ? data[0] - 0xf0 : 0], data, n);
	struct data d = {0};
	struct err e = {0};
	data_is_shard(path);
	int rc = data_open_shard(&d, path, VOCAB, 0.1, &e);
	fuzz_said(rc, &e);
	if (rc)
		return 0;
	fuzz_accepted++;
	FUZZ_CHECK(d.ntrain <= d.ntoken);
	for (uint64_t i = 0; i < d.ntoken; i++)
		FUZZ_CHECK(data_id(&d, i) < VOCAB);
	for (int order = DATA_SEQUENTIAL; order <= DATA_SHUFFLE; order++) {
		struct data_cursor c;
		int x[SEQ * BATCH], y[SEQ * BATCH];
		data_cursor_init(&c, (enum data_order)order, 1);
		fuzz_said(data_next(&d, &c, BATCH, SEQ, x, y, &e), &e);
		data_val(&d, 0, 2, BATCH, SEQ, x, y);
	}
	data_close(&d);
	return 0;
}
