"""Heat maps of trained models: Grad-CAM for networks with convolutions, attention rollout for transformers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Pixels
from pipeline.core.cards import ModelCard
from pipeline.images.preprocessing import preprocess_image
from pipeline.images.resizing import resize_unrounded
from pipeline.inference.opened_network import OpenedNetwork, open_network
from pipeline.inference.saliency.gradcam import compute_grad_cam, split_network
from pipeline.inference.saliency.heat import Heat, enlarge_heat
from pipeline.inference.saliency.rollout import compute_rollout
from pipeline.inference.task_shape import TaskShape
from pipeline.networks.backbones.pretrained import Pretrained
from pipeline.networks.backbones.transformers import Transformer

_BATCH = 16
_ComputeHeat = Callable[[Pixels, NDArray[np.int64]], Heat]


@dataclass(frozen=True)
class Attribution:
    """A network with a method to compute heat maps.

    Attributes:
        opened: its network.
        method: ``Grad-CAM`` of a given class, or ``attention rollout``, which is the same for all classes.
        compute: from batches as the network takes them, and classes, to heat maps.
    """

    opened: OpenedNetwork
    method: str
    compute: _ComputeHeat

    def compute_heat(self, checkpoint: Path, images: Images, classes: NDArray[np.int64]) -> Heat:
        """Computes heat maps with one fold's weights.

        Args:
            checkpoint: of the fold.
            images: uint8 (n, size, size, channels), as the image store keeps them.
            classes: int64 (n,), the class of each map.

        Returns:
            float32 (n, size, size) in [0, 1], the maximum of each image at 1; all 0 without evidence for the class.

        Raises:
            InputError: the checkpoint does not fit.
        """
        self.opened.load(checkpoint)
        steps, size = self.opened.recipe.input.preprocess, self.opened.size
        maps = []
        for start in range(0, len(images), _BATCH):
            # The last batch is filled up from the front: one of another size would be traced anew, which takes longer.
            rows = np.arange(start, start + _BATCH) % len(images)
            batch = np.stack(
                [resize_unrounded(preprocess_image(np.ascontiguousarray(images[row]), steps), size) for row in rows]
            )
            heat = self.compute(batch, classes[rows])[: len(images) - start]
            maps.append(enlarge_heat(heat, images.shape[1]))
        return np.concatenate([np.zeros((0, *images.shape[1:3]), dtype=np.float32), *maps])


def make_attribution(opened: OpenedNetwork, layer: str | None = None) -> Attribution | None:
    """Chooses how to compute heat maps of a network.

    Args:
        opened: by `open_network`.
        layer: whose feature map to look at; the last convolutional one if absent.

    Returns:
        None for a network that has neither convolutions nor attention, or whose head reads several layers: no one map
        leads to its logits then.

    Raises:
        InputError: there is no such layer.
    """
    model, backbone, network = opened.net.model, opened.net.backbone, opened.recipe.network
    if isinstance(network, Transformer):
        assert backbone is not None
        return Attribution(
            opened, "attention rollout", lambda images, _: compute_rollout(model, backbone, network, images)
        )
    joined = isinstance(network, Pretrained) and network.layers and layer is None
    cut = None if joined else split_network(model, layer)
    if cut is None:
        return None
    return Attribution(opened, "Grad-CAM", lambda images, classes: compute_grad_cam(cut, images, classes))


def open_attribution(card: ModelCard, shape: TaskShape, weights: Path, layer: str | None = None) -> Attribution | None:
    """Opens a model to compute heat maps; arguments as in `open_network` and `make_attribution`.

    Returns:
        None for a model that has neither convolutions nor attention: dense networks, classical models.
    """
    opened = open_network(card, shape, weights)
    return make_attribution(opened, layer) if opened else None
