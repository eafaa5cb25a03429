"""The real client against a stand-in on this machine: downloads that break, refusals, secrets."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import tiny
from support.kaggle_download_server import SECRET, Kaggle, forget_credentials, serving

from pipeline.core.competition import Competition
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.data.sources.source import fetch_competition

_PIECE = 1 << 20  # bytes that the client writes at once


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    with serving(tmp_path, monkeypatch) as kaggle:
        archive = tiny.build(tmp_path, per_class=3, n_test=3, zipped=True)
        with zipfile.ZipFile(archive, "a") as zipped:
            zipped.writestr("notes.bin", bytes(2 * _PIECE))
        kaggle.content = archive.read_bytes()
        yield kaggle


def _kaggle_competition() -> Competition:
    data = tiny.describe("csv_images", "label", 12, 3, ("small_cnn",), False)
    return parse({**data, "source": {"kind": "kaggle", "slug": "tiny-pets"}}, Competition, "tiny.yaml")


def _waiting(root: Path) -> Path:
    """Where the zip waits until it is unpacked."""
    folder = root / "data" / "raw" / "kaggle-tiny-pets-e3b0c442.download"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_kaggle_download_is_unpacked(tmp_path: Path, kaggle: Kaggle) -> None:
    folder = fetch_competition(tmp_path, _kaggle_competition())
    assert (folder / "train.csv").is_file()
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, folder.name + ".json"]


def test_a_token_serves_as_well_as_a_key(tmp_path: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_" + SECRET)
    fetch_competition(tmp_path, _kaggle_competition())
    assert kaggle.asked[0] == "IntrospectToken"


def test_a_download_that_is_there_is_not_asked_for_again(tmp_path: Path, kaggle: Kaggle) -> None:
    fetch_competition(tmp_path, _kaggle_competition())
    asked = list(kaggle.asked)
    fetch_competition(tmp_path, _kaggle_competition())
    assert kaggle.asked == asked


def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path, kaggle: Kaggle) -> None:
    kaggle.drops = [_PIECE + 1000]
    assert (fetch_competition(tmp_path, _kaggle_competition()) / "train.csv").is_file()
    assert kaggle.asked == ["DownloadDataFiles tiny-pets", "file whole", f"file bytes={_PIECE}-"]


def test_what_an_earlier_run_left_is_gone_on_with(tmp_path: Path, kaggle: Kaggle) -> None:
    (_waiting(tmp_path) / "tiny-pets.zip").write_bytes(kaggle.content[:700])
    marker = {"validator": '"one"', "size": len(kaggle.content)}
    (_waiting(tmp_path) / "tiny-pets.zip.kaggle-partial").write_text(json.dumps(marker))
    fetch_competition(tmp_path, _kaggle_competition())
    assert kaggle.asked[-1] == "file bytes=700-"


def test_a_refusal_does_not_throw_away_what_has_come(tmp_path: Path, kaggle: Kaggle) -> None:
    kaggle.status, kaggle.message = 429, "Too many requests"
    for _ in range(2):
        with pytest.raises(InputError, match="too many requests to Kaggle"):
            fetch_competition(tmp_path, _kaggle_competition())
        (_waiting(tmp_path) / "tiny-pets.zip").write_bytes(kaggle.content[:700])
    assert (_waiting(tmp_path) / "tiny-pets.zip").stat().st_size == 700


def test_a_damaged_zip_is_deleted_so_that_the_next_run_gets_it_anew(tmp_path: Path, kaggle: Kaggle) -> None:
    whole = kaggle.content
    kaggle.content = whole[:60] + bytes([whole[60] ^ 255]) + whole[61:]
    with pytest.raises(
        InputError, match=r"the download of tiny-pets is damaged and its zip was deleted; run the command"
    ):
        fetch_competition(tmp_path, _kaggle_competition())
    kaggle.content = whole
    assert (fetch_competition(tmp_path, _kaggle_competition()) / "train.csv").is_file()


def test_what_is_no_zip_is_deleted(tmp_path: Path, kaggle: Kaggle) -> None:
    whole, kaggle.content = kaggle.content, b"<html>Sign in</html>"
    with pytest.raises(InputError, match="the download of tiny-pets is not a zip file and was deleted"):
        fetch_competition(tmp_path, _kaggle_competition())
    kaggle.content = whole
    assert (fetch_competition(tmp_path, _kaggle_competition()) / "train.csv").is_file()


def test_an_error_page_in_the_place_of_the_rest_is_not_gone_on_with(tmp_path: Path, kaggle: Kaggle) -> None:
    kaggle.drops, kaggle.page = [1000], (503, b"<html>Try later</html>")
    with pytest.raises(InputError, match="the connection broke; run the command again"):
        fetch_competition(tmp_path, _kaggle_competition())
    kaggle.page = None
    assert (fetch_competition(tmp_path, _kaggle_competition()) / "train.csv").is_file()


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (401, "Unauthenticated", r"run `kaggle auth login`.* write it to ~/\.kaggle/access_token"),
        (403, "You must accept this competition's rules", r"not accepted yet; click .*/competitions/tiny-pets/rules"),
        (
            403,
            "Permission 'competitions.get' was denied",
            r"refuses this account .*/competitions/tiny-pets/rules.* correct the slug",
        ),
        (
            404,
            "Competition not found",
            "Kaggle has no competition 'tiny-pets' .*; correct the slug, which is the last part",
        ),
        (429, "Too many requests", "too many requests to Kaggle; try again in a few minutes"),
        (503, "Service Unavailable", "Kaggle has a server error .*; try again later"),
    ],
)
def test_kaggles_refusals_name_the_fix_and_no_secret(
    tmp_path: Path, kaggle: Kaggle, status: int, message: str, words: str
) -> None:
    kaggle.status, kaggle.message = status, f"{message} {SECRET}"
    with pytest.raises(InputError, match=f"Kaggle's tiny-pets could not be downloaded: .*{words}") as caught:
        fetch_competition(tmp_path, _kaggle_competition())
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_kaggle_out_of_reach_says_so(tmp_path: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="Kaggle cannot be reached; check the network"):
        fetch_competition(tmp_path, _kaggle_competition())


def test_kaggle_without_credentials_says_how_to_log_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_credentials(tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"no Kaggle credentials, .*`kaggle auth login`, or create a token at"):
        fetch_competition(tmp_path, _kaggle_competition())
