"""The guide for contributors: its table and pictures agree with the rooms, and these with the real imports."""

import re
from collections.abc import Mapping

import pytest
from support.project_imports import ROOT
from test_dvc import STAGES, outs, paths
from test_layers import ROOMS

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
IMPORTS_PICTURE, DATA_PICTURE = re.findall(r"^```mermaid\n(.*?)^```", GUIDE, re.M | re.S)
IMPORTS = {name: {"core", *room.imports.split()} - {name} for name, room in ROOMS.items()}
STORES = re.compile(r"\w+\[\(.*?\)\]")  # files at the ends of the picture; they are no stages


def rows() -> dict[str, tuple[int, str]]:
    """Floor and imports of each room, as its row says."""
    found = re.findall(r"^\| (\d) \| `(\w+)/` \|.*\| ([^|]*)\|$", GUIDE, re.M)
    return {room: (int(floor), imports) for floor, room, imports in found}


def reached(arrows: Mapping[str, set[str]], start: str) -> set[str]:
    """All that a chain of arrows leads to, the start left out."""
    return arrows.get(start, set()).union(*(reached(arrows, end) for end in arrows.get(start, set())))


def shortest(arrows: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """The arrows that do not follow from others."""
    implied = {start: set().union(*(reached(arrows, end) for end in ends)) for start, ends in arrows.items()}
    return {(start, end) for start, ends in arrows.items() for end in ends - implied[start]}


def drawn(picture: str) -> set[tuple[str, str]]:
    """The arrows of a picture."""
    plain = re.sub(r'\["[^"]*"\]|\|"[^"]*"\|', "", picture)
    return set(re.findall(r"^ *([\w-]+) *--> *([\w-]+)$", plain, re.M))


def stage_arrows() -> dict[str, set[str]]:
    """By stage, the stages that read what it writes."""
    return {
        first: {
            second
            for second in STAGES
            for out in outs(first)
            for dep in paths(STAGES[second]["deps"])
            if second != first and f"{out}/".startswith(f"{dep}/") | f"{dep}/".startswith(f"{out}/")
        }
        for first in STAGES
    }


def test_the_table_names_every_room_on_its_floor() -> None:
    assert {room: floor for room, (floor, _) in rows().items()} == {name: room.floor for name, room in ROOMS.items()}


@pytest.mark.parametrize("room", sorted({*ROOMS} - {"stages", "core"}))
def test_a_row_names_the_rooms_that_it_may_import(room: str) -> None:
    assert set(re.findall(r"`(\w+)/`", rows()[room][1])) == set(ROOMS[room].imports.split())


def test_the_rows_at_either_end_import_all_and_nothing() -> None:
    assert (rows()["stages"][1].strip(), rows()["core"][1].strip()) == ("all below", "nothing")
    assert IMPORTS["stages"] == {*ROOMS} - {"commands", "stages"}


def test_the_picture_of_the_rooms_has_them_on_their_floors() -> None:
    floors = re.findall(r'subgraph floor\d \["floor (\d)"\]\n(.*?)\n    end$', IMPORTS_PICTURE, re.M | re.S)
    shown = {room: int(floor) for floor, rooms in floors for room in rooms.split()}
    assert shown == {name: room.floor for name, room in ROOMS.items()}


def test_the_picture_of_the_rooms_has_their_imports() -> None:
    assert drawn(IMPORTS_PICTURE) == shortest(IMPORTS)


def test_the_picture_of_the_data_has_the_stages_in_their_order() -> None:
    stages_alone = STORES.sub("", DATA_PICTURE)
    assert {(start, end) for start, end in drawn(stages_alone) if start in STAGES} == shortest(stage_arrows())


def test_the_picture_of_the_data_names_rooms_that_a_stage_depends_on() -> None:
    named = dict(re.findall(r'([\w-]+)\["[\w@-]+<br/>([^"]*)"\]', DATA_PICTURE))
    assert set(named) == set(STAGES)
    wrong = {
        stage: room
        for stage, rooms in named.items()
        for room in rooms.split(", ")
        if f"pipeline/{room}" not in STAGES[stage]["deps"]
    }
    assert not wrong


def test_a_way_to_read_the_code_is_four_files_at_most() -> None:
    ways = [re.findall(r"`(\w+/\w+\.py)`", line) for line in GUIDE.splitlines() if re.match(r"\| an? (im|fo|pr)", line)]
    assert len(ways) == 3
    assert all(1 < len(files) <= 4 and all((ROOT / "pipeline" / name).is_file() for name in files) for files in ways)
