/* trainer.h: one training session: micro-steps, updates, evaluation, and the state that resuming needs. No files, no screen.
 *
 * A step is accum micro-steps and one update. The engine calls trainer_micro until it says that an update was made, and answers commands in between.
 * Settings are read at step boundaries (when no micro-step of the step has been made), so a live change never falls into the middle of one.
 * Weights go to the device (model_update) when the next step or evaluation begins, not when they change: a step boundary lies between.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_TRAINER_H
#define ANETUI_TRAIN_TRAINER_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/pool.h"
#include "device/device.h"
#include "meter/timing.h"
#include "model/model.h"
#include "text/data.h"
#include "train/ckpt.h"
#include "train/compact.h"
#include "train/settings.h"

struct trainer;

/* What the trainer works with; all of it is the caller's and must stay. */
struct trainer_parts {
	struct device *dev;
	struct pool *pool;
	struct params *params;           /* params_train is called by trainer_new when it was not */
	const struct data *data;
	const struct settings *settings; /* read at step boundaries */
	struct train_state *state;       /* step, tokens, seconds, cursor are kept here; always as of the last step boundary */
	struct timing *timing;           /* may be NULL */
	const atomic_int *cancel;        /* may be NULL */
	struct active_rows *active;      /* vocab.compact: the rows that occur in the data. Empty: the trainer fills it in when it is needed */
	/* May be NULL. Called before weights, moments, adapters or average change: returns when nobody else reads them any more. */
	void (*before_change)(void *ctx);
	void *change_ctx;
};

struct trainer *trainer_new(const struct trainer_parts *parts, struct err *e);
void trainer_free(struct trainer *t);

struct trainer_step {
	int updated;             /* 1: a step was completed by this call, and the rest of this struct is set */
	int skipped;             /* 1: the update was left out (moments, weights, step and schedule stay; the data are passed over): nan=skip, or an overflow */
	int overflow;            /* 1: that was why; next_scale tells what follows from it */
	const char *bad;         /* what was not finite ("loss", "gradient norm"), or NULL; an overflow alone is none. Also when an error is returned; static */
	char where[40];          /* ... the program: "ffnBwd of layer 3" */
	int rewinds;             /* 1: with an error: nan=rewind wants to go back to the newest checkpoint ... */
	struct data_cursor after; /* ... and to read on here, behind the data of the step that broke */
	double loss, grad_norm;  /* mean over the micro-steps, before the update; norm before clipping */
	double lr;
	double scale, next_scale; /* of the loss: in this step, and from the next one on */
	double flushed;          /* share of the gradient entries that came back from the device as zero; NAN: not on this device */
	char note[200];          /* what this step has begun or ended (adapters, the average): one line for the log, or empty; also when nothing was updated */
	uint64_t ns, micro_ns;   /* of the step (its micro-steps and update); mean of its micro-steps */
};

/* One micro-step, and the update when it was the last of its step. seq, batch, accum and the pipeline are taken over at the step boundary (programs are compiled
 * anew when the shape or the pipeline changed). ERR_BUDGET: the device has too few compiles left for the weights of this step; nothing has begun. ERR_CANCEL: interrupted; the begun step is dropped, gradients zeroed, the cursor is where the step began. A loss, gradient
 * norm or update that is not finite, with nan=stop or rewind: ERR_STATE naming the step, the first tensor and the data, likewise dropped; weights and moments are untouched. */
int trainer_micro(struct trainer *t, struct trainer_step *out, struct err *e);
/* Micro-steps made of the step that has begun; 0 at a step boundary. */
int trainer_begun(const struct trainer *t);
/* 1: a step has begun, and a setting has changed since that will count from the next one on. */
int trainer_waits_for_change(const struct trainer *t);
/* Drops a begun step (gradients zeroed, cursor back). */
void trainer_drop(struct trainer *t);

/* Mean loss in nats over at most nbatch validation batches, and bits per byte (NAN when the bytes are unknown). ERR_STATE when there is no validation data. Gradients of a begun step stay.
 * With ema.decay it is the average's loss. */
int trainer_eval(struct trainer *t, int nbatch, double *loss, double *bpb, struct err *e);
/* How the settings want the model's programs; without the rows that take part, which depend on the data. */
struct model_options trainer_options(const struct settings *s);
/* NULL before the first micro-step or evaluation. */
const struct model *trainer_model(const struct trainer *t);

#endif
