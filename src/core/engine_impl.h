/* engine_impl.h: what the files of the engine share: the two-thread part and the worker's own part. Nobody else includes it.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_ENGINE_IMPL_H
#define ANETUI_ENGINE_IMPL_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "base/pool.h"
#include "base/ring.h"
#include "base/str.h"
#include "device/blas_choice.h"
#include "device/device.h"
#include "engine.h"
#include "model/params.h"
#include "sample/sample.h"
#include "text/data.h"
#include "text/tokenizer.h"
#include "train/run.h"
#include "train/saver.h"
#include "train/trainer.h"

/* A command whose end lies ahead: train N, wait ... */
enum wait_kind { WAIT_PAUSED, WAIT_STEP, WAIT_LOSS, WAIT_TIME, WAIT_SAVE };
struct pending {
	enum wait_kind kind;
	uint32_t id;
	uint64_t step;      /* WAIT_STEP: done when this many updates are done; WAIT_SAVE: the number of the save */
	double loss;        /* WAIT_LOSS */
	uint64_t until_ns;  /* WAIT_TIME: done then; of a step or a loss: then at the latest, 0: never */
	int pause_then;     /* this command started training and ends it */
	int until_stopped;  /* an interrupt is its regular end (train without a number, in a script) */
};

enum { PENDING_MAX = 32, UNDO_MAX = 64 };

struct undo_entry {
	enum setting_id id;
	double num;
	char text[SETTING_TEXT_MAX];
	unsigned char was_set;
};

/* Loss of the steps before, for telling a spike: sums of an exponential average and of its deviations. */
struct spike_watch { double mean, deviation, weight; uint64_t n; int rest; };
struct happen { struct spike_watch spike; int disk_low, hot, low; uint64_t looked_ns; };

struct viewer;
/* best.ckpt on its way. id 0: none is. */
struct best_save { uint64_t id, step; };

/* Owned by the worker thread alone. */
struct worker {
	struct engine *g;
	struct viewer *viewer;       /* a record is shown, nothing is trained; NULL: not so */

	/* machine */
	struct pool *pool;
	int pool_asked;              /* `threads` as it was when the pool was made */
	struct blas_choice choice;   /* library and threads, with what was measured */
	int nice_begun;              /* the program's own, in the first process */
	struct device *dev;          /* as state.device says */
	int device_chosen;           /* 1: by the user: a checkpoint brings no other */
	struct power *power;
	struct proc proc;
	struct machine machine;
	struct timing timing;

	/* model */
	struct params *params;       /* the trainer borrows them */
	struct tokenizer *tok;
	char tok_source[256];        /* ... that it was trained for */
	int tok_auto;                /* trained by us for the data: replaced when an untrained model gets other data */
	struct str new_line;         /* the `new` (or `load`) command that made the model, for settings.cmd */
	uint64_t new_seed;           /* `seed` as it was then */
	struct trainer *trainer;     /* NULL until something trains or evaluates */
	struct decoder *decoder;     /* NULL until the first sample */
	const float *decoder_weights; /* that it reads */
	int decoder_copied;          /* its 8-bit copy is of the weights as they are; what may change them clears it */
	struct train_state state;

	/* data */
	char data_name[256];         /* "builtin" */
	struct data data;
	int data_open;
	int data_width;              /* as the user said: of the ids of a headerless file; 0: find out */
	struct active_rows active;   /* vocab.compact: the ids that occur in them; empty until it is needed */
	int data_chosen;             /* 0: they came with a loaded checkpoint, and so did the place where reading goes on */

	/* run */
	struct run run;
	struct str script;           /* settings.cmd of this run */
	int script_failed;           /* it could not be written: said once */
	uint64_t saved_step;         /* of the newest checkpoint that was read back; meaningful when saved */
	int saved;
	uint64_t saved_ns;
	struct { uint64_t from, to; char why[100]; } lost; /* steps of the session before this one that no checkpoint held, as its record tells; to 0: none */
	struct saver *saver;         /* NULL until the first save; it reads the model beside us, see its lease */
	int saves;                   /* begun and not yet taken from it; 0 when a new process goes on */
	struct best_save best;
	double stall_ms;             /* of the latest save: how long training stood still for it */
	int started;                 /* the start event is written (for this session of the run) */
	int evaluated;               /* there was a validation at this or an earlier step of the run */

