"""Sources: a competition's files are fetched from where they come from into ``data/raw``.

Every source gets a folder of its own there, so that going back to another competition fetches nothing again. A
local folder is used where it lies: nothing is copied. ``data/raw`` is no DVC out (a directory of 100,000 files would
slow every ``dvc repro``); ``data/source.json`` stands for it, and `fetch_competition` fetches the files again when they
are gone.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from pipeline.core.archives.unpacking import unpack_archive
from pipeline.core.archives.written import SourceFile, compute_crc32
from pipeline.core.competition import Competition
from pipeline.core.config import expand
from pipeline.core.confined import list_paths, require_below, require_own_folder
from pipeline.core.errors import InputError, some
from pipeline.core.files import files_below, is_junk, read_json, write_text
from pipeline.core.paths import raw_folder
from pipeline.core.source_kinds import BundledSource, KaggleSource, KerasSource, LocalSource, Source
from pipeline.data.containers.patterns import expand_path
from pipeline.data.sources.bundled import write_digits, write_keras
from pipeline.kaggle.download import download_competition

FileList = dict[str, str]


def fetch_competition(root: Path, competition: Competition) -> Path:
    """Fetches a competition's source unless it is there and whole; returns the folder that the layouts speak of.

    Returns:
        The source's folder, or the only folder in it when the layout's paths lie below that one.

    Raises:
        InputError: the source is missing, damaged, too big for the disk, or does not hold the layout's paths.
    """
    base = find_layout_folder(fetch_source(root, competition.source), competition)
    named = list(list_paths(competition))
    require_below(base, [*named, *(str(file.relative_to(base)) for path in named for file in expand_path(base / path))])
    return base


def fetch_source(root: Path, source: Source) -> Path:
    """Fetches and unpacks a source unless it is there and whole; returns its folder.

    Raises:
        InputError: the source is missing, damaged, or too big for the disk.
    """
    folder = _place(root, source)
    if folder.parent == raw_folder(root) and not _is_whole(root, source):
        _fetch(root, source)
    return folder


def find_source_folder(root: Path, competition: Competition) -> Path | None:
    """Returns the folder that the layouts speak of where it lies here already; fetches nothing."""
    try:
        folder = _place(root, competition.source)
        return find_layout_folder(folder, competition) if folder.is_dir() else None
    except InputError:  # a variable that is not set, a folder that is not whole
        return None


def list_fetched_files(root: Path, source: Source) -> FileList:
    """Lists a source's files: path -> size in bytes and CRC-32, as text."""
    folder = _place(root, source)
    if folder.parent == raw_folder(root):
        listing: FileList = _read_state(folder)["files"]
        return dict(listing)
    return list_folder_files(folder)


def list_folder_files(folder: Path) -> FileList:
    """Lists a folder's files: path -> size in bytes and CRC-32, as text."""
    return _listing(_list_folder(folder))


def _place(root: Path, source: Source) -> Path:
    if isinstance(source, LocalSource):
        path = _local(root, source)
        if path.is_dir():
            require_own_folder(root, path)
            return path
        words = ["local", path.stem, str(path)]
    elif isinstance(source, KaggleSource):
        words = ["kaggle", source.slug, ""]
    else:
        words = [source.kind, source.name, source.model_dump_json()]
    return raw_folder(root) / f"{words[0]}-{words[1]}-{hashlib.sha256(words[2].encode()).hexdigest()[:8]}"


def _local(root: Path, source: LocalSource) -> Path:
    return root / Path(expand(source.path, "source.path")).expanduser()


def _fetch(root: Path, source: Source) -> None:
    folder = _place(root, source)
    partial = folder.with_name(folder.name + ".partial")
    waiting = folder.with_name(folder.name + ".download")
    if folder.exists() and not partial.exists():
        folder.rename(partial)  # what is whole in it is kept
    if isinstance(source, LocalSource):
        archive = _local(root, source)
        _check_archive(archive, source)
        stamp = _stamp(archive)
        files = unpack_archive(archive, partial)
    elif isinstance(source, KaggleSource):
        stamp = None
        files = download_competition(source.slug, waiting, partial)
    else:
        stamp = None
        files = _write_bundled(source, partial)
    _remove_others(partial, {file.path for file in files})
    write_text(_state(folder), json.dumps({"stamp": stamp, "files": _listing(files)}))
    partial.rename(folder)
    shutil.rmtree(waiting, ignore_errors=True)


def _write_bundled(source: BundledSource | KerasSource, partial: Path) -> list[SourceFile]:
    shutil.rmtree(partial, ignore_errors=True)
    if isinstance(source, BundledSource):
        write_digits(partial, source)
    else:
        write_keras(partial, source)
    return _list_folder(partial)


def _remove_others(folder: Path, known: set[str]) -> None:
    """Removes what an earlier state of the source left: files, then the folders that are empty without them."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place) / name
            if str(path.relative_to(folder)) not in known:
                path.unlink()
        if not any(Path(place).iterdir()):
            Path(place).rmdir()


def _check_archive(archive: Path, source: LocalSource) -> None:
    if not archive.exists():
        ways = f"put the file there, or change source.path ({source.path}) in the competition's file"
        if "${" in source.path:
            ways = f"set the environment variable that source.path ({source.path}) names, {ways}"
        raise InputError(f"{archive} does not exist; {ways}")


def _stamp(archive: Path) -> list[int] | None:
    """Size and time of change: they show, without reading it, that a zip is another one."""
    if not archive.is_file():
        return None
    status = archive.stat()
    return [status.st_size, status.st_mtime_ns]


def _state(folder: Path) -> Path:
    return folder.with_name(folder.name + ".json")


def _read_state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = read_json(_state(folder), "run `dvc repro -f fetch`")
    return state


def _is_whole(root: Path, source: Source) -> bool:
    """Says whether all files are there in their size, unpacked from the zip that is there now (or there no more)."""
    folder = _place(root, source)
    if not (folder.is_dir() and _state(folder).is_file()):
        return False
    try:
        state = _read_state(folder)
    except InputError:
        return False  # damaged: written anew
    if isinstance(source, LocalSource):
        stamp = _stamp(_local(root, source))
        if stamp is not None and stamp != state["stamp"]:
            return False
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in _walk(folder)}
    return sizes == {name: int(text.split()[0]) for name, text in state["files"].items()}


def _list_folder(folder: Path) -> list[SourceFile]:
    return [
        SourceFile(str(path.relative_to(folder)), path.stat().st_size, compute_crc32(path)) for path in _walk(folder)
    ]


def _walk(folder: Path) -> list[Path]:
    return sorted(files_below(folder))


def _listing(files: list[SourceFile]) -> FileList:
    return {file.path: f"{file.size} {file.crc:08x}" for file in files}


def find_layout_folder(folder: Path, competition: Competition) -> Path:
    """Returns a folder, or the only folder in it when the layout's paths lie below that one.

    Raises:
        InputError: neither holds them.
    """
    train, test = competition.train, competition.test
    wanted = [part.images if part.layout != "csv_pixels" else part.table for part in (train, test)]
    place = folder
    while not any((place / name).exists() or expand_path(place / name) for name in wanted):
        inside = [path for path in place.iterdir() if not is_junk(path.relative_to(place))]
        if len(inside) != 1 or not inside[0].is_dir():
            there = sorted(path.name for path in folder.iterdir())
            raise InputError(
                f"{folder} holds neither {wanted[0]} nor {wanted[1]}; it has {some(there)}; correct its paths"
            )
        place = inside[0]
    return place
