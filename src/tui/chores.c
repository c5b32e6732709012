/* chores.c: what the agenda brings up while the screen runs: commands of `on`, and the one that `watch` repeats, whose answer stays open. Draws nothing.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tui/ui.h"

/* Begins one: the command's id, 0 when it is finished, negative after a failure (told). Its answer goes to the log. */
static int64_t begin(struct ui *u, const char *what, const char *line)
{
	struct err e = {0};
	char text[LOG_TEXT];
	u->shell_text = 0;
	u->line = line;
	int64_t rc = shell_due(u->script_shell, line, &e);
	u->line = NULL;
	u->dirty = u->look_now = 1;
	if (rc < 0) {
		snprintf(text, sizeof text, "%s: %.200s", what, e.msg);
		ui_log(u, LOG_ERROR, text);
		relay_log(u->relay, LOG_ERROR, text);
		view_message(&u->view, LOG_ERROR, text);
	} else if (u->shell_text) {
		char clock[12];
		ui_clock(clock);
		view_answer_end(&u->view, clock);
	}
	return rc;
}

static void rules(struct ui *u)
{
	char line[AGENDA_LINE], what[16], text[LOG_TEXT];
	const char *event;
	while (!u->stopping && agenda_next_rule(u->agenda, line, &event)) {
		snprintf(what, sizeof what, "on %s", event);
		snprintf(text, sizeof text, "%s: %.200s", what, line);
		ui_log(u, LOG_INFO, text);
		relay_log(u->relay, LOG_INFO, text);
		begin(u, what, line);
	}
}

static void end_watch(struct ui *u, const char *why)
{
	agenda_watch_end(u->agenda);
	u->watch_id = 0;
	str_clear(&u->watch_text);
	view_message(&u->view, LOG_INFO, why);
}

static void show_watched(struct ui *u)
{
	char title[96], line[AGENDA_LINE];
	struct str about = {0};
	if (u->watch_text.len && !u->watch_text.failed) {
		/* The answer that is being waited for by whoever typed something comes first. */
		agenda_watch(u->agenda, NULL, NULL, &about, NULL);
		snprintf(line, sizeof line, "%s", about.s ? about.s : "watch");
		line[strcspn(line, "\n")] = 0;
		snprintf(title, sizeof title, "%.90s", line);
		view_answer_watch(&u->view, title, u->watch_text.s);
		str_done(&about);
	}
	str_clear(&u->watch_text);
}

int ui_chore_event(struct ui *u, const struct engine_event *ev)
{
	char text[LOG_TEXT];
	agenda_event(u->agenda, ev);
	if (!u->watch_id || ev->id != u->watch_id || (ev->kind != EV_TEXT && ev->kind != EV_DONE))
		return 0;
	if (ev->kind == EV_TEXT) {
		if (u->watch_text.len < 1 << 20)
			str_puts(&u->watch_text, ev->text);
		return 1;
	}
	u->watch_id = 0;
	agenda_watch_done(u->agenda, clock_ns());
	if (!ev->code) {
		show_watched(u);
	} else if (ev->code != ERR_CANCEL) {
		snprintf(text, sizeof text, "watch: %.200s", ev->text);
		end_watch(u, "");
		ui_log(u, LOG_ERROR, text);
		view_message(&u->view, LOG_ERROR, text);
	}
	return 1;
}

void ui_chores(struct ui *u)
{
	char line[AGENDA_LINE];
	if (relay_turn(u->relay, u->agenda)) {
		ui_log(u, LOG_INFO, "quit: asked for by who is attached");
		ui_stop(u, STOP_SAVE, "quit");
	}
	rules(u);
	if (u->view.answer.watch == WATCH_CLOSED) {
		u->view.answer.watch = WATCH_NONE;
		if (agenda_watching(u->agenda))
			end_watch(u, "watch: ended");
	}
	if (!agenda_watching(u->agenda) || u->stopping)
		return;
	if (!agenda_watch_due(u->agenda, clock_ns(), line))
		return;
	str_clear(&u->watch_text);
	u->watch_id = agenda_watch_begun(u->agenda, begin(u, "watch", line));
}
