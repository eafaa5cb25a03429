"""The stand-in for Kaggle behaves as the real client expects: what other tests build on."""

import json
from pathlib import Path

import pytest
from support.kaggle_server import TOKEN, KaggleServer
from support.warm_client import warm

from pipeline.kaggle.client import run_client


@pytest.fixture(autouse=True)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The real client, warm where no test is about how it waits."""
    if request.node.get_closest_marker("slow") is None:
        warm(request.getfixturevalue("monkeypatch"), tmp_path_factory.mktemp("client"))


@pytest.mark.slow  # the client waits before it tries again; tests/kaggle/test_download.py has it through the pipeline
def test_a_download_that_breaks_off_is_resumed_where_it_broke(kaggle_server: KaggleServer, tmp_path: Path) -> None:
    kaggle_server.archive = bytes(range(256)) * 12_000
    kaggle_server.cut_at = 2_500_000
    assert run_client(["download", "-c", "tiny-pets", "-p", str(tmp_path), "-q"]).code == 0
    assert (tmp_path / "tiny-pets.zip").read_bytes() == kaggle_server.archive
    assert [call.range for call in kaggle_server.calls("file")] == [None, "bytes=2097152-"]  # it keeps whole MiB


def test_one_file_comes_alone(kaggle_server: KaggleServer, tmp_path: Path) -> None:
    kaggle_server.files = {"train.csv": b"id,label\n"}
    assert run_client(["download", "-c", "tiny-pets", "-f", "train.csv", "-p", str(tmp_path), "-q"]).code == 0
    assert (tmp_path / "train.csv").read_bytes() == b"id,label\n"


def test_files_are_listed_page_by_page(kaggle_server: KaggleServer) -> None:
    kaggle_server.files = {"a.csv": b"12", "b.csv": b"1", "c.csv": b"123"}
    first = run_client(["files", "-c", "tiny-pets", "--format", "json", "--page-size", "2"]).out
    token, listing = first.split("\n", 1)
    assert token == "Next Page Token = 2"
    assert [(file["name"], file["size"]) for file in json.loads(listing)] == [("a.csv", 2), ("b.csv", 1)]
    rest = run_client(["files", "-c", "tiny-pets", "--format", "json", "--page-size", "2", "--page-token", "2"]).out
    assert [file["name"] for file in json.loads(rest)] == ["c.csv"]


def test_a_token_opens_it_as_well_as_a_key(kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    assert run_client(["submissions", "-c", "tiny-pets"]).out == "No submissions found\n"


def test_a_wrong_key_is_refused(kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "wrong")
    answer = run_client(["submissions", "-c", "tiny-pets"])
    assert answer.code == 1
    assert answer.lines[0].startswith("Authentication required")


def test_trouble_passes_after_so_many_times(kaggle_server: KaggleServer) -> None:
    kaggle_server.drop("ListSubmissions", times=1)
    assert [run_client(["submissions", "-c", "tiny-pets"]).code for _ in range(2)] == [1, 0]
