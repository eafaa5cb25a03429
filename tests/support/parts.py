"""Parts of the slow tests, about equally long; and which tests stay together when two processes share them.

A unit is a file, as its tests share what was made once; of a file whose tests share nothing, a unit is a test. Some
files share as much, and are a unit together.
"""

import heapq
import re
from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # xdist has no types

ALONE = ("tests/test_shipped_files.py", "tests/tuning/test_search.py")
# One unit: all four parse every source of the project, which one process does once, see `project_imports.py`.
SOURCES = ("tests/test_layers.py", "tests/test_house.py", "tests/test_plain_words.py", "tests/test_dvc.py")
_SHIPPED = f"{ALONE[0]}::test_a_shipped_file_trains_to_the_same_bits_twice_and_its_checkpoint_says_the_same"
# Seconds of the slow tests of a unit on 2 cores that do both; rough, as they are for parts of about the same length.
SECONDS = {
    f"{_SHIPPED}[efficientnet_v2_b0]": 130,
    f"{_SHIPPED}[convnext_tiny]": 110,
    f"{_SHIPPED}[mobilenet_v2]": 100,
    f"{_SHIPPED}[resnet50]": 90,
    f"{_SHIPPED}[xception]": 90,
    f"{_SHIPPED}[vgg16]": 60,
    "tests/test_end_to_end.py": 250,
    "tests/test_best_end_to_end.py": 110,
    "tests/kaggle/test_training_notebook.py": 90,
    "tests/networks/test_pretrained.py": 120,
    f"{ALONE[1]}::test_a_search_that_is_killed_goes_on_to_the_same_trials": 80,
    f"{ALONE[1]}::test_a_search_that_is_asked_to_end_keeps_its_trials_and_says_how_to_continue": 60,
    f"{ALONE[1]}::test_two_machines_share_one_database_and_one_takes_over_trials_of_the_other": 60,
    "tests/networks/test_networks.py": 60,
    "tests/networks/test_foundation.py": 40,
}
_USUAL = 10
# Files of few and long tests begin, so that none is left alone at the end.
FIRST = (
    "inference/test_checkpoints",
    "training/test_recipes_in_training",
    "training/test_trainer",
    "tuning/test_trials",
    "tuning/test_page",
    "inference/test_demo_page",
    "reports/data/test_page",
    "reports/models/test_saliency",
    "reports/models/test_page",
    "training/test_pseudo_in_training",
    "training/test_train_stage",
    "networks/test_transfer",
    "page/test_page",
)


def unit_of(nodeid: str) -> str:
    """The unit that a test belongs to."""
    file = nodeid.partition("::")[0]
    return nodeid if file in ALONE else SOURCES[0] if file in SOURCES else file


def read_part(text: str) -> tuple[int, int]:
    """Reads ``3/8`` as (3, 8).

    Raises:
        pytest.UsageError: no such part.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise pytest.UsageError(f"a part must be like 3/8, from 1/8 to 8/8, got {text!r}")
    return int(match[1]), int(match[2])


def split_units(units: Iterable[str], count: int) -> list[set[str]]:
    """Splits units into parts: the longest first, each to the part that is the shortest so far."""
    parts: list[set[str]] = [set() for _ in range(count)]
    shortest = [(0, place) for place in range(count)]
    for unit in sorted(set(units), key=lambda unit: (-SECONDS.get(unit, _USUAL), unit)):
        seconds, place = shortest[0]
        parts[place].add(unit)
        heapq.heapreplace(shortest, (seconds + SECONDS.get(unit, _USUAL), place))
    return parts


def order(nodeid: str) -> tuple[int, int]:
    """A key that puts long units first and leaves the others in their order."""
    file = nodeid.partition("::")[0].removeprefix("tests/").removesuffix(".py")
    return -SECONDS.get(unit_of(nodeid), 0), FIRST.index(file) if file in FIRST else len(FIRST)


class UnitScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives whole units to processes."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
