/* man.c: the manual page, made from the tables of options, commands and settings. Text only.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "repl/help.h"
#include "repl/options.h"
#include "repl/shell.h"

/* Text for roff: no request at the beginning of a line, '-' as a minus, backslashes kept. */
static void roff(struct str *out, const char *s)
{
	if (*s == '.' || *s == '\'')
		str_puts(out, "\\&");
	for (; *s; s++) {
		if (*s == '\\')
			str_puts(out, "\\e");
		else if (*s == '-')
			str_puts(out, "\\-");
		else
			str_putc(out, *s);
	}
}

static void heading(struct str *out, const char *request, const char *s)
{
	str_printf(out, ".%s \"", request);
	for (; *s; s++)
		str_putc(out, request[1] == 'H' && *s >= 'a' && *s <= 'z' ? (char)(*s - 32) : *s);
	str_puts(out, "\"\n");
}

static void paragraph(struct str *out, const char *s)
{
	roff(out, s);
	str_putc(out, '\n');
}

/* .TP with a bold beginning and the rest of the first line as it is. */
static void item(struct str *out, const char *bold, const char *rest)
{
	str_puts(out, ".TP\n\\fB");
	roff(out, bold);
	str_puts(out, "\\fR");
	if (*rest) {
		str_putc(out, ' ');
		roff(out, rest);
	}
	str_putc(out, '\n');
}

static void options(struct str *out)
{
	char form[64];
	heading(out, "SH", "options");
	for (int i = 0; i < OPTION_N; i++) {
		item(out, option_form(i, form), "");
		paragraph(out, option_row(i)->help);
	}
}

static void events(struct str *out)
{
	paragraph(out, "Events:");
	for (int i = 0; i < HAPPENING_N; i++) {
		str_printf(out, ".br\n\\fB%s\\fR, when ", happening_row((enum happening)i)->name);
		paragraph(out, happening_row((enum happening)i)->help);
	}
}

static void commands(struct str *out)
{
	heading(out, "SH", "commands");
	paragraph(out, "One language for the line at the bottom of the screen (opened with a colon), for scripts and for the command line. A unique beginning of a name is enough. "
		       "A word with blanks stands in double quotes, inside which \\\" \\\\ \\n and \\t are known. A line that begins with # is a comment. "
		       "In a script a command is finished before the next one starts, and the first failure ends the script unless its line begins with a minus sign.");
	for (int g = GROUP_MODEL; g <= GROUP_SHELL; g++) {
		heading(out, "SS", help_group(g));
		for (int i = 0; i < CMD_N; i++) {
			const struct command_row *r = command_row(i);
			if ((int)r->group != g)
				continue;
			item(out, r->name, r->args);
			str_putc(out, r->help[0] >= 'a' && r->help[0] <= 'z' ? (char)(r->help[0] - 32) : r->help[0]);
			roff(out, r->help + 1);
			str_printf(out, ".%s\n", r->where == COMMAND_LATER ? " (Comes with later work.)" : "");
			if (*r->more)
				paragraph(out, r->more);
			if (i == CMD_ON)
				events(out);
		}
	}
}

static void settings(struct str *out)
{
	heading(out, "SH", "settings");
	paragraph(out, "Changed with set, shown with get, taken back with undo. A setting that was set stays through new and load; presets bring other defaults for the rest.");
	for (int k = 0; k < SET_N; k++) {
		const struct setting_row *r = setting_row(k);
		struct str line = {0};
		help_key_range(&line, r);
		str_puts(&line, "; default ");
		help_key_default(&line, k);
		if (r->kind != SETTING_CHOICE && *r->unit)
			str_printf(&line, "; in %s", r->unit);
		str_printf(&line, "; holds %s.", help_key_when(r));
		item(out, r->key, "");
		paragraph(out, r->help);
		str_puts(out, ".br\n");
		if (line.s)
			paragraph(out, line.s);
		str_done(&line);
	}
}

struct entry { const char *name, *text; };

static const struct entry files[] = {
	{"runs/NAME/", "A run: what was done and what came of it. A new run takes NAME-2, NAME-3 and so on when the name is taken."},
	{"runs/NAME/settings.cmd", "The commands that make this run again."},
	{"runs/NAME/metrics.jsonl", "One JSON object a line: start, step, eval, set, ckpt, sample, error, stop."},
	{"runs/NAME/attach.sock", "While the run trains: where anetui attach comes in."},
	{"runs/NAME/step-00000400.ckpt, best.ckpt", "Checkpoints: safetensors files with weights, moments and all else that resuming needs."},
	{"$XDG_CONFIG_HOME/anetui/anetuirc", "Commands that are run before all others (~/.config without the variable). With attach and --replay those of looks alone (theme, layout, zoom, ref, alias, say): a look at a run changes nothing in it."},
	{"$XDG_STATE_HOME/anetui/history", "Lines that were typed (~/.local/state without the variable). A line that begins with a blank is not kept."},
	{"$XDG_CACHE_HOME/anetui", "Corpora and tokenizers, named by their content, and what was measured of this machine; may be deleted at any time."},
	{"~/.editrc", "Key bindings of the line editor, see editrc(5)."},
};

