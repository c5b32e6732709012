/* test_power.c: power sources over a fake /sys tree: states, arithmetic, who is added. No real sensor but for one look at the end.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "meter/power_source.h"

#define S(x) ((uint64_t)((x) * 1e9) + 1000000000ull)
static void close_to(double got, double want)
{
	if (!(fabs(got - want) <= 1e-6 * fabs(want) + 1e-9))
		fail_msg("%.9g is not %.9g", got, want);
}

static int tree_number;

struct tree { char root[64]; struct power *p; struct power_view v; };

static void put(struct tree *t, const char *path, const char *text)
{
	char full[256], dir[256];
	snprintf(full, sizeof full, "%s/sys/%s", t->root, path);
	snprintf(dir, sizeof dir, "%s", full);
	*strrchr(dir, '/') = 0;
	assert_int_equal(file_mkdirs(dir, NULL), 0);
	FILE *f = fopen(full, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static void zone(struct tree *t, const char *name, const char *label, const char *uj)
{
	char path[128];
	snprintf(path, sizeof path, "class/powercap/%s/name", name);
	put(t, path, label);
	snprintf(path, sizeof path, "class/powercap/%s/energy_uj", name);
	put(t, path, uj);
	snprintf(path, sizeof path, "class/powercap/%s/max_energy_range_uj", name);
	put(t, path, "262143328850");
}

static void tree_begin(struct tree *t)
{
	*t = (struct tree){0};
	snprintf(t->root, sizeof t->root, "tree-%d-%d", (int)getpid(), tree_number++);
	put(t, "kernel/x", "");
}

static void tree_end(struct tree *t)
{
	char cmd[128];
	power_close(t->p);
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", t->root);
	assert_int_equal(system(cmd), 0);
}

static void at(struct tree *t, double seconds, int busy)
{
	power_poll(t->p, S(seconds), busy);
	power_look(t->p, &t->v);
}

static const struct power_source_view *source(const struct tree *t, const char *name, const char *kind)
{
	for (int i = 0; i < t->v.n; i++)
		if (!strcmp(t->v.source[i].name, name) && (!kind || !strcmp(t->v.source[i].kind, kind)))
			return &t->v.source[i];
	fail_msg("no source %s", name);
	return NULL;
}

static void assert_state(const struct tree *t, const char *name, const char *kind, enum power_state want, const char *reason)
{
	const struct power_source_view *s = source(t, name, kind);
	assert_string_equal(power_state_name(s->state), power_state_name(want));
	if (!strstr(s->reason, reason))
		fail_msg("%s: reason \"%s\" lacks \"%s\"", name, s->reason, reason);
	if (want != POWER_OK && want != POWER_STALE)
		assert_true(isnan(s->watts));
}

static void test_nothing_there(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	t.p = power_open(t.root);
	assert_non_null(t.p);
	at(&t, 0, 1);
	assert_int_equal(t.v.n, 3);
	assert_state(&t, "package", "powercap", POWER_NO_SENSOR, "no intel-rapl zone");
	assert_state(&t, "package", "perf", POWER_NO_SENSOR, "no power PMU");
	assert_state(&t, "battery", "battery", POWER_NO_SENSOR, "no battery");
	assert_true(isnan(t.v.watts) && isnan(t.v.joules));
	struct str out = {0};
	power_report(t.p, &out);
	assert_non_null(strstr(out.s, "/sys/class/powercap: No such file or directory"));
	assert_non_null(strstr(out.s, "power estimate WATTS"));
	str_done(&out);
	tree_end(&t);
}

/* The counter ran on while the program was stopped, perhaps many times around: that is not counted, and makes no watts. */
static void test_stopped(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "1000000");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	zone(&t, "intel-rapl:0", "package-0", "11000000");
	at(&t, 1, 1);
	close_to(t.v.joules, 10);
	zone(&t, "intel-rapl:0", "package-0", "911000000");
	clock_continued();
	at(&t, 4000, 1);
	close_to(t.v.joules, 10);
	close_to(t.v.watts, 10);
	zone(&t, "intel-rapl:0", "package-0", "916000000");
	at(&t, 4001, 1);
	close_to(t.v.joules, 15);
	close_to(t.v.watts, 5);
	tree_end(&t);
}

