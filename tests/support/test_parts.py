"""The parts of the slow tests together are all slow tests, each once."""

from pathlib import Path
from typing import Any

import pytest
from conftest import pytest_collection_modifyitems
from support.parts import ALONE, FIRST, SECONDS, SOURCES, UnitScheduling, read_part, split_units, unit_of
from support.project_imports import ROOT


class _Item:
    def __init__(self, nodeid: str, slow: bool) -> None:
        self.nodeid, self.slow = nodeid, slow

    def get_closest_marker(self, name: str) -> bool:
        return name == "slow" and self.slow


class _Config:
    """Of pytest's, what the hook asks for."""

    def __init__(self, part: str | None) -> None:
        self.part, self.hook = part, self
        self.left_out: list[Any] = []

    def getoption(self, name: str) -> str | None:
        return {"--part": self.part}[name]

    def pytest_deselected(self, items: list[Any]) -> None:
        self.left_out += items


def files() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))


def make_items() -> list[Any]:
    """Two slow tests and a quick one in every third file there is."""
    return [_Item(f"{file}::test_{name}", name != "quick") for file in files()[::3] for name in ("a", "b[1]", "quick")]


def select(part: str | None) -> tuple[list[Any], list[Any]]:
    """The tests that are left, and those that are said to be left out."""
    items = make_items()
    config: Any = _Config(part)
    pytest_collection_modifyitems(config, items)
    return items, config.left_out


@pytest.mark.parametrize("count", [1, 2, 8, 40])
def test_the_parts_are_disjoint_and_together_all(count: int) -> None:
    everything = [item.nodeid for item in make_items() if item.slow]
    parts = [select(f"{part}/{count}") for part in range(1, count + 1)]
    ran = [item.nodeid for kept, _ in parts for item in kept if item.slow]
    assert sorted(ran) == sorted(everything)
    assert all(len(kept) + len(left_out) == len(make_items()) for kept, left_out in parts)
    assert all(len(kept) >= sum(not item.slow for item in make_items()) for kept, _ in parts)


def test_without_a_part_everything_runs_and_a_part_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert [item.nodeid for item in select(None)[0]] == [item.nodeid for item in make_items()]
    assert [item.nodeid for item in select("2/8")[0]] == [item.nodeid for item in select("2/8")[0]]


def test_parts_do_not_depend_on_the_order_of_the_tests() -> None:
    units = [*SECONDS, *files()]
    assert split_units(units, 8) == split_units(reversed(units), 8)


def test_tests_of_a_file_stay_together_but_where_they_share_nothing() -> None:
    assert unit_of("tests/core/test_files.py::test_a[x::y]") == "tests/core/test_files.py"
    assert unit_of(f"{ALONE[0]}::test_a[x]") == f"{ALONE[0]}::test_a[x]"
    assert {unit_of(f"{file}::test_a") for file in SOURCES} == {SOURCES[0]}
    scheduling: Any = UnitScheduling
    assert scheduling._split_scope(None, "tests/core/test_files.py::test_a") == "tests/core/test_files.py"


def test_parts_are_about_equally_long() -> None:
    lengths = [sum(SECONDS[unit] for unit in part) for part in split_units(SECONDS, 5)]
    assert max(lengths) <= max(1.2 * sum(lengths) / 5, max(SECONDS.values()))


def test_long_units_begin_where_processes_share_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = ["tests/core/test_files.py::a", "tests/page/test_page.py::a", "tests/test_end_to_end.py::a"]
    items: list[Any] = [_Item(nodeid, slow=True) for nodeid in nodes]
    config: Any = _Config(None)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    pytest_collection_modifyitems(config, items)
    assert [item.nodeid for item in items] == nodes[::-1]


def test_what_is_named_here_exists() -> None:
    named = {unit.partition("::")[0] for unit in (*SECONDS, *ALONE, *SOURCES)} | {f"tests/{name}.py" for name in FIRST}
    assert not [name for name in named if not (ROOT / name).is_file()]
    models = {unit.partition("[")[2].rstrip("]") for unit in SECONDS if "[" in unit}
    assert models <= {path.stem for path in (ROOT / "configs" / "models").glob("*.yaml")}
    for unit in SECONDS:
        if "::" in unit:
            assert (
                f"def {unit.partition('::')[2].partition('[')[0]}(" in Path(ROOT, unit.partition("::")[0]).read_text()
            )


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "a/b", "3/8/1", "-1/8"])
def test_a_part_that_there_is_not_is_one_line(text: str) -> None:
    with pytest.raises(pytest.UsageError, match="from 1/8 to 8/8"):
        read_part(text)
