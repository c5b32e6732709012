#!/bin/sh
# session.sh: a little of everything in one process (tests/session.cmd), and the same run gone on with. What each command says is other tests' business: this one is for BUILD=asan and tsan.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
cp "$ANETUI_ROOT/docs/architecture.md" text.txt
plain -x "$ANETUI_ROOT/tests/session.cmd"
check "a session of every kind of command: status 0" is 0
check "it has gone its whole way" eval 'err_lines 4 "^model: " && [ -s m.gguf ] && [ -s hf/model.safetensors ] && [ -s text.back ] && [ -s trace.json ]'
plain --resume --run runs/demo -e 'train 2' -e quit
check "the run goes on: status 0" is 0
plain -e 'new demo layers=1 dim=16 hidden=32 heads=2 vocab=260 context=64' -e 'set seq 16' -e 'device sim budget=40' -e 'train 8'
check "with new processes in the place of the first: status 0" eval 'is 0 && in_err "^step 8/8"'
done_testing
