"""Augmentation declared in a model's YAML: albumentations per image, mixup and cutmix per batch.

Each draw comes from a seed that names its batch, so a batch is a pure function of (seed, epoch, step): the same
after a crash, with any number of threads, in any order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from pipeline.core.arrays import Images, Pixels
from pipeline.core.config import Section
from pipeline.core.errors import InputError, one_line
from pipeline.core.memory import is_out_of_memory
from pipeline.images.policies import Policy, PolicyTransform

if TYPE_CHECKING:  # albumentations takes seconds to start: only where something is declared
    from pipeline.images.quiet_albumentations import A
    from pipeline.images.transforms import TransformChain

Declared = tuple[dict[str, dict[str, Any]], ...]
_WHOLE = 1e-3  # grey levels: less than half a step of a uint16 store, more than float32 loses by 255


def _checked(transforms: Declared) -> Declared:
    if transforms:
        from pipeline.images.transforms import make_transform
    for entry in transforms:
        make_transform(entry)
    return transforms


# albumentations classes in order, each ``{Name: {argument: value}}``.
Transforms = Annotated[Declared, AfterValidator(_checked)]


class Augmentation(Section):
    """What training images go through.

    Attributes:
        flip: ``random`` flips half of the draws left to right; ``alternating`` flips each image every other epoch,
            which never shows an image the same way in two epochs running (Jordan 2024, https://arxiv.org/abs/2404.00498).
        policy: operations drawn for each image, before ``transforms``: ``rand_augment`` or ``trivial_augment``.
        transforms: albumentations classes in order, each ``{Name: {argument: value}}``; random erasing is ``Erasing``.
        mixup: alpha of the Beta distribution, 0 switches it off (Zhang 2018, https://arxiv.org/abs/1710.09412).
        cutmix: alpha of the Beta distribution, 0 switches it off (Yun 2019, https://arxiv.org/abs/1905.04899).
        mix_probability: share of batches that are mixed; with both on, each takes half of them.
    """

    flip: Literal["none", "random", "alternating"] = "none"
    policy: Policy | None = None
    transforms: Transforms = ()
    mixup: float = Field(default=0.0, ge=0.0)
    cutmix: float = Field(default=0.0, ge=0.0)
    mix_probability: float = Field(default=1.0, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _mixing_mixes(self) -> "Augmentation":
        # 1 is the default, which a card holds as well.
        if self.mix_probability != 1 and not (self.mixup or self.cutmix):
            raise ValueError("mix_probability needs mixup or cutmix")
        return self


class ImageTransform:
    """The per-image part, ready to run in one thread."""

    def __init__(self, config: Augmentation, stronger: Declared = ()) -> None:
        """Builds the albumentations pipelines.

        Args:
            config: what every image goes through.
            stronger: what some images go through after that.
        """
        self._declared = {"augmentation.transforms": config.transforms, "balance.stronger.transforms": stronger}
        self._policy = PolicyTransform(config.policy) if config.policy is not None else None
        self._compose = _make_chain(config.transforms)
        self._stronger = _make_chain(stronger)
        self._idle = self._policy is None and self._compose is None

    def seed(self, seed: int) -> None:
        """Fixes all draws until the next call."""
        if self._policy is not None:
            self._policy.seed(seed)
        if self._compose is not None:
            self._compose.seed(seed)
        if self._stronger is not None:
            self._stronger.seed(seed + 1)  # no copy of the draws before it

    def check(self, image: Images) -> None:
        """Tries the declared transforms on an image, all of them and with each left out that is not always drawn.

        Raises:
            InputError: they fail, change its size or dtype, or round the levels of a store of 16 bits; no draw is used
                up.
        """
        if self._policy is not None and image.dtype != np.uint8:
            raise InputError(
                "augmentation.policy works on 8 bits, but the store holds 16: declare augmentation.transforms instead, "
                "in the model's file, or set storage.dtype: uint8 in the competition's"
            )
        deep = image.dtype != np.uint8
        for place, declared in self._declared.items():
            if not declared:
                continue
            from pipeline.images.transforms import make_transform

            transforms = [make_transform(entry, deep) for entry in declared]
            rare = [number for number, each in enumerate(transforms) if each.p < 1]
            for left_out in (None, *rare):
                drawn = [each for number, each in enumerate(transforms) if each.p > 0 and number != left_out]
                if drawn:
                    _kept(_always(drawn, image, place), image, f"{place} ({_names(drawn)})")
            if deep:
                _require_fractions([each for each in transforms if each.p > 0], image, place)

    def __call__(self, image: Images, strong: bool = False) -> Images:
        """Transforms one image (size, size, channels); ``strong`` ones go through ``stronger`` as well.

        Raises:
            InputError: a transform changed the size or the dtype.
        """
        if self._idle and not strong:
            return image
        result = np.ascontiguousarray(image)
        if self._policy is not None:
            result = self._policy(result)
        if self._compose is not None:
            result = _kept(self._compose(result), image, "augmentation.transforms")
        if strong:
            assert self._stronger is not None
            result = _kept(self._stronger(result), image, "balance.stronger.transforms")
        return result


def _make_chain(declared: Declared) -> "TransformChain | None":
    if not declared:
        return None
    from pipeline.images.transforms import TransformChain

    return TransformChain(declared)


def _always(transforms: "list[A.BasicTransform]", image: Pixels, place: str) -> NDArray[Any]:
    from pipeline.images.quiet_albumentations import A
    from pipeline.images.transforms import run_transforms

    chances = [each.p for each in transforms]
    for each in transforms:
        each.p = 1.0
    try:
        with explain_errors(f"{place} ({_names(transforms)}) fails on an image of {image.shape}"):
            changed = run_transforms(A.Compose(transforms), np.ascontiguousarray(image))
    finally:
        for each, chance in zip(transforms, chances, strict=True):
            each.p = chance
    return changed


def _require_fractions(transforms: "list[A.BasicTransform]", image: Images, place: str) -> None:
    # An image of its own: the store's may be files of 8 bits, whose levels are whole before.
    levels = np.random.default_rng(0).uniform(0, 255, image.shape).astype(np.float32)
    for number, transform in enumerate(transforms, 1):
        result = _always(transforms[:number], levels, place)
        values = np.unique(np.rint(result))
        # What is black, white or of one value all over was not rounded.
        if len(values) > 1 and {*values} - {0, 255} and np.abs(result - np.rint(result)).max() < _WHOLE:
            raise InputError(
                f"{place} ({_names([transform])}) works on 8 bits, but the store holds 16: it rounds to whole grey "
                "levels; remove it from the model's file, or set storage.dtype: uint8 in the competition's"
            )


@contextmanager
def explain_errors(what: str) -> Iterator[None]:
    """Turns any error of a transform into one `InputError` that begins with ``what``.

    Raises:
        InputError: something was raised, but for want of memory.
    """
    try:
        yield
    except Exception as error:  # albumentations and OpenCV raise whatever they like
        if isinstance(error, InputError) or is_out_of_memory(error):
            raise
        from pipeline.images.quiet_albumentations import name_failing

        raise InputError(f"{what}: {name_failing(error)}{one_line(error)}") from error


def _names(transforms: "list[A.BasicTransform]") -> str:
    return ", ".join(type(each).__name__ for each in transforms)


def _kept(result: NDArray[Any], image: Images, place: str) -> Images:
    result = result if result.ndim == 3 else result[..., None]
    if result.shape != image.shape or result.dtype != image.dtype:
        raise InputError(
            f"the augmentation turned {image.dtype} {image.shape} into {result.dtype} {result.shape}; "
            f"transforms must keep size, channels and type; see {place} in the model's file"
        )
    return result
