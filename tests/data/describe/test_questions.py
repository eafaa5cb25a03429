"""Sample submissions that ask for no class of an image: refused in words that say what is asked, and what to do."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows

from pipeline.core.answers import RankedSubmission
from pipeline.core.errors import InputError


def _told(root: Path, files: Files, metric: str | None = None, **choices: str) -> str:
    with pytest.raises(InputError) as error:
        read(root, files, metric, **choices)
    return str(error.value)


def paintings() -> Files:
    """Twelve paintings of three artists, and pairs of six others."""
    pairs = [(k, f"t{k}.png", f"t{k + 1}.png") for k in range(5)]
    return {
        "train_info.csv": rows("filename,artist", *((f"a{k}.png", f"artist{k % 3}") for k in range(12))),
        "submission_info.csv": rows("index,image1,image2", *pairs),
        "sample_submission.csv": rows("index,sameArtist", *((k, 0.5) for k in range(5))),
        **images([*(f"train/a{k}.png" for k in range(12)), *(f"test/t{k}.png" for k in range(6))]),
    }


def test_pairs_of_images_are_refused(root: Path) -> None:
    told = _told(root, paintings(), sample="sample_submission.csv")
    assert "asks about pairs of images (image1 and image2 of submission_info.csv)" in told


def test_answers_that_are_ids_of_the_rows_are_refused(root: Path) -> None:
    """Shopee: the postings that show the same product."""
    files: Files = {
        "train.csv": rows("posting_id,image,label_group", *((f"p{k}", f"a{k}.png", 900 + k // 3) for k in range(12))),
        "sample_submission.csv": rows("posting_id,matches", *((f"t{k}", f"t{k}") for k in range(3))),
        **images([*(f"train/a{k}.png" for k in range(12)), *(f"test/t{k}.png" for k in range(3))]),
    }
    assert "matches of sample_submission.csv lists ids of its own rows ('t0')" in _told(root, files)


@pytest.mark.parametrize("ends", [("", "_oedema"), ("_image", "_study")])
def test_rows_about_images_and_about_their_folders_are_refused(root: Path, ends: tuple[str, str]) -> None:
    """RSNA's pulmonary embolism, SIIM's COVID-19: answers of images and of studies in one file."""
    image, study = ends
    names = [f"{'train' if k < 8 else 'test'}/s{k}/e{k}/i{k}.png" for k in range(12)]
    asked = [name for k in range(8, 12) for name in (f"i{k}{image}", f"s{k}{study}")]
    files: Files = {
        "train.csv": rows("id,study,oedema", *((f"i{k}", f"s{k}", k % 2) for k in range(8))),
        "sample_submission.csv": rows("id,label", *((name, 0.5) for name in asked)),
        **images(names),
    }
    told = _told(root, files, "log_loss")
    assert "rows of two kinds: 4 are about images, such as " in told
    assert f"4 are about folders of them, such as 's8{study}'" in told


def test_rows_of_a_study_and_a_part_with_a_column_for_each_grade_name_the_way(root: Path) -> None:
    """RSNA's lumbar spine, its series moved together: 25 rows of a study with three probabilities each."""
    parts, grades = ("canal_l1", "canal_l2"), ("Normal", "Severe")
    folders = [f"{'train' if k < 12 else 'test'}/{400 + k}" for k in range(14)]
    marks = [(400 + k, *(grades[(k + at) % 3 // 2] for at in range(2))) for k in range(12)]
    asked = [(f"{400 + k}_{part}", 0.5, 0.5) for k in (12, 13) for part in parts]
    files: Files = {
        "train.csv": rows("study_id,canal_l1,canal_l2", *marks),
        "sample_submission.csv": rows("row_id,normal,severe", *asked),
        **images([f"{folder}/{z}.png" for k, folder in enumerate(folders) for z in range(5 + k % 3)], grey=True),
    }
    told = _told(root, files, "log_loss")
    assert "ids such as '412_canal_l1' join the name of test/412 and one of canal_l1, canal_l2, with 2 answers" in told
    assert "with the id '412', describe with --label 'canal_l1', and put the files of answers together" in told
    one = {**files, "sample_submission.csv": rows("study_id,normal,severe", (412, 0.5, 0.5), (413, 0.5, 0.5))}
    assert read(root, one, "log_loss", label="canal_l1").submission.kind == "probabilities"


def test_one_probability_beside_more_classes_names_the_way(root: Path) -> None:
    """ALASKA2: whether something is hidden, beside folders of three ways of hiding and one of none."""
    kinds = ("Cover", "JMiPOD", "UERD")
    files: Files = {
        "sample_submission.csv": rows("Id,Label", *((f"t{k}.png", k / 10) for k in range(4))),
        **images([*(f"{name}/{k}.png" for name in kinds for k in range(6)), *(f"Test/t{k}.png" for k in range(4))]),
    }
    told = _told(root, files, "roc_auc")
    assert "Label holds one probability for each row" in told
    assert "the training data has 3 (Cover, JMiPOD, UERD); write a table of the training images with a column" in told
    table = rows("Id,Label", *((f"{name}/{k}.png", int(name != "Cover")) for name in kinds for k in range(6)))
    found = read(root, {**files, "train.csv": table}, "roc_auc", train="train.csv")
    assert found.submission.model_dump()["positive"] == "1"


def test_the_word_for_what_is_new_alone_in_the_sample_is_an_answer(root: Path) -> None:
    """AnimalCLEF: an individual that is known, or new."""
    files: Files = {
        "train.csv": rows("image,identity", *((f"a{k}", f"lynx_{k % 3}") for k in range(12))),
        "sample_submission.csv": rows("image,identity", *((f"t{k}", "new_individual") for k in range(3))),
        **images([*(f"train/a{k}.png" for k in range(12)), *(f"test/t{k}.png" for k in range(3))]),
    }
    told = _told(root, files, "accuracy")
    assert "--metric map_1 if 'new_individual' is the answer for what no class explains" in told
    found = read(root, files, "map_1").submission
    assert isinstance(found, RankedSubmission)
    assert (found.k, found.new) == (1, "new_individual")


def test_addresses_of_pictures_are_to_be_downloaded(root: Path) -> None:
    """iMaterialist: JSON of addresses, and no picture."""
    listed = ", ".join(f'{{"image_id": {k}, "url": ["https://pictures.example/{k}.jpg"]}}' for k in range(1, 13))
    labels = ", ".join(f'{{"image_id": {k}, "label_id": {k % 3}}}' for k in range(1, 13))
    files: Files = {
        "train.json": f'{{"images": [{listed}], "annotations": [{labels}]}}',
        "sample_submission.csv": rows("id,predicted", (1, 0), (2, 1)),
    }
    told = _told(root, files, "accuracy")
    assert "url of train.json holds addresses: download each picture into a folder called train" in told


def test_a_list_in_brackets_is_no_placeholder(root: Path) -> None:
    """PlantCLEF: plants alone in training, several on each test image."""
    files: Files = {
        "train.csv": rows("image,species_ids", *((f"a{k}", 1355868 + k % 3) for k in range(12))),
        "sample_submission.csv": rows("image,species_ids", *((f"t{k}", "[1355868; 1355869]") for k in range(3))),
        **images([*(f"train/a{k}.png" for k in range(12)), *(f"test/t{k}.png" for k in range(3))]),
    }
    told = _told(root, files, "accuracy")
    assert "sample_submission.csv: species_ids holds lists in brackets" in told


def test_a_class_that_no_row_marks_is_refused_and_what_is_left_is_read(root: Path) -> None:
    """ISIC 2019: UNK is a column of zeros, and of the sample submission."""
    names = ("MEL", "NV", "UNK")
    marks = [(f"a{k}", *(float(k % 2 == at) for at in range(3))) for k in range(12)]
    files: Files = {
        "train.csv": rows("image,MEL,NV,UNK", *marks),
        "sample_submission.csv": rows("image,MEL,NV,UNK", *((f"t{k}", 0.5, 0.5, 0) for k in range(3))),
        **images([*(f"train/a{k}.png" for k in range(12)), *(f"test/t{k}.png" for k in range(3))]),
    }
    told = _told(root, files, "log_loss")
    assert "train.csv: no row marks UNK" in told
    assert "remove the column from train.csv and sample_submission.csv, and put a 0 for it" in told
    less = {
        "train.csv": rows("image,MEL,NV", *(row[:-1] for row in marks)),
        "sample_submission.csv": rows("image,MEL,NV", *((f"t{k}", 0.5, 0.5) for k in range(3))),
    }
    assert read(root, {**files, **less}, "log_loss").train.model_dump()["classes"] == names[:-1]


def test_the_column_decides_whose_values_the_sample_lists_beside_what_is_new(root: Path) -> None:
    """Happywhale: species and individuals of whales."""
    whales = [(f"a{k}", ("beluga", "orca")[k % 5 % 2], f"w{k % 5}") for k in range(20)]
    files: Files = {
        "train.csv": rows("image,species,individual_id", *whales),
        "sample_submission.csv": rows("image,predictions", *((f"t{k}", "w0 w1 new_individual") for k in range(3))),
        **images([*(f"train/a{k}.png" for k in range(20)), *(f"test/t{k}.png" for k in range(3))]),
    }
    found = read(root, files, "map_3")
    assert found.train.model_dump()["label"] == "individual_id"
    assert isinstance(found.submission, RankedSubmission)
    assert found.submission.new == "new_individual"


@pytest.mark.parametrize("part", ["train", "test"])
def test_ids_that_are_the_numbers_of_names_are_told(root: Path, part: str) -> None:
    trains, tests = ("seq_{:06d}", "{}") if part == "train" else ("{}", "Test_{}")
    files: Files = {
        "train.csv": rows("id,kind", *((k, ("ant", "bee")[k % 2]) for k in range(1, 13))),
        "sample_submission.csv": rows("id,kind", *((k, "ant") for k in range(21, 24))),
        **images([f"train/{trains.format(k)}.png" for k in range(1, 13)]),
        **images([f"test/{tests.format(k)}.png" for k in range(21, 24)]),
    }
    first = f"'1' for train/{trains.format(1)}.png" if part == "train" else f"'21' for test/{tests.format(21)}.png"
    assert f"except for a word before the number, and zeros ({first}): correct them" in _told(root, files, "accuracy")


def test_two_photographs_of_each_row_of_the_sample_are_told(root: Path) -> None:
    """ODIR: a patient's answer, and a photograph of each eye."""
    eyes = [(k, f"{k}_left.png", f"{k}_right.png", k % 2) for k in range(12)]
    files: Files = {
        "train.csv": rows("ID,Left-Fundus,Right-Fundus,C", *eyes),
        "sample_submission.csv": rows("ID,C", *((k, 0.5) for k in range(100, 104))),
        **images([f"train/{name}" for row in eyes for name in row[1:3]]),
        **images([f"test/{k}_{side}.png" for k in range(100, 104) for side in ("left", "right")]),
    }
    told = _told(root, files, "roc_auc", id="Left-Fundus")
    assert "files are called by ID of sample_submission.csv with _left, _right behind it, as test/100_" in told


def test_fractions_with_a_comma_are_told(root: Path) -> None:
    """The column that the sample asks for was passed over, and the plot of a field taken for the answer."""
    lines = [(f"a{k}", f"plot{k // 3}", f"{k},{k + 10}") for k in range(12)]
    files: Files = {
        "train.csv": "\n".join(";".join(line) for line in [("image", "plot", "yield"), *lines]) + "\n",
        "sample_submission.csv": "image;yield\n" + "".join(f"t{k};0,0\n" for k in range(3)),
        **images([*(f"train/a{k}.png" for k in range(12)), *(f"test/t{k}.png" for k in range(3))]),
    }
    assert "column yield of train.csv writes fractions with a comma, such as '0,10'" in _told(root, files, "rmse")


def test_lists_of_names_of_images_ask_for_images_alike(root: Path) -> None:
    """Landmark Retrieval: each test image is to be answered with images of the index that show the same."""
    index, tests = [f"{n:02d}c7aa95861f" for n in range(6)], [f"{n:02d}d9dfea0a0116" for n in range(4)]
    files: Files = {
        "train.csv": rows("id,landmark_id", *((f"{n:02d}f1d2a3", n % 3) for n in range(12))),
        "sample_submission.csv": rows("id,images", *((name, " ".join(index[:3])) for name in tests)),
        **images([f"train/{n:02d}f1d2a3.png" for n in range(12)]),
        **images([*(f"test/{name}.png" for name in tests), *(f"index/{name}.png" for name in index)]),
    }
    with pytest.raises(
        InputError, match=r"images of sample_submission\.csv lists names of images .*: images that show"
    ):
        read(root, files)
