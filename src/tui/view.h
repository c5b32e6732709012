/* view.h: everything the screen shows, as plain state: what came from the engine, and what the user chose. No curses, no engine calls, no clock.
 *
 * The loop feeds it events and keys; frame_draw reads it. Belongs to the UI thread.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TUI_VIEW_H
#define ANETUI_TUI_VIEW_H

#include "engine.h"
#include "tui/layout.h"
#include "tui/plot.h"
#include "tui/raster.h"
#include "tui/series.h"
#include "tui/split.h"

enum { EMA_OFF = -1, EMA_AUTO = -2 };
enum { LOG_LINES = 512, LOG_TEXT = 232, SAMPLES = 24, SAMPLE_TEXT = 8192, HIST = 240, CANDIDATES = 64 };

struct log_line { char time[12]; int level; char text[LOG_TEXT]; };

struct sample {
	uint32_t id;             /* command; 0: came by itself */
	uint64_t step;           /* whose weights */
	int done;
	char note[80];           /* "200 tokens in 1.9 s" */
	size_t prompt;           /* bytes of text that are the prompt */
	size_t len;
	int cut;                 /* text was longer than SAMPLE_TEXT: its beginning is gone */
	char text[SAMPLE_TEXT];
};

/* What came from the engine. Without pointers: freezing the view copies it. */
struct data {
	struct engine_snapshot snap;
	int have_snap;
	char clock[12];          /* time of day of the snapshot */
	struct series series;
	struct splits splits;    /* of the timing table, over the run */
	uint64_t logged, sampled, warnings, errors; /* counted from the start; the rings below hold the latest */
	struct log_line log[LOG_LINES];
	struct sample sample[SAMPLES];
	float watts[HIST];       /* one a second, newest last; NAN: none */
	int nwatts;
	double watts_sum, watts_peak; uint64_t watts_n;
};

/* A long answer, over the panes until it is closed. */
enum watch { WATCH_NONE, WATCH_SHOWN, WATCH_CLOSED };
struct answer {
	enum watch watch;        /* the answer of a watched command: shown; closed by the user, or given up for another answer */
	int open, top;           /* top: first line shown */
	int page_rows, most;     /* measured while drawing */
	uint32_t id;             /* command that answers; 0: none */
	char title[96];
	struct str text;
};

struct prompt {
	int open;
	char line[4096], search[128], hint[256];
	size_t cursor;           /* bytes */
	int ncand;               /* candidates of Tab */
	char cand[CANDIDATES][128];
	int more;
	int vi_command;
};

enum filtering { FILTER_NONE, FILTER_KERNELS, FILTER_LOG, FILTER_ANSWER, FILTER_SETTINGS };
enum { FILTER_TEXT = 48 };

/* The settings screen, over the panes until it is closed. */
struct setlist {
	int open, at, top;       /* at: the chosen setting; top: the first row shown */
	uint32_t id;             /* command that changes `what` to `text` and is not answered yet; 0: none */
	int what;
	char text[SETTING_TEXT_MAX];
	/* measured while drawing, for keys and mouse */
	int page;
	struct rect rows;        /* h: those that have something */
	int less, more;          /* columns of the screen where a click makes the chosen one less or more; -1: nowhere */
};

enum ask { ASK_NONE, ASK_QUIT };
enum leaving { LEAVING_NOT, LEAVING_SAVES, LEAVING_NOW, LEAVING_GIVEN_UP }; /* the worker saves and ends; ends; the last save is not waited for */

struct view {
	struct data *live, *frozen;   /* frozen: NULL, or what is shown instead */
	struct answer answer;
	struct setlist setlist;
	struct prompt prompt;
	char message[LOG_TEXT];       /* under the panes while the prompt is closed */
	int message_level;
	/* choices */
	enum layout_kind layout;
	struct layout_moves moves;
	int theme;                    /* index, as theme_find gives it */
	int zoom, focus;              /* panes; zoom -1: none */
	int log_y;                    /* 0, 1, or -1: by the data */
	int ema;                      /* index into series_decay, EMA_OFF, or EMA_AUTO: by the number of steps */
	enum series_x x;              /* of the loss curve */
	uint64_t span, to;            /* what it shows, as in struct plot */
	int cursor_on;                /* one cursor over all panes: at this step */
	uint64_t cursor;
	struct series *ref;           /* another run, drawn behind; NULL: none */
	char ref_name[256];
	int kernel_sort, kernel_turned, kernel_at; /* enum kernel_sort; 1: the other way round; the chosen row, from the top of the sorted table */
	enum filtering filtering;     /* whose filter is being typed */
	char kernel_filter[FILTER_TEXT], log_filter[FILTER_TEXT], answer_filter[FILTER_TEXT], setlist_filter[FILTER_TEXT];
	int have_base;
	struct split base;            /* what times are compared with */
	int scroll[PANE_N];           /* lines from the pane's resting place */
	int sample_back;              /* 0: the newest */
	enum ask ask;
	enum leaving leaving;
	enum glyphs glyphs;
	/* measured while drawing, for keys that scroll, and for the cursor */
	struct plot_place place;      /* of the loss curve; at.w 0: it is not on the screen */
	int page[PANE_N], most[PANE_N];
	int kernel_rows;
	struct rect kernel_top;       /* where the rows of the kernels stand */
};

/* 0, or -1 when memory is out. */
int view_init(struct view *v);
void view_done(struct view *v);
/* What is to be drawn. */
static inline const struct data *view_data(const struct view *v) { return v->frozen ? v->frozen : v->live; }

/* Takes over one event; clock is the time of day as the log shows it. EV_DONE closes what its EV_TEXT began: one or two lines go to the log, more open an answer. */
void view_event(struct view *v, const struct engine_event *ev, const char *clock);
void view_snapshot(struct view *v, const struct engine_snapshot *s, const char *clock);
/* The program was stopped for so long; what comes next is no measure of speed. */
/* Once a second: history of the power pane. */
void view_second(struct view *v);
void view_log(struct view *v, int level, const char *clock, const char *text);
/* A line below the panes, kept until the next one. */
void view_message(struct view *v, int level, const char *text);
/* Text answered for a line typed by the user; id 0: by the shell itself. */
void view_answer_begin(struct view *v, uint32_t id, const char *title);
void view_answer_text(struct view *v, const char *text);
void view_answer_end(struct view *v, const char *clock);
void view_answer_close(struct view *v);
/* The whole answer of a command that is repeated, in the place of the one before; it stays open, wherever it was scrolled to.
 * Does nothing while another answer is on its way, or when the one before was closed: then nobody watches any more. */
void view_answer_watch(struct view *v, const char *title, const char *text);
/* Returns 1 when it is frozen now. */
int view_freeze(struct view *v);
/* Panes that rest at their end (text that follows, a sample that is being written) scroll upwards from there, the others downwards from their top. */
int view_rests_at_end(const struct view *v, int pane);
/* Moves the focused pane (or the open answer) by lines; towards older text is negative. */
void view_scroll(struct view *v, int lines);
void view_scroll_page(struct view *v, int pages);
/* The focus goes to the next pane that is shown in `l`. */
void view_focus_next(struct view *v, const struct layout *l, int by);

/* The average that is drawn: an index into series_decay, or EMA_OFF. */
int view_ema(const struct view *v);

const struct sample *data_sample(const struct data *d, int back);

#endif
