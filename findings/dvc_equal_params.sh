#!/usr/bin/env bash
# DVC takes a parameter for unchanged when true becomes 1, and for changed when it is not a number both times.
#
# Guess, written down before the run: a stage runs again when a parameter that it names reads otherwise in params.yaml
#   (true, 1 and 1.0 are three values to a typed reader), and does not when the file is the same to the byte.
# Seen: of a: true, b: 1 made a: 1, b: 1.0 and then b: true the stage never runs, and dvc.lock keeps the first types.
#   With c: .nan it runs at every repro, and is "changed" the moment it has run, though nothing was edited.
# Why: values of params.yaml and dvc.lock are compared as Python compares them, where True == 1 == 1.0 and nan != nan.
# Versions: dvc 3.67.1. Source: dvc/dependency/param.py, ParamsDependency.status.
# Output: edits that ran the stage: true -> 1: 0, 1 -> 1.0: 0, 1.0 -> true: 0, 0.5 -> .nan: 1, none: 1, none: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
mkdir "$folder/work"
cd "$folder/work"
dvc() { HOME="$folder" DVC_NO_ANALYTICS=1 "$folder/venv/bin/dvc" "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }; }
git init -q .
dvc init
cat >dvc.yaml <<'YAML'
stages:
  train:
    cmd: echo ran >> runs.txt
    params: [a, b, c]
YAML
ran=""
: >runs.txt
edit() {
    printf 'a: %s\nb: %s\nc: %s\n' "$2" "$3" "$4" >params.yaml
    before=$(wc -l <runs.txt)
    dvc repro
    ran+="${ran:+, }$1: $(($(wc -l <runs.txt) - before))"
}
edit "first run" true 1 0.5
edit "true -> 1" 1 1 0.5
edit "1 -> 1.0" 1 1.0 0.5
edit "1.0 -> true" 1 true 0.5
grep -q "a: true" dvc.lock
edit "0.5 -> .nan" 1 true .nan
edit none 1 true .nan
edit none 1 true .nan
ran=${ran#first run: 1, }
echo "edits that ran the stage: $ran"
[[ $ran == "true -> 1: 0, 1 -> 1.0: 0, 1.0 -> true: 0, 0.5 -> .nan: 1, none: 1, none: 1" ]]
