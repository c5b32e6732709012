/* fuzz_mil.c: program text: what is read is printed, and read again it is the same. SPDX-License-Identifier: MIT */
#include <string.h>

#include "fuzz/fuzz.h"
#include "mil/mil.h"
#include "mil/print.h"

static void print_and_read(const struct mil_graph *g, enum mil_dialect dialect)
{
	struct str text = {0}, again = {0};
	struct mil_graph *h = NULL;
	struct err e = {0};
	mil_print(&text, g, dialect);
	FUZZ_CHECK(!text.failed);
	int rc = mil_parse(&h, text.s, text.len, &e);
	if (rc)
		__builtin_printf("%s\n%.*s\n", e.msg, (int)text.len, text.s);
	FUZZ_CHECK(!rc);
	FUZZ_CHECK(h->nop == g->nop && h->ninput == g->ninput && h->noutput == g->noutput);
	mil_print(&again, h, dialect);
	FUZZ_CHECK(!again.failed && again.len == text.len && !memcmp(again.s, text.s, text.len));
	mil_free(h);
	str_done(&text);
	str_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mil_graph *g = NULL;
	struct err e = {0};
	int rc = mil_parse(&g, (const char *)data, n, &e);
	fuzz_said(rc, &e);
	if (rc)
		return 0;
	fuzz_accepted++;
	print_and_read(g, MIL_BARE);
	print_and_read(g, MIL_VERBOSE);
	double flops = 0;
	for (int i = 0; i < g->nop; i++)
		flops += mil_op_flops(g, &g->op[i]);
	FUZZ_CHECK(flops >= 0);
	mil_free(g);
	return 0;
}