/* Nor does a halt count as standing still: a counter is looked at for three seconds anew. */
static void test_stopped_while_still(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "0");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	at(&t, 2.5, 1);
	clock_continued();
	at(&t, 100, 1);
	at(&t, 102, 1);
	assert_state(&t, "package-0", NULL, POWER_PROBING, "waiting");
	at(&t, 103.5, 1);
	assert_state(&t, "package-0", NULL, POWER_FROZEN, "does not move");
	tree_end(&t);
}

static void test_two_packages(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	put(&t, "class/powercap/intel-rapl/enabled", "1");
	zone(&t, "intel-rapl:0", "package-0", "1000000");
	zone(&t, "intel-rapl:0:0", "core", "500000");
	zone(&t, "intel-rapl:0:1", "dram", "0");
	zone(&t, "intel-rapl:1", "package-1", "262143000000");
	zone(&t, "intel-rapl:1:0", "dram", "7");
	zone(&t, "intel-rapl:2", "psys", "3000000");
	zone(&t, "intel-rapl-mmio:0", "package-0", "1000000");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	assert_state(&t, "package-0", NULL, POWER_PROBING, "waiting");
	assert_true(isnan(t.v.watts));
	zone(&t, "intel-rapl:0", "package-0", "11000000");    /* +10 J */
	zone(&t, "intel-rapl:0:0", "core", "4500000");        /* +4 J */
	zone(&t, "intel-rapl:0:1", "dram", "1000000");
	zone(&t, "intel-rapl:1", "package-1", "5671150");     /* wrapped: +6 J */
	zone(&t, "intel-rapl:2", "psys", "63000000");         /* +60 J */
	zone(&t, "intel-rapl-mmio:0", "package-0", "11000000");
	power_poll(t.p, S(0.1), 1); /* too early: nothing is read */
	power_look(t.p, &t.v);
	assert_state(&t, "package-0", NULL, POWER_PROBING, "waiting");
	at(&t, 2, 1);
	close_to(source(&t, "package-0", NULL)->watts, 5);
	close_to(source(&t, "package-1", NULL)->watts, 3);
	close_to(source(&t, "core-0", NULL)->watts, 2);
	close_to(source(&t, "dram-0", NULL)->watts, 0.5);
	close_to(source(&t, "psys", NULL)->watts, 30);
	close_to(source(&t, "package-0 mmio", NULL)->watts, 5);
	assert_int_equal(source(&t, "package-1", NULL)->part, 0);
	assert_int_equal(source(&t, "core-0", NULL)->part, 1);
	assert_int_equal(source(&t, "psys", NULL)->part, 1);
	assert_int_equal(source(&t, "package-0 mmio", NULL)->part, 1);
	close_to(t.v.watts, 8);
	close_to(t.v.joules, 16);
	assert_int_equal(t.v.estimated, 0);
	zone(&t, "intel-rapl:0", "package-0", "21000000");
	zone(&t, "intel-rapl:1", "package-1", "15671150");
	at(&t, 4, 1);
	close_to(t.v.watts, 10);
	close_to(t.v.joules, 36);
	close_to(source(&t, "package-1", NULL)->joules, 16);
	tree_end(&t);
}

static void test_only_mmio_counts(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl-mmio:0", "package-0", "0");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	zone(&t, "intel-rapl-mmio:0", "package-0", "2000000");
	at(&t, 1, 1);
	close_to(t.v.watts, 2);
	tree_end(&t);
}

