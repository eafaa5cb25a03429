"""Folders of classes whose images lie one folder further down."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, labels, read, rows

from pipeline.core.errors import InputError


def nested(inner: str = "images", top: str = "tiny/train/") -> Files:
    """Two classes of four images each, all in a folder of one name, and tests beside them."""
    train = [f"{top}{name}/{inner}/{name}{n}.png" for name in ("ant", "bee") for n in range(4)]
    return {
        **images([*train, *(f"tiny/test/images/t{n}.png" for n in range(3))]),
        **{f"{top}{name}/{name}_boxes.txt": f"{name}0.png\t0\t0\t9\t9\n" for name in ("ant", "bee")},
        "sample_submission.csv": rows("id,kind", *((f"t{n}", "bee") for n in range(3))),
    }


@pytest.mark.parametrize(("inner", "top"), [("images", "tiny/train/"), ("img", "data/")])
def test_one_folder_in_each_class_is_read(root: Path, inner: str, top: str) -> None:
    found = read(root, nested(inner, top), metric="accuracy")
    assert found.train.model_dump() == {"layout": "folders", "images": top.rstrip("/")}
    assert set(labels(root, found).values()) == {"ant", "bee"}
    text = (root / "configs" / "competitions" / "shape.yaml").read_text()
    assert "8 images in one folder per class; 2 classes (ant, bee), 4 images each" in text


@pytest.mark.parametrize(
    "more", ["tiny/train/ant/1.png", "tiny/train/ant/more/1.png", "tiny/train/validation/images/1.png"]
)
def test_other_images_in_a_class_and_parts_are_not_read(root: Path, more: str) -> None:
    with pytest.raises(InputError, match="holds no training data that could be read"):
        read(root, {**nested(), **images([more])}, metric="accuracy")


def test_a_table_of_other_images_leaves_the_choice(root: Path) -> None:
    table = rows("id,kind", *((f"v{n}", ("ant", "bee")[n % 2]) for n in range(8)))
    files = {**nested(), **images([f"tiny/val/images/v{n}.png" for n in range(8)]), "val.csv": table}
    with pytest.raises(InputError, match=r"--train 'val\.csv:tiny/val/images' or --train 'tiny/train'"):
        read(root, files, metric="accuracy")


def test_a_table_of_the_images_is_the_training_data(root: Path) -> None:
    names = [f"{name}{n}" for name in ("ant", "bee") for n in range(4)]
    table = rows("id,kind", *((name, name[:3]) for name in names))
    found = read(root, {**nested(), "labels.csv": table}, metric="accuracy")
    assert found.train.layout == "csv_images"
