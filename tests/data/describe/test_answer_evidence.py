"""Folders of classes beside tables of their images: the one that the sample submission speaks for is read."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows, write

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.records import list_records

KINDS = ("ant", "bee")


def in_folders(table: str, shown: str = "ant") -> Files:
    """24 images in folders of two classes and six test images, with a table of all of them."""
    names = [f"train/{KINDS[k % 2]}/i{k}.png" for k in range(24)]
    sample = rows("file,label", *((f"t{k}.png", shown) for k in range(6)))
    return {"meta.csv": table, "sample_submission.csv": sample} | images(
        [*names, *(f"test/t{k}.png" for k in range(6))]
    )


def list_all(header: str, path: bool, *more: str) -> str:
    """A table of all images with their patients, of which none has training and test images."""
    names = [(f"train/{KINDS[k % 2]}/" if path else "") + f"i{k}.png" for k in range(24)]
    names += [("test/" if path else "") + f"t{k}.png" for k in range(6)]
    return rows(
        header, *((name, f"p{k // 3}", *(each[k % len(each)] for each in more)) for k, name in enumerate(names))
    )


@pytest.mark.parametrize(
    ("header", "path", "more"),
    [
        ("file,patient_id", False, ()),
        ("file,patient_id,sex,scanner", False, ("mf", "ABC")),
        ("path,patient_id,age", True, ("345",)),
    ],
)
def test_class_folders_beside_a_table_of_patients_that_lists_test_images_are_read(
    root: Path, header: str, path: bool, more: tuple[str, ...]
) -> None:
    found = read(root, in_folders(list_all(header, path, *more)))
    assert (found.train.layout, found.train.model_dump()["images"]) == ("folders", "train")
    assert found.groups is not None
    assert (found.groups.table, found.groups.column) == ("meta.csv", "patient_id")


def test_the_table_that_is_no_training_data_is_named(root: Path) -> None:
    said = describe_local(root, write(root, in_folders(list_all("file,patient_id,sex", False, "mf"))))
    assert "check: meta.csv names 30 images, but holds nothing that sample_submission.csv asks for (label)" in said


def test_folders_and_a_column_that_both_hold_what_is_shown_and_contradict_each_other_are_asked_about(
    root: Path,
) -> None:
    table = rows("file,kind,patient_id", *((f"i{k}.png", ("bee", "ant")[k % 2], f"p{k // 3}") for k in range(24)))
    with pytest.raises(InputError, match=r"for 24 images: .* --train 'train', or .* 'meta\.csv:train' --label 'kind'"):
        read(root, in_folders(table))
    assert read(root, in_folders(table), train="meta.csv", label="kind").train.layout == "csv_images"


def test_a_table_that_corrects_the_class_of_a_few_folders_is_read(root: Path) -> None:
    table = rows("file,kind", *((f"i{k}.png", KINDS[0 if k == 3 else k % 2]) for k in range(24)))
    assert read(root, in_folders(table)).train.model_dump()["table"] == "meta.csv"


@pytest.mark.parametrize("tests", [0, 6])
@pytest.mark.parametrize("path", [False, True])
def test_a_sex_of_0_and_1_is_not_taken_for_the_class_of_folders_0_and_1(root: Path, tests: int, path: bool) -> None:
    places = [f"train/{k % 2}/i{k}.png" for k in range(24)] + [f"test/t{k}.png" for k in range(6)]
    names = places if path else [place.rpartition("/")[2] for place in places]
    lines = [(name, f"p{k // 4}", k // 4 % 2, 40 + k // 4) for k, name in enumerate(names)]
    files: Files = {
        "meta.csv": rows("file,patient_id,sex,age", *lines[: 24 + tests]),
        "sample_submission.csv": rows("file,label", *((f"t{k}.png", k % 2) for k in range(6))),
        **images(places),
    }
    with pytest.raises(InputError, match=r"column sex of meta\.csv both .*: choose with --train 'train', or "):
        read(root, files)
    assert read(root, files, train="train").train.layout == "folders"


def test_a_table_of_patients_alone_and_a_sample_that_shows_no_class_are_asked_about(root: Path) -> None:
    files = in_folders(list_all("file,patient_id", False), "0")
    with pytest.raises(InputError, match=r"--train 'meta\.csv:\.' or --train 'train'"):
        read(root, files)
    assert read(root, files, train="train", positive="bee").train.layout == "folders"


@pytest.mark.parametrize("more", [("age", "345"), ("scanner_type", "ABC"), ("fold", "012"), ("site", "0123")])
def test_a_table_of_ages_and_a_sample_that_shows_no_class_are_asked_about(root: Path, more: tuple[str, str]) -> None:
    files = in_folders(list_all(f"file,patient_id,{more[0]}", False, more[1]), "0")
    with pytest.raises(InputError, match=r"--train 'meta\.csv:\.' or --train 'train'"):
        read(root, files)


def test_a_label_called_like_a_group_is_one_in_a_table_of_training_alone(root: Path) -> None:
    """Folders hold batches; nothing but the table's name says that cameras are not those of the images."""
    names = [f"train/batch{k % 3}/i{k}.png" for k in range(24)]
    table = rows("path,camera", *((name, f"c{k // 3 % 4}") for k, name in enumerate(names)))
    sample = rows("file,label", *((f"t{k}.png", "new") for k in range(6)))
    files: Files = {"sample_submission.csv": sample, **images([*names, *(f"test/t{k}.png" for k in range(6))])}
    assert read(root, {**files, "train.csv": table}, placeholder="new").train.model_dump()["label"] == "camera"
    (root / "configs/competitions/shape.yaml").unlink()
    with pytest.raises(InputError, match=r"--train 'meta\.csv:\.' or --train 'train'"):
        read(root, {**files, "meta.csv": table}, placeholder="new")


