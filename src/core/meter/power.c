/* power.c: reads the sources, decides the state of each, adds up. Where they come from is in power_find.c and the files of each kind.
 *
 * A number is shown only when it is believed. A counter is ok once it has moved; one that stands still for 3 s while the engine works
 * is frozen (a busy processor can not take 0 J); 0 W is shown only for a counter that has moved before. Counters give joules and watts
 * follow from them; sensors give watts and joules are integrated. The total takes the first scope that has a source that is ok.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "meter/power_source.h"

#define SECOND 1000000000ull
enum { POLL_MS = 200, STILL_S = 3, SENSOR_STALE_S = 90, FAIL_S = 30 };

const char *power_state_name(enum power_state s)
{
	static const char *const name[] = {"probing", "ok", "no sensor", "no permission", "frozen", "stale", "error"};
	return (unsigned)s < ARRAY_LEN(name) ? name[s] : "?";
}

static void set_state(struct power_source *s, enum power_state state, const char *reason)
{
	s->view.state = state;
	snprintf(s->view.reason, sizeof s->view.reason, "%s", reason);
	s->view.fix[0] = 0;
	if (state != POWER_OK && state != POWER_STALE)
		s->view.watts = NAN;
}

/* This program, as a shell would name it. */
static void own_path(char *out, size_t n)
{
	ssize_t len = -1;
#ifdef __linux__
	len = readlink("/proc/self/exe", out, n - 1);
#endif
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+";
	if (len > 0)
		out[len] = 0;
	if (len <= 0 || (size_t)len == n - 1 || strspn(out, plain) != (size_t)len)
		snprintf(out, n, "$(command -v anetui)");
}

static void refuse(struct power_source *s)
{
	char self[64];
	set_state(s, POWER_NO_PERMISSION, s->need);
	own_path(self, sizeof self);
	if (s->mend)
		snprintf(s->view.fix, sizeof s->view.fix, "sudo setcap %s=ep %s", s->mend, self);
	else if (s->cure)
		snprintf(s->view.fix, sizeof s->view.fix, "%s", s->cure);
}

/* A failed reading: for good, or for a while. */
static void take_failure(struct power_source *s, int rc, uint64_t now)
{
	char why[128];
	if (rc == -EACCES || rc == -EPERM) {
		refuse(s);
		return;
	}
	if (rc == -ENOENT || rc == -ENODEV || (rc == -EINVAL && s->denied)) {
		snprintf(why, sizeof why, "gone: %s", strerror(-rc));
		set_state(s, POWER_NO_SENSOR, s->denied ? "the kernel has no such counter" : why);
		return;
	}
	if (!s->fail_ns)
		s->fail_ns = now;
	snprintf(why, sizeof why, "can not be read: %s", strerror(-rc));
	int had = s->view.state == POWER_OK || s->view.state == POWER_STALE;
	set_state(s, had && now - s->fail_ns < FAIL_S * SECOND ? POWER_STALE : POWER_ERROR, why);
}

static void start_counter(struct power_source *s, uint64_t ticks, uint64_t now)
{
	s->have = 1;
	s->last = ticks;
	s->change_ns = s->told_ns = now;
	s->still_ns = 0;
	s->gained = s->untold;
	s->untold = 0;
	s->fresh = s->span > 0;
	if (s->view.state != POWER_OK)
		set_state(s, POWER_PROBING, s->may_rest ? "has not moved yet: at rest, or not counted" : "waiting for the counter to move");
}

static void freeze(struct power_source *s)
{
	set_state(s, POWER_FROZEN, s->stuck);
	if (s->unstick)
		snprintf(s->view.fix, sizeof s->view.fix, "%s", s->unstick);
}

static void stand_still(struct power_source *s, uint64_t now, int busy)
{
	if (busy && !s->may_rest)
		s->still_ns += now - s->read_ns;
	if (s->still_ns >= STILL_S * SECOND) {
		freeze(s);
	} else if (s->moved && now - s->change_ns >= STILL_S * SECOND && s->view.state != POWER_FROZEN) {
		set_state(s, POWER_OK, s->remark);
		s->view.watts = 0; /* it has moved before: the machine rests */
	}
}

