"""Runs a learning-rate range test of one model. Run by hand: a help for whoever writes a recipe, no part of dvc.yaml.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: reports/lr_range/<model>.csv (the curve),
.json (what it suggests) and .png. Features and measurements stay in .work, where training finds them.
"""

import dataclasses
from pathlib import Path

from pipeline.core import files
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.paths import reports_folder
from pipeline.training import fingerprints, lr_range
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.context import TrainingContext
from pipeline.training.lr_range import Curve, Suggestion, Sweep
from pipeline.training.model_file import load_model
from pipeline.training.setup import set_up_network


def run(root: Path, model: str, context: TrainingContext, wanted: Sweep) -> None:
    """Writes the curve of a model's last stage and prints the rates that it suggests beside the recipe's own.

    Raises:
        InputError: no such model or fold, a model without a network, or a setting that does not fit.
    """
    recipe = load_model(root, model, load_competition(root).mirror)
    if isinstance(recipe, ClassicRecipe):
        raise InputError(f"{model} is a classic model and has no learning rate; name a model with a network")
    last = int(context.data.fold_of.max())
    if not 0 <= wanted.fold <= last:
        raise InputError(f"--fold must be in 0..{last}, got {wanted.fold}; see split.n_splits in params.yaml")
    name, current = f"{model} fold {wanted.fold}", recipe.training.optimizer.learning_rate
    context = dataclasses.replace(context, chosen_folds=(wanted.fold,))
    session = set_up_network(recipe, context, fingerprints.digest_images(context.prepared)).session
    curve = lr_range.range_test(session.begin(wanted.fold, context.seed), wanted, name)
    found = lr_range.suggest_rates(curve)
    path = reports_folder(root) / "lr_range" / f"{model}.csv"
    lr_range.write_curve(curve, path)
    files.write_json(path.with_suffix(".json"), _report(model, context, wanted, curve, found, current))
    lr_range.draw_curve(curve, found, current, path.with_suffix(".png"))
    print(
        f"{name}: {len(curve.rates)} of {wanted.steps} steps, rates {curve.rates[0]:.1e} to {curve.rates[-1]:.1e}"
        + (f"; stopped because {curve.stopped}" if curve.stopped else "")
    )
    print(_advice(found, current))
    print(f"curve: {path.with_suffix('.png').relative_to(root)} (.csv, .json)")


def _advice(found: Suggestion | None, current: float) -> str:
    if found is None:
        return (
            "no suggestion: the loss did not fall by more than single batches differ; lower --lowest if it rose at "
            f"once, raise --highest or --steps if it stayed; the recipe has {current:.1e}"
        )
    return (
        f"suggested rates: {found.steepest:.1e} (steepest fall of the loss), {found.tenth:.1e} (a tenth of the rate of "
        f"its minimum); the recipe has {current:.1e}"
    )


def _report(
    model: str, context: TrainingContext, wanted: Sweep, curve: Curve, found: Suggestion | None, current: float
) -> dict[str, object]:
    return {
        "model": model,
        **dataclasses.asdict(wanted),
        "seed": context.seed,
        "momentum": lr_range.MOMENTUM,
        "steps_done": len(curve.rates),
        "stopped": curve.stopped,
        "steepest": found.steepest if found else None,
        "tenth_of_minimum": found.tenth if found else None,
        "recipe": current,
    }
