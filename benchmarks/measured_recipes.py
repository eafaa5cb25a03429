"""Adds the models trained on the active competition to the table from which plans are made.

    python -m benchmarks.measured_recipes

One row per recipe and competition in configs/measured_recipes.csv, from the models' cards; a row that is there is
replaced. Models of which some folds alone were trained are left out. Time is as the machine was: name it in
benchmarks/README.md.
"""

from pathlib import Path

from pipeline.core import cards, paths, tables
from pipeline.core.active import active_name
from pipeline.core.paths import find_root, measured_recipes_path
from pipeline.images.store import open_store


def make_row(root: Path, card: cards.ModelCard) -> str:
    """Returns the line of a model."""
    side = min(open_store(paths.store_path(root, "train")).shape[1:3])
    images = len(tables.read_index(paths.index_path(root, "train")))
    error, features = 1 - card.scores["accuracy"], card.feature_seconds
    seconds = max(card.train_seconds + features, 1)
    return f"{card.model},{card.competition},{side},{images},{error:.4f},{seconds:.0f},{features:.0f}"


def main() -> None:
    """Reads the cards below folds/ and rewrites the table."""
    root = find_root()
    folds = tables.read_folds(paths.folds_path(root))["fold"].nunique()
    path = measured_recipes_path(root)
    lines = path.read_text(encoding="utf-8").splitlines()
    for file in sorted((root / "folds").glob("*/card.json")):
        if file.parent.name == paths.ENSEMBLE:
            continue
        card = cards.read_card(file, cards.ModelCard)
        if len(card.fold_scores) < folds or card.competition != active_name(root) or "accuracy" not in card.scores:
            print(f"{card.model}: left out")
            continue
        row = make_row(root, card)
        beginning = f"{card.model},{card.competition},"
        lines = [line for line in lines if not line.startswith(beginning)] + [row]
        print(row)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
