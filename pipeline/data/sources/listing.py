"""The listing of all files that a competition is made of: its own source's, and those of rows from elsewhere."""

from pathlib import Path

from pipeline.core.archives.written import compute_crc32
from pipeline.core.competition import Competition, load_competition
from pipeline.core.config import expand
from pipeline.core.digests import hash_value
from pipeline.core.errors import InputError, some
from pipeline.core.files import read_json
from pipeline.core.layouts import Folders
from pipeline.core.paths import competition_path, source_listing_path
from pipeline.core.row_rules import MoreRows
from pipeline.data.sources.source import FileList, fetch_competition, list_fetched_files, list_folder_files

_DESCRIPTION = "description of the competition"


def list_source_files(root: Path, competition: Competition) -> FileList:
    """Lists the source's files, those of ``more_rows`` included: path -> size in bytes and CRC-32, as text."""
    listing = list_fetched_files(root, competition.source)
    for rule in competition.more_rows:
        if rule.competition is not None:
            file = competition_path(root, rule.competition)
            found = list_fetched_files(root, load_competition(root, rule.competition).source)
            found[file.name] = f"{file.stat().st_size} {compute_crc32(file):08x}"
        else:
            found = list_folder_files(_find_folder(root, rule))
        listing |= {f"more_rows/{rule.name}/{path}": facts for path, facts in found.items()}
    return listing


def describe_source(root: Path, competition: Competition) -> FileList:
    """Lists the source's files, and the digest of the competition's description.

    DVC's run cache takes no notice of every change of a description; of one in this list it does.
    """
    return list_source_files(root, competition) | {_DESCRIPTION: hash_value(competition.model_dump(mode="json"))}


def check_source_unchanged(root: Path, competition: Competition) -> None:
    """Compares the source with what the stage fetch wrote down.

    Raises:
        InputError: files came, went or changed since.
    """
    path = source_listing_path(root)
    written: FileList = read_json(path, "run `dvc repro fetch`")
    written.pop(_DESCRIPTION, None)
    present = list_source_files(root, competition)
    differ = sorted(name for name in {*written, *present} if written.get(name) != present.get(name))
    if differ:
        raise InputError(
            f"{len(differ)} files of the source changed since fetch: {some(differ)}; run `dvc repro -f fetch`"
        )


def fetch_more_rows(root: Path, competition: Competition, rule: MoreRows) -> tuple[Path, Competition]:
    """Fetches where rows from elsewhere come from.

    Returns:
        The folder that the layouts speak of, and the competition that describes them: another one, or this one with
        class folders for its training images.

    Raises:
        InputError: there is no such folder or competition, or it cannot be had.
    """
    if rule.competition is not None:
        other = load_competition(root, rule.competition)
        return fetch_competition(root, other), other
    folder = _find_folder(root, rule)
    layout = Folders(layout="folders", images=folder.name)
    return folder.parent, competition.model_copy(update={"train": layout, "leave_out": None, "groups": None})


def _find_folder(root: Path, rule: MoreRows) -> Path:
    folder = (root / Path(expand(str(rule.folder), f"more_rows {rule.name}")).expanduser()).resolve()
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; correct folder of more_rows {rule.name} in the competition's file")
    return folder
