"""The section of tuning: what a search gained over the model's own file, on rows that it did not use."""

from pathlib import Path

from pipeline.core import cards
from pipeline.core.active import active_name
from pipeline.core.cards import TuningCard
from pipeline.core.paths import reports_folder
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.parts import Part
from pipeline.page.table import Column, FormattedNumber, render_table
from pipeline.reports.models.material import Material


def read(root: Path, models: list[str], competition: str) -> list[TuningCard]:
    """Reads the cards of these models that were tuned on this competition.

    Raises:
        InputError: a card is none as this version writes them.
    """
    paths = [reports_folder(root) / "tuning" / f"{name}.json" for name in models]
    found = [cards.read_card(path, TuningCard) for path in paths if path.is_file()]
    return [card for card in found if card.study and card.competition == competition]


def tuning(material: Material) -> Part | None:
    """Says what tuning gained; None where nothing was tuned."""
    found = read(material.root, [model.name for model in material.models], active_name(material.root))
    if not found:
        return None
    sure = [card.model for card in found if card.verdict is not None and card.verdict.interval[0] > 0]
    told = f"{len(found)} model{'s were' if len(found) > 1 else ' was'} tuned; "
    told += f"surely better for it: {', '.join(sure)}." if sure else "none is surely better for it."
    columns = [Column("model"), Column("trials", ",d"), Column("as written", ".4f"), Column("tuned", ".4f")]
    rows = [(card.model, card.complete + card.pruned + card.failed, *_scores(card)) for card in found]
    words = render_note(
        f"{material.metric.name} on rows that the search did not use; no scores where nothing beat the model as "
        "written. Details in reports/tuning/<model>.html."
    )
    head = [*columns, Column("gain [95%]", "+.4f"), Column("in use")]
    return Part(PageSection("Tuning", [render_paragraph(told), render_table("What tuning gained", head, rows), words]))


def _scores(card: TuningCard) -> tuple[float | None, float | None, FormattedNumber | None, str]:
    verdict = card.verdict
    if verdict is None:
        return None, None, None, "tuned" if card.adopted else "as written"
    span = f" [{verdict.interval[0]:+.4f}, {verdict.interval[1]:+.4f}]"
    gain = FormattedNumber(verdict.gain, f"{verdict.gain:+.4f}{span}")
    return verdict.default, verdict.tuned, gain, "tuned" if card.adopted else "as written"
