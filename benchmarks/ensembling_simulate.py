"""Printed score of the ensemble compared with its score on fresh rows: `python -m benchmarks.ensembling simulate`."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_members import as_members, equal, mixed
from pipeline.core.metrics import get_metric
from pipeline.core.paired import measure_standing
from pipeline.core.scores import LabelledRows
from pipeline.ensemble.combiners.catalogue import COMBINERS
from pipeline.ensemble.fitting import EnsembleParams, fit_ensemble

CREWS = {"mixed": mixed, "equal": equal}
FRESH_ROWS = 20_000


@dataclass(frozen=True)
class Cell:
    """One line of the table; ``without`` names the combiners left out, by commas."""

    crew: str
    members: int
    rows: int
    metric: str
    without: str = ""

    @property
    def params(self) -> EnsembleParams:
        """The pipeline's default, less those left out."""
        left = tuple(name for name in COMBINERS if name not in self.without.split(","))
        return EnsembleParams(combiners=left) if self.without else EnsembleParams()


@dataclass(frozen=True)
class Repeat:
    """Results of one draw of members and rows; all scores by the cell's metric.

    Attributes:
        cell: its line of the table.
        number: of the repeat.
        in_sample: of the chosen, on the out-of-fold rows that it was fitted to.
        nested: the score that the pipeline prints.
        error: standard error of ``nested``, estimated from this run alone.
        fresh: of the chosen on fresh rows.
        mean_nested: of the plain mean on the out-of-fold rows; nothing is fitted, so it needs no nesting.
        mean_fresh: of the plain mean on fresh rows.
        best_fresh: of the member that is best out-of-fold, on fresh rows.
        chosen: name of the combiner.
        temperature: of the combination at the end.
        decision: whether a decision rule is used.
        seconds: of the whole fit.
    """

    cell: Cell
    number: int
    in_sample: float
    nested: float
    error: float
    fresh: float
    mean_nested: float
    mean_fresh: float
    best_fresh: float
    chosen: str
    temperature: float
    decision: bool
    seconds: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the subcommand."""
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--members", type=int, nargs="*", default=[8, 40])
    parser.add_argument("--rows", type=int, nargs="*", default=[300, 1000, 5000])
    parser.add_argument("--crews", nargs="*", default=["mixed"], choices=list(CREWS))
    parser.add_argument("--metrics", nargs="*", default=["accuracy"])
    parser.add_argument("--without", default="", help="combiners that are not tried, by commas: stack_boosting is slow")
    parser.add_argument("--records", type=Path, help="a line of JSON per repeat; those there are not run again")


def run(options: argparse.Namespace) -> None:
    """Prints one line of the table as soon as its repeats are done."""
    print(_HEADER, flush=True)
    for crew in options.crews:
        for metric in options.metrics:
            for members in options.members:
                for rows in options.rows:
                    cell = Cell(crew, members, rows, metric, options.without)
                    print(
                        format_line([_read_or_run(cell, number, options.records) for number in range(options.repeats)]),
                        flush=True,
                    )


def run_repeat(cell: Cell, number: int) -> Repeat:
    """Draws members and rows, fits the ensemble as the pipeline does by default, and scores it on fresh rows."""
    random = np.random.default_rng([number, cell.members, cell.rows])
    crew = CREWS[cell.crew](cell.members, random)
    stacked, labels = crew.draw(cell.rows, random)
    fresh_stacked, fresh_labels = crew.draw(FRESH_ROWS, random)
    metric = get_metric(cell.metric)
    begun = time.perf_counter()
    ensemble = fit_ensemble(as_members(stacked, labels), metric, cell.params)
    seconds = time.perf_counter() - begun
    best = ensemble.members.names.index(ensemble.best)
    printed = measure_standing(LabelledRows(labels, np.arange(cell.rows)), [ensemble.nested], metric)
    return Repeat(
        cell=cell,
        number=number,
        in_sample=metric.score(labels, ensemble(stacked)),
        nested=float(printed.scores[0]),
        error=float(printed.errors[0]),
        fresh=metric.score(fresh_labels, ensemble(fresh_stacked)),
        mean_nested=metric.score(labels, stacked.mean(axis=0)),
        mean_fresh=metric.score(fresh_labels, fresh_stacked.mean(axis=0)),
        best_fresh=metric.score(fresh_labels, fresh_stacked[best]),
        chosen=ensemble.chosen.name,
        temperature=ensemble.post_processing.temperature,
        decision=ensemble.post_processing.decision is not None,
        seconds=seconds,
    )


_HEADER = (
    "| members | metric | in-sample | nested | fresh | in-sample - fresh | nested - fresh | the same, less the luck of "
    "the draw | error of one run | within it | chosen - mean (worst) | chosen - best single (worst) | chosen | s |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def format_line(repeats: Sequence[Repeat]) -> str:
    """Returns a row of the table: means over repeats, +- their standard errors; differences positive when better.

    The luck of the draw is how much easier the out-of-fold rows were than the fresh ones, measured by the plain mean,
    which is not fitted to either.
    """
    cell = repeats[0].cell
    sign = 1 if get_metric(cell.metric).greater_is_better else -1
    scale, digits = (1, 4) if cell.metric == "log_loss" else (100, 2)  # all others are shares: points

    def column(name: str) -> NDArray[np.float64]:
        return scale * np.array([getattr(each, name) for each in repeats])

    def format_mean(values: NDArray[np.float64], plus: str = "+") -> str:
        error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        return f"{values.mean():{plus}.{digits}f} ± {error:.{digits}f}"

    fresh, plain = column("fresh"), column("mean_fresh")
    honest, luck = sign * (column("nested") - fresh), sign * (column("mean_nested") - plain)
    against_mean, against_best = sign * (fresh - plain), sign * (fresh - column("best_fresh"))
    within = int((np.abs(honest) <= column("error")).sum())
    names = Counter(each.chosen for each in repeats).most_common()
    cells = [
        f"{cell.crew} {cell.members} x {cell.rows:,}",
        cell.metric,
        format_mean(column("in_sample"), ""),
        format_mean(column("nested"), ""),
        format_mean(fresh, ""),
        format_mean(sign * (column("in_sample") - fresh)),
        format_mean(honest),
        format_mean(honest - luck),
        f"{column('error').mean():.{digits}f}",
        f"{within} of {len(repeats)}",
        f"{format_mean(against_mean)} ({against_mean.min():+.{digits}f})",
        f"{format_mean(against_best)} ({against_best.min():+.{digits}f})",
        ", ".join(f"{name} {many}" for name, many in names),
        f"{np.mean([each.seconds for each in repeats]):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _read_or_run(cell: Cell, number: int, records: Path | None) -> Repeat:
    """Returns a repeat from the records, or runs it and adds it to them."""
    if records is not None and records.exists():
        for text in records.read_text().splitlines():
            record = json.loads(text)
            if record["cell"] == asdict(cell) and record["number"] == number:
                return Repeat(**record | {"cell": cell})
    one = run_repeat(cell, number)
    if records is not None:
        with records.open("a") as file:
            file.write(json.dumps(asdict(one)) + "\n")
    return one
