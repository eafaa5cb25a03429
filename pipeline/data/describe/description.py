"""The description of a new competition: its files are read (names, tables, a few images), its sections follow.

Never a silent guess: two possible readings stop with the candidates; every guess is listed to check.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.ids import find_look_alikes, natural_order, refuse_look_alikes
from pipeline.core.picture_formats import find_suffix_format
from pipeline.data.describe.answers import describe_answer
from pipeline.data.describe.class_codes import list_class_codes
from pipeline.data.describe.classes import ClassNames, describe_class_names
from pipeline.data.describe.code_columns import pair_codes
from pipeline.data.describe.columns import describe_columns
from pipeline.data.describe.folders import find_class_folders, list_class_folders
from pipeline.data.describe.joined_tables import take_joined
from pipeline.data.describe.left_out import leave_others_out
from pipeline.data.describe.listing import Listing, open_listing
from pipeline.data.describe.match import Choices, ImageFiles, Reading, is_below, is_id, parent_folder
from pipeline.data.describe.metric import describe_metric, parse_metric
from pipeline.data.describe.packed_train import describe_packed_train
from pipeline.data.describe.padded_names import find_padded
from pipeline.data.describe.questions import refuse_questions
from pipeline.data.describe.sample import find_sample, find_solution, is_other_sample
from pipeline.data.describe.storage import describe_storage
from pipeline.data.describe.test_images import describe_test
from pipeline.data.describe.test_tables import list_whole_test
from pipeline.data.describe.train import describe_train
from pipeline.data.describe.unread import check_names, format_unread, unread_named

_ALPHABET = 20  # letters
_CHARACTERS = re.compile(r"grapheme|glyph|letter|character|digit|kanji|kana", re.IGNORECASE)
MIRROR = {
    True: "mirror is true: set it to false if a mirrored image may belong to another class (digits, letters, text)",
    False: "mirror is false, as the classes may be digits or letters: set it to true if they are not",
}


@dataclass(frozen=True)
class Description:
    """The sections of a competition's file, as read off its files.

    Attributes:
        summary: the number of files and images, and the tables.
        sections: train, test, storage, metric and submission.
        solution: a file of true test labels, if there is one.
        names: names of the labels to show, where a JSON gives them beyond doubt.
        mirror: whether a mirrored image keeps its class, judged by the names of the classes.
        encoding: of tables that are not UTF-8, as the user gave it.
    """

    summary: str
    sections: dict[str, Reading]
    solution: str | None
    names: ClassNames
    mirror: bool
    encoding: str | None = None

    @property
    def check(self) -> list[str]:
        """Every guess, for a person to check."""
        sections = [line for reading in self.sections.values() for line in reading.check]
        return [*sections, *self.names.check, MIRROR[self.mirror]]


def describe_files(source: Path, choices: Choices, metric: str | None) -> Description:
    """Describes the files of a folder or zip.

    Args:
        source: the folder or zip.
        choices: the user's decisions.
        metric: its name, ``top_3_accuracy`` for top-k; None guesses by the submission's format.

    Raises:
        InputError: something is missing, can be read in several ways, or is a layout that the pipeline does not read.
    """
    if metric is not None:
        parse_metric(metric)
    choices = replace(choices, metric=metric)
    with open_listing(source, choices.encoding) as listing, unread_named(listing):
        images, twins = _without_twins(listing.images, choices)
        images = find_padded(listing, images)
        _require_tests(listing, images, choices)
        sample = find_sample(listing, images, choices)
        solution = find_solution(listing, sample)
        refuse_questions(listing, images, sample)
        tables = [path for path in listing.tables if path not in (sample.path, solution)]
        tables = [path for path in tables if not is_other_sample(listing, path, sample)]
        tables += [path for path in listing.row_tables if not _lists_tests(listing.table(path), sample.table)]
        tables = take_joined(listing, tables, choices.train)
        packed = partial(describe_packed_train, listing, tables, sample, choices)
        train = describe_train(listing, images, tables, sample, choices, packed)
        if choices.order is not None and train.kind != "grades":
            raise InputError(
                f"--order {choices.order} is for one target of grades, and this one is {train.kind}; leave --order "
                "out, or read one column, folders or file names as --target grades"
            )
        test, id_column = describe_test(listing, images, sample, train, choices)
        others = [path for path in tables if path != train.section.get("table")]
        test = list_whole_test(listing, images, others, sample.table, train, test)
        _refuse_other_folders(images, train, test)
        own = (sample.path, str(train.section.get("table")))
        codes = list_class_codes(listing, images, train.classes, sample.table, own)
        codes += pair_codes(listing, train, [name for name in sample.columns if name != id_column], choices)
        submission = describe_answer(replace(sample, codes=codes), id_column, train, test, choices)
        if "group" in test.section:
            submission = _answer_by_group(submission)
        storage = describe_storage(listing, train)
        columns = describe_columns(listing, tables, sample.table, train, test)
        names = describe_class_names(listing, train.classes)
        refuse_look_alikes(train.classes, str(source))
        names_read = check_names(listing)
        train = leave_others_out(listing, images, [path for path in tables if path not in own], train, test)
        checks = (
            *sample.check,
            *train.check,
            *twins,
            *names_read,
            *_differ_by_case(train.classes),
            *_leftovers(images, train, test),
        )
        train = replace(train, check=checks if columns.section else (*checks, *columns.check))
        summary = (
            f"{len(listing.members):,} files, {len(images.paths):,} of them images, "
            f"tables: {', '.join([*listing.tables, *listing.row_tables])}"
        )
        if unread := format_unread(listing):
            summary += f"; not read: {unread}"
    more = {name: Reading(section) for name, section in train.more.items()}
    more |= {"columns": columns} if columns.section else {}
    target = {"target": Reading(train.target)} if train.target else {}
    sections = {"train": train, "test": test, **target, "storage": storage}
    sections |= {"metric": describe_metric(metric, submission, train), "submission": submission, **more}
    return Description(summary, sections, solution, names, not _are_characters(train), choices.encoding)


def _differ_by_case(classes: Sequence[str]) -> tuple[str, ...]:
    alike = [" and ".join(names) for names in find_look_alikes(classes, ignore_case=True)]
    return (
        (f"classes that differ by capital letters alone are classes of their own: {some(alike, 5)}",) if alike else ()
    )


def _without_twins(paths: list[str], choices: Choices) -> tuple[ImageFiles, tuple[str, ...]]:
    """Leaves DICOM and TIFF files out where each has a plain picture of its name: the same images a second time.

    Returns:
        The images, and the choices to check.
    """
    checks = []
    for kind in ("DICOM", "TIFF") if choices.train is None and choices.test is None else ():
        twins = {path for path in paths if find_suffix_format(path) == kind}
        plain = {} if not twins else {PurePosixPath(path).stem: path for path in paths if path not in twins}
        apart = {parent_folder(path) for path in twins}.isdisjoint(map(parent_folder, plain.values()))
        if twins and apart and all(PurePosixPath(path).stem in plain for path in twins):
            one = min(twins)
            checks.append(
                f"{len(twins):,} {kind} files have the names of plain pictures, which are taken "
                f"({plain[PurePosixPath(one).stem]} for {one}); --train and --test choose the {kind} files"
            )
            paths = [path for path in paths if path not in twins]
    return ImageFiles(paths), tuple(checks)


def _answer_by_group(submission: Reading) -> Reading:
    """One answer for all images of a group: a product, of which a container holds several."""
    return replace(
        submission, section={**submission.section, "unit": {"test": {"by": "group"}, "train": {"by": "group"}}}
    )


def _lists_tests(table: pd.DataFrame, sample: pd.DataFrame) -> bool:
    """Says whether a table lists the images of the sample submission: then it is no training data."""
    asked = [set(sample[name]) for name in sample.columns if is_id(sample[name])]
    return any(set(table[name]) == ids for name in table.columns for ids in asked)


def _leftovers(images: ImageFiles, train: Reading, test: Reading) -> tuple[str, ...]:
    """Images in the layout's folders that no row names: prepare refuses them."""
    used = {*train.images, *test.images}
    folders = {str(reading.section["images"]) for reading in (train, test) if "images" in reading.section}
    left = [path for path in images.paths if path not in used and any(is_below(folder, path) for folder in folders)]
    # Prepare leaves those out by itself, or by this rule, and says so.
    left = [] if "files" in train.section or "not_in_table" in train.more.get("leave_out", {}) else left
    words = f"{len(left):,} images have no row in any table, prepare will refuse them: {some(left, 3)}"
    lines = [f"{words}; leave_out: {{not_in_table: true}} leaves them out"] if left else []
    apart = [path for path in images.paths if not any(is_below(folder, path) for folder in folders)]
    if apart:
        others = natural_order(sorted({parent_folder(path) for path in apart}))
        lines.append(
            f"{len(apart):,} images are used neither for training nor for testing; they are in {some(others, 5)}"
        )
    return tuple(lines)


