/* test_ioreport.c: the energy counters of macOS through a stand-in for its library, which is opened as the real one is. Says nothing of a real Mac.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "meter/ioreport_standin.h"
#include "meter/power_source.h"

#define S(x) ((uint64_t)((x) * 1e9) + 1000000000ull)

static struct ioreport_standin *mac;
static char library[4200];

struct look { struct power *p; struct power_view v; };

static void close_to(double got, double want)
{
	if (!(fabs(got - want) <= 1e-6 * fabs(want) + 1e-9))
		fail_msg("%.9g is not %.9g", got, want);
}

/* A folder that is not there stands for /: no other source but those that say that there is none. */
static void look_begin(struct look *l, struct ioreport_row *row, int rows, int refuse)
{
	*l = (struct look){0};
	*mac = (struct ioreport_standin){.row = row, .rows = rows, .refuse = refuse};
	setenv("ANETUI_IOREPORT", library, 1);
	l->p = power_open("nowhere");
	assert_non_null(l->p);
	power_find_ioreport(l->p);
}

static void look_end(struct look *l)
{
	power_close(l->p);
	assert_int_equal(mac->live, 0);
	assert_int_equal(mac->wrong, 0);
}

static void at(struct look *l, double seconds, int busy)
{
	power_poll(l->p, S(seconds), busy);
	power_look(l->p, &l->v);
}

static const struct power_source_view *source(const struct look *l, const char *name)
{
	for (int i = 0; i < l->v.n; i++)
		if (!strcmp(l->v.source[i].name, name) && !strcmp(l->v.source[i].kind, "ioreport"))
			return &l->v.source[i];
	fail_msg("no source %s", name);
	return NULL;
}

static void assert_state(const struct look *l, const char *name, enum power_state want, const char *reason)
{
	const struct power_source_view *s = source(l, name);
	assert_string_equal(power_state_name(s->state), power_state_name(want));
	if (!strstr(s->reason, reason))
		fail_msg("%s: reason \"%s\" lacks \"%s\"", name, s->reason, reason);
	if (want != POWER_OK && want != POWER_STALE)
		assert_true(isnan(s->watts));
}

static void assert_report(const struct look *l, const char *has, const char *lacks)
{
	struct str out = {0};
	power_report(l->p, &out);
	if (!strstr(out.s, has))
		fail_msg("\"%s\" is not in: %s", has, out.s);
	if (lacks && strstr(out.s, lacks))
		fail_msg("\"%s\" is in: %s", lacks, out.s);
	str_done(&out);
}

/* Every row moves by that many of its own units. */
static void move(struct ioreport_row *row, int n, int64_t by)
{
	for (int i = 0; i < n; i++)
		row[i].value += by;
}

static void test_what_counts(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"EACC_CPU", "mJ", 0, 0}, {"PACC0_CPU3_SRAM", "mJ", 0, 0}, {"CPU Energy", "mJ", 70000, 0}, {"PCPU1DTL2b", "mJ", 0, 0},
		{"PCPU1DTL2b", "mJ", 0, 0}, {"GPU SRAM0", "mJ", 0, 0}, {"GPU Energy", "nJ", 500, 0}, {"GPU", "mJ", 0, 0}, {"ANE0", "uJ  ", 0, 0},
		{"ANE0_SRAM", "mJ", 0, 0}, {"ANE0_", "mJ", 0, 0}, {"ANEX", "mJ", 0, 0}, {"DRAM0", "mJ", 0, 0}, {"DRAM0_1_2", "mJ", 0, 0}, {"CPU Energy 2", "mJ", 0, 0},
		{"DIE__CPU Energy", "mJ", 0, 0}, {"PCIe Port 0 Energy", "uJ", 0, 0}, {"a name that is longer than any of ours", "mJ", 0, 0}};
	int n = (int)ARRAY_LEN(row);
	struct look l;
	look_begin(&l, row, n, 0);
	at(&l, 0, 1);
	assert_int_equal(mac->sampled, 4);
	assert_state(&l, "cpu", POWER_PROBING, "waiting for the counter to move");
	assert_state(&l, "ane", POWER_PROBING, "at rest, or not counted");
	move(row, n, 1);
	at(&l, 1, 1); /* what the first movement holds was there before we looked */
	assert_true(isnan(l.v.watts) && isnan(l.v.joules));
	assert_state(&l, "cpu", POWER_PROBING, "waiting");
	move(row, n, 12000);
	row[6].value += 5000000000;
	row[8].value += 1000000;
	at(&l, 3, 1);
	close_to(source(&l, "cpu")->watts, 6);
	close_to(source(&l, "gpu")->watts, 2.5 + 6e-6);
	close_to(source(&l, "ane")->watts, 0.5 + 6e-3);
	close_to(source(&l, "dram")->watts, 6);
	close_to(l.v.watts, 9.006006); /* cpu, gpu, ane */
	close_to(l.v.joules, 18.012012);
	assert_true(source(&l, "dram")->part && !source(&l, "cpu")->part && !source(&l, "gpu")->part);
	assert_int_equal(mac->samples, 3);
	assert_report(&l, "IOReport: channel ANE0, unit uJ\n", "SRAM");
	assert_report(&l, "4 of 18 channels are read", NULL);
	look_end(&l);
}

