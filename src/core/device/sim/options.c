/* options.c: the words behind `device sim`: chip, budget, faults, quirks. Opens nothing.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/sim/sim.h"

static const char *const stages[SIM_STAGES] = {"compile", "load", "bind", "run"};
static const char known[] = "chip=NAME budget=N fail=STAGE:N pad=off quirks=off sums=narrow strict=NAME";

static const char *joined(char *buf, size_t size, const char *const *word, size_t n)
{
	buf[0] = '\0';
	for (size_t i = 0, at = 0; i < n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? " " : "", word[i]);
	return buf;
}

static int index_of(const char *const *word, size_t n, const char *s, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(word[i]) == len && !strncmp(word[i], s, len))
			return (int)i;
	return -1;
}

/* 1 to 1000000, or -1. */
static int count_of(const char *s)
{
	char *end;
	long v = *s >= '0' && *s <= '9' ? strtol(s, &end, 10) : -1;
	return v >= 1 && v <= 1000000 && !*end ? (int)v : -1;
}

static int set_chip(struct sim_options *o, const char *v, struct err *e)
{
	const struct chip *c = chip_find(v, e);
	if (!c)
		return err_prefix(e, "device: sim");
	o->chip = c;
	return 0;
}

static int set_budget(struct sim_options *o, const char *v, struct err *e)
{
	if ((o->budget = count_of(v)) > 0)
		return 0;
	return err_set(e, ERR_USAGE, "device: sim: budget=%.40s: a number of compiles wanted, 1 or more", v);
}

static int set_fail(struct sim_options *o, const char *v, struct err *e)
{
	size_t n = strcspn(v, ":");
	int stage = index_of(stages, SIM_STAGES, v, n), at = v[n] ? count_of(v + n + 1) : -1;
	char list[64];
	if (stage < 0 || at < 0)
		return err_set(e, ERR_USAGE, "device: sim: fail=%.40s: STAGE:N wanted, the N-th call of it fails (stages: %s)", v,
			       joined(list, sizeof list, stages, SIM_STAGES));
	o->fail[stage] = at;
	return 0;
}

static int set_strict(struct sim_options *o, const char *v, struct err *e)
{
	if (strlen(v) >= sizeof o->strict)
		return err_set(e, ERR_USAGE, "device: sim: strict=%.40s...: too long", v);
	snprintf(o->strict, sizeof o->strict, "%s", v);
	return rules_strict(o->strict, e);
}

static int set_switch(int *to, const char *word, const char *v, struct err *e)
{
	if (strcmp(v, "off") && strcmp(v, "on"))
		return err_set(e, ERR_USAGE, "device: sim: %s: on or off wanted", word);
	*to = !strcmp(v, "on");
	return 0;
}

static int set_sums(struct sim_options *o, const char *v, struct err *e)
{
	if (strcmp(v, "wide") && strcmp(v, "narrow"))
		return err_set(e, ERR_USAGE, "device: sim: sums=%.40s: wide or narrow wanted", v);
	o->narrow_sums = !strcmp(v, "narrow");
	return 0;
}

static int set(struct sim_options *o, const char *word, struct err *e)
{
	static const char *const keys[] = {"chip", "budget", "fail", "strict", "pad", "quirks", "sums"};
	size_t n = strcspn(word, "=");
	const char *v = word + n + (word[n] == '=');
	switch (*v ? index_of(keys, ARRAY_LEN(keys), word, n) : -1) {
	case 0: return set_chip(o, v, e);
	case 1: return set_budget(o, v, e);
	case 2: return set_fail(o, v, e);
	case 3: return set_strict(o, v, e);
	case 4: return set_switch(&o->pad, word, v, e);
	case 5: return set_switch(&o->quirks, word, v, e);
	case 6: return set_sums(o, v, e);
	default: return err_set(e, ERR_USAGE, "device: sim: %.40s: no such option (%s)", word, known);
	}
}

int sim_options_parse(struct sim_options *o, const char *args, struct err *e)
{
	*o = (struct sim_options){.chip = chip_find("m4", NULL), .budget = -1, .pad = 1, .quirks = 1};
	while (*(args += strspn(args, " "))) {
		char word[128];
		size_t n = strcspn(args, " ");
		if (n >= sizeof word)
			return err_set(e, ERR_USAGE, "device: sim: %.40s...: no such option (%s)", args, known);
		memcpy(word, args, n);
		word[n] = '\0';
		int r = set(o, word, e);
		if (r)
			return r;
		args += n;
	}
	return 0;
}
