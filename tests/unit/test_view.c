/* test_view.c: the record read back while it grows, the frames of a link, and the worker that replays. The whole of it in a terminal is test_screen_commands.
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "link.h"
#include "support/door.h"
#include "train/metrics.h"

static struct err e;

static void put(const char *path, const char *mode, const char *text)
{
	FILE *f = fopen(path, mode);
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void step_line(char *out, size_t n, int step, double t, double loss)
{
	snprintf(out, n, "{\"t\":%g,\"step\":%d,\"event\":\"step\",\"loss\":%g,\"grad_norm\":1,\"lr\":0.001,\"tokens\":%d,\"ms\":10,\"micro_ms\":10,\"watts\":null}\n", t, step, loss, step * 64);
}

static void a_record_is_read_as_it_grows(void **s)
{
	(void)s;
	struct metrics m;
	char line[400];
	mkdir("rec", 0777);
	assert_int_equal(metrics_open(&m, "nowhere", &e), ERR_IO);
	metrics_done(&m);
	put("rec/metrics.jsonl", "w", "no json\n\n{\"t\":1}\n{\"event\":\"other\",\"step\":1,\"t\":0}\n");
	assert_int_equal(metrics_open(&m, "rec", &e), ERR_FORMAT);
	metrics_done(&m);
	put("rec/metrics.jsonl", "a", "{\"t\":0,\"step\":0,\"event\":\"start\",\"model\":\"x\"}\n");
	assert_int_equal(metrics_open(&m, "rec", &e), 0);
	assert_int_equal((int)m.n, 1);
	for (int i = 1; i <= 10; i++) {
		step_line(line, sizeof line, i, i == 6 ? 1000 : i < 6 ? i : 1000 + i, 9 - i);
		put("rec/metrics.jsonl", "a", line);
	}
	put("rec/metrics.jsonl", "a", "{\"t\":1010.5,\"step\":10,\"event\":\"ev");
	assert_int_equal(metrics_more(&m, &e), 10);
	/* The torn line waits for its end. A long pause counts as a short one. */
	assert_int_equal(metrics_more(&m, &e), 0);
	put("rec/metrics.jsonl", "a", "al\",\"loss\":2.5,\"bits_per_byte\":1.25}\n");
	assert_int_equal(metrics_more(&m, &e), 1);
	assert_true(m.row[11].kind == METRICS_EVAL && m.row[11].loss == 2.5f && m.row[11].grad_norm == 1.25f);
	assert_true(isnan(m.row[5].watts) && m.row[5].tokens == 5 * 64);
	assert_true(m.row[6].play == 5 + METRICS_GAP_S);
	assert_int_equal((int)metrics_find(&m, 3), 4);
	assert_int_equal((int)metrics_find(&m, -1), 0);
	assert_int_equal((int)metrics_find(&m, 1e9), 12);
	/* A line of megabytes, whole or still growing, is passed over; what comes behind it is read. */
	char *big = mem_zalloc(3 << 20, 1);
	assert_non_null(big);
	memset(big, 'x', (3 << 20) - 1);
	put("rec/metrics.jsonl", "a", "{\"t\":1010.6,\"step\":10,\"event\":\"sample\",\"text\":\"");
	put("rec/metrics.jsonl", "a", big);
	assert_int_equal(metrics_more(&m, &e), 0);
	put("rec/metrics.jsonl", "a", big);
	put("rec/metrics.jsonl", "a", "\"}\n{\"t\":1010.7,\"step\":10,\"event\":\"stop\",\"reason\":\"quit\"}\n");
	free(big);
	assert_int_equal(metrics_more(&m, &e), 1);
	assert_int_equal(m.row[12].kind, METRICS_STOP);
	m.n--;
	free(m.row[12].text);
	/* Gone back to step 7 and on: the branch that was left is forgotten. */
	assert_int_equal(m.went_back, 0);
	put("rec/metrics.jsonl", "a", "{\"t\":2000,\"step\":7,\"event\":\"start\",\"resumed\":7}\n");
	step_line(line, sizeof line, 8, 2001, 0.5);
	put("rec/metrics.jsonl", "a", line);
	assert_true(metrics_more(&m, &e) > 0);
	assert_int_equal(m.went_back, 1);
	assert_true(m.row[m.n - 1].step == 8 && m.row[m.n - 1].loss == 0.5f && m.row[m.n - 3].step == 7);
	/* A checkpoint of step 7 that was whole after step 8: nobody went back. The next that does takes it along with step 8. */
	m.went_back = 0;
	put("rec/metrics.jsonl", "a", "{\"t\":2002,\"step\":7,\"event\":\"ckpt\",\"file\":\"step-00000007.ckpt\"}\n");
	assert_int_equal(metrics_more(&m, &e), 1);
	assert_true(!m.went_back && m.row[m.n - 1].kind == METRICS_CKPT && m.row[m.n - 2].step == 8);
	step_line(line, sizeof line, 8, 2003, 0.25);
	put("rec/metrics.jsonl", "a", line);
	metrics_more(&m, &e);
	assert_true(m.went_back && m.row[m.n - 1].step == 8 && m.row[m.n - 1].loss == 0.25f && m.row[m.n - 2].kind == METRICS_START);
	/* A line without an end does not take all memory. */
	metrics_done(&m);
	FILE *f = fopen("rec/metrics.jsonl", "w");
	for (int i = 0; i < 3 << 20; i++)
		fputc('x', f);
	fclose(f);
	assert_int_equal(metrics_open(&m, "rec", &e), ERR_FORMAT);
	metrics_done(&m);
	mkdir("rec/dir", 0777);
	mkdir("rec/dir/metrics.jsonl", 0777);
	assert_true(metrics_open(&m, "rec/dir", &e) < 0);
	metrics_done(&m);
	rmdir("rec/dir/metrics.jsonl");
	rmdir("rec/dir");
}

