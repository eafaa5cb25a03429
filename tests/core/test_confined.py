"""Competition files of other people: they reach no file outside of the source, and end in time and in one line."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import LABELS, competition

from pipeline.core import config, files
from pipeline.core.competition import Competition
from pipeline.core.confined import list_paths, match_whole, require_below, require_own_folder, search_pattern
from pipeline.core.errors import InputError

BOMB = "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))])


def parsed(**changes: Any) -> Competition:
    return config.parse({**competition(LABELS), **changes}, Competition, "tiny.yaml")


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.csv", "a/../../secret.csv", "~/.kaggle/kaggle.json"])
@pytest.mark.parametrize("key", ["solution", "sample", "images"])
def test_a_path_outside_of_the_source_is_refused(key: str, path: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "solution": {"solution": path},
        "sample": {"submission": LABELS | {"sample": path}},
        "images": {"test": {"layout": "images", "images": path}},
    }
    with pytest.raises(InputError, match=r"tiny\.yaml: .*is outside of the source: write a path below its folder"):
        parsed(**changes[key])


def test_paths_below_the_source_stay_allowed() -> None:
    assert list(list_paths(parsed(solution="a/b..c/solution.csv"))) == [
        *("train", "test", "sample.csv", "a/b..c/solution.csv")
    ]


def test_a_link_that_leads_out_of_the_source_is_refused(tmp_path: Path) -> None:
    source, secret = tmp_path / "source", tmp_path / "secret.csv"
    source.mkdir()
    secret.write_text("x")
    (source / "inner.csv").write_text("y")
    (source / "sample.csv").symlink_to(secret)
    (source / "other.csv").symlink_to(source / "inner.csv")
    require_below(source, iter(["other.csv", "inner.csv", "absent.csv"]))
    with pytest.raises(InputError, match=r"sample\.csv is a link to .*secret\.csv, outside of the source"):
        require_below(source, iter(["sample.csv"]))


def test_a_link_in_a_circle_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").symlink_to("train.csv")
    with pytest.raises(InputError, match=r"train\.csv is a link in a circle .*; remove it"):
        require_below(tmp_path, iter(["train.csv"]))
    with pytest.raises(InputError, match=r"train\.csv is a link to nothing, or no plain file; remove it"):
        list(files.files_below(tmp_path))


@pytest.mark.parametrize("match", [match_whole, search_pattern])
def test_a_pattern_that_goes_back_again_and_again_ends_in_time(match: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.core.confined.SECONDS", 0.05)
    begun = time.process_time()
    with pytest.raises(InputError, match=r"'\(x\|xx\)\+\$' takes more than 0\.05 seconds for 'xxxx"):
        match("(x|xx)+$", "x" * 60 + "z")
    assert time.process_time() - begun < 5


def test_patterns_match_as_before() -> None:
    assert match_whole(r"pixel\d+", "pixel12")
    assert not match_whole(r"pixel\d+", "pixel12a")
    found = search_pattern(r"^(?P<label>\w+)\.\d+", "cat.12.jpg")
    assert found is not None
    assert found["label"] == "cat"


def test_a_pack_without_the_engine_with_a_limit_matches_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "regex", None)
    assert match_whole(r"pixel\d+", "pixel12")
    found = search_pattern(r"^(?P<label>\w+)\.\d+", "cat.12.jpg")
    assert found is not None
    assert found["label"] == "cat"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n", None),
        (BOMB, "unfolds"),
        ("a: " + "[" * 3000 + "]" * 3000, "nests over 40 levels"),
        ("a: 2026-99-99", "holds a value that cannot be read"),
        ("a: [1, 2", "is not valid YAML"),
    ],
)  # fmt: skip
def test_a_yaml_that_nobody_writes_is_one_line(tmp_path: Path, text: str, wanted: str | None) -> None:
    files.write_text(tmp_path / "a.yaml", text)
    if wanted is None:
        assert config.read_yaml(tmp_path / "a.yaml")["a"] == [1] * 9
        return
    begun = time.process_time()
    with pytest.raises(InputError, match=wanted):
        config.read_yaml(tmp_path / "a.yaml")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ({"layout": "csv_pixels", "table": "t.csv", "label": "l", "pixels": "("}, "pixels: not a regular expression"),
        ({"layout": "csv_pixels", "table": "t.csv", "label": "l", "shape": [-1, 4]}, "shape must be"),
        ({"layout": "folders", "images": "x" * 5000}, "has 5,000 letters, a path at most 1,000"),
        ({"layout": "folders", "images": "x" * 300}, "has a name of more than 255 bytes"),
    ],
)
def test_a_value_beyond_reason_is_one_short_line(part: dict[str, Any], wanted: str) -> None:
    with pytest.raises(InputError, match=wanted) as caught:
        parsed(train=part)
    assert len(str(caught.value)) < 900


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (".", "holds your home folder; name the folder of the competition's files alone"),
        ("home", "is your home folder"),
        ("work", "holds this repository"),
        ("work/repository", "is this repository"),
    ],
)
def test_a_source_that_is_more_than_a_competition_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, words: str
) -> None:
    root = tmp_path / "work" / "repository"
    for path in (tmp_path / "home" / "data", root / "data"):
        path.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(InputError, match=words):
        require_own_folder(root, tmp_path / folder)
    require_own_folder(root, root / "data")
    require_own_folder(root, tmp_path / "home" / "data")


def test_without_a_home_a_source_holds_the_repository_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    with pytest.raises(InputError, match="holds this repository; name the folder"):
        require_own_folder(tmp_path / "repository", tmp_path)
