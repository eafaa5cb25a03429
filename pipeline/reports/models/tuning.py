"""Tuning: the section about the gain of a search over the model's own file, on rows that it did not use."""

from pathlib import Path

from pipeline.core import cards
from pipeline.core.active import active_name
from pipeline.core.cards import TuningCard
from pipeline.core.paths import reports_folder
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.parts import Part
from pipeline.page.table import Column, FormattedNumber, render_table
from pipeline.reports.models.evaluation_data import EvaluationData


def read_tuning_cards(root: Path, models: list[str], competition: str) -> list[TuningCard]:
    """Reads the cards of these models that were tuned on this competition.

    Raises:
        InputError: a card does not fit the schema of this version.
    """
    paths = [reports_folder(root) / "tuning" / f"{name}.json" for name in models]
    tuned = [cards.read_card(path, TuningCard) for path in paths if path.is_file()]
    return [card for card in tuned if card.study and card.competition == competition]


def show_tuning(data: EvaluationData) -> Part | None:
    """Shows the gain by tuning; None where nothing was tuned."""
    tuned = read_tuning_cards(data.root, [model.name for model in data.models], active_name(data.root))
    if not tuned:
        return None
    better = [card.model for card in tuned if card.verdict is not None and card.verdict.interval[0] > 0]
    sentence = f"{len(tuned)} model{'s were' if len(tuned) > 1 else ' was'} tuned; "
    sentence += f"significantly better: {', '.join(better)}." if better else "none is significantly better."
    columns = [Column("model"), Column("trials", ",d"), Column("as written", ".4f"), Column("tuned", ".4f")]
    rows = [(card.model, card.complete + card.pruned + card.failed, *_list_scores(card)) for card in tuned]
    words = render_note(
        f"{data.metric.name} on rows that the search did not use; no scores where no trial beat the model as "
        "written. Details in reports/tuning/<model>.html."
    )
    head = [*columns, Column("gain [95%]", "+.4f"), Column("in use")]
    return Part(PageSection("Tuning", [render_paragraph(sentence), render_table("Gain by tuning", head, rows), words]))


def _list_scores(card: TuningCard) -> tuple[float | None, float | None, FormattedNumber | None, str]:
    verdict = card.verdict
    if verdict is None:
        return None, None, None, "tuned" if card.adopted else "as written"
    span = f" [{verdict.interval[0]:+.4f}, {verdict.interval[1]:+.4f}]"
    gain = FormattedNumber(verdict.gain, f"{verdict.gain:+.4f}{span}")
    return verdict.default, verdict.tuned, gain, "tuned" if card.adopted else "as written"
