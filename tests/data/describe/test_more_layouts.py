"""Layouts of further real competitions, each small: read as they are meant, or refused with the reason."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, pixels, read, rows, write

from pipeline.core.answers import LabelSubmission
from pipeline.core.errors import InputError
from pipeline.core.layouts import CsvImages
from pipeline.data.describe.init import describe_local
from pipeline.data.prepared.preparing import encode_truth
from pipeline.data.prepared.records import list_records

KINDS = ("ant", "bee", "cat")


def test_a_table_without_the_classes_that_the_sample_asks_for_is_not_offered(root: Path) -> None:
    """Mayo: one answer per patient; other.csv holds images of other causes."""
    lines = [(f"p{k // 2}_{k % 2}", k % 11, f"p{k // 2}", k % 2, ("CE", "LAA")[k // 2 % 2]) for k in range(24)]
    others = [(f"o{k}_0", f"o{k}", 0, ("Unknown", "Other")[k % 2]) for k in range(8)]
    tests = [(f"t{k // 2}_{k % 2}", k % 11, f"t{k // 2}", k % 2) for k in range(6)]
    files: Files = {
        "train.csv": rows("image_id,center_id,patient_id,image_num,label", *lines),
        "other.csv": rows("image_id,patient_id,image_num,label", *others),
        "test.csv": rows("image_id,center_id,patient_id,image_num", *tests),
        "sample_submission.csv": rows("patient_id,CE,LAA", *((f"t{k}", 0.5, 0.5) for k in range(3))),
        **images([f"{part}/{line[0]}.png" for part, of in (("train", lines), ("other", others)) for line in of]),
        **images([f"test/{line[0]}.png" for line in tests]),
    }
    found = read(root, files, metric="log_loss")
    assert found.train.model_dump()["table"] == "train.csv"
    assert found.submission.unit is not None
    assert found.submission.unit.model_dump()["train"]["columns"] == ("patient_id",)


def test_a_list_of_units_called_after_tests_is_no_training_data(root: Path) -> None:
    """SnakeCLEF: one answer per observation of several photos, whose list has a column of countries, too."""
    lines = [(k // 2, ("DE", "IN")[k % 3 // 2], 7 + k // 2 % 3, f"2021/{k}.png") for k in range(24)]
    tests = [(100 + k // 2, ("DE", "IN")[k % 3 // 2], f"t{k}.png") for k in range(12)]
    files: Files = {
        "TrainMetadata.csv": rows("observation_id,country,class_id,image_path", *lines),
        "PubTestMetadata.csv": rows("observation_id,country,image_path", *tests),
        "sample_submission.csv": rows("observation_id,class_id", *((100 + k, 7) for k in range(6))),
        **images([f"small/{line[-1]}" for line in lines] + [f"public_test/{line[-1]}" for line in tests]),
    }
    found = read(root, files, metric="macro_f1")
    assert found.train.model_dump()["images"] == "small"
    assert found.submission.unit is not None
    assert found.submission.unit.model_dump()["train"]["columns"] == ("observation_id",)


def test_rows_of_targets_that_two_underscores_join_to_an_image_are_numbers(root: Path) -> None:
    """CSIRO: five weights of each picture; the list of the rows wanted names the picture of each five times."""
    parts = ("Dry_Clover_g", "Dry_Dead_g", "GDM_g")
    train = [
        (f"ID{k}__{part}", f"train/ID{k}.png", part, k + place / 4)
        for k in range(12)
        for place, part in enumerate(parts)
    ]
    tests = [(f"ID{k}__{part}", f"test/ID{k}.png", part) for k in (70, 71) for part in parts]
    files: Files = {
        "train.csv": rows("sample_id,image_path,target_name,target", *train),
        "test.csv": rows("sample_id,image_path,target_name", *tests),
        "sample_submission.csv": rows("sample_id,target", *((line[0], 0.0) for line in tests)),
        **images([f"train/ID{k}.png" for k in range(12)] + ["test/ID70.png", "test/ID71.png"]),
    }
    found = read(root, files, metric="pooled_r2")
    assert isinstance(found.train, CsvImages)
    assert (found.target.kind, found.train.labels, found.columns) == ("numbers", parts, None)
    train_records, test_records, _ = list_records(root / "unpacked", found)
    truth = encode_truth(train_records, found)[1]
    assert truth[1].tolist() == pytest.approx([1, 1.25, 1.5])
    assert [record.source for record in test_records] == ["test/ID70.png", "test/ID71.png"]


CODES: dict[str, Files] = {
    "table": {"classes.csv": rows("class_id,class_name,kin", (7, "bee", "x"), (3, "ant", "x"))},
    "json": {"label_map.json": '{"ant": 3, "bee": 7}'},
}


@pytest.mark.parametrize("kind", CODES)
def test_codes_of_classes_that_another_file_tells_are_written_in_answers(root: Path, kind: str) -> None:
    names = [f"train/{name}/{name}{k}.png" for name in ("ant", "bee") for k in range(6)]
    sample = rows("id,label", *((f"t{k}.png", 3) for k in range(3)))
    files: Files = {"sample_submission.csv": sample, **images([*names, *(f"test/t{k}.png" for k in range(3))])}
    with pytest.raises(InputError, match="label holds 3, not among the 2 classes"):
        read(root, files)
    found = read(root, {**files, **CODES[kind]})
    assert isinstance(found.submission, LabelSubmission)
    assert (found.submission.names, found.class_names) == ({"ant": "3", "bee": "7"}, None)


def test_two_files_that_call_classes_differently_tell_nothing(root: Path) -> None:
    other = {"more.csv": rows("class_id,class_name", (7, "ant"), (3, "bee"))}
    names = [f"train/{name}/{name}{k}.png" for name in ("ant", "bee") for k in range(6)]
    sample = rows("id,label", *((f"t{k}.png", 3) for k in range(3)))
    files: Files = {"sample_submission.csv": sample, **images([*names, *(f"test/t{k}.png" for k in range(3))])}
    with pytest.raises(InputError, match="label holds 3, not among the 2 classes"):
        read(root, {**files, **CODES["table"], **other})


@pytest.mark.parametrize(("one", "metric"), [("0", "accuracy"), ("0.5", "log_loss")])
def test_which_of_two_classes_is_1_is_told_by_another_file(root: Path, one: str, metric: str) -> None:
    names = [f"train/{name}/{name}{k}.png" for name in ("ant", "bee") for k in range(6)]
    files: Files = {
        "classes.csv": rows("id,name", (1, "ant"), (0, "bee")),
        "sample_submission.csv": rows("id,label", *((f"t{k}.png", one) for k in range(3))),
        **images([*names, *(f"test/t{k}.png" for k in range(3))]),
    }
    found = read(root, files, metric=metric).submission
    assert isinstance(found, LabelSubmission)
    assert (found.names or {}).get("ant", found.positive) == ("1" if metric == "accuracy" else "ant")


def test_masks_of_pixels_are_no_classes(root: Path) -> None:
    """Pneumothorax, salt and steel: run lengths in a cell, most of them -1 or blank."""
    for name, none in (("EncodedPixels", "-1"), ("answer", "")):
        lines = [(f"a{k}", none if k % 3 else f"9 2 1{k:02d} 3") for k in range(24)]
        files: Files = {
            "train.csv": rows(f"ImageId,{name}", *lines),
            "sample_submission.csv": rows(f"ImageId,{name}", *((f"b{k}", "-1") for k in range(3))),
            **images([f"train/a{k}.png" for k in range(24)] + [f"test/b{k}.png" for k in range(3)]),
        }
        with pytest.raises(InputError, match=rf"column {name} of train\.csv holds masks, such as '9 2 1"):
            read(root, files)


def test_classes_beside_masks_are_not_two_targets(root: Path) -> None:
    lines = [(f"a{k}", k % 4, f"{k * 7} 20 {k * 7 + 40} 3") for k in range(24)]
    files: Files = {
        "train.csv": rows("ImageId,ClassId,EncodedPixels", *lines),
        "sample_submission.csv": rows("ImageId,EncodedPixels,ClassId", *((f"b{k}", "1 9", 1) for k in range(3))),
        **images([f"train/a{k}.png" for k in range(24)] + [f"test/b{k}.png" for k in range(3)]),
    }
    with pytest.raises(InputError, match=r"column EncodedPixels of train\.csv holds masks"):
        read(root, files)
    captions = [(f"a{k}", k % 4, f"text number {k}") for k in range(24)]
    files = {**files, "train.csv": rows("ImageId,ClassId,EncodedPixels", *captions)}
    with pytest.raises(InputError, match=r"EncodedPixels of train\.csv holds 24 texts in 24 rows"):
        read(root, files)


def test_the_unit_of_answers_is_no_class_however_it_is_spelt(root: Path) -> None:
    """FungiCLEF: observationID in the tables, observationId in the sample, whose cells list numbers."""
    lines = [(k // 2, f"a{k}.png", k // 2 % 5) for k in range(40)]
    tests = [(900 + k // 2, f"t{k}.png") for k in range(6)]
    files: Files = {
        "train.csv": rows("observationID,filename,category_id", *lines),
        "test.csv": rows("observationID,filename", *tests),
        "sample_submission.csv": rows("observationId,predictions", *((900 + k, "1 2 0") for k in range(3))),
        **images([f"train/{line[1]}" for line in lines] + [f"test/{line[1]}" for line in tests]),
    }
    found = read(root, files, metric="recall_3").train.model_dump()
    assert (found["label"], found["group"]) == ("category_id", "observationID")


def named(cell: str) -> Files:
    """Images of three classes, and a sample that shows one cell."""
    return {
        "train.csv": rows("id,landmark_id", *((f"a{k}", 7 + k % 3) for k in range(12))),
        "sample_submission.csv": rows("id,landmarks", *((f"t{k}", cell) for k in range(3))),
        **images([f"train/a{k}.png" for k in range(12)] + [f"test/t{k}.png" for k in range(3)]),
    }


@pytest.mark.parametrize(
    ("cell", "metric", "kind"),
    [("", "gap", "confidence"), ("8815 0.03", "gap", "confidence"), ("", "map_2", "ranked"), ("", "accuracy", "label")],
)
def test_blank_cells_of_a_sample_take_the_form_that_the_metric_needs(
    root: Path, cell: str, metric: str, kind: str
) -> None:
    assert read(root, named(cell), metric=metric).submission.kind == kind


def all_in_one(label: str) -> Files:
    """One table of all images, of which every fourth one is for testing."""
    lines = [(f"a{k}.png", label if k % 4 == 3 else KINDS[k % 3], ("train", "test")[k % 4 == 3]) for k in range(48)]
    return {
        "data.csv": rows("image,species,split", *lines),
        "sample_submission.csv": rows("image,species", *((f"a{k}.png", "ant") for k in range(3, 48, 4))),
        **images([f"images/a{k}.png" for k in range(48)]),
    }


def test_rows_without_a_label_in_the_training_table_may_be_the_test_images(root: Path) -> None:
    found = read(root, all_in_one(""))
    train, test, _ = list_records(root / "unpacked", found)
    assert (len(train), len(test)) == (36, 12)
    assert not {record.source for record in train} & {record.source for record in test}


def test_test_images_that_the_training_table_labels_are_one_line(root: Path) -> None:
    with pytest.raises(InputError, match="name images in images that the training data labels, too; leave their rows"):
        read(root, all_in_one("bee"))


def test_folders_whose_images_two_tables_share_out_are_no_training_data(root: Path) -> None:
    """iNaturalist: train.csv and val.csv name images by paths below folders of families."""
    paths = [f"all/{('Birds', 'Plants')[k % 2]}/{k % 4}/{k}.png" for k in range(48)]
    files: Files = {
        f"{part}.csv": rows("file_name,category_id", *((paths[k], k % 4) for k in range(48) if (k % 3 == 0) == own))
        for part, own in (("val", True), ("train", False))
    }
    sample = rows("file_name,category_id", *((f"test/t{k}.png", 0) for k in range(3)))
    files = {**files, "sample_submission.csv": sample, **images([*paths, *(f"test/t{k}.png" for k in range(3))])}
    with pytest.raises(
        InputError, match=r"read in 3 ways; choose with --train '{train,val}.csv:\.'( or --train '\w+\.csv:\.'){2}$"
    ):
        read(root, files)


def test_a_table_of_pixels_with_classes_is_no_test_table(root: Path) -> None:
    """Kannada: Dig-MNIST.csv is labelled, too."""
    files = pixels(24)
    assert (
        read(root, files | {"more.csv": files["train.csv"]}, train="train.csv").test.model_dump()["table"] == "test.csv"
    )


def test_names_with_an_extension_join_a_label(root: Path) -> None:
    """Clouds, with answers of 0 and 1: a.png_Fish."""
    parts = ("Fish", "Sugar")
    files: Files = {
        "train.csv": rows(
            "Image_Label,here",
            *((f"a{k}.png_{part}", (k + at) % 2) for k in range(12) for at, part in enumerate(parts)),
        ),
        "sample_submission.csv": rows(
            "Image_Label,here", *((f"t{k}.png_{part}", 0.5) for k in range(3) for part in parts)
        ),
        **images([f"train/a{k}.png" for k in range(12)] + [f"test/t{k}.png" for k in range(3)]),
    }
    found = read(root, files, metric="roc_auc")
    assert found.train.model_dump()["classes"] == parts
    train, test, _ = list_records(root / "unpacked", found)
    assert (train[0].id, test[0].id) == ("a0.png", "t0.png")


@pytest.mark.parametrize(
    ("marks", "kind"),
    [([(1, 0), (0, 1)], "one_class"), ([(1, 1), (0, 1), (0, 0)], "several_labels")],
)
def test_columns_of_0_and_1_may_be_blank_in_the_rows_of_test_images(
    root: Path, marks: list[tuple[int, int]], kind: str
) -> None:
    lines = [(f"i{k}", *marks[k % len(marks)]) for k in range(12)] + [(f"i{k}", "", "") for k in range(12, 16)]
    files: Files = {
        "data.csv": rows("id,rust,scab", *lines),
        "sample_submission.csv": rows("id,rust,scab", *((f"i{k}", 0.5, 0.5) for k in range(12, 16))),
        **images([f"images/i{k}.png" for k in range(16)]),
    }
    found = read(root, files, metric="roc_auc")
    train, tests, _ = list_records(root / "unpacked", found)
    assert (found.target.kind, len(train), [record.id for record in tests]) == (kind, 12, ["i12", "i13", "i14", "i15"])


def test_blanks_beside_ones_may_mean_no_and_leave_no_row_out(root: Path) -> None:
    lines = [(f"i{k}", *[("1", ""), ("", "1"), ("1", "1"), ("", "")][k % 4]) for k in range(12)]
    files: Files = {
        "data.csv": rows("id,rust,scab", *lines),
        "sample_submission.csv": rows("id,rust,scab", *((f"t{k}", 0.5, 0.5) for k in range(3))),
        **images([f"train/i{k}.png" for k in range(12)] + [f"test/t{k}.png" for k in range(3)]),
    }
    with pytest.raises(InputError, match="but they hold blanks in addition to 0 and 1"):
        read(root, files, metric="roc_auc")


@pytest.mark.parametrize(("blank", "tests"), [(12, 0), (12, 12), (3, 0)])
def test_rows_of_blanks_are_left_out_where_they_are_few_or_those_of_test_images(
    root: Path, blank: int, tests: int
) -> None:
    """Twelve rows have marks; a blank row of an image that is no test image may mean that it has none of the labels."""
    lines = [(f"i{k}", *[(1, 0), (0, 1), (1, 1)][k % 3]) for k in range(12)]
    names = [f"i{k}" for k in range(12 + blank)]
    asked = names[-tests:] if tests else ["t0", "t1", "t2"]
    files: Files = {
        "data.csv": rows("id,rust,scab", *lines, *((name, "", "") for name in names[12:])),
        "sample_submission.csv": rows("id,rust,scab", *((name, 0.5, 0.5) for name in asked)),
        **images([f"images/{name}.png" for name in names] + ([] if tests else [f"test/{name}.png" for name in asked])),
    }
    if blank == 12 and not tests:
        with pytest.raises(InputError, match="but they hold blanks in addition to 0 and 1"):
            read(root, files, metric="roc_auc")
        return
    said = describe_local(root, write(root, files), metric="roc_auc")
    assert f"check: {blank} rows lack all of their answers and are left out, see leave_out; where blanks mean" in said
