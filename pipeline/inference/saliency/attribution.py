"""Where a trained model looks: Grad-CAM where it has convolutions, attention rollout where it attends."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Pixels
from pipeline.core.cards import ModelCard
from pipeline.images.preprocessing import preprocess_image
from pipeline.images.resizing import resize_unrounded
from pipeline.inference.opened_network import Network, open_network
from pipeline.inference.saliency.gradcam import grad_cam, halves
from pipeline.inference.saliency.heat import Heat, enlarged
from pipeline.inference.saliency.rollout import rollout
from pipeline.networks.backbones.vit import Vit

_BATCH = 16
_Look = Callable[[Pixels, NDArray[np.int64]], Heat]


@dataclass(frozen=True)
class Attribution:
    """A model whose folds can be asked where they look.

    Attributes:
        opened: its network.
        method: ``Grad-CAM`` of the class that is asked about, or ``attention rollout``, which knows no class.
        look: from batches as the network takes them, and classes, to maps of heat.
    """

    opened: Network
    method: str
    look: _Look

    def heat(self, checkpoint: Path, images: Images, classes: NDArray[np.int64]) -> Heat:
        """Computes heat by one fold's weights.

        Args:
            checkpoint: of the fold.
            images: uint8 (n, size, size, channels), as the image store keeps them.
            classes: int64 (n,), the class that is asked about.

        Returns:
            float32 (n, size, size) in [0, 1], the hottest place of each image at 1; 0 where nothing speaks for a class.

        Raises:
            InputError: the checkpoint does not fit.
        """
        self.opened.load(checkpoint)
        steps, size = self.opened.recipe.input.preprocess, self.opened.size
        found = []
        for start in range(0, len(images), _BATCH):
            # The last batch is filled up from the front: one of another size would be traced anew, which takes longer.
            rows = np.arange(start, start + _BATCH) % len(images)
            shown = np.stack(
                [resize_unrounded(preprocess_image(np.ascontiguousarray(images[row]), steps), size) for row in rows]
            )
            heat = self.look(shown, classes[rows])[: len(images) - start]
            found.append(enlarged(heat, images.shape[1]))
        return np.concatenate([np.zeros((0, *images.shape[1:3]), dtype=np.float32), *found])


def attribution_of(opened: Network, layer: str | None = None) -> Attribution | None:
    """Returns a network to be asked where it looks.

    Args:
        opened: by `open_network`.
        layer: whose feature map to look at; the last convolutional one if absent.

    Returns:
        None for a network that has neither convolutions nor attention.

    Raises:
        InputError: there is no such layer.
    """
    model, backbone, network = opened.net.model, opened.net.backbone, opened.recipe.network
    if isinstance(network, Vit):
        assert backbone is not None
        return Attribution(opened, "attention rollout", lambda images, _: rollout(model, backbone, network, images))
    cut = halves(model, layer)
    if cut is None:
        return None
    return Attribution(opened, "Grad-CAM", lambda images, classes: grad_cam(cut, images, classes))


def open_attribution(
    card: ModelCard, stored: int, channels: int, n_classes: int, weights: Path, layer: str | None = None
) -> Attribution | None:
    """Opens a model to be asked where it looks; arguments as `open_network` and `attribution_of` have them.

    Returns:
        None for a model that has neither convolutions nor attention: dense networks, classical models.
    """
    opened = open_network(card, stored, channels, n_classes, weights)
    return attribution_of(opened, layer) if opened else None
