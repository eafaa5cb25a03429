"""Page of a plan, which opens offline: what was tried, what it brought, and what would come next."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.core.origin import describe_origin
from pipeline.core.paths import reports_folder
from pipeline.page.blocks import render_key_figures, render_paragraph
from pipeline.page.chart import BLUE, open_chart, render_chart
from pipeline.page.document import PageSection, write_page
from pipeline.page.markup import Html
from pipeline.page.table import Column, render_table
from pipeline.planning.choosing import Option
from pipeline.planning.plan import Plan

_NEXT = 10  # options that the page lists


def write_plan_page(root: Path, plan: Plan, options: Sequence[Option], left_out: Mapping[str, str]) -> None:
    """Writes reports/best.html.

    Args:
        root: the repository.
        plan: with its steps.
        options: what would come next, ranked.
        left_out: models that are not tried, with the reason.
    """
    lead = f"What {plan.budget / 3600:.2g} hours on {plan.competition} were spent on, and what each step brought."
    sections = list(_make_sections(plan, options, left_out))
    footer = describe_origin(root, "python -m pipeline best")
    write_page(reports_folder(root) / "best.html", f"Best of {plan.competition}", lead, sections, footer)


def _make_sections(plan: Plan, options: Sequence[Option], left_out: Mapping[str, str]) -> Iterator[PageSection]:
    yield PageSection("Outcome", [render_paragraph(*_describe_outcome(plan)), render_key_figures(_list_figures(plan))])
    blocks = [_render_steps(plan)]
    if sum(step.outcome == "kept" for step in plan.steps) > 1:
        blocks.insert(0, _draw_scores(plan))
    yield PageSection("Steps", blocks)
    if options:
        yield PageSection("Next", [render_paragraph("More hours would go on with these."), _render_options(options)])
    if left_out:
        table = render_table("Models left out", [Column("model"), Column("reason")], list(left_out.items()))
        yield PageSection("Left out", [table])


def _describe_outcome(plan: Plan) -> list[str]:
    sentences = []
    if plan.score is not None and plan.interval is not None:
        low, high = plan.interval
        sentences.append(f"The ensemble of {', '.join(plan.models)} has a nested {plan.metric} of {plan.score:.4f}")
        sentences[-1] += f" [{low:.4f}, {high:.4f}]."
    if plan.score_after_choice is not None:
        sentences.append(
            f"{plan.scored} ensembles were compared by that score, and the best of many is too good by luck: with the "
            f"choice made on other folds than those it is scored on it is {plan.score_after_choice:.4f}."
        )
    return sentences or ["Nothing was trained."]


def _list_figures(plan: Plan) -> list[tuple[str, str]]:
    kept = sum(step.outcome == "kept" for step in plan.steps)
    return [
        ("steps", str(len(plan.steps))),
        ("kept", str(kept)),
        ("spent", f"{plan.spent / 60:.1f} of {plan.budget / 60:.1f} min"),
        ("slower than the table", f"{plan.slowness:.2f} x"),
    ]


def _render_steps(plan: Plan) -> Html:
    columns = [
        Column("model"),
        Column("outcome"),
        Column("hoped for", ".1%"),
        Column("expected s", ",.0f"),
        Column("took s", ",.0f"),
        Column("alone", ".4f"),
        Column("with it", ".4f"),
        Column("gain", "+.4f"),
        Column("error", ".4f"),
        Column("gain a minute", "+.5f"),
        Column("reason"),
    ]
    rows = [
        (
            step.model,
            step.outcome.replace("_", " "),
            step.expected_gain,
            step.expected_seconds,
            step.seconds,
            step.alone,
            step.score,
            step.gain,
            step.gain_error,
            None if step.gain is None else 60 * step.gain / step.seconds,
            step.reason,
        )
        for step in plan.steps
    ]
    return render_table(
        "Steps in their order; scores are nested, gains paired with their standard error", columns, rows
    )


def _render_options(options: Sequence[Option]) -> Html:
    columns = [
        Column("model"),
        Column("expected s", ",.0f"),
        Column("hoped for", ".1%"),
        Column("a minute", ".2%"),
        Column("measured on", ",d"),
    ]
    best_of = {option.family: option for option in reversed(options)}  # one length of each network
    listed = [option for option in options if best_of[option.family] is option][:_NEXT]
    rows = [(each.model, each.seconds, each.gain, each.rate, each.known) for each in listed]
    return render_table("What would come next: share of the error taken away, competitions measured", columns, rows)


def _draw_scores(plan: Plan) -> Html:
    kept = [step for step in plan.steps if step.outcome == "kept" and step.score is not None]
    minutes, scores = [step.spent / 60 for step in kept], [float(step.score or 0) for step in kept]
    with open_chart(7.5, 3) as figure:
        axes = figure.subplots()
        axes.step([*minutes, plan.spent / 60], [*scores, scores[-1]], where="post", color=BLUE)
        axes.plot(minutes, scores, "o", color=BLUE)
        axes.set_xlabel("minutes")
        axes.set_ylabel(f"nested {plan.metric}")
    about = ", ".join(f"{score:.4f} after {minute:.1f} minutes" for score, minute in zip(scores, minutes, strict=True))
    return render_chart(figure, f"Nested {plan.metric} of the ensemble over time", about)
