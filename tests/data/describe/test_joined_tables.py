"""Tables of training and of validation images: offered together, and read as one."""

import json
from pathlib import Path

import pytest
from support.competition_files import images, labels, read, rows, write

from pipeline.core.errors import InputError
from pipeline.core.layouts import CsvImages
from pipeline.data.containers.tables import read_rows
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.joined_tables import find_pairs

KINDS = ("ant", "bee", "cat")
TEST = [f"t{n}" for n in range(4)]


def table(start: str, count: int, header: str = "id,kind") -> str:
    return rows(header, *((f"{start}{n}", KINDS[n % 3]) for n in range(count)))


def coco(start: str, count: int, first: int) -> str:
    ids = [first + n for n in range(count)]
    return json.dumps(
        {
            "images": [{"id": each, "file_name": f"{start}{n}.png"} for n, each in enumerate(ids)],
            "annotations": [{"id": each, "image_id": each, "category_id": each % 3} for each in ids],
            "categories": [{"id": place, "name": name} for place, name in enumerate(KINDS)],
        }
    )


def layout(first: dict[str, str], folders: tuple[str, str] = ("pictures", "pictures")) -> dict[str, bytes | str]:
    numbers = any(name.endswith(".json") for name in first)
    return {
        **first,
        "sample_submission.csv": rows("id,kind", *((name, 0 if numbers else "ant") for name in TEST)),
        **images([f"{folders[0]}/a{n}.png" for n in range(9)] + [f"{folders[1]}/v{n}.png" for n in range(6)]),
        **images([f"test/{name}.png" for name in TEST]),
    }


LAYOUTS = [
    (
        layout({"train2019.json": coco("a", 9, 100), "val2019.json": coco("v", 6, 500)}),
        "{train,val}2019.json:pictures",
    ),
    (layout({"train2019.json": coco("a", 9, 0), "val2019.json": coco("v", 6, 0)}), "{train,val}2019.json:pictures"),
    (layout({"train.csv": table("a", 9), "valid.csv": table("v", 6)}), "{train,valid}.csv:pictures"),
    (layout({"ann/Train.csv": table("a", 9), "ann/Val.csv": table("v", 6)}), "ann/{Train,Val}.csv:pictures"),
    (
        layout({"train/labels.csv": table("a", 9), "dev/labels.csv": table("v", 6)}, ("train/png", "dev/png")),
        "{train,dev}/labels.csv:.",
    ),
]


@pytest.mark.parametrize(("files", "joined"), LAYOUTS)
def test_both_are_offered_together_first_and_read_as_one(
    root: Path, files: dict[str, bytes | str], joined: str
) -> None:
    with pytest.raises(InputError) as caught:
        describe_local(root, write(root, files))
    assert "(the first way joins two tables) can be read in 3 ways; choose with --train" in str(caught.value)
    assert f"choose with --train '{joined}' or " in str(caught.value)
    found = read(root, files, train=joined)
    assert isinstance(found.train, CsvImages)
    assert found.train.table == joined.partition(":")[0]
    given = labels(root, found)
    assert len(given) == 15
    assert {Path(path).stem[0] for path in given} == {"a", "v"}
    wanted = KINDS if files.keys().isdisjoint(["val2019.json"]) else ("0", "1", "2")
    assert set(given.values()) == set(wanted)


@pytest.mark.parametrize(
    "tables",
    [
        {"train.csv": table("a", 9), "val.csv": table("v", 6, "id,species")},
        {"train.csv": table("a", 9), "val.csv": table("a", 6)},  # the same images
        {"train.csv": table("a", 9), "second.csv": table("v", 6)},
        {"train_1.csv": table("a", 9), "val_2.csv": table("v", 6)},
    ],
)
def test_other_tables_are_not_joined(root: Path, tables: dict[str, str]) -> None:
    files = layout(tables)
    try:
        said = describe_local(root, write(root, files))
    except InputError as error:
        said = str(error)
    assert "joins two tables" not in said


def test_pairs_differ_in_the_words_alone() -> None:
    paths = ["train.csv", "val.csv", "x/train/train_a.csv", "x/val/val_a.csv", "trainer.csv", "valer.csv", "test.csv"]
    assert find_pairs(paths) == {
        "{train,val}.csv": ("train.csv", "val.csv"),
        "x/{train,val}/{train,val}_a.csv": ("x/train/train_a.csv", "x/val/val_a.csv"),
    }
    assert find_pairs(["x/train/train.csv", "x/val/val.csv", "x/val/train.csv"]) == {}


def test_csvs_of_a_pattern_need_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(table("a", 3))
    (tmp_path / "val.csv").write_text(table("v", 2))
    assert read_rows(tmp_path / "{train,val}.csv")["id"].tolist() == ["a0", "a1", "a2", "v0", "v1"]
    (tmp_path / "val.csv").write_text(table("v", 2, "id,species"))
    with pytest.raises(InputError, match="files of one pattern need the same ones"):
        read_rows(tmp_path / "{train,val}.csv")
