"""The section about the test set's class shares: only where they differ, with readable names and the score."""

from types import SimpleNamespace
from typing import cast

from support.members import number_classes

from pipeline.core.cards import EnsembleCard
from pipeline.core.shift_cards import ReweightedCard, ShareCard, ShiftCard
from pipeline.reports.models.class_shares_section import show_class_shares
from pipeline.reports.models.evaluation_data import EvaluationData


def evaluation(shift: ShiftCard | None) -> EvaluationData:
    card = EnsembleCard.model_construct(metric="accuracy", pooled=0.9, interval=(0.88, 0.92), shift=shift)
    members = SimpleNamespace(target=number_classes(2))
    return cast(EvaluationData, SimpleNamespace(ensemble_card=card, members=members, names=("ant", "bee")))


def test_there_is_no_section_without_a_difference() -> None:
    assert show_class_shares(evaluation(None)) is None
    assert show_class_shares(evaluation(ShiftCard(chance=0.4))) is None


def test_shares_and_scores_are_named() -> None:
    shares = {
        "0": ShareCard(training=0.5, test=0.8, interval=(0.7, 0.9)),
        "1": ShareCard(training=0.5, test=0.2, interval=(0.1, 0.3)),
    }
    score = ReweightedCard(
        score=0.8, interval=(0.7, 0.85), uncorrected=0.75, corrected=0.8, gain=(0.01, 0.09), applied=True
    )
    part = show_class_shares(evaluation(ShiftCard(chance=0.001, distance=0.3, shares=shares, reweighted=score)))
    assert part is not None
    (finding,) = part.findings
    assert "ant 80.0% [70.0%, 90.0%] instead of 50.0%" in finding
    assert "nested accuracy is 0.8000 [0.7000, 0.8500] instead of 0.9000 [0.8800, 0.9200]" in finding
    assert "are corrected for the shares, without that 0.7500" in finding
    assert part.frames["class_shares"]["class"].tolist() == ["ant", "bee"]
    assert part.numbers == {"chance": 0.001, "distance": 0.3}
