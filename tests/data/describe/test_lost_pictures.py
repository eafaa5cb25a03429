"""Test rows without a picture: `init` names the way out, and with it each id has a row."""

from pathlib import Path

import pytest
from support import tiny
from support.competition_files import Files, images, rows, write

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.prepared.records import list_records


def _build(ending: str, folders: bool) -> Files:
    """PetFinder: animals of which some have no photograph; the first and the third of four test rows."""
    kinds = ("cat", "dog")
    trains = [f"train/{f'{kinds[k % 2]}/' if folders else ''}a{k}{ending}" for k in range(12)]
    table = {} if folders else {"train.csv": rows("PetID,Kind", *((f"a{k}", kinds[k % 2]) for k in range(12)))}
    tests = {} if folders else {"test.csv": rows("PetID", *((f"t{k}",) for k in range(4)))}
    shown = rows("PetID,Kind", *((f"t{k}", "cat") for k in range(4)))
    files = images([*trains, f"test/t1{ending}", f"test/t3{ending}"])
    return {**table, **tests, "sample_submission.csv": shown, **files}


@pytest.mark.parametrize(("ending", "folders"), [("-1.png", False), (".png", False), (".png", True)])
def test_test_rows_without_a_picture_are_told_with_a_way_out_that_works(root: Path, ending: str, folders: bool) -> None:
    base = write(root, _build(ending, folders))
    said = describe_local(root, base)
    assert "check: 2 ids of " in said
    assert "have no image in test: prepare will refuse them; add the files, or write leave_out: {no_image: tr" in said
    with pytest.raises(InputError, match=r"t0.*leave_out: \{no_image: true\}"):
        list_records(base, load_competition(root, "shape"))
    path = root / "configs" / "competitions" / "shape.yaml"
    tiny.write_yaml(path, {**tiny.read_yaml(path), "leave_out": {"no_image": True}})
    test = list_records(base, load_competition(root, "shape")).test
    assert [(record.id, bool(record.files)) for record in test] == [("t0", 0), ("t1", 1), ("t2", 0), ("t3", 1)]