static void test_frozen_and_back(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "0");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	at(&t, 1, 1);
	at(&t, 2.9, 1);
	assert_state(&t, "package-0", NULL, POWER_PROBING, "waiting for the counter to move");
	at(&t, 3.2, 1);
	assert_state(&t, "package-0", NULL, POWER_FROZEN, "counter does not move (VM?)");
	assert_true(isnan(t.v.watts) && isnan(t.v.joules));
	at(&t, 10, 0); /* resting changes nothing: it has never moved */
	assert_state(&t, "package-0", NULL, POWER_FROZEN, "does not move");
	zone(&t, "intel-rapl:0", "package-0", "5000000");
	at(&t, 11, 1); /* it moved in the second since the last look */
	assert_state(&t, "package-0", NULL, POWER_OK, "");
	close_to(t.v.watts, 5);
	at(&t, 12, 0);
	close_to(t.v.watts, 5); /* a slow counter keeps its number for 3 s */
	at(&t, 14.5, 0);
	close_to(t.v.watts, 0); /* has moved before, the machine rests: 0 W is believed */
	assert_true(source(&t, "package-0", NULL)->age > 3.4);
	at(&t, 16, 1);
	at(&t, 18, 1);
	assert_state(&t, "package-0", NULL, POWER_FROZEN, "does not move");
	close_to(t.v.joules, 5);
	tree_end(&t);
}

static void test_idle_never_shows_zero(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "77");
	t.p = power_open(t.root);
	for (int i = 0; i < 30; i++)
		at(&t, i, 0);
	assert_state(&t, "package-0", NULL, POWER_PROBING, "waiting");
	tree_end(&t);
}

static void test_slow_counter_and_reset(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	put(&t, "class/hwmon/hwmon0/name", "amd_energy");
	put(&t, "class/hwmon/hwmon0/energy1_input", "900");
	put(&t, "class/hwmon/hwmon0/energy1_label", "Ecore000");
	put(&t, "class/hwmon/hwmon0/energy2_input", "1000000");
	put(&t, "class/hwmon/hwmon0/energy2_label", "Esocket0");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	put(&t, "class/hwmon/hwmon0/energy2_input", "3000000");
	at(&t, 0.5, 1);
	at(&t, 1.0, 1);
	put(&t, "class/hwmon/hwmon0/energy2_input", "8000000");
	at(&t, 1.5, 1); /* 5 J in the second since it last moved */
	close_to(source(&t, "amd_energy Esocket0", "hwmon")->watts, 5);
	close_to(t.v.joules, 7);
	put(&t, "class/hwmon/hwmon0/energy2_input", "10"); /* driver loaded anew: no wrap, no gain */
	at(&t, 2.5, 1);
	close_to(t.v.joules, 7);
	put(&t, "class/hwmon/hwmon0/energy2_input", "1000010");
	at(&t, 3.5, 1);
	close_to(t.v.joules, 8);
	close_to(t.v.watts, 1);
	tree_end(&t);
}

/* A system where energy_uj is refused, with all else readable; `refuse` 0 lifts it. */
static int refuse;
static int refusing_read(void *arg, const char *path, char *buf, size_t n)
{
	(void)arg;
	if (refuse && strstr(path, "energy_uj"))
		return -refuse;
	FILE *f = fopen(path, "r");
	if (!f)
		return -errno;
	size_t got = fread(buf, 1, n - 1, f);
	fclose(f);
	while (got && buf[got - 1] == '\n')
		got--;
	buf[got] = 0;
	return (int)got;
}

static void test_no_permission(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "0");
	refuse = EACCES;
	t.p = power_open_on(t.root, &(struct power_sys){refusing_read, NULL, NULL});
	at(&t, 0, 1);
	assert_state(&t, "package-0", NULL, POWER_NO_PERMISSION, "energy_uj is root-only");
	const char *fix = source(&t, "package-0", NULL)->fix;
	assert_int_equal(strncmp(fix, "sudo setcap cap_dac_read_search=ep ", 35), 0);
	assert_true(strlen(fix) > 36);
	assert_true(isnan(t.v.watts));
	struct str out = {0};
	power_report(t.p, &out);
	assert_non_null(strstr(out.s, "re-opens that side channel"));
	assert_non_null(strstr(out.s, "energy_uj (package-0): Permission denied"));
	str_done(&out);
	refuse = 0; /* mended while we run */
	at(&t, 1, 1);
	zone(&t, "intel-rapl:0", "package-0", "4000000");
	at(&t, 2, 1);
	assert_state(&t, "package-0", NULL, POWER_OK, "");
	assert_string_equal(source(&t, "package-0", NULL)->fix, "");
	close_to(t.v.watts, 4);
	tree_end(&t);
}

