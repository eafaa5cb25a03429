"""Fixtures that several test files share, and the options of a run."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import pictures
from support.kaggle_server import KaggleServer, lead_there, serving
from support.once import make_once
from support.parts import UnitScheduling, order, read_part, split_units, unit_of


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", metavar="K/N", help="of the slow tests, the K-th of N parts alone")


def pytest_sessionstart() -> None:
    """What is imported and collected is here to stay: no search for garbage in it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Later searches leave it out, too."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """One search for garbage at the end finds what the five find that pytest makes, for warnings of unclosed files."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves one part of the slow tests, if that is asked for; where processes share the tests, long ones begin."""
    if (wanted := config.getoption("--part")) is not None:
        part, count = read_part(wanted)
        slow = {item: unit_of(item.nodeid) for item in items if item.get_closest_marker("slow")}
        kept = split_units(slow.values(), count)[part - 1]
        left_out = [item for item, unit in slow.items() if unit not in kept]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: order(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Processes that share the cores compute linear algebra on one thread each: more only wait for one another."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> UnitScheduling | None:
    """Keeps the tests of a unit in one process, and the order of `pytest_collection_modifyitems`."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return UnitScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def _dots() -> Iterator[None]:
    """Pictures of stages are not drawn, see `support/pictures.py`."""
    with pytest.MonkeyPatch.context() as patch:
        pictures.draw_dots(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_weights() -> Iterator[None]:
    """Tests make the weights that they need, wherever the surroundings keep theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WEIGHTS_DIR", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_minute() -> Iterator[None]:
    """Footers of pages name one time throughout, so that a page made again across the turn of a minute is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_flush() -> Iterator[None]:
    """Nothing waits for the disk: a power cut alone would show it. `tests/core/test_files.py` holds writes to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_step_a_call(pytestconfig: pytest.Config) -> Iterator[None]:
    """Small networks, too, train a step a call in the quick tests: a graph of several takes a third longer to make.

    `test_several_steps_a_call_train_to_the_same_bits` holds the two to each other, and slow tests train as users do.
    """
    phases = sys.modules.get("pipeline.training.phases")
    with pytest.MonkeyPatch.context() as patch:
        if phases is not None and pytestconfig.getoption("markexpr") == "not slow":
            patch.setattr(phases, "_STEPS_PER_CALL", 1)
        yield


@pytest.fixture(autouse=True)
def _float32_again() -> Iterator[None]:
    """No test computes in the precision that another has left."""
    yield
    runtime = sys.modules.get("pipeline.networks.runtime")
    if runtime is not None and runtime.name_policy() != "float32":
        runtime.start_backend("float32")


@pytest.fixture
def real_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of stages are drawn all the same."""
    pictures.draw_really(monkeypatch)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A repository root with a tiny competition (45 training images, 9 test images, 3 classes), nothing run yet."""
    from support.tiny import build

    build(tmp_path)
    return tmp_path


@pytest.fixture
def prepared(tiny: Path) -> Path:
    """The tiny competition's root after fetch and prepare."""
    from support.tiny import prepare_tiny

    prepare_tiny(tiny)
    return tiny


@pytest.fixture
def kaggle_server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleServer]:
    """A stand-in for Kaggle, to which the real client is led; see `kaggle_server.py`."""
    with serving() as server:
        lead_there(monkeypatch, server, tmp_path_factory.mktemp("home"))
        yield server


@pytest.fixture(scope="session")
def predicting_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with three trained models and their ensemble, read by many tests: copy it before a change."""
    from support import trained  # Keras is not imported for the tests of one room

    dense = {
        "input": {"size": 16},
        "network": {"name": "mlp_pixels", "units": [6]},
        "training": trained.TRAINING,
        "views": {"mirror": True, "shift": 1},
    }
    recipes = {"cnn": trained.CNN, "dense": dense, "hog": trained.HOG}
    return make_once(tmp_path_factory, "predicting", lambda root: trained.run(root, recipes))


@pytest.fixture
def competitions_dir() -> Path:
    """The folder of real competition zips, for the tests that want one; skipped where there is none."""
    folder = os.environ.get("COMPETITIONS_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("COMPETITIONS_DIR names no folder of competition zips")
    return Path(folder)
