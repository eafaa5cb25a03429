"""Test set: the section about class shares that differ from training's."""

import pandas as pd

from pipeline.ensemble.shift_sentences import describe_shift
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.parts import Part
from pipeline.page.table import Column, FormattedNumber, render_table
from pipeline.reports.models.evaluation_data import EvaluationData

_MOST = 30


def show_class_shares(data: EvaluationData) -> Part | None:
    """Shows how the test set's estimated class shares differ from training's; None where they do not."""
    card = data.ensemble_card
    if card is None or card.shift is None or not card.shift.shares:
        return None
    shift = card.shift
    readable = dict(zip(data.members.target.columns, data.names, strict=True))
    named = {readable[name]: share for name, share in shift.shares.items()}
    card = card.model_copy(update={"shift": shift.model_copy(update={"shares": named})})
    sentences = describe_shift(card)
    ordered = sorted(named.items(), key=lambda item: -abs(item[1].test - item[1].training))
    columns = [Column("class"), Column("training", ".1%"), Column("test [95%]", ".1%"), Column("times", ".2f")]
    rows = [
        (
            name,
            share.training,
            FormattedNumber(share.test, f"{share.test:.1%} [{share.interval[0]:.1%}, {share.interval[1]:.1%}]"),
            share.test / share.training,
        )
        for name, share in ordered
    ]
    records = [
        {"class": name, "training": share.training, "test": share.test, "low": low, "high": high}
        for name, share in ordered
        for low, high in [share.interval]
    ]
    note = render_note(
        "Estimated by expectation maximisation from the ensemble's calibrated predictions of the test set; the "
        "intervals are of a bootstrap over scored and test images, that of the score is for a test set of this size. "
        "All of it assumes that images of a class look alike in both sets."
    )
    blocks = [render_paragraph(*sentences), render_table("Class shares, most different first", columns, rows[:_MOST])]
    return Part(
        PageSection("Test set", [*blocks, note]),
        {"chance": shift.chance, "distance": shift.distance},
        {"class_shares": pd.DataFrame(records)},
        (" ".join(sentences),),
    )