/* Root reads every file: then the look is taken as nobody. */
static void test_denied_by_the_real_kernel(void **state)
{
	(void)state;
	struct tree t = {.root = "/tmp/anetui-power-XXXXXX"};
	char path[256];
	uid_t me = geteuid();
	assert_non_null(mkdtemp(t.root));
	assert_int_equal(chmod(t.root, 0755), 0);
	zone(&t, "intel-rapl:0", "package-0", "0");
	snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:0/energy_uj", t.root);
	assert_int_equal(chmod(path, 0), 0);
	if (!me)
		assert_int_equal(seteuid(65534), 0);
	t.p = power_open(t.root);
	at(&t, 0, 1);
	assert_int_equal(seteuid(me), 0);
	assert_state(&t, "package-0", NULL, POWER_NO_PERMISSION, "root-only");
	tree_end(&t);
}

static void test_stale_then_error(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "0");
	refuse = 0;
	t.p = power_open_on(t.root, &(struct power_sys){refusing_read, NULL, NULL});
	at(&t, 0, 1);
	zone(&t, "intel-rapl:0", "package-0", "3000000");
	at(&t, 1, 1);
	close_to(t.v.watts, 3);
	refuse = EIO;
	at(&t, 5, 1);
	assert_state(&t, "package-0", NULL, POWER_STALE, "Input/output error");
	close_to(source(&t, "package-0", NULL)->watts, 3); /* the last one, dimmed by the screen */
	close_to(source(&t, "package-0", NULL)->age, 4);
	assert_true(isnan(t.v.watts)); /* but no total is made of it */
	close_to(t.v.joules, 3);
	at(&t, 36, 1);
	assert_state(&t, "package-0", NULL, POWER_ERROR, "Input/output error");
	refuse = 0;
	zone(&t, "intel-rapl:0", "package-0", "75000000");
	at(&t, 37, 1);
	assert_state(&t, "package-0", NULL, POWER_OK, "");
	close_to(t.v.joules, 75); /* a counter keeps what it counted meanwhile */
	refuse = ENODEV;
	at(&t, 38, 1);
	assert_state(&t, "package-0", NULL, POWER_NO_SENSOR, "gone");
	refuse = 0;
	tree_end(&t);
}

static void test_garbage(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "12 apples");
	zone(&t, "intel-rapl:1", "package-1", "-5");
	zone(&t, "intel-rapl:2", "package-2", "99999999999999999999999999");
	zone(&t, "intel-rapl:3", "package-3", "");
	t.p = power_open(t.root);
	for (int i = 0; i < 4; i++) {
		char name[32];
		snprintf(name, sizeof name, "package-%d", i);
		at(&t, i, 1);
		assert_state(&t, name, NULL, POWER_ERROR, "can not be read");
	}
	assert_true(isnan(t.v.watts));
	tree_end(&t);
}

static void perf_tree(struct tree *t, const char *event, const char *value)
{
	char path[128];
	put(t, "bus/event_source/devices/power/type", "9");
	put(t, "bus/event_source/devices/power/cpumask", "0");
	snprintf(path, sizeof path, "bus/event_source/devices/power/events/%s", event);
	put(t, path, "event=0x02");
	snprintf(path, sizeof path, "bus/event_source/devices/power/events/%s.unit", event);
	put(t, path, "Joules");
	snprintf(path, sizeof path, "bus/event_source/devices/power/events/%s.scale", event);
	put(t, path, "2.3283064365386962890625e-10");
	snprintf(path, sizeof path, "bus/event_source/devices/power/events/%s.value", event);
	put(t, path, value);
}

