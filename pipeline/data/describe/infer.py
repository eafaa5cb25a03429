"""Looks at a folder or zip that nobody described and infers a competition's file from names, tables and a few images.

Never a silent guess: what can be read in two ways stops with the candidates; what was guessed is listed to check.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core.errors import InputError, some
from pipeline.data.describe.folders import class_folders, class_names
from pipeline.data.describe.listing import Listing, open_listing
from pipeline.data.describe.match import Choices, Images, Reading, below
from pipeline.data.describe.metric import metric_of, read_metric
from pipeline.data.describe.names import ClassNames, read_names
from pipeline.data.describe.storage import read_storage
from pipeline.data.describe.submission import find_sample, find_solution, read_submission, read_test
from pipeline.data.describe.train import read_train

_ALPHABET = 20  # letters
MIRROR = {
    True: "mirror is true: set it to false where a mirrored image may change its class (digits, letters, text)",
    False: "mirror is false, as the classes may be digits or letters: set it to true where they are not",
}


@dataclass(frozen=True)
class Inferred:
    """What a competition's file will say.

    Attributes:
        summary: what the source holds.
        sections: train, test, storage, metric and submission.
        solution: a file of true test labels, if there is one.
        names: what people call the labels, where a JSON says so beyond doubt.
        mirror: whether a mirrored image keeps its class, as far as the classes tell.
    """

    summary: str
    sections: dict[str, Reading]
    solution: str | None
    names: ClassNames
    mirror: bool

    @property
    def check(self) -> list[str]:
        """All that was guessed."""
        sections = [line for reading in self.sections.values() for line in reading.check]
        return [*sections, *self.names.check, MIRROR[self.mirror]]


def infer(source: Path, choices: Choices, metric: str | None) -> Inferred:
    """Reads a folder or zip.

    Args:
        source: the folder or zip.
        choices: what the user decided.
        metric: its name, ``top_3_accuracy`` for top-k; None guesses by the submission's format.

    Raises:
        InputError: something is missing, can be read in several ways, or is a layout that the pipeline does not read.
    """
    score = None if metric is None else metric_of(metric)
    with open_listing(source) as listing:
        images = Images(listing.images)
        _require_tests(listing, images, choices)
        sample = find_sample(listing, choices)
        solution = find_solution(listing, sample)
        tables = [path for path in listing.tables if path not in (sample.path, solution)]
        train = read_train(listing, images, tables, sample.columns, choices)
        test, id_column = read_test(listing, images, sample, train, choices)
        submission = read_submission(sample, id_column, train.classes, score, choices)
        storage = read_storage(listing, train.images, train.pixels)
        names = read_names(listing, train.classes)
        train = replace(train, check=train.check + _leftovers(images, train, test))
        summary = (
            f"{len(listing.members):,} files, {len(images.paths):,} of them images, tables: {', '.join(listing.tables)}"
        )
    metric_reading = read_metric(score, submission)
    sections = {"train": train, "test": test, "storage": storage, "metric": metric_reading, "submission": submission}
    return Inferred(summary, sections, solution, names, not _are_characters(train.classes))


def _leftovers(images: Images, train: Reading, test: Reading) -> tuple[str, ...]:
    """Images in the layout's folders that no row names: prepare refuses them."""
    used = {*train.images, *test.images}
    folders = {str(reading.section["images"]) for reading in (train, test) if "images" in reading.section}
    left = [path for path in images.paths if path not in used and any(below(folder, path) for folder in folders)]
    return (f"{len(left):,} images are named by no row, prepare will refuse them: {some(left, 3)}",) if left else ()


def _are_characters(classes: Sequence[str]) -> bool:
    """Says whether the classes are the ten digits or an alphabet: a mirror turns these into others or into none.

    Fewer numbers are mostly codes, as cassava's 0 to 4.
    """
    letters = {name.lower() for name in classes if re.fullmatch(r"[A-Za-z]", name)}
    return set(classes) == set(string.digits) or len(letters) >= _ALPHABET


def _require_tests(listing: Listing, images: Images, choices: Choices) -> None:
    """Stops at a data set of class folders that nobody made a competition of.

    Raises:
        InputError: folders of classes, but no table at all.
    """
    folders = class_folders(images)
    if folders and not listing.tables and choices.sample is None:
        told = [
            f"{name} ({len(class_names(images, name))} classes, {len(images.under(name)):,} images)" for name in folders
        ]
        raise InputError(
            f"{listing.source} has one folder per class, {some(told)}, but no table: neither test images nor a sample "
            "submission. Move images that shall be predicted into a folder test/ of their own and list them in "
            "sample_submission.csv (id,label)"
        )