static void test_two_dies(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"DIE_0_CPU Energy", "mJ", 0, 0}, {"DIE_0_EACC_CPU", "mJ", 0, 0}, {"DIE_1_CPU Energy", "mJ", 0, 0}, {"GPU0_0", "mJ", 0, 0},
		{"ANE0_0", "mJ", 0, 0}, {"DRAM0_0", "mJ", 0, 0}, {"ANE0_1", "mJ", 0, 0}, {"DRAM0_1", "mJ", 0, 0}, {"ANE0_1", "mJ", 0, 0}, {"DRAM0_1_2", "mJ", 0, 0}};
	struct look l;
	look_begin(&l, row, 10, 0);
	at(&l, 0, 1);
	move(row, 10, 1);
	at(&l, 1, 1);
	move(row, 10, 1000);
	at(&l, 2, 1);
	close_to(source(&l, "cpu")->watts, 2);
	close_to(source(&l, "gpu")->watts, 1); /* no "GPU Energy": the next form */
	close_to(source(&l, "ane")->watts, 2); /* one is listed twice */
	close_to(source(&l, "dram")->watts, 2);
	close_to(l.v.watts, 5);
	look_end(&l);
}

/* A whole and its parts under two forms of one name: the parts would count it again. */
static void test_first_form_alone(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"DIE_0_CPU Energy", "mJ", 0, 0}, {"CPU Energy", "mJ", 0, 0}, {"GPU0", "mJ", 0, 0}, {"GPU", "mJ", 0, 0}, {"ANE0_0", "mJ", 0, 0},
		{"ANE0", "mJ", 0, 0}, {"ANE1", "mJ", 0, 0}, {"DRAM", "mJ", 0, 0}, {"DRAM0", "mJ", 0, 0}};
	struct look l;
	look_begin(&l, row, 9, 0);
	at(&l, 0, 1);
	move(row, 9, 1);
	at(&l, 1, 1);
	move(row, 9, 1000);
	at(&l, 2, 1);
	close_to(source(&l, "cpu")->watts, 1);
	close_to(source(&l, "gpu")->watts, 1);
	close_to(source(&l, "ane")->watts, 2);
	close_to(source(&l, "dram")->watts, 1);
	look_end(&l);
}

static void test_unknown_units(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"CPU Energy", "mJ", 0, 0}, {"GPU Energy", "kJ", 0, 0}, {"DRAM0", NULL, 0, 0}, {"DRAM1", "mJ", 0, 0}};
	struct look l;
	look_begin(&l, row, 4, 0);
	at(&l, 0, 1);
	assert_state(&l, "gpu", POWER_NO_SENSOR, "the unit \"kJ\"");
	assert_state(&l, "dram", POWER_NO_SENSOR, "the unit \"none\"");
	assert_state(&l, "ane", POWER_NO_SENSOR, "no such counter");
	move(row, 4, 1);
	at(&l, 1, 1);
	move(row, 4, 4000);
	at(&l, 2, 1);
	close_to(l.v.watts, 4);
	look_end(&l);
}

