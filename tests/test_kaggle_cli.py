"""The Kaggle client as a subprocess: what goes wrong becomes the sentence that helps, and no secret gets out."""

import sys
from pathlib import Path

import pytest
from kaggle_server import KEY, RULES, SECRETS, TOKEN, KaggleServer

from pipeline import kaggle_cli
from pipeline.errors import InputError
from pipeline.kaggle_cli import Answer, refusal, run, without_secrets


def sentence(err: str, out: str = "") -> str:
    return str(refusal(Answer(1, out, err), "tiny-pets", "it failed"))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Unauthenticated", "run `kaggle auth login`, or make a token at https://www.kaggle.com/settings/api"),
        ("401 Client Error: Unauthorized for url: x", "run `kaggle auth login`"),
        (RULES, "click Join Competition at https://www.kaggle.com/competitions/tiny-pets/rules"),
        ("Too Many Requests", "Kaggle asks to wait"),
        ("429 Client Error: for url: x", "Kaggle asks to wait"),
        (
            "You have reached the maximum number of submissions for today (5).",
            r"no submission is left \(You have reached the maximum number of submissions for today \(5\)\); the day",
        ),
        ("Your team has used its daily Submission allowance (5) today", "no submission is left"),
        ("Submission exceeds the maximum file size limit", "it failed: Submission exceeds the maximum file size"),
        ("Competition not found", r"no competition tiny-pets \(Competition not found\); correct the slug"),
        ("404 Client Error: Not Found for url: x", "no competition tiny-pets"),
        ("Max retries exceeded with url: / (Caused by ...)", "no connection to Kaggle, or it broke"),
        ("('Connection aborted.', RemoteDisconnected('x'))", "no connection to Kaggle"),
        ("Permission denied", r"Kaggle refuses \(Permission denied\); join at .*/tiny-pets, accept its rules"),
        ("Something new.", "it failed: Something new; see https://www.kaggle.com/competitions/tiny-pets"),
        ("", "the client said nothing"),
    ],
)
def test_each_failure_has_the_sentence_that_helps(said: str, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        raise refusal(Answer(1, "", said), "tiny-pets", "it failed")


def test_of_a_stack_trace_only_the_last_line_counts() -> None:
    trace = 'Traceback (most recent call last):\n  File "connection.py"\nrequests.HTTPError: Too Many Requests'
    assert "Kaggle asks to wait" in sentence(trace)
    assert "Traceback" not in sentence(trace)


def test_a_refusal_is_one_line() -> None:
    assert "\n" not in sentence("first\nsecond", "third\nfourth")


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_blotted_out_wherever_they_stand(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for text in (secret, f"key={secret}.", f"Authorization: Basic {secret}\n", f"'{secret}'", f"x/{secret}/y"):
        assert secret not in without_secrets(text)
        assert secret[:16] not in without_secrets(text)


def test_a_short_key_of_the_environment_is_blotted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "hunter-two")
    assert without_secrets("the token hunter-two is invalid") == "the token *** is invalid"


@pytest.mark.parametrize(
    "text",
    [
        "Competition plant-pathology-2020-fgvc7 not found",
        "see https://www.kaggle.com/competitions/dogs-vs-cats-redux-kernels-edition/rules",
        "HTTPConnectionPool(host='127.0.0.1', port=36377)",
    ],
)
def test_what_a_person_must_read_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_the_client_finds_the_server_and_its_exit_status_comes_back(kaggle_server: KaggleServer) -> None:
    answer = run(["submission-limits", "-c", "tiny-pets", "--json"])
    assert (answer.code, answer.err) == (0, "")
    assert '"numAllowedNow": 4' in answer.out


def test_without_credentials_it_says_how_to_log_in(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    answer = run(["submissions", "-c", "tiny-pets"])
    assert "kaggle auth login" in str(refusal(answer, "tiny-pets", "it failed"))
    assert kaggle_server.log == []


def test_a_token_that_kaggle_knows_no_more_says_how_to_log_in(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle_server.refuse("IntrospectToken", 403, f"Token {TOKEN} has expired")
    answer = run(["submissions", "-c", "tiny-pets"])
    assert "kaggle auth login" in str(refusal(answer, "tiny-pets", "it failed"))


def test_an_echoed_key_is_not_passed_on(kaggle_server: KaggleServer) -> None:
    kaggle_server.refuse("ListSubmissions", 400, f"bad key {KEY} in Basic {SECRETS[2]}")
    error = refusal(run(["submissions", "-c", "tiny-pets"]), "tiny-pets", "it failed")
    assert "it failed: bad key *** in Basic ***; see" in str(error)


def test_a_client_that_hangs_is_ended(kaggle_server: KaggleServer) -> None:
    answer = run(["submissions", "-c", "tiny-pets"], seconds=0.01)
    assert answer.lost
    assert "no connection to Kaggle" in str(refusal(answer, "tiny-pets", "it failed"))


def test_without_the_client_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InputError, match="kaggle does not exist; run `make run` to install the Kaggle client"):
        kaggle_cli.run(["submissions"])
