/* completions.c: completion scripts for bash, zsh and fish, made from the tables of options, commands and settings. Text only; the shell runs them.
 * SPDX-License-Identifier: MIT */
#include "repl/completions.h"

#include <string.h>

#include "base/mem.h"
#include "model/config.h"
#include "repl/options.h"
#include "repl/words.h"

/* Text inside single quotes of a shell: the tables have none of these, but who knows. */
static void plain(struct str *out, const char *s)
{
	for (; *s; s++)
		if (!strchr("'\"\\`$[]:", *s))
			str_putc(out, *s);
}

static void add_choices(struct str *out, const char *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		str_putc(out, list[i] == ',' ? ' ' : list[i]);
	str_putc(out, ' ');
}

static void add_keys(struct str *out, const char *behind)
{
	for (int i = 0; i < SET_N; i++)
		str_printf(out, "%s%s ", setting_row((enum setting_id)i)->key, behind);
}

static void add_presets(struct str *out)
{
	const char *const *names = model_preset_names(NULL);
	for (; names && *names; names++)
		str_printf(out, "%s ", *names);
}

/* Words that a command's arguments may be, whichever of them; files come beside them where `files` says so. */
static void add_words(struct str *out, const struct command_row *row, int *files)
{
	size_t n;
	*files = 0;
	for (int i = 0; i < words_kind_count(row); i++) {
		const char *kind = words_kind(row, i, &n), *end = kind + n;
		for (; kind < end; kind += n + 1) {
			n = strcspn(kind, "| ");
			if (!strncmp(kind, "choice:", 7))
				add_choices(out, kind + 7, n - 7);
			else if (!strncmp(kind, "key", n))
				add_keys(out, "");
			else if (!strncmp(kind, "preset", n))
				add_presets(out);
			else if (!strncmp(kind, "event", n))
				for (int h = 0; h < HAPPENING_N; h++)
					str_printf(out, "%s ", happening_row((enum happening)h)->name);
			else if (!strncmp(kind, "path", n) || !strncmp(kind, "run", n) || !strncmp(kind, "ckpt", n))
				*files = 1;
			if (kind[n] != '|')
				break;
		}
	}
}

static int takes_folder(enum option_id id)
{
	return id == OPTION_RUN || id == OPTION_REPLAY;
}

