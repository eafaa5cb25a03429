"""Preset files, of KerasHub or Hugging Face: in a local folder, in a hub's cache, or on the hub itself."""

import urllib.error
import urllib.request
from pathlib import Path

from pipeline.core.errors import InputError, near_names, one_line, some

_WAYS_OUT = (
    "Three ways out for network.preset: the path of a local KerasHub preset folder (config.json, model.weights.h5) or "
    "of a local Hugging Face folder (config.json, model.safetensors); such a folder under the preset's own name in the "
    "folder of weights ($WEIGHTS_DIR, or train.weights in params.yaml); or a hub name such as "
    "hf://google/vit-base-patch16-224-in21k where there is internet"
)
_SECONDS = 15.0


def find_preset_folder(name: str, folder: Path | None, class_of: str) -> Path | None:
    """Returns the local folder of a preset, or None for one on a hub.

    Args:
        name: path of a folder, or a hub name.
        folder: of pretrained weights; a subfolder of the preset's own name there goes before the hub.
        class_of: KerasHub's class, whose presets are known by name.

    Raises:
        InputError: neither a folder nor the name of anything on a hub.
    """
    near = [] if "://" in name else [Path(name).expanduser()]
    if folder is not None:
        near.append(folder / (name.rpartition("/")[2] if "://" in name else name))
    local = next((path for path in near if path.is_dir()), None)
    if local is None and not name.startswith(("hf://", "kaggle://")):
        import keras_hub

        known = getattr(keras_hub.models, class_of).presets
        if name not in known:
            place = f" (no folder {some(near)})" if near else ""
            raise InputError(f"network.preset: unknown {name}{place}; {near_names(name, known)} {_WAYS_OUT}")
    return local


def find_preset_file(preset: str, local: Path | None, name: str) -> Path:
    """Returns the path of one file of a preset, downloaded where need be.

    Args:
        preset: its name.
        local: its folder, as `find_preset_folder` returns it.
        name: of the file.

    Raises:
        InputError: it cannot be had.
    """
    if local is not None:
        if not (local / name).is_file():
            raise InputError(f"network.preset {preset}: {local} holds no {name}. {_WAYS_OUT}")
        return local / name
    try:
        if preset.startswith("hf://"):
            return _from_hugging_face(preset.removeprefix("hf://"), name)
        from keras_hub.src.utils.preset_utils import get_file

        return Path(get_file(preset, name))
    except (OSError, ValueError) as error:
        raise InputError(
            f"network.preset {preset}: there is no folder {preset.rpartition('/')[2]} in the folder of weights, and "
            f"{name} is out of reach ({one_line(error)}). {_WAYS_OUT}"
        ) from error


def _from_hugging_face(repository: str, name: str) -> Path:
    """Returns a cached file, or downloads it; without a network it fails at once, not after five retries."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.hf_hub_download(repository, name, local_files_only=True))
    except LocalEntryNotFoundError:
        if huggingface_hub.constants.HF_HUB_OFFLINE:
            raise
    try:
        request = urllib.request.Request(huggingface_hub.constants.ENDPOINT, method="HEAD")
        with urllib.request.urlopen(request, timeout=_SECONDS):
            pass
    except urllib.error.HTTPError:
        pass  # it answers
    return Path(huggingface_hub.hf_hub_download(repository, name))
