"""`best` against fastai: the same training images and minutes by the clock, both from scratch, scored on other rows.

    COMPETITIONS_DIR=... python -m benchmarks.against_fastai fashion_pixels:10 animals15:10 --python FASTAI/bin/python

FASTAI is an environment of its own (`python -m venv FASTAI; FASTAI/bin/pip install fastai`). A stratified fifth of the
training images is held out by a seed and becomes the test set of a smaller competition (benchmarks/held_out_rows.py).
Ours is a clean clone with an empty home and no weights; its clock runs from `init` on the zip to the end of `best`. It
tries only models that need no weights from elsewhere, and the table of measured recipes loses the rows of this very
competition, unless ``--as-shipped``. fastai gets the same files unpacked, and whether mirrored images keep their class.
Its clock runs from the start of its process to its end; its recipe is benchmarks/fastai_run.py. Ours runs first.

Prints both accuracies, their paired difference, and wall and CPU seconds of both. ``--keep FOLDER`` keeps each held-out
row with its label and both answers there, and the plan.
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from benchmarks.clean_clone import CleanClone, Spent, make_clone, time_command
from benchmarks.held_out_rows import NAME, ROOT, pair_answers, write_reduced
from pipeline.core import paths

_NOT_PASSED = ("WEIGHTS_DIR", "COMPETITIONS_DIR", "KERAS_HOME")
_FROM_WEIGHTS = ("pretrained", "vit", "dinov2", "siglip")  # networks that begin with weights from elsewhere
_YAML = YAML(typ="safe")


def compare(competition: str, minutes: float, options: argparse.Namespace) -> str:
    """Runs both on one competition.

    Args:
        competition: `digits`, or one whose files lie in $COMPETITIONS_DIR.
        minutes: that each gets.
        options: of the command line.

    Returns:
        The lines.
    """
    with TemporaryDirectory(prefix="against-") as name:
        folder = Path(name)
        files, truth = write_reduced(folder, competition, options.seed)
        clone = _write_clone(folder, competition, options.as_shipped)
        ours = _run_ours(clone, minutes)
        facts: dict[str, Any] = _YAML.load(paths.competition_path(clone.root, NAME).read_text(encoding="utf-8"))
        command = [options.python, ROOT / "benchmarks" / "fastai_run.py", files, folder / "fastai.csv"]
        words = ["--seed", options.seed, *["--mirror"] * facts["mirror"], "--deadline", time.time() + 60 * minutes]
        theirs, printed = time_command([str(word) for word in (*command, *words)], folder, clone.environment)
        both = (paths.submission_path(clone.root, "ensemble"), folder / "fastai.csv")
        answers = [_read_answers(path) for path in both]
        plan: dict[str, Any] = json.loads((clone.root / "reports" / "best.json").read_text(encoding="utf-8"))
        pairing = pair_answers(truth, *answers)
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            kept = pd.DataFrame({"label": truth, "ours": answers[0], "fastai": answers[1]}).rename_axis("Id")
            kept.to_csv(options.keep / f"{competition}_{minutes:g}.csv")
            shutil.copy(clone.root / "reports" / "best.json", options.keep / f"{competition}_{minutes:g}.json")
    steps = ", ".join(f"{step['model']} {step['seconds']:.0f} s {step['outcome']}" for step in plan["steps"])
    low, high = pairing.interval
    return (
        f"{competition} {minutes:g} min, seed {options.seed}, {len(truth)} rows held out: ours {pairing.ours:.4f}, "
        f"fastai {pairing.theirs:.4f}, difference {pairing.difference:+.4f} ± {pairing.error:.4f} [{low:+.4f}, "
        f"{high:+.4f}], right alone {pairing.only_ours} and {pairing.only_theirs}, p {pairing.chance:.2g}\n"
        f"  ours: {_describe(ours, minutes)}, nested {plan['score']:.4f}; {steps}\n"
        f"  fastai: {_describe(theirs, minutes)}; {printed.strip().splitlines()[-1]}"
    )


def _write_clone(folder: Path, competition: str, as_shipped: bool) -> CleanClone:
    """Makes a clone that knows the reduced competition, and of models those that need no weights from elsewhere."""
    made = make_clone(folder, without=_NOT_PASSED)
    clone = made.root
    facts: dict[str, Any] = _YAML.load(paths.competition_path(clone, competition).read_text(encoding="utf-8"))
    scratch = {file.stem for file in paths.models_folder(clone).glob("*.yaml") if _is_from_scratch(file)}
    facts |= {
        "source": {"kind": "local", "path": str(folder / f"{NAME}.zip")},
        "train": {"layout": "csv_images", "images": "train", "table": "train.csv", "id": "Id", "label": "Label"},
        "test": {"layout": "images", "images": "test", "listed_by": "sample_submission"},
        "submission": {"kind": "label", "sample": "sample_submission.csv", "id": "Id", "label": "Label"},
        "metric": {"name": "accuracy"},
        "models": [model for model in facts["models"] if model in scratch],
    }
    facts.pop("solution", None)
    with paths.competition_path(clone, NAME).open("w", encoding="utf-8") as file:
        _YAML.dump(facts, file)
    table = paths.measured_recipes_path(clone)
    lines = table.read_text(encoding="utf-8").splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("recipe,"))
    cells = {line: line.split(",") for line in lines[head + 1 :]}
    left = [line for line, (model, where, *_) in cells.items() if model in scratch]
    kept = [line for line in left if as_shipped or cells[line][1] != competition]
    table.write_text("\n".join([*lines[: head + 1], *kept]) + "\n", encoding="utf-8")
    return made


def _is_from_scratch(file: Path) -> bool:
    settings: dict[str, Any] = _YAML.load(file.read_text(encoding="utf-8"))
    return "backbones" not in settings and settings.get("network", {}).get("name") not in _FROM_WEIGHTS


def _run_ours(clone: CleanClone, minutes: float) -> Spent:
    first = clone.run("init", NAME)
    hours = (minutes - first.wall / 60) / 60
    second = clone.run("best", "--hours", f"{hours:.6f}", check=False)
    return Spent(first.wall + second.wall, first.cpu + second.cpu, first.load, second.code)


def _read_answers(path: Path) -> "pd.Series[Any]":
    return pd.read_csv(path, dtype=str).set_index("Id")["Label"]


def _describe(spent: Spent, minutes: float) -> str:
    over = spent.wall / 60 / minutes - 1
    return f"{spent.wall:.0f} s ({over:+.1%}), {spent.cpu:.0f} CPU s, load {spent.load:.1f}, exit code {spent.code}"


def main() -> None:
    """Prints three lines per competition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("budgets", nargs="+", metavar="COMPETITION:MINUTES")
    parser.add_argument("--python", type=Path, required=True, help="of the environment that has fastai")
    parser.add_argument("--seed", type=int, default=0, help="of the rows held out and of fastai's training")
    parser.add_argument("--as-shipped", action="store_true", help="leave the competition's own rows in the table")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    for words in options.budgets:
        competition, _, minutes = words.partition(":")
        print(compare(competition, float(minutes), options), flush=True)


if __name__ == "__main__":
    main()
