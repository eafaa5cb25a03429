"""Pretrained weights: where they are looked for, and what is said when they are not there."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils
from support import backbones

from pipeline.core.errors import InputError
from pipeline.networks import runtime
from pipeline.networks.backbones import published, weights
from pipeline.networks.backbones.published import PublishedWeights, explain_unreachable, find_published
from pipeline.networks.backbones.weights import find_weights, load_weights


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    runtime.start_backend("float32")
    return backbones.install(monkeypatch, tmp_path / "weights")


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("VGG19", (), "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("Xception", (), "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        pytest.param(
            "MobileNetV2",
            (("alpha", 0.35),),
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
            marks=pytest.mark.slow,
        ),
        pytest.param("NASNetMobile", (), "nasnet_mobile_no_top.h5", marks=pytest.mark.slow),
    ],
)
def test_a_backbone_names_its_file(name: str, arguments: tuple[tuple[str, float], ...], wanted: str) -> None:
    assert find_published(getattr(keras.applications, name), arguments).name == wanted


@pytest.mark.slow
def test_a_backbone_with_weights_of_a_size_names_the_file_of_that_size() -> None:
    names = [find_published(keras.applications.MobileNetV2, (), size).name for size in (96, 100, None)]
    assert [name.split("_1.0_")[1] for name in names] == ["96_no_top.h5", "224_no_top.h5", "224_no_top.h5"]


@pytest.mark.parametrize(
    ("there", "wanted"), [(["96", "224"], "96"), (["224"], "224"), (["96"], "96")], ids=["both", "any", "its own"]
)
def test_the_file_of_the_inputs_own_size_comes_first(tmp_path: Path, there: list[str], wanted: str) -> None:
    kept = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 3)])
    for size in there:
        kept.save(tmp_path / f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5")
    found = find_weights("imagenet", tmp_path, keras.applications.MobileNetV2, (), 96)
    assert found.name.endswith(f"_{wanted}_no_top.h5")


def test_a_file_of_any_size_in_kerass_cache_saves_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    files = [PublishedWeights(f"mobilenet_{size}.h5", "http://127.0.0.1:9/x", None) for size in (96, 224)]
    monkeypatch.setattr(published, "find_published", lambda _make, _arguments, size=None: files[size is None])
    (tmp_path / "keras" / "models").mkdir(parents=True)
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 3)]).save(
        tmp_path / "keras/models/mobilenet_224.h5"
    )
    assert find_weights("imagenet", tmp_path, keras.applications.MobileNetV2, (), 96).name == "mobilenet_224.h5"


def test_both_names_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    offline = (
        PublishedWeights("mobilenet_1.0_96.h5", "http://127.0.0.1:9/x", None),
        PublishedWeights("mobilenet_1.0_224.h5", "", None),
    )
    monkeypatch.setattr(published, "find_published", lambda _make, _arguments, size=None: offline[size is None])
    with pytest.raises(InputError, match=r"neither \S+_96.h5 nor \S+_224.h5 nor \S+_96.h5 exists and the download"):
        find_weights("imagenet", tmp_path, keras.applications.MobileNetV2, (), 96)


def test_building_without_loading_leaves_the_library_as_it_was() -> None:
    asked, read = file_utils.get_file, keras.Model.load_weights
    with pytest.raises(ValueError, match="alpha"):
        weights.build_unloaded(keras.applications.MobileNetV2, 32, (("alpha", 0.2),))
    weights.build_unloaded(keras.applications.MobileNetV2, 32, (("alpha", 0.35),))
    assert (file_utils.get_file, keras.Model.load_weights) == (asked, read)


def test_a_backbone_without_published_weights_says_so() -> None:
    with pytest.raises(InputError, match=r"no ImageNet weights for MobileNetV2 with {'alpha': 0.2}.*weights: none"):
        find_published(keras.applications.MobileNetV2, (("alpha", 0.2),))


def test_the_folder_is_looked_at_before_keras_downloads(file: Path) -> None:
    assert find_weights("imagenet", file.parent, backbones.Tiny) == file


def test_a_path_is_taken_as_it_is(file: Path, tmp_path: Path) -> None:
    assert find_weights(str(file), tmp_path / "elsewhere", backbones.Tiny) == file


def test_nothing_in_the_folder_is_changed(file: Path) -> None:
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in file.parent.rglob("*") if path.is_file()}
    file.chmod(0o444)
    model = backbones.Tiny()
    load_weights(model, find_weights("imagenet", file.parent, backbones.Tiny))
    after = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in file.parent.rglob("*") if path.is_file()}
    assert after == before


def test_loaded_weights_are_those_of_the_file(file: Path) -> None:
    one, two = backbones.Tiny(), backbones.Tiny()
    assert not np.array_equal(one.get_weights()[0], two.get_weights()[0])
    load_weights(one, file)
    load_weights(two, file)
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


def test_nothing_found_and_no_network_lists_the_names_and_three_ways_out(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_SECONDS", 1.0)
    file.unlink()
    with pytest.raises(
        InputError, match=r"tiny_notop.h5 nor .*models/tiny_notop.h5 exists.*Three ways out.*WEIGHTS_DIR"
    ) as error:
        find_weights("imagenet", file.parent, backbones.Tiny)
    assert all(way in str(error.value) for way in ("train.weights", "network.weights", "weights: none"))


class Publisher(BaseHTTPRequestHandler):
    """Serves one file, or a part of it under the length of the whole."""

    content, sent = b"", 0

    def do_GET(self) -> None:  # as http.server calls it
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: self.sent])

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Publishes the file, which no folder holds any more, under a loopback address."""
    monkeypatch.setattr(Publisher, "content", file.read_bytes())
    monkeypatch.setattr(Publisher, "sent", file.stat().st_size)
    file.unlink()
    listening = HTTPServer(("127.0.0.1", 0), Publisher)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}/tiny_notop.h5"
    listening.shutdown()
    thread.join()
    listening.server_close()


