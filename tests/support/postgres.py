"""A PostgreSQL server of the test's own, on a socket in its own folder; skipped where Debian's package is missing."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def postgres() -> Iterator[str]:
    """Yields the URL of an empty database."""
    binaries = _binaries()
    # Sockets have short paths, and PostgreSQL's own user must reach them.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    account = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    os.chown(folder, account.pw_uid, account.pw_gid)

    def run(name: str, *arguments: str) -> None:
        subprocess.run(
            [str(binaries / name), *arguments],
            check=True,
            capture_output=True,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[] if os.getuid() == 0 else None,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        )

    try:
        run("initdb", "-D", "data", "-U", "tester", "--auth=trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")
        try:
            run("createdb", "-h", str(folder), "-U", "tester", "studies")
            yield f"postgresql://tester@/studies?host={folder}"
        finally:
            run("pg_ctl", "-D", "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    place = next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)
    if place is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    if os.getuid() == 0 and "postgres" not in [entry.pw_name for entry in pwd.getpwall()]:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    return place
