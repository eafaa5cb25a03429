"""Saliency: heat maps of models that were really trained, on the page and in a browser."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser
from support import page_text
from support.browser import browser, check_page, opened

from pipeline.core import paths, tables
from pipeline.core.errors import InputError
from pipeline.inference.saliency.attribution import Attribution
from pipeline.stages import report

__all__ = ["browser"]


@pytest.fixture(scope="module")
def networks(predicting_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a convolutional, a dense and a classical model that were really trained; only read."""
    return Path(shutil.copytree(predicting_root, tmp_path_factory.mktemp("networks") / "copy"))


@pytest.mark.slow
def test_each_picture_is_looked_at_by_the_fold_that_did_not_see_it(
    networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tables.read_index(networks / "data" / "prepared" / "train.csv")
    stored = np.load(networks / "data" / "prepared" / "train_images.npy")
    fold_of = tables.read_folds(paths.folds_path(networks)).set_index("id")["fold"]
    asked: list[int] = []
    original = Attribution.compute_heat

    def heat(self: Attribution, checkpoint: Path, images: Any, classes: Any) -> Any:
        for image in images:
            (row,) = np.flatnonzero((stored == image).all(axis=(1, 2, 3)))
            assert checkpoint.name == f"fold{fold_of[index['id'][row]]}.weights.h5"
            asked.append(int(row))
        return original(self, checkpoint, images, classes)

    monkeypatch.setattr(Attribution, "compute_heat", heat)
    report.run(networks)
    found = page_text.read(networks / "reports" / "report.html")
    assert set(asked) == set(range(36))
    assert set(found.values("Heat inside the central box", "images")) == {"cnn"}
    assert found.values("Heat inside the central box", "images")["cnn"] == 36
    share = found.values("Heat inside the central box", "heat in the central box")["cnn"]
    told = pd.read_csv(networks / "reports" / "report" / "heat.csv").set_index("model")
    assert told.loc["cnn", "central_share"] == pytest.approx(share, rel=1e-5)
    numbers = json.loads((networks / "reports" / "report.json").read_text())
    assert numbers["heat"] == {"least_central": pytest.approx(share)}
    assert "No heat maps, without convolutions or attention: " in found.text
    epochs = found.values("Loss at the end of training, means over folds", "epochs")
    assert epochs == {"cnn": 2, "dense": 2, "hog": None}  # iterations are no epochs
    assert [alt for alt in found.alts if alt.startswith("heat on ")]


@pytest.mark.slow
def test_a_lost_checkpoint_is_named_with_the_command_that_brings_it_back(networks: Path) -> None:
    path = networks / "folds" / "cnn" / "checkpoints" / "fold1.weights.h5"
    moved = path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(InputError, match=r"lacks fold1.weights.h5; run `dvc repro train@cnn`, or `dvc checkout`"):
            report.run(networks)
    finally:
        moved.rename(path)


@pytest.mark.slow
def test_the_page_holds_in_a_browser_and_its_tables_sort(networks: Path, browser: Browser) -> None:
    if not (networks / "reports" / "report.html").is_file():
        report.run(networks)
    url = (networks / "reports" / "report.html").as_uri()
    check_page(browser, url)
    with opened(browser, url) as page:
        page.get_by_role("table", name="Scores").get_by_role("button", name="log loss").click()
        cells = page.get_by_role("table", name="Scores").locator("tbody td:nth-child(6)").all_text_contents()
    assert [float(cell) for cell in cells] == sorted(map(float, cells), reverse=True)


@pytest.mark.slow
def test_heat_stays_beside_its_picture_on_a_phone(networks: Path, browser: Browser) -> None:
    if not (networks / "reports" / "report.html").is_file():
        report.run(networks)
    tops = "row => [...row.querySelectorAll('img')].map(image => Math.round(image.getBoundingClientRect().top))"
    with opened(browser, (networks / "reports" / "report.html").as_uri(), 400) as page:
        rows = page.locator("#where-models-look .group").all()
        assert rows
        assert all(len(set(row.evaluate(tops))) == 1 for row in rows)
