"""Frozen networks, built: what computes features of images, by Keras or PyTorch, and the files that it needs."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.training.heads.recipe import TORCH_NETWORKS, FrozenBackbone
from pipeline.training.heads.torch_backbones import Extract as Extract
from pipeline.training.heads.torch_backbones import list_torch_files, open_torch_model, parse_torch_backbone

_HEAD_ALONE = {
    "unfreeze": "head",
    "epochs": 1,
    "batch_size": "auto",
    "optimizer": {"name": "adamw", "learning_rate": 0.001},
}


def make_network_recipe(section: FrozenBackbone, place: str) -> Any:
    """Makes the recipe of a network that trains its head alone on this backbone: features are kept by the same key."""
    from pipeline.networks.build import ON_FEATURES
    from pipeline.training.recipes.recipe import parse_network_recipe

    settings = section.model_dump(mode="json") | {"training": _HEAD_ALONE}
    named = section.network.get("name")
    kinds = {kind.model_fields["name"].annotation.__args__[0] for kind in ON_FEATURES}  # type: ignore[union-attr]
    if named not in kinds:
        known = ", ".join((*sorted(kinds), *TORCH_NETWORKS))
        raise InputError(f"{place}: network.name must be a backbone ({known}), got {named!r}")
    return parse_network_recipe(settings, place)


def make_extract(section: FrozenBackbone, shape: tuple[int, int, int], weights: Path, precision: str) -> Extract:
    """Returns what computes features, and builds the network with its first batch.

    Args:
        section: which backbone, on which input.
        shape: side of its input in pixels, channels of the stored images, outputs of what is predicted.
        weights: folder of files with pretrained weights.
        precision: that the backbone computes in.
    """
    built: list[Extract] = []

    def extract(batch: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        outside = None if built else parse_torch_backbone(section, "backbones")
        if outside is not None:
            built.append(open_torch_model(outside, shape, weights))
        elif not built:
            net = build_frozen_network(section, shape, weights, precision)
            assert net.extract is not None  # it is a backbone
            built.append(net.extract)
        return built[0](batch)

    return extract


def list_backbone_weights(section: FrozenBackbone, weights: Path, size: int) -> tuple[Path, ...]:
    """Returns the files that a backbone's weights come from; starts the backend.

    Raises:
        InputError: they cannot be had.
    """
    outside = parse_torch_backbone(section, "backbones")
    if outside is not None:
        return list_torch_files(outside, weights)
    from pipeline.networks.build import list_weight_files

    return list_weight_files(make_network_recipe(section, "backbones").network, weights, size)


def build_frozen_network(section: FrozenBackbone, shape: tuple[int, int, int], weights: Path, precision: str) -> Any:
    """Builds a backbone's network in Keras, a `networks.build.BuiltNetwork`; the arguments are `make_extract`'s."""
    from pipeline.networks import runtime
    from pipeline.networks.build import WeightSource, build_network, list_weight_files

    recipe, (size, channels, outputs) = make_network_recipe(section, "backbones"), shape
    runtime.start_backend(precision)  # type: ignore[arg-type]
    # As a session does, so that a random backbone is the same one.
    list_weight_files(recipe.network, weights, size)
    runtime.forget_names()
    runtime.seed_everything(0)
    source = WeightSource(weights, size)
    return build_network(recipe.network, size, channels, outputs, section.input.normalise, source)
