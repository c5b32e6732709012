/* filter.c: typing a filter, and what it lets pass. Draws nothing.
 * SPDX-License-Identifier: MIT */
#include "tui/filter.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "tui/setlist.h"

static char *text_of(struct view *v, enum filtering what)
{
	return what == FILTER_KERNELS ? v->kernel_filter : what == FILTER_ANSWER ? v->answer_filter : what == FILTER_SETTINGS ? v->setlist_filter : v->log_filter;
}

const char *filter_text(const struct view *v, enum filtering what)
{
	return text_of((struct view *)v, what);
}

void filter_begin(struct view *v)
{
	int p = v->zoom >= 0 ? v->zoom : v->focus;
	v->filtering = v->answer.open ? FILTER_ANSWER : v->setlist.open ? FILTER_SETTINGS : p == PANE_KERNELS ? FILTER_KERNELS : FILTER_LOG;
	text_of(v, v->filtering)[0] = 0;
}

/* What is shown changes: it is looked at from its beginning. */
static void changed(struct view *v)
{
	v->answer.top = 0;
	v->kernel_at = 0;
	v->scroll[PANE_LOG] = 0;
	setlist_settle(v);
}

void filter_key(struct view *v, wchar_t c, const char *name)
{
	char *t = text_of(v, v->filtering), b[5] = "";
	size_t n = strlen(t);
	if (!strcmp(name, "Enter")) {
		v->filtering = FILTER_NONE;
	} else if (!strcmp(name, "Esc") || c == 3) {
		t[0] = 0;
		v->filtering = FILTER_NONE;
	} else if (c == 127 || c == 8 || !strcmp(name, "Back")) {
		if (!n)
			v->filtering = FILTER_NONE;
		while (n && ((unsigned char)t[n - 1] & 0xc0) == 0x80)
			t[--n] = 0;
		if (n)
			t[n - 1] = 0;
	} else if (c >= 32) {
		int k = utf8_encode((uint32_t)c, b);
		if (k > 0 && n + (size_t)k < FILTER_TEXT)
			memcpy(t + n, b, (size_t)k + 1);
	}
	changed(v);
}

int filter_passes(const char *text, size_t n, const char *filter)
{
	size_t len = strlen(filter);
	for (size_t i = 0; i + len <= n; i++)
		if (!strncasecmp(text + i, filter, len))
			return 1;
	return 0;
}
