# The whole build. `make deps run` opens the demo, `make deps check` runs every test; `make help` lists the rest.
# SPDX-License-Identifier: MIT

VERSION = 0.1.0
BUILD  ?= release
PREFIX ?= /usr/local
DESTDIR ?=
CC     ?= cc
AR     ?= ar
O      := build/$(BUILD)

# --- platform differences: only here -------------------------------------------------------------------------
UNAME := $(shell uname -s)
ARCH  := $(shell uname -m)
ifeq ($(UNAME),Darwin)
  PLAT_DEFS = -D_DARWIN_C_SOURCE
  PLAT_LIBS = -framework CoreFoundation -framework IOKit
  PKG_PATH  = PKG_CONFIG_PATH="$$(brew --prefix 2>/dev/null)/opt/ncurses/lib/pkgconfig:$$(brew --prefix 2>/dev/null)/opt/libedit/lib/pkgconfig:$$PKG_CONFIG_PATH"
else
  PLAT_DEFS = -D_GNU_SOURCE
  PLAT_LIBS = -ldl
  # Checked copies and stacks; addresses that differ at each start; tables of functions read-only once they are filled. What is shipped has them, the sanitizers do without.
  PLAT_HARDEN = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
  LINK_release = -pie -Wl,-z,relro,-z,now,-z,noexecstack
  PKG_PATH  =
endif
ifneq ($(filter x86_64 amd64,$(ARCH)),)
  SIMD_avx2   = -mavx2 -mfma -mf16c
  SIMD_avx512 = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
  SIMD_vnni   = $(SIMD_avx512) -mavx512vnni
endif
# arm64: NEON is part of the base set, its dot product is not.
ifneq ($(filter aarch64 arm64,$(ARCH)),)
  SIMD_dot = -march=armv8.2-a+dotprod
endif

# --- flags ---------------------------------------------------------------------------------------------------
WARN = -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
ifdef WERROR
  WARN += -Werror
endif
OPT_release = -O2 -g $(PLAT_HARDEN)
OPT_debug   = -O0 -g3
OPT_asan    = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# The targets of tests/fuzz, with libFuzzer: needs clang. `make fuzz` sets both.
OPT_fuzz    = -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan    = -O1 -g -fsanitize=thread -fno-omit-frame-pointer
ifeq ($(OPT_$(BUILD)),)
  $(error BUILD=$(BUILD): must be release, debug, asan, tsan or fuzz)
endif
comma := ,
SAN = $(filter -fsanitize% -fno-sanitize%,$(OPT_$(BUILD)))
# -fno-math-errno: sqrtf and friends become instructions; no rule of arithmetic changes.
CFLAGS_ALL = -std=c11 $(OPT_$(BUILD)) -fno-math-errno -pthread $(WARN) $(PLAT_DEFS) -Isrc/core -Isrc \
             -DANETUI_VERSION='"$(VERSION)"' -DANETUI_DATADIR='"$(PREFIX)/share/anetui"' $(CFLAGS)

# Evaluated when a recipe runs, not when this file is read: with `make deps run` pkg-config may not be there yet.
PKG        = $(PKG_PATH) pkg-config
PKG_CFLAGS = $$($(PKG) --cflags ncursesw libedit jansson libpcre2-8 libutf8proc)
PKG_LIBS   = $$($(PKG) --libs ncursesw libedit jansson libpcre2-8 libutf8proc)
TEST_CFLAGS = $$($(PKG) --cflags cmocka vterm)
TEST_LIBS   = $$($(PKG) --libs cmocka vterm)

