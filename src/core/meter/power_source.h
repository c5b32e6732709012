/* power_source.h: what the kinds of power sources share with power.c: how to find, read and describe one. Private to meter/.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_METER_POWER_SOURCE_H
#define ANETUI_METER_POWER_SOURCE_H

#include "base/clock.h"
#include "meter/power.h"

enum { POWER_PATH = 512 };

/* The system under the sources; tests put their own in. */
struct power_sys {
	/* The text of a file without its last newline: its length, or -errno. */
	int (*read)(void *arg, const char *path, char *buf, size_t n);
	/* Opens counter `config` of PMU `type` on a processor: a descriptor, or -errno. NULL: values are read from files EVENT.value. */
	int (*perf)(void *arg, unsigned type, uint64_t config, int cpu);
	void *arg;
};

/* Who is added up. The first scope with a source that is ok makes the total: each of them sees the whole machine or its processors, so
 * adding two scopes would count the same joules twice. */
enum power_scope { POWER_SCOPE_PART, POWER_SCOPE_POWERCAP, POWER_SCOPE_PERF, POWER_SCOPE_HWMON, POWER_SCOPE_IOREPORT, POWER_SCOPE_SMC, POWER_SCOPE_BATTERY, POWER_SCOPES };

/* One reading. */
struct power_sample {
	int rc;          /* 0, -errno, or POWER_IDLE */
	uint64_t ticks;  /* counters */
	double watts;    /* others */
	const char *why; /* POWER_IDLE: why there is nothing to measure now; static */
};
enum { POWER_IDLE = 1 };

struct power_source {
	struct power_source_view view;
	enum power_scope scope;
	char path[POWER_PATH]; /* the file that is read, or the folder of a battery */
	void *handle;          /* of a graphics card, a counter of IOReport */
	int fd;                /* of a perf counter, -1: none */
	int denied;            /* rc of an open that failed for good, 0: none */
	int counter;           /* 1: ticks that go up, else watts */
	double unit;           /* joules of a tick, or watts of what stands in the file */
	uint64_t range;        /* ticks wrap behind this; 0: 64 bits, never */
	uint64_t period;       /* ns between readings; 0: every poll */
	const char *remark;    /* shown beside the number; static, or "" */
	const char *need;      /* what a refusal means: "energy_uj is root-only"; static */
	const char *mend;      /* the capability that mends it; static, or NULL */
	const char *cure;      /* or else how to mend it, in words; static, or NULL */
	const char *stuck;     /* what standing still means: "counter does not move (VM?)"; static */
	const char *unstick;   /* how to mend that; static, or NULL: then a sensor may say 0 W for ever */
	int may_rest;          /* 1: takes nothing while the machine works (graphics, Neural Engine): never frozen, and makes no total alone */
	uint64_t span;         /* ns: watts are told over at least as long, for counters that move in bursts; 0: at every movement */
	void (*read)(struct power *p, struct power_source *s, struct power_sample *out);

	/* Written by power_poll. */
	int have, moved;
	uint64_t last;         /* ticks of the last reading */
	double last_watts;
	uint64_t read_ns, change_ns;
	uint64_t still_ns;     /* busy time without a movement */
	uint64_t told_ns;      /* since then no watts were told ... */
	double untold;         /* ... nor counted these joules */
	int fresh;             /* 1: the next movement holds joules of the time before the first reading */
	uint64_t fail_ns;      /* of the first failure in a row, 0: none */
	double gained;         /* joules that this poll added */
};

struct power {
	char root[POWER_PATH];
	struct power_sys sys;
	int n, left_out;
	struct power_source source[POWER_SOURCES];
	struct str probe;      /* what was tried, line by line */
	double estimate;       /* watts, 0: none */
	double estimate_joules;
	uint64_t poll_ns;
	struct clock_seen seen;      /* up to then */
	struct power_nvml *nvml; /* NVIDIA's library; NULL: not there */
	struct power_ioreport *ioreport; /* Apple's; NULL: not there */
	struct smc *smc;         /* a Mac's controller; NULL: not there */
	struct power_view view;
};

/* power_open over another system: NULL is the real one. */
struct power *power_open_on(const char *root, const struct power_sys *sys);

/* --- for the finders --- */
/* A new source in state probing, or NULL when the table is full (counted). */
struct power_source *power_add(struct power *p, const char *name, const char *kind, enum power_scope scope);
/* A line that says that there is no source of this kind, and why. */
void power_add_none(struct power *p, const char *name, const char *kind, const char *why);
/* The text of DIR/NAME: its length or -errno. Does not write to the probe log. */
int power_text(struct power *p, char *buf, size_t n, const char *dir, const char *name);
/* A whole number out of it: 0 or -errno (-EINVAL: no number). */
int power_u64(struct power *p, uint64_t *out, const char *dir, const char *name);
int power_file_u64(struct power *p, uint64_t *out, const char *path);
/* Names in root+DIR that begin with `prefix`, shorter ones first, then by the alphabet: their number, at most `max`, or -errno. */
enum { POWER_NAME = 64 };
int power_list(struct power *p, const char *dir, const char *prefix, char (*name)[POWER_NAME], int max);
void power_note(struct power *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void power_find_powercap(struct power *p);
void power_find_perf(struct power *p);
void power_find_hwmon(struct power *p);
void power_find_battery(struct power *p);
void power_find_nvml(struct power *p);
void power_close_nvml(struct power *p);
void power_find_ioreport(struct power *p);
void power_close_ioreport(struct power *p);
void power_find_smc(struct power *p);
void power_close_smc(struct power *p);

#endif