static void test_refusals(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"CPU Energy", "mJ", 0, 0}, {"ANE", "mJ", 0, 0}};
	struct look l;
	look_begin(&l, row, 2, IOREPORT_GROUP);
	at(&l, 0, 1);
	assert_state(&l, "package", POWER_NO_SENSOR, "an Intel Mac, or a virtual machine");
	look_end(&l);

	look_begin(&l, row, 2, IOREPORT_SUBSCRIPTION);
	at(&l, 0, 1);
	assert_state(&l, "cpu", POWER_NO_PERMISSION, "macOS refuses");
	assert_string_equal(source(&l, "cpu")->fix, "start it in Terminal, outside any sandbox");
	assert_report(&l, "to mend: start it in Terminal", "PLATYPUS"); /* that is Linux' story */
	look_end(&l);

	look_begin(&l, row, 2, IOREPORT_SAMPLE);
	at(&l, 0, 1);
	assert_state(&l, "cpu", POWER_ERROR, "can not be read: Input/output error");
	mac->refuse = 0;
	at(&l, 1, 1);
	move(row, 2, 1);
	at(&l, 2, 1);
	move(row, 2, 3000);
	at(&l, 3, 1);
	close_to(source(&l, "cpu")->watts, 3);
	mac->refuse = IOREPORT_SAMPLE;
	at(&l, 4, 1);
	assert_state(&l, "cpu", POWER_STALE, "can not be read");
	assert_true(isnan(l.v.watts));
	look_end(&l);
}

static void test_libraries(void **state)
{
	(void)state;
	struct look l;
	char nvml[4200];
	look_begin(&l, NULL, 0, 0); /* a group without channels: each unit says so */
	at(&l, 0, 1);
	assert_state(&l, "cpu", POWER_NO_SENSOR, "no such counter");
	look_end(&l);
	l.p = power_open("nowhere");
	setenv("ANETUI_IOREPORT", "/nowhere/lib.so", 1);
	power_find_ioreport(l.p);
	at(&l, 0, 1);
	assert_state(&l, "package", POWER_NO_SENSOR, "no IOReport library");
	assert_report(&l, "IOReport: /nowhere/lib.so: not there", NULL);
	power_close(l.p);
	snprintf(nvml, sizeof nvml, "%s", library);
	snprintf(strrchr(nvml, '/'), 40, "/libnvml.so");
	setenv("ANETUI_IOREPORT", nvml, 1);
	l.p = power_open("nowhere");
	power_find_ioreport(l.p);
	at(&l, 0, 1);
	assert_state(&l, "package", POWER_NO_SENSOR, "no IOReport library");
	assert_report(&l, "libnvml.so: lacks ", NULL);
	power_close(l.p);
}

/* Found by itself on the real root, and only when it is asked for elsewhere than on a Mac. */
static void test_opened_by_itself(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"CPU Energy", "mJ", 0, 0}};
	struct look l = {0};
	*mac = (struct ioreport_standin){.row = row, .rows = 1};
	setenv("ANETUI_IOREPORT", library, 1);
	l.p = power_open("");
	power_look(l.p, &l.v);
	assert_state(&l, "cpu", POWER_PROBING, "");
	look_end(&l);
#ifndef __APPLE__
	unsetenv("ANETUI_IOREPORT");
	l.p = power_open("");
	assert_report(&l, "tried:", "IOReport");
	power_close(l.p);
#endif
}

static void test_frozen(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"CPU Energy", "mJ", 9, 0}, {"GPU Energy", "nJ", 9, 0}, {"ANE", "mJ", 9, 0}, {"DRAM", "mJ", 9, 0}};
	struct look l;
	look_begin(&l, row, 4, 0);
	for (int i = 0; i < 10; i++) {
		at(&l, i, 1);
		row[1].value += 2000000000;
	}
	assert_state(&l, "cpu", POWER_FROZEN, "stands still while the processor works");
	assert_int_equal(strncmp(source(&l, "cpu")->fix, "restart the Mac", 15), 0);
	assert_state(&l, "dram", POWER_FROZEN, "stands still");
	assert_state(&l, "ane", POWER_PROBING, "has not moved yet"); /* it may well rest */
	close_to(source(&l, "gpu")->watts, 2);
	assert_true(isnan(l.v.watts) && isnan(l.v.joules)); /* the graphics alone are not the machine */
	row[0].value += 1000;
	at(&l, 10, 1);
	row[0].value += 1000;
	row[1].value += 2000000000;
	at(&l, 11, 1);
	assert_state(&l, "cpu", POWER_OK, "");
	assert_string_equal(source(&l, "cpu")->fix, "");
	close_to(l.v.watts, 3);
	row[2].value += 1;
	for (int i = 12; i < 20; i++) { /* after it has moved a resting Neural Engine takes 0 W */
		row[0].value += 1000;
		row[2].value += i == 12 ? 500 : 0;
		at(&l, i, 1);
	}
	assert_state(&l, "ane", POWER_OK, "");
	close_to(source(&l, "ane")->watts, 0);
	close_to(l.v.watts, 1);
	look_end(&l);
}

