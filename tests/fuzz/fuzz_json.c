/* fuzz_json.c: JSON by lines: metrics.jsonl of a run, and texts as JSON lines. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"
#include "text/source.h"
#include "train/run.h"

static void look_at_run(const uint8_t *data, size_t n)
{
	struct run_info info[2];
	struct err e = {0};
	char dir[200], newest[512];
	snprintf(dir, sizeof dir, "%s/run", fuzz_dir());
	mkdir(dir, 0700);
	fuzz_file("run/metrics.jsonl", data, n);
	run_list(fuzz_dir(), info, 2, &e);
	struct str notes = {0};
	fuzz_said(run_newest_ckpt(dir, newest, sizeof newest, &notes, &e) < 0, &e);
	str_done(&notes);
	struct run r = {0};
	int rc = run_open(&r, dir, &e);
	fuzz_said(rc, &e);
	if (!rc)
		run_close(&r);
}

static void read_documents(const char *path)
{
	struct source s = {0};
	struct err e = {0};
	int rc = source_open(&s, path, &e);
	fuzz_said(rc, &e);
	fuzz_accepted += !rc;
	for (int i = 0; !rc && i < s.nfile; i++) {
		struct source_doc doc = {0};
		const struct source_file *f = &s.file[i];
		size_t at = source_begin(f, 0);
		while (at < f->n && !(rc = source_doc(f, at, f->n, &doc, &e)) && doc.s) {
			FUZZ_CHECK(doc.next > at && doc.next <= f->n);
			at = doc.next;
		}
		fuzz_said(rc, &e);
		str_done(&doc.own);
	}
	source_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	look_at_run(data, n);
	read_documents(fuzz_file("x.jsonl", data, n));
	return 0;
}
