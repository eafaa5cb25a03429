"""Page of a study, which opens offline: its outcome in sentences, tables and charts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.core.cards import TuningCard
from pipeline.page.blocks import render_key_figures, render_note, render_paragraph
from pipeline.page.document import PageSection, write_page
from pipeline.page.markup import Html
from pipeline.page.table import Column, render_table
from pipeline.tuning import figures
from pipeline.tuning.trial_states import REASON, SECONDS, is_interrupted, tally_trials

BEST_FAILED = "the best trial's settings could not be trained on the folds that confirm them:"
DEFAULT_FAILED = "the unchanged recipe could not be trained on the folds that confirm the best trial:"


def write_study_page(path: Path, study: Study, card: TuningCard) -> None:
    """Writes the page of a study.

    Args:
        path: of the page.
        study: with the trials so far.
        card: its results.
    """
    lead = f"Study {card.study} in {card.storage}, on {card.competition}."
    write_page(path, f"Tuning {card.model}", lead, list(_make_sections(study, card)))


def _make_sections(study: Study, card: TuningCard) -> Iterator[PageSection]:
    tally = tally_trials(study)
    yield PageSection("Outcome", [render_paragraph(*describe_study(card)), render_key_figures(_list_key_figures(card))])
    if card.best is not None:
        yield PageSection("Settings", [_render_settings(card)])
        complete = tally.complete
        yield PageSection("History", [figures.draw_history(complete, card)])
        importances = figures.draw_importances(study, complete)
        if importances is not None:
            chart, most_important = importances
            sentence = f"{most_important} explains most of the variance of the scores."
            note = render_note("fANOVA on the complete trials.")
            yield PageSection("Importances", [render_paragraph(sentence), chart, note])
        yield PageSection("Coordinates", [figures.draw_coordinates(complete, card)])
        yield PageSection("Slices", [figures.draw_slices(complete, card)])
    curves = figures.draw_epoch_curves((*tally.complete, *tally.pruned), card)
    if curves is not None:
        yield PageSection("Curves", [curves])
    if tally.finished:
        yield PageSection("Timeline", [figures.draw_timeline(study)])
    if card.front:
        yield PageSection("Front", [figures.draw_front(tally.complete, card)])
    yield PageSection("Trials", [_render_trials(study, card)])


def _list_key_figures(card: TuningCard) -> list[tuple[str, str]]:
    pairs = [("complete", str(card.complete)), ("pruned", str(card.pruned)), ("failed", str(card.failed))]
    pairs.append(("searched", f"{card.searched_seconds / 3600:.2f} h"))
    if card.verdict is not None:
        pairs.append(("gain, measured again", f"{card.verdict.gain:+.4f}"))
    return pairs


def describe_study(card: TuningCard) -> list[str]:
    """Describes the results of a study in sentences."""
    hours = card.searched_seconds / 3600
    trials = card.complete + card.pruned + card.failed
    sentences = [
        f"{trials} trials in {hours:.2f} hours on folds {list(card.folds)}: {card.complete} complete, "
        f"{card.pruned} pruned, {card.failed} failed. Pruning saved about {card.saved_seconds / 3600:.2f} hours."
    ]
    sentences += [f"{count} failed with: {reason}" for reason, count in card.reasons.items()]
    if card.best is None:
        return [*sentences, "No trial was completed: the recipe is used unchanged."]
    score = f"({card.metric} {card.best.values[0]:.4f})"
    if card.best.default and card.verdict is None and not card.adopted:
        return [*sentences, f"No trial was better than the unchanged recipe {score}."]
    best = f"Trial {card.best.number} is the best of the search {score}"
    if card.verdict is None and card.adopted:
        return [
            *sentences,
            f"{best}, on the rows that selected it. Its settings are used instead of the recipe's, which could not be "
            "trained for comparison.",
        ]
    if card.verdict is None:
        return [
            *sentences,
            f"{best}, but its settings could not be trained again for confirmation: the recipe is used unchanged.",
        ]
    verdict, (low, high) = card.verdict, card.verdict.interval
    significance = (
        "the interval excludes 0" if low > 0 or high < 0 else "the interval includes 0, so it may be due to chance"
    )
    return [
        *sentences,
        f"{best}, on the rows that selected it. On {verdict.rows:,} rows {describe_rows(verdict.folds, card.folds)} "
        f"(folds {list(verdict.folds)}, seed {verdict.seed}) it scores {verdict.tuned:.4f}, the unchanged recipe "
        f"{verdict.default:.4f}: {verdict.gain:+.4f} [{low:+.4f}, {high:+.4f}]; {significance}.",
        "Its settings are used instead of the recipe's." if card.adopted else "The recipe is used unchanged.",
    ]


def describe_rows(confirmed: Sequence[int], searched: Sequence[int]) -> str:
    """Describes the rows of the confirmation by their use in the search.

    Args:
        confirmed: folds of the confirmation.
        searched: folds of the search.
    """
    if set(confirmed) & set(searched):
        return "that the search used as well, trained with another seed"
    return "that the search did not use"


def _render_settings(card: TuningCard) -> Html:
    best, default = card.best, card.default
    assert best is not None
    rows = [
        (name, _format_value(default.settings.get(name)) if default else "", _format_value(best.settings.get(name)))
        for name in card.space
    ]
    columns = [Column("setting"), Column("recipe"), Column(f"trial {best.number}")]
    return render_table("Settings that varied", columns, rows)


def _format_value(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _render_trials(study: Study, card: TuningCard) -> Html:
    rows = [_make_row(trial) for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    columns = [Column("trial"), Column("outcome"), Column(card.metric, ".4f"), Column("seconds", ",.0f")]
    return render_table("All trials", [*columns, Column("settings")], rows, folded=True)


def _make_row(trial: FrozenTrial) -> tuple[str, str, float | None, float | None, str]:
    attrs = trial.user_attrs
    outcome = "interrupted, run again" if is_interrupted(trial) else attrs.get(REASON, trial.state.name.lower())
    reached = list(trial.intermediate_values.values())
    score = trial.values[0] if trial.values else reached[-1] if reached else None
    settings = ", ".join(f"{name} {_format_value(value)}" for name, value in trial.params.items())
    return str(trial.number), str(outcome), score, attrs.get(SECONDS), settings