	/* settings */
	struct settings settings;
	struct undo_entry undo[UNDO_MAX];
	int nundo;

	/* training */
	int training, pause_wanted;
	uint64_t target;             /* 0: until interrupted */
	struct pending pending[PENDING_MAX];
	int npending;
	struct { uint64_t began_ns; double flops, tokens, joules; } cost; /* of this program's micro-steps, since timing was reset; joules: of all before. began_ns 0: none yet */
	int measures;                /* of the machine's sgemm, so far */
	struct step_obs last;
	struct clock_seen seen;           /* up to the latest step */
	double ema_step_ms;
	double loss_scale, flushed;  /* see the snapshot */
	int flushed_told;
	uint64_t next_sample_ns;
	int auto_samples;
	struct { char path[2048]; uint64_t until, from; } trace; /* path empty: nothing is recorded; ends at step `until`, 0: when it is told to */
	struct { uint64_t step; int n; } rewind; /* nan=rewind: the step that broke last, and how often it was gone back from there without passing it */
	int stop;                    /* 1: leave the loop */
	int restart;                 /* 1: leave the loop, a new process goes on */
	int restarts;                /* so far */
	int notes_told;              /* 1: by the process before this one */
	char restart_line[300];      /* why: for the log of the new process */
	int budget_hinted;           /* the hint was given */
	char early[200];             /* early stop: why training has ended; empty: it has not, or goes on */
	int after_due;               /* what follows an update was not finished: the new process does it */
	struct happen happen;        /* what `on` can wait for, as seen so far */
	struct engine_cmd *again;    /* a command that could not be begun for want of compiles: the new process begins it again */

	/* answering */
	uint32_t cmd_id;             /* of the command that is being answered */
	struct str answer;           /* EV_TEXT under construction */
	struct engine_event *late;   /* events that found the ring full: nlate of them from late_at on */
	size_t late_at, nlate, cap_late;
	uint64_t dropped;
	uint64_t last_publish;
};

struct engine {
	/* set before the worker starts, read by both */
	struct ring *commands, *events;
	struct engine_options opt;
	char run_dir_opt[1024];
	pthread_t thread;
	int joined;                  /* it has ended for a restart; of the caller's thread */

	/* both threads, atomically */
	atomic_int cancel;
	atomic_uint cancel_upto;     /* the newest command's id when the last interrupt came */
	atomic_int give_up;          /* saves under way are */
	atomic_int ending;           /* engine_free waits: no command is begun any more but CMD_STOP_* */
	atomic_int queued;           /* commands sent and not yet answered */
	atomic_int wake_pending;     /* 1: the caller has been woken and has not looked yet */
	atomic_int state;
	_Atomic float progress;
	_Atomic uint64_t doing_ns;   /* when what is done now was begun */
	atomic_uint next_id;

	/* under lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;         /* a command has come */
	struct engine_snapshot snap;

	struct worker w;
};

/* --- engine.c --- */
void worker_leave(struct worker *w);                          /* answers what is unanswered, and says that it ends */
void worker_sleep(struct worker *w, int ms);                  /* or until a command comes */
int worker_words(const struct engine_cmd *c, char **argv, int max, char buf[ENGINE_WORDS]);

/* --- engine_view.c, engine_attach.c: showing a run that is not trained here --- */
struct viewer *viewer_new(const struct engine_options *o, struct err *e);
void viewer_free(struct viewer *v);
void viewer_loop(struct worker *w);
const struct engine_snapshot *viewer_snapshot(const struct viewer *v);

