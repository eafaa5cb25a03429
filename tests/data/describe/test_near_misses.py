"""Where nothing can be read, what is missing is said by name."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from support.competition_files import Files, animals, image, images, labels, read, rows
from support.packers import hdf5, png

from pipeline.core.errors import InputError


def _told(root: Path, files: Files, metric: str | None = None) -> str:
    with pytest.raises(InputError) as error:
        read(root, files, metric)
    return str(error.value)


@pytest.mark.parametrize(
    ("form", "stem", "reason"),
    [
        ("a{}", "A{}", "except for capital letters ('a0' for train/A0.png)"),
        ("/kaggle/input/x/{}.png", "a{}", "except for a path before the name"),
        ("C:\\data\\{}.png", "a{}", "except for a path before the name"),
        ("{}.0", "{}", "except for numbers that a program wrote as fractions"),
    ],
)
def test_ids_that_differ_a_little_are_told(root: Path, form: str, stem: str, reason: str) -> None:
    names = [stem.format(number) for number in range(9)]
    ids = [form.format(name if "/x/" in form or "data" in form else number) for number, name in enumerate(names)]
    files: Files = {
        "train.csv": rows("Id,Category", *((name, ("ant", "bee")[n % 2]) for n, name in enumerate(ids))),
        "sample_submission.csv": rows("Id,Category", ("x1", "ant")),
        **images([*(f"train/{name}.png" for name in names), "test/x1.png"]),
    }
    assert f"Id of train.csv names images {reason}" in _told(root, files)


@pytest.mark.parametrize("form", ["{:.5e}", "{:.5E}", "{:.1f}"])
def test_ids_of_which_digits_were_rounded_away_are_told(root: Path, form: str) -> None:
    names = [1234567890123 + 1000003 * number for number in range(9)]
    ids = [form.format(np.float32(name)) for name in names]
    files: Files = {
        "train.csv": rows("Id,Category", *((name, ("ant", "bee")[n % 2]) for n, name in enumerate(ids))),
        "sample_submission.csv": rows("Id,Category", ("x1", "ant")),
        **images([*(f"train/{name}.png" for name in names), "test/x1.png"]),
    }
    assert "Id of train.csv names images except for the last digits of numbers, which a program" in _told(root, files)


@pytest.mark.parametrize("bees", [6, 7])
def test_lists_of_the_images_of_each_class_are_told(root: Path, bees: int) -> None:
    files = {name: value for name, value in animals().items() if name != "train.csv"}
    files["train.json"] = json.dumps(
        {"ant": [f"{n}.png" for n in range(bees, 12)], "bee": [f"train/{n}.png" for n in range(bees)]}
    )
    assert "train.json lists the images of each class (ant, bee): save it as CSV" in _told(root, files)


def test_classes_in_folders_of_folders_are_told(root: Path) -> None:
    kinds = {"insects": ("ant", "bee"), "birds": ("owl", "jay")}
    names = [f"train/{kind}/{name}/{n}{name}.png" for kind, inner in kinds.items() for name in inner for n in range(4)]
    told = _told(root, {"sample_submission.csv": rows("id,label", ("x1", "ant")), **images([*names, "test/x1.png"])})
    assert "holds folders of classes in folders (train/birds/jay and 3 more in train/birds, train/insects)" in told
    assert "move the folders of classes into one folder, or read those of one alone, with --train 'train/birds'" in told


def test_folders_of_the_rows_of_a_table_are_no_classes(root: Path) -> None:
    """Series of patients, as RSNA's CT scans; a list of orders beside classes that the sample shows names none."""
    series = [f"train/{100 + k}/{700 + 2 * k + s}/{z}.png" for k in range(8) for s in range(2) for z in range(3)]
    files: Files = {
        "train.csv": rows("patient_id,injury,age", *((100 + k, k % 2, 40 + k % 3) for k in range(8))),
        "sample_submission.csv": rows("patient_id,injury", (900, 0.5), (901, 0.5)),
        **images([*series, *(f"test/{k}/{k}5/{z}.png" for k in (900, 901) for z in range(3))]),
    }
    told = _told(root, files)
    assert "patient_id of train.csv names folders, such as train/100, that hold folders themselves (700, 701)" in told
    assert "move the images of one of them directly into train/100" in told
    assert "; or, if these are classes, read those of one alone, with --train 'train/100'" in told
    kinds = {"birds": ("jay", "owl"), "insects": ("ant", "bee")}
    names = [f"train/{kind}/{name}/{name}{n}.png" for kind, inner in kinds.items() for name in inner for n in range(4)]
    files = {
        "orders.csv": rows("order,remark", ("birds", "warm"), ("insects", "small")),
        "sample_submission.csv": rows("id,label", ("x1", "ant")),
        **images([*names, "test/x1.png"]),
    }
    assert "holds folders of classes in folders" in _told(root, files)