static void test_bad_readings(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"DIE_0_CPU Energy", "mJ", 5000, 0}, {"DIE_1_CPU Energy", "mJ", 5000, 0}};
	struct look l;
	look_begin(&l, row, 2, 0);
	at(&l, 0, 1);
	move(row, 2, 1);
	at(&l, 1, 1);
	move(row, 2, 1000);
	at(&l, 2, 1);
	close_to(l.v.joules, 2);
	row[0].value = row[1].value = 100; /* back: counted anew, nothing gained */
	at(&l, 3, 1);
	close_to(l.v.joules, 2);
	move(row, 2, 1);
	at(&l, 4, 1);
	move(row, 2, 1500);
	at(&l, 5, 1);
	close_to(l.v.joules, 5);
	close_to(l.v.watts, 3);
	row[1].gone = 1; /* half a machine is none */
	at(&l, 6, 1);
	assert_state(&l, "cpu", POWER_NO_SENSOR, "gone");
	assert_true(isnan(l.v.watts));
	row[1].gone = 0;
	row[0].value = INT64_MIN; /* what the library says of a channel that is no simple counter */
	at(&l, 7, 1);
	assert_state(&l, "cpu", POWER_ERROR, "can not be read");
	row[0].value = INT64_MAX / 2; /* more than 64 bits of nanojoules */
	at(&l, 8, 1);
	assert_state(&l, "cpu", POWER_ERROR, "can not be read");
	close_to(l.v.joules, 5);
	look_end(&l);
}

/* As seen on an Ultra: 1.7 s of joules at once, 20 ms of them a moment later, 0.4 s after as much. */
static void test_bursts(void **state)
{
	(void)state;
	struct ioreport_row row[] = {{"CPU Energy", "mJ", 0, 0}};
	struct look l;
	look_begin(&l, row, 1, 0);
	at(&l, 0, 1);
	row[0].value += 17000; /* nearly all of it is from before the start: 40 W it is not */
	at(&l, 0.4, 1);
	row[0].value += 200;
	at(&l, 0.6, 1);
	assert_state(&l, "cpu", POWER_PROBING, "waiting");
	row[0].value += 10000;
	at(&l, 1.4, 1);
	close_to(l.v.watts, 10.2);
	close_to(l.v.joules, 10.2);
	for (double t = 1.4; t < 20; t += 2.2) {
		row[0].value += 200;
		at(&l, t + 0.2, 1); /* 1 W it is not */
		row[0].value += 5000;
		at(&l, t + 0.5, 1); /* nor 17 W */
		at(&l, t + 1.0, 1);
		if (!(l.v.watts > 9.5 && l.v.watts < 10.5))
			fail_msg("%.3g W", l.v.watts);
		row[0].value += 16800;
		at(&l, t + 2.2, 1);
		close_to(l.v.watts, 10);
	}
	close_to(l.v.joules, 10.2 + 9 * 22);
	row[0].value += 200;
	at(&l, 22, 1);
	close_to(l.v.joules, 10.2 + 9 * 22);
	clock_continued(); /* what was not told yet is not lost, and what a sleep hides is not counted */
	row[0].value += 900000;
	at(&l, 400, 1);
	close_to(l.v.joules, 10.4 + 9 * 22);
	look_end(&l);
}

int main(void)
{
	assert_int_equal(file_program(library, 4096, NULL), 0);
	snprintf(strrchr(library, '/'), 40, "/libioreport.so");
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	mac = lib ? dlsym(lib, "ioreport_standin") : NULL;
	if (!mac) {
		fprintf(stderr, "%s: can not be opened\n", library);
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_counts),	 cmocka_unit_test(test_two_dies),	  cmocka_unit_test(test_first_form_alone),
		cmocka_unit_test(test_unknown_units),	 cmocka_unit_test(test_refusals),	  cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_opened_by_itself), cmocka_unit_test(test_frozen),		  cmocka_unit_test(test_bad_readings),
		cmocka_unit_test(test_bursts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