/* A slow counter moves once in several polls: its watts are those since they were last told. After a rest they are those of this poll. */
static void move(struct power_source *s, double joules, uint64_t now)
{
	if (now - s->change_ns >= STILL_S * SECOND)
		s->told_ns = s->read_ns;
	s->change_ns = now;
	s->still_ns = 0;
	s->moved = 1;
	if (s->fresh) {
		s->fresh = 0;
		s->told_ns = now;
		return;
	}
	s->untold += joules;
	if (now - s->told_ns < s->span)
		return; /* the end of a burst alone would tell far too much or too little */
	set_state(s, POWER_OK, s->remark);
	s->gained = s->untold;
	s->view.watts = s->gained / ((double)(now - s->told_ns) * 1e-9);
	s->told_ns = now;
	s->untold = 0;
}

static void take_counter(struct power_source *s, uint64_t ticks, uint64_t now, int busy)
{
	if (!s->have || (ticks < s->last && !(s->range && s->last <= s->range))) {
		start_counter(s, ticks, now); /* the first reading, or it was reset */
		return;
	}
	uint64_t delta = ticks >= s->last ? ticks - s->last : ticks + (s->range - s->last);
	s->last = ticks;
	if (!delta) {
		stand_still(s, now, busy);
		return;
	}
	move(s, (double)delta * s->unit, now);
}

static void take_watts(struct power_source *s, double watts, uint64_t now, int busy)
{
	/* What happened between two readings: the mean of both. */
	if (s->view.state == POWER_OK && s->have)
		s->gained = (s->last_watts + watts) / 2 * (double)(now - s->read_ns) * 1e-9;
	if (s->have && busy && !watts)
		s->still_ns += now - s->read_ns;
	if (!s->have || watts != s->last_watts) {
		s->change_ns = now;
		s->moved |= watts > 0;
	}
	s->have = 1;
	s->last_watts = watts;
	if (!s->moved) { /* a sensor that has only ever said 0 says nothing */
		set_state(s, POWER_PROBING, "reads 0 W");
		if (s->unstick && s->still_ns >= STILL_S * SECOND)
			freeze(s);
		return;
	}
	s->view.watts = watts;
	int old = now - s->change_ns >= SENSOR_STALE_S * SECOND;
	set_state(s, old ? POWER_STALE : POWER_OK, old ? "has not changed for a long time" : s->remark);
	if (old && s->unstick)
		snprintf(s->view.fix, sizeof s->view.fix, "%s", s->unstick);
}

static void read_source(struct power *p, struct power_source *s, uint64_t now, int busy)
{
	struct power_sample r = {.rc = s->denied};
	if (s->read_ns && now - s->read_ns < s->period)
		return;
	if (!s->denied)
		s->read(p, s, &r);
	if (r.rc < 0) {
		take_failure(s, r.rc, now);
		s->have = s->have && s->counter;
	} else if (r.rc == POWER_IDLE) {
		set_state(s, POWER_NO_SENSOR, r.why);
		s->have = 0;
	} else {
		s->fail_ns = 0;
		if (s->counter)
			take_counter(s, r.ticks, now, busy);
		else
			take_watts(s, r.watts, now, busy);
	}
	s->read_ns = now;
	s->view.joules += s->gained;
}

/* The first scope with a source that is ok; POWER_SCOPE_PART: none. */
static enum power_scope best_scope(const struct power *p)
{
	for (int scope = POWER_SCOPE_PART + 1; scope < POWER_SCOPES; scope++)
		for (int i = 0; i < p->n; i++)
			if ((int)p->source[i].scope == scope && p->source[i].view.state == POWER_OK && !p->source[i].may_rest)
				return (enum power_scope)scope;
	return POWER_SCOPE_PART;
}

static void add_up(struct power *p, double seconds)
{
	struct power_view *v = &p->view;
	enum power_scope best = best_scope(p);
	double gained = 0, watts = 0;
	v->estimated = best == POWER_SCOPE_PART && p->estimate > 0;
	for (int i = 0; i < p->n; i++)
		if (best != POWER_SCOPE_PART && p->source[i].scope == best && p->source[i].view.state == POWER_OK) {
			watts += p->source[i].view.watts;
			gained += p->source[i].gained;
		}
	if (v->estimated) {
		watts = p->estimate;
		gained = p->estimate * seconds;
	}
	int any = v->estimated || best != POWER_SCOPE_PART;
	v->watts = any ? watts : NAN;
	if (any)
		v->joules = (isnan(v->joules) ? 0 : v->joules) + gained;
}