/* --- engine_speak.c --- */
void worker_emit(struct worker *w, const struct engine_event *ev, int must);
void worker_log(struct worker *w, enum log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Adds to the answer of the present command; sent in chunks. */
void worker_say(struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void worker_flush_answer(struct worker *w);
void worker_done(struct worker *w, uint32_t id, int code, const char *text);
void worker_state(struct worker *w, enum engine_state s, const char *doing);
void worker_publish(struct worker *w, int now);
int worker_cancelled(const struct worker *w);
void worker_rest_state(struct worker *w);                     /* the state of a worker that does nothing special */
void worker_deliver_late(struct worker *w);

/* --- engine_wait.c: commands whose end lies ahead; stopping --- */
int cmd_train(struct worker *w, const struct engine_cmd *c, int argc, char **argv, int defaults_to_one, struct err *e);
int cmd_wait(struct worker *w, const struct engine_cmd *c, int argc, char **argv, struct err *e);
int cmd_pause(struct worker *w);
void worker_check_pending(struct worker *w);                  /* answers what has reached its end */
void worker_halt(struct worker *w);                           /* no more micro-steps; a begun step is dropped. Answers nobody */
/* Halts, and answers every command that waited for training: code 0 (paused), or why it ended. */
void worker_stop_training(struct worker *w, int code, const char *why);
/* Answers what waits: all for ERR_CANCEL, else all but `wait SECONDS`. */
void worker_end_pending(struct worker *w, int code, const char *text);
void worker_end_early(struct worker *w);                      /* as w->early says: the regular end of what had started training */
int worker_end_save(struct worker *w, uint64_t id, int code, const char *text); /* answers the `ckpt` that waits for this save; 0: none does */
int worker_is_awaited(const struct worker *w);                /* is somebody told by the answer to a command how training ended? */

/* --- engine_happen.c: what `on` can wait for --- */
void worker_happened(struct worker *w, enum happening h, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void worker_look_for_spike(struct worker *w, double loss);    /* of the step that was just made */
void worker_forget_spikes(struct worker *w);                  /* another run, or another point of it */
void worker_disk_failed(struct worker *w, const char *why);   /* something could not be written */
void worker_look_around(struct worker *w, uint64_t now);      /* once in a while: temperature, battery, disk */
int spike_seen(struct spike_watch *s, double loss, double *mean);

/* --- engine_device.c: pool and device --- */
int worker_machine(struct worker *w, struct err *e);          /* they are there (again, after `set threads`) */
int worker_nice(struct worker *w, struct err *e);             /* as `nice` says */
void worker_say_choice(struct worker *w, const char *head);   /* what was measured for library and threads: one line */
void worker_chip(const struct worker *w, struct chip_view *out); /* what the chip of the device would have taken for the latest micro-step */
void worker_device_notes(struct worker *w);                   /* what the device has to tell goes to the log */
int worker_take_device(struct worker *w, const char *spec);   /* that of a checkpoint, unless the user has chosen one */
int cmd_device(struct worker *w, int argc, char **argv, struct err *e);

/* --- engine_model.c: model, trainer --- */
int worker_need_model(struct worker *w, struct err *e);       /* a model: demo when there is none */
int worker_need_trainer(struct worker *w, struct err *e);
void worker_drop_trainer(struct worker *w);
void worker_drop_model(struct worker *w);
int cmd_new(struct worker *w, int argc, char **argv, struct err *e);
int worker_new(struct worker *w, int argc, char **argv, struct err *e); /* `new` without opening a run */

/* --- engine_data.c: tokenizer and data --- */
int worker_need_data(struct worker *w, struct err *e);        /* tokenizer and data are open */
void worker_drop_data(struct worker *w);                      /* and the trainer with them */
int worker_need_active(struct worker *w, struct err *e);      /* with vocab.compact on: the ids that occur in the data are known */
int worker_rows(const struct worker *w);                      /* of the classifier, as far as that is known */
double worker_flops(const struct worker *w);                  /* of a micro-step with the shape that is set */
void worker_begin_cursor(struct worker *w);                   /* reading begins anew, in the order and with the seed that are set */
int worker_data_val(const struct worker *w, double *val);     /* the part held out; 1: the settings of now would give another one */
int cmd_data(struct worker *w, int argc, char **argv, struct err *e);
int cmd_tokenize(struct worker *w, int argc, char **argv, struct err *e);
int cmd_detokenize(struct worker *w, int argc, char **argv, struct err *e);

/* --- engine_memory.c: the memory plan --- */
/* Would a model of that shape fit, with these settings, in the place of the one in use? One line that tells every part, when not. */
int worker_plan_new(const struct worker *w, const struct model_config *c, const struct settings *s, struct err *e);
int worker_plan_train(const struct worker *w, struct err *e); /* does what training takes beside what is there fit? */
uint64_t worker_room(const struct worker *w);                 /* bytes that may be taken for a while beside all that is planned; 0: none, or nobody knows */
void worker_say_memory(struct worker *w);                     /* the table of `info` */

/* --- engine_run.c: run folder, training, evaluation --- */
int worker_need_run(struct worker *w, struct err *e);
int worker_save_unsaved(struct worker *w, struct err *e);
uint64_t worker_unsaved(const struct worker *w);              /* steps since the newest checkpoint of the model; all when there is none */
int worker_end_run(struct worker *w, const char *reason, int save, struct err *e); /* saves what is unsaved (save), stop event, closes */
int worker_train_slice(struct worker *w, struct err *e);      /* one micro-step, and the update when it is due */
int worker_start_training(struct worker *w, uint64_t target, struct err *e);
/* Updates that are done when a change of now takes effect: a step that has begun ends as it began. */
uint64_t worker_next_step(const struct worker *w);
void worker_reset_timing(struct worker *w);                   /* rows and costs begin at zero */
void worker_begin_cost(struct worker *w);                     /* unless it has begun: wall time and energy are counted from here */
void worker_event(struct worker *w, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void worker_event_at(struct worker *w, const char *event, uint64_t step, const char *fields);
int worker_apply_change(struct worker *w, enum setting_id id, const char *old);
void worker_event_error(struct worker *w, const char *msg);
void worker_event_start(struct worker *w, int resumed);
void worker_announce_run(struct worker *w);
int cmd_eval(struct worker *w, int argc, char **argv, struct err *e);

/* --- engine_script.c: settings.cmd --- */
void script_word(struct str *b, const char *s);               /* a blank and the word, quoted where it must be */
void script_begin(struct worker *w);                          /* a new run: settings, model, data */
void script_set(struct worker *w, enum setting_id id);        /* a setting has changed */
void script_command(struct worker *w, const char *name, const char *word); /* data, ckpt, eval; word may be NULL */
void script_data(struct worker *w);                           /* it has changed */
void script_device(struct worker *w);                         /* it has changed */
void script_load(struct worker *w, const char *path);
void script_settings(struct worker *w);                       /* after a load: all of them */
void script_end(struct worker *w);
void script_resume(struct worker *w, const char *ckpt);       /* goes on with the file that is there */

/* --- engine_replay.c --- */
struct metrics_row;
struct engine_event worker_row_event(enum engine_event_kind kind, const struct metrics_row *r, int past); /* a line of a record, as the event that it was */
void worker_row_sample(struct worker *w, const struct metrics_row *r, int past); /* a sample's, as its events */
/* The open run's curve up to that step, as events and w->last; resumed 1: and the latest samples, and what was lost after it. */
void worker_replay(struct worker *w, uint64_t upto, int resumed);

/* --- engine_save.c: checkpoints on their way --- */
int worker_find_run(struct worker *w, struct err *e);         /* before anything is written by name into the run's folder: run_look, and what follows from it. 0 also when no run is open */
int worker_ckpt(struct worker *w, const char *name, struct err *e);       /* saves (name NULL: step-N) and waits for it */
int worker_ckpt_begin(struct worker *w, const char *name, uint64_t *id, struct err *e); /* only begins; its end is seen by worker_saves_look */
void worker_ckpt_best(struct worker *w, double loss);         /* begins best.ckpt: `loss` is the best one from now on, unless it can not be kept */
void worker_best_look(struct worker *w);                      /* after a load: does the run's best.ckpt hold what the state says is the best? */
void worker_saves_look(struct worker *w);                     /* what has ended is told; never waits */
void worker_saves_finish(struct worker *w);                   /* waits until all have, and tells */
void worker_before_change(void *worker);                      /* the lease: weights and moments may be written to when this returns */

/* --- engine_ckpt.c: checkpoints taken and taken back --- */
int worker_resume(struct worker *w, struct err *e);
int cmd_ckpt(struct worker *w, int argc, char **argv, struct err *e);
int cmd_load(struct worker *w, int argc, char **argv, struct err *e);
int cmd_runs(struct worker *w, int argc, char **argv, struct err *e);
int cmd_verify(struct worker *w, int argc, char **argv, struct err *e);

/* Takes a loaded checkpoint into use, in place of the model that is there; what the user has set stays. Tokenizer and parameters are the worker's then. */
int worker_adopt(struct worker *w, struct params *p, const struct train_state *s, struct tokenizer *tok, struct err *e);

/* --- engine_equals.c --- */
int cmd_equals(struct worker *w, const char *run, struct err *e);

/* --- engine_gradcheck.c --- */
int cmd_gradcheck(struct worker *w, struct err *e);

/* --- engine_rewind.c: nan=rewind --- */
/* Training has broken down, e says where: back to the newest checkpoint, on behind the data that broke it. 0: training goes on. Else e says why not. */
int worker_rewind(struct worker *w, const struct trainer_step *r, struct err *e);

/* --- engine_options.c: what of the model is trained --- */
int worker_check_patterns(const struct worker *w, enum setting_id id, const char *patterns, struct err *e); /* they choose something of the model that there is */
void worker_say_options(struct worker *w);                    /* for `info` */
const struct params *worker_weights(const struct worker *w);  /* for samples and exports: with sample.ema the average, where one is kept */
int cmd_freeze(struct worker *w, int argc, char **argv, struct err *e);

/* --- engine_set.c: settings, learning rate, undo --- */
int worker_set(struct worker *w, enum setting_id id, const char *value, struct err *e); /* as `set` does */
int cmd_set(struct worker *w, int argc, char **argv, struct err *e);
int cmd_get(struct worker *w, int argc, char **argv, struct err *e);
int cmd_lr(struct worker *w, int argc, char **argv, struct err *e);
int cmd_pipeline(struct worker *w, int argc, char **argv, struct err *e);
int cmd_undo(struct worker *w, int argc, char **argv, struct err *e);

/* --- engine_look.c: info, kernels, power, mil --- */
const char *worker_pipeline(const struct worker *w);          /* in words */
int cmd_info(struct worker *w, int argc, char **argv, struct err *e);
int cmd_kernels(struct worker *w, int argc, char **argv, struct err *e);
int cmd_power(struct worker *w, int argc, char **argv, struct err *e);
int cmd_mil(struct worker *w, int argc, char **argv, struct err *e);

/* --- engine_files.c: models from and to other programs' files --- */
int cmd_import(struct worker *w, int argc, char **argv, struct err *e);
int cmd_export(struct worker *w, int argc, char **argv, struct err *e);

/* --- engine_report.c --- */
int cmd_report(struct worker *w, struct err *e);

/* --- engine_trace.c --- */
int cmd_trace(struct worker *w, int argc, char **argv, struct err *e);
void worker_check_trace(struct worker *w);                    /* after a micro-step: has it reached its end? */
void worker_end_trace(struct worker *w, const char *why);     /* writes the file, if one is being recorded; a failure goes to the log */

/* --- engine_bench.c --- */
int cmd_bench(struct worker *w, int argc, char **argv, struct err *e);

/* --- engine_handover.c: a new process in the place of this one --- */
/* After ERR_BUDGET in e: 1: the worker ends for a new process (c: with this command first; may be NULL). 0: that would not help, and e says so. */
int worker_restarts(struct worker *w, const struct engine_cmd *c, struct err *e);
int worker_take_over(struct worker *w, struct err *e);        /* before the worker thread runs */
void worker_tell_restart(struct worker *w);                   /* the one line */

/* --- engine_sample.c --- */
int cmd_sample(struct worker *w, int argc, char **argv, struct err *e);
void worker_auto_sample(struct worker *w);

#endif