@pytest.mark.parametrize("shown", ["0", "cats"])
def test_a_table_of_few_outer_folders_or_folders_that_the_sample_shows_are_no_images(root: Path, shown: str) -> None:
    """Genera of species, and a table of many of them where the sample shows one."""
    many = ["cats", "dogs", *(f"g{k}" for k in range(8 if shown == "cats" else 0))]
    names = [f"train/{kind}/{kind}_{part}/{n}.png" for kind in many for part in "ab" for n in range(4)]
    files: Files = {
        "genera.csv": rows("genus,order", *((kind, "wild" if k % 2 else "tame") for k, kind in enumerate(many))),
        "sample_submission.csv": rows("id,label", ("x1", shown)),
        **images([*names, "test/x1.png"]),
    }
    told = _told(root, files)
    assert "holds folders of classes in folders" in told
    assert "or read those of one alone, with --train 'train/cats'" in told


def test_parts_that_a_table_counts_are_asked_about(root: Path) -> None:
    names = [f"{part}/{kind}/{part}{n}.png" for part in ("one", "two") for kind in ("cat", "dog") for n in range(4)]
    files: Files = {
        "parts.csv": rows("part,count", ("one", 8), ("two", 8)),
        "sample_submission.csv": rows("id,label", ("x1", "0")),
        **images([*names, "test/x1.png"]),
    }
    assert "choose with --train 'one' or --train 'two'" in _told(root, files)


def test_files_in_folders_of_digits_are_told_by_their_ids(root: Path) -> None:
    """GeoLifeCLEF: 10000702_rgb.jpg in patches/02/07."""
    ids = [10000000 + 100 * k + k % 3 for k in range(30)]
    names = [f"patches/{str(k)[-2:]}/{str(k)[-4:-2]}/{k}_{end}.png" for k in ids for end in ("rgb", "near_ir")]
    files: Files = {
        "train.csv": rows("observation_id,species_id", *((k, n % 3) for n, k in enumerate(ids[:24]))),
        "sample_submission.csv": rows("Id,Predicted", *((k, "0 1 2") for k in ids[24:])),
        **images(names),
    }
    told = _told(root, files)
    assert "called by observation_id of train.csv with _near_ir, _rgb behind it, as patches/00/00/10000000_" in told
    assert "into a folder for the training and one for the test images" in told


def test_labels_that_the_sample_writes_without_a_fraction_are_told(root: Path) -> None:
    """GeoLifeCLEF's surveys: a row for each species, in folders called by the last digits of the survey."""
    ids = [3000000 + 1237 * k for k in range(20)]
    marks = [(k, f"{name}.0") for n, k in enumerate(ids[:16]) for name in ((11, 42), (42,), (53, 11))[n % 3]]
    files: Files = {
        "train.csv": rows("surveyId,speciesId", *marks),
        "sample_submission.csv": rows("surveyId,predictions", *((k, "11 42 53") for k in ids[16:])),
        **images([f"patches/{str(k)[-2:]}/{str(k)[-4:-2]}/{k}.png" for k in ids]),
    }
    told = _told(root, files, metric="row_f1")
    assert "speciesId of train.csv holds '11.0' where sample_submission.csv writes '11': write whole numbers" in told
    whole = {**files, "train.csv": str(files["train.csv"]).replace(".0", "")}
    found = read(root, whole, metric="row_f1")
    assert found.train.model_dump()["images"] == "patches"
    assert found.target.kind == "several_labels"


@pytest.mark.parametrize("path", ["train.csv", "sample_submission.csv"])
def test_a_table_without_a_header_is_told(root: Path, path: str) -> None:
    files = animals()
    files[path] = str(files[path]).split("\n", 1)[1]
    assert f"{path} has no header: its first line names the image '0'" in _told(root, files)


