#!/usr/bin/env bash
# A small learning rate set by `dvc exp run -S` comes out of PyYAML as a string.
#
# Guess, written down before the run: -S lr=0.00001 writes the number as it was typed, or in another form of it, and any
#   reader of YAML gets a number back.
# Seen: DVC writes `lr: 1e-05`. To itself, and to every reader of YAML 1.2, that is a number; PyYAML, which most training
#   scripts read their parameters with, hands out '1e-05', a string, since a float of YAML 1.1 has a point. -S lr=0.0001,
#   a power larger, is written with a point and stays a number. So a sweep over rates changes type on its way down.
# Why: DVC dumps by ruamel.yaml, whose floats are Python's repr: from 1e-05 on without a point.
# Versions: dvc 3.67.1, PyYAML 6.0.3. Source: dvc/utils/serialize/_yaml.py, modify_yaml; yaml/resolver.py, the float's form.
# Output: {'0.001': ('lr: 0.001', 0.001), '0.0001': ('lr: 0.0001', 0.0001), '0.00001': ('lr: 1e-05', '1e-05')}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1 PyYAML==6.0.3
mkdir "$folder/work"
cd "$folder/work"
export HOME="$folder" DVC_NO_ANALYTICS=1 PATH="$folder/venv/bin:$PATH"
git init -q .
git config user.name nobody
git config user.email nobody@example.com
{
    dvc init
    echo "lr: 0.01" >params.yaml
    printf 'stages:\n  train:\n    cmd: echo trained\n    params: [lr]\n' >dvc.yaml
    dvc repro
    git add .
    git commit -m begin
} >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
python - <<'PYTHON'
import pathlib
import subprocess

import yaml

seen = {}
for typed in ("0.001", "0.0001", "0.00001"):
    subprocess.run(["dvc", "exp", "run", "-S", f"lr={typed}"], check=True, capture_output=True)
    text = pathlib.Path("params.yaml").read_text().strip()
    seen[typed] = (text, yaml.safe_load(text)["lr"])
print(seen)
assert seen == {"0.001": ("lr: 0.001", 0.001), "0.0001": ("lr: 0.0001", 0.0001), "0.00001": ("lr: 1e-05", "1e-05")}
PYTHON
