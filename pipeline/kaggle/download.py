"""Downloads of a competition: its zip, through the Kaggle command line client, and the files unpacked from it.

The client runs as a subprocess: importing it would log in at once. It resumes a broken download by itself, in the same
run and in the next one, and so leaves its half-done zip where it is.
Reference: https://github.com/Kaggle/kaggle-cli
"""

import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

from pipeline.core.archives.members import DamagedArchiveError
from pipeline.core.archives.unpacking import unpack_archive
from pipeline.core.archives.written import SourceFile
from pipeline.core.errors import InputError
from pipeline.core.processes import make_guarded_command
from pipeline.kaggle.client_errors import explain_refusal, select_informative_lines

_SECONDS = 15.0  # between two lines of progress


def download_competition(slug: str, waiting: Path, folder: Path) -> list[SourceFile]:
    """Downloads a competition into ``waiting`` and unpacks it into ``folder``, every file checked by its checksum.

    A damaged zip is deleted: the client would take it for complete every time.

    Raises:
        InputError: as `download_zip` and `unpack_archive`.
    """
    archive = download_zip(slug, waiting)
    try:
        return unpack_archive(archive, folder)
    except DamagedArchiveError as error:
        shutil.rmtree(waiting)
        raise InputError(
            f"the download of {slug} is damaged and its zip was deleted; run the command again ({error.reason})"
        ) from error


def download_zip(slug: str, folder: Path) -> Path:
    """Downloads a competition's zip into ``folder``; returns its path. Folders in which nothing came are gone again.

    Raises:
        InputError: no credentials, rules not accepted, no such competition, no connection, or no whole zip.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _download(slug, folder)
    finally:
        with suppress(OSError):  # of the first that holds something
            for place in made:
                place.rmdir()


def _download(slug: str, folder: Path) -> Path:
    command = make_guarded_command("kaggle", "competitions", "download", "-c", slug, "-p", str(folder), "-q")
    status, output = _run(command, slug, folder)
    if status or not _zips(folder):
        if "does not match expected size" in output:
            _empty(folder)  # after a broken connection an error page may have come: not to be resumed
        raise explain_refusal(select_informative_lines(output), slug, f"Kaggle's {slug} could not be downloaded")
    archive = _zips(folder)[0]
    if not zipfile.is_zipfile(archive):
        _empty(folder)
        raise InputError(f"the download of {slug} is not a zip file and was deleted; run the command again")
    return archive


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _run(command: list[str], slug: str, folder: Path) -> tuple[int, str]:
    """Runs the client and prints its progress from time to time."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
        try:
            while True:
                try:
                    output, _ = client.communicate(timeout=_SECONDS)
                    return client.returncode, output
                except subprocess.TimeoutExpired:
                    received = sum(path.stat().st_size for path in _zips(folder))
                    print(f"downloading {slug}: {received / 1e6:,.1f} MB received", file=sys.stderr, flush=True)
        finally:
            client.kill()  # does nothing unless this process was interrupted: the client would go on alone


def _zips(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix.lower() == ".zip"]
