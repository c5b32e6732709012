/* run.h: a run's folder: its lock, settings.cmd, metrics.jsonl, and which checkpoints stay. Trains nothing.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TRAIN_RUN_H
#define ANETUI_TRAIN_RUN_H

#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "base/str.h"
#include "train/ckpt.h"

struct run {
	char dir[1024];
	int lock_fd;
	int metrics_fd;
	uint64_t start_ns;     /* t = 0 */
	double t_before;       /* seconds of earlier sessions of a resumed run */
	int failed;            /* length of the shortest line that could not be written, 0: all is well. Said once, training goes on */
}; /* zeroed: not open */

/* A new run below `base` ("runs/demo"): when that folder holds a run, -2, -3 ... is appended. Takes the lock. */
int run_create(struct run *r, const char *base, struct err *e);
/* An existing run: takes the lock ("run: runs/demo: in use by process 1234"). A torn last line of metrics.jsonl is cut off. */
int run_open(struct run *r, const char *dir, struct err *e);
void run_close(struct run *r);
/* To be asked before anything is written there by name: whoever has the folder open may have moved or removed it, and another run may be there now. RUN_HERE; RUN_MOVED: r->dir is its new
 * place; RUN_AGAIN: it had gone, and an empty folder of its name has been taken instead; or ERR_STATE: nothing may be written there. A lock that was deleted is made again. Where nobody can tell, it is here. */
enum run_place { RUN_HERE, RUN_MOVED, RUN_AGAIN };
int run_look(struct run *r, struct err *e);
int run_is_open(const struct run *r);

/* Appends one JSON object with t, step and event in front, in one write. `fields` is what follows, without braces: "\"loss\":2.31" (NULL or
 * empty: nothing). `stop` tells its `reason` and in `saved` the step up to which there is a checkpoint (null: none). `ckpt` comes when the file counts, with the step that is in it: steps after that may stand before it. A line that could not be written whole is taken back; ERR_IO the first time, then 0 until writing works again. */
int run_event(struct run *r, const char *event, uint64_t step, const char *fields, struct err *e);
double run_seconds(const struct run *r);
/* Rewrites settings.cmd. */
int run_settings(struct run *r, const char *commands, struct err *e);

/* step-00000400.ckpt (name NULL), or NAME.ckpt in the run's folder ("best"); a NAME with a slash is a path of its own. An ending .ckpt is not doubled. */
void run_ckpt_path(const struct run *r, const char *name, uint64_t step, char *out, size_t n);
/* Deletes numbered checkpoints beyond the newest `keep`; never the best, never named ones, never one whose step `milestone` divides (0: none is), and never
 * the one that was verified last: `verified`, its path (NULL: the file written last is taken for it). To be called after a checkpoint was saved and its `ckpt` event written. Missing permission is reported (ERR_IO), not fatal: the others are still deleted. */
int run_rotate(const struct run *r, int keep, uint64_t milestone, const char *verified, struct err *e);
/* The newest numbered checkpoint that verifies; each that does not gets a line in `notes` (may be NULL). Falls back to the older ones. Newest is
 * what the last `ckpt` event of metrics.jsonl names, then the one before: after `load` of an old step the higher numbers belong to a branch that
 * was left, and times do not survive a copy of the folder. Files without an event go by their number. */
int run_newest_ckpt(const char *dir, char *out, size_t n, struct str *notes, struct err *e);
struct run_loaded {
	struct pool *pool;        /* in; may be NULL */
	struct params *params;    /* out, the caller's; all as ckpt_load gives it */
	struct train_state state;
	struct tokenizer *tok;
};
/* The same, and loads it (ckpt_load_on), in one pass over the file: *path is the one that was taken. One that is whole and can not be loaded all the same (memory, another
 * tokenizer) is an error: an older one would not do either. Where reading failed for a moment only (the file is whole when it is looked at again) it is read once more, with a
 * line in `notes`; where it fails again, the older one is taken. */
int run_load_newest(const char *dir, char *path, size_t n, struct str *notes, struct run_loaded *out, struct err *e);
/* The newest run below `base`'s parent ("runs"): by the time of its metrics. ERR_IO when one can not be looked at: it may be that. */
int run_newest(const char *runs_dir, char *out, size_t n, struct err *e);

/* One row for `runs`. */
struct run_info { char dir[256]; uint64_t step; double loss, val; uint64_t bytes; int ckpts; long long mtime; };
/* Newest first, at most n of them; returns how many there are (0 when the folder is missing). loss and val: NAN when none was logged. bytes: of the checkpoints. */
int run_list(const char *runs_dir, struct run_info *out, int n, struct err *e);

#endif
