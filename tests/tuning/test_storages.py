"""Storages: databases are waited for, secrets masked."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from pipeline.core.errors import InputError
from pipeline.tuning import (
    storages,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_a_database_that_refuses_to_be_set_up_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = []

    def refused(url: str, **_: Any) -> Any:
        urls.append(url)
        raise sqlalchemy.exc.ProgrammingError("create table", {}, Exception("permission denied for schema public"))

    monkeypatch.setattr(storages, "RDBStorage", refused)
    monkeypatch.setattr(storages, "_SETUP_WAITS", (0.0, 0.0))
    with pytest.raises(InputError, match=r"cannot be set up \(permission denied for schema public\)"):
        storages.open_storage(Path(), "one", "postgresql://me:secret@host/studies")
    assert len(urls) == 3


def test_a_database_that_is_down_is_tried_again_and_its_password_is_never_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://me:s3cret@127.0.0.1:1/studies"
    with pytest.raises(InputError, match=r"does not answer.*finished trials are kept") as refused:
        storages.open_storage(tmp_path, "one", url, waits=(0.01, 0.01))
    output = capsys.readouterr().out
    assert output.count("trying again") == 2
    assert "s3cret" not in output + str(refused.value)


@pytest.mark.parametrize("url", ["no url", "nosuch://x/y"])
def test_a_storage_that_is_no_database_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match=r"tune.storage is no URL of a database .* such as sqlite:///"):
        storages.open_storage(tmp_path, "one", url, waits=())


def test_secrets_in_the_query_of_a_url_are_masked() -> None:
    spec = storages.mask_url("postgresql://me:one@/studies?host=/tmp/socket&password=two&sslpassword=three")
    assert "host" in spec
    assert not any(secret in spec for secret in ("one", "two", "three"))
