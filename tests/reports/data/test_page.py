"""The page about the data: every figure it shows is computed again here, and odd competitions do not stop it."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser
from sklearn.metrics import roc_auc_score
from support import fabricated, page_text, tiny
from support.browser import browser, check_page
from support.page_text import Page
from support.project_imports import closure, imports

from pipeline.core import files, paths, tables
from pipeline.core.digests import write_digests
from pipeline.core.errors import InputError
from pipeline.reports.data import features, image_map, keypoints
from pipeline.reports.data.prepared_data import read_prepared_data
from pipeline.stages import explore, split

__all__ = ["browser"]
RECIPES: dict[str, dict[str, Any]] = {
    "cnn": {
        "input": {"size": 24, "preprocess": [{"name": "clahe", "grid": 2}]},
        "augmentation": {"flip": "alternating", "transforms": [{"Affine": {"rotate": [-20, 20]}}], "mixup": 0.2},
        "network": {"name": "plain_cnn", "filters": [4], "kernels": [3], "units": [8]},
        "training": {"epochs": 2, "batch_size": 16, "optimizer": {"name": "adam", "learning_rate": 0.01}},
    },
    "hog": {"features": {"name": "hog", "pixels_per_cell": 4}, "classifier": {"C": 0.1}, "mirror_training": True},
}
PER_CLASS, N_TEST = 20, 24


def lay(root: Path) -> None:
    """A tiny competition with something wrong in it of every kind."""
    tiny.build(root, per_class=PER_CLASS, n_test=N_TEST, models=tuple(RECIPES))
    for name, recipe in RECIPES.items():
        tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", recipe)
    folder = root / "download" / "tiny"
    shutil.copy(folder / "train" / "0.png", folder / "train" / "3.png")  # one label
    shutil.copy(folder / "train" / "1.png", folder / "train" / "5.png")  # two labels
    shutil.copy(folder / "train" / "6.png", folder / "test" / "0.png")
    with Image.open(folder / "train" / "9.png") as image:
        Image.new("RGB", image.size, (128, 128, 128)).save(folder / "train" / "9.png")
    with Image.open(folder / "train" / "12.png") as image:
        image.convert("L").convert("RGB").save(folder / "train" / "12.png", "jpeg")
    with Image.open(folder / "train" / "15.png") as image:
        image.resize((60, 40)).save(folder / "train" / "15.png")
    with Image.open(folder / "train" / "18.png") as image:
        image.resize((2, 2)).save(folder / "train" / "18.png")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That competition, prepared, split and explored."""
    folder = tmp_path_factory.mktemp("explored")
    lay(folder)
    tiny.prepare_tiny(folder)
    split.run(folder)
    explore.run(folder)
    return folder


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "reports" / "explore.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown(root: Path) -> Page:
    return page_text.read(root / "reports" / "explore.html")


