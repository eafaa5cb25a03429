"""The score table that `make run` ends with: every model and the ensemble, then the path of the submission."""

from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.core import cards, paths
from pipeline.core.active import active_members, active_models, active_name
from pipeline.core.competition import Competition, load_competition
from pipeline.core.digests import require_unchanged
from pipeline.core.measures.metric import Metric
from pipeline.core.metrics import list_own_columns
from pipeline.core.paths import classes_path, prepared_folder, solution_path
from pipeline.core.predictions import read_predictions
from pipeline.core.targets.prepared import read_target
from pipeline.kaggle.answers.forms import open_form
from pipeline.kaggle.answers.sheets import read_sheet
from pipeline.kaggle.board import PLAIN_WIDTH, make_console
from pipeline.kaggle.solution import read_solution

SCORES = ("model", "mean ± std", "pooled [95 %]", "log loss", "held-out")
REST = ("top-3", "folds", "train s", "ms/image", "parameters")


@dataclass(frozen=True)
class ScoreLine:
    """One line of the table: a card, and the score on held-back test labels where the competition has them."""

    name: str
    card: cards.ModelCard | cards.EnsembleCard
    held_out: float | None


def print_score_table(root: Path, out: Console | None = None) -> None:
    """Prints the table of all models of params.yaml and of the ensemble, then where the submission lies."""
    out = out or make_console()
    competition = load_competition(root)
    names = active_models(root)
    trained = {name: card for name in names if (card := _read_model_card(root, name)) is not None}
    models = [ScoreLine(name, card, score_held_out(root, name, competition)) for name, card in trained.items()]
    metric = read_prepared_metric(root, competition)
    models.sort(key=lambda line: line.card.pooled, reverse=metric.greater_is_better)
    direction = "higher is better" if metric.greater_is_better else "lower is better"
    ensemble = _read_ensemble_line(root, set(trained) | (set(active_members(root)) - set(names)), competition)
    title = f"{competition.title}: {metric.name} ({direction})"
    if models:
        beside = [each.name for each in list_own_columns(metric) if each.name not in (metric.name, "log_loss")]
        _print_lines(out, title, [*models, *([ensemble] if ensemble else [])], beside)
    else:
        out.print(title)
    for line in models:
        if line.card.peeked:
            out.print(f"* {line.name}: its score may be optimistic: {', '.join(line.card.peeked)}")
    if ensemble and ensemble.card.peeked:
        out.print(
            f"* {paths.ENSEMBLE}: its score may be optimistic, as those of these members may: "
            f"{', '.join(ensemble.card.peeked)}"
        )
    untrained = [name for name in names if name not in trained]
    if untrained:
        out.print(f"not trained yet: {', '.join(untrained)}; run `dvc repro`")
    path = _find_submission(root)
    out.print(f"submission: {path}" if path else "submission: none yet; run `dvc repro`")


def score_held_out(root: Path, name: str, competition: Competition) -> float | None:
    """Returns the score of test predictions on held-back labels; None where there are no such labels or predictions.

    Raises:
        InputError: the solution lacks columns or test ids, or names a class that training does not have.
    """
    path, predicted = solution_path(root), paths.predicted_test_path(root, name)
    if not path.is_file() or not predicted.is_file():
        return None
    require_unchanged(path, "run `dvc repro -f prepare`")
    form = open_form(read_sheet(prepared_folder(root), competition))
    truth = read_solution(path, form)
    predictions = read_predictions(predicted, form.sheet.target)
    ids, values = form.pool(predictions.ids, predictions.probs)
    rows = truth.mask_parts("public", "private")
    aligned = replace(predictions, ids=tuple(ids), probs=form.extend(values)).aligned(truth.ids, str(predicted))
    return competition.metric.metric_for(form.target).score(truth.truth[rows], aligned[rows])


def read_prepared_metric(root: Path, competition: Competition) -> Metric:
    """Reads the metric of the prepared target; before that, of one class per image."""
    path = classes_path(root)
    return competition.metric.metric_for(read_target(path.parent)) if path.is_file() else competition.metric.metric


def _read_model_card(root: Path, name: str) -> cards.ModelCard | None:
    path = paths.card_path(root, name)
    if not path.is_file():
        return None
    card = cards.read_card(path, cards.ModelCard)
    return card if card.competition == active_name(root) else None


def _read_ensemble_line(root: Path, trained: set[str], competition: Competition) -> ScoreLine | None:
    path = paths.card_path(root, paths.ENSEMBLE)
    if not path.is_file():
        return None
    card = cards.read_card(path, cards.EnsembleCard)
    if card.competition != active_name(root) or not trained.issuperset(card.members):
        return None  # left over from other models or another competition
    return ScoreLine(paths.ENSEMBLE, card, score_held_out(root, paths.ENSEMBLE, competition))


def _find_submission(root: Path) -> Path | None:
    """The ensemble's submission, unless it is left over from another competition."""
    path = paths.submission_path(Path(), paths.ENSEMBLE)
    card = (root / path).with_suffix(".json")
    if not (root / path).is_file() or not card.is_file():
        return None
    return path if cards.read_card(card, cards.SubmissionCard).competition == active_name(root) else None


def _format_cells(line: ScoreLine) -> dict[str, str]:
    card = line.card
    low, high = card.interval
    deviation = f" ± {card.std:.4f}" if len(card.fold_scores) > 1 else ""
    interval = f" [{low:.4f}, {high:.4f}]" if low < high else ""
    cells = {
        "model": line.name,
        "mean ± std": f"{card.mean:.4f}{deviation}",
        "pooled [95 %]": f"{card.pooled:.4f}{interval}",
        "top-3": _format_number(card.scores.get("top_3_accuracy")),
        "log loss": _format_number(card.scores.get("log_loss")),
        "held-out": _format_number(line.held_out),
        "folds": str(len(card.fold_scores)),
    }
    cells["model"] += "*" if card.peeked else ""
    if isinstance(card, cards.ModelCard):
        cells["train s"] = f"{card.train_seconds:,.0f}" + (
            f" + {card.feature_seconds:,.0f}" if card.feature_seconds >= 0.5 else ""
        )
        cells["ms/image"] = f"{card.predict_milliseconds_per_image:.3g}"
        cells["parameters"] = f"{card.parameters:,}"
    return cells


def _print_lines(out: Console, title: str, lines: list[ScoreLine], beside: list[str]) -> None:
    """Prints one table where it fits, and the scores above the rest where it does not: figures are never cut."""
    rows = [
        _format_cells(line) | {name: _format_number(line.card.scores.get(name)) for name in beside} for line in lines
    ]
    scores = [name for name in SCORES if name != "held-out" or any(cells[name] for cells in rows)]
    scores += [name for name in beside if any(cells[name] for cells in rows)]
    whole = _build_table(title, [*scores, *REST], rows)
    if out.measure(whole, options=out.options.update(max_width=PLAIN_WIDTH)).maximum <= out.width:
        out.print(whole)
    else:
        out.print(_build_table(title, scores, rows))
        out.print(_build_table("", ["model", *REST], rows))


def _build_table(title: str, columns: list[str], rows: list[dict[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        name = column == "model"  # the one column that may fold
        table.add_column(column, justify="left" if name else "right", no_wrap=not name, overflow="fold")
    for cells in rows:
        if cells["model"] == paths.ENSEMBLE:
            table.add_section()
        table.add_row(*(cells.get(column, "") for column in columns))
    return table


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
