"""`init --kaggle`: from a slug to the active competition, through the real client and a stand-in for Kaggle."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import shapes, tiny
from support.kaggle_download_server import SECRET, Kaggle, forget_credentials, serving

from pipeline.cli import main
from pipeline.core.active import active_models, active_name
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.source_kinds import KaggleSource
from pipeline.data.describe.from_kaggle import describe_kaggle
from pipeline.data.describe.match import Choices
from pipeline.stages import fetch, prepare

REPOSITORY = Path(__file__).parents[3]
SLUG = "plant-pathology-2020-fgvc7"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the shipped models and no competition."""
    root = tmp_path / "repository"
    (root / "configs" / "competitions").mkdir(parents=True)
    (root / "configs" / "models").symlink_to(REPOSITORY / "configs" / "models")
    tiny.write_yaml(root / "params.yaml", {"competition": "none", "models": ["small_cnn"], "prepare": {"workers": 1}})
    return root


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    with serving(tmp_path, monkeypatch) as kaggle:
        kaggle.content = shapes.pack(shapes.SHAPES[SLUG]())
        yield kaggle


def init(root: Path, slug: str = SLUG, metric: str | None = "roc_auc", name: str | None = None, **choices: str) -> str:
    return describe_kaggle(root, slug, name, Choices(**choices), metric)


def written(root: Path) -> list[str]:
    """What a stop must leave alone."""
    return [path.name for path in (root / "configs" / "competitions").iterdir()] + [(root / "params.yaml").read_text()]


def test_a_slug_becomes_the_active_competition(root: Path, kaggle: Kaggle) -> None:
    text = init(root)
    competition = load_competition(root)
    assert active_name(root) == SLUG
    assert competition.source == KaggleSource(kind="kaggle", slug=SLUG)
    assert competition.metric.name == "roc_auc"
    assert active_models(root) == competition.models
    assert text.splitlines()[-1] == f"next: read configs/competitions/{SLUG}.yaml, then run `dvc repro` and " + (
        "`python -m pipeline scores`"
    )


def test_the_file_says_what_made_it_and_what_was_seen(root: Path, kaggle: Kaggle) -> None:
    init(root)
    text = (root / "configs" / "competitions" / f"{SLUG}.yaml").read_text()
    assert text.startswith(f"# Described by `python -m pipeline init --kaggle {SLUG}`")
    assert "# image_id: 16 of 16 ids name an image in images" in text


def test_what_was_downloaded_is_what_the_pipeline_runs_on(root: Path, kaggle: Kaggle) -> None:
    init(root)
    asked = list(kaggle.asked)
    fetch.run(root)
    prepare.run(root)
    assert kaggle.asked == asked == [f"DownloadDataFiles {SLUG}", "file whole"]
    assert (root / "data" / "prepared" / "train_images.npy").is_file()


def test_without_a_metric_it_stops_with_those_that_fit(root: Path, kaggle: Kaggle) -> None:
    before = written(root)
    with pytest.raises(
        InputError,
        match=rf"no file of {SLUG} names its metric; see .*/c/{SLUG}/overview/evaluation .* --metric NAME .*"
        r"probabilities, which fits log_loss, roc_auc.*; the others are accuracy, macro_f1.* top_3_accuracy",
    ):
        init(root, metric=None)
    assert written(root) == before


def test_labels_hint_at_metrics_of_labels(root: Path, kaggle: Kaggle) -> None:
    kaggle.content = shapes.pack(shapes.plant_seedlings_classification())
    with pytest.raises(InputError, match="labels, which fits accuracy, macro_f1, balanced_accuracy, quadratic_kappa"):
        init(root, "plant-seedlings-classification", None)


def test_after_a_stop_nothing_is_downloaded_twice(root: Path, kaggle: Kaggle) -> None:
    slug = "dogs-vs-cats-redux-kernels-edition"
    kaggle.content = shapes.pack(shapes.SHAPES[slug]())
    with pytest.raises(InputError, match="--positive 'cat' or --positive 'dog'"):
        init(root, slug, "log_loss")
    asked = list(kaggle.asked)
    init(root, slug, "log_loss", positive="dog")
    assert kaggle.asked == asked
    assert active_name(root) == slug


@pytest.mark.parametrize(
    "slug", ["../x", "a/b", "-p", "A-B", "a b", "x;ls", "x\n", "", "https://www.kaggle.com/c/x", "ä"]
)
def test_what_is_no_slug_is_refused_before_anything_is_asked(root: Path, kaggle: Kaggle, slug: str) -> None:
    with pytest.raises(InputError, match=r"is not a slug .a to z, 0 to 9 and -.; use the last part"):
        init(root, slug)
    assert kaggle.asked == []
    assert not (root / "data").exists()


def test_an_unknown_metric_is_refused_before_anything_is_asked(root: Path, kaggle: Kaggle) -> None:
    with pytest.raises(InputError, match="--metric 'roc_uac' is unknown; did you mean roc_auc"):
        init(root, metric="roc_uac")
    assert kaggle.asked == []


def test_an_existing_description_is_kept_and_named_before_anything_is_asked(root: Path, kaggle: Kaggle) -> None:
    path = root / "configs" / "competitions" / f"{SLUG}.yaml"
    path.write_text("title: mine\n")
    with pytest.raises(
        InputError, match=rf"is not overwritten; make it the active one with `python -m pipeline init {SLUG}`"
    ):
        init(root)
    assert (path.read_text(), kaggle.asked) == ("title: mine\n", [])


def test_another_name_can_be_given(root: Path, kaggle: Kaggle) -> None:
    init(root, name="apples")
    assert active_name(root) == "apples"


def test_another_file_of_the_same_competition_is_named(root: Path, kaggle: Kaggle) -> None:
    (root / "configs" / "competitions" / "apples.yaml").write_text(f"source: {{kind: kaggle, slug: {SLUG}}}\n")
    (root / "configs" / "competitions" / "pears.yaml").write_text(f"source: {{kind: kaggle, slug: {SLUG}-old}}\n")
    text = init(root)
    assert (
        "note: configs/competitions/apples.yaml describes the same competition; `python -m pipeline init apples`"
        in text
    )
    assert "pears" not in text


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (403, "You must accept this competition's rules", f"https://www.kaggle.com/competitions/{SLUG}/rules"),
        (404, "Not found", f"Kaggle has no competition '{SLUG}'"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_everything_alone(
    root: Path,
    kaggle: Kaggle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    message: str,
    words: str,
) -> None:
    monkeypatch.chdir(root)
    kaggle.status, kaggle.message = status, message
    before = written(root)
    assert main(["init", "--kaggle", SLUG, "--metric", "roc_auc"]) == 1
    shown = capsys.readouterr()
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1
    assert written(root) == before


def test_without_credentials_it_says_which_file_to_write(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_credentials(root.parent, monkeypatch)
    with pytest.raises(InputError, match=r"write it to ~/\.kaggle/access_token"):
        init(root)


def test_the_key_is_in_nothing_that_is_printed_or_written(
    root: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    command = ["init", "--kaggle", SLUG, "--metric", "roc_auc"]
    kaggle.status, kaggle.message = 403, f"denied to {SECRET}"
    assert main(command) == 1
    kaggle.status = 200
    assert main(command) == 0
    files = [path.read_bytes() for path in root.rglob("*") if path.is_file() and "models" not in path.parts]
    shown = capfd.readouterr()
    assert "***" in shown.err
    assert SECRET not in shown.out + shown.err
    assert len(files) > 20
    assert not [content for content in files if SECRET.encode() in content]
