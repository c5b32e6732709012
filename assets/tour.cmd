# tour.cmd: two minutes on the live screen: anetui -x assets/tour.cmd (a model of its own, in a run of its own; q leaves at any time)
say Welcome. In two minutes: a model of a million parameters learns to write, and you steer it.
new demo
set sample.every 8
wait step 1 10
say Upper left: the loss. Every dot is a step, the line is their average. Lower is better: it should fall.
wait 6
wait step 120 12
say Here: where the milliseconds of a step go, kernel by kernel, the slowest first.
zoom kernels
wait step 200 8
zoom off
say Right: what it writes by now. It knows words, not yet a story.
sample 60 Once upon a time
wait 3
say The learning rate is changed while it runs (:lr 1e-3). Look at the curve: it gets a mark.
lr 1e-3
wait step 320 10
say And taken back (:undo).
undo
wait step 420 8
say The loss alone, over the whole screen (z). The marks are what was changed.
zoom loss
wait step 520 8
zoom off
say A checkpoint (:ckpt): a file that every safetensors reader opens. `anetui --resume` goes on from it.
ckpt
wait 3
say The same programs on a simulated Neural Engine: fp16, its rules, its milliseconds beside ours.
device sim chip=m4
pipeline dynamic
wait step 560 15
device cpu
pipeline static
say Back on the processor.
wait step 900 12
say What it writes after some hundred steps more:
sample 120 Once upon a time
wait 6
say That was it. Type : for commands, F1 for keys; :train goes on, q leaves.
