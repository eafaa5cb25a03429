"""The Kaggle client as a subprocess: what it says comes back, and no secret gets out."""

import sys
from pathlib import Path

import pytest
from support.kaggle_server import KEY, SECRETS, TOKEN, KaggleServer

from pipeline.core.errors import InputError
from pipeline.kaggle import client
from pipeline.kaggle.client import run_client
from pipeline.kaggle.client_errors import explain_refusal


def test_the_client_finds_the_server_and_its_exit_status_comes_back(kaggle_server: KaggleServer) -> None:
    answer = run_client(["submission-limits", "-c", "tiny-pets", "--json"])
    assert (answer.code, answer.err) == (0, "")
    assert '"numAllowedNow": 4' in answer.out


def test_without_credentials_it_says_how_to_log_in(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    answer = run_client(["submissions", "-c", "tiny-pets"])
    assert "kaggle auth login" in str(explain_refusal(answer.lines, "tiny-pets", "it failed"))
    assert kaggle_server.log == []


def test_a_token_that_kaggle_knows_no_more_says_how_to_log_in(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle_server.refuse("IntrospectToken", 403, f"Token {TOKEN} has expired")
    answer = run_client(["submissions", "-c", "tiny-pets"])
    assert "kaggle auth login" in str(explain_refusal(answer.lines, "tiny-pets", "it failed"))


def test_an_echoed_key_is_not_passed_on(kaggle_server: KaggleServer) -> None:
    kaggle_server.refuse("ListSubmissions", 400, f"bad key {KEY} in Basic {SECRETS[2]}")
    error = explain_refusal(run_client(["submissions", "-c", "tiny-pets"]).lines, "tiny-pets", "it failed")
    assert "it failed: bad key *** in Basic ***; see" in str(error)


def test_a_client_that_hangs_is_ended(kaggle_server: KaggleServer) -> None:
    answer = run_client(["submissions", "-c", "tiny-pets"], seconds=0.01)
    assert answer.connection_lost
    assert "Kaggle cannot be reached" in str(explain_refusal(answer.lines, "tiny-pets", "it failed"))


def test_without_the_client_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InputError, match="kaggle does not exist; run `make run` to install the Kaggle client"):
        client.run_client(["submissions"])
