/* door.h: an engine under test, and what it has said. For tests of the engine through its one door.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TESTS_DOOR_H
#define ANETUI_TESTS_DOOR_H

#include "base/str.h"
#include "engine.h"

enum { DOOR_STEPS = 5000, DOOR_DONE = 1024 };

struct door {
	struct engine *g;
	struct str out, log, sample;   /* out and sample: of the latest door_run */
	int code;                      /* of the command that was waited for last */
	char msg[EVENT_TEXT];
	struct step_obs step[DOOR_STEPS];
	double best_val;               /* lowest of EV_EVAL; NAN: none */
	int nstep, neval, nmark, nckpt, nreset, nbegin, stopped;
	int happened[HAPPENING_N];     /* how often each */
	struct { uint32_t id; int code; } done[DOOR_DONE]; /* every EV_DONE in the order of their coming */
	int ndone;
};

/* A test whose engine ends with it, also when it fails: else the run's lock, threads and folder are the next one's trouble. After cmocka.h. */
#define door_test(f) cmocka_unit_test_teardown(f, door_end_all)
int door_end_all(void **state);

void door_open(struct door *d, const char *dir, int resume);
/* For who has started d->g himself: it is ended by door_end_all, too. */
void door_keep(struct door *d);
/* Stops (saving or not) and frees. */
void door_close(struct door *d, int save);
/* Frees the engine and what was said; the test has stopped it, or wants to see what engine_free does. */
void door_free(struct door *d);
/* Sends a command whose words stand in `line`, separated by blanks; its id. */
uint32_t door_send(struct door *d, int op, const char *line, int scripted);
/* As door_send, the words as they are. */
uint32_t door_send_words(struct door *d, int op, const char *const *word, int n, int scripted);
/* Takes the events that are there. */
void door_look(struct door *d);
/* Takes events until the command is done, two minutes at most; its code. Fails the test when it is done twice. */
int door_await(struct door *d, uint32_t id);
/* door_send, door_await. */
int door_run(struct door *d, int op, const char *line);
/* As door_run; fails the test when the code is not `want`. */
void door_say(struct door *d, int op, const char *line, int want);
/* Times that this command was answered so far. */
int door_answers(const struct door *d, uint32_t id);
/* A model of some thousand parameters, sequences of 16, two of them a micro-step. */
void door_small_model(struct door *d);
/* Writes a text of so many lines, some 25 bytes each. */
void door_text(const char *path, int lines);
/* A millisecond. */
void door_nap(void);

#endif