# --- what is built -------------------------------------------------------------------------------------------
CORE_SRC := $(sort $(shell find src/core -name '*.c'))
REPL_SRC := $(sort $(wildcard src/repl/*.c))
TUI_SRC  := $(sort $(wildcard src/tui/*.c))
LIB_SRC  := $(CORE_SRC) $(REPL_SRC) $(TUI_SRC)
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
HELP_SRC := $(sort $(wildcard tests/support/*.c))
CLI_TESTS := $(sort $(wildcard tests/cli/*.sh))
obj = $(patsubst %.c,$(O)/%.o,$(1))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(FUZZ_SRC)) $(patsubst tests/fuzz/fuzz_%.c,$(O)/fuzz/damage_%,$(FUZZ_SRC))
UNIT_BIN := $(patsubst tests/unit/%.c,$(O)/tests/%,$(UNIT_SRC))
ifeq ($(BUILD),release)
  PROGRAM = anetui
else
  PROGRAM = $(O)/anetui
endif

.DEFAULT_GOAL := all
.PHONY: all run check check-unit check-cli check-asan check-tsan check-valgrind analyse soak fuzz fuzzers deps install uninstall clean help soak-screen
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAM)

$(O)/libanetui.a: $(call obj,$(LIB_SRC))
	@rm -f $@
	@$(AR) rcs $@ $^

$(O)/anetui: $(call obj,src/main.c) $(O)/libanetui.a
	@echo "  link  $@"
	@$(CC) $(OPT_$(BUILD)) $(LINK_$(BUILD)) -pthread -o $@ $^ $(PKG_LIBS) $(PLAT_LIBS) -lm $(LDFLAGS)

ifeq ($(BUILD),release)
anetui: $(O)/anetui
	@cp -f $< $@.new && mv -f $@.new $@
endif

$(O)/%.o: %.c Makefile | $(if $(filter deps,$(MAKECMDGOALS)),deps)
	@mkdir -p $(@D)
	@echo "  cc    $<"
	@$(CC) $(CFLAGS_ALL) $(SIMD_$(lastword $(subst _, ,$(basename $(notdir $<))))) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/tests/%.o: tests/%.c Makefile | $(if $(filter deps,$(MAKECMDGOALS)),deps)
	@mkdir -p $(@D)
	@echo "  cc    $<"
	@$(CC) $(CFLAGS_ALL) -Itests $(PKG_CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/fuzz/%: $(O)/tests/fuzz/%.o $(O)/tests/fuzz/fuzz.o $(O)/libanetui.a
	@mkdir -p $(@D)
	@echo "  link  $@"
	@$(CC) $(subst fuzzer-no-link,fuzzer,$(OPT_$(BUILD))) -pthread -o $@ $^ $(PKG_LIBS) $(PLAT_LIBS) -lm $(LDFLAGS)

$(O)/fuzz/damage_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/fuzz.o $(O)/tests/fuzz/damage.o $(O)/libanetui.a
	@mkdir -p $(@D)
	@echo "  link  $@"
	@$(CC) $(subst fuzzer-no-link$(comma),,$(OPT_$(BUILD))) -pthread -o $@ $^ $(PKG_LIBS) $(PLAT_LIBS) -lm $(LDFLAGS)

$(O)/tests/test_%: $(O)/tests/unit/test_%.o $(call obj,$(HELP_SRC)) $(O)/libanetui.a
	@echo "  link  $@"
	@$(CC) $(OPT_$(BUILD)) -pthread -o $@ $^ $(TEST_LIBS) $(PKG_LIBS) $(PLAT_LIBS) -lutil -lm $(LDFLAGS)

# The stand-in for macOS' libraries that the tests of the ane device open; it exports names without prototypes, as those do.
$(O)/tests/libstandin.so: tests/ane/standin.c tests/ane/standin.h Makefile
	@mkdir -p $(@D)
	@echo "  link  $@"
	@$(CC) $(filter-out -Wmissing-prototypes,$(CFLAGS_ALL)) -Itests -fPIC -shared -o $@ $<

# And one for NVIDIA's library.
$(O)/tests/libnvml.so: tests/meter/nvml_standin.c Makefile
	@mkdir -p $(@D)
	@echo "  link  $@"
	@$(CC) $(filter-out -Wmissing-prototypes,$(CFLAGS_ALL)) -fPIC -shared -o $@ $<

$(O)/tests/test_nvml: | $(O)/tests/libnvml.so

# Those for the energy counters of macOS, and for a Mac's controller.
$(O)/tests/lib%.so: tests/meter/%_standin.c tests/meter/%_standin.h Makefile
	@mkdir -p $(@D)
	@echo "  link  $@"
	@$(CC) $(filter-out -Wmissing-prototypes,$(CFLAGS_ALL)) -Itests -fPIC -shared -o $@ $<

$(O)/tests/test_smc: | $(O)/tests/libsmc.so $(O)/tests/libnvml.so

$(O)/tests/test_ioreport: | $(O)/tests/libioreport.so $(O)/tests/libnvml.so

$(O)/tests/test_ane $(O)/tests/test_ane_train: | $(O)/tests/libstandin.so

# A disk that stands still, for the tests of signals during a save.
DISK_STANDIN = $(if $(filter Darwin,$(UNAME)),,$(O)/tests/libdisk.so)
$(O)/tests/libdisk.so: tests/disk/standin.c Makefile
	@mkdir -p $(@D)
	@echo "  link  $@"
	@$(CC) $(filter-out $(SAN),$(CFLAGS_ALL)) -fPIC -shared -o $@ $< -ldl

# A BLAS that counts its calls, for the tests of choosing one.
$(O)/tests/libblas-standin.so: tests/blas/standin.c tests/blas/standin.h Makefile
	@mkdir -p $(@D)
	@echo "  link  $@"
	@$(CC) $(CFLAGS_ALL) -Itests -fPIC -shared -o $@ $<

$(O)/tests/test_blas_choice: | $(O)/tests/libblas-standin.so

# Switches the sums off to see that the crash tests fail then.
ifneq ($(UNAME),Darwin)
$(O)/tests/test_crash: LDFLAGS += -Wl,--wrap=crc32c,--wrap=crc32c_join
$(O)/tests/test_saver: LDFLAGS += -Wl,--wrap=crc32c
$(O)/tests/test_nonfinite: LDFLAGS += -Wl,--wrap=pass_run,--wrap=model_micro_step
$(O)/tests/test_crash_load: LDFLAGS += -Wl,--wrap=open,--wrap=fstat,--wrap=stat,--wrap=statvfs,--wrap=fsync,--wrap=pread,--wrap=readdir
endif

# Memory that runs out: see tests/support/nomem.h.
ifneq ($(UNAME),Darwin)
comma_wrap = ,--wrap=
NOMEM_WRAP = -Wl$(subst $() ,,$(patsubst %,$(comma_wrap)%,malloc calloc realloc free posix_memalign mmap munmap memfd_create fopen fdopen opendir open_memstream pthread_create))
$(O)/tests/test_nomem $(O)/tests/test_nomem_engine: LDFLAGS += $(NOMEM_WRAP)
endif

-include $(patsubst %.o,%.d,$(call obj,$(LIB_SRC) src/main.c $(UNIT_SRC) $(HELP_SRC) $(FUZZ_SRC) tests/fuzz/fuzz.c tests/fuzz/damage.c))

# --- goals ---------------------------------------------------------------------------------------------------
run: $(PROGRAM)
	./$(PROGRAM)

# Prints what it will install, then asks the system's package manager; does nothing when all is there.
deps:
	@sh tools/deps.sh $(if $(filter check check-unit check-cli,$(MAKECMDGOALS)),run check,run)

# Every test; the exit status is the verdict, the last line `N passed, N failed, N skipped`.
check: $(PROGRAM) $(UNIT_BIN) $(DISK_STANDIN)
	@sh tests/run.sh $(O) $(PROGRAM) $(UNIT_BIN) $(CLI_TESTS)

check-unit: $(UNIT_BIN)
	@sh tests/run.sh $(O) - $(UNIT_BIN)

check-cli: $(PROGRAM) $(DISK_STANDIN)
	@sh tests/run.sh $(O) $(PROGRAM) $(CLI_TESTS)

# Every fuzz target for so many seconds, two at a time.
FUZZ_SECONDS ?= 60
fuzz: $(PROGRAM)
	@$(MAKE) BUILD=fuzz CC=clang fuzzers
	@sh tests/fuzz/run.sh build/fuzz/fuzz ./$(PROGRAM) $(FUZZ_SECONDS) build/fuzz/work

fuzzers: $(FUZZ_BIN)

# The tests of faults at full length: every call of a save, every request for memory, every place to resume at, 1,000 kills; and 100,000 steps.
SOAK_TESTS = $(addprefix $(O)/tests/test_,crash crash_load nomem nomem_engine resume flat) tests/cli/kill9.sh
soak: $(PROGRAM) $(filter-out %.sh,$(SOAK_TESTS))
	@ANETUI_SOAK=1 ANETUI_KILLS=1000 FLAT_STEPS=100000 TEST_TIMEOUT=7200 sh tests/run.sh $(O) $(PROGRAM) $(SOAK_TESTS)

# Every test under the address and undefined-behaviour sanitizers. OpenBLAS is built with neither: what it does in its own memory is not seen.
check-asan:
	@ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 $(MAKE) BUILD=asan TEST_TIMEOUT=7200 check

# What has threads under the thread sanitizer: the engine, saves, restarts, a second process that looks on, the screen; and a session of every kind of command with the built-in product, whose accesses are seen.
TSAN_TESTS = $(patsubst tests/unit/%.c,build/tsan/tests/%,$(sort $(wildcard tests/unit/test_engine*.c))) $(addprefix build/tsan/tests/test_,base data_texts restart save saver view soak)
check-tsan:
	@$(MAKE) BUILD=tsan build/tsan/anetui $(TSAN_TESTS)
	@TSAN_OPTIONS=halt_on_error=1 TEST_TIMEOUT=7200 sh tests/run.sh build/tsan build/tsan/anetui $(TSAN_TESTS) tests/cli/attach.sh tests/cli/signals.sh
	@ANETUI_BLAS=built-in TSAN_OPTIONS=halt_on_error=1 TEST_TIMEOUT=7200 sh tests/run.sh build/tsan build/tsan/anetui tests/cli/session.sh

# Wrong accesses, lost memory and open descriptors under valgrind: a session, and tests of what reads and writes files.
GRIND_TESTS = $(addprefix build/release/tests/test_,base ckpt config data engine formats gguf llama2c mil run safetensors save saver tokenizer_files upstream)
check-valgrind: $(PROGRAM) $(GRIND_TESTS)
	@ANETUI_GRIND="$(GRIND_TESTS)" TEST_TIMEOUT=7200 sh tests/run.sh $(O) $(PROGRAM) tests/cli/valgrind.sh

# clang-tidy (tools/clang-tidy says what is asked) and cppcheck over every source: `make -k -j2 analyse`. What was found clean and has not changed since is left out.
TIDY = $(patsubst %.c,build/analyse/%.ok,$(LIB_SRC) src/main.c)
analyse: $(TIDY)
	@echo "  cppcheck src"
	@cppcheck -q --std=c11 --enable=warning,portability --inline-suppr --suppressions-list=tools/cppcheck --error-exitcode=1 -Isrc/core -Isrc $(PLAT_DEFS) \
		'-Djson_object_foreach(o, k, v)=for (k = next(o); (v = next(k));)' src

build/analyse/%.ok: %.c tools/clang-tidy $(shell find src -name '*.h' -o -name '*.def')
	@mkdir -p $(@D)
	@echo "  tidy  $<"
	@clang-tidy --quiet --config-file=tools/clang-tidy $< -- $(filter-out -W%,$(CFLAGS_ALL)) $(SIMD_$(lastword $(subst _, ,$(basename $(notdir $<))))) $(PKG_CFLAGS) 2>/dev/null
	@touch $@

COMPLETION_DIRS = bash-completion/completions zsh/site-functions fish/vendor_completions.d
# Random keys, clicks and sizes at the screen, under the address sanitizer: SOAK keys (100,000), from SEED.
soak-screen:
	$(MAKE) BUILD=asan build/asan/anetui build/asan/tests/test_soak
	SOAK=$${SOAK:-100000} sh tests/run.sh build/asan build/asan/anetui build/asan/tests/test_soak

install: $(PROGRAM)
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/anetui" "$(DESTDIR)$(PREFIX)/share/man/man1"
	install -m 755 $(PROGRAM) "$(DESTDIR)$(PREFIX)/bin/anetui"
	cp -R assets/. "$(DESTDIR)$(PREFIX)/share/anetui/"
	./$(PROGRAM) --man > "$(DESTDIR)$(PREFIX)/share/man/man1/anetui.1"
	install -d "$(DESTDIR)$(PREFIX)/share/applications" $(foreach d,$(COMPLETION_DIRS),"$(DESTDIR)$(PREFIX)/share/$(d)")
	install -m 644 assets/anetui.desktop "$(DESTDIR)$(PREFIX)/share/applications/anetui.desktop"
	./$(PROGRAM) --completion bash > "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/anetui"
	./$(PROGRAM) --completion zsh > "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_anetui"
	./$(PROGRAM) --completion fish > "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/anetui.fish"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/anetui" "$(DESTDIR)$(PREFIX)/share/man/man1/anetui.1"
	rm -f "$(DESTDIR)$(PREFIX)/share/applications/anetui.desktop" "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/anetui" \
		"$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_anetui" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/anetui.fish"
	rm -rf "$(DESTDIR)$(PREFIX)/share/anetui"

clean:
	rm -rf build anetui

help:
	@echo "make [BUILD=release|debug|asan|tsan]  build ./anetui (release) or build/BUILD/anetui"
	@echo "make deps run        install what is missing, build, open the demo"
	@echo "make deps check      install what is missing (test tools too), build, run every test"
	@echo "make fuzz            every parser against libFuzzer, FUZZ_SECONDS each ($(FUZZ_SECONDS))"
	@echo "make soak            the crash tests at full length"
	@echo "make check-asan      every test under ASan and UBSan (hours); check-tsan: what has threads, under TSan"
	@echo "make check-valgrind  a session and the tests of files under valgrind, open descriptors too; analyse: clang-tidy and cppcheck"
	@echo "make install         to DESTDIR and PREFIX ($(PREFIX)); make uninstall takes it away"
	@echo "make clean           remove what was built"
