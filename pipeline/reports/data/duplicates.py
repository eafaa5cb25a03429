"""Duplicate images: within train, with different labels, and in both train and test."""

from collections.abc import Sequence

import pandas as pd

from pipeline.data.prepared.duplicates import Duplicates, find_duplicates
from pipeline.page.blocks import render_heading, render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_picture_group, render_side_by_side
from pipeline.reports.data.prepared_data import PreparedData, format_count, shorten_id

_SETS, _IMAGES = 18, 4  # sets shown of each kind, images shown of each set
_METHOD = (
    "Near duplicates have the same perceptual hash, which tolerates another compression, size or brightness. "
    "Images of one set are in one fold while split.group_duplicates is true."
)


def show_duplicates(data: PreparedData) -> Part:
    """Shows exact and near duplicates side by side."""
    exact, near = find_duplicates(data.train, data.test, ("hash",)), find_duplicates(data.train, data.test)
    conflicting = set(near.conflicts)
    numbers = {
        "exact_sets": len(exact.sets),
        "near_sets": len(near.sets),
        "conflicting_sets": len(near.conflicts),
        "train_test_sets": len(near.across),
    }
    summary = _summarise(exact, near, len(data.test))
    blocks = [render_paragraph(summary), render_note(_METHOD)]
    findings = []
    if near.conflicts:
        sets = format_count(len(near.conflicts), "set of duplicates carries", "sets of duplicates carry")
        findings.append(f"{sets} different labels ({_describe_match(len(exact.conflicts), len(near.conflicts))}).")
        advice = "Of identical images at most one label can be right; check near duplicates by eye."
        blocks += [
            render_heading("With different labels"),
            render_warning(advice),
            *_render_sets(data, [(ids, ()) for ids in near.conflicts], exact),
        ]
    if near.across:
        known, equal = (sum(len(test) for _, test in duplicates.across) for duplicates in (near, exact))
        sets = format_count(known, "test image has a duplicate", "test images have a duplicate")
        findings.append(f"{sets} among the training images, with a label ({_describe_match(equal, known)}).")
        blocks += [
            render_heading("In both train and test"),
            render_paragraph(findings[-1]),
            *_render_sets(data, near.across, exact),
        ]
    rest = [(ids, ()) for ids in near.sets if ids not in conflicting]
    if rest:
        blocks += [render_heading("Within train, with the same label"), *_render_sets(data, rest, exact)]
    frame = pd.DataFrame(
        [("train", "=".join(ids), ids in conflicting) for ids in near.sets]
        + [("train and test", "=".join((*train, *test)), False) for train, test in near.across],
        columns=["where", "ids", "different_labels"],
    )
    return Part(PageSection("Duplicates", blocks), numbers, {"duplicates": frame}, tuple(findings))


def _summarise(exact: Duplicates, near: Duplicates, test: int) -> str:
    images = sum(len(ids) for ids in near.sets)
    if not near.sets and not near.across:
        return "There are no duplicates" + (
            ", neither within train nor across train and test." if test else " within train."
        )
    within = (
        f"{format_count(images, 'training image belongs', 'training images belong')} to "
        f"{format_count(len(near.sets), 'set')} of duplicates ({_describe_match(len(exact.sets), len(near.sets))})"
        if near.sets
        else "There are no duplicates within train"
    )
    between = (
        f"{format_count(len(near.across), 'set spans', 'sets span')} train and test"
        if near.across
        else "none spans train and test"
    )
    return f"{within}; {between}." if test else f"{within}."


def _describe_match(exact: int, near: int) -> str:
    return "identical pixels" if exact == near else f"{exact:,} with identical pixels, the others near duplicates"


def _render_sets(
    data: PreparedData, sets: Sequence[tuple[Sequence[str], Sequence[str]]], exact: Duplicates
) -> list[Html]:
    """Shows sets as rows of pictures.

    Args:
        data: of the competition.
        sets: training ids and test ids of each.
        exact: the duplicates with identical pixels.
    """
    same = {name: number for number, ids in enumerate(exact.sets) for name in ids}
    pairs = {(ids[0], other[0]) for ids, other in exact.across}
    place = {
        part: dict(zip(data.index(part)["id"], range(len(data.index(part))), strict=True)) for part in ("train", "test")
    }
    groups = []
    for train, test in sets[:_SETS]:
        rows = [place["train"][name] for name in train][:_IMAGES]
        others = [place["test"][name] for name in test][:_IMAGES]
        labels = [data.names[data.labels[row]] for row in rows]
        pictures = data.pictures(
            "train", rows, [f"{shorten_id(name)}: {label}" for name, label in zip(train, labels, strict=False)]
        )
        pictures += (
            data.pictures("test", others, [f"{shorten_id(name)}: test" for name in test[:_IMAGES]]) if others else []
        )
        whole = len({same.get(name, name) for name in train}) == 1 and (not test or (train[0], test[0]) in pairs)
        more = len(train) + len(test) - len(pictures)
        groups.append(
            render_picture_group(
                "identical pixels" if whole else "near duplicates", pictures, f"and {more:,} more" if more else ""
            )
        )
    left = len(sets) - _SETS
    return [
        render_side_by_side(groups),
        *([render_note(f"{left:,} more sets are listed in reports/explore/duplicates.csv.")] if left > 0 else []),
    ]
