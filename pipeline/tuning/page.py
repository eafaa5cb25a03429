"""A study as one page that opens offline: history, importances, coordinates, slices, curves, timeline, front."""

import html
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import plotly.graph_objects as go
from optuna import visualization as vis
from optuna.importance import FanovaImportanceEvaluator
from optuna.study import Study
from optuna.trial import TrialState

from pipeline.cards import TuningCard
from pipeline.files import write_text
from pipeline.tuning import studies

_FANOVA = FanovaImportanceEvaluator(seed=0)
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --quiet: #57606a; --line: #d8dee4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --quiet: #9198a1; --line: #30363d; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 1100px; padding: 1rem; }
h1, h2 { line-height: 1.2; } p.quiet { color: var(--quiet); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; }
.wide { overflow-x: auto; background: #ffffff; border-radius: 6px; } .table { overflow-x: auto; }
code { overflow-wrap: anywhere; }
"""


def write(path: Path, study: Study, card: TuningCard) -> None:
    """Writes the page of a study.

    Args:
        path: where.
        study: with at least one finished trial, or the page says that there is none.
        card: what it came to.
    """
    sections = list(_sections(study, card))
    script = _script() if any("plotly" in section for section in sections) else ""
    title = f"Tuning {html.escape(card.model)}"
    body = "\n".join(sections)
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:; img-src data: blob:"
    write_text(
        path,
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<style>{_STYLE}</style>{script}</head>\n<body><main><h1>{title}</h1>\n{body}\n</main></body></html>\n",
    )


def _sections(study: Study, card: TuningCard) -> Iterator[str]:
    yield "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences(card))
    if card.best is not None:
        yield _settings(card)
    for title, words, figure in _figures(study, card):
        drawn = figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False})
        yield f'<section><h2>{title}</h2><p class="quiet">{words}</p><div class="wide">{drawn}</div></section>'
    yield _trials(study, card)


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
    if card.verdict is None:
        return [*said, f"Nothing beat the recipe as it stands ({card.metric} {card.best.values[0]:.4f})."]
    verdict, (low, high) = card.verdict, card.verdict.interval
    sure = (
        "the interval excludes nought" if low > 0 or high < 0 else "the interval includes nought, so it may be chance"
    )
    said.append(
        f"Trial {card.best.number} is the best of the search ({card.metric} {card.best.values[0]:.4f}), on the rows "
        f"that chose it. On {verdict.rows:,} rows that it did not see (folds {list(verdict.folds)}, seed "
        f"{verdict.seed}) it scores {verdict.tuned:.4f}, the recipe as it stands {verdict.default:.4f}: "
        f"{verdict.gain:+.4f} [{low:+.4f}, {high:+.4f}]; {sure}."
    )
    said.append("Its settings are laid over the recipe." if card.adopted else "The recipe stays as it is.")
    return said


def _settings(card: TuningCard) -> str:
    best, default = card.best, card.default
    assert best is not None
    rows = "".join(
        f"<tr><th scope='row'><code>{html.escape(name)}</code></th>"
        f"<td>{html.escape(str(default.settings.get(name, '')) if default else '')}</td>"
        f"<td>{html.escape(str(best.settings.get(name, '')))}</td></tr>"
        for name in card.space
    )
    return (
        "<section><h2>Settings</h2><div class='table'><table><thead><tr><th scope='col'>setting</th>"
        f"<th scope='col'>as it stands</th><th scope='col'>trial {best.number}</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _figures(study: Study, card: TuningCard) -> Iterator[tuple[str, str, go.Figure]]:
    tally = studies.tally(study)
    if not tally.complete:
        return
    name = card.metric

    def target(trial: optuna.trial.FrozenTrial) -> float:
        return float(trial.values[0])

    wanted: list[tuple[str, str, Callable[[], go.Figure], bool]] = [
        (
            "History",
            "Each trial's score in the order of the search, and the best so far.",
            lambda: vis.plot_optimization_history(study, target=target, target_name=name),
            True,
        ),
        (
            "Importances",
            "How much of the spread of the scores each setting explains (fANOVA).",
            lambda: vis.plot_param_importances(
                study, FanovaImportanceEvaluator(seed=0), target=target, target_name=name
            ),
            _varied(study) and len(tally.complete) > 3,
        ),
        (
            "Parallel coordinates",
            "Each line is a trial; drag along an axis to pick some.",
            lambda: vis.plot_parallel_coordinate(study, target=target, target_name=name),
            True,
        ),
        (
            "Slices",
            "The score against one setting at a time.",
            lambda: vis.plot_slice(study, target=target, target_name=name),
            True,
        ),
        (
            "Curves",
            "Scores while training, which pruning goes by.",
            lambda: vis.plot_intermediate_values(study),
            any(trial.intermediate_values for trial in (*tally.complete, *tally.pruned)),
        ),
        ("Timeline", "When each trial ran, and what became of it.", lambda: vis.plot_timeline(study), True),
        (
            "Front",
            "Trials that none beats in both score and seconds.",
            lambda: vis.plot_pareto_front(study, target_names=[name, "seconds"]),
            bool(card.front),
        ),
    ]
    for title, words, draw, possible in wanted:
        if possible:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                figure = draw()
            figure.update_layout(title=None, template="plotly_white", margin={"t": 30}, font={"size": 12})
            yield title, words, figure


def _varied(study: Study) -> bool:
    scores = {trial.values[0] for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    return len(scores) > 1


def _trials(study: Study, card: TuningCard) -> str:
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("trial", "outcome", card.metric, "seconds", "settings"))
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            continue
        attrs = trial.user_attrs
        cut = trial.state == TrialState.FAIL and studies.REASON not in attrs
        outcome = "cut off, begun again" if cut else attrs.get(studies.REASON, trial.state.name.lower())
        reached = list(trial.intermediate_values.values())
        score = trial.values[0] if trial.values else reached[-1] if reached else None
        cells = [str(trial.number), str(outcome), "" if score is None else f"{score:.4f}"]
        cells += [f"{attrs.get(studies.SECONDS, 0.0):,.0f}", ", ".join(f"{k} {v}" for k, v in trial.params.items())]
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return (
        "<section><h2>Trials</h2><details><summary>All of them</summary><div class='table'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details></section>"
    )


def _script() -> str:
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"
