/* test_machine.c: temperature, throttling and battery on an imitated /sys, and the pictures that `screen` writes.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "meter/machine.h"
#include "meter/power.h"
#include "tui/picture.h"

#define SECOND 1000000000ull

static void put(const char *path, const char *text)
{
	char dir[300];
	snprintf(dir, sizeof dir, "%s", path);
	*strrchr(dir, '/') = 0;
	assert_int_equal(file_mkdirs(dir, NULL), 0);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void nothing_is_known_without_sensors(void **s)
{
	(void)s;
	struct machine m;
	machine_init(&m, "nowhere");
	machine_poll(&m, SECOND);
	assert_true(isnan(m.view.celsius) && isnan(m.view.battery) && m.view.discharging == -1 && m.view.minutes == -1);
	assert_false(machine_is_hot(&m.view));
	assert_false(machine_is_low(&m.view));
}

static void heat_is_seen(void **s)
{
	(void)s;
	struct machine m;
	put("sys1/sys/class/hwmon/hwmon0/name", "nvme\n");
	put("sys1/sys/class/hwmon/hwmon0/temp1_input", "99000\n");
	put("sys1/sys/class/hwmon/hwmon1/name", "coretemp\n");
	put("sys1/sys/class/hwmon/hwmon1/temp1_input", "61000\n");
	put("sys1/sys/class/hwmon/hwmon1/temp1_max", "100000\n");
	put("sys1/sys/class/hwmon/hwmon1/temp2_input", "67500\n");
	put("sys1/sys/class/hwmon/hwmon1/temp3_input", "garbage\n");
	put("sys1/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "7\n");
	machine_init(&m, "sys1");
	machine_poll(&m, 10 * SECOND);
	/* The hottest of the processor's, not the disk's; what was counted before we came is not ours. */
	assert_true(m.view.celsius == 67.5 && m.view.limit == 100 && m.view.counted && m.view.throttled == 0 && !m.view.throttles);
	assert_false(machine_is_hot(&m.view));
	/* Not read again before two seconds are over. */
	put("sys1/sys/class/hwmon/hwmon1/temp2_input", "100000\n");
	machine_poll(&m, 11 * SECOND);
	assert_true(m.view.celsius == 67.5);
	machine_poll(&m, 13 * SECOND);
	assert_true(machine_is_hot(&m.view));
	put("sys1/sys/class/hwmon/hwmon1/temp2_input", "80000\n");
	put("sys1/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "9\n");
	machine_poll(&m, 16 * SECOND);
	assert_true(m.view.throttled == 2 && m.view.throttles && machine_is_hot(&m.view));
	machine_poll(&m, 30 * SECOND);
	assert_true(m.view.throttled == 2 && !m.view.throttles && !machine_is_hot(&m.view));
	/* The counter went back: no false alarm. */
	put("sys1/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "1\n");
	machine_poll(&m, 33 * SECOND);
	assert_false(machine_is_hot(&m.view));
	/* Without hwmon a thermal zone of the processor will do; without a limit 95 C is one. */
	put("sys2/sys/class/thermal/thermal_zone0/type", "acpitz\n");
	put("sys2/sys/class/thermal/thermal_zone0/temp", "27000\n");
	put("sys2/sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
	put("sys2/sys/class/thermal/thermal_zone1/temp", "95000\n");
	machine_init(&m, "sys2");
	machine_poll(&m, SECOND);
	assert_true(m.view.celsius == 95 && isnan(m.view.limit) && machine_is_hot(&m.view));
	assert_false(m.view.counted);
}

static void a_battery_is_seen(void **s)
{
	(void)s;
	struct machine m;
	put("sys3/sys/class/power_supply/AC/type", "Mains\n");
	put("sys3/sys/class/power_supply/hid/type", "Battery\n");
	put("sys3/sys/class/power_supply/hid/scope", "Device\n");
	put("sys3/sys/class/power_supply/hid/capacity", "3\n");
	put("sys3/sys/class/power_supply/BAT0/type", "Battery\n");
	put("sys3/sys/class/power_supply/BAT0/status", "Discharging\n");
	put("sys3/sys/class/power_supply/BAT0/capacity", "63\n");
	put("sys3/sys/class/power_supply/BAT0/energy_now", "30000000\n");
	put("sys3/sys/class/power_supply/BAT0/power_now", "-15000000\n");
	machine_init(&m, "sys3");
	machine_poll(&m, SECOND);
	assert_true(m.view.battery == 63 && m.view.discharging == 1 && m.view.minutes == 120);
	assert_false(machine_is_low(&m.view));
	put("sys3/sys/class/power_supply/BAT0/capacity", "20\n");
	machine_poll(&m, 4 * SECOND);
	assert_true(machine_is_low(&m.view));
	put("sys3/sys/class/power_supply/BAT0/status", "Charging\n");
	machine_poll(&m, 7 * SECOND);
	assert_true(!machine_is_low(&m.view) && m.view.minutes == -1 && m.view.discharging == 0);
}

static void the_idle_machine_is_taken_off(void **s)
{
	(void)s;
	struct power *p = power_open("nowhere");
	struct power_view v;
	struct str out = {0};
	power_look(p, &v);
	assert_true(isnan(v.baseline));
	power_estimate(p, 30);
	power_set_baseline(p, 12.5);
	power_look(p, &v);
	assert_true(v.baseline == 12.5);
	power_report(p, &out);
	assert_non_null(strstr(out.s, "idle  12.5 W (measured): 17.5 W above it now"));
	str_done(&out);
	power_close(p);
}

static void pictures_show_what_the_grid_has(void **s)
{
	(void)s;
	struct grid g = {0};
	struct str out = {0};
	grid_resize(&g, 20, 2);
	struct rect all = {0, 0, 20, 2};
	grid_text(&g, all, 1, 0, ATTR_BAD, "a<b & c");
	grid_text(&g, all, 2, 1, ATTR_STATE, "漢e");
	picture_make(&g, 0, "x.svg", &out);
	assert_non_null(strstr(out.s, "<svg xmlns"));
	assert_non_null(strstr(out.s, "x=\"18.4\" y=\"24.0\" textLength=\"58.8\" fill=\"#ff5f5f\" font-weight=\"bold\">a&lt;b &amp; c</text>"));
	assert_non_null(strstr(out.s, "<rect x=\"26.8\" y=\"28.0\" width=\"25.2\" height=\"18.0\" fill=\"#5fd7ff\"/>"));
	assert_non_null(strstr(out.s, ">漢e</text>"));
	assert_non_null(strstr(out.s, "</svg>\n"));
	/* Each theme on the ground that it is for; mono has no colour but both ends. */
	str_clear(&out);
	picture_make(&g, theme_find("light"), "x.svg", &out);
	assert_non_null(strstr(out.s, "rx=\"6\" fill=\"#fbfbf8\"/>"));
	assert_null(strstr(out.s, "#d8d8d8"));
	str_clear(&out);
	picture_make(&g, theme_find("mono"), "x.svg", &out);
	assert_null(strstr(out.s, "#5fd7ff"));
	assert_non_null(strstr(out.s, "height=\"18.0\" fill=\"#d8d8d8\"/>"));
	assert_non_null(strstr(out.s, "fill=\"#16181c\">漢e</text>"));
	str_clear(&out);
	picture_make(&g, theme_find("mono"), "x.ans", &out);
	assert_non_null(strstr(out.s, "\033[0;7m漢e\033[0m"));
	str_clear(&out);
	picture_make(&g, 0, "a.b/x.ans", &out);
	assert_non_null(strstr(out.s, "\033[0;38;5;203;1ma<b & c\033[0m"));
	assert_non_null(strstr(out.s, "\033[0;38;5;16;48;5;81m漢e\033[0m"));
	str_clear(&out);
	picture_make(&g, 0, "x.txt", &out);
	assert_string_equal(out.s, " a<b & c\n  漢e\n");
	str_done(&out);
	grid_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_without_sensors), cmocka_unit_test(heat_is_seen), cmocka_unit_test(a_battery_is_seen),
		cmocka_unit_test(the_idle_machine_is_taken_off), cmocka_unit_test(pictures_show_what_the_grid_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
