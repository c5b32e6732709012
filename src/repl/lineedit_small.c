/* lineedit_small.c: typing, moving, deleting, history; nothing more. No terminal.
 * SPDX-License-Identifier: MIT */
#include "repl/lineedit_small.h"

#include <string.h>
#include <wctype.h>

#include "base/mem.h"
#include "repl/lineedit.h"
#include "repl/wide.h"

#define CTRL(c) ((c) & 31)

void small_init(struct small_editor *s, const struct history *h)
{
	s->history = h;
	small_clear(s);
}

void small_clear(struct small_editor *s)
{
	s->length = s->cursor = 0;
	s->text[0] = s->typed[0] = 0;
	s->at = history_count(s->history);
}

void small_insert(struct small_editor *s, const wchar_t *text)
{
	int n = MIN((int)wcslen(text), SMALL_MAX - s->length);
	wmemmove(s->text + s->cursor + n, s->text + s->cursor, (size_t)(s->length - s->cursor));
	wmemcpy(s->text + s->cursor, text, (size_t)n);
	s->length += n;
	s->cursor += n;
	s->text[s->length] = 0;
}

void small_delete_before(struct small_editor *s, int n)
{
	n = MIN(n, s->cursor);
	wmemmove(s->text + s->cursor - n, s->text + s->cursor, (size_t)(s->length - s->cursor));
	s->length -= n;
	s->cursor -= n;
	s->text[s->length] = 0;
}

static void set_text(struct small_editor *s, const wchar_t *text)
{
	s->length = s->cursor = 0;
	small_insert(s, text);
}

static void walk(struct small_editor *s, int by)
{
	wchar_t line[HISTORY_LINE_MAX + 1];
	int count = history_count(s->history), to = s->at + by;
	if (to < 0 || to > count)
		return;
	if (s->at == count)
		wmemcpy(s->typed, s->text, (size_t)s->length + 1);
	s->at = to;
	if (to == count) {
		set_text(s, s->typed);
		return;
	}
	wide_from_utf8(line, ARRAY_LEN(line), history_line(s->history, to));
	set_text(s, line);
}

static int word_length(const struct small_editor *s)
{
	int at = s->cursor;
	while (at > 0 && s->text[at - 1] == L' ')
		at--;
	while (at > 0 && s->text[at - 1] != L' ')
		at--;
	return s->cursor - at;
}

static void delete_here(struct small_editor *s)
{
	if (s->cursor < s->length) {
		s->cursor++;
		small_delete_before(s, 1);
	}
}

enum small_result small_key(struct small_editor *s, wchar_t c)
{
	switch ((int)c) {
	case '\r':
	case '\n':
		return SMALL_LINE;
	case '\t':
		return SMALL_COMPLETE;
	case LE_CANCEL:
		small_clear(s);
		break;
	case LE_UP:
	case CTRL('P'):
		walk(s, -1);
		break;
	case LE_DOWN:
	case CTRL('N'):
		walk(s, 1);
		break;
	case LE_LEFT:
	case CTRL('B'):
		s->cursor = MAX(s->cursor - 1, 0);
		break;
	case LE_RIGHT:
	case CTRL('F'):
		s->cursor = MIN(s->cursor + 1, s->length);
		break;
	case LE_HOME:
	case CTRL('A'):
		s->cursor = 0;
		break;
	case LE_END:
	case CTRL('E'):
		s->cursor = s->length;
		break;
	case LE_DELETE:
	case CTRL('D'):
		delete_here(s);
		break;
	case CTRL('H'):
	case 127:
		small_delete_before(s, 1);
		break;
	case CTRL('U'):
		set_text(s, L"");
		break;
	case CTRL('K'):
		s->length = s->cursor;
		s->text[s->length] = 0;
		break;
	case CTRL('W'):
		small_delete_before(s, word_length(s));
		break;
	default:
		if (iswprint((wint_t)c))
			small_insert(s, (wchar_t[]){c, 0});
	}
	return SMALL_GOES_ON;
}
