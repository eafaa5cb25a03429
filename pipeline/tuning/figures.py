"""Charts of a study: history, importances, parallel coordinates, slices, curves, timeline, front."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.core.cards import TuningCard
from pipeline.page.chart import BLUE, GREY, LINE, ORANGE, RED, open_chart, render_chart
from pipeline.page.markup import Html
from pipeline.tuning.trial_states import is_interrupted

_FEW = 4  # complete trials that importances need
_STATES = {TrialState.COMPLETE: BLUE, TrialState.PRUNED: ORANGE, TrialState.FAIL: RED}


def draw_history(complete: Sequence[FrozenTrial], card: TuningCard) -> Html:
    """Each trial's score in the order of the search, and the best so far."""
    numbers, scores = [trial.number for trial in complete], [trial.values[0] for trial in complete]
    best = (np.maximum if card.greater_is_better else np.minimum).accumulate(scores)
    with open_chart(7.5, 2.8) as figure:
        axes = figure.subplots()
        axes.step(numbers, best, where="post", color=ORANGE, label="best so far")
        axes.scatter(numbers, scores, color=BLUE, s=18, label="trial")
        _label_axes(axes, "trial", card.metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside upper left", ncols=2)
    return render_chart(
        figure, "History", f"{card.metric} from {scores[0]:.4f} to {best[-1]:.4f} in {len(scores)} trials."
    )


def draw_importances(study: Study, complete: Sequence[FrozenTrial]) -> tuple[Html, str] | None:
    """The share of the scores' variance that each setting explains, and the name of the first; None with few trials.

    Reference: Hutter, Hoos and Leyton-Brown 2014, fANOVA, https://proceedings.mlr.press/v32/hutter14.html
    """
    if len(complete) < _FEW or len({trial.values[0] for trial in complete}) < 2:
        return None
    evaluator = FanovaImportanceEvaluator(seed=0)
    shares = get_param_importances(study, evaluator=evaluator, target=lambda trial: float(trial.values[0]))
    if not shares:
        return None
    names = list(shares)[::-1]
    with open_chart(7.5, 0.6 + 0.3 * len(names)) as figure:
        axes = figure.subplots()
        axes.barh(names, [shares[name] for name in names], color=BLUE)
        axes.set_xlabel("share of the variance")
    about = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return render_chart(figure, "Importances", about), next(iter(shares))


def draw_coordinates(complete: Sequence[FrozenTrial], card: TuningCard) -> Html:
    """A line for each trial, across all settings to its score; the better, the darker."""
    names = list(card.space)
    with open_chart(max(7.5, 1.3 * (len(names) + 1)), 3.6) as figure:
        axes = figure.subplots()
        columns = [
            _place_values([trial.params.get(name) for trial in complete], _find_distribution(complete, name))
            for name in names
        ]
        scores = np.array([trial.values[0] for trial in complete])
        columns.append((_scale(scores), [f"{scores.min():.3f}", f"{scores.max():.3f}"], [0.0, 1.0]))
        order = np.argsort(scores if card.greater_is_better else -scores)
        for rank, row in enumerate(order):
            line = [column[0][row] for column in columns]
            best = card.best is not None and complete[row].number == card.best.number
            axes.plot(
                line, color=ORANGE if best else BLUE, alpha=1.0 if best else 0.15 + 0.5 * rank / len(order), lw=1.2
            )
        for place, (_, labels, ticks) in enumerate(columns):
            axes.axvline(place, color=LINE, zorder=0)
            for label, tick in zip(labels, ticks, strict=True):
                axes.annotate(label, (place, tick), xytext=(3, 0), textcoords="offset points", fontsize=7, va="center")
        axes.set_xticks(
            range(len(columns)), [*(_shorten_path(name) for name in names), card.metric], rotation=25, ha="right"
        )
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    about = f"{len(complete)} trials; the orange line is the best."
    return render_chart(figure, "Parallel coordinates", about, phone="scrolled")


def draw_slices(complete: Sequence[FrozenTrial], card: TuningCard) -> Html:
    """The score against each setting."""
    names = list(card.space)
    across = min(3, len(names))
    down = math.ceil(len(names) / across)
    with open_chart(7.5, 2.2 * down) as figure:
        grid = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        for axes, name in zip(grid, names, strict=False):
            trials = [trial for trial in complete if name in trial.params]
            values, distribution = [trial.params[name] for trial in trials], _find_distribution(trials, name)
            scores = [trial.values[0] for trial in trials]
            if isinstance(distribution, CategoricalDistribution):
                choices = [str(choice) for choice in distribution.choices]
                places = [choices.index(str(value)) for value in values]
                axes.scatter(places, scores, color=BLUE, s=14)
                axes.set_xticks(range(len(choices)), [_shorten(text, 14) for text in choices], rotation=20, ha="right")
            else:
                axes.scatter(values, scores, color=BLUE, s=14)
                if getattr(distribution, "log", False):
                    axes.set_xscale("log")
                    ends = sorted({min(values), max(values)})
                    axes.set_xticks(ends, [f"{value:.2g}" for value in ends])
                    axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title(_shorten_path(name))
        for axes in grid[len(names) :]:
            axes.set_visible(False)
        grid[0].set_ylabel(card.metric)
    about = f"{card.metric} of {len(complete)} trials against each of {len(names)} settings."
    return render_chart(figure, "Slices", about, phone="scrolled")


def draw_epoch_curves(trials: Sequence[FrozenTrial], card: TuningCard) -> Html | None:
    """Scores after each epoch, by which trials are pruned; None where there are none."""
    reported = [trial for trial in trials if trial.intermediate_values]
    if not reported:
        return None
    with open_chart(7.5, 3.0) as figure:
        axes = figure.subplots()
        for trial in reported:
            steps, values = zip(*sorted(trial.intermediate_values.items()), strict=True)
            pruned = trial.state == TrialState.PRUNED
            axes.plot(steps, values, color=ORANGE if pruned else BLUE, alpha=0.6, lw=1.1, ls="--" if pruned else "-")
            axes.scatter(steps[-1:], values[-1:], color=ORANGE if pruned else BLUE, s=10)
        _label_axes(axes, "epoch, over all folds", card.metric)
    count = sum(trial.state == TrialState.PRUNED for trial in reported)
    return render_chart(figure, "Curves", f"{len(reported)} trials; {count} pruned ones dashed and orange.")


def draw_timeline(study: Study) -> Html:
    """Start, end and outcome of each trial."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.datetime_start and trial.datetime_complete]
    starts = [trial.datetime_start.timestamp() for trial in trials if trial.datetime_start]
    ends = [trial.datetime_complete.timestamp() for trial in trials if trial.datetime_complete]
    first = min(starts)
    with open_chart(7.5, min(8.0, 1.0 + 0.12 * len(trials))) as figure:
        axes = figure.subplots()
        for trial, start, end in zip(trials, starts, ends, strict=True):
            colour = GREY if is_interrupted(trial) else _STATES[trial.state]
            axes.barh(trial.number, (end - start) / 60, left=(start - first) / 60, color=colour, height=0.8)
        axes.invert_yaxis()
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        _label_axes(axes, "minutes", "trial")
    return render_chart(
        figure,
        "Timeline",
        f"{len(trials)} trials in {(max(ends) - first) / 60:.0f} minutes; blue complete, orange "
        "pruned, red failed, grey interrupted and run again.",
    )


def draw_front(complete: Sequence[FrozenTrial], card: TuningCard) -> Html:
    """Score against seconds; the Pareto front stands out."""
    with open_chart(7.5, 3.0) as figure:
        axes = figure.subplots()
        axes.scatter([trial.values[1] for trial in complete], [trial.values[0] for trial in complete], color=GREY, s=14)
        best = sorted(card.front, key=lambda trial: trial.values[1])
        axes.plot([trial.values[1] for trial in best], [trial.values[0] for trial in best], color=ORANGE, marker="o")
        _label_axes(axes, "seconds", card.metric)
    return render_chart(figure, "Front", f"{len(best)} of {len(complete)} trials are on the Pareto front.")


def _label_axes(axes: Axes, below: str, left: str) -> None:
    axes.set_xlabel(below)
    axes.set_ylabel(left)
    axes.grid(axis="y")


def _find_distribution(trials: Sequence[FrozenTrial], name: str) -> BaseDistribution | None:
    return next((trial.distributions[name] for trial in trials if name in trial.distributions), None)


def _place_values(
    values: Sequence[object], distribution: BaseDistribution | None
) -> tuple[np.ndarray, list[str], list[float]]:
    """Places on an axis from 0 to 1 (below it for a trial without the setting), labels, and the places of these."""
    if isinstance(distribution, CategoricalDistribution):
        choices = [str(choice) for choice in distribution.choices]
        ticks = np.linspace(0, 1, len(choices)).tolist()
        places = [ticks[choices.index(str(value))] if value is not None else -0.08 for value in values]
        return np.array(places), [_shorten(text, 14) for text in choices], ticks
    numbers = np.array([np.nan if value is None else float(str(value)) for value in values])
    log = getattr(distribution, "log", False)
    scaled = _scale(np.log(numbers) if log else numbers)
    if np.isnan(numbers).all():
        return np.full(len(values), -0.08), [], []
    labels = [f"{np.nanmin(numbers):.3g}", f"{np.nanmax(numbers):.3g}"]
    return np.nan_to_num(scaled, nan=-0.08), labels, [0.0, 1.0]


def _scale(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values)]
    if not len(known) or known.max() == known.min():
        return np.where(np.isnan(values), np.nan, 0.5)
    scaled: np.ndarray = (values - known.min()) / (known.max() - known.min())
    return scaled


def _shorten_path(path: str) -> str:
    """The end of a path, enough of it to identify the setting."""
    parts = path.split(".")
    return _shorten(".".join(parts[-2:]) if len(parts[-1]) < 3 else parts[-1], 22)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"…{text[-length + 1 :]}"
