"""Where a person wants something written: what cannot be is refused before it is computed."""

from pathlib import Path

from pipeline.core.errors import InputError


def require_file_place(path: Path, option: str) -> None:
    """Refuses a file that cannot be written.

    Args:
        path: of the file; it may be there already.
        option: by which it was given.

    Raises:
        InputError: a folder is there, or something on the way is no folder.
    """
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file in it")
    require_folder_place(path.parent, option)


def require_folder_place(folder: Path, option: str) -> None:
    """Refuses a folder that cannot be made.

    Args:
        folder: it may be there already.
        option: by which it was given.

    Raises:
        InputError: it, or something on the way, is no folder.
    """
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.exists() or place.is_symlink():
            raise InputError(f"{option}: {place} is no folder; give another place")
