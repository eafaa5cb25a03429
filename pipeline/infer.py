"""Looks at a folder or zip that nobody described and infers a competition's file from names, tables and a few images.

Never a silent guess: what can be read in two ways stops with the candidates; what was guessed is listed to check.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, near_names, some
from pipeline.infer_listing import Listing, open_listing
from pipeline.infer_match import Choices, Images, Reading, below
from pipeline.infer_storage import read_storage
from pipeline.infer_submission import find_sample, find_solution, read_submission, read_test
from pipeline.infer_train import read_train
from pipeline.metrics import METRICS, Metric, get_metric


@dataclass(frozen=True)
class Inferred:
    """What a competition's file will say.

    Attributes:
        summary: what the source holds.
        sections: train, test, storage, metric and submission.
        solution: a file of true test labels, if there is one.
    """

    summary: str
    sections: dict[str, Reading]
    solution: str | None

    @property
    def check(self) -> list[str]:
        """All that was guessed."""
        return [line for reading in self.sections.values() for line in reading.check]


def infer(source: Path, choices: Choices, metric: str | None) -> Inferred:
    """Reads a folder or zip.

    Args:
        source: the folder or zip.
        choices: what the user decided.
        metric: its name, ``top_3_accuracy`` for top-k; None guesses by the submission's format.

    Raises:
        InputError: something is missing, can be read in several ways, or is a layout that the pipeline does not read.
    """
    score = None if metric is None else _metric(metric)
    with open_listing(source) as listing:
        images = Images(listing.images)
        sample = find_sample(listing, choices)
        solution = find_solution(listing, sample)
        tables = [path for path in listing.tables if path not in (sample.path, solution)]
        train = read_train(listing, images, tables, sample.columns, choices)
        test, id_column = read_test(listing, images, sample, train, choices)
        submission = read_submission(sample, id_column, train.classes, score, choices)
        storage = read_storage(listing, train.images, train.pixels)
        beside = _names_beside(listing, train.classes)
        train = replace(train, seen=train.seen + beside, check=train.check + _leftovers(images, train, test))
        summary = (
            f"{len(listing.members):,} files, {len(images.paths):,} of them images, tables: {', '.join(listing.tables)}"
        )
    metric_reading = _score(score, submission)
    sections = {"train": train, "test": test, "storage": storage, "metric": metric_reading, "submission": submission}
    return Inferred(summary, sections, solution)


def _metric(name: str) -> Metric:
    top = re.fullmatch(r"top_(\d+)_accuracy", name)
    if top and int(top[1]) > 0:
        return get_metric("top_k_accuracy", int(top[1]))
    if name not in METRICS:
        raise InputError(f"--metric {name} is unknown; {near_names(name, [*METRICS, 'top_3_accuracy'])}")
    return get_metric(name)


def _score(metric: Metric | None, submission: Reading) -> Reading:
    if metric is not None:
        top = re.fullmatch(r"top_(\d+)_accuracy", metric.name)
        section: dict[str, Any] = {"name": "top_k_accuracy", "k": int(top[1])} if top else {"name": metric.name}
        return Reading(section, ("given with --metric",))
    wants = (
        "label" if submission.section["kind"] == "label" and "positive" not in submission.section else "probabilities"
    )
    name = "accuracy" if wants == "label" else "log_loss"
    guess = f"metric {name} is a guess from the submission's format; see the competition's rules, give it with --metric"
    return Reading({"name": name}, (), (guess,))


def _leftovers(images: Images, train: Reading, test: Reading) -> tuple[str, ...]:
    """Images in the layout's folders that no row names: prepare refuses them."""
    used = {*train.images, *test.images}
    folders = {str(reading.section["images"]) for reading in (train, test) if "images" in reading.section}
    left = [path for path in images.paths if path not in used and any(below(folder, path) for folder in folders)]
    return (f"{len(left):,} images are named by no row, prepare will refuse them: {some(left, 3)}",) if left else ()


def _names_beside(listing: Listing, classes: Sequence[str]) -> tuple[str, ...]:
    """What a JSON such as ``label_num_to_disease_map.json`` calls the classes."""
    for path in listing.of(".json"):
        try:
            names = json.loads(listing.read(path, 100_000))
        except ValueError:
            continue
        if isinstance(names, dict) and set(classes) == set(names):
            told = [f"{label} = {names[label]}" for label in classes[:20] if isinstance(names[label], str)]
            return (f"{path} names the classes: {', '.join(told)}",) if told else ()
    return ()