def test_a_column_called_after_one_of_two_classes_asks_for_the_folders(root: Path) -> None:
    sample = rows("file,bee_present", *((f"t{k}.png", 0) for k in range(6)))
    files = {**in_folders(list_all("file,patient_id,age", False, "345")), "sample_submission.csv": sample}
    found = read(root, files, metric="roc_auc")
    assert (found.train.layout, found.submission.model_dump()["positive"]) == ("folders", "bee")


def test_one_number_speaks_for_no_folders(root: Path) -> None:
    """Folders 0 and 1 hold parts of the images, and the sample shows 0 for any answer."""
    names = [f"train/{k % 2}/i{k}.png" for k in range(24)]
    files: Files = {
        "meta.csv": rows("file,grade,age", *((f"i{k}.png", f"g{k % 3}", 40 + k % 3) for k in range(24))),
        "sample_submission.csv": rows("file,label", *((f"t{k}.png", 0) for k in range(6))),
        **images([*names, *(f"test/t{k}.png" for k in range(6))]),
    }
    with pytest.raises(InputError, match=r"--train 'meta\.csv:train' or --train 'train'"):
        read(root, files)


def test_a_folder_can_be_chosen_beside_a_table_of_its_images(root: Path) -> None:
    table = rows("file,kind", *((f"i{k}.png", f"k{k % 3}") for k in range(24)))
    files = in_folders(table, "0.5")
    assert read(root, files, train="train", positive="bee").train.layout == "folders"


def test_folders_that_part_images_by_letters_of_their_names_are_no_classes(root: Path) -> None:
    """Molecules: one text for each image, in folders of the first letters of its name."""
    names = [f"{k % 3}{k % 2}{k:02d}" for k in range(24)]
    tests = [f"{k % 3}{k % 2}{50 + k}" for k in range(6)]
    files: Files = {
        "labels.csv": rows("image_id,InChI", *((name, f"InChI=1S/C{name}") for name in names)),
        "sample_submission.csv": rows("image_id,InChI", *((name, "InChI=1S/H2O") for name in tests)),
        **images([f"{'train' if name in names else 'test'}/{name[0]}/{name[1]}/{name}.png" for name in names + tests]),
    }
    with pytest.raises(InputError, match=r"images are named by image_id of labels.csv, and no column .* \(InChI\)"):
        read(root, files)


def test_classes_that_are_parts_of_file_names_stay_classes(root: Path) -> None:
    names = [f"train/{kind}/{kind}_{k}.png" for kind in KINDS for k in range(6)]
    files: Files = {
        "sample_submission.csv": rows("id,label", *((f"t{k}.png", "ant") for k in range(3))),
        **images([*names, *(f"test/t{k}.png" for k in range(3))]),
    }
    assert read(root, files).train.layout == "folders"