static const struct entry statuses[] = {
	{"0", "Everything was done."},
	{"1", "A command failed; the line on standard error says what and why."},
	{"2", "Wrong words or options."},
	{"killed by SIGTERM, SIGHUP or SIGINT", "The run was saved first, then the signal was raised again, so that the caller sees it (128 + number in a shell)."},
};

static const struct entry environment[] = {
	{"ANETUI_ASSETS", "The folder of presets and word lists, in the place of the installed one."},
	{"ANETUI_THEME", "The colours of the screen: dark, light, contrast, cb or mono."},
	{"ANETUI_GLYPHS", "What curves are drawn with: braille, block or ascii; by itself what locale and terminal can show."},
	{"ANETUI_SENSORS", "A folder that stands for / where temperature, battery and power are read: an imitated /sys, to try rules of on."},
	{"ANETUI_NVML", "The library that is asked for the power of NVIDIA cards, in the place of libnvidia-ml.so.1."},
	{"ANETUI_IOREPORT", "The library that is asked for the energy counters of Apple silicon, in the place of /usr/lib/libIOReport.dylib."},
	{"ANETUI_SMC", "The library that is asked for what a whole Mac takes, in the place of IOKit."},
	{"ANETUI_BLAS", "The library of matrix products, in the place of the fastest one that is found."},
	{"ANETUI_BLAS_KERNELS", "The kernels that OpenBLAS is to take, whatever the processor can do."},
	{"ANETUI_SIMD", "The widest of the program's own kernels: plain, 128, avx2 or avx512."},
	{"NO_COLOR", "When not empty: no colours on the screen."},
	{"TERM", "dumb or nothing: no screen."},
	{"EDITRC", "Another file than ~/.editrc."},
};

static void list(struct str *out, const char *title, size_t n, const struct entry *entries)
{
	heading(out, "SH", title);
	for (size_t i = 0; i < n; i++) {
		item(out, entries[i].name, "");
		paragraph(out, entries[i].text);
	}
}

void shell_man(struct str *out)
{
	str_puts(out, ".\\\" Made by anetui --man from its tables.\n.TH ANETUI 1 \"\" \"anetui " ANETUI_VERSION "\" \"User Commands\"\n");
	heading(out, "SH", "name");
	str_puts(out, "anetui \\- train a language model in a terminal\n");
	heading(out, "SH", "synopsis");
	str_puts(out, ".B anetui\n[\\fIOPTIONS\\fR]\n.br\n.B anetui\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]\n.br\n"
		      ".B anetui\n[\\fIOPTIONS\\fR] attach [\\fIRUN\\fR]\n.br\n"
		      ".B anetui \\-\\-plain\n< \\fISCRIPT\\fR\n");
	heading(out, "SH", "description");
	paragraph(out, "anetui trains a language model and shows how it goes: loss, learning rate, time and power, and text from the weights of the moment. "
		       "Without options it opens its screen and trains a small built-in model at once; every command can be given while it trains.");
	str_puts(out, ".PP\n");
	paragraph(out, "Without a terminal, with --plain, or when TERM is dumb, it reads commands from -e, -x or standard input. Answers and samples go to standard output, "
		       "progress and messages to standard error. Nothing starts by itself then: the first command that needs a model makes the demo. "
		       "The end of the script is quit: a checkpoint is saved when there are steps that no checkpoint holds.");
	str_puts(out, ".PP\n");
	paragraph(out, "attach opens the same screen for a run that trains in another process (the newest, or RUN): its curve from the beginning, its kernels and power as they are now. "
		       "Commands that are typed there steer that run; leaving ends the view alone. A run that was started with --on-hup=go-on stays when its terminal is lost, and is found again so. "
		       "The door is a socket in the run's folder that only its owner can open. --replay shows a run that has ended.");
	options(out);
	commands(out);
	settings(out);
	list(out, "files", ARRAY_LEN(files), files);
	list(out, "environment", ARRAY_LEN(environment), environment);
	list(out, "exit status", ARRAY_LEN(statuses), statuses);
	heading(out, "SH", "examples");
	str_puts(out, ".nf\nprintf \\(aqtrain 40\\ensample 60 Once upon a time\\enquit\\en\\(aq | anetui \\-\\-plain\n"
		      "anetui \\-\\-set seq=128 \\-e \\(aqdata book.txt\\(aq\nanetui \\-\\-resume \\-\\-run runs/demo\nanetui info\n.fi\n");
}
