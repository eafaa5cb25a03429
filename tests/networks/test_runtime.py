"""Seeds, precision, devices, and a quiet start."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.networks import runtime

import keras  # isort: skip  # after the runtime, which sets the environment that it reads

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """Puts the precision back."""
    yield
    runtime.start("float32")


@pytest.mark.parametrize(
    ("precision", "policy"),
    [("float32", "float32"), ("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16")],
)
def test_a_precision_sets_the_policy_of_later_layers(precision: runtime.Precision, policy: str) -> None:
    assert runtime.start(precision) == precision
    assert keras.layers.Dense(1).dtype_policy.name == policy


@pytest.mark.parametrize(
    ("gpus", "flags", "wanted"),
    [
        ([], "fpu avx512_bf16 sse", "bfloat16"),
        ([], "amx_bf16", "bfloat16"),
        ([], "fpu avx2 avx512f", "float32"),
        ([("A100", (8, 0))], "", "bfloat16"),
        ([("T4", (7, 5))], "avx512_bf16", "float16"),
        ([("A100", (8, 0)), ("T4", (7, 5))], "", "float16"),
        ([("P100", (6, 0))], "avx512_bf16", "float32"),
        ([("unknown", (0, 0))], "", "float32"),
    ],
)
def test_auto_takes_half_the_bits_only_where_all_that_computes_has_them(
    monkeypatch: pytest.MonkeyPatch, gpus: list[tuple[str, tuple[int, ...]]], flags: str, wanted: str
) -> None:
    monkeypatch.setattr(runtime, "_gpus", lambda: gpus)
    monkeypatch.setattr(runtime, "_cpu_info", lambda key: flags)
    assert runtime.start("auto") == wanted


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def weights(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        runtime.seed_everything(seed)
        layer = keras.layers.Dense(4)
        layer.build((None, 3))
        return np.asarray(layer.get_weights()[0])

    assert np.array_equal(weights(3), weights(3))
    assert not np.array_equal(weights(3), weights(4))


def test_a_start_undoes_what_the_persons_keras_settings_say() -> None:
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    runtime.start("float32")
    assert (keras.config.floatx(), keras.config.image_data_format()) == ("float32", "channels_last")


def test_names_of_layers_do_not_count_on_from_what_the_process_built_before() -> None:
    runtime.start("float32")
    first = keras.layers.Dense(1).name
    runtime.start("float32")
    assert keras.layers.Dense(1).name == first


def test_versions_name_the_backend_and_what_makes_the_batches() -> None:
    assert {keras.backend.backend(), "keras", "albumentations", "opencv-python-headless", "python"} <= set(
        runtime.versions()
    )


def test_hardware_tells_the_number_of_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_gpus", list)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 5}, raising=False)
    assert runtime.hardware().endswith(" x3")


def test_hardware_names_the_gpus_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_gpus", lambda: [("H200", (9, 0))])
    assert runtime.hardware() == "gpu H200"
    assert runtime.use_xla()


def test_settings_hold_only_variables_that_change_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert runtime.settings()["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert "SOMETHING_ELSE" not in runtime.settings()


@pytest.mark.slow
@pytest.mark.parametrize(("said", "used"), [(None, "1"), ("0", "0")])
def test_onednn_is_on_everywhere_unless_the_environment_says_otherwise(said: str | None, used: str) -> None:
    code = "from pipeline.networks import runtime; print(runtime.settings()['TF_ENABLE_ONEDNN_OPTS'])"
    rest = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    around = rest if said is None else rest | {"TF_ENABLE_ONEDNN_OPTS": said}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=around, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == used


def test_starting_prints_nothing() -> None:
    code = "from pipeline.networks import runtime; runtime.start('float32')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")


def test_what_others_write_to_stderr_while_the_backend_loads_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with runtime._without_greeting():
        os.write(2, b"oneDNN custom operations are on. You may see\nsomething is wrong\n")
    assert capfd.readouterr().err == "something is wrong\n"


def test_tracing_networks_anew_is_no_news_but_other_warnings_are(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tensorflow")
    log.warning("5 out of the last 9 calls to %s triggered tf.function retracing.", "f")
    log.warning("something is wrong")
    assert [record.getMessage() for record in caplog.records] == ["something is wrong"]


def test_a_batch_that_does_not_fit_is_computed_in_parts_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    sizes: list[int] = []

    def double(batch: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> object:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise MemoryError
        return 2 * batch

    compute = runtime.in_what_fits(double)
    assert compute(np.arange(8)).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert compute(np.arange(5)).tolist() == [0, 2, 4, 6, 8]  # it remembers
    assert sizes[6:] == [2, 2, 1]
    assert compute(np.arange(0)).tolist() == []
    assert "8 images do not fit into memory; going on with 4 at a time" in capsys.readouterr().out


def test_one_image_that_does_not_fit_is_an_error() -> None:
    def never(_: object) -> object:
        raise MemoryError

    with pytest.raises(MemoryError):
        runtime.in_what_fits(never)(np.arange(4))
