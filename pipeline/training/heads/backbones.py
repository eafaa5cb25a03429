"""Features of frozen backbones, opened without a network where they are kept, computed where they are not.

What a file of settings asks for is remembered beside the features: which folder holds them, from which weights. As long
as these weights, the images, the code and the versions are the same, no backend starts.
"""

import hashlib
import importlib.metadata
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.arrays import Images, KeptFeatures
from pipeline.core.closure import code_digest
from pipeline.core.config import Section
from pipeline.core.digests import read_noted_json, write_signed_json
from pipeline.core.files import sha256
from pipeline.core.paths import work_folder
from pipeline.images.prefetching import default_workers
from pipeline.images.preprocessing import open_preprocessed
from pipeline.images.views import Views
from pipeline.networks.features import FeatureCache
from pipeline.networks.processor import name_processor, read_backend
from pipeline.training import fingerprints
from pipeline.training.context import TrainingContext
from pipeline.training.heads.frozen_networks import make_extract, make_network_recipe
from pipeline.training.heads.recipe import FeatureInput, FrozenBackbone
from pipeline.training.heads.torch_backbones import (
    Extract,
    describe_torch,
    list_torch_files,
    parse_torch_backbone,
)

_CODE = ("networks.features", "networks.build", "images.preprocessing", "training.heads.backbones")
_LIBRARIES = ("keras", "keras-hub", "numpy", "opencv-python-headless", "tensorflow", "tensorflow-cpu", "jax")
_TORCH_LIBRARIES = ("torch", "timm", "transformers")
_SETTINGS = {
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_NUM_INTRAOP_THREADS": "",
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class OpenedBackbone:
    """A frozen backbone's features of all images.

    Attributes:
        cache: where they are kept, and what computes those that are missing.
        digest: of all that determines them: backbone, weights, input, stored pixels, code.
        weights: digests of the files of its weights, by path.
        precision: that the backbone computes in.
        images: after preprocessing, by part: ``train`` and ``test``.
    """

    cache: FeatureCache
    digest: str
    weights: dict[str, str]
    precision: str
    images: dict[str, Images]

    @property
    def seconds(self) -> float:
        """Seconds that the features opened so far took when they were computed."""
        return sum(self.cache.used.values())

    def compute_views(self, part: str, views: Views) -> list[KeptFeatures]:
        """Returns the features of each view of a part's images: float16 (n, width), the images themselves first."""
        return self.cache.compute_views(part, self.images[part], views)


def open_backbone(section: FrozenBackbone, context: TrainingContext, images: list[str]) -> OpenedBackbone:
    """Opens the features of a frozen backbone; computes nothing yet, and starts no backend where they are kept.

    Args:
        section: which backbone, on which input.
        context: the competition's data, the precision and the folder of weights.
        images: digests of the image stores, from `fingerprints.digest_images`.

    Raises:
        InputError: the network's section does not fit, is no backbone, or its weights cannot be had.
    """
    data, folder = context.data, work_folder(context.root, "features")
    size = section.input.size or int(data.images.shape[1])
    path = folder / "opened" / f"{_digest_request(section, context, images)}.json"
    known = _read_known(path)
    if known is None:
        known = _resolve(section, context, images)
        write_signed_json(path, known)
    steps, preprocessed = section.input.preprocess, work_folder(context.root, "preprocessed")
    workers = default_workers()
    stores = {
        part: open_preprocessed(store, steps, preprocessed, digest, workers)
        for part, store, digest in zip(("train", "test"), (data.images, data.test_images), images, strict=True)
    }
    extract = _make_extract(section, context, known["precision"], size)
    cache = FeatureCache(folder / known["folder"] / str(size), extract, size, workers)
    return OpenedBackbone(cache, known["features"], known["weights"], known["precision"], stores)


def _digest_request(section: FrozenBackbone, context: TrainingContext, images: list[str]) -> str:
    """Digests what can be known of a backbone without a backend; the names of all weights, too, as one may come."""
    names = sorted(path.name for path in context.weights.iterdir()) if context.weights.is_dir() else []
    asked = {
        "section": section.model_dump(mode="json"),
        "images": images,
        "outputs": context.data.target.n_outputs,  # the fastest precision is remembered by them, too
        "precision": context.precision,
        "weights": [str(context.weights), names],
        "code": [code_digest(f"pipeline.{name}") for name in _CODE],
        "versions": {name: _read_version(name) for name in _LIBRARIES},
        "hardware": [name_processor(), sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))],
        "settings": {name: os.environ.get(name, usual) for name, usual in _SETTINGS.items()},
        "backend": read_backend(),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]


def _read_version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _read_known(path: Path) -> dict[str, Any] | None:
    """Reads what is remembered of a request; None where nothing is, or weights or libraries have changed since.

    Features of PyTorch are there for those, too, who have it no longer.
    """
    if not path.is_file():
        return None
    known: dict[str, Any] = read_noted_json(path, "run the command again")
    same = all(Path(name).is_file() and sha256(Path(name)) == digest for name, digest in known["weights"].items())
    versions = {name: _read_version(name) for name in known["torch"]}
    return known if same and (not versions.get("torch") or versions == known["torch"]) else None


def _resolve(section: FrozenBackbone, context: TrainingContext, images: list[str]) -> dict[str, Any]:
    from pipeline.networks.build import list_weight_files
    from pipeline.training import probing

    outside = parse_torch_backbone(section, "backbones")
    if outside is not None:
        described, weights = _DescribedBackbone(outside, section.input), list_torch_files(outside, context.weights)
        computing = f"{describe_torch(outside)}, {code_digest('pipeline.training.heads.torch_backbones')}"
        versions = {name: _read_version(name) for name in _TORCH_LIBRARIES}
        return _note(described, images, weights, ("float32", computing)) | {"torch": versions}
    recipe = make_network_recipe(section, "backbones")
    stored, channels = int(context.data.images.shape[1]), int(context.data.images.shape[-1])
    shape, memory = (stored, channels, context.data.target.n_outputs), work_folder(context.root, "probing")
    precision = probing.choose_precision(context.precision, recipe, shape, memory, context.weights)
    weights = list_weight_files(recipe.network, context.weights, recipe.first_size(stored))
    return _note(recipe, images, weights, (precision, precision))


@dataclass(frozen=True)
class _DescribedBackbone:
    """What determines the features of a network that Keras does not compute."""

    network: Section
    input: FeatureInput


def _note(recipe: Any, images: list[str], weights: tuple[Path, ...], computed_in: tuple[str, str]) -> dict[str, Any]:
    """Returns what is remembered of a request; ``computed_in`` is the precision, without and with what else counts."""
    precision, computing = computed_in
    features = fingerprints.fingerprint_features(images, recipe, weights, computing)
    return {
        "features": features,
        "folder": fingerprints.name_features_folder(features),
        "precision": precision,
        "torch": {},
        "weights": {str(path): sha256(path) for path in weights},
    }


def _make_extract(section: FrozenBackbone, context: TrainingContext, precision: str, size: int) -> Extract:
    """Returns what computes features, and builds the network with its first batch."""
    shape = (size, int(context.data.images.shape[-1]), context.data.target.n_outputs)
    return make_extract(section, shape, context.weights, precision)


def name_weights(backbones: tuple[OpenedBackbone, ...]) -> dict[str, str]:
    """Names the files of the backbones' weights, with their folder where two have one name; gives their digests."""
    named: dict[str, str] = {}
    for path, digest in (pair for each in backbones for pair in each.weights.items()):
        name = Path(path).name
        named[name if named.get(name, digest) == digest else f"{Path(path).parent.name}/{name}"] = digest
    return named
