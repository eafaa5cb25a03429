"""What is said of new pictures, as a table, CSV or JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.core.errors import printable
from pipeline.inference.predictor import Prediction, Predictor

Format = Literal["table", "csv", "json"]
TOP = 3
_WIDE = 10_000  # letters of a line that is never broken: a table is read by programs, too


@dataclass(frozen=True)
class Guess:
    """A class and its probability; ``label`` as the competition writes it, ``name`` as people do."""

    label: str
    name: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What is said of one picture.

    Attributes:
        picture: its path, or what it is called.
        guesses: the likeliest classes, best first; none for a file that is no picture.
        usual: share of known pictures that look as strange or stranger.
        unknown: whether that is so few that it is taken for none of the classes.
        problem: what is wrong with the file.
    """

    picture: str
    guesses: tuple[Guess, ...] = ()
    usual: float | None = None
    unknown: bool = False
    problem: str = ""


def answers(names: Sequence[str], said: Prediction, predictor: Predictor, rate: float) -> list[Answer]:
    """Puts predictions into words.

    Args:
        names: of the pictures.
        said: of them.
        predictor: who said it.
        rate: share of known pictures that may be called unknown.
    """
    found = []
    for name, probs, usual in zip(names, said.probs, said.usual, strict=True):
        best = np.argsort(-probs, kind="stable")[:TOP]
        guesses = tuple(Guess(predictor.classes[one], predictor.class_names[one], float(probs[one])) for one in best)
        found.append(Answer(name, guesses, float(usual), bool(usual <= rate)))
    return found


def written(found: Sequence[Answer], kind: Format) -> str:
    """Writes answers as text that ends in a line break."""
    return {"table": _table, "csv": _csv, "json": _json}[kind](found)


def _table(found: Sequence[Answer]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text(printable(text))

    table = Table("picture", *(f"guess {place}" for place in range(1, TOP + 1)), "unknown?", box=None, pad_edge=False)
    for one in found:
        if one.problem:
            table.add_row(cell(one.picture), cell(one.problem))
            continue
        said = [cell(f"{guess.name} {guess.probability:.3f}") for guess in one.guesses]
        said += [Text("")] * (TOP - len(said))
        table.add_row(cell(one.picture), *said, "unknown" if one.unknown else "")
    out = io.StringIO()
    Console(file=out, width=_WIDE, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _csv(found: Sequence[Answer]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    guesses = [f"{what}_{place}" for place in range(1, TOP + 1) for what in ("class", "probability")]
    writer.writerow(["picture", *guesses, "unknown", "p_known", "problem"])
    for one in found:
        cells = [cell for guess in one.guesses for cell in (guess.label, f"{guess.probability:.6f}")]
        cells += [""] * (2 * TOP - len(cells))
        known = f"{one.usual:.6f}" if one.usual is not None else ""
        writer.writerow([one.picture, *cells, "" if one.problem else str(one.unknown).lower(), known, one.problem])
    return out.getvalue()


def _json(found: Sequence[Answer]) -> str:
    return json.dumps([told(one) for one in found], indent=2, ensure_ascii=False) + "\n"


def told(one: Answer) -> dict[str, object]:
    """Returns an answer as JSON has it."""
    if one.problem:
        return {"picture": one.picture, "problem": one.problem}
    guesses = [{"class": guess.label, "name": guess.name, "probability": guess.probability} for guess in one.guesses]
    return {"picture": one.picture, "guesses": guesses, "unknown": one.unknown, "p_known": one.usual}
