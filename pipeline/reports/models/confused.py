"""The section of pairs of classes that are taken for each other, with pictures of both."""

from pipeline.page.blocks import render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_picture_group, render_side_by_side
from pipeline.reports.models.by_class import Pair, by_class, pairs, surest
from pipeline.reports.models.material import Material

_PAIRS, _SIDE = 6, 3
_WIDTH = 86  # four fit on a phone


def confused(material: Material) -> Part:
    """Shows pictures of both sides of the pairs most often mixed up."""
    counts = by_class(material.labels, material.judged.probs).counts
    worst = pairs(counts, _PAIRS)
    if not worst:
        return Part(
            PageSection("Confused pairs", [render_paragraph(f"{material.judged.name} takes no class for another.")])
        )
    both = sum(pair.there + pair.back for pair in worst)
    wrong, first = int(counts.sum() - counts.trace()), worst[0]
    told = render_paragraph(
        f"{material.names[first.one]} and {material.names[first.two]} are mixed up most: {first.there:,} images "
        f"one way, {first.back:,} the other. The pairs below hold {both / wrong:.0%} of all {wrong:,} mistakes."
    )
    return Part(PageSection("Confused pairs", [told, *(_pair(material, pair) for pair in worst)]))


def _pair(material: Material, pair: Pair) -> Html:
    made = []
    for true, said, rows in ((pair.one, pair.two, pair.there), (pair.two, pair.one, pair.back)):
        right, wrong = material.names[true], material.names[said]
        typical = surest(material.labels, material.judged.probs, true, true, 1)
        missed = surest(material.labels, material.judged.probs, true, said, _SIDE)
        shown = [_picture(material, row, true, true) for row in typical]
        shown += [_picture(material, row, true, said) for row in missed]
        if shown:
            words = f"{rows:,} image{'s' * (rows != 1)}; first a sure {right}"
            made.append(render_picture_group(f"{right} taken for {wrong}", shown, words, _WIDTH))
    return render_side_by_side(made)


def _picture(material: Material, row: int, true: int, said: int) -> Picture:
    sure = material.judged.probs[row, said]
    words = f"{material.names[said]} {sure:.0%}"
    alt = f"{material.names[true]} {material.ids[row]}, predicted {words}"
    return Picture(material.image(row), alt, words)
