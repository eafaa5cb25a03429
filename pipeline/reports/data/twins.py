"""Images that are there twice: within train, with different labels, and on both sides of the test line."""

from collections.abc import Sequence

import pandas as pd

from pipeline.data.prepared.duplicates import Duplicates, find_duplicates
from pipeline.page.blocks import render_heading, render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import render_picture_group, render_side_by_side
from pipeline.reports.data.material import Seen, many, short_id

_SETS, _IMAGES = 18, 4  # sets shown of each kind, images shown of each set


def twins(seen: Seen) -> Part:
    """Exact and near duplicates as pairs of pictures."""
    exact, near = find_duplicates(seen.train, seen.test, ("hash",)), find_duplicates(seen.train, seen.test)
    conflicting = set(near.conflicts)
    numbers = {
        "exact_sets": len(exact.sets),
        "near_sets": len(near.sets),
        "conflicting_sets": len(near.conflicts),
        "train_test_sets": len(near.across),
    }
    said = _said(exact, near, len(seen.test))
    blocks = [render_paragraph(said), *_note(seen)]
    findings = []
    if near.conflicts:
        told = many(len(near.conflicts), "set of duplicates carries", "sets of duplicates carry")
        findings.append(f"{told} different labels ({_equal(len(exact.conflicts), len(near.conflicts))}).")
        right = "Of equal images at most one label is right; of images that look the same, look yourself."
        blocks += [
            render_heading("With different labels"),
            render_warning(right),
            *_shown(seen, [(ids, ()) for ids in near.conflicts], exact),
        ]
    if near.across:
        known, equal = (sum(len(test) for _, test in found.across) for found in (near, exact))
        told = many(known, "test image has a twin", "test images have a twin")
        findings.append(f"{told} among the training images, with a label ({_equal(equal, known)}).")
        blocks += [
            render_heading("In train and in test"),
            render_paragraph(findings[-1]),
            *_shown(seen, near.across, exact),
        ]
    rest = [(ids, ()) for ids in near.sets if ids not in conflicting]
    if rest:
        blocks += [render_heading("Within train, with one label"), *_shown(seen, rest, exact)]
    frame = pd.DataFrame(
        [("train", "=".join(ids), ids in conflicting) for ids in near.sets]
        + [("train and test", "=".join((*train, *test)), False) for train, test in near.across],
        columns=["where", "ids", "different_labels"],
    )
    return Part(PageSection("Duplicates", blocks), numbers, {"duplicates": frame}, tuple(findings))


def _said(exact: Duplicates, near: Duplicates, test: int) -> str:
    images = sum(len(ids) for ids in near.sets)
    if not near.sets and not near.across:
        return "No image is there twice" + (
            ", neither within train nor across train and test." if test else " within train."
        )
    within = (
        f"{many(images, 'training image belongs', 'training images belong')} to {many(len(near.sets), 'set')} of "
        f"duplicates ({_equal(len(exact.sets), len(near.sets))})"
        if near.sets
        else "Within train no image is there twice"
    )
    between = (
        f"{many(len(near.across), 'set spans', 'sets span')} train and test"
        if near.across
        else "none spans train and test"
    )
    return f"{within}; {between}." if test else f"{within}."


def _equal(exact: int, near: int) -> str:
    return "equal pixel by pixel" if exact == near else f"{exact:,} equal pixel by pixel, the others by their look"


def _note(seen: Seen) -> list[Html]:
    how = (
        "Near duplicates share a perceptual hash: they survive another compression, size or brightness. "
        "Images of one set share a fold while split.group_duplicates is true."
    )
    return [render_note(how)]


def _shown(seen: Seen, sets: Sequence[tuple[Sequence[str], Sequence[str]]], exact: Duplicates) -> list[Html]:
    """Shows sets as rows of pictures.

    Args:
        seen: the competition.
        sets: training ids and test ids of each.
        exact: what is equal pixel by pixel.
    """
    same = {name: number for number, ids in enumerate(exact.sets) for name in ids}
    pairs = {(ids[0], other[0]) for ids, other in exact.across}
    place = {
        part: dict(zip(seen.index(part)["id"], range(len(seen.index(part))), strict=True)) for part in ("train", "test")
    }
    made = []
    for train, test in sets[:_SETS]:
        rows = [place["train"][name] for name in train][:_IMAGES]
        others = [place["test"][name] for name in test][:_IMAGES]
        labels = [seen.names[seen.labels[row]] for row in rows]
        pictures = seen.pictures(
            "train", rows, [f"{short_id(name)}: {label}" for name, label in zip(train, labels, strict=False)]
        )
        pictures += (
            seen.pictures("test", others, [f"{short_id(name)}: test" for name in test[:_IMAGES]]) if others else []
        )
        whole = len({same.get(name, name) for name in train}) == 1 and (not test or (train[0], test[0]) in pairs)
        more = len(train) + len(test) - len(pictures)
        made.append(
            render_picture_group(
                "equal pixels" if whole else "look the same", pictures, f"and {more:,} more" if more else ""
            )
        )
    left = len(sets) - _SETS
    return [
        render_side_by_side(made),
        *([render_note(f"{left:,} more sets stand in reports/explore/duplicates.csv.")] if left > 0 else []),
    ]
