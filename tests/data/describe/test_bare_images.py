"""Pictures in files without an extension, and class folders that come as one archive each."""

from pathlib import Path

import pytest
from support.archive_files import MAKE
from support.competition_files import images, read, rows

from pipeline.core.layouts import CsvImages, Folders
from pipeline.data.prepared.records import list_records

SAMPLE = rows("id,label", *((f"t{n}", "ant") for n in range(3)))
TESTS = images([f"test/t{n}" for n in range(3)])


def _classes(ending: str = "") -> dict[str, bytes]:
    return images([f"{name}/{name}{n}{ending}" for name in ("ant", "bee") for n in range(4)])


def test_folders_of_pictures_without_an_extension_are_classes(root: Path) -> None:
    trains = {f"train/{name}": content for name, content in _classes().items()}
    found = read(root, {**trains, **TESTS, "README": "no picture", "sample_submission.csv": SAMPLE})
    assert isinstance(found.train, Folders)
    listed = list_records(root / "unpacked", found)
    assert (len(listed.train), len(listed.test)) == (8, 3)
    assert "README" not in (root / "configs/competitions/shape.yaml").read_text().partition("not read")[0]


def test_a_table_names_pictures_without_an_extension(root: Path) -> None:
    table = rows("id,label", *((f"{name}{n}", name) for name in ("ant", "bee") for n in range(4)))
    trains = {f"train/{Path(name).name}": content for name, content in _classes().items()}
    found = read(root, {**trains, **TESTS, "train.csv": table, "sample_submission.csv": SAMPLE})
    assert isinstance(found.train, CsvImages)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "7z"])
def test_an_archive_for_each_class_is_a_folder_of_its_name(root: Path, kind: str) -> None:
    files: dict[str, bytes | str] = {"sample_submission.csv": SAMPLE, **TESTS}
    for name in ("ant", "bee"):
        mine = {f"{n}.png": content for n, content in enumerate(images([f"{name}{n}.png" for n in range(4)]).values())}
        files[f"train/{name}.{kind}"] = MAKE[kind](mine)
    found = read(root, files)
    assert isinstance(found.train, Folders)
    assert {record.label for record in list_records(root / "unpacked", found).train} == {"ant", "bee"}
