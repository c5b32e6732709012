/* engine.h: the one door to the engine. Commands go in, observations come out; both are plain values without pointers.
 *
 * engine_start makes the worker thread, which owns trainer, model, device, data and run. Everything here is called from one other thread.
 * A command is answered exactly once, between micro-steps: any number of EV_TEXT chunks, then one EV_DONE with its id. Commands are worked off in order;
 * `train N`, `wait` and `sample` are done when their end is reached, and meanwhile later commands are answered (between micro-steps; between tokens only cancel is looked at).
 * When training ends before that end (pause, new, load, another `train N`) they are done with ERR_STATE; what is unanswered when the worker ends, with ERR_CANCEL.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_ENGINE_H
#define ANETUI_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/handover.h"
#include "meter/machine.h"
#include "meter/power.h"
#include "meter/proc.h"
#include "meter/timing.h"
#include "model/config.h"
#include "train/settings.h"

enum { COMMAND_REST = -2 };
enum command_where { COMMAND_ENGINE, COMMAND_SHELL, COMMAND_LATER };
enum command_group { GROUP_MODEL, GROUP_DEVICE, GROUP_RUN, GROUP_LOOK, GROUP_KEEP, GROUP_SHELL };

enum command_id {
#define COMMAND(ID, name, where, min, max, args, kinds, group, help, more) CMD_##ID,
#include "commands.def"
#undef COMMAND
	CMD_N,
	/* What keys and signals do without a command line: */
	CMD_STOP_NOW = 1000, /* end the worker without saving */
	CMD_STOP_SAVE,       /* save what is unsaved (when a run is open), stop event, end the worker; text: the reason ("quit", "SIGTERM") */
	CMD_STOP_RUN,        /* the run in the other process is to end as by CMD_STOP_SAVE (attached; elsewhere the host's business) */
	CMD_AUTO_DEMO,       /* the screen's start: new demo, train */
};

struct command_row {
	const char *name;
	enum command_where where;
	int min, max;
	const char *args, *kinds;
	enum command_group group;
	const char *help, *more;
};
const struct command_row *command_row(enum command_id id);

/* What `on EVENT COMMAND` waits for: happenings.def. */
enum happening {
#define HAPPENING(ID, name, lasts, help) HAPPENING_##ID,
#include "happenings.def"
#undef HAPPENING
	HAPPENING_N
};
struct happening_row { const char *name; int lasts; const char *help; };
const struct happening_row *happening_row(enum happening h);
int happening_find(const char *name);   /* -1: there is none of that name */

/* --- in --- */
enum { ENGINE_WORDS = 4096 };
struct engine_cmd {
	uint32_t id;               /* from engine_next_id */
	int op;                    /* enum command_id */
	int argc;
	int scripted;              /* 1: plain or script: `train` without a number is done when interrupted, not at once */
	char words[ENGINE_WORDS];  /* argc strings one after the other, each with its NUL */
};

/* --- out --- */
enum engine_event_kind {
	EV_TEXT,    /* a chunk of the answer to command `id`: whole lines or parts of one, '\n' included */
	EV_DONE,    /* command `id` is finished: code 0, or enum err_code with its line in text */
	EV_LOG,     /* a line for the log pane or standard error; level */
	EV_STEP,    /* an update: obs */
	EV_EVAL,    /* a validation: obs.step, obs.val, obs.bpb */
	EV_MARK,    /* a setting changed while training: text "lr.max 0.0006 -> 0.0003" */
	EV_CKPT,    /* a checkpoint was written: text is its path */
	EV_RESET,   /* another run or another point of it: forget the curves; text is the run's folder */
	EV_SAMPLE_BEGIN, /* a sample begins: text is the prompt (of a very long one the rest follows as EV_SAMPLE); id is 0 for one that came by itself */
	EV_SAMPLE,       /* a piece of it (whole characters), to standard output for id != 0 */
	EV_SAMPLE_END,   /* text: "200 tokens in 1.9 s" */
	EV_HAPPENED,     /* code is an enum happening, text what it was, obs.step when */
	EV_OVER,         /* code is an enum happening that lasts: it has ended */
	EV_STOPPED, /* the worker has ended; nothing follows */
	EV_RESTART, /* the worker has ended, for this process compiles no more: engine_hand_over and exec(), or engine_go_on; nothing follows until then */
};
enum log_level { LOG_INFO, LOG_GOOD, LOG_WARN, LOG_ERROR };

struct step_obs {
	uint64_t step, tokens;
	double t;                       /* seconds since the run began (resumed time counted on) */
	double loss, grad_norm, lr;
	double ms, micro_ms;            /* of the step (of a thinned record: since the one before); mean of its micro-steps. NAN: the program was stopped in it */
	double gap;                     /* seconds before its end in which nothing ran (the program stopped, the machine asleep); 0: none */
	double watts, joules;           /* NAN: no source. joules since the engine was started */
	double val, bpb;                /* EV_EVAL only */
};

enum { EVENT_TEXT = ERR_MSG_MAX };
struct engine_event {
	enum engine_event_kind kind;
	uint32_t id;
	int code, level;
	int past;                       /* 1: EV_STEP, EV_EVAL, EV_MARK, EV_SAMPLE* out of the record of a run that is gone on with */
	double t;
	struct step_obs obs;
	char text[EVENT_TEXT];          /* longer answers and samples come as several events */
};

