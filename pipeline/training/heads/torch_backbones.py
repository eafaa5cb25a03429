"""Frozen backbones that PyTorch computes: image models of timm and Hugging Face, from files in the folder of weights.

PyTorch, timm and transformers stand in no lock: who has installed them names such a model among a head's backbones, and
its features are computed once, into the same cache as those of Keras. Nothing is downloaded.
"""

import importlib
import importlib.metadata
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError, one_line
from pipeline.core.memory import is_out_of_memory
from pipeline.training.heads.recipe import TORCH_NETWORKS, FrozenBackbone

Extract = Callable[[NDArray[np.uint8 | np.float32]], NDArray[np.float32]]
Tensors = Callable[[Any], Any]
_FOLDER_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")


class TimmBackbone(Section):
    """An image model of timm without its classifier.

    Attributes:
        model: its name in timm, such as ``vit_small_patch14_dinov2.lvd142m``.
        weights: file of its weights (.safetensors, or a state of PyTorch), in ``$WEIGHTS_DIR``.

    Reference: Wightman 2019, PyTorch image models, https://github.com/huggingface/pytorch-image-models
    """

    name: Literal["timm"]
    model: str = Field(min_length=1)
    weights: str = Field(min_length=1)


class HuggingFaceBackbone(Section):
    """An image model of Hugging Face.

    Attributes:
        folder: with ``config.json``, ``preprocessor_config.json`` and ``model.safetensors``, in ``$WEIGHTS_DIR``.
        pooling: of the last states: the first token's, or the mean of all; a feature map is always averaged.
    """

    name: Literal["huggingface"]
    folder: str = Field(min_length=1)
    pooling: Literal["class_token", "mean"] = "class_token"


TorchBackbone = Annotated[TimmBackbone | HuggingFaceBackbone, Field(discriminator="name")]


class _Network(Section):
    network: TorchBackbone


def parse_torch_backbone(section: FrozenBackbone, place: str) -> TimmBackbone | HuggingFaceBackbone | None:
    """Returns the section of a model that PyTorch computes; None for one of Keras.

    Raises:
        InputError: it does not fit, or the input is to be normalised otherwise than the model's own way.
    """
    if section.network.get("name") not in TORCH_NETWORKS:
        return None
    if section.input.normalise != "auto":
        raise InputError(
            f"{place}: input.normalise: {section.input.normalise} does not go with network.name: "
            f"{section.network['name']}, whose files say how it is normalised; set auto, or leave it out"
        )
    return parse({"network": section.network}, _Network, place).network


def list_torch_files(network: TimmBackbone | HuggingFaceBackbone, folder: Path) -> tuple[Path, ...]:
    """Returns the files that a model's weights come from.

    Raises:
        InputError: one is missing.
    """
    if isinstance(network, TimmBackbone):
        paths, key = [folder / network.weights], "weights"
    else:
        paths, key = [folder / network.folder / name for name in _FOLDER_FILES], "folder"
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"backbones: network.{key} {getattr(network, key)}: {path} does not exist; copy it there, or set "
                "$WEIGHTS_DIR (train.weights in params.yaml)"
            )
    return tuple(paths)


def describe_torch(network: TimmBackbone | HuggingFaceBackbone) -> str:
    """Says what computes the model: precision and versions.

    Raises:
        InputError: PyTorch or the library is not installed.
    """
    library = "timm" if isinstance(network, TimmBackbone) else "transformers"
    try:
        return f"float32, torch {importlib.metadata.version('torch')}, {library} {importlib.metadata.version(library)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise _explain_missing(network, library) from error


def open_torch_model(network: TimmBackbone | HuggingFaceBackbone, shape: tuple[int, int, int], folder: Path) -> Extract:
    """Loads a model.

    Args:
        network: which.
        shape: side of its input in pixels, channels of the stored images, and outputs, which play no part.
        folder: of weights.

    Returns:
        From grey levels (n, size, size, channels) in [0, 255] to features float32 (n, width).

    Raises:
        InputError: a library or file is missing, or the weights are another model's.
    """
    list_torch_files(network, folder)
    try:
        torch: Any = importlib.import_module("torch")
        features, mean, std = (
            _open_timm(network, shape[0], folder)
            if isinstance(network, TimmBackbone)
            else _open_huggingface(network, folder)
        )
    except ImportError as error:
        raise _explain_missing(network, str(error.name)) from error
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        if is_out_of_memory(error):
            raise
        raise InputError(
            f"backbones: {_name(network)} cannot be loaded ({one_line(error)}); see network in the model's file"
        ) from error

    def extract(batch: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        levels = batch.astype(np.float32)
        if levels.shape[-1] != 3:
            levels = np.repeat(levels[..., :1], 3, axis=-1)
        pixels = ((levels / 255 - mean) / std).transpose(0, 3, 1, 2)
        try:
            with torch.inference_mode():
                made = features(torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)))
        except (RuntimeError, ValueError, AssertionError) as error:
            if is_out_of_memory(error):
                raise
            raise InputError(
                f"backbones: {_name(network)} does not take {batch.shape[1]} x {batch.shape[2]} pixels "
                f"({one_line(error)}); set input.size"
            ) from error
        return np.asarray(made.numpy(), dtype=np.float32)

    return extract


def _open_timm(network: TimmBackbone, size: int, folder: Path) -> tuple[Tensors, Any, Any]:
    timm: Any = importlib.import_module("timm")
    own = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(folder / network.weights)}, "num_classes": 0}
    try:
        model = timm.create_model(network.model, img_size=size, **own)
    except TypeError:  # convolutions take any size and no img_size
        model = timm.create_model(network.model, **own)
    known = timm.data.resolve_model_data_config(model)
    model.eval()
    return model, np.array(known["mean"], np.float32), np.array(known["std"], np.float32)


def _open_huggingface(network: HuggingFaceBackbone, folder: Path) -> tuple[Tensors, Any, Any]:
    library: Any = importlib.import_module("transformers")
    place = folder / network.folder
    known = json.loads((place / "preprocessor_config.json").read_text(encoding="utf-8"))
    model = library.AutoModel.from_pretrained(str(place), local_files_only=True, use_safetensors=True)
    model.eval()
    resized = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
    more = {"interpolate_pos_encoding": True} if resized else {}

    def features(pixels: Any) -> Any:
        states = model(pixel_values=pixels, **more).last_hidden_state
        if states.ndim == 4:
            return states.mean(dim=(2, 3))
        return states.mean(dim=1) if network.pooling == "mean" else states[:, 0]

    return features, np.array(known["image_mean"], np.float32), np.array(known["image_std"], np.float32)


def _name(network: TimmBackbone | HuggingFaceBackbone) -> str:
    return f"timm {network.model}" if isinstance(network, TimmBackbone) else f"huggingface {network.folder}"


def _explain_missing(network: TimmBackbone | HuggingFaceBackbone, library: str) -> InputError:
    return InputError(
        f"backbones: network.name {network.name} needs PyTorch, and {library} is not installed; install torch and "
        f"{'timm' if isinstance(network, TimmBackbone) else 'transformers'} in this environment, or name a "
        "backbone of Keras"
    )