static void fill_view(struct power *p, uint64_t now)
{
	enum power_scope best = best_scope(p);
	p->view.n = p->n;
	for (int i = 0; i < p->n; i++) {
		struct power_source *s = &p->source[i];
		s->view.age = s->change_ns ? (double)(now - s->change_ns) * 1e-9 : 0;
		p->view.source[i] = s->view;
		/* So that whoever adds what is no part gets the total. */
		if (s->scope != POWER_SCOPE_PART && s->view.state == POWER_OK && s->scope != best)
			p->view.source[i].part = 1;
	}
	if (!(p->estimate > 0) || p->n == POWER_SOURCES)
		return;
	struct power_source_view *est = &p->view.source[p->view.n++];
	*est = (struct power_source_view){.name = "estimate", .kind = "estimate", .watts = NAN, .state = POWER_PROBING};
	snprintf(est->reason, sizeof est->reason, "not used: a source works");
	if (p->view.estimated) {
		est->state = POWER_OK;
		est->watts = p->estimate;
		snprintf(est->reason, sizeof est->reason, "est: given by you, not measured");
	}
	est->joules = p->estimate_joules;
}

void power_poll(struct power *p, uint64_t now, int busy)
{
	if (!p || (p->poll_ns && now - p->poll_ns < POLL_MS * 1000000ull))
		return;
	int gap = clock_stopped_since(&p->seen, NULL);
	double seconds = p->poll_ns && !gap ? (double)(now - p->poll_ns) * 1e-9 : 0;
	p->poll_ns = now;
	for (int i = 0; i < p->n; i++) {
		p->source[i].gained = 0;
		if (gap)
			p->source[i].have = 0;
		if (p->source[i].read)
			read_source(p, &p->source[i], now, busy);
	}
	add_up(p, seconds);
	if (p->view.estimated)
		p->estimate_joules += p->estimate * seconds;
	fill_view(p, now);
}

void power_look(const struct power *p, struct power_view *out)
{
	if (p) {
		*out = p->view;
		return;
	}
	*out = (struct power_view){.watts = NAN, .joules = NAN, .baseline = NAN};
}

void power_set_baseline(struct power *p, double watts)
{
	if (p)
		p->view.baseline = watts;
}

void power_carry(struct power *p, double joules)
{
	if (p)
		p->view.joules = joules;
}

void power_estimate(struct power *p, double watts)
{
	if (!p)
		return;
	p->estimate = watts > 0 && isfinite(watts) ? watts : 0;
	add_up(p, 0);
	fill_view(p, p->poll_ns);
}

static void report_source(const struct power_source_view *v, struct str *out)
{
	str_printf(out, "%-16s %-9s ", v->name, v->kind);
	if (v->state == POWER_OK || v->state == POWER_STALE)
		str_printf(out, "%6.1f W %10.1f J  ", v->watts, v->joules);
	str_puts(out, power_state_name(v->state));
	if (v->state == POWER_STALE)
		str_printf(out, " (%.0f s old)", v->age);
	if (v->part)
		str_puts(out, ", not added");
	if (v->reason[0])
		str_printf(out, ": %s", v->reason);
	str_putc(out, '\n');
	if (v->fix[0])
		str_printf(out, "%-16s           to mend: %s\n", "", v->fix);
}

void power_report(const struct power *p, struct str *out)
{
	if (!p)
		return;
	const struct power_view *v = &p->view;
	int refused = 0;
	for (int i = 0; i < v->n; i++) {
		report_source(&v->source[i], out);
		refused |= v->source[i].state == POWER_NO_PERMISSION && i < p->n && p->source[i].mend;
	}
	if (refused)
		str_puts(out, "note: the kernel closed these counters because power, read finely enough, tells about other programs' secrets (PLATYPUS, "
			      "CVE-2020-8694);\nmending re-opens that side channel to whoever may run this program. After a rebuild it must be repeated.\n");
	if (isnan(v->watts))
		str_puts(out, "total n/a: no source works; `power estimate WATTS` counts with a figure of yours\n");
	else
		str_printf(out, "total %.1f W%s, %.1f J since the start%s\n", v->watts, v->estimated ? " est" : "", v->joules,
			   v->estimated ? "" : ": the whole machine's or its processors', not only this program's");
	if (isfinite(v->baseline) && isfinite(v->watts))
		str_printf(out, "idle  %.1f W (measured): %.1f W above it now\n", v->baseline, v->watts - v->baseline);
	str_puts(out, "tried:\n");
	if (p->probe.s)
		str_add(out, p->probe.s, p->probe.len);
}