static void test_perf_counts(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	perf_tree(&t, "energy-pkg", "0");
	perf_tree(&t, "energy-cores", "0");
	perf_tree(&t, "energy-psys", "0");
	put(&t, "bus/event_source/devices/power/cpumask", "0,24");
	put(&t, "bus/event_source/devices/power/events/energy-pkg.1.value", "0");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	perf_tree(&t, "energy-pkg", "42949672960");           /* 10 J at 2^-32 J */
	put(&t, "bus/event_source/devices/power/cpumask", "0,24");
	put(&t, "bus/event_source/devices/power/events/energy-pkg.1.value", "21474836480");
	perf_tree(&t, "energy-cores", "4294967296");
	at(&t, 1, 1);
	close_to(source(&t, "package-0", "perf")->watts, 10);
	close_to(source(&t, "package-1", "perf")->watts, 5);
	close_to(source(&t, "cores-0", "perf")->watts, 1);
	assert_int_equal(source(&t, "psys-0", "perf")->part, 1);
	close_to(t.v.watts, 15);
	tree_end(&t);
}

/* A virtual machine: energy-psys alone, it opens and never moves. */
static void test_perf_frozen_psys(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	perf_tree(&t, "energy-psys", "0");
	t.p = power_open(t.root);
	for (int i = 0; i <= 4; i++)
		at(&t, i, 1);
	assert_state(&t, "psys", "perf", POWER_FROZEN, "counter does not move (VM?)");
	assert_state(&t, "package", "powercap", POWER_NO_SENSOR, "no intel-rapl zone");
	assert_true(isnan(t.v.watts));
	struct str out = {0};
	power_report(t.p, &out);
	assert_non_null(strstr(out.s, "frozen"));
	str_done(&out);
	tree_end(&t);
}

static int perf_rc;
static int fake_perf(void *arg, unsigned type, uint64_t config, int cpu)
{
	(void)arg;
	assert_int_equal(type, 9);
	assert_int_equal(config, 2);
	assert_int_equal(cpu, 0);
	return perf_rc;
}

static void test_perf_refused(void **state)
{
	(void)state;
	static const struct { int rc; enum power_state want; const char *reason; } row[] = {
		{-EACCES, POWER_NO_PERMISSION, "CAP_PERFMON"}, {-EPERM, POWER_NO_PERMISSION, "CAP_PERFMON"},
		{-EINVAL, POWER_NO_SENSOR, "no such counter"}, {-EMFILE, POWER_ERROR, "Too many open files"}};
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct tree t;
		tree_begin(&t);
		perf_tree(&t, "energy-pkg", "0");
		perf_rc = row[i].rc;
		refuse = 0;
		t.p = power_open_on(t.root, &(struct power_sys){refusing_read, fake_perf, NULL});
		at(&t, 0, 1);
		assert_state(&t, "package-0", "perf", row[i].want, row[i].reason);
		if (row[i].want == POWER_NO_PERMISSION)
			assert_non_null(strstr(source(&t, "package-0", "perf")->fix, "sudo setcap cap_perfmon=ep "));
		tree_end(&t);
	}
}

static void test_perf_unknown_unit(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	perf_tree(&t, "energy-pkg", "0");
	put(&t, "bus/event_source/devices/power/events/energy-pkg.unit", "Calories");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	assert_state(&t, "package", "perf", POWER_NO_SENSOR, "no energy event");
	tree_end(&t);
}

static void test_powercap_before_perf(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "0");
	perf_tree(&t, "energy-pkg", "0");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	zone(&t, "intel-rapl:0", "package-0", "9000000");
	perf_tree(&t, "energy-pkg", "38654705664");
	at(&t, 1, 1);
	close_to(t.v.watts, 9); /* the same package through two doors */
	assert_int_equal(source(&t, "package-0", "powercap")->part, 0);
	assert_int_equal(source(&t, "package-0", "perf")->part, 1);
	close_to(t.v.joules, 9);
	tree_end(&t);
}

