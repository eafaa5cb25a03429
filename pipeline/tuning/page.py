"""A study as one page that opens offline: what it came to, in words, tables and charts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.core.cards import TuningCard
from pipeline.page.blocks import render_key_figures, render_note, render_paragraph
from pipeline.page.document import PageSection, write_page
from pipeline.page.markup import Html
from pipeline.page.table import Column, render_table
from pipeline.tuning import figures, optuna_studies

ELSEWHERE = "the best trial, trained where the search had not:"
DEFAULT_ELSEWHERE = "the recipe as it stands, trained where the search had not, so that nothing could be compared:"


def write(path: Path, study: Study, card: TuningCard) -> None:
    """Writes the page of a study.

    Args:
        path: where.
        study: as far as it is.
        card: what it came to.
    """
    lead = f"Study {card.study} in {card.storage}, on {card.competition}."
    write_page(path, f"Tuning {card.model}", lead, list(_sections(study, card)))


def _sections(study: Study, card: TuningCard) -> Iterator[PageSection]:
    tally = optuna_studies.tally(study)
    yield PageSection("Outcome", [render_paragraph(*sentences(card)), render_key_figures(_facts(card))])
    if card.best is not None:
        yield PageSection("Settings", [_settings(card)])
        complete = tally.complete
        yield PageSection("History", [figures.history(complete, card)])
        told = figures.importances(study, complete, card)
        if told is not None:
            said = f"{told[1]} explains most of the spread of the scores."
            yield PageSection(
                "Importances", [render_paragraph(said), told[0], render_note("fANOVA on the complete trials.")]
            )
        yield PageSection("Coordinates", [figures.coordinates(complete, card)])
        yield PageSection("Slices", [figures.slices(complete, card)])
    curves = figures.curves((*tally.complete, *tally.pruned), card)
    if curves is not None:
        yield PageSection("Curves", [curves])
    if tally.finished:
        yield PageSection("Timeline", [figures.timeline(study, card)])
    if card.front:
        yield PageSection("Front", [figures.front(tally.complete, card)])
    yield PageSection("Trials", [_trials(study, card)])


def _facts(card: TuningCard) -> list[tuple[str, str]]:
    found = [("complete", str(card.complete)), ("pruned", str(card.pruned)), ("failed", str(card.failed))]
    found.append(("searched", f"{card.searched_seconds / 3600:.2f} h"))
    if card.verdict is not None:
        found.append(("gain, measured again", f"{card.verdict.gain:+.4f}"))
    return found


def sentences(card: TuningCard) -> list[str]:
    """Says in words what a study came to."""
    hours = card.searched_seconds / 3600
    done = card.complete + card.pruned + card.failed
    said = [
        f"{done} trials in {hours:.2f} hours on folds {list(card.folds)}: {card.complete} complete, "
        f"{card.pruned} pruned, {card.failed} failed. Pruned trials had about {card.saved_seconds / 3600:.2f} hours "
        "still before them."
    ]
    said += [f"{count} failed with: {reason}" for reason, count in card.reasons.items()]
    if card.best is None:
        return [*said, "No trial came to its end: the recipe stays as it is."]
    if card.verdict is None and card.adopted:
        return [
            *said,
            f"Trial {card.best.number} is the best of the search ({card.metric} {card.best.values[0]:.4f}), on the "
            "rows that chose it. Its settings are laid over the recipe, which could not be trained elsewhere.",
        ]
    if card.verdict is None and not card.best.default:
        return [
            *said,
            f"Trial {card.best.number} is the best of the search ({card.metric} {card.best.values[0]:.4f}), but its "
            "training failed elsewhere: the recipe stays as it is.",
        ]
    if card.verdict is None:
        return [*said, f"Nothing beat the recipe as it stands ({card.metric} {card.best.values[0]:.4f})."]
    verdict, (low, high) = card.verdict, card.verdict.interval
    sure = (
        "the interval excludes nought" if low > 0 or high < 0 else "the interval includes nought, so it may be chance"
    )
    said.append(
        f"Trial {card.best.number} is the best of the search ({card.metric} {card.best.values[0]:.4f}), on the rows "
        f"that chose it. On {verdict.rows:,} rows {whose_rows(verdict.folds, card.folds)} (folds "
        f"{list(verdict.folds)}, seed {verdict.seed}) it scores {verdict.tuned:.4f}, the recipe as it "
        f"stands {verdict.default:.4f}: {verdict.gain:+.4f} [{low:+.4f}, {high:+.4f}]; {sure}."
    )
    said.append("Its settings are laid over the recipe." if card.adopted else "The recipe stays as it is.")
    return said


def whose_rows(judged: Sequence[int], searched: Sequence[int]) -> str:
    """Says what the rows of the last word are to the search."""
    return "that chose it too, trained with another seed" if set(judged) & set(searched) else "the search did not use"


def _settings(card: TuningCard) -> Html:
    best, default = card.best, card.default
    assert best is not None
    rows = [
        (name, _shown(default.settings.get(name)) if default else "", _shown(best.settings.get(name)))
        for name in card.space
    ]
    columns = [Column("setting"), Column("as it stands"), Column(f"trial {best.number}")]
    return render_table("What varied", columns, rows)


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _trials(study: Study, card: TuningCard) -> Html:
    rows = [_row(trial) for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    columns = [Column("trial"), Column("outcome"), Column(card.metric, ".4f"), Column("seconds", ",.0f")]
    return render_table("All trials", [*columns, Column("settings")], rows, folded=True)


def _row(trial: FrozenTrial) -> tuple[str, str, float | None, float | None, str]:
    attrs = trial.user_attrs
    cut = trial.state == TrialState.FAIL and optuna_studies.REASON not in attrs
    outcome = "cut off, begun again" if cut else attrs.get(optuna_studies.REASON, trial.state.name.lower())
    reached = list(trial.intermediate_values.values())
    score = trial.values[0] if trial.values else reached[-1] if reached else None
    settings = ", ".join(f"{name} {_shown(value)}" for name, value in trial.params.items())
    return str(trial.number), str(outcome), score, attrs.get(optuna_studies.SECONDS), settings
