/* fuzz_command.c: command lines: parsing, joining, hints and completion. Runs none. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "repl/shell.h"

/* A line that was parsed can be written down so that it reads back as the same words. */
static void join_and_parse(const struct parsed *p)
{
	const char *words[SHELL_ARGS + 1] = {command_row((enum command_id)p->id)->name};
	for (int i = 0; i < p->argc; i++)
		words[1 + i] = p->argv[i];
	struct str line = {0};
	shell_join(&line, 1 + p->argc, words);
	FUZZ_CHECK(!line.failed);
	struct parsed *q = malloc(sizeof *q);
	struct err e = {0};
	FUZZ_CHECK(q);
	/* Quotes make a line longer: one that no longer fits is refused. */
	if (line.len < sizeof q->buf / 2) {
		FUZZ_CHECK(!shell_parse(q, line.s, &e));
		FUZZ_CHECK(q->id == p->id && q->argc == p->argc);
		for (int i = 0; i < p->argc; i++)
			FUZZ_CHECK(!strcmp(p->argv[i], q->argv[i]));
	}
	free(q);
	str_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n)
		return 0;
	static struct engine_snapshot snap;
	static struct completion all;
	settings_init(&snap.settings);
	char *line = malloc(n), out[512], hint[256];
	FUZZ_CHECK(line);
	memcpy(line, data + 1, n - 1);
	line[n - 1] = 0;
	struct parsed *p = malloc(sizeof *p);
	FUZZ_CHECK(p);
	struct err e = {0};
	int rc = shell_parse(p, line, &e);
	fuzz_said(rc, &e);
	fuzz_accepted += !rc;
	if (!rc && p->id >= 0)
		join_and_parse(p);
	size_t len = strlen(line);
	/* Files are not completed here: the folder that this runs in is nobody's business. */
	shell_hint(line, &snap, NULL, hint, sizeof hint);
	FUZZ_CHECK(strlen(hint) < sizeof hint);
	if (!strchr(line, '/')) {
		size_t cursor = data[0] * len / 255;
		shell_complete(line, cursor, &snap, NULL, &all);
		FUZZ_CHECK(all.n >= 0 && all.n <= 64 && all.from <= cursor);
		FUZZ_CHECK(shell_complete_text(&all, out, sizeof out) < sizeof out);
	}
	free(p);
	free(line);
	return 0;
}