static void battery(struct tree *t, const char *status, const char *power, const char *current)
{
	put(t, "class/power_supply/AC/type", "Mains");
	put(t, "class/power_supply/BAT0/type", "Battery");
	put(t, "class/power_supply/BAT0/status", status);
	put(t, "class/power_supply/mouse/type", "Battery");
	put(t, "class/power_supply/mouse/scope", "Device");
	put(t, "class/power_supply/mouse/power_now", "1");
	if (power)
		put(t, "class/power_supply/BAT0/power_now", power);
	if (current) {
		put(t, "class/power_supply/BAT0/current_now", current);
		put(t, "class/power_supply/BAT0/voltage_now", "12000000");
	}
}

static void test_battery(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	battery(&t, "Discharging", "-21000000", NULL);
	t.p = power_open(t.root);
	at(&t, 0, 1);
	assert_state(&t, "battery BAT0", NULL, POWER_OK, "slow");
	close_to(t.v.watts, 21);
	close_to(t.v.joules, 0);
	at(&t, 1, 1); /* read every 2 s */
	close_to(t.v.joules, 0);
	battery(&t, "Discharging", "23000000", NULL);
	at(&t, 2, 1);
	close_to(t.v.watts, 23);
	close_to(t.v.joules, 44);
	battery(&t, "Charging", "30000000", NULL);
	at(&t, 4, 1);
	assert_state(&t, "battery BAT0", NULL, POWER_NO_SENSOR, "charging");
	assert_true(isnan(t.v.watts));
	battery(&t, "Full", "0", NULL);
	at(&t, 6, 1);
	assert_state(&t, "battery BAT0", NULL, POWER_NO_SENSOR, "only while discharging");
	battery(&t, "Discharging", "10000000", NULL);
	at(&t, 60, 1); /* what happened on mains is not ours */
	close_to(t.v.joules, 44);
	at(&t, 70, 1);
	close_to(t.v.joules, 144);
	at(&t, 151, 1);
	assert_state(&t, "battery BAT0", NULL, POWER_STALE, "not changed");
	for (int i = 0; i < t.v.n; i++)
		assert_null(strstr(t.v.source[i].name, "mouse"));
	tree_end(&t);
}

static void test_battery_by_current(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	battery(&t, "Discharging", NULL, "-1500000");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	close_to(t.v.watts, 18);
	tree_end(&t);
}

static void test_hwmon_rail_is_shown_not_added(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	put(&t, "class/hwmon/hwmon3/name", "amdgpu");
	put(&t, "class/hwmon/hwmon3/power1_average", "33000000");
	put(&t, "class/hwmon/hwmon3/power1_label", "PPT");
	put(&t, "class/hwmon/hwmon4/name", "BAT0");
	put(&t, "class/hwmon/hwmon4/device/type", "Battery");
	put(&t, "class/hwmon/hwmon4/power1_input", "5");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	close_to(source(&t, "amdgpu PPT", "hwmon")->watts, 33);
	assert_true(isnan(t.v.watts));
	put(&t, "class/hwmon/hwmon5/name", "power_meter");
	put(&t, "class/hwmon/hwmon5/power1_average", "120000000");
	power_close(t.p);
	t.p = power_open(t.root);
	at(&t, 0, 1);
	close_to(t.v.watts, 120);
	tree_end(&t);
}

static void test_sensor_that_says_zero(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	put(&t, "class/hwmon/hwmon0/name", "power_meter");
	put(&t, "class/hwmon/hwmon0/power1_average", "0");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	at(&t, 2, 1);
	assert_state(&t, "power_meter power1", NULL, POWER_PROBING, "reads 0 W");
	assert_true(isnan(t.v.watts));
	tree_end(&t);
}