def test_columns_of_classes_that_are_called_as_images_are_no_row(root: Path) -> None:
    marks = [(n, *(int(n % 3 == column) for column in range(3))) for n in range(12)]
    files: Files = {
        "train.csv": rows("id,0,1,2", *marks),
        "sample_submission.csv": rows("id,0,1,2", *((f"t{n}", 0, 1, 0) for n in range(4))),
        **images([*(f"train/{n}.png" for n in range(12)), *(f"test/t{n}.png" for n in range(4))]),
    }
    assert read(root, files).train.model_dump()["classes"] == ("0", "1", "2")


def test_pictures_in_text_and_pictures_without_labels_are_told(root: Path) -> None:
    text = base64.b64encode(image(0)).decode()
    sample = rows("id,label", ("x1", "ant"))
    files: Files = {"train.csv": rows("id,shot,label", *((n, text, "ab"[n % 2]) for n in range(6)))}
    assert "shot of train.csv hold pictures as text (base64)" in _told(root, {**files, "sample_submission.csv": sample})
    shots = {f"{'ab'[n % 2]}/{n}": png(np.full((8, 8), n, "uint8")) for n in range(6)}
    told = _told(root, {"train.h5": hdf5(shots), "sample_submission.csv": sample, **images(["test/x1.png"])})
    assert "train.h5 holds 6 pictures with the columns name, such as name 'a/0': no table names them" in told


def test_lists_in_text_files_are_told(root: Path) -> None:
    files = animals()
    lines = str(files.pop("train.csv")).splitlines()[1:]
    files["train.txt"] = "".join(f"train/{line.replace(',', '.png ')}\n" for line in lines)
    assert "train.txt name images line by line: save them as CSV" in _told(root, files)


def test_a_table_that_contradicts_folders_is_listed_to_check(root: Path) -> None:
    names = [f"train/{'ant' if n % 2 == 0 else 'bee'}/{n}.png" for n in range(12)]
    files = {name: value for name, value in animals().items() if not name.startswith("train/")} | images(names)
    files["train.csv"] = str(files["train.csv"]).replace("3,bee", "3,ant")
    read(root, files)
    text = (root / "configs" / "competitions" / "shape.yaml").read_text("utf-8")
    assert "1 of 12 rows name another class than their folder: train/bee/3.png (ant)" in " ".join(
        text.replace("#", "").split()
    )


def test_ids_with_another_extension_are_taken_and_listed_to_check(root: Path) -> None:
    files = animals()
    lines = str(files["train.csv"]).splitlines()
    files["train.csv"] = "\n".join([lines[0], *(line.replace(",", ".jpg,") for line in lines[1:])]) + "\n"
    found = labels(root, read(root, files))
    assert found["train/3.png"] == "bee"
    text = (root / "configs" / "competitions" / "shape.yaml").read_text("utf-8")
    assert "12 ids name files with another extension" in " ".join(text.replace("#", "").split())


def test_columns_of_yes_and_no_are_told(root: Path) -> None:
    files = animals()
    marks = [(n, *(("yes", "no")[(n + k) % 3 > 0] for k in range(3))) for n in range(12)]
    files |= {"train.csv": rows("Id,ant,bee,cow", *marks)}
    files |= {"sample_submission.csv": rows("Id,ant,bee,cow", *((n, 0.3, 0.3, 0.4) for n in range(3)))}
    assert "but they hold no and yes instead of 0 and 1" in _told(root, files)


def test_files_of_rows_that_a_table_names_are_told(root: Path) -> None:
    """HMS: a spectrogram is a Parquet file, with a row for each step of time."""
    line = json.dumps({"time": 1, "LL": 0.5}) + "\n"
    files: Files = {
        "train.csv": rows("eeg_id,label", *((100 + n // 2, ("ant", "bee")[n % 2]) for n in range(12))),
        "sample_submission.csv": rows("eeg_id,label", (900, "ant")),
        **{f"eegs/{100 + n}.jsonl": line * 4 for n in range(6)},
        "test/900.jsonl": line * 4,
    }
    told = _told(root, files)
    assert "eeg_id of train.csv names eegs/100.jsonl: these hold rows, and no picture each: save each as an NPY" in told
