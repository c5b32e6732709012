#!/bin/sh
# peers.sh: anetui beside PyTorch and llm.c on the same micro-step: interleaved pairs, medians, ratios. Fetches nothing. SPDX-License-Identifier: MIT
#
#     tests/bench/peers.sh [pairs=3] [only=demo,stories15m,stories110m,stories110m-4,llmc]
#
# ANETUI   the program (./anetui)
# PYTHON   a python3 that has torch (else the first of python3, /usr/bin/python3 that has; Debian: python3-torch)
# LLAMA2C  a checkout of llama2.c: its model.py is timed; without, a Llama of our own of the same shape. Both take the slow way through attention on
#          PyTorch before 2.0, which has no scaled_dot_product_attention: that is what is compared with.
# LLMC     a checkout of llm.c: train_gpt2.c with a clock around its update, given random weights of GPT-2 124M's shape
#
# Rows. PyTorch "as it comes": as the distribution ships it, no variable set, its own number of threads and its library's own kernels; "on N threads": the same on as many
# as anetui takes; both are judged by the bar. "Forced": the best of what can be forced upon it, 1 thread or all, OpenBLAS's own kernels or those that anetui names
# (OPENBLAS_CORETYPE). llm.c as its Makefile builds it, its own sequences, with the compiler that the Makefile names (clang; judged where it is installed) and with cc;
# "forced": cc, our flags, sequences of 256. A micro-step is forward and backward; llm.c is also shown with the update in it.
# Memory: 8 GB. The status is 1 when a bar was missed.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
: "${ANETUI:=$root/anetui}"
export ANETUI ANETUI_ASSETS="$root/assets"
if [ -z "${PYTHON:-}" ]; then
	for p in python3 /usr/bin/python3; do
		"$p" -c 'import torch' 2>/dev/null && PYTHON=$p && break
	done
fi
export PYTHON="${PYTHON:-}"
exec "${PYTHON:-python3}" "$root/tests/bench/peers.py" "$@"
