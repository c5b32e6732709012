#!/bin/sh
# peers.sh: anetui beside PyTorch and llm.c on the same micro-step: interleaved pairs, medians, ratios. Fetches nothing. SPDX-License-Identifier: MIT
#
#     tests/bench/peers.sh [pairs=3] [only=demo,stories15m,stories110m,stories110m-4,llmc]
#
# ANETUI   the program (./anetui)
# PYTHON   a python3 that has torch (else the first of python3, /usr/bin/python3 that has; Debian: python3-torch)
# LLAMA2C  a checkout of llama2.c: its model.py is timed; without, a Llama of our own of the same shape. Both take the slow way through attention on
#          PyTorch before 2.0, which has no scaled_dot_product_attention: that is what is compared with.
# LLMC     a checkout of llm.c: train_gpt2.c is built with OpenMP and -Ofast for sequences of 256, and given random weights of GPT-2 124M's shape
#
# PyTorch runs with its best settings: 1 thread or all, OpenBLAS's kernels as it picks them or as anetui does (OPENBLAS_CORETYPE). A micro-step is forward
# and backward; against llm.c, which times whole steps, the update is counted on both sides. Memory: 4 GB. The status is 1 when a bar was missed.
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
