#!/usr/bin/env bash
# A process that ends while DVC writes dvc.lock leaves a part of it, which no command of DVC reads; Ctrl-C does, too.
#
# Guess, written down before the run: the record of all results is written beside and renamed, as Git writes its index,
#   so that kill -9 leaves the old lock or the new one; and Ctrl-C is held back until the write is done.
# Seen: the file is opened for writing in its place and grows as it is dumped. Both signals, sent once it is shorter than
#   before, leave a part of it, or nothing in it, without a word; repro, status, commit -f and checkout then end with an
#   error about the file, and none of them says that it may go.
# Why: modify_yaml opens the path itself with "w". Parameters and outputs are renamed into place, the lock is not.
# Versions: dvc 3.67.1. Source: dvc/utils/serialize/_common.py, _modify_data; dvc/dvcfile.py, Lockfile.dump_stages.
# Output: KILL: the file is cut, 4 of 4 commands refuse it; INT: the file is cut, 4 of 4 commands refuse it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
mkdir "$folder/work"
cd "$folder/work"
export HOME="$folder" DVC_NO_ANALYTICS=1
"$folder/venv/bin/dvc" init --quiet --no-scm
cat >"$folder/end.py" <<'PY'
"""Runs dvc repro and sends a signal as soon as dvc.lock is shorter than it was."""

import os, signal, subprocess, sys, time

full = os.stat("dvc.lock").st_size
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background hands on that it is ignored
process = subprocess.Popen([sys.argv[1], "repro", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
end = time.monotonic() + 120
while os.stat("dvc.lock").st_size >= full and process.poll() is None and time.monotonic() < end:
    pass
process.send_signal(getattr(signal, "SIG" + sys.argv[2]))
process.wait()
left = os.stat("dvc.lock").st_size
print("the file is cut" if left < full else f"{left} of {full} bytes")
PY
seen=""
for name in KILL INT; do
    printf 'stages:\n  one:\n    cmd: date > out-%s.txt\n    outs: [out-%s.txt]\n' "$name" "$name" >dvc.yaml
    { # what a pipeline of many stages has: the longer the lock, the longer the write
        printf "schema: '2.0'\nstages:\n"
        for number in $(seq 600); do
            printf '  stage-%d:\n    cmd: run %d\n    deps:\n    - path: data/%d\n      hash: md5\n      md5: a%031d\n      size: %d\n' \
                "$number" "$number" "$number" "$number" "$number"
        done
    } >dvc.lock
    left=$("$folder/venv/bin/python" "$folder/end.py" "$folder/venv/bin/dvc" "$name")
    refused=0
    for command in repro status "commit -f" checkout; do
        # shellcheck disable=SC2086 # two words
        "$folder/venv/bin/dvc" $command >"$folder/log" 2>&1 || { grep -qi "dvc.lock" "$folder/log" && refused=$((refused + 1)); }
    done
    seen+="${seen:+; }$name: $left, $refused of 4 commands refuse it"
done
echo "$seen"
[[ $seen == "KILL: the file is cut, 4 of 4 commands refuse it; INT: the file is cut, 4 of 4 commands refuse it" ]]
