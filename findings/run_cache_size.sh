#!/usr/bin/env bash
# DVC's run cache does not see parameters called `size`: a changed one is answered with the outs of the earlier value.
#
# Guess, written down before the run: a stage whose parameter changed either runs, or is restored from a run that had the
#   same values of all parameters.
# Seen: a stage that tracks `storage` writes `storage.size` and `storage.width` to its out. After 160 -> 299 in `size`,
#   `dvc status` says that `storage` is modified, and `dvc repro` that the stage is cached: the out says 160, dvc.lock
#   299, and `dvc status` then that all is up to date. `nfiles` in place of `size` is the same. A change of `width` runs
#   the stage, and so does one of `size` where the stage names `storage.size`, as the key in dvc.lock is then another.
# Why: the key of the run cache is a digest of the stage's entry in dvc.lock without all keys `size` and `nfiles`, which
#   of files and folders are no part of their identity. The filter goes through the parameters, too.
# Versions: dvc 3.67.1, Linux. Source: dvc/stage/cache.py (`_get_cache_hash`), dvc/utils/__init__.py (`dict_filter`).
# Output: size 160 up-to-date / nfiles 160 up-to-date / width 299 up-to-date / storage.size 299 up-to-date
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1 pathspec==0.12.1
export HOME="$folder" DVC_NO_ANALYTICS=1 PATH="$folder/venv/bin:$PATH"
found=""
for case in size:storage nfiles:storage width:storage size:storage.size; do
    key=${case%%:*} tracked=${case#*:}
    mkdir -p "$folder/$case"
    cd "$folder/$case"
    git init --quiet
    dvc init --quiet
    printf 'storage: {%s: 160}\n' "$key" >params.yaml
    echo one >source.txt
    {
        printf 'stages:\n  make:\n    cmd: cat params.yaml > out.txt\n'
        printf '    deps: [source.txt]\n    params: [%s]\n    outs: [out.txt]\n' "$tracked"
    } >dvc.yaml
    dvc repro --quiet
    printf 'storage: {%s: 299}\n' "$key" >params.yaml
    dvc status | grep -q modified
    dvc repro --quiet
    status=$(dvc status | grep -q 'up to date' && echo up-to-date || echo changed)
    name=$key
    if [ "$tracked" != storage ]; then name=$tracked; fi
    found+="$name $(grep -o '[0-9]*' out.txt | head -1) $status / "
done
echo "${found% / }"
[ "${found% / }" = "size 160 up-to-date / nfiles 160 up-to-date / width 299 up-to-date / storage.size 299 up-to-date" ]
