"""DVC's lock file, dvc.lock: mended where a kill has cut it."""

import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.files import write_text

_PAUSE = 0.5  # seconds; another DVC may be in the midst of its write
_HEAD = "schema: '2.0'\nstages:\n"
_TYPES: dict[str, type] = {"path": str, "hash": str, "md5": str, "size": int, "nfiles": int}  # of a file's keys
_SHORTEST = 3  # letters of a digest that DVC takes for one
_STAGE = re.compile(r"^  (?=[^\s#-])", re.MULTILINE)


def mend_lock_file(root: Path) -> Path | None:
    """Keeps the whole stages of dvc.lock, where a kill has cut it; returns its path then.

    DVC (3.67) writes it in place. Where a write was cut, every `dvc` command that follows ends in "expected a
    dictionary" or the like. What a stage left out had made stays where it is, and DVC takes it from its run cache.

    Args:
        root: the repository folder.
    """
    path = root / "dvc.lock"
    for pause in (_PAUSE, 0.0):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        if _has_an_end(text) or _is_whole(text):
            return None
        time.sleep(pause)
    begins = [found.start() for found in _STAGE.finditer(text)]
    stages = [text[begin:end] for begin, end in pairwise([*begins, len(text)])]
    kept = [stage for stage in stages[:-1] if _is_whole(_HEAD + stage)]  # the last is the one that was cut
    write_text(path, _HEAD + "".join(kept) if kept else "schema: '2.0'\nstages: {}\n")
    return path


def _has_an_end(text: str) -> bool:
    """Says whether the last line is one that nothing must follow; to read all of it would take 0.3 s at each start."""
    return text.startswith("schema:") and text.endswith("\n") and not text.rstrip().endswith(":") and "\0" not in text


def _is_whole(text: str) -> bool:
    """Says whether DVC can read it: stages with a command, and lists of files with a path each."""
    try:
        read: Any = YAML(typ="safe").load(text)
    except (YAMLError, ValueError):
        return False
    stages = read.get("stages") if isinstance(read, dict) else None
    return isinstance(stages, dict) and all(isinstance(each, dict) and _is_stage(each) for each in stages.values())


def _is_stage(stage: dict[str, Any]) -> bool:
    command, params = stage.get("cmd"), stage.get("params", {})
    lists = [stage.get(name, []) for name in ("deps", "outs")]
    return (
        bool(command)
        and all(isinstance(each, str) for each in (command if isinstance(command, list) else [command]))
        and all(isinstance(each, list) and all(_is_file(file) for file in each) for each in lists)
        and isinstance(params, dict)
        and all(isinstance(values, dict) for values in params.values())
    )


def _is_file(file: Any) -> bool:
    typed = isinstance(file, dict) and all(isinstance(file[key], _TYPES.get(key, object)) for key in file)
    return typed and "path" in file and len(file.get("md5", "none")) >= _SHORTEST
