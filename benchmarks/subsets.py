"""Scores and CPU seconds of recipes on a few training images of each class: what `init` proposes is read from them.

    COMPETITIONS_DIR=... WEIGHTS_DIR=... python -m benchmarks.subsets dogs10:10 animals15:30 --models quick_cnn

Each draw becomes a competition of its own (benchmarks/held_out_rows.py) that `init` describes; in a clean clone with
an empty home each model is trained on its five folds. Pictures are as the whole competition's file stores them. CPU
seconds are those of `train`, passes of frozen networks included where no model before it made the same.

Prints a line per draw and model: images, pooled out-of-fold accuracy with its 95 % interval, log loss, CPU seconds.
"""

import argparse
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from benchmarks.clean_clone import make_clone
from benchmarks.held_out_rows import NAME, write_subset
from pipeline.core import cards, paths, tables

_YAML = YAML()


def measure(competition: str, of_each: int, models: list[str], seed: int) -> None:
    """Trains models on one draw and prints a line for each.

    Args:
        competition: `digits`, or one whose files lie in $COMPETITIONS_DIR.
        of_each: training images of a class.
        models: files under configs/models; none are those that `init` proposes.
        seed: of the draw.
    """
    with TemporaryDirectory(prefix="subsets-") as name:
        folder = Path(name)
        write_subset(folder, competition, of_each, seed)
        made = make_clone(folder)
        clone = made.root
        made.run("init", "--from", str(folder / f"{NAME}.zip"), "--metric", "accuracy", "--activate")
        params: dict[str, Any] = _YAML.load((clone / "params.yaml").read_text(encoding="utf-8"))
        proposed = [str(model) for model in params["models"]]
        with (clone / "params.yaml").open("w", encoding="utf-8") as file:
            _YAML.dump(params | {"models": models or proposed}, file)
        for verb in ("fetch", "prepare", "split"):
            made.run(verb)
        images = len(tables.read_index(paths.index_path(clone, "train")))
        print(f"{competition}, {of_each} of each class, seed {seed}: init proposes {', '.join(proposed)}", flush=True)
        for model in models or proposed:
            cpu = made.run("train", model).cpu
            card = cards.read_card(paths.card_path(clone, model), cards.ModelCard)
            (low, high), loss = card.interval, card.scores.get("log_loss", math.nan)
            score = f"accuracy {card.pooled:.4f} [{low:.4f}, {high:.4f}], log loss {loss:.4f}"
            print(f"{competition}:{of_each}, {images} images, {model}: {score}, {cpu:.0f} CPU s", flush=True)


def main() -> None:
    """Prints a line per draw and model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("draws", nargs="+", metavar="COMPETITION:OF_EACH_CLASS")
    parser.add_argument("--models", nargs="+", default=[], help="by default those that init proposes")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    options = parser.parse_args()
    for words in options.draws:
        competition, _, count = words.partition(":")
        measure(competition, int(count), options.models, options.seed)


if __name__ == "__main__":
    main()
