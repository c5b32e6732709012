/* layout.c: from the trees of layout.def to rectangles. Draws nothing.
 * SPDX-License-Identifier: MIT */
#include "tui/layout.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const pane_names[PANE_N] = {"loss", "now", "power", "kernels", "sample", "log", "curves", "big"};

/* From these sizes on an arrangement is taken by itself, and the smallest at which it can be had by name. */
static const struct { const char *name; int w, h, min_w, min_h, narrow, boxed; const char *tree, *narrow_tree; } kinds[] = {
	[LAYOUT_AUTO] = {.name = "auto"},
#define LAYOUT(KIND, name, w, h, min_w, min_h, narrow, boxed, tree, narrow_tree) {name, w, h, min_w, min_h, narrow, boxed, tree, narrow_tree},
#include "tui/layout.def"
#undef LAYOUT
	[LAYOUT_BARE] = {.name = "bare"},
};

static enum layout_kind choose(int w, int h, enum layout_kind wish)
{
	for (enum layout_kind k = wish == LAYOUT_AUTO ? LAYOUT_AUTO + 1 : wish; k < LAYOUT_BARE; k++) {
		int by_name = k == wish;
		if (w >= (by_name ? kinds[k].min_w : kinds[k].w) && h >= (by_name ? kinds[k].min_h : kinds[k].h))
			return k;
	}
	return LAYOUT_BARE;
}

/* --- trees --- */

enum { PARTS = 6 };
struct part { int weight, least, most; const char *tree; };

static int number(const char **s)
{
	int v = 0;
	while (isdigit((unsigned char)**s))
		v = v * 10 + *(*s)++ - '0';
	return v;
}

/* Past the tree that begins at s. */
static const char *skip_tree(const char *s)
{
	int depth = 0;
	for (; *s && (depth || (*s != ' ' && *s != ')')); s++)
		depth += (*s == '(') - (*s == ')');
	return s;
}

/* The parts within V(...) or H(...). */
static int parts_of(const char *s, struct part p[PARTS])
{
	int n = 0;
	for (s += 2; *s && *s != ')' && n < PARTS; n++) {
		p[n] = (struct part){.weight = number(&s), .least = 1, .most = 1 << 20};
		if (*s == '>')
			s++, p[n].least = number(&s);
		if (*s == '<')
			s++, p[n].most = number(&s);
		s += *s == ' ';
		p[n].tree = s;
		s = skip_tree(s);
		s += *s == ' ';
	}
	return n;
}

static unsigned panes_in(const char *s)
{
	unsigned set = 0;
	const char *end = skip_tree(s);
	while (s < end) {
		size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");
		for (int p = 0; n && p < PANE_N; p++)
			if (strlen(pane_names[p]) == n && !strncmp(s, pane_names[p], n))
				set |= 1u << p;
		s += n ? n : 1;
	}
	return set;
}

/* The smallest extent at which all of a tree still shows something. */
static int floor_of(const struct layout *l, const char *tree, int upright)
{
	struct part p[PARTS];
	int sum = 0, most = 0, n;
	if (tree[1] != '(')
		return l->boxed ? (upright ? 6 : 3) : upright ? 4 : 2;
	n = parts_of(tree, p);
	for (int i = 0; i < n; i++) {
		int one = floor_of(l, p[i].tree, upright);
		sum += one + (upright && !l->boxed && i > 0);
		most = MAX(most, one);
	}
	return (*tree == 'H') == upright ? sum : most;
}

/* Shares `room` by weight; what rounding and bounds leave over or lack falls to the heaviest. */
static void share(const struct part *p, int n, int room, int *size)
{
	int sum = 0, used = 0, heavy = 0;
	for (int i = 0; i < n; i++)
		sum += p[i].weight;
	for (int i = 0; i < n; i++) {
		size[i] = MAX(MIN(room * p[i].weight / MAX(sum, 1), p[i].most), p[i].least);
		used += size[i];
		heavy = p[i].weight > p[heavy].weight ? i : heavy;
	}
	size[heavy] += room - used;
}

static void make(struct layout *l, struct rect r, const char *tree, const short *by);

static void make_parts(struct layout *l, struct rect r, const char *tree, const short *by)
{
	struct part p[PARTS];
	int size[PARTS], upright = *tree == 'H', n = parts_of(tree, p), gap = upright && !l->boxed, first = l->nsplit;
	share(p, n, (upright ? r.w : r.h) - gap * (n - 1), size);
	l->nsplit = MIN(l->nsplit + n - 1, SPLITS);
	for (int i = 0; by && i + 1 < n && first + i < SPLITS; i++) {
		int move = by[first + i];
		move = MAX(move, -(size[i] - floor_of(l, p[i].tree, upright)));
		move = MIN(move, size[i + 1] - floor_of(l, p[i + 1].tree, upright));
		/* Where there is less room than the least of both, nothing moves. */
		if ((by[first + i] > 0 && move < 0) || (by[first + i] < 0 && move > 0))
			move = 0;
		size[i] += move;
		size[i + 1] -= move;
	}
	for (int i = 0, at = upright ? r.x : r.y; i < n; i++) {
		struct rect part = upright ? (struct rect){at, r.y, size[i], r.h} : (struct rect){r.x, at, r.w, size[i]};
		at += size[i] + gap;
		if (i + 1 < n && first + i < SPLITS)
			l->split[first + i] = (struct layout_split){upright, at, {part.x, part.y, upright ? size[i] + gap + size[i + 1] : r.w, upright ? r.h : size[i] + size[i + 1]},
				panes_in(p[i].tree), panes_in(p[i + 1].tree)};
		make(l, part, p[i].tree, by);
	}
}

