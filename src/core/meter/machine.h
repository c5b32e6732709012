/* machine.h: how the machine bears it: temperature and throttling of the processor, state of the battery. Power is power.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_METER_MACHINE_H
#define ANETUI_METER_MACHINE_H

#include <stdint.h>

/* A number that is not there is NAN (or -1), never 0. */
struct machine_view {
	double celsius;          /* the hottest sensor of the processor */
	double limit;            /* where the processor begins to slow down; NAN: not told */
	int counted;             /* 1: somebody counts how often the processor was slowed down; 0: nobody, the next two are unknown */
	uint64_t throttled;      /* times that it was since the start */
	int throttles;           /* 1: it was slowed down in the last seconds */
	double battery;          /* percent; NAN: no battery */
	int discharging;         /* -1: no battery */
	int minutes;             /* left, as the battery's own driver has it; -1: not told */
};

enum { MACHINE_SENSORS = 48 };

struct machine {
	struct machine_view view;
	uint64_t read_ns, first, last, change_ns;
	char root[512];
	int known;
	/* A Mac's: its controller (NULL: none), how many keys it has and which come next, those of the processor's sensors. */
	struct smc *smc;
	uint32_t keys, next_key;
	int mac, asked, sensors; /* mac: 1: the controller may be asked, which it is not under another root */
	char sensor[MACHINE_SENSORS][5];
};

/* root: "", or a folder that stands for / in tests. */
void machine_init(struct machine *m, const char *root);
void machine_done(struct machine *m);
/* Reads when two seconds have passed. */
void machine_poll(struct machine *m, uint64_t now);

/* Hot: at its limit (95 C when none is told), or slowed down. Low: discharging, 20 percent or less. */
int machine_is_hot(const struct machine_view *v);
int machine_is_low(const struct machine_view *v);

#endif
