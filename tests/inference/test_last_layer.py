"""The last layer: fitted to features, with and without label smoothing."""

from scipy.special import softmax
from support.fold_outputs import N_CLASSES, fabricate_outputs

from pipeline.inference.unknown.last_layer import fit_last_layer


def test_the_last_layer_finds_what_separates_classes() -> None:
    outputs, labels = fabricate_outputs(0)
    assert outputs.features is not None
    layer = fit_last_layer(outputs.features, labels, N_CLASSES, smoothing=0.0)
    assert (layer.compute_logits(outputs.features).argmax(axis=1) == labels).mean() > 0.99


def test_smoothed_labels_keep_the_last_layer_from_being_too_sure() -> None:
    outputs, labels = fabricate_outputs(0)
    assert outputs.features is not None
    sure = [
        softmax(
            fit_last_layer(outputs.features, labels, N_CLASSES, smoothing).compute_logits(outputs.features), axis=1
        ).max(axis=1)
        for smoothing in (0.0, 0.3)
    ]
    assert sure[0].mean() > 0.9
    assert abs(sure[1].mean() - (0.7 + 0.3 / N_CLASSES)) < 0.05
