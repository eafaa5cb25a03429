"""What the Kaggle client says becomes the sentence that helps, and no secret gets out."""

import pytest
from support.kaggle_download_server import SECRET as DOWNLOAD_SECRET
from support.kaggle_server import RULES, SECRETS

from pipeline.core.errors import InputError
from pipeline.kaggle.client_errors import explain_refusal, remove_secrets, select_informative_lines


def sentence(err: str, out: str = "") -> str:
    return str(
        explain_refusal((*select_informative_lines(err), *select_informative_lines(out)), "tiny-pets", "it failed")
    )


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Unauthenticated", "run `kaggle auth login`, or create a token at https://www.kaggle.com/settings/api"),
        ("401 Client Error: Unauthorized for url: x", "run `kaggle auth login`"),
        (RULES, "not accepted yet; click Join Competition at https://www.kaggle.com/competitions/tiny-pets/rules"),
        (
            "400 Client Error: This competition only accepts Submissions from Notebooks.",
            "this competition takes notebooks alone; make one with `python -m pipeline pack`",
        ),
        (
            "You must verify your account's phone number to enter this competition",
            r"your phone number must be verified at Kaggle first: https://www\.kaggle\.com/settings",
        ),
        ("Too Many Requests", "too many requests to Kaggle"),
        ("429 Client Error: for url: x", "too many requests to Kaggle"),
        (
            "You have reached the maximum number of submissions for today (5).",
            r"no submission is left \(You have reached the maximum number of submissions for today \(5\)\); Kaggle's",
        ),
        ("Your team has used its daily Submission allowance (5) today", "no submission is left"),
        ("Submission exceeds the maximum file size limit", "it failed: Submission exceeds the maximum file size"),
        ("Competition not found", r"no competition 'tiny-pets' \(Competition not found\); correct the slug"),
        ("404 Client Error: Not Found for url: x", "no competition 'tiny-pets'"),
        ("Max retries exceeded with url: / (Caused by ...)", "Kaggle cannot be reached; check the network"),
        ("('Connection aborted.', RemoteDisconnected('x'))", "the connection broke; run the command again"),
        (
            "Permission denied",
            r"Kaggle refuses this account \(Permission denied\): .*/tiny-pets/rules .*correct the slug",
        ),
        ("Something new.", "it failed: Something new; see https://www.kaggle.com/competitions/tiny-pets"),
        ("503 Server Error: Service Unavailable", "Kaggle has a server error .*; try again later"),
        ("OSError: [Errno 28] No space left on device", "the disk is full; free some space"),
        ("Downloaded file does not match expected size", "the connection broke; run the command again"),
        ("Submission must have 404 rows, not 503", "it failed: Submission must have 404 rows, not 503; see"),
        ("Something new.\nWarning: Looks like you're using an outdated version", "it failed: Something new; see"),
        ("", "the client printed nothing"),
    ],
)
def test_each_failure_has_the_sentence_that_helps(line: str, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        raise explain_refusal(select_informative_lines(line), "tiny-pets", "it failed")


def test_of_a_stack_trace_only_the_last_line_counts() -> None:
    trace = 'Traceback (most recent call last):\n  File "connection.py"\nrequests.HTTPError: Too Many Requests'
    assert "too many requests to Kaggle" in sentence(trace)
    assert "Traceback" not in sentence(trace)


def test_a_refusal_is_one_line() -> None:
    assert "\n" not in sentence("first\nsecond", "third\nfourth")


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_blotted_out_wherever_they_stand(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for text in (
        secret,
        f"Bearer {secret}",
        f"key={secret}.",
        f"Authorization: Basic {secret}\n",
        f"'{secret}'",
        f"x/{secret}/y",
    ):
        assert secret not in remove_secrets(text)
        assert secret[:16] not in remove_secrets(text)


def test_a_short_key_of_the_environment_is_blotted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "hunter-two")
    assert remove_secrets("the token hunter-two is invalid") == "the token *** is invalid"


@pytest.mark.parametrize(
    "text",
    [
        "Competition plant-pathology-2020-fgvc7 not found",
        "see https://www.kaggle.com/competitions/dogs-vs-cats-redux-kernels-edition/rules",
        "HTTPConnectionPool(host='127.0.0.1', port=36377)",
    ],
)
def test_what_a_person_must_read_stays(text: str) -> None:
    assert remove_secrets(text) == text


@pytest.mark.parametrize(
    "text",
    [
        DOWNLOAD_SECRET,
        f"key={DOWNLOAD_SECRET}",
        "KGAT_abcdefghijklmnopqrstuv",
        "https://storage/x.zip?X-Goog-Signature=abc%2Fdef",
        "8d3f0a6e-1b2c-4d5e-9f60-0123456789ab",
        "Bearer a-b_c0defghijklmnopqrstuvwxyz",
        "Please check proxy URL. It is malformed: http://me:abcdefghij@proxy:3128",
    ],
)
def test_what_may_be_a_secret_is_blotted_out(text: str) -> None:
    masked = remove_secrets(f"it said {text} here")
    assert "***" in masked
    assert not [word for word in ("0123456789", "8d3f0a6e", "abcdefghij", "Signature") if word in masked]
    assert masked.endswith("here")


def test_any_key_of_the_environment_is_blotted_out() -> None:
    assert remove_secrets("bad key hunter2", {"KAGGLE_KEY": "hunter2"}) == "bad key ***"
