#!/bin/sh
# tinystories.sh: the script that fetches TinyStories, from a stand-in on this machine: whole, broken off and gone on with, changed, not what it should be.
# SPDX-License-Identifier: MIT
. "$ANETUI_ROOT/tests/support/cli.sh"
if ! command -v curl >/dev/null 2>&1 && ! command -v wget >/dev/null 2>&1; then
	skip "needs curl or wget"
	done_testing
fi
if ! have_python; then
	skip "needs python3"
	done_testing
fi
cat >server.py <<'END'
import http.server, os, sys

class Files(http.server.BaseHTTPRequestHandler):
    """Files with ranges; one that is called like the file `broken` says is sent to its half only."""
    def log_message(self, *a):
        pass
    def do_HEAD(self):
        self.send(False)
    def do_GET(self):
        self.send(True)
    def send(self, body):
        path = 'from' + self.path
        if not os.path.exists(path):
            return self.send_error(404)
        f = open(path, 'rb').read()
        r = self.headers.get('Range')
        at = int(r.split('=')[1].split('-')[0]) if r else 0
        if r and at >= len(f):
            self.send_response(416)
            self.end_headers()
            return
        self.send_response(206 if r else 200)
        if r:
            self.send_header('Content-Range', 'bytes %d-%d/%d' % (at, len(f) - 1, len(f)))
        self.send_header('Content-Length', str(len(f) - at))
        self.end_headers()
        if body:
            half = os.path.exists('broken') and not r
            self.wfile.write(f[at:at + len(f) // 2] if half else f[at:])
        open('log', 'a').write('%s %s %d\n' % (self.command, self.path, at))

s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Files)
open('port.new', 'w').write(str(s.server_address[1]))
os.rename('port.new', 'port')
s.serve_forever()
END
mkdir from
i=0
while [ $i -lt 300 ]; do
	echo "Once upon a time a hen met a fox, and $i times they said good day to one another."
	echo "<|endoftext|>"
	i=$((i + 1))
done >from/TinyStoriesV2-GPT4-train.txt
head -n 60 from/TinyStoriesV2-GPT4-train.txt >from/TinyStoriesV2-GPT4-valid.txt
python3 server.py >server.out 2>&1 &
server=$!
trap 'kill $server 2>/dev/null' EXIT
wait_for 60 test -f port
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
TINYSTORIES_URL=http://127.0.0.1:$(cat port)
export TINYSTORIES_URL
# stories FOLDER: runs the script.
stories() {
	timeout 120 sh "$ANETUI_ROOT/assets/tinystories.sh" "$1" >out 2>err </dev/null
	status=$?
}
for CURL in curl none; do
	export CURL
	if [ $CURL = curl ] && ! command -v curl >/dev/null 2>&1 || [ $CURL = none ] && ! command -v wget >/dev/null 2>&1; then
		skip "curl or wget is missing"
		continue
	fi
	to=set-$CURL
	touch broken
	stories $to
	if [ "$status" -eq 0 ]; then # wget tries again by itself and gets the rest
		check "$CURL: gone on with by itself" cmp -s $to/TinyStoriesV2-GPT4-train.txt from/TinyStoriesV2-GPT4-train.txt
	else
		check "$CURL: half a file is no file" eval '[ ! -e $to/TinyStoriesV2-GPT4-valid.txt ] && [ -s $to/.TinyStoriesV2-GPT4-valid.txt.part ] && in_err "run this again"'
	fi
	rm -f broken log
	stories $to
	check "$CURL: both files are there, whole" eval 'is 0 && cmp -s $to/TinyStoriesV2-GPT4-train.txt from/TinyStoriesV2-GPT4-train.txt && cmp -s $to/TinyStoriesV2-GPT4-valid.txt from/TinyStoriesV2-GPT4-valid.txt'
	stories $to
	check "$CURL: once more, the sums are compared" eval 'is 0 && [ "$(grep -c "sha256 as in" out)" -eq 2 ]'
	echo "and another line" >>$to/TinyStoriesV2-GPT4-valid.txt
	echo "<|endoftext|>" >>$to/TinyStoriesV2-GPT4-valid.txt
	stories $to
	check "$CURL: a file that has changed is refused" eval 'is 1 && in_err "its sha256 is .* says"'
done
unset CURL
rm -rf wrong
mv from/TinyStoriesV2-GPT4-valid.txt kept
echo '<!DOCTYPE html><html>Sorry</html>' >from/TinyStoriesV2-GPT4-valid.txt
stories wrong
check "a page in the place of the file" eval 'is 1 && in_err "a page about the file" && [ ! -e wrong/TinyStoriesV2-GPT4-valid.txt ]'
rm -rf wrong from/TinyStoriesV2-GPT4-valid.txt
stories wrong
check "no such file there" eval 'is 1 && in_err "the download broke off" && [ ! -e wrong/TinyStoriesV2-GPT4-valid.txt ]'
head -n 59 kept >from/TinyStoriesV2-GPT4-valid.txt
rm -rf wrong
stories wrong
check "half a story at the end" eval 'is 1 && in_err "ends within a story"'
to=$(ls -d set-* | head -n 1)
rm -f "$to"/*.sha256
script "data $to" 'train 2' 'info'
check "the program reads the folder" eval 'is 0 && in_out "2 texts, 1 of them held out"'
kill $server
done_testing
