"""Groups too few for five folds: applied with their number, asked for, or hinted, as small pictures say."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.competition_files import Files, animals, read, rows, write

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe.few_groups import count_folds
from pipeline.data.describe.init import describe_local

COUNT = 24


def draw(light: int, seed: int) -> bytes:
    pixels = light + np.random.default_rng(seed).integers(0, 30, (8, 8))
    out = io.BytesIO()
    Image.fromarray(pixels.astype("uint8")).save(out, "PNG")
    return out.getvalue()


def sites(many: int, alike: bool = True, column: str = "site", test: str | None = None) -> Files:
    """A competition of as many sites, each with light of its own if pictures of one are alike."""
    files = dict(animals(COUNT))
    site = [k % many for k in range(COUNT)]
    lines = ((k, ("ant", "bee")[k // many % 2], f"s{site[k]}") for k in range(COUNT))
    files["train.csv"] = rows(f"Id,Category,{column}", *lines)
    trains = sorted((name for name in files if name.startswith("train/")), key=lambda name: int(Path(name).stem))
    for k, name in enumerate(trains):
        files[name] = draw(40 + 60 * site[k] if alike else 100, k)
    return files if test is None else files | {"test.csv": test}


@pytest.mark.parametrize("many", [3, 4])
def test_three_or_four_groups_that_look_alike_are_applied_with_the_folds_that_work(root: Path, many: int) -> None:
    printed = describe_local(root, write(root, sites(many)))
    assert load_competition(root, "shape").train.model_dump()["group"] == "site"
    line = f"images of one site share a fold, and its groups allow {many} folds: set split.n_splits: {many} in params"
    assert f"check: {line}" in printed
    text = (root / "configs/competitions/shape.yaml").read_text()
    assert f"# site: {many} groups of {COUNT // many} to {COUNT // many} images" in text
    assert "have their nearest one in their own group" in text


def test_two_groups_that_look_alike_are_asked_for(root: Path) -> None:
    source = write(root, sites(2))
    with pytest.raises(InputError, match=r"site of train.csv ties images together: .* allows 2 folds, .*--group none"):
        describe_local(root, source)
    assert not (root / "configs/competitions/shape.yaml").exists()


def test_what_is_chosen_says_the_folds_that_work(root: Path) -> None:
    assert read(root, sites(2), group="site").train.model_dump()["group"] == "site"
    text = (root / "configs/competitions/shape.yaml").read_text()
    assert "CHECK: images of one site share a fold, and its groups allow 2 folds: set split.n_splits: 2" in text


def test_groups_that_do_not_look_alike_are_hinted_with_the_evidence(root: Path) -> None:
    printed = describe_local(root, write(root, sites(3, alike=False)))
    assert load_competition(root, "shape").train.model_dump()["group"] is None
    assert "check: site of train.csv has 3 values, too few for 5 folds (of 24 small pictures" in printed


@pytest.mark.parametrize("column", ["site", "anatom_site"])
def test_sites_that_test_images_share_and_parts_of_a_body_are_no_groups(root: Path, column: str) -> None:
    test = rows(f"Id,{column}", *((k, f"s{k}") for k in range(3))) if column == "site" else None
    printed = describe_local(root, write(root, sites(3, column=column, test=test)))
    assert load_competition(root, "shape").train.model_dump()["group"] is None
    assert f"{column} of train.csv" not in printed


def test_folds_are_counted_for_classes_that_are_not_rare() -> None:
    groups = ["a", "b", "c", "d"] * 6
    assert count_folds(groups, ["ant", "bee"] * 12) == 2  # ants in a and c alone
    assert count_folds(groups, ["ant"] * 12 + ["bee"] * 12) == 4
    assert count_folds(groups, ["ant"] * 20 + ["rare"] * 4) == 4
    assert count_folds(["a", "b", ""] * 8, ["ant"] * 24) == 2