def test_a_table_without_what_the_sample_asks_for_is_named_where_another_is_taken(root: Path) -> None:
    files: Files = {
        "curated.csv": rows("id,diagnosis", *((f"i{k}", KINDS[k % 2]) for k in range(12))),
        "noisy.csv": rows("id,label", *((f"i{k}", KINDS[k // 2 % 2]) for k in range(24))),
        "sample_submission.csv": rows("id,label", *((f"t{k}", "ant") for k in range(3))),
        **images([f"train/i{k}.png" for k in range(24)] + [f"test/t{k}.png" for k in range(3)]),
    }
    said = describe_local(root, write(root, files))
    assert load_competition(root, "shape").train.model_dump()["table"] == "noisy.csv"
    assert "check: curated.csv names 12 images, but holds nothing that sample_submission.csv asks for (label)" in said
    assert "--train 'curated.csv:train' takes it" in said


def test_classes_in_file_names_are_read_beside_a_table_of_patients(root: Path) -> None:
    names = [f"{KINDS[k % 2]}.{k}.png" for k in range(24)]
    files: Files = {
        "meta.csv": rows("file,patient_id,age", *((name, f"p{k // 3}", k % 4) for k, name in enumerate(names))),
        "sample_submission.csv": rows("id,label", *((f"t{k}", "ant") for k in range(3))),
        **images([*(f"train/{name}" for name in names), *(f"test/t{k}.png" for k in range(3))]),
    }
    found = read(root, files)
    assert found.train.layout == "file_names"
    assert found.groups is not None
    assert found.groups.column == "patient_id"
    (root / "configs/competitions/shape.yaml").unlink()
    labelled = {"meta.csv": rows("file,label", *((name, KINDS[k // 2 % 2]) for k, name in enumerate(names)))}
    assert read(root, {**files, **labelled}).train.layout == "csv_images"


def test_images_that_a_table_of_validation_names_are_left_out_of_the_folder_of_both(root: Path) -> None:
    files: Files = {
        "train.csv": rows("id,kind", *((f"i{k}", KINDS[k % 2]) for k in range(16))),
        "val.csv": rows("id,kind", *((f"i{k}", KINDS[k % 2]) for k in range(16, 24))),
        "sample_submission.csv": rows("id,kind", *((f"t{k}", "ant") for k in range(3))),
        **images([*(f"images/i{k}.png" for k in range(24)), *(f"test/t{k}.png" for k in range(3))]),
    }
    with pytest.raises(InputError, match=r"--train 'train.csv:images' or --train 'val.csv:images'"):
        read(root, files)
    found = read(root, files, train="train.csv")
    listed = list_records(root / "unpacked", found)
    assert (len(listed.train), [row.id for row in listed.left_out]) == (16, [f"images/i{k}.png" for k in range(16, 24)])


@pytest.mark.parametrize("rows_there", [True, False])
def test_images_without_a_row_are_left_out_and_named_where_every_row_has_its_image(
    root: Path, rows_there: bool
) -> None:
    files = dict(list_some(20, "val.csv", range(20, 22)))
    files["train.csv"] = str(files["train.csv"]) + ("" if rows_there else "lost,ant\n")
    said = describe_local(root, write(root, files), choices=Choices(train="train.csv"))
    out = "4 images of images have no row in train.csv, and are left out"
    assert (out if rows_there else "4 images have no row in any table, prepare will refuse them") in said
    left = load_competition(root, "shape").leave_out
    assert (left is not None and left.not_in_table) is rows_there


@pytest.mark.parametrize(("known", "tests"), [(20, "test"), (24, "images")])
def test_images_without_a_row_are_left_in_where_they_are_many_or_may_be_test_images(
    root: Path, known: int, tests: str
) -> None:
    """A class that the table does not name, and a sample that shows some of the test images of the same folder."""
    files = dict(list_some(known, "val.csv", []))
    del files["val.csv"]
    files |= images([f"{tests}/t{k}.png" for k in range(5 if tests == "images" else 3)])
    files = {name: value for name, value in files.items() if tests == "test" or not name.startswith("test/")}
    said = describe_local(root, write(root, files))
    assert "have no row in any table, prepare will refuse them" in said
    assert load_competition(root, "shape").leave_out is None


def test_another_table_of_all_images_says_which_have_no_class(root: Path) -> None:
    files = list_some(16, "sizes.csv", [*range(24), "t0", "t1", "t2"])
    said = describe_local(root, write(root, files), choices=Choices(train="train.csv"))
    assert "check: 8 images of images are in sizes.csv alone, and are left out" in said


def test_a_table_of_training_and_test_images_is_no_list_of_test_images(root: Path) -> None:
    """All images in one folder: 24 rows of sizes, 16 of which have a class, and three of the others are asked for."""
    files = dict(list_some(16, "sizes.csv", range(24)))
    files["sample_submission.csv"] = rows("id,kind", *((f"i{k}", "ant") for k in range(16, 19)))
    found = read(root, files, train="train.csv")
    assert found.test.model_dump()["listed_by"] == "sample_submission"
    assert found.leave_out is not None
    assert found.leave_out.not_in_table


def test_a_list_of_test_images_may_name_a_training_image(root: Path) -> None:
    """The sample shows three of five test images of the folder of both, and the list has one training image, too."""
    files = dict(list_some(24, "test.csv", [*(f"t{k}" for k in range(5)), "i3"]))
    files = {name: value for name, value in files.items() if not name.startswith("test/")}
    found = read(root, files | images([f"images/t{k}.png" for k in range(5)]))
    assert found.test.model_dump()["table"] == "test.csv"
    assert found.leave_out is None


def list_some(known: int, path: str, listed: Iterable[object]) -> dict[str, bytes | str]:
    """24 training images, of which the first have a class in train.csv; another table names others."""
    return {
        "train.csv": rows("id,kind", *((f"i{k}", KINDS[k % 2]) for k in range(known))),
        path: rows("id,width", *((f"i{k}" if isinstance(k, int) else k, 20) for k in listed)),
        "sample_submission.csv": rows("id,kind", *((f"t{k}", "ant") for k in range(3))),
        **images([*(f"images/i{k}.png" for k in range(24)), *(f"test/t{k}.png" for k in range(3))]),
    }


@pytest.mark.parametrize("told", [("x", "y"), ("x", "x")])
def test_a_table_that_tells_of_the_test_images_too_is_asked_about_beside_folders(
    root: Path, told: tuple[str, str]
) -> None:
    """Breeds beside folders of numbers that a sample of 0 may mean; one value for all tests may stand for an answer."""
    names = [f"train/{k % 3}/{k:04d}.png" for k in range(24)]
    files: Files = {
        "meta.csv": rows(
            "image,breed",
            *((f"{k:04d}", "xyz"[k // 3 % 3]) for k in range(24)),
            *((f"t{k}", told[k % 2]) for k in range(6)),
        ),
        "sample_submission.csv": rows("image,label", *((f"t{k}", 0) for k in range(6))),
        **images([*names, *(f"test/t{k}.png" for k in range(6))]),
    }
    words = "choose with --train 'meta.csv:.' or" if told == ("x", "y") else "training data labels, too.*; if folders"
    with pytest.raises(InputError, match=f"{words}.* --train 'train'"):
        read(root, files)
    assert read(root, files, train="train").train.layout == "folders"


def test_codes_in_the_sample_speak_for_no_folders_of_parts(root: Path) -> None:
    """Two classes in words, which the sample calls 0 and 1, in folders 0, 1 and 2 of parts."""
    names = [f"train/{k % 3}/{k:04d}.png" for k in range(24)]
    files: Files = {
        "labels.csv": rows("path,lesion", *((name, ("no", "yes")[k // 3 % 2]) for k, name in enumerate(names))),
        "sample_submission.csv": rows("id,target", *((f"t{k}", k % 2) for k in range(6))),
        **images([*names, *(f"test/t{k}.png" for k in range(6))]),
    }
    found = read(root, files, metric="accuracy")
    assert found.train.model_dump()["label"] == "lesion"


def test_class_folders_that_names_repeat_are_classes(root: Path) -> None:
    names = [f"class/{k % 2}/class{k % 2}_{k}.png" for k in range(12)]
    files: Files = {
        "sample_submission.csv": rows("id,label", *((f"t{k}.png", k % 2) for k in range(3))),
        **images([*names, *(f"test/t{k}.png" for k in range(3))]),
    }
    assert read(root, files).train.layout == "folders"


@pytest.mark.parametrize(("header", "cells"), [("file,label", ["bee ant"]), ("file,ant,bee", [0.5, 0.5])])
def test_lists_or_columns_of_the_folders_names_show_that_they_are_classes(
    root: Path, header: str, cells: list[object]
) -> None:
    table = rows("file,weather", *((f"i{k}.png", ("sun", "rain", "snow")[k // 2 % 3]) for k in range(24)))
    sample = rows(header, *((f"t{k}.png", *cells) for k in range(6)))
    assert read(root, {**in_folders(table), "sample_submission.csv": sample}).train.layout == "folders"


def test_a_folder_can_be_chosen_beside_a_table_of_whole_paths(root: Path) -> None:
    table = rows("path,kind", *((f"train/{KINDS[k % 2]}/i{k}.png", f"k{k % 3}") for k in range(24)))
    assert read(root, in_folders(table, "0.5"), train="train", positive="bee").train.layout == "folders"


def test_a_group_is_the_label_where_folders_are_but_letters_of_names(root: Path) -> None:
    names = [f"train/{k % 3}/{k % 3}{k:02d}.png" for k in range(24)]
    files: Files = {
        "meta.csv": rows("path,individual_id", *((name, f"w{k // 3}") for k, name in enumerate(names))),
        "sample_submission.csv": rows("id,who", *((f"t{k}", "new") for k in range(3))),
        **images([*names, *(f"test/t{k}.png" for k in range(3))]),
    }
    assert read(root, files, placeholder="new").train.model_dump()["label"] == "individual_id"


def test_a_table_chosen_beside_names_of_classes_is_not_said_to_be_no_training_data(root: Path) -> None:
    names = [f"{KINDS[k % 2]}.{k}.png" for k in range(24)]
    files: Files = {
        "meta.csv": rows("file,patient_id,band", *((name, f"p{k // 3}", "xy"[k % 2]) for k, name in enumerate(names))),
        "sample_submission.csv": rows("id,label", *((f"t{k}", "ant") for k in range(3))),
        **images([*(f"train/{name}" for name in names), *(f"test/t{k}.png" for k in range(3))]),
    }
    choices = Choices(train="meta.csv", label="band", placeholder="ant")
    assert "no training data" not in describe_local(root, write(root, files), choices=choices)


def test_a_list_of_test_images_in_the_folder_of_both_is_not_called_no_training_data(root: Path) -> None:
    names = [*(f"i{k}" for k in range(16)), *(f"t{k}" for k in range(8))]
    files: Files = {
        "train.csv": rows("id,kind", *((f"i{k}", KINDS[k % 2]) for k in range(16))),
        "holdout.csv": rows("id,age", *((f"t{k}", k % 4) for k in range(8))),
        "sample_submission.csv": rows("id,kind", *((f"t{k}", "ant") for k in range(5))),
        **images([f"images/{name}.png" for name in names]),
    }
    assert "no training data" not in describe_local(root, write(root, files))


def test_further_files_of_rows_need_no_rule_where_a_table_lists_them(root: Path) -> None:
    places = [f"train/a{k}_{end}.png" for k in range(12) for end in ("front", "back")]
    files: Files = {
        "train.csv": rows("PetID,Speed", *((f"a{k}", k % 3) for k in range(12))),
        "test.csv": rows("PetID", *((f"t{k}",) for k in range(3))),
        "sizes.csv": rows("file,width", *((f"a{k}_back.png", f"{k}.5") for k in range(12))),
        "sample_submission.csv": rows("PetID,Speed", *((f"t{k}", 0) for k in range(3))),
        **images([*places, *(f"test/t{k}_{end}.png" for k in range(3) for end in ("front", "back"))]),
    }
    found = read(root, files)
    assert (found.train.model_dump()["files"] is not None, found.leave_out) == (True, None)