static void bash(struct str *out)
{
	str_puts(out, "# bash completion for anetui, made by anetui --completion bash\n_anetui()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd= i\n"
		      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n");
	for (int i = 0; i < OPTION_N; i++)
		if (option_row(i)->arg && option_row(i)->name)
			str_printf(out, "\t\t--%s) ((i++)) ;;\n", option_row(i)->name);
		else if (option_row(i)->arg)
			str_printf(out, "\t\t-%c) ((i++)) ;;\n", option_row(i)->letter);
	str_puts(out, "\t\t-*) ;;\n\t\t*) cmd=${COMP_WORDS[i]}; break ;;\n\t\tesac\n\tdone\n\tCOMPREPLY=()\n\tcase $prev in\n");
	str_puts(out, "\t--run|--replay|attach) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n\t-x) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
		      "\t--on-hup) COMPREPLY=($(compgen -W 'stop go-on' -- \"$cur\")); return ;;\n\t--completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\")); return ;;\n\t--set) compopt -o nospace; COMPREPLY=($(compgen -W '");
	add_keys(out, "=");
	str_puts(out, "' -- \"$cur\")); return ;;\n\t-e) COMPREPLY=(); return ;;\n\tesac\n\tcase $cmd in\n\t'')\n\t\tcase $cur in\n\t\t-*) COMPREPLY=($(compgen -W '");
	for (int i = 0; i < OPTION_N; i++) {
		if (option_row(i)->letter)
			str_printf(out, "-%c ", option_row(i)->letter);
		if (option_row(i)->name)
			str_printf(out, "--%s ", option_row(i)->name);
	}
	str_puts(out, "' -- \"$cur\")) ;;\n\t\t*) COMPREPLY=($(compgen -W 'attach ");
	for (int i = 0; i < CMD_N; i++)
		str_printf(out, "%s ", command_row(i)->name);
	str_puts(out, "' -- \"$cur\")) ;;\n\t\tesac ;;\n");
	for (int i = 0; i < CMD_N; i++) {
		struct str words = {0};
		int files;
		add_words(&words, command_row(i), &files);
		if (words.len || files)
			str_printf(out, "\t%s) COMPREPLY=($(compgen %s-W '%s' -- \"$cur\")) ;;\n", command_row(i)->name, files ? "-f " : "", words.s ? words.s : "");
		str_done(&words);
	}
	str_puts(out, "\tesac\n}\ncomplete -F _anetui anetui\n");
}

static void zsh(struct str *out)
{
	str_puts(out, "#compdef anetui\n# zsh completion for anetui, made by anetui --completion zsh\n_anetui_words()\n{\n\tlocal -a commands\n\tcommands=(\n\t\t'attach:look at a run in another process'\n");
	for (int i = 0; i < CMD_N; i++) {
		str_printf(out, "\t\t'%s:", command_row(i)->name);
		plain(out, command_row(i)->help);
		str_puts(out, "'\n");
	}
	str_puts(out, "\t)\n\tif ((CURRENT == 1)); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tcase $words[1] in\n\tattach) _files -/ ;;\n");
	for (int i = 0; i < CMD_N; i++) {
		struct str words = {0};
		int files;
		add_words(&words, command_row(i), &files);
		if (words.len)
			str_printf(out, "\t%s) compadd -- %s", command_row(i)->name, words.s);
		else if (files)
			str_printf(out, "\t%s) ", command_row(i)->name);
		if (words.len || files)
			str_printf(out, "%s%s ;;\n", words.len && files ? "; " : "", files ? "_files" : "");
		str_done(&words);
	}
	str_puts(out, "\tesac\n}\n_arguments \\\n");
	for (int i = 0; i < OPTION_N; i++) {
		const struct option_row *r = option_row(i);
		for (int k = 0; k < 2; k++) {
			if (k ? !r->name : !r->letter)
				continue;
			str_puts(out, "\t'*");
			if (k)
				str_printf(out, "--%s%s[", r->name, r->arg ? "=" : "");
			else
				str_printf(out, "-%c%s[", r->letter, r->arg ? "+" : "");
			plain(out, r->help);
			str_puts(out, "]");
			if (r->arg)
				str_printf(out, ":%s:%s", r->arg, takes_folder((enum option_id)i) ? "_files -/" : i == OPTION_FILE ? "_files" : i == OPTION_ON_HUP ? "(stop go-on)" : i == OPTION_COMPLETION ? "(bash zsh fish)" : " ");
			str_puts(out, "' \\\n");
		}
	}
	str_puts(out, "\t'*::command:_anetui_words'\n");
}

static void fish(struct str *out)
{
	str_puts(out, "# fish completion for anetui, made by anetui --completion fish\ncomplete -c anetui -f\n");
	for (int i = 0; i < OPTION_N; i++) {
		const struct option_row *r = option_row(i);
		str_puts(out, "complete -c anetui");
		if (r->letter)
			str_printf(out, " -s %c", r->letter);
		if (r->name)
			str_printf(out, " -l %s", r->name);
		if (r->arg)
			str_puts(out, i == OPTION_FILE ? " -r -F" : takes_folder((enum option_id)i) ? " -x -a '(__fish_complete_directories)'" : i == OPTION_ON_HUP ? " -x -a 'stop go-on'" :
				      i == OPTION_COMPLETION ? " -x -a 'bash zsh fish'" : " -x");
		str_puts(out, " -d '");
		plain(out, r->help);
		str_puts(out, "'\n");
	}
	str_puts(out, "complete -c anetui -n __fish_use_subcommand -a attach -d 'look at a run in another process'\ncomplete -c anetui -n '__fish_seen_subcommand_from attach' -a '(__fish_complete_directories)'\n");
	for (int i = 0; i < CMD_N; i++) {
		struct str words = {0};
		int files;
		str_printf(out, "complete -c anetui -n __fish_use_subcommand -a %s -d '", command_row(i)->name);
		plain(out, command_row(i)->help);
		str_puts(out, "'\n");
		add_words(&words, command_row(i), &files);
		if (words.len || files)
			str_printf(out, "complete -c anetui -n '__fish_seen_subcommand_from %s'%s -a '%s'\n", command_row(i)->name, files ? " -F" : "", words.s ? words.s : "");
		str_done(&words);
	}
}

int completions_make(struct str *out, const char *shell, struct err *e)
{
	static const struct { const char *name; void (*make)(struct str *); } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	for (size_t i = 0; i < ARRAY_LEN(shells); i++)
		if (!strcmp(shells[i].name, shell)) {
			shells[i].make(out);
			return out->failed ? err_nomem(e, "completion", out->len) : 0;
		}
	return err_set(e, ERR_USAGE, "--completion: %.40s: must be bash, zsh or fish", shell);
}
