"""Groups of a new competition: applied where name and files speak for them, asked for where they leave it open."""

import re
from pathlib import Path

import numpy as np
import pytest
from support.competition_files import Files, animals, cats, image, images, pixels, read, rows, write

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe.group_evidence import compare_groups
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.records import list_records

KINDS = ("ant", "bee")
OWN_TESTS = [f"test/{k}.png" for k in range(3)]  # of `animals`, whose names are those of training images


def tied(column: str, values: list[str], test: str | None = None) -> Files:
    """A competition of 24 images with one more column of its training table, and perhaps a table of its test images."""
    files = animals(24)
    files["train.csv"] = rows(f"Id,Category,{column}", *((k, KINDS[k % 2], values[k]) for k in range(24)))
    return files if test is None else files | {"test.csv": test}


@pytest.mark.parametrize(
    "column",
    [
        "patient_id",
        "PatientID",
        "patientid",
        "subject",
        "location",
        "seq_id",
        "site",
        "slide",
        "slideid",
        "source_slide",
    ],
)
def test_a_column_of_a_groups_name_that_repeats_is_applied_and_marked_to_check(root: Path, column: str) -> None:
    source = write(root, tied(column, [f"p{k // 3}" for k in range(24)]))
    printed = describe_local(root, source)
    assert load_competition(root, "shape").train.model_dump()["group"] == column
    assert f"check: images of one {column} share a fold" in printed
    text = (root / "configs/competitions/shape.yaml").read_text()
    assert f"# {column}: 8 groups of 3 to 3 images, which share a fold" in text
    assert "small pictures" in text


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("anatom_site_general_challenge", [f"s{k % 6}" for k in range(24)]),
        ("tumor_site", [f"s{k % 6}" for k in range(24)]),
        ("tissue", [f"s{k % 6}" for k in range(24)]),
        ("age_approx", [str(40 + k % 8) for k in range(24)]),
        ("patient_id", [f"p{k}" for k in range(24)]),
        ("location", [KINDS[k % 2] for k in range(24)]),
    ],
)
def test_columns_that_are_no_groups_are_left_alone(root: Path, column: str, values: list[str]) -> None:
    assert read(root, tied(column, values)).train.model_dump()["group"] is None


def test_places_that_the_test_images_share_are_no_groups(root: Path) -> None:
    values = [f"p{k // 3}" for k in range(24)]
    shared = rows("Id,location", *((k, values[3 * k]) for k in range(3)))
    assert read(root, tied("location", values, shared)).train.model_dump()["group"] is None


def test_a_few_test_images_of_one_training_patient_stand_for_hidden_ones(root: Path) -> None:
    values = [f"p{k // 3}" for k in range(24)]
    one = rows("Id,patient", *((k, "p2") for k in range(3)))
    assert read(root, tied("patient", values, one)).train.model_dump()["group"] == "patient"


def test_test_images_of_other_patients_are_evidence(root: Path) -> None:
    values = [f"p{k // 3}" for k in range(24)]
    other = rows("Id,patient", *((k, f"q{k}") for k in range(3)))
    printed = describe_local(root, write(root, tied("patient", values, other)))
    assert "check: images of one patient share a fold; describe again" in printed


