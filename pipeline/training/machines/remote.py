"""Stores through a DVC remote: pushed here, pulled there, so that a bundle holds none of them."""

import configparser
import io
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.core.errors import InputError, one_line

_STAGE = "prepare"
_TOLD = ("url", "endpointurl", "region")  # of a remote; all else may be a secret, and each machine has its own


def push_stores(root: Path) -> dict[str, Path | bytes]:
    """Pushes what `prepare` made to the default remote of DVC.

    Args:
        root: the repository folder.

    Returns:
        What the other machine needs to pull it, by its place in a repository.

    Raises:
        InputError: there is no such remote, its address holds a password, or it takes nothing.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        with Repo(str(root)) as repo:
            name = repo.config["core"].get("remote")
            if not name:
                raise InputError(
                    "DVC has no default remote; run `dvc remote add --default NAME URL`, or leave --through-remote out"
                )
            if name not in repo.config["remote"]:
                raise InputError(
                    f"the default remote of DVC is {name!r}, which has no address here; run `dvc remote add {name} URL`"
                )
            described = _describe(root, name, repo.config["remote"][name])
            count = repo.push(
                targets=[f"{(root / 'dvc.yaml').resolve()}:{_STAGE}"]
            )  # a bare name is sought where one is
    except (DvcException, SCMError, OSError) as error:
        raise InputError(f"DVC could not push what {_STAGE} made: {one_line(error)}") from error
    print(f"{count} files pushed to the remote {name}")
    return {".dvc/config": described, "dvc.lock": root / "dvc.lock"}


def _describe(root: Path, name: str, remote: Any) -> bytes:
    """Returns the configuration of DVC for the other machine: where the remote is, and no credentials."""
    settings = {key: str(remote[key]) for key in _TOLD if key in remote}
    if any(_may_hold_secret(each) for each in settings.values()):
        raise InputError(
            f"the address of the DVC remote {name} holds a password or a token, which would go into the bundle; take "
            "it out of the address and keep it with `dvc remote modify --local`"
        )
    scheme = urlsplit(settings["url"]).scheme
    if scheme == "remote":
        raise InputError(
            f"the address of the DVC remote {name} is {settings['url']}, which names another remote of this machine; "
            "give it the whole address with `dvc remote modify`"
        )
    if not scheme:  # a folder, from where the configuration lies
        settings["url"] = str((root / ".dvc" / settings["url"]).resolve())
    config = configparser.ConfigParser(interpolation=None)
    config["core"] = {"remote": name, "no_scm": "true", "analytics": "false"}
    config[f"'remote \"{name}\"'"] = settings
    text = io.StringIO()
    config.write(text)
    return text.getvalue().encode()


def _may_hold_secret(address: str) -> bool:
    """Says whether an address holds a password, or what may be a token: a user of a web server, or a query."""
    parts = urlsplit(address)
    return bool(parts.password or parts.query or (parts.username and parts.scheme in ("http", "https")))
