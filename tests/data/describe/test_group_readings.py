"""Groups that the headers of DICOM files name, and columns beside answers of every kind."""

from pathlib import Path

import numpy as np
import pytest
from support.competition_files import Files, image, images, read, rows
from support.dicom import make_dicom

from pipeline.core.errors import InputError
from pipeline.core.row_rules import Groups
from pipeline.data.prepared.records import list_records

PARTS = (("train", "a", 12), ("test", "t", 3))
VALUES = np.random.default_rng(0).integers(0, 4096, (8, 8), dtype=np.uint16)


def scans(patients: int, kind: str = "csv") -> Files:
    """Twelve scans of so many patients, in a table or in folders of classes."""
    scan = {n: make_dicom(VALUES + n, PatientID=f"secret{n % patients}", SeriesInstanceUID=f"1.{n}") for n in range(12)}
    tests = {f"test/t{n}.dcm": make_dicom(VALUES) for n in range(3)}
    sample = rows("id,label", *((f"t{n}", "ill") for n in range(3)))
    if kind == "folders":
        return {f"train/{('ill', 'well')[n // 3 % 2]}/a{n}.dcm": scan[n] for n in scan} | {
            "sample_submission.csv": sample,
            **tests,
        }
    table = rows("id,label", *((f"a{n}", ("ill", "well")[n // 3 % 2]) for n in range(12)))
    trains = {f"train/a{n}.dcm": scan[n] for n in scan}
    return {"train.csv": table, "sample_submission.csv": sample, **trains, **tests}


@pytest.mark.parametrize("kind", ["csv", "folders"])
def test_patients_of_headers_become_numbered_groups(root: Path, kind: str) -> None:
    found = read(root, scans(6, kind))
    assert found.groups == Groups(dicom="patient")
    groups = {Path(record.id).stem: record.group for record in list_records(root / "unpacked", found).train}
    assert set(groups.values()) == {f"patient{number}" for number in range(6)}
    assert groups["a0"] == groups["a6"] != groups["a1"]
    assert "secret" not in str(groups) + (root / "configs/competitions/shape.yaml").read_text()


@pytest.mark.parametrize("ending", ["", ".png"])
def test_files_count_by_what_they_hold(root: Path, ending: str) -> None:
    files = {name.removesuffix(".dcm") + ending if "/" in name else name: held for name, held in scans(6).items()}
    assert read(root, files).groups == Groups(dicom="patient")


def test_a_few_other_pictures_are_no_patients(root: Path) -> None:
    files = dict(scans(6)) | {"train/a3.png": image(3)}
    del files["train/a3.dcm"]
    assert read(root, files).groups is None


def test_a_number_that_all_share_is_no_group(root: Path) -> None:
    assert read(root, scans(1)).groups is None


def test_series_are_chosen(root: Path) -> None:
    found = read(root, scans(6), group="dicom:series")
    assert len({record.group for record in list_records(root / "unpacked", found).train}) == 12


def test_a_subject_that_is_none_is_one_line(root: Path) -> None:
    with pytest.raises(InputError, match="names none of dicom:patient, dicom:study, dicom:series; choose one"):
        read(root, scans(6), group="dicom:doctor")


def test_files_without_the_header_are_named(root: Path) -> None:
    with pytest.raises(InputError, match=r"12 training images name no study in their header \(StudyInstanceUID\)"):
        read(root, scans(6), group="dicom:study")
    files = dict(scans(6)) | {"train/a3.dcm": image(3)}
    (root / "configs/competitions/shape.yaml").unlink()
    with pytest.raises(InputError, match=r"1 training images are no DICOM files.*train/a3\.dcm"):
        read(root, files, group="dicom:patient")


def test_headers_are_chosen_of_dicom_files_alone(root: Path) -> None:
    tables = {name: held for name, held in scans(6).items() if "/" not in name}
    train, tests = ({f"{part}/{name}{n}.png": image(n) for n in range(count)} for part, name, count in PARTS)
    with pytest.raises(InputError, match=r"--group 'dicom:patient' is for DICOM files, but .* such as train/a0.png"):
        read(root, tables | train | tests, group="dicom:patient")


ANSWERS: dict[str, tuple[str, list[tuple[float, ...]], str]] = {
    "numbers": ("age", [(k // 3 + 0.5,) for k in range(24)], "mae"),  # of each patient one: a patient by another name
    "numbers of each row": ("size", [(7.25 * k + k % 5,) for k in range(24)], "rmse"),
    "several labels": ("rust,scab,wilt,mould", [(k // 3 % 2, k // 6 % 2, k // 12, 1) for k in range(24)], "roc_auc"),
    "votes": ("lpd,gpd,other", [(k % 7, 10 - k % 7, 1 + k) for k in range(24)], "kl_divergence"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_patients_are_groups_whatever_is_predicted(root: Path, kind: str) -> None:
    """Answers of which few or none recur in other patients made the patient an answer by another name, and tore it."""
    names, cells, metric = ANSWERS[kind]
    shown = (0.25, 0.25, 0.5) if kind == "votes" else (0.5,) * len(cells[0])
    files: Files = {
        "train.csv": rows(f"id,patient_id,{names}", *((f"a{k}", 300 + k // 3, *cells[k]) for k in range(24))),
        "test.csv": rows("id,patient_id", *((f"t{k}", 900 + k) for k in range(3))),
        "sample_submission.csv": rows(f"id,{names}", *((f"t{k}", *shown) for k in range(3))),
        **images([*(f"train/a{k}.png" for k in range(24)), *(f"test/t{k}.png" for k in range(3))]),
    }
    found = read(root, files, metric)
    assert found.train.model_dump()["group"] == "patient_id"
    assert "of their class" not in (root / "configs/competitions/shape.yaml").read_text()