/* Pumps both until the first one has something; its kind. */
static int pass(struct link *a, struct link *b, void *data, size_t cap)
{
	int kind = -1;
	for (int i = 0; i < 2000 && kind < 0; i++) {
		link_pump(a);
		link_pump(b);
		kind = link_next(a, data, cap);
		if (kind < 0 && a->fd < 0)
			break;
		usleep(100);
	}
	return kind;
}

static void frames_arrive_whole(void **s)
{
	(void)s;
	static struct engine_snapshot snap, got;
	struct link a, b = {.fd = -1};
	struct stat st;
	struct engine_cmd c = {.id = 7, .op = CMD_LR}, c2;
	unsigned long long id;
	mkdir("rec", 0777);
	assert_int_equal(link_connect("rec", &a, &e), ERR_STATE);
	put("rec/" LINK_FILE, "w", "left over");
	int l = link_listen("rec", &id, &e);
	assert_true(l >= 0);
	assert_int_equal(stat("rec/" LINK_FILE, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(link_accept(l, &b), -1);
	assert_int_equal(link_connect("rec", &a, &e), 0);
	assert_int_equal(link_accept(l, &b), 0);
	snap.step = 1234567;
	snap.timing.row[47].ns = 99;
	link_put(&b, LINK_SNAPSHOT, &snap, sizeof snap);
	assert_int_equal(pass(&a, &b, &got, sizeof got), LINK_SNAPSHOT);
	assert_memory_equal(&got, &snap, sizeof snap);
	link_put(&a, LINK_COMMAND, &c, sizeof c);
	assert_int_equal(pass(&b, &a, &c2, sizeof c2), LINK_COMMAND);
	assert_int_equal(c2.id, 7);
	/* Who does not read is let go; nobody waits. */
	for (int i = 0; i < 1000 && b.fd >= 0; i++) {
		link_put(&b, LINK_SNAPSHOT, &snap, sizeof snap);
		link_pump(&b);
	}
	assert_int_equal(b.fd, -1);
	link_close(&a);
	/* What is no frame, and what comes before the greeting, closes it. */
	static const struct { uint32_t head[2]; } bad[] = {{{9, 4}}, {{LINK_EVENT, 4}}, {{LINK_COMMAND, (uint32_t)sizeof(struct engine_cmd)}}, {{LINK_HELLO, 3}}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sockaddr_un ad = {.sun_family = AF_UNIX, .sun_path = "rec/" LINK_FILE};
		int raw = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(connect(raw, (struct sockaddr *)&ad, sizeof ad), 0);
		assert_int_equal(link_accept(l, &b), 0);
		assert_true(write(raw, &bad[i], sizeof bad[i]) == sizeof bad[i]);
		for (int k = 0; k < 2000 && b.fd >= 0; k++) {
			link_pump(&b);
			link_next(&b, &c2, sizeof c2);
			usleep(100);
		}
		assert_int_equal(b.fd, -1);
		close(raw);
	}
	/* Another build: told as such. */
	struct sockaddr_un ad = {.sun_family = AF_UNIX, .sun_path = "rec/" LINK_FILE};
	char hello[64] = {0};
	int raw = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(raw, (struct sockaddr *)&ad, sizeof ad), 0);
	assert_int_equal(link_accept(l, &b), 0);
	for (int k = 0; k < 100; k++) {
		link_pump(&b);
		usleep(100);
	}
	ssize_t n = read(raw, hello, sizeof hello);
	assert_true(n > 20);
	hello[n - 1] ^= 1;
	assert_true(write(raw, hello, (size_t)n) == n);
	for (int k = 0; k < 2000 && b.fd >= 0; k++) {
		link_pump(&b);
		link_next(&b, &c2, sizeof c2);
		usleep(100);
	}
	assert_int_equal(b.fd, -1);
	assert_non_null(strstr(link_refusal(&b), "another build"));
	close(raw);
	close(l);
	link_unlisten("rec", id + 1);
	assert_int_equal(access("rec/" LINK_FILE, F_OK), 0);
	link_unlisten("rec", id);
	assert_int_equal(access("rec/" LINK_FILE, F_OK), -1);
	/* A folder whose path is longer than a socket's name may be. */
	char deep[200] = "rec/";
	memset(deep + 4, 'd', 150);
	mkdir(deep, 0777);
	l = link_listen(deep, &id, &e);
#ifdef __linux__
	assert_true(l >= 0);
	assert_int_equal(link_connect(deep, &a, &e), 0);
	link_close(&a);
	close(l);
	link_unlisten(deep, id);
#endif
	rmdir(deep);
}

static void replay(struct door *d, const char *name)
{
	const struct engine_options o = {.view = name};
	*d = (struct door){0};
	d->best_val = NAN;
	d->g = engine_start(&o, &e);
	if (d->g)
		door_keep(d);
}

/* 20,000 steps, validations between, a sample, a change and a checkpoint: more than fits into the ring of events at once. */
static void long_record(void)
{
	char line[400];
	FILE *f = fopen("rec/metrics.jsonl", "w");
	fputs("{\"t\":0,\"step\":0,\"event\":\"start\",\"settings\":{\"seq\":64,\"lr.max\":0.002,\"device\":\"cpu\"},\"model\":\"mine\",\"shape\":{\"layers\":3,\"dim\":96,\"heads\":2,\"hidden\":200},\"params\":12345,\"vocab\":512,\"device\":\"cpu\",\"blas\":\"B\",\"kernels\":\"K\",\"threads\":2,\"data\":\"builtin\"}\n", f);
	for (int i = 1; i <= 20000; i++) {
		step_line(line, sizeof line, i, i * 0.01, 1 + 5.0 / i);
		fputs(line, f);
		if (i == 15000)
			fputs("{\"t\":150,\"step\":15000,\"event\":\"set\",\"key\":\"lr.max\",\"old\":0.002,\"new\":0.001}\n{\"t\":150,\"step\":15000,\"event\":\"ckpt\",\"file\":\"step-00015000.ckpt\",\"bytes\":1}\n"
			      "{\"t\":150,\"step\":15000,\"event\":\"sample\",\"text\":\"Once upon\"}\n", f);
		if (i % 100 == 0)
			fprintf(f, "{\"t\":%g,\"step\":%d,\"event\":\"eval\",\"loss\":%g,\"bits_per_byte\":1}\n", i * 0.01, i, i == 12300 ? 0.25 : 2.0);
	}
	fclose(f);
}

static void a_replay_goes_where_it_is_told(void **s)
{
	(void)s;
	static struct door d;
	static struct engine_snapshot snap;
	mkdir("rec", 0777);
	long_record();
	replay(&d, "nowhere");
	assert_null(d.g);
	assert_non_null(strstr(e.msg, "no such folder"));
	replay(&d, "rec/");
	assert_non_null(d.g);
	door_say(&d, CMD_REPLAY, "pause", 0);
	door_say(&d, CMD_REPLAY, "to 16000", 0);
	engine_snapshot(d.g, &snap);
	assert_true(snap.step == 16000 && snap.view.kind == VIEW_REPLAY && snap.view.paused && snap.state == ENGINE_PAUSED);
	assert_true(snap.config.layers == 3 && snap.config.dim == 96 && snap.params == 12345);
	assert_true(snap.settings.num[SET_LR_MAX] == 0.001 && snap.settings.num[SET_SEQ] == 64);
	assert_true(snap.best_val == 0.25 && snap.best_step == 12300 && snap.ckpt_step == 15000 && snap.target == 20000);
	assert_true(fabs(snap.tokens_per_s - 6400) < 1);
	/* The whole curve in bounded memory, the last step and the best validation in it. */
	door_look(&d);
	assert_true(d.nstep > 1000 && d.nstep < 4200);
	assert_true(d.step[d.nstep - 1].step == 16000);
	assert_true(d.best_val == 0.25 && d.nmark == 1 && d.nckpt == 1);
	assert_string_equal(d.sample.s, "Once upon");
	/* Back: what came later is gone. */
	d.nstep = 0;
	door_say(&d, CMD_REPLAY, "to 100", 0);
	engine_snapshot(d.g, &snap);
	assert_true(snap.step == 100 && snap.settings.num[SET_LR_MAX] == 0.002 && !(snap.best_val < 1) && snap.ckpt_age < 0);
	door_look(&d);
	assert_int_equal(d.nstep, 100);
	door_say(&d, CMD_REPLAY, "by 10", 0);
	engine_snapshot(d.g, &snap);
	assert_in_range(snap.step, 2050, 2150);
	/* Wrong words; nothing is trained here. */
	door_say(&d, CMD_REPLAY, "speed 0", ERR_RANGE);
	door_say(&d, CMD_REPLAY, "speed nan", ERR_RANGE);
	door_say(&d, CMD_REPLAY, "by 101", ERR_RANGE);
	door_say(&d, CMD_REPLAY, "to -1", ERR_RANGE);
	door_say(&d, CMD_REPLAY, "sideways", ERR_USAGE);
	door_say(&d, CMD_TRAIN, "", ERR_STATE);
	door_say(&d, CMD_LR, "1e-3", ERR_STATE);
	/* At the highest speed to the end; then from the beginning. */
	door_say(&d, CMD_REPLAY, "speed 1048576", 0);
	uint32_t id = door_send(&d, CMD_REPLAY, "go", 1);
	assert_int_equal(door_await(&d, id), 0);
	engine_snapshot(d.g, &snap);
	assert_int_equal(snap.step, 20000);
	door_say(&d, CMD_REPLAY, "speed 1", 0);
	assert_int_equal(door_await(&d, door_send(&d, CMD_REPLAY, "go", 0)), 0);
	engine_snapshot(d.g, &snap);
	assert_true(snap.step < 1000 && snap.state == ENGINE_TRAINING);
	/* One that waits is answered when the view ends. */
	id = door_send(&d, CMD_REPLAY, "go", 1);
	door_send(&d, CMD_STOP_SAVE, "quit", 0);
	for (int i = 0; i < 20000 && !d.stopped; i++) {
		door_look(&d);
		door_nap();
	}
	assert_int_equal(door_answers(&d, id), 1);
	door_free(&d);
}

static void an_old_record_will_do(void **s)
{
	(void)s;
	static struct door d;
	static struct engine_snapshot snap;
	put("rec/metrics.jsonl", "w", "{\"t\":3,\"step\":5,\"event\":\"step\",\"loss\":null}\n{\"t\":3,\"step\":5,\"event\":\"sample\",\"text\":7}\n"
				      "{\"t\":4,\"step\":5,\"event\":\"set\",\"key\":[],\"new\":{}}\n{\"t\":4,\"step\":5,\"event\":\"start\",\"model\":5,\"shape\":{\"layers\":-3},\"settings\":{\"seq\":\"x\",\"nothing\":1}}\n");
	replay(&d, "rec");
	assert_non_null(d.g);
	door_say(&d, CMD_REPLAY, "to 9", 0);
	engine_snapshot(d.g, &snap);
	assert_true(snap.step == 5 && snap.config.layers >= 1 && isnan(snap.last.loss));
	door_close(&d, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		door_test(a_record_is_read_as_it_grows), door_test(frames_arrive_whole), door_test(a_replay_goes_where_it_is_told),
		door_test(an_old_record_will_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
