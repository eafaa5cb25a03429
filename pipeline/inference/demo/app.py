"""The demo's server: one page, and what a model says of the picture that is sent. Nothing is stored.

It is for the person at this machine: it answers to the names of loopback alone (a page elsewhere may point its own name
here), allows no other page to read it, and takes pictures only in a form that other pages cannot send unasked.
"""

import base64
import io
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse
from PIL import Image
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from pipeline.images.decoding import BrokenImageError, decode_bytes
from pipeline.inference.answers import answers, told
from pipeline.inference.predictor import Predictor
from pipeline.inference.saliency.heat import overlaid

HOST = "127.0.0.1"
MOST_BYTES = 10_000_000
MOST_PIXELS = 50_000_000
SENT_AS = "application/octet-stream"
_SHOWN = 448  # pixels of the pictures that come back
_FILES = {"/": "index.html", "/style.css": "style.css", "/script.js": "script.js"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "media-src blob: mediastream:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class RefusedError(ValueError):
    """Something sent that is not taken; the message says why, to whoever sent it."""

    def __init__(self, status: int, why: str) -> None:
        """Takes the HTTP status beside the words."""
        super().__init__(why)
        self.status = status


def make_app(predictor: Predictor, rate: float) -> FastAPI:
    """Returns the server.

    Args:
        predictor: who answers; one picture at a time.
        rate: share of known pictures that may be called unknown.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)  # their pages load scripts from elsewhere
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    turn = threading.Lock()

    @app.middleware("http")
    async def guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse({"problem": str(error)}, status_code=error.status)

    for path, name in _FILES.items():
        app.add_api_route(path, _file(name), methods=["GET"])

    @app.get("/about")
    async def about() -> dict[str, object]:
        return {"name": predictor.name, "classes": list(predictor.class_names), "bytes": MOST_BYTES, "rate": rate}

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, object]:
        content = await _body(request)
        return await run_in_threadpool(_answer, predictor, content, rate, turn)

    return app


def _file(name: str) -> Callable[[], FileResponse]:
    def send() -> FileResponse:
        return FileResponse(Path(__file__).with_name(name))

    return send


async def _body(request: Request) -> bytes:
    """Reads what is sent, as long as it is not too long."""
    if request.headers.get("content-type") != SENT_AS:
        raise RefusedError(415, f"send the picture as {SENT_AS}")
    parts, length = [], 0
    try:
        async for part in request.stream():
            length += len(part)
            if length > MOST_BYTES:
                raise RefusedError(413, f"The file is too large: up to {MOST_BYTES / 1e6:.0f} MB are taken.")
            parts.append(part)
    except ClientDisconnect as error:  # a page that is closed while it sends is no defect
        raise RefusedError(400, "The picture did not arrive whole.") from error
    return b"".join(parts)


def _answer(predictor: Predictor, content: bytes, rate: float, turn: threading.Lock) -> dict[str, object]:
    large = replace(predictor.form, size=max(predictor.form.size, _SHOWN))
    with turn:  # decoding, too: a large picture takes half a gigabyte
        try:
            pixels = decode_bytes(content, predictor.form, MOST_PIXELS).pixels[None]
            shown = decode_bytes(content, large, MOST_PIXELS).pixels
        except BrokenImageError as error:
            raise RefusedError(422, f"That is no picture that can be read: {error}.") from error
        said = predictor.predict(pixels)
        heat = predictor.heat(pixels, said.probs.argmax(axis=1))[0] if predictor.looks else None
    answer = told(answers(["picture"], said, predictor, rate)[0])
    plain = np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))
    return answer | {"seen": _png(plain), "heat": _png(overlaid(shown, heat)) if heat is not None else None}


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