static void make(struct layout *l, struct rect r, const char *tree, const short *by)
{
	if (tree[0] && tree[1] == '(') {
		make_parts(l, r, tree, by);
		return;
	}
	for (int p = 0; p < PANE_N; p++)
		if (panes_in(tree) == 1u << p)
			l->pane[p] = r;
}

/* One plot and up to three lines of text. */
static void make_tiny(struct layout *l)
{
	struct rect b = l->body;
	int lines = b.h >= 7 ? 3 : b.h >= 5 ? 2 : b.h >= 3 ? 1 : 0;
	make(l, (struct rect){b.x, b.y, b.w, b.h - lines}, kinds[LAYOUT_TINY].tree, NULL);
	if (lines)
		l->lines = (struct rect){b.x, b.y + b.h - lines, b.w, lines};
}

void layout_make(struct layout *l, int w, int h, enum layout_kind wish, int zoom, const struct layout_moves *moves)
{
	*l = (struct layout){.kind = choose(w, h, wish)};
	l->boxed = kinds[l->kind].boxed;
	int help = l->kind != LAYOUT_TINY && l->kind != LAYOUT_BARE && h >= 8, prompt = h >= 2;
	l->state = (struct rect){0, 0, w, 1};
	if (prompt)
		l->prompt = (struct rect){0, h - 1, w, 1};
	if (help)
		l->help = (struct rect){0, h - 2, w, 1};
	if (h > 2)
		l->body = (struct rect){0, 1, w, h - 2 - help};
	if (l->kind == LAYOUT_BARE || !l->body.h)
		return;
	if (zoom >= 0 && zoom < PANE_N) {
		l->boxed = l->boxed || (l->body.w >= 24 && l->body.h >= 6);
		l->pane[zoom] = l->body;
		return;
	}
	if (l->kind == LAYOUT_TINY)
		make_tiny(l);
	else
		make(l, l->body, w < kinds[l->kind].narrow ? kinds[l->kind].narrow_tree : kinds[l->kind].tree, moves ? moves->by[l->kind] : NULL);
}

struct rect layout_inside(const struct layout *l, enum pane p)
{
	struct rect r = l->pane[p];
	if (!r.w)
		return r;
	if (l->boxed)
		return (struct rect){r.x + 2, r.y + 1, MAX(r.w - 4, 0), MAX(r.h - 2, 0)};
	/* The big digits say themselves what they are. */
	if (l->kind == LAYOUT_TINY || p == PANE_BIG)
		return r;
	return (struct rect){r.x, r.y + 1, r.w, MAX(r.h - 1, 0)};
}

/* --- boundaries --- */

int layout_split_at(const struct layout *l, int x, int y)
{
	for (int i = 0; i < l->nsplit; i++) {
		const struct layout_split *s = &l->split[i];
		int in = x >= s->span.x && x < s->span.x + s->span.w && y >= s->span.y && y < s->span.y + s->span.h;
		if (in && (s->upright ? x == s->at || x == s->at - 1 : y == s->at))
			return i;
	}
	return -1;
}

static int bits(unsigned v)
{
	int n = 0;
	for (; v; v &= v - 1)
		n++;
	return n;
}

int layout_split_of(const struct layout *l, enum pane p, int upright, int *sign)
{
	int best = -1, fewest = 0;
	for (int i = 0; i < l->nsplit; i++) {
		const struct layout_split *s = &l->split[i];
		int here = s->before >> p & 1 ? 1 : s->after >> p & 1 ? -1 : 0, n = bits(s->before | s->after);
		if (s->upright != upright || !here || (best >= 0 && n >= fewest))
			continue;
		best = i;
		fewest = n;
		*sign = here;
	}
	return best;
}

/* --- names --- */

int layout_find(const char *name)
{
	for (int i = 0; i < LAYOUT_BARE; i++)
		if (!strcmp(kinds[i].name, name))
			return i;
	return -1;
}

int layout_find_pane(const char *name)
{
	for (int i = 0; i < PANE_N; i++)
		if (!strcmp(pane_names[i], name))
			return i;
	return -1;
}

const char *layout_name(enum layout_kind k)
{
	return kinds[k].name;
}

const char *layout_pane_name(enum pane p)
{
	return pane_names[p];
}
