#!/bin/sh
# deps.sh WHAT...: installs what building and running need (`run`), and the test tools (`check`), when missing.
# SPDX-License-Identifier: MIT
#
# Nothing is installed that is there already, and nothing happens when all is there. What will be installed is
# printed first. Root, or sudo, is needed; without either the exact command is printed and we stop with status 1.
set -u

want_check=no
for w in "$@"; do [ "$w" = check ] && want_check=yes; done

have() { command -v "$1" >/dev/null 2>&1; }
pc() { have pkg-config && pkg-config --exists "$1" 2>/dev/null; }

if have apt-get; then pm=apt
elif have dnf; then pm=dnf
elif have pacman; then pm=pacman
elif have brew; then pm=brew
else pm=none
fi

# pick APT DNF PACMAN BREW: the name under the package manager at hand (- where nothing is needed).
pick() {
	case $pm in
	apt) echo "$1" ;; dnf) echo "$2" ;; pacman) echo "$3" ;; brew) echo "$4" ;;
	none) echo "$1" ;;
	esac
}

# A BLAS that can be opened at run time. macOS has Accelerate.
have_blas() {
	[ "$(uname -s)" = Darwin ] && return 0
	for d in /lib /usr/lib /usr/lib64 /usr/local/lib /usr/lib/*-linux-gnu /usr/lib/*-linux-gnu/openblas-pthread; do
		for n in libopenblas.so.0 libopenblas.so libopenblasp.so.0 libblis.so.4 libblis.so; do
			[ -e "$d/$n" ] && return 0
		done
	done
	return 1
}

# A compiler that can link (gcc without libc6-dev can not).
have_cc() {
	t=$(mktemp -d) || return 1
	echo 'int main(void) { return 0; }' > "$t/t.c"
	{ have "${CC:-cc}" && "${CC:-cc}" -o "$t/t" "$t/t.c"; } >/dev/null 2>&1
	r=$?
	rm -rf "$t"
	return $r
}

# libFuzzer and the sanitizers of clang.
have_fuzzer() {
	t=$(mktemp -d) || return 1
	echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n); int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }' >"$t/t.c"
	clang -fsanitize=fuzzer,address,undefined -o "$t/t" "$t/t.c" >/dev/null 2>&1
	r=$?
	rm -rf "$t"
	return $r
}

list=
add() { [ "$1" = - ] || list="$list $1"; }

have_cc        || { add "$(pick gcc gcc gcc -)"; add "$(pick libc6-dev glibc-devel glibc -)"; }
have ar        || add "$(pick binutils binutils binutils -)"
have pkg-config || add "$(pick pkg-config pkgconf-pkg-config pkgconf pkgconf)"
pc ncursesw    || add "$(pick libncurses-dev ncurses-devel ncurses ncurses)"
pc libedit     || add "$(pick libedit-dev libedit-devel libedit libedit)"
pc jansson     || add "$(pick libjansson-dev jansson-devel jansson jansson)"
pc libpcre2-8  || add "$(pick libpcre2-dev pcre2-devel pcre2 pcre2)"
pc libutf8proc || add "$(pick libutf8proc-dev utf8proc-devel libutf8proc utf8proc)"
have_blas      || add "$(pick libopenblas0-pthread openblas-threads openblas -)"
if [ $want_check = yes ]; then
	pc cmocka  || add "$(pick libcmocka-dev libcmocka-devel cmocka cmocka)"
	pc vterm   || add "$(pick libvterm-dev libvterm-devel libvterm libvterm)"
	have tmux  || add "$(pick tmux tmux tmux tmux)"
	have clang || add "$(pick clang clang clang -)"
	have_fuzzer || add "$(pick libclang-rt-dev compiler-rt compiler-rt -)"
	have zsh || add "$(pick zsh zsh zsh -)"
	have fish || add "$(pick fish fish fish fish)"
	have python3 || add "$(pick python3 python3 python python)"
fi

[ -z "$list" ] && exit 0

case $pm in
apt) cmd="apt-get install -y --no-install-recommends$list" ;;
dnf) cmd="dnf install -y$list" ;;
pacman) cmd="pacman -S --needed --noconfirm$list" ;;
brew) cmd="brew install$list" ;;
none)
	echo "deps: no apt-get, dnf, pacman or brew here; please install (Debian's names):$list" >&2
	exit 1
	;;
esac

echo "deps: will install:$list"
if [ $pm = brew ]; then
	$cmd
	exit $?
fi
if [ "$(id -u)" = 0 ]; then
	sudo=
elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	sudo="sudo "
else
	echo "deps: neither root nor sudo here; please run:  $cmd" >&2
	exit 1
fi
if [ $pm = apt ]; then
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q || exit 1
	$sudo env DEBIAN_FRONTEND=noninteractive $cmd
else
	$sudo$cmd
fi