enum engine_state { ENGINE_EMPTY, ENGINE_PREPARING, ENGINE_PAUSED, ENGINE_TRAINING, ENGINE_SAMPLING, ENGINE_EVALUATING, ENGINE_SAVING, ENGINE_STOPPED };

/* The chip whose time is told beside ours: predictions for the latest micro-step. */
struct chip_view {
	char name[12];                  /* empty: none was chosen */
	double ms;                      /* of a whole micro-step there; NAN: no micro-step yet */
	double forward_ms, backward_ms; /* of that, its programs */
	double watts;                   /* of the engine, averaged over the micro-step; NAN: nobody has published this chip's */
	int guess;                      /* 1: the engine's speeds are a neighbour's */
	char source[64];                /* where they come from */
};

/* What is shown is not this process's own training: the record of a run, or a run in another process. */
enum view_kind { VIEW_NONE, VIEW_REPLAY, VIEW_ATTACHED };
struct view_state {
	enum view_kind kind;
	int paused;                     /* VIEW_REPLAY: stands still */
	double speed;                   /* ... seconds of the run in a second */
	int live;                       /* VIEW_ATTACHED: the other process answers; 0: only its record is read */
};

/* Everything that a screen shows beside the series: copied whole under a lock held for microseconds. */
struct engine_snapshot {
	enum engine_state state;
	char doing[96];                 /* "reading tinyshakespeare.txt" while preparing, else empty */
	float progress;                 /* 0..1 while preparing; < 0: unknown */
	double doing_left;              /* seconds, estimated from that; < 0: unknown */
	struct model_config config;     /* config.layers == 0: no model */
	uint64_t params;
	char run_dir[256];              /* empty: none open; after the end the last one */
	char device[160], blas[320];    /* one line each */
	int compiles, compile_budget;   /* of the device, in this process; budget 0: no limit */
	double blas_gflops;             /* 0: not measured */
	int threads;
	char data_name[256];
	uint64_t data_tokens;
	double epoch;
	int tokenizer_vocab;
	uint64_t step, target;          /* target 0: until interrupted */
	uint64_t tokens;
	double elapsed, remaining;      /* seconds of training; remaining < 0: unknown, or not training */
	double tokens_per_s, step_ms, micro_ms;
	double flops_per_micro;
	struct step_obs last;
	double best_val; uint64_t best_step;  /* NAN: none */
	uint64_t ckpt_step; double ckpt_age;  /* age < 0: none yet */
	double ckpt_stall_ms;           /* how long training stood still for the latest one */
	double lr_now;
	double loss_scale;              /* of the latest step; 0: the device computes in fp32 */
	double flushed;                 /* share of gradient entries that came back as zero, over the last steps; NAN: unknown */
	uint64_t skipped;               /* updates left out */
	int restarts;                   /* of the program since it was started */
	int queued;                     /* commands not yet answered */
	uint64_t dropped_logs;
	struct settings settings;
	struct timing timing;
	struct chip_view chip;
	struct power_view power;
	struct proc_view proc;
	struct machine_view machine;
	struct view_state view;
};

struct engine;
struct engine_options {
	const char *run_dir;   /* --run DIR, or NULL: runs/<preset> */
	const char *view;      /* a run to be shown, nothing is trained: its folder, a name below runs/, or "" for the newest; NULL: none */
	int follow;            /* ... 1: as it goes on in another process (attach), 0: from its beginning (--replay) */
	int resume;            /* --resume: continue the newest run, or run_dir's */
	void (*wake)(void *);  /* called from the worker when events are there after none were; must only write a byte. May be NULL */
	void *wake_arg;
	const char *root;      /* a folder that stands for / where sensors are read (tests); NULL: the real one. Must stay until engine_free */
	const struct handover *from; /* what the process before this one has left, or NULL; run_dir and resume were its business. Must stay until engine_free */
};

struct engine *engine_start(const struct engine_options *o, struct err *e);
/* Waits for the worker and frees. A CMD_STOP_* that was sent is carried out, other commands are no longer begun; without one it stops without saving. */
void engine_free(struct engine *g);

/* After EV_RESTART: everything that the engine has, commands without an answer too, goes into h. Nothing else may be called then but engine_go_on. */
int engine_hand_over(struct engine *g, struct handover *h, struct err *e);
/* After EV_RESTART, when no new process could be had: the worker runs again, training ends with ERR_DEVICE and this reason. */
int engine_go_on(struct engine *g, const char *why, struct err *e);

/* Both never wait. engine_send: 0, or ERR_STATE when 256 commands are queued already. */
uint32_t engine_next_id(struct engine *g);
int engine_send(struct engine *g, const struct engine_cmd *c, struct err *e);
/* 1 and the next event, or 0. */
int engine_event(struct engine *g, struct engine_event *ev);
void engine_snapshot(struct engine *g, struct engine_snapshot *out);
/* Ends what is running (train, wait, sample, eval, prepare) at the next program, token or step; what was waiting for its end, and what was sent
 * before and has not begun, gets EV_DONE with ERR_CANCEL. */
void engine_cancel(struct engine *g);
/* Saves that are under way or still to come are given up: an unfinished file goes, older ones stay, the command that waits gets ERR_CANCEL. For an end that does not
 * wait for its last save; not to be taken back. */
void engine_give_up(struct engine *g);

#endif
