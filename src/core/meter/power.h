/* power.h: power sources, each with a state and a reason. Never a silent 0 W; estimates only when asked for, and marked.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_METER_POWER_H
#define ANETUI_METER_POWER_H

#include <stdint.h>

#include "base/str.h"

enum power_state { POWER_PROBING, POWER_OK, POWER_NO_SENSOR, POWER_NO_PERMISSION, POWER_FROZEN, POWER_STALE, POWER_ERROR };
const char *power_state_name(enum power_state s);

enum { POWER_SOURCES = 16 };

/* One source as the screen shows it: a plain value. */
struct power_source_view {
	char name[32];       /* "package-0", "psys", "battery BAT0", "estimate" */
	char kind[16];       /* "powercap", "perf", "hwmon", "battery", "estimate" */
	enum power_state state;
	double watts;        /* only with POWER_OK (and POWER_STALE: the last one) */
	double joules;       /* since opened; counters only, else integrated */
	double age;          /* seconds since it last changed */
	int part;            /* 1: shown, never added: a part of another source (core, dram), another scope (psys), or counted by a better source */
	char reason[128];    /* why there is no number: "energy_uj is root-only"; beside a number a remark ("slow"), or empty */
	char fix[128];       /* the one command that mends it, or empty */
};

struct power_view {
	int n;
	struct power_source_view source[POWER_SOURCES];
	double watts;        /* sum of whole-machine sources that are ok, or the estimate; NAN: none */
	double joules;       /* since opened; NAN: none */
	int estimated;       /* 1: watts are the user's estimate */
	double baseline;     /* watts of the idle machine, as `power baseline` measured them; NAN: not measured */
};

struct power;

/* root: "" for the real /sys, or a folder that stands for / in tests (then perf is read from files energy-*.value below it). NULL when memory is out. */
struct power *power_open(const char *root);
void power_close(struct power *p);
/* Reads every source if at least 200 ms have passed since the last time; now in ns (clock_ns). busy: the engine works, so a counter that stands still is frozen.
 * To be called at least every 10 s: a counter that wraps twice between two readings can not be told from one that wraps once.
 * What went through it while the program was stopped, or the machine asleep, is not counted: it is not training's, and the counter may have wrapped many times. */
void power_poll(struct power *p, uint64_t now, int busy);
void power_look(const struct power *p, struct power_view *out);
/* watts > 0: counts with that where no source works; 0: ends it. */
void power_estimate(struct power *p, double watts);
/* Watts of the idle machine: what is above them is the training's own. NAN: forget it. */
void power_set_baseline(struct power *p, double watts);
/* Joules that an earlier process has counted are counted on; NAN: none. */
void power_carry(struct power *p, double joules);
/* Lines for `power`: every path that was tried, what was found, how to mend it. */
void power_report(const struct power *p, struct str *out);

#endif
