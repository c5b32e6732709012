/* fuzz_hf.c: config.json of a model folder. Its weights are not there: that is the message where the configuration is accepted. SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"
#include "io/hf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_file("config.json", data, n);
	struct model_config c;
	struct err e = {0};
	int rc = hf_config(&c, fuzz_dir(), &e);
	fuzz_said(rc, &e);
	fuzz_accepted += !rc;
	if (!rc)
		FUZZ_CHECK(c.layers > 0 && c.dim > 0 && c.heads > 0 && c.vocab > 0);
	struct params *p = hf_load(fuzz_dir(), &e);
	fuzz_said(!p, &e);
	FUZZ_CHECK(!p);
	return 0;
}