def test_of_nested_and_of_crossed_groups_the_coarse_one_is_taken(root: Path) -> None:
    def files(sequence: list[int]) -> Files:
        lines = ((k, KINDS[k % 2], f"l{k % 6}", f"s{sequence[k]}") for k in range(24))
        return animals(24) | {"train.csv": rows("Id,Category,location,seq_id", *lines)}

    assert read(root, files([k % 12 for k in range(24)])).train.model_dump()["group"] == "location"
    (root / "configs/competitions/shape.yaml").unlink()
    crossed = files([k // 3 for k in range(24)])
    printed = describe_local(root, write(root, crossed))
    assert "check: seq_id crosses location and is torn: --group 'seq_id' keeps it whole" in printed
    assert load_competition(root, "shape").train.model_dump()["group"] == "location"
    (root / "configs/competitions/shape.yaml").unlink()
    assert read(root, crossed, group="seq_id").train.model_dump()["group"] == "seq_id"
    (root / "configs/competitions/shape.yaml").unlink()
    assert read(root, crossed, group="none").train.model_dump()["group"] is None
    with pytest.raises(InputError, match=r"--group 'sequence' is no column of train.csv and no pattern"):
        describe_local(root, write(root, crossed), "other", Choices(group="sequence"))


def test_numbers_that_begin_anew_in_each_patient_tie_nothing(root: Path) -> None:
    going_on = [(k, KINDS[k % 2], f"p{k // 4}", 1 + k % 6) for k in range(48)]  # 5, 6, 1, 2 of the second place
    files = animals(48) | {"train.csv": rows("Id,Category,location,slide_no", *going_on)}
    assert read(root, files).train.model_dump()["group"] == "slide_no"
    (root / "configs/competitions/shape.yaml").unlink()
    anew = [(k, KINDS[k % 3 // 2], f"p{k // 6}", 1 + k % 6) for k in range(47)]
    files = animals(47) | {"train.csv": rows("Id,Category,patient,slide_no", *anew)}
    printed = describe_local(root, write(root, files))
    assert load_competition(root, "shape").train.model_dump()["group"] == "patient"
    assert "check: slide_no crosses patient and is torn: --group 'slide_no' keeps it whole" in printed


@pytest.mark.parametrize("coarse", ["site", "slide_no"])
def test_patients_are_not_torn_by_fewer_groups_whose_pictures_resemble_each_other(root: Path, coarse: str) -> None:
    lines = [(k, KINDS[k // 4 % 2], f"p{k // 4}", 1 + k % 6) for k in range(48)]
    alike = {f"train/{k}.png": image(k % 6) + bytes(k) for k in range(48)}
    files = animals(48) | alike | {"train.csv": rows(f"Id,Category,patient,{coarse}", *lines)}
    printed = describe_local(root, write(root, files))
    assert load_competition(root, "shape").train.model_dump()["group"] == "patient"
    assert f"check: {coarse} crosses patient and is torn: --group '{coarse}' keeps it whole" in printed


def test_crossed_groups_whose_pictures_resemble_each_other_come_first(root: Path) -> None:
    base = {number: image(number) for number in range(12)}
    lines = [(k, KINDS[k % 2], f"p{k // 4}", f"s{k % 6}") for k in range(48)]
    files = animals(48) | {f"train/{k}.png": base[k // 4] + bytes(k) for k in range(48)}
    files["train.csv"] = rows("Id,Category,patient,site", *lines)
    assert read(root, files).train.model_dump()["group"] == "patient"


def test_subjects_beside_pixels_are_applied_and_chosen(root: Path) -> None:
    table = pixels(24)
    header, *lines = str(table["train.csv"]).splitlines()
    tied = "\n".join([f"{header},subject,run", *(f"{line},w{k // 3},{k % 7}" for k, line in enumerate(lines))]) + "\n"
    assert read(root, table | {"train.csv": tied}).train.model_dump()["group"] == "subject"
    (root / "configs/competitions/shape.yaml").unlink()
    assert read(root, table | {"train.csv": tied}, group="run").train.model_dump()["group"] == "run"
    with pytest.raises(InputError, match=r"--group 'nobody' is no column of train\.csv"):
        describe_local(root, write(root, table | {"train.csv": tied}), "other", Choices(group="nobody"))


def test_subjects_that_test_pixels_share_are_no_groups(root: Path) -> None:
    table = pixels(24)
    for name in ("train.csv", "test.csv"):
        header, *lines = str(table[name]).splitlines()
        table[name] = "\n".join([f"{header},subject", *(f"{line},w{k % 8}" for k, line in enumerate(lines))]) + "\n"
    assert read(root, table).train.model_dump()["group"] is None


def test_names_of_classes_are_tied_by_a_pattern(root: Path) -> None:
    found = read(root, cats(), positive="dog", group=r"^\w+\.(\d)")
    assert found.train.model_dump()["layout"] == "file_names"
    assert found.groups is not None
    assert found.groups.match("cat.3.jpg") == "3"


def test_two_eyes_of_a_patient_are_tied_by_a_pattern_over_ids(root: Path) -> None:
    names = [f"{k // 2}_{('left', 'right')[k % 2]}" for k in range(24)]
    files: Files = {
        "train.csv": rows("image,level", *((name, KINDS[k % 3 // 2]) for k, name in enumerate(names))),
        "sample_submission.csv": rows("image,level", *((f"{k}_left", "ant") for k in range(90, 93))),
        **images([f"train/{name}.png" for name in names] + [f"test/{k}_left.png" for k in range(90, 93)]),
    }
    groups = read(root, files).groups
    assert groups is not None
    assert [groups.match(name) for name in ("10_left", "10_right", "110_left")] == ["10", "10", "110"]


def test_a_list_of_drivers_beside_folders_of_classes_is_applied(root: Path) -> None:
    names = [f"train/{KINDS[k % 2]}/img_{k}.png" for k in range(24)]
    files: Files = {
        "drivers.csv": rows("subject,img", *((f"p{k // 4}", f"img_{k}.png") for k in range(24))),
        "sample_submission.csv": rows("img,ant,bee", *((f"t{k}.png", 0.5, 0.5) for k in range(3))),
        **images(names + [f"test/t{k}.png" for k in range(3)]),
    }
    found = read(root, files)
    assert found.train.model_dump() == {"layout": "folders", "images": "train"}
    assert found.groups is not None
    assert found.groups.model_dump(exclude_none=True) == {"table": "drivers.csv", "id": "img", "column": "subject"}


@pytest.mark.parametrize("whole", [True, False])
def test_patients_in_a_table_beside_that_of_classes_are_applied(root: Path, whole: bool) -> None:
    lines = [(f"{k}.png", 40 + k % 30, f"p{k // 3}") for k in range(24)]
    tests = [(f"t{k}.png", 50, f"q{k}") for k in range(3)]
    files = animals(24) | {
        "metadata.csv": rows("image,age,patient_id", *lines, *(tests if whole else [])),
        "sample_submission.csv": rows("Id,Category", *((f"t{k}", "ant") for k in range(3))),
        **images([f"test/t{k}.png" for k in range(3)]),
    }
    found = read(root, {name: held for name, held in files.items() if name not in [f"test/{k}.png" for k in range(3)]})
    assert found.train.model_dump()["group"] is None
    assert found.groups is not None
    wanted = {"table": "metadata.csv", "id": "image", "column": "patient_id"}
    assert found.groups.model_dump(exclude_none=True) == wanted
    groups = {record.id: record.group for record in list_records(root / "unpacked", found).train}
    assert (groups["0"], groups["2"], groups["23"]) == ("p0", "p0", "p7")
    (root / "configs/competitions/shape.yaml").unlink()
    describe_local(root, root.parent / "shape.zip", None, Choices(group="age"))
    chosen = load_competition(root, "shape").groups
    assert chosen is not None
    assert chosen.column == "age"


def listed(table: str) -> Files:
    """A competition of 24 images whose patients another table names."""
    sample = rows("Id,Category", *((f"t{k}", "ant") for k in range(3)))
    files = animals(24) | {"metadata.csv": table, "sample_submission.csv": sample}
    files |= images([f"test/t{k}.png" for k in range(3)])
    return {name: held for name, held in files.items() if name not in OWN_TESTS}


@pytest.mark.parametrize("shared", [False, True])
def test_rows_of_a_table_beside_are_test_images_where_the_sample_names_them(root: Path, shared: bool) -> None:
    others = [(f"{('gone', 't')[shared]}{k}", f"p{k}") for k in range(3)]
    files = listed(rows("image,patient_id", *((k, f"p{k // 3}") for k in range(24)), *others))
    groups = read(root, files).groups
    assert (groups is None) == shared


@pytest.mark.parametrize(("twice", "words"), [(True, "several rows of some of the 24"), (False, "none of 2 of the 24")])
def test_a_table_beside_without_one_row_of_each_image_is_named(root: Path, twice: bool, words: str) -> None:
    lines = [(k, f"p{k // 3}") for k in range(24)]
    files = listed(rows("image,patient_id", *(lines * 2 if twice else lines[:22])))
    printed = describe_local(root, write(root, files))
    assert f"check: patient_id of metadata.csv may tie training images together, but it has {words}" in printed
    assert load_competition(root, "shape").groups is None


def test_patients_beside_come_before_ids_that_begin_alike(root: Path) -> None:
    ids = [f"seq{k // 4}_{k}" for k in range(48)]
    files: Files = {
        "labels.csv": rows("Id,Category", *((each, KINDS[k % 2]) for k, each in enumerate(ids))),
        "metadata.csv": rows("Id,patient", *((each, f"p{k // 8}") for k, each in enumerate(ids))),
        "sample_submission.csv": rows("Id,Category", *((f"t{k}", "ant") for k in range(3))),
        **{f"train/{each}.png": image(k // 4) + bytes(k) for k, each in enumerate(ids)},
        **images([f"test/t{k}.png" for k in range(3)]),
    }
    groups = read(root, files).groups
    assert groups is not None
    assert groups.column == "patient"


@pytest.mark.parametrize("test", ["p", "q"])
def test_unlabelled_test_rows_of_the_one_table_tell_whether_their_groups_are_new(root: Path, test: str) -> None:
    lines = [(f"{k}.png", KINDS[k % 2], f"p{k % 6}") for k in range(24)]
    tests = [(f"t{k}.png", "", f"{test}{k}") for k in range(4)]
    files: Files = {
        "data.csv": rows("file,Category,hospital", *lines, *tests),
        "sample_submission.csv": rows("Id,Category", *((f"t{k}", "ant") for k in range(4))),
        **images([f"images/{name}" for name, *_ in (*lines, *tests)]),
    }
    found = read(root, files)
    assert found.train.model_dump()["group"] == (None if test == "p" else "hospital")
    prepared = list_records(root / "unpacked", found)
    assert (len(prepared.train), len(prepared.test)) == (24, 4)


@pytest.mark.parametrize(("name", "pattern"), [("{0}/{1}", "^(.+)/"), ("seq{0}_{1}", r"^(.+)[_-]\d+")])
def test_ids_that_begin_alike_are_asked_about_where_their_pictures_are_alike(
    root: Path, name: str, pattern: str
) -> None:
    ids = [name.format(k // 4, k) for k in range(48)]
    files: Files = {
        "train.csv": rows("Id,Category", *((f"{each}.png", KINDS[k % 2]) for k, each in enumerate(ids))),
        "sample_submission.csv": rows("Id,Category", *((f"t{k}.png", "ant") for k in range(3))),
        **{f"train/{each}.png": image(k // 4) + bytes(k) for k, each in enumerate(ids)},
        **images([f"test/t{k}.png" for k in range(3)]),
    }
    with pytest.raises(InputError, match="begin alike in 12 groups.*choose with --group '" + re.escape(pattern)):
        read(root, files)


def test_the_nearest_picture_tells_groups_that_look_alike_from_groups_that_do_not() -> None:
    random = np.random.default_rng(0)
    group, label = np.arange(120) // 4, np.arange(120) // 4 % 2
    own = random.normal(size=(30, 50))[group] + 0.1 * random.normal(size=(120, 50))
    alike = compare_groups(own.astype(np.float32), group, label)
    assert (alike.clear, alike.within, alike.right) == (True, 1.0, 1.0)
    assert alike.right_across < 0.8
    unlike = compare_groups(random.normal(size=(120, 50)).astype(np.float32), group, label)
    assert not unlike.clear


def test_groups_that_are_classes_alone_are_no_evidence() -> None:
    random = np.random.default_rng(0)
    label = np.arange(120) // 30
    pictures = random.normal(size=(4, 50))[label] + 0.1 * random.normal(size=(120, 50))
    assert not compare_groups(pictures.astype(np.float32), label, label).clear
