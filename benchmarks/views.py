"""Views averaged as logits against views averaged as probabilities, on the validation rows of trained models.

Each way as it is, and at equal temperature: one temperature a way, fitted on one half of the rows for the other half.

python -m benchmarks.views MODEL... [--root FOLDER]
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core import cards, paths
from pipeline.core.arrays import Logits, Truth
from pipeline.core.targets.contract import Target
from pipeline.ensemble.calibration import apply_temperature, fit_temperature
from pipeline.images.views import Views, average_views, make_view_transforms
from pipeline.inference.trained_model import open_trained_model
from pipeline.training.context import read_context

VIEWS = {
    "mirror": Views(mirror=True),
    "mirror, moved by 1": Views(mirror=True, shift=1),
    "mirror, three scales": Views(mirror=True, scales=(0.9, 1.1, 1.25)),
    "moved by 1, three scales": Views(shift=1, scales=(0.9, 1.1, 1.25)),
}
_WAYS = ("logits", "probabilities")


def measure(logits: Logits, truth: Truth, target: Target) -> str:
    """Compares both ways.

    Args:
        logits: (n_views, n, n_outputs).
        truth: (n,) class indices.
        target: one class per image.

    Returns:
        A line: of both ways the log loss as it is, then at its temperature, and the accuracy.
    """
    half = np.random.default_rng(0).permutation(len(truth)) % 2
    losses, cooled, right = [], [], []
    for way in _WAYS:
        values = target.from_outputs(average_views(logits, Views(mirror=True, average=way), target))  # type: ignore[arg-type]
        losses.append(np.asarray(target.measure_losses(truth, values)))
        right.append(float((values.argmax(axis=1) == truth).mean()))
        own = np.zeros(len(truth))
        for part in (0, 1):
            degrees = fit_temperature(truth[half != part], values[half != part], target)
            rows = half == part
            own[rows] = target.measure_losses(truth[rows], apply_temperature(values[rows], degrees, target))
        cooled.append(own)
    return (
        f"log loss {describe(losses)}; at equal temperature {describe(cooled)}; accuracy {right[0]:.4f} {right[1]:.4f}"
    )


def describe(losses: list[NDArray[np.float64]]) -> str:
    """Says the mean loss of both ways, and their paired difference with its standard error."""
    apart = losses[1] - losses[0]
    means = " ".join(f"{each.mean():.4f}" for each in losses)
    return f"{means} ({apart.mean():+.4f} ± {apart.std() / len(apart) ** 0.5:.4f})"


def main() -> None:
    """Prints a line for each model, fold and set of views, logits first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--root", type=Path, default=Path())
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    data = read_context(root).data
    for name in arguments.models:
        card = cards.read_card(paths.card_path(root, name), cards.ModelCard)
        model = open_trained_model(root, card)
        assert model.network is not None
        for fold, checkpoint in model.checkpoints.items():
            rows = data.rows(fold)[1]
            for kind, views in VIEWS.items():
                recipe = model.network.recipe.model_copy(update={"views": views})
                network = dataclasses.replace(model.network, recipe=recipe)
                with tempfile.TemporaryDirectory() as work:
                    (logits,) = network.predict_logits(checkpoint[:1], np.asarray(data.images[rows]), Path(work))
                words = measure(logits, data.truth[rows], model.target)
                count = len(make_view_transforms(views))
                print(f"{name} fold {fold}, {len(rows)} rows, {count} views ({kind}): {words}", flush=True)


if __name__ == "__main__":
    main()
