#!/bin/sh
# completion.sh: the completion scripts, the desktop entry and the tour are what shells, desktops and the program can read.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

run --completion tcsh
check "an unknown shell: status 2" eval 'is 2 && in_err "must be bash, zsh or fish"'
for shell in bash zsh fish; do
	run --completion $shell
	cp out anetui.$shell
	check "$shell: every command, key and option" eval 'is 0 && in_out kernels && in_out lr.warmup && in_out on-hup && in_out attach && in_out stories15m'
	if command -v $shell >/dev/null 2>&1; then
		check "$shell reads it" eval "$shell -n anetui.$shell 2>err"
	else
		skip "$shell is not installed"
	fi
done

# bash_words WORD...: what bash offers for the last word.
bash_words() {
	bash -c '. ./anetui.bash; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _anetui; printf "%s\n" "${COMPREPLY[@]}"' _ "$@" >out 2>err
	status=$?
}
if command -v bash >/dev/null 2>&1; then
	bash_words anetui ker
	check "a command" test "$(cat out)" = kernels
	bash_words anetui --re
	check "options" eval 'in_out "^--resume$" && in_out "^--replay$"'
	bash_words anetui --run x set lr.warm
	check "a key behind a command behind an option" test "$(cat out)" = lr.warmup
	bash_words anetui device s
	check "a choice" in_out '^sim$'
	bash_words anetui new stories1
	check "a preset" eval 'in_out "^stories15m$"'
	bash_words anetui --set cli
	check "a setting" test "$(cat out)" = clip=
else
	skip "needs bash"
fi
if command -v desktop-file-validate >/dev/null 2>&1; then
	desktop-file-validate "$ANETUI_ROOT/assets/anetui.desktop" >out 2>&1
	status=$?
	check "the desktop entry" eval 'is 0 && empty out'
fi

# Every line of the tour is a command; without a screen its pictures are left out, the rest is the same.
grep -v '^zoom' "$ANETUI_ROOT/assets/tour.cmd" | sed -e 's/^new demo$/new demo layers=1 dim=32 heads=2 kv_heads=2 hidden=64/' -e 's/^wait step \(.*\)0 [0-9]*$/wait step \1/' -e 's/^wait [0-9]*$/get seed/' >tour.cmd
plain -e 'set seq 32' -e 'set batch 2' -x tour.cmd
# On a slow machine too it is over after two minutes: what it waits for has an end in seconds, a quarter of a minute is left for its samples.
check "the tour waits for nothing longer than seconds, 105 in all" eval '! grep -q "^wait step [0-9]*\$" "$ANETUI_ROOT/assets/tour.cmd" && [ "$(awk "/^wait/ { s += \$NF } END { print s }" "$ANETUI_ROOT/assets/tour.cmd")" -le 105 ]'
check "the tour can be walked" eval 'is 0 && in_out "^Welcome" && in_out "^That was it" && in_err "chip"'
plain -e 'say One line, as it stands.  "quoted"'
check "say" test "$(cat out)" = 'One line, as it stands.  "quoted"'
plain -e 'power baseline 1'
check "power baseline: a figure, or why there is none" eval 'is 0 && in_out "^idle .* W" || is 1 && in_err "power: baseline: no source works"'

done_testing
