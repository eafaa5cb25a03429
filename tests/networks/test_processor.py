"""The processor, and the backend that Keras takes: read without starting one."""

import json
from pathlib import Path

import pytest

from pipeline.core.errors import InputError
from pipeline.networks import processor


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's own file, which is not there yet; the environment names no backend."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    processor.announce_backend.cache_clear()
    return tmp_path / "keras.json"


@pytest.mark.parametrize(
    ("variable", "text", "backend"),
    [
        (None, None, "tensorflow"),
        ("", None, "tensorflow"),
        ("jax", None, "jax"),
        (None, '{"backend": "jax"}', "jax"),
        ("", '{"backend": "jax"}', "jax"),
        ("tensorflow", '{"backend": "jax"}', "tensorflow"),
        (None, '{"floatx": "float32"}', "tensorflow"),
        (None, '{"backend": ', "tensorflow"),
        (None, "[]", "tensorflow"),
    ],
)
def test_the_backend_is_read_and_named_wherever_it_is_chosen(
    settings: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str | None,
    text: str | None,
    backend: str,
) -> None:
    if variable is not None:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    if text is not None:
        settings.write_text(text)
    assert processor.read_backend() == backend
    processor.announce_backend()
    processor.announce_backend()
    place = "KERAS_BACKEND" if variable == "jax" else f"`backend` in {settings}"
    named = f"Keras computes on jax, not on tensorflow ({place})\n" if backend == "jax" else ""
    assert capsys.readouterr().err == named


def test_a_backend_that_only_predicts_is_refused(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.write_text(json.dumps({"backend": "numpy"}))
    with pytest.raises(
        InputError, match=r"keras\.json is 'numpy', which trains no network; set KERAS_BACKEND=tensorfl"
    ):
        processor.require_trainable_backend()
    monkeypatch.setenv("KERAS_BACKEND", "openvino")
    with pytest.raises(InputError, match=r"^KERAS_BACKEND is 'openvino', which trains no network; unset it"):
        processor.require_trainable_backend()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    processor.require_trainable_backend()


def test_a_backend_that_is_not_there_is_named_with_its_place(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.write_text(json.dumps({"backend": "torch"}))
    missing = ImportError("No module named 'torch'")
    message = str(processor.explain_backend(missing))
    assert message == (
        f"`backend` in {settings} is 'torch', which cannot be imported (No module named 'torch'); "
        "set KERAS_BACKEND=tensorflow, or install that backend"
    )
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    message = str(processor.explain_backend(missing))
    assert message.startswith("KERAS_BACKEND is 'torch', which cannot be imported")
    assert message.endswith("; unset it, or install that backend")


@pytest.mark.parametrize(("names", "system", "may"), [(("null",), "linux", True), (("no such",), "linux", False)])
def test_a_gpu_is_looked_for_among_the_devices_of_the_system(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], system: str, may: bool
) -> None:
    monkeypatch.setattr(processor, "_DEVICES", names)
    monkeypatch.setattr("sys.platform", system)
    assert processor.may_have_gpus() == may


def test_where_devices_are_not_files_there_may_be_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert processor.may_have_gpus()