def publish(monkeypatch: pytest.MonkeyPatch, origin: str, digest: str | None) -> None:
    monkeypatch.setattr(published, "find_published", lambda *_: PublishedWeights("tiny_notop.h5", origin, digest))


def test_what_is_published_is_downloaded_once(file: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, server, hashlib.md5(Publisher.content).hexdigest())
    first = find_weights("imagenet", file.parent, backbones.Tiny)
    assert first.read_bytes() == Publisher.content
    publish(monkeypatch, "http://127.0.0.1:9/tiny_notop.h5", None)
    assert find_weights("imagenet", file.parent, backbones.Tiny) == first


def test_a_host_that_does_not_answer_is_named(server: str) -> None:
    assert explain_unreachable(PublishedWeights("x.h5", server, None)) == ""
    assert explain_unreachable(PublishedWeights("x.h5", "http://127.0.0.1:9/x.h5", None)).startswith("127.0.0.1:9: ")


def test_a_download_that_breaks_off_says_so_and_leaves_nothing(
    file: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, server, None)
    monkeypatch.setattr(Publisher, "sent", 1000)
    with pytest.raises(InputError, match=r"download failed \(.*(broke off after 1,000|IncompleteRead).*Three ways out"):
        find_weights("imagenet", file.parent, backbones.Tiny)
    assert not list((file.parent / "keras" / "models").glob("*"))


def test_a_download_of_another_file_is_not_kept(file: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, server, "0" * 32)
    with pytest.raises(InputError, match=r"the file that came is not the one that Keras describes"):
        find_weights("imagenet", file.parent, backbones.Tiny)
    assert not list((file.parent / "keras" / "models").glob("*"))


def test_a_file_that_keras_does_not_know_is_not_called_missing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "http://127.0.0.1:9/tiny_notop.h5", "0" * 32)
    cached = file.parent / "keras" / "models" / file.name
    cached.parent.mkdir(parents=True)
    file.rename(cached)
    with pytest.raises(
        InputError, match=r"models/tiny_notop.h5 is not the file that Keras describes, and the download"
    ):
        find_weights("imagenet", file.parent, backbones.Tiny)
    assert cached.is_file()


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"network.weights: .*gone.h5 does not exist"):
        find_weights(str(tmp_path / "gone.h5"), tmp_path, backbones.Tiny)


def test_a_truncated_file_is_refused(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"tiny_notop.h5 cannot be read as HDF5.*fetch it again"):
        find_weights("imagenet", file.parent, backbones.Tiny)


def test_a_file_of_another_kind_is_refused(file: Path) -> None:
    file.write_text("<html>not found</html>", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        find_weights("imagenet", file.parent, backbones.Tiny)


def test_weights_of_another_architecture_are_refused(file: Path) -> None:
    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 3)])
    with pytest.raises(InputError, match=r"tiny_notop.h5 does not fit .*very backbone"):
        load_weights(other, file)


def test_weights_under_the_name_of_a_whole_model_are_refused(file: Path) -> None:
    with pytest.raises(InputError, match=r"tiny.keras does not fit .*very backbone"):
        load_weights(backbones.Tiny(), file.rename(file.with_name("tiny.keras")))


def test_weights_that_are_not_finite_are_refused(file: Path, tmp_path: Path) -> None:
    model = backbones.Tiny()
    model.layers[1].set_weights([np.full_like(value, np.nan) for value in model.layers[1].get_weights()])
    model.save(tmp_path / "broken_notop.h5")
    with pytest.raises(InputError, match=r"broken_notop.h5 holds numbers that are not finite in .*conv1"):
        load_weights(backbones.Tiny(), tmp_path / "broken_notop.h5")
