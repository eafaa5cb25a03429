"""Serves a page on loopback that classifies images. Run by hand: no stage of dvc.yaml.

Reads: as `python -m pipeline predict`; data/prepared/{test,train}_images.npy, pictures to try
Writes: .work/unknown; none of the images that it gets
"""

import errno
import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

from pipeline.core.arrays import Images
from pipeline.core.errors import InputError
from pipeline.core.paths import store_path
from pipeline.images.store import open_store
from pipeline.inference.demo.app import HOST, MOST_CONNECTIONS, ImpatientProtocol, make_app
from pipeline.inference.licences import list_licences
from pipeline.inference.predictor import open_predictor

_RATE = 0.05


def run(root: Path, name: str, port: int) -> None:
    """Serves until it is interrupted.

    Raises:
        InputError: nothing is trained, or the port is in use.
    """
    listening = _listen(port)
    with listening:
        print(f"opening {name}: its networks take some seconds", flush=True)
        predictor = open_predictor(root, name, keep=True)
        for line in list_licences([model.card for model in predictor.models.values()]):
            print(line, flush=True)
        app = make_app(predictor, _RATE, _open_samples(root))
        settings = uvicorn.Config(
            app, http=ImpatientProtocol, log_level="warning", access_log=False, limit_concurrency=MOST_CONNECTIONS
        )
        server = uvicorn.Server(settings)
        print(f"demo of {name}: http://{HOST}:{listening.getsockname()[1]} (stop with Ctrl-C)", flush=True)
        with suppress(KeyboardInterrupt):  # raised by uvicorn again after it has stopped
            server.run(sockets=[listening])
        print("stopped")


def _open_samples(root: Path) -> Images:
    """Opens pictures to try: the test images, the training images of a competition without any."""
    for part in ("test", "train"):
        images = open_store(store_path(root, part))
        if len(images):
            break
    return images


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()  # an early browser waits
    except OSError as error:
        listening.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise InputError(f"port {port} is not available ({error.strerror}); name another with --port") from error
    return listening
