"""Writes the tables of scores and of recipes into the documents that hold them.

    python -m benchmarks.score_tables

Scores come from benchmarks/scores.csv, a line for each run; costs and errors of recipes from
configs/measured_recipes.csv. A document marks a table's place by a line `<!-- table: NAME ... -->` and another
`<!-- end of table -->`.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from pipeline.core.files import write_text
from pipeline.core.paths import find_root, model_path
from pipeline.planning.prior import DataSize, MeasuredRecipe, estimate_recipe, read_measured_recipes

DOCUMENTS = ("README.md", "docs/recipes.md")
SHOWN = 8  # recipes of one table
_PLACE = re.compile(r"(<!-- table: (\w+)((?: \w+)*) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_HEADER = {
    "competition": "competition",
    "model": "model",
    "metric": "metric",
    "folds": "mean ± std over folds",
    "pooled": "pooled [95 %]",
    "top_3": "top-3",
    "seconds": "seconds to train",
    "parameters": "parameters",
}


def read_scores(root: Path) -> list[dict[str, str]]:
    """Reads the lines of benchmarks/scores.csv."""
    with (root / "benchmarks" / "scores.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def choose_best(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Chooses the best line of each competition, and the best single model of the one with most lines."""
    lines = defaultdict(list)
    for row in sorted(rows, key=_rank):
        lines[row["competition"]].append(row)
    most = max(lines, key=lambda name: len(lines[name]))
    single = next(row for row in lines[most] if row["parameters"])
    chosen = [lines[name][0] for name in dict.fromkeys(row["competition"] for row in rows)]
    place = next(place for place, row in enumerate(chosen) if row["competition"] == most)
    return [*chosen[: place + 1], *([single] if single is not chosen[place] else []), *chosen[place + 1 :]]


def _rank(row: dict[str, str]) -> float:
    value = float(row["pooled"].split()[0])
    return value if row["metric"] == "log_loss" else -value


def make_table(root: Path, kind: str, words: tuple[str, ...]) -> str:
    """Makes a table.

    Args:
        root: the repository.
        kind: ``best`` and ``scores`` of benchmarks/scores.csv; ``measured`` and ``expected`` of recipes.
        words: a competition for ``measured``; side in pixels and number of images for ``expected``.
    """
    makers: dict[str, Callable[[], str]] = {
        "best": lambda: _score_table(choose_best(read_scores(root))),
        "scores": lambda: _score_table(read_scores(root)),
        "measured": lambda: _measured(read_measured_recipes(root), words[0]),
        "expected": lambda: _expected(root, DataSize(int(words[0]), int(words[1]))),
    }
    return makers[kind]()


def fill_tables(root: Path, text: str) -> str:
    """Returns a document with all its tables made anew."""
    return _PLACE.sub(lambda m: m[1] + make_table(root, m[2], tuple(m[3].split())) + m[4], text)


def _score_table(rows: list[dict[str, str]]) -> str:
    return _markdown(list(_HEADER.values()), [[row[key] for key in _HEADER] for row in rows])


def _measured(rows: tuple[MeasuredRecipe, ...], competition: str) -> str:
    mine = sorted((row for row in rows if row.competition == competition), key=lambda row: row.error)[:SHOWN]
    return _markdown(
        ["recipe", "wrong, out-of-fold", "all five folds", "of these, features that recipes share"],
        [[f"`{r.recipe}`", f"{r.error:.1%}", _time(r.seconds), _time(r.features) if r.features else ""] for r in mine],
    )


def _expected(root: Path, size: DataSize) -> str:
    """Reckons recipes that see photographs: those on backbones, which bring every image to a size of their own."""
    rows = read_measured_recipes(root)
    coloured = (row.recipe for row in rows if row.competition in ("animals15", "dogs10"))
    names = [name for name in dict.fromkeys(coloured) if _has_backbone(root, name)]
    found = [(name, estimate_recipe(name, size, rows)) for name in names]
    listed = sorted((each.relative_error, name, each) for name, each in found if each is not None)[:SHOWN]
    return _markdown(
        ["recipe", "all five folds, expected", "rows behind it"],
        [[f"`{name}`", _time(each.seconds), str(each.rows)] for _, name, each in listed],
    )


def _has_backbone(root: Path, name: str) -> bool:
    return "name: pretrained" in model_path(root, name).read_text(encoding="utf-8")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    first, *rest = (f"| {' | '.join(cells)} |\n" for cells in (header, *rows))
    return "".join([first, "|---" * len(header) + "|\n", *rest])


def main() -> None:
    """Writes the tables."""
    root = find_root()
    for name in DOCUMENTS:
        path = root / name
        write_text(path, fill_tables(root, path.read_text(encoding="utf-8")))
        print(f"wrote the tables of {name}")


if __name__ == "__main__":
    main()
