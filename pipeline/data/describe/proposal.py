"""Models proposed for a new competition by the size and the number of its images, from the shipped models' scores.

The figures behind the rule stand in benchmarks/README.md, the rule itself in docs/competitions.md.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.paths import models_folder

SMALL = 32  # pixels: up to here networks of our own keep up with pretrained ones, which see such images blown up
FEW = 2_000  # training images: below, networks trained from scratch lose to features of a frozen backbone
_GREY = {True: ("quick_cnn", "mlp_pixels", "hog_logreg"), False: ("quick_cnn", "deep_elu_cnn")}
_COLOUR = {
    True: ("mobilenet_v2_xception_logistic", "mobilenet_v2_inner_logistic"),
    False: ("mobilenet_v2_xception_logistic", "mobilenet_v2_160_upper_blocks", "xception_160_upper_blocks"),
}
_PHOTOS = {
    True: ("mobilenet_v2_224_logistic", "xception_299_logistic"),
    False: ("mobilenet_v2_224_logistic", "xception_160_logistic", "xception"),
}


@dataclass(frozen=True)
class ProposedModels:
    """Names of files under ``configs/models``, and the reason for them."""

    names: tuple[str, ...]
    reason: str


def propose_models(root: Path, side: int, channels: int, images: int) -> ProposedModels:
    """Proposes models.

    Args:
        root: the repository.
        side: pixels of the shorter side, as stored.
        channels: 1 (grey), 3 (colour) or more, which teach a backbone for colours little.
        images: how many training images there are.

    Raises:
        InputError: none of the proposed models has a file.
    """
    few = images < FEW
    table = _PHOTOS if side > SMALL else _COLOUR if channels == 3 else _GREY
    known = {file.stem for file in models_folder(root).glob("*.yaml")}
    names = tuple(name for name in table[few] if name in known)
    if not names:
        raise InputError(
            f"configs/models holds none of the models to propose ({', '.join(table[few])}); restore the shipped files "
            "(git checkout configs/models)"
        )
    colours = {1: "grey", 3: "in colour"}.get(channels, f"of {channels} channels")
    size = f"{'photos' if side > SMALL else 'small images'}, {colours}"
    number = f"{'fewer than' if few else 'at least'} {FEW:,} of them"
    return ProposedModels(names, f"proposed for {size}, {number}; for the rule see docs/competitions.md")
