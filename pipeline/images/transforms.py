"""Transforms of albumentations, made of what a YAML file declares and run on images of 8 and of 16 bits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Pixels
from pipeline.core.errors import InputError, near_names, some
from pipeline.images.affine import Affine
from pipeline.images.quiet_albumentations import A

_BASES = {"BasicTransform", "DualTransform", "ImageOnlyTransform"}
_LEVELS = {"fill", "fill_mask", "drop_value"}  # arguments that are grey levels of 0 to 255


def _known() -> dict[str, type[A.BasicTransform]]:
    known = {
        name: value
        for name, value in vars(A).items()
        if isinstance(value, type) and issubclass(value, A.BasicTransform) and name not in _BASES
    }
    return known | {"Affine": Affine}


def make_transform(entry: dict[str, dict[str, Any]], deep: bool = False) -> A.BasicTransform:
    """Makes a transform of ``{Name: {argument: value}}``.

    Args:
        entry: of a model's YAML; pixel values count in grey levels of 0 to 255.
        deep: whether it will see images of [0, 1], as `run_transforms` shows it those of 16 bits.

    Raises:
        InputError: albumentations has no such transform or argument, or refuses the value.
    """
    if len(entry) != 1:
        raise InputError(f"a transform is one name with its arguments, got {sorted(entry)}; start a list item for each")
    ((name, arguments),) = entry.items()
    known = _known()
    if name not in known:
        raise InputError(f"transform {name!r} is unknown to albumentations; {near_names(name, known)}")
    unknown = sorted(set(arguments) - set(_arguments(known[name])))
    if unknown:
        raise InputError(f"transform {name} takes no {some(unknown)}; it takes {some(_arguments(known[name]), 99)}")
    try:
        # Not strict, albumentations warns about values that do not fit and goes on with its defaults.
        return _made(known[name], _tuples(_shrink_levels(arguments) if deep else arguments))
    except (TypeError, ValueError) as error:
        raise InputError(f"transform {name}: {_first_reason(error)}") from error


def _made(transform: type[A.BasicTransform], arguments: dict[str, Any]) -> A.BasicTransform:
    try:
        return transform(**arguments, strict=True)
    except TypeError as error:
        if "'strict'" not in str(error):
            raise
        return transform(**arguments)  # one without a schema of its own has nothing to be strict about


def _arguments(transform: type[A.BasicTransform]) -> list[str]:
    return sorted({*transform.InitSchema.model_fields, "p"} - {"strict"})


def _first_reason(error: Exception) -> str:
    # pydantic adds lines of its own, an address among them; the first one or two say what is wrong.
    lines = [line.strip() for line in str(error).splitlines() if "For further information" not in line]
    return " ".join(lines)


def _tuples(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}


def _shrink_levels(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: _shrink(value) if key in _LEVELS else value for key, value in arguments.items()}


def _shrink(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_shrink(each) for each in value]
    return value / 255 if isinstance(value, int | float) else value


class TransformChain:
    """Transforms in order, for images of 8 bits and for levels between two whole ones."""

    def __init__(self, declared: Sequence[dict[str, dict[str, Any]]]) -> None:
        """Builds them for 8 bits, and anew for the first image of a store of 16.

        Raises:
            InputError: one is unknown or misdeclared.
        """
        self._declared, self._seed, self._is_deep = declared, 0, False
        self._compose = self._build()

    def _build(self) -> A.Compose:
        return A.Compose([make_transform(entry, self._is_deep) for entry in self._declared])

    def seed(self, seed: int) -> None:
        """Fixes all draws until the next call."""
        self._seed = seed
        self._compose.set_random_seed(seed)

    def __call__(self, image: Pixels) -> NDArray[Any]:
        """Transforms one image (height, width, channels) of grey levels, uint8 or float32."""
        if self._is_deep != (image.dtype != np.uint8):
            self._is_deep = not self._is_deep
            self._compose = self._build()
            self._compose.set_random_seed(self._seed)
        return run_transforms(self._compose, image)


def run_transforms(compose: A.Compose, image: Pixels) -> NDArray[Any]:
    """Runs transforms: on levels between two whole ones as albumentations wants them, in [0, 1].

    One after another, as the composition does, but without its checks of boxes, key points and masks.
    """
    levels = image.dtype != np.uint8
    changed = image / np.float32(255) if levels else image
    for transform in compose.transforms:
        changed = transform(image=changed)["image"]
    return np.asarray(np.clip(changed * np.float32(255), 0, 255) if levels else changed)
