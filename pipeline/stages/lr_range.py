"""Learning-rate range test of one model: run by hand to write a recipe, no part of dvc.yaml.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: reports/lr_range/<model>.csv (the curve),
.json (the suggested rates) and .png. Features and measurements stay in .work, where a training reuses them.
"""

import dataclasses
from pathlib import Path

from pipeline.core import files
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.paths import reports_folder
from pipeline.training import fingerprints, lr_range
from pipeline.training.context import TrainingContext
from pipeline.training.lr_range import Curve, Suggestion, Sweep
from pipeline.training.model_file import load_model
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.setup import settle_network


def run(root: Path, model: str, context: TrainingContext, sweep: Sweep) -> None:
    """Writes the curve of a model's last phase and prints the suggested rates beside the recipe's own.

    Raises:
        InputError: no such model or fold, a model without a network, or a setting that does not fit.
    """
    recipe = load_model(root, model, load_competition(root).mirror)
    if not isinstance(recipe, Recipe):
        raise InputError(f"{model} is no network of its own and has no learning rate; name one with a network")
    last = int(context.data.fold_of.max())
    if not 0 <= sweep.fold <= last:
        raise InputError(f"--fold must be in 0..{last}, got {sweep.fold}; see split.n_splits in params.yaml")
    name, current = f"{model} fold {sweep.fold}", recipe.training.optimizer.learning_rate
    context = dataclasses.replace(context, chosen_folds=(sweep.fold,))
    session = settle_network(recipe, context, fingerprints.digest_images(context.prepared)).build()
    curve = lr_range.range_test(session.begin(sweep.fold, context.seed), sweep, name)
    suggestion = lr_range.suggest_rates(curve)
    path = reports_folder(root) / "lr_range" / f"{model}.csv"
    lr_range.write_curve(curve, path)
    files.write_json(path.with_suffix(".json"), _make_report(model, context, sweep, curve, suggestion, current))
    lr_range.draw_curve(curve, suggestion, current, path.with_suffix(".png"))
    print(
        f"{name}: {len(curve.rates)} of {sweep.steps} steps, rates {curve.rates[0]:.1e} to {curve.rates[-1]:.1e}"
        + (f"; stopped because {curve.stopped}" if curve.stopped else "")
    )
    print(_describe_suggestion(suggestion, current))
    print(f"curve: {path.with_suffix('.png').relative_to(root)} (.csv, .json)")


def _describe_suggestion(suggestion: Suggestion | None, current: float) -> str:
    if suggestion is None:
        return (
            "no suggestion: the loss did not fall by more than single batches differ; lower --lowest if the loss rose "
            f"immediately, raise --highest or --steps if it did not change; the recipe has {current:.1e}"
        )
    return (
        f"suggested rates: {suggestion.steepest:.1e} (steepest fall of the loss), {suggestion.tenth:.1e} (a tenth of "
        f"the rate of its minimum); the recipe has {current:.1e}"
    )


def _make_report(
    model: str, context: TrainingContext, sweep: Sweep, curve: Curve, suggestion: Suggestion | None, current: float
) -> dict[str, object]:
    return {
        "model": model,
        **dataclasses.asdict(sweep),
        "seed": context.seed,
        "momentum": lr_range.MOMENTUM,
        "steps_done": len(curve.rates),
        "stopped": curve.stopped,
        "steepest": suggestion.steepest if suggestion else None,
        "tenth_of_minimum": suggestion.tenth if suggestion else None,
        "recipe": current,
    }
