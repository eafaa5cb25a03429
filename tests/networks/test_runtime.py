"""Seeds, precision, devices, and a quiet start."""

import importlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.project_imports import ROOT

from pipeline.networks import quiet_start, runtime
from pipeline.networks.runtime import keras, layers


@pytest.mark.parametrize(
    ("precision", "policy"),
    [("float32", "float32"), ("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16")],
)
def test_a_precision_sets_the_policy_of_later_layers(precision: runtime.Precision, policy: str) -> None:
    assert runtime.start_backend(precision) == precision
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
    monkeypatch.setattr(runtime, "list_gpus", lambda: gpus)
    monkeypatch.setattr(runtime, "read_cpu_info", lambda key: flags)
    assert runtime.start_backend("auto") == wanted


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
    runtime.start_backend("float32")
    assert (keras.config.floatx(), keras.config.image_data_format()) == ("float32", "channels_last")


def test_names_of_layers_do_not_count_on_from_what_the_process_built_before() -> None:
    runtime.start_backend("float32")
    first = keras.layers.Dense(1).name
    runtime.start_backend("float32")
    assert keras.layers.Dense(1).name == first


def test_xla_is_used_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "list_gpus", lambda: [("H200", (9, 0))])
    assert runtime.use_xla()


@pytest.mark.slow
def test_starting_prints_nothing_and_loads_nothing_that_a_training_does_not_need() -> None:
    unneeded = {"albumentations", "jax", "scipy.stats", "sklearn"} - (
        {"jax"} if keras.backend.backend() == "jax" else set()
    )
    code = (
        "import sys, pipeline.training.trainer, pipeline.training.setup\n"
        "from pipeline.networks import runtime\n"
        "runtime.start_backend('float32')\n"
        "runtime.seed_everything(0)\n"
        f"sys.exit(' '.join({unneeded} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr.strip()) == ("", "")


def test_packages_that_are_hidden_for_a_while_can_be_imported_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sklearn", raising=False)
    with quiet_start.hide_unused():
        with pytest.raises(ImportError):
            importlib.import_module("sklearn")
        assert importlib.import_module("pandas") is pd  # loaded before: left alone
    assert "sklearn" not in sys.modules


@pytest.mark.parametrize(
    ("backend", "file", "hidden"), [("jax", "", False), ("tensorflow", "jax", True), ("", "jax", False), ("", "", True)]
)
def test_jax_is_hidden_unless_it_is_the_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, file: str, hidden: bool
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    (tmp_path / "keras.json").write_text(json.dumps({"backend": file}))
    with quiet_start.hide_unused():
        assert ("jax" in sys.modules) is hidden


def test_what_others_write_to_stderr_while_the_backend_loads_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_start.swallow_greeting():
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

    compute = runtime.halve_to_fit(double)
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
        runtime.halve_to_fit(never)(np.arange(4))


def test_normalisations_melt_into_convolutions_and_results_stay() -> None:
    model = _normalised()
    images = np.random.default_rng(0).uniform(0, 255, (5, 8, 8, 3)).astype(np.float32)

    compute = runtime.compile_at_rest(model)

    expected = model.predict_on_batch(images)
    np.testing.assert_allclose(compute(images), expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(compute(images[:2]), compute(images)[:2])


def test_grey_levels_may_be_whole_numbers() -> None:
    compute, images = runtime.compile_at_rest(_normalised()), np.full((1, 8, 8, 3), 7, dtype=np.uint8)

    np.testing.assert_array_equal(compute(images), compute(images.astype(np.float32)))


def test_weights_that_change_count() -> None:
    model, images = _normalised(), np.ones((1, 8, 8, 3), dtype=np.float32)
    compute = runtime.compile_at_rest(model)

    for value in (0.0, 1.0, 0.0):
        model.get_layer("convolution").set_weights([np.full((3, 3, 3, 4), value, dtype=np.float32)])
        np.testing.assert_allclose(compute(images), model.predict_on_batch(images), rtol=1e-5)


def test_other_precisions_are_computed_as_ever() -> None:
    runtime.start_backend("bfloat16")
    model, images = _normalised(), np.ones((1, 8, 8, 3), dtype=np.float32)
    compute = runtime.compile_at_rest(model)
    before = compute(images)

    model.get_layer("convolution").set_weights([np.zeros((3, 3, 3, 4), dtype=np.float32)])

    assert before.dtype == np.float32
    assert (compute(images) != before).any()


def _normalised() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    maps = layers.Conv2D(4, 3, use_bias=False, name="convolution")(images)
    maps = layers.BatchNormalization(
        name="normalised",
        beta_initializer="random_normal",
        gamma_initializer="random_normal",
        moving_mean_initializer=keras.initializers.Constant(2.0),
    )(maps)
    return keras.Model(images, layers.GlobalAveragePooling2D()(maps))


def test_a_backend_is_asked_for_gpus_only_where_the_system_shows_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "read_backend", lambda: "tensorflow")
    monkeypatch.setattr(runtime, "may_have_gpus", lambda: False)
    monkeypatch.setattr(runtime, "keras", None)
    assert runtime.list_gpus() == []


def test_a_start_waits_for_the_first_use_of_keras_and_the_last_precision_counts() -> None:
    code = (
        "import sys\nfrom pipeline.networks import runtime\n"
        "runtime.start_backend('bfloat16')\nruntime.start_backend('float32')\nruntime.start_backend('bfloat16')\n"
        "print('keras' in sys.modules, runtime.name_policy(), runtime.layers.Dense(1).dtype_policy.name)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "mixed_bfloat16", "mixed_bfloat16"]