@pytest.fixture(scope="module")
def numbers(root: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((root / "reports" / "explore.json").read_text(encoding="utf-8"))
    return found


def stored(root: Path) -> NDArray[np.float64]:
    return np.asarray(np.load(root / "data" / "prepared" / "train_images.npy"), dtype=np.float64)


def index(root: Path) -> pd.DataFrame:
    return tables.read_index(root / "data" / "prepared" / "train.csv")


def csv(root: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(root / "reports" / "explore" / f"{name}.csv", dtype={"id": "str", "ids": "str"})


def fabricate(root: Path, labels: NDArray[np.int64], names: tuple[str, ...], test: int, **about: Any) -> Path:
    """Writes what prepare and split would have made of random images; no folds where a class is too small."""
    fabricated.write_repository(root, models=("cnn",))
    tiny.write_yaml(root / "configs" / "models" / "cnn.yaml", RECIPES["cnn"])
    prepared, random = root / "data" / "prepared", np.random.default_rng(0)
    channels = about.get("channels", 3)
    for part, count in (("train", len(labels)), ("test", test)):
        images = random.integers(0, 256, (count, 16, 16, channels), dtype=np.uint8)
        np.save(prepared / f"{part}_images.npy", images)
    tables.write_index(prepared / "train.csv", fabricated.index([str(row) for row in range(len(labels))], labels))
    unknown = np.full(test, -1, dtype=np.int64)
    tables.write_index(prepared / "test.csv", fabricated.index([f"t{row}" for row in range(test)], unknown))
    tables.write_classes(prepared / "classes.json", names)
    files.write_json(prepared / "class_names.json", list(names))
    paths.folds_path(root).unlink()
    return root


# What the page says.


def test_the_page_holds_in_a_browser(browser: Browser, root: Path) -> None:
    check_page(browser, (root / "reports" / "explore.html").as_uri())


def test_classes_are_counted_as_pandas_counts_them(root: Path, shown: Page) -> None:
    counted = index(root)["label"].value_counts()
    found = shown.frame("Training images per class").set_index("class")
    assert found["images"].to_dict() == {name: counted[label] for label, name in enumerate(sorted(tiny.CLASSES))}
    assert np.allclose(found["share"], 1 / 3)


def test_channels_are_those_of_all_pixels(root: Path, shown: Page) -> None:
    images, found = stored(root), shown.frame("Pixels of the stored images, 0 to 255")
    assert np.allclose(found["mean"], images.mean(axis=(0, 1, 2)))
    assert np.allclose(found["deviation"], images.std(axis=(0, 1, 2)))
    assert np.allclose(found["mean / 255"], images.mean(axis=(0, 1, 2)) / 255)


def test_light_by_class_is_the_mean_of_its_images(root: Path, shown: Page) -> None:
    images, labels = stored(root), index(root)["label"].to_numpy()
    grey = np.stack([cv2.cvtColor(image.astype(np.uint8), cv2.COLOR_RGB2GRAY) for image in images]).astype(np.float64)
    found = shown.frame("Brightness, contrast and channels by class")
    for label in range(3):
        own = labels == label
        assert found["brightness"][label] == pytest.approx(grey[own].mean())
        assert found["contrast"][label] == pytest.approx(grey[own].std(axis=(1, 2)).mean())
        assert found["green"][label] == pytest.approx(images[own][..., 1].mean())


def test_grey_images_among_coloured_ones_are_counted(numbers: dict[str, dict[str, float]]) -> None:
    assert numbers["light"]["grey_share"] == pytest.approx(2 / (3 * PER_CLASS))  # the blank one, the JPEG


def test_sizes_are_those_of_the_files(root: Path, shown: Page) -> None:
    found, train = shown.frame("Sizes in pixels, before preparing").set_index("part").loc["train"], index(root)
    assert (found["narrowest"], found["widest"], found["highest"]) == (2, 60, 40)
    assert found["median width"] == train["width"].median()
    assert found["wider"] == pytest.approx(1 / len(train))


def test_duplicates_are_shown_with_their_labels(root: Path, page: str, numbers: dict[str, dict[str, float]]) -> None:
    assert numbers["duplicates"] == {"exact_sets": 2, "near_sets": 2, "conflicting_sets": 1, "train_test_sets": 1}
    found = csv(root, "duplicates")
    assert set(found["ids"]) == {"0=3", "1=5", "6=0"}
    assert found.set_index("ids")["different_labels"].to_dict() == {"0=3": False, "1=5": True, "6=0": False}
    assert "1 set of duplicates carries different labels (identical pixels)." in page
    assert "1 test image has a duplicate among the training images, with a label (identical pixels)." in page


def test_suspicious_images_are_named_with_the_reason(root: Path) -> None:
    found = csv(root, "suspicious")
    wanted = {("Tiny", "18", "2 x 2"), ("Wrong extension", "12", ".png holds JPEG")}
    assert wanted <= set(zip(found["kind"], found["id"], found["why"], strict=True))
    assert found.loc[found["kind"].str.startswith("Blank")].set_index("id")["why"]["9"] == "blank"


def test_keypoints_are_those_that_opencv_finds(root: Path, shown: Page) -> None:
    sift, labels = cv2.SIFT.create(nfeatures=256), index(root)["label"].to_numpy()
    counts = []
    for image in stored(root).astype(np.uint8):
        grey = cv2.cvtColor(cv2.resize(image, (96, 96), interpolation=cv2.INTER_CUBIC), cv2.COLOR_RGB2GRAY)
        counts.append(min(256, len(sift.detect(grey, None))))
    found = shown.frame("Keypoints by class").set_index("class")["mean"]
    for label, name in enumerate(sorted(tiny.CLASSES)):
        assert found[name] == pytest.approx(np.mean(np.array(counts)[labels == label]))


def test_folds_are_counted_as_pandas_counts_them(root: Path, shown: Page) -> None:
    folds = tables.read_folds(paths.folds_path(root))
    wanted = pd.crosstab(folds["label"], folds["fold"]).to_numpy()
    assert (shown.frame("Images of each class by fold")[["fold 0", "fold 1", "fold 2"]].to_numpy() == wanted).all()


def test_the_auc_on_the_page_is_that_of_scikit_learn(
    root: Path, page: str, numbers: dict[str, dict[str, float]]
) -> None:
    found = csv(root, "train_against_test")
    value = roc_auc_score(found["part"] == "test", found["probability_of_test"])
    assert numbers["train_against_test"]["auc"] == pytest.approx(value, abs=1e-3)
    assert f"AUC of {numbers['train_against_test']['auc']:.3f} [" in page


def test_every_model_stands_in_the_augmentation(page: str) -> None:
    assert "<h3>cnn</h3>" in page
    assert "Augmentation: flips in every other epoch, Affine, mixup (0.2)." in page
    assert "Each training image is used twice, once mirrored." in page


def test_findings_stand_at_the_top_and_lead_to_their_sections(page: str) -> None:
    first = page[page.index('<section id="at-a-glance"') : page.index('<section id="classes"')]
    assert 'href="#duplicates"' in first
    assert 'href="#suspicious-images"' in first


@pytest.mark.slow
def test_a_second_run_gives_the_same_bytes(root: Path, page: str) -> None:
    explore.run(root)
    assert (root / "reports" / "explore.html").read_text(encoding="utf-8") == page


def test_the_exploration_needs_no_network_library() -> None:
    reached = {name.split(".")[0] for module in closure("pipeline.stages.explore") for name in imports(module)}
    assert not reached & {"keras", "tensorflow", "jax", "torch"}


# Odd competitions.


def test_nothing_prepared_names_the_command(tmp_path: Path) -> None:
    tiny.build(tmp_path)
    with pytest.raises(InputError, match="run `dvc repro prepare`"):
        explore.run(tmp_path)
    assert not (tmp_path / "reports").exists()


def test_a_store_that_does_not_fit_its_index_names_the_command(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    shutil.copytree(root / "folds", tmp_path / "folds")
    np.save(tmp_path / "data" / "prepared" / "test_images.npy", np.zeros((1, 16, 16, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=r"test_images.npy is not the file that was written there .*repro -f prepare"):
        read_prepared_data(tmp_path)
    write_digests(tmp_path / "data" / "prepared")
    with pytest.raises(InputError, match="holds 1 images, its index 24 rows"):
        read_prepared_data(tmp_path)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller samples than anybody would want, where a test is about something else."""
    for module, name in ((image_map, "_POINTS"), (keypoints, "_MOST"), (features, "MOST")):
        monkeypatch.setattr(module, name, 90)


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_thousands_of_classes_fold_single_images_are_told_and_no_test_is_fine(tmp_path: Path) -> None:
    names = tuple(f"class {number}" for number in range(2_000))
    labels = np.concatenate([np.arange(2_000), np.zeros(500)]).astype(np.int64)
    explore.run(fabricate(tmp_path, labels, names, 0, channels=1))
    page = (tmp_path / "reports" / "explore.html").read_text(encoding="utf-8")
    assert "Training images per class: all 2,000 rows" in page
    assert "Images of the 20 largest and the 20 rarest classes" in page
    assert "1,999 classes have fewer than 10 images" in page
    assert "There are no folds yet" in page
    assert "There are no test images" in page
    assert "The images are stored as greyscale." in page
    assert len(page) < 15e6


@pytest.mark.slow
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("count", "test", "size"), [(2, 1, 4), (60, 30, 120)])
def test_images_without_any_difference_are_explored_few_or_many_small_or_large(
    tmp_path: Path, count: int, test: int, size: int
) -> None:
    fabricate(tmp_path, np.arange(count, dtype=np.int64) % 2, ("a", "b"), test)
    for part, rows in (("train", count), ("test", test)):
        black = np.zeros((rows, size, size, 3), dtype=np.uint8)
        np.save(tmp_path / "data" / "prepared" / f"{part}_images.npy", black)
    explore.run(tmp_path)
    assert (
        "All of them are grey although they are stored in colour" in (tmp_path / "reports" / "explore.html").read_text()
    )


@pytest.mark.usefixtures("few")
def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    names = ("<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "$a_b$")
    explore.run(fabricate(tmp_path, np.arange(30, dtype=np.int64) % 3, names, 30))
    page = (tmp_path / "reports" / "explore.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert page.count("<script") == 1
