#!/bin/sh
# sim.sh: `device` in scripts: a live change, its record, making such a run again, resuming it; budget, faults, programs on files.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"

plain -e device -e 'device sim chip=m1max budget=40' -e device
check "device says what is in use, and what is left of its compiles" eval 'is 0 && in_out "^cpu: fp32" && in_out "^sim: m1max simulated" && in_out "^compiles: 0 used in this process, 40 left$"'

plain -e 'device ane'
check "the hardware elsewhere: one exact line" eval '[ "$status" -ne 0 ] && [ "$(cat err)" = "device: ane: needs macOS on Apple silicon (try: device sim chip=m4)" ]'

script --run live 'train 3' 'device sim budget=300' 'train 4' 'device cpu' 'train 3' 'device sim chip=m99'
check "what can not be opened ends the script and says what can" eval 'is 2 && in_err "no such chip .one of m1 "'
plain --run live --resume -e 'device'
check "... and leaves the device that was there" eval 'is 0 && in_out "^cpu: "'
check "the changes stand in the script of the run" eval 'grep -A1 "^wait step 3$" live/settings.cmd | grep -q "^device sim budget=300$" && grep -A1 "^wait step 7$" live/settings.cmd | grep -q "^device cpu$"'

script --run live2 'device sim budget=300' 'train 5' 'set accum 2' 'train 3'
check "a run that begins there says so" eval 'is 0 && grep "\"event\":\"start\"" live2/metrics.jsonl | grep -q "\"device\":\"sim\",.*\"chip\":\"m4\"" && [ "$(sed -n 2p live2/settings.cmd)" = "device sim budget=300" ]'

for dir in live live2; do
	plain --run "$dir-again" -x "$dir/settings.cmd"
	check "the record of $dir can be executed" is 0
	python "... and makes the same losses again" <<END
a, b = steps('$dir'), steps('$dir-again')
assert len(a) >= 8 and a == b, (a, b)
END
done

plain --run live2 --resume -e device -e 'train 1'
check "a run goes on where it was made" eval 'is 0 && in_out "^sim: m4 simulated" && in_err "device: sim budget=300, as in the checkpoint"'

script --run short 'device sim budget=4' 'train 9'
check "a budget that no process could do with is told, not tried again" eval 'is 1 && in_err "compile" && err_lines 0 "^restart"'

script --run fault 'device sim fail=run:5' 'train 2'
check "a fault on demand is told as on a Mac" eval 'is 1 && in_err "status=0x1d" && in_err "fail=run:5"'

cat >square.mil <<'END'
program(1.3)
{
func main<ios18>(tensor<fp16, [1, 1, 1, 3]> x) {
tensor<fp16, [1, 1, 1, 3]> y = mul(x=x, y=x);
} -> (y);
}
END
printf '\0\0\200\077\0\0\226\103\0\0\100\100' >x.f32 # 1, 300, 3
plain -e 'device sim' -e 'mil run square.mil x=x.f32 out=y.f32'
check "a text of anybody's runs on it" is 0
python "... in fp16" <<'END'
y = struct.unpack('<3f', open('y.f32', 'rb').read())
assert y == (1, math.inf, 9), y
END
plain -e 'device sim fail=compile:1' -e 'mil run square.mil x=x.f32 out=y.f32'
check "its compile can be made to fail" eval 'is 1 && in_err "ANECCompile() FAILED"'
done_testing
