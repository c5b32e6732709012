# session.cmd: a little of everything in one process, for the sanitizers and valgrind (cli/session.sh, cli/valgrind.sh): threads come and go, saves run beside steps, every pipeline and device trains.
# SPDX-License-Identifier: MIT
new demo layers=1 dim=16 hidden=32 heads=2 kv_heads=1 vocab=260 context=64
data text.txt
set seq 16
set batch 2
set eval.batches 2
set eval.every 3
set ckpt.every 2
set sample.every 0.01
set threads 2
on done kernels
trace trace.json
train 5
trace stop
on done off
set sample.every 0
lr 1e-4 cosine
set accum 2
set threads 3
set nice 1
train 2
undo
sample 6 Once
set sample.int8 on
sample 6 Once
eval
ckpt here
verify runs/demo/here.ckpt
kernels
report
power
info
get
gradcheck
mil list
mil show fwdAttn
freeze embed*
train 1
freeze none
set lora.rank 2
train 1
set lora.rank 0
set ema.decay 0.5
train 2
set recompute on
train 1
set vocab.compact on
train 1
set vocab.compact off
set recompute off
pipeline dynamic
train 1
set extras on
device sim budget=100000
train 1
pipeline static
train 1
device cpu
load here
train 1
alias s sample 3
s Once
record record.cmd
-layout wide
-theme light
-zoom loss
-settings lr
-screen picture.txt
-watch 1 kernels
record off
runs
load here
equals runs/demo/here.ckpt
export gguf m.gguf
export safetensors hf
export llama2c m.bin
tokenize text.txt text.tok
detokenize text.tok text.back
new m.gguf
new hf
new m.bin tokenizer=hf
quit now
