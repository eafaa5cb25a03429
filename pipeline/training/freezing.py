"""Layers that rest and layers that train in a phase: frozen, cut off below, or slower the deeper they lie."""

from __future__ import annotations

from pipeline.core.errors import InputError
from pipeline.networks.build import BuiltNetwork
from pipeline.networks.cutting import CutNetwork, cut_network
from pipeline.networks.runtime import keras
from pipeline.training.recipes.phase_recipe import PhaseRecipe


def cut_prefix(net: BuiltNetwork, recipe: PhaseRecipe, section: str) -> CutNetwork | None:
    """Cuts a network behind the prefix of a phase; None where it has none.

    Args:
        net: the network.
        recipe: of the phase.
        section: what the model's file calls it.

    Raises:
        InputError: the network cannot be cut there.
    """
    if recipe.prefix is None:
        return None
    assert net.body is not None  # the recipe refuses to cut what has no backbone
    assert net.head is not None
    return cut_network(net.body, net.head, recipe.prefix.after, f"{section}.prefix.after")


def free_layers(net: BuiltNetwork, recipe: PhaseRecipe, cut: CutNetwork | None) -> None:
    """Freezes what a phase leaves as it is, and lets train the rest.

    Raises:
        InputError: the backbone has fewer layers than are to be unfrozen.
    """
    unfreeze(net, recipe.unfreeze)
    for layer in cut.below if cut else ():
        layer.trainable = False


def unfreeze(net: BuiltNetwork, wanted: str | int) -> None:
    """Lets train what ``PhaseRecipe.unfreeze`` says.

    Raises:
        InputError: the backbone has fewer layers.
    """
    if net.backbone is None:
        return
    count = len(net.depth)
    if isinstance(wanted, int) and wanted > count:
        raise InputError(
            f"unfreeze is {wanted}, but {net.backbone.name} has {count} layers; lower it, in training or "
            "training.before, or say all"
        )
    top = {"all": count, "head": 0}.get(str(wanted), wanted)
    for place, layers in enumerate(net.depth):
        for layer in layers:
            layer.trainable = place >= count - int(top)


def depth_factors(net: BuiltNetwork, model: keras.Model, decay: float) -> list[float]:
    """Returns the factor of the learning rate of each trainable variable, 1 for the head, less for what lies deeper.

    A layer with a kernel begins a new depth; normalisation and bias belong to the kernel before them.
    Reference: Bao et al. 2022, BEiT, https://arxiv.org/abs/2106.08254
    """
    if net.backbone is None:
        return [1.0] * len(model.trainable_variables)
    depth, depths = 0, dict[str, int]()
    for layers in net.depth:
        weights = [weight for layer in layers for weight in layer.weights]
        depth += any(len(weight.shape) > 1 for weight in weights)
        depths |= {weight.path: max(depth, 1) for weight in weights}
    return [
        decay ** (depth - depths[variable.path] + 1) if variable.path in depths else 1.0
        for variable in model.trainable_variables
    ]
