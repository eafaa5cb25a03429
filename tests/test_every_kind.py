"""Pages, tuning and predictions of targets that are no class: each goes from its files to the answer to a picture."""

from pathlib import Path

import pytest
from support.competition_files import cells_and_sample, read
from support.fabricated import write_params

from pipeline import cli
from pipeline.core import cards, paths
from pipeline.stages import ensemble, explore, fetch, prepare, report, split, train, tune

MODEL = "hog_logreg"
CONFIGS = Path(__file__).parents[1] / "configs"
SETS: list[tuple[object, ...]] = [("ant bee",), ("ant",), ("bee cat",), ("cat",)]
NUMBERS: list[tuple[object, ...]] = [(1.5,), (0.25,), (4.75,), (2.5,)]
KINDS = {"sets": (SETS, ("ant bee",), "row_f1", "several labels"), "numbers": (NUMBERS, (0.5,), "rmse", "numbers")}


@pytest.fixture
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A competition of the kind that the test names, prepared."""
    root = tmp_path / "repo"
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "models").symlink_to(CONFIGS / "models")
    cells, shown, metric, _ = KINDS[request.param]
    read(root, cells_and_sample("y", "y", cells, shown), metric)
    write_params(root, [MODEL], competition="shape", split={"n_splits": 3})
    fetch.run(root)
    prepare.run(root)
    return root


@pytest.mark.parametrize("root", list(KINDS), indirect=True)
def test_a_model_that_is_not_tuned_has_the_metric_of_its_target(root: Path) -> None:
    tune.run(root, MODEL)
    card = cards.read_card(root / "reports" / "tuning" / f"{MODEL}.json", cards.TuningCard)
    assert card.metric in ("row_f1", "rmse")
    assert card.greater_is_better == (card.metric == "row_f1")


@pytest.mark.slow
@pytest.mark.parametrize(("root", "words"), [(kind, each[3]) for kind, each in KINDS.items()], indirect=["root"])
def test_pages_and_predictions_are_made_of_every_kind(
    root: Path, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    split.run(root)
    train.run(root, MODEL)
    tune.run(root, MODEL)
    ensemble.run(root)
    explore.run(root)
    report.run(root)
    assert (paths.reports_folder(root) / "report.html").is_file()
    assert (paths.reports_folder(root) / "explore.html").is_file()
    monkeypatch.chdir(root)
    picture = next(root.glob("**/test/*.png"))
    for model in (MODEL, paths.ENSEMBLE):
        capsys.readouterr()
        assert cli.main(["predict", "--model", model, str(picture)]) == 0
        assert f"{model}: {words}; unknown images are recognised only where" in capsys.readouterr().out