static void test_estimate(void **state)
{
	(void)state;
	struct tree t;
	tree_begin(&t);
	zone(&t, "intel-rapl:0", "package-0", "0");
	t.p = power_open(t.root);
	at(&t, 0, 1);
	power_estimate(t.p, NAN);
	power_look(t.p, &t.v);
	assert_true(isnan(t.v.watts));
	power_estimate(t.p, 15);
	power_look(t.p, &t.v);
	close_to(t.v.watts, 15);
	assert_int_equal(t.v.estimated, 1);
	at(&t, 2, 1);
	at(&t, 4, 1);
	close_to(t.v.joules, 60);
	assert_state(&t, "estimate", "estimate", POWER_OK, "not measured");
	close_to(source(&t, "estimate", NULL)->joules, 60);
	struct str out = {0};
	power_report(t.p, &out);
	assert_non_null(strstr(out.s, "total 15.0 W est"));
	str_done(&out);
	zone(&t, "intel-rapl:0", "package-0", "2000000"); /* a real one wakes up: it wins */
	at(&t, 5, 1);
	assert_int_equal(t.v.estimated, 0);
	close_to(t.v.watts, 2);
	close_to(t.v.joules, 62);
	assert_state(&t, "estimate", NULL, POWER_PROBING, "a source works");
	power_estimate(t.p, 0);
	power_look(t.p, &t.v);
	assert_int_equal(t.v.n, 3);
	tree_end(&t);
}

static void test_more_than_the_table_holds(void **state)
{
	(void)state;
	struct tree t;
	char name[32], label[32];
	tree_begin(&t);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "intel-rapl:%d", i);
		snprintf(label, sizeof label, "package-%d", i);
		zone(&t, name, label, "0");
		snprintf(name, sizeof name, "intel-rapl:%d:0", i);
		zone(&t, name, "core", "0");
		snprintf(name, sizeof name, "intel-rapl:%d:1", i);
		zone(&t, name, "dram", "0");
	}
	t.p = power_open(t.root);
	power_estimate(t.p, 5);
	at(&t, 0, 1);
	assert_int_equal(t.v.n, POWER_SOURCES);
	for (int i = 0; i < 8; i++) {
		snprintf(label, sizeof label, "package-%d", i);
		assert_int_equal(source(&t, label, NULL)->part, 0);
	}
	tree_end(&t);
}

static void test_this_machine(void **state)
{
	(void)state;
	struct power *p = power_open("");
	assert_non_null(p);
	struct power_view v;
	uint64_t now = clock_ns();
	for (int i = 0; i < 20; i++)
		power_poll(p, now + (uint64_t)i * 250000000ull, 1);
	power_look(p, &v);
	assert_true(v.n >= 1);
	for (int i = 0; i < v.n; i++) {
		print_message("# %s %s: %s %s\n", v.source[i].name, v.source[i].kind, power_state_name(v.source[i].state), v.source[i].reason);
		assert_true(v.source[i].state == POWER_OK || v.source[i].state == POWER_STALE ? isfinite(v.source[i].watts) : v.source[i].reason[0] != 0);
	}
	power_close(p);
	power_close(NULL);
	power_poll(NULL, 0, 0);
	power_look(NULL, &v);
	assert_true(v.n == 0 && isnan(v.watts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_stopped), cmocka_unit_test(test_stopped_while_still), cmocka_unit_test(test_two_packages),
		cmocka_unit_test(test_only_mmio_counts),
		cmocka_unit_test(test_frozen_and_back),
		cmocka_unit_test(test_idle_never_shows_zero),
		cmocka_unit_test(test_slow_counter_and_reset),
		cmocka_unit_test(test_no_permission),
		cmocka_unit_test(test_denied_by_the_real_kernel),
		cmocka_unit_test(test_stale_then_error),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_perf_counts),
		cmocka_unit_test(test_perf_frozen_psys),
		cmocka_unit_test(test_perf_refused),
		cmocka_unit_test(test_perf_unknown_unit),
		cmocka_unit_test(test_powercap_before_perf),
		cmocka_unit_test(test_battery),
		cmocka_unit_test(test_battery_by_current),
		cmocka_unit_test(test_hwmon_rail_is_shown_not_added),
		cmocka_unit_test(test_sensor_that_says_zero),
		cmocka_unit_test(test_estimate),
		cmocka_unit_test(test_more_than_the_table_holds),
		cmocka_unit_test(test_this_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
