"""The set-up: locks that agree, files that name no machine, targets that exist."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from support.project_imports import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HARDWARE = ("cpu", "gpu")
GROUPS = ("mlflow", "ray", "test", "uv")  # what goes beside either; uv installs them
# In pieces, so that this file does not name what it looks for.
HOSTS = ["py" + "pi.org", "python" + "hosted.org", "--index" + "-url", "--find" + "-links", "--extra" + "-index"]
MACHINE = re.compile(r"(?<![\w.$}{*])/(?:ro" + "ot|ho" + "me|wo" + "rk|Us" + r"ers|mn" + r"t)/\w")
needs_git = pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="not a git checkout")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def committed() -> list[Path]:
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def pins(lock: str) -> dict[str, str]:
    """Versions of a lock on this Python: its lines for later Pythons are left out."""
    lines = re.findall(r"^(\S+==.*?) \\$", (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8"), re.M)
    wanted = [Requirement(line) for line in lines]
    mine = [one for one in wanted if one.marker is None or one.marker.evaluate()]
    return {canonicalize_name(one.name): str(next(iter(one.specifier)).version) for one in mine}


def direct(lock: str) -> list[Requirement]:
    if lock in HARDWARE:
        project = PROJECT["project"]
        texts = [*project["dependencies"], *project["optional-dependencies"][lock]]
    else:
        texts = PROJECT["dependency-groups"]["bootstrap" if lock == "uv" else lock]
    listed = [Requirement(text) for text in texts]
    return [one for one in listed if one.marker is None or one.marker.evaluate()]


def find_engine() -> str:
    """The container engine that answers here; empty where there is none."""
    for engine in ("podman", "docker"):
        if shutil.which(engine) and not subprocess.run([engine, "info"], capture_output=True, check=False).returncode:
            return engine
    return ""


@pytest.mark.parametrize("lock", [*HARDWARE, *GROUPS])
def test_a_lock_holds_every_direct_dependency_within_its_bounds(lock: str) -> None:
    pinned = pins(lock)
    unmet = [str(one) for one in direct(lock) if Version(pinned[canonicalize_name(one.name)]) not in one.specifier]
    assert not unmet, "run make lock"


@pytest.mark.parametrize("lock", [*HARDWARE, *GROUPS])
def test_every_pin_of_a_lock_has_hashes(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=\S+==)", text, flags=re.M)[1:]
    assert entries
    assert not [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry]


@pytest.mark.parametrize("lock", [*HARDWARE, *GROUPS])
def test_a_lock_holds_one_tensorflow_and_no_tensorflow_text(lock: str) -> None:
    # Both wheels would land on the same files; tensorflow-text, which keras-hub asks for, brings the second.
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    held = set(re.findall(r"^(tensorflow(?:-cpu|-text)?)==", text, re.M))
    assert held == {"cpu": {"tensorflow", "tensorflow-cpu"}, "gpu": {"tensorflow"}}.get(lock, set())
    assert len({"tensorflow", "tensorflow-cpu"} & pins(lock).keys()) == bool(held)


@pytest.mark.parametrize(
    ("lock", "beside"), [(a, b) for a in (*HARDWARE, "mlflow", "ray") for b in ("mlflow", "ray", "test") if a != b]
)
def test_what_two_locks_hold_has_one_version(lock: str, beside: str) -> None:
    first, second = pins(lock), pins(beside)
    assert {name: first[name] for name in first.keys() & second.keys()} == {
        name: second[name] for name in first.keys() & second.keys()
    }


@pytest.mark.parametrize("hardware", HARDWARE)
def test_what_few_want_is_not_installed_for_all(hardware: str) -> None:
    assert not {"ray", "mlflow", "mlflow-skinny"} & pins(hardware).keys()


def test_uv_itself_is_locked_at_the_version_asked_for() -> None:
    (asked,) = PROJECT["dependency-groups"]["bootstrap"]
    assert f"uv=={pins('uv')['uv']}" == asked


@needs_git
def test_no_committed_file_names_an_index_host() -> None:
    found = [f"{path.name}: {host}" for path in committed() for host in HOSTS if host.encode() in path.read_bytes()]
    assert not found


@needs_git
def test_no_committed_file_names_a_path_of_one_machine() -> None:
    texts = {path: path.read_bytes().decode("utf-8", errors="ignore") for path in committed()}
    assert not [f"{path.name}: {match.group()}" for path, text in texts.items() for match in MACHINE.finditer(text)]


@needs_git
@pytest.mark.parametrize(
    "name",
    ["folds/folds.csv", "submissions/README.md", "dvc.lock", ".dvc/config", ".dvc/plots.html", "params.yaml"],
)
def test_what_belongs_in_git_is_not_ignored(name: str) -> None:
    assert not git("check-ignore", "--no-index", name)


@needs_git
@pytest.mark.parametrize(
    "name",
    [
        "data/raw/1.png",
        ".work/x",
        "folds/a/card.json",
        "submissions/ensemble.csv",
        "submissions/ensemble.json",
        "submissions/log.csv",
        "submissions/sent/x.csv",
        ".venv-gpu/x",
        ".tools/x",
        "reports/x",
    ],
)
def test_what_a_run_makes_is_ignored(name: str) -> None:
    assert git("check-ignore", "--no-index", name)


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_plain_make_lists_every_target() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = ("run", "init", "test", "slow", "check", "lint", "lock", "clean", "help")
    assert all(f"make {target} " in said for target in targets)


@needs_git
@pytest.mark.parametrize("folder", ["folds", "configs", "pipeline", "submissions", "tests"])
def test_a_fresh_clone_has_the_folders_that_users_know(folder: str) -> None:
    assert any(path.is_relative_to(ROOT / folder) for path in committed())


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_make_clean_leaves_the_submissions_alone(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = [tmp_path / "submissions" / name for name in ("README.md", "log.csv", "sent/x.csv", "ensemble.csv")]
    made = tmp_path / "folds" / "small_cnn" / "card.json"
    for path in [*kept, made]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True)
    assert all(path.is_file() for path in kept)
    assert not made.exists()


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_another_python_is_refused_with_the_fix(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("python3.11", "python3"):
        (programs / name).write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    said = subprocess.run(["make", "run"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "error: Python 3.11 is needed, found Python 3.9.2" in said.stderr
    assert not (tmp_path / ".tools").exists()


def test_ci_goes_through_the_same_targets() -> None:
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    assert all(command in text for command in ("make test", "make lint", 'make slow PART="$part"', "make run"))


def test_the_builders_guide_has_a_row_for_each_room() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = [path.name for path in (ROOT / "pipeline").iterdir() if (path / "__init__.py").is_file()]
    assert not [room for room in rooms if f"| `{room}/` |" not in guide]


def test_the_builders_guide_names_no_module_that_is_gone() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "pipeline"
    named = re.findall(r"`((?:pipeline|tests)/[\w/]+\.(?:py|yaml|md))`", guide)
    assert not [name for name in named if not (ROOT / name).is_file()]
    rooms = [path.name for path in package.iterdir() if (path / "__init__.py").is_file()]
    within = re.findall(rf"`((?:{'|'.join(rooms)})/[\w/]+\.py)`", guide)
    assert not [name for name in within if not (package / name).is_file()]


@pytest.mark.parametrize(
    ("system", "machine", "wheel"),
    [
        ("Linux", "x86_64", "tensorflow-cpu"),
        ("Windows", "AMD64", "tensorflow-cpu"),
        ("Darwin", "arm64", "tensorflow"),
        ("Linux", "aarch64", "tensorflow"),
    ],
)
def test_each_kind_of_machine_gets_the_tensorflow_that_has_wheels_for_it(system: str, machine: str, wheel: str) -> None:
    text = (ROOT / "requirements" / "cpu.txt").read_text(encoding="utf-8")
    lines = [Requirement(line) for line in re.findall(r"^(tensorflow(?:-cpu)?==.*?) \\$", text, re.M)]
    there = {"platform_system": system, "platform_machine": machine}
    assert [one.name for one in lines if one.marker is None or one.marker.evaluate(there)] == [wheel]


def test_the_container_installs_locks_that_exist() -> None:
    """The lint of the Containerfile, for machines without an engine: known instructions, pinned base, files at hand."""
    text = re.sub(r"\\\n", " ", (ROOT / "Containerfile").read_text(encoding="utf-8"))
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert {word for word, _ in steps} <= {"FROM", "ARG", "COPY", "RUN", "WORKDIR", "CMD"}
    (base,) = (rest for word, rest in steps if word == "FROM")
    python = PROJECT["project"]["requires-python"]
    assert Version(base.rpartition(":")[2].partition("-")[0] + ".0") in Requirement(f"python{python}").specifier
    for lock in HARDWARE:
        copied = [rest.replace("${LOCK}", lock).split()[:-1] for word, rest in steps if word == "COPY"]
        assert all((ROOT / name).is_file() for names in copied for name in names)
    installed = [rest for word, rest in steps if word == "RUN"]
    assert all(re.search(r"--require-hashes .*-r", command) for rest in installed for command in rest.split("&&"))


@pytest.mark.slow
@pytest.mark.skipif(not find_engine(), reason="no container engine that answers")
def test_the_container_is_built() -> None:
    built = subprocess.run([find_engine(), "build", "-q", "-f", "Containerfile", "."], cwd=ROOT, check=False)
    assert built.returncode == 0
