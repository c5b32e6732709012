#!/bin/sh
# chip.sh: a chip's time beside ours in `kernels`, missing figures with their reason, refused programs as a person meets them.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

script 'train 2' kernels
check "without a chip no column, and how to choose one" eval 'is 0 && in_out "^kernel .*overlapped$" && in_out "^chip: none chosen .device cpu chip=m4"'
script 'device cpu chip=m4' 'train 2' kernels
check "each program beside the chip's time, host work named as such" eval 'is 0 && in_out "^kernel .*overlapped *m4 ms$" && in_out "^fwdAttn .* [0-9.]*$" && in_out "^classifier .* host$"'
check "the whole micro-step, and watts where they are known" eval 'in_out "^micro-step: here .* ms, m4 .* ms: programs .*; its engine [0-9.]* W on average$"'
script 'device sim chip=m2' 'train 2' kernels
check "what nobody has published is missing with its reason" eval 'is 0 && in_out "m2 .* ms: programs .*; its engine.s watts: nobody has published them$" && in_out "between M1 and M3 (a guess)$"'
script 'device cpu chip=m4' 'train 2' 'device sim chip=m5' kernels
check "another device has predicted nothing yet" eval 'is 1 && in_err "no micro-step yet"'
script 'train 2' 'device cpu chip=m9'
check "an unknown chip: the known ones" eval 'is 2 && in_err "chip: m9: no such chip (one of m1 "'

cat >scatter.mil <<'END'
program(1.3)
{
func main<ios18>(tensor<fp16, [1, 64, 1, 64]> x) {
tensor<fp16, [1, 64, 1, 64]> y = scatter(data=x, indices=x, updates=x, axis=int32(0), mode=string("add"));
} -> (y);
}
END
head -c 16384 /dev/zero >x.f32
plain -e 'device sim' -e 'mil run scatter.mil x=x.f32 out=y.f32'
check "a refusal: chip, line, a Mac's words, the reason, the rule, a way round" eval 'is 1 && in_err "sim: m4: line 4: scatter: InvalidMILProgram: scatter has no path on any chip (rule scatter; try: a matmul with a one-hot matrix, or the host)"'
sed 's/scatter(.*)/relu(x=x)/' scatter.mil >relu.mil
plain -e 'device sim pad=off' -e 'mil run relu.mil x=x.f32 out=y.f32'
check "a surface that is too small, only when nobody pads" eval 'is 1 && in_err "status=0x1d" && in_err "8192 bytes: a surface below 16384 bytes"'
plain -e 'device sim' -e 'mil run relu.mil x=x.f32 out=y.f32'
check "... else it is said what was done" eval 'is 0 && in_err "padded to one size"'
plain -e 'device sim strict=nobody'
check "whose contested rules there are" eval 'is 2 && in_err "seed, orion, field, all"'
done_testing
