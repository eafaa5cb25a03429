"""Folders of slices: the folder that each row names, and the slices of it that make the image."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.core.errors import InputError, some
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.images.fitting import StorageForm
from pipeline.images.slices import choose_slices


def find_slices(images: ImageFolder, names: Sequence[str], form: StorageForm, place: Path) -> list[tuple[str, ...]]:
    """Finds the slices of each image.

    Args:
        images: below which the folders are.
        names: of the folder of each row; a folder around one that alone holds pictures means that one.
        form: which slices are wanted.
        place: of the table, for messages.

    Returns:
        Paths below the source's folder, in the order of the slices.

    Raises:
        InputError: rows without a folder of pictures, or whose folder holds several.
    """
    slices: dict[str, list[str]] = defaultdict(list)
    for path in images.images:
        slices[str(PurePosixPath(path).parent)].append(path)
    inner: dict[str, list[str]] = defaultdict(list)
    for folder in slices:
        for upper in PurePosixPath(folder).parents:
            inner[str(upper)].append(folder)
    paths = [str(PurePosixPath(name)) for name in names]
    wanted = ["" if path.strip() in ("", ".") else path for path in paths]  # a blank or a dot is not the root
    found = [[name] if name in slices else inner.get(name, []) for name in wanted]
    missing = [name.strip() or "(blank)" for name, folders in zip(names, found, strict=True) if not folders]
    if missing:
        raise InputError(
            f"{place}: {len(missing)} rows name no folder of pictures in {images.path}: {some(missing)}; there are "
            f"{some(sorted(slices), 3) or 'none'}; correct the rows, or files.path in the competition's file"
        )
    several = [f"{name} ({some(folders, 5)})" for name, folders in zip(wanted, found, strict=True) if len(folders) > 1]
    if several:
        raise InputError(
            f"{place}: {len(several)} rows name folders around several others: {some(several, 3)}; choose one with "
            "files: {path: '{id}/FOLDER'} in train and test of the competition's file"
        )
    chosen = [choose_slices(slices[folders[0]], form, images.path) for folders in found]
    return [tuple(map(images.source, row)) for row in chosen]