def _refuse_other_folders(images: ImageFiles, train: Reading, test: Reading) -> None:
    """Refuses folders beside the classes that are neither: prepare would take them for classes.

    Raises:
        InputError: a folder of test images beside folders of classes, and the test images lie elsewhere.
    """
    if train.section["layout"] != "folders":
        return
    whole, tests = train.section["images"], test.section.get("images")
    inner = {name for name in images.by_folder if name not in (".", tests) and parent_folder(name) == whole}
    if others := sorted(name for name in inner if PurePosixPath(name).name not in train.classes):
        raise InputError(
            f"{some(others)} is next to folders of classes ({some(train.classes)}), but the test images were read "
            f"from {tests}; choose --test '{others[0]}', or give the folder of classes with --train"
        )


def _are_characters(train: Reading) -> bool:
    """Says whether the classes are the ten digits or an alphabet: a mirror turns these into others or into none.

    Fewer numbers are mostly codes, as cassava's 0 to 4, unless the column of the answer is called after characters.
    """
    classes, label = train.classes, train.section.get("label", "")
    letters = {name.lower() for name in classes if re.fullmatch(r"[A-Za-z]", name)}
    named = any(_CHARACTERS.search(str(name)) for name in ([label] if isinstance(label, str) else label))
    return set(classes) == set(string.digits) or len(letters) >= _ALPHABET or named


def _require_tests(listing: Listing, images: ImageFiles, choices: Choices) -> None:
    """Refuses a data set of class folders without test images and a sample submission.

    Raises:
        InputError: folders of classes, but no table at all.
    """
    folders = find_class_folders(images)
    if folders and not listing.tables and choices.sample is None:
        counts = [
            f"{name} ({len(list_class_folders(images, name))} classes, {len(images.under(name)):,} images)"
            for name in folders
        ]
        raise InputError(
            f"{listing.source} has one folder per class, {some(counts)}, but no table: neither test images nor a "
            "sample submission. Move the images to predict into a separate folder test/ and list them in "
            "sample_submission.csv (id,label)"
        )
