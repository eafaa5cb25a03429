"""Fold outputs: probabilities, and where a model has them logits and features, of images by one fold's model."""

from dataclasses import dataclass

from pipeline.core.arrays import Features, Logits, Probs


@dataclass(frozen=True)
class FoldOutputs:
    """Outputs of one fold's model for n images.

    Attributes:
        probs: (n, n_classes), all views together.
        logits: (n, n_classes) of the images themselves, without other views; None for a model without logits.
        features: (n, width), the inputs of the layer of logits; None for a model without such a layer.
    """

    probs: Probs
    logits: Logits | None = None
    features: Features | None = None
