"""The demo's server: one page, and the predictions for an image that is sent. Nothing is stored.

It is for the user of this machine alone: it answers to the host names of loopback only (against DNS rebinding), lets no
other page read it, and accepts images only with a content type that other pages cannot send without permission.
"""

import asyncio
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
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.core.arrays import Images, make_displayed, round_levels
from pipeline.images.decoding import BrokenImageError, decode_bytes
from pipeline.inference.image_results import make_results, to_json
from pipeline.inference.predictor import Predictor
from pipeline.inference.saliency.heat import overlay_heat

HOST = "127.0.0.1"
MAX_BYTES = 10_000_000
MAX_PIXELS = 50_000_000
HEAD_SECONDS = BODY_SECONDS = 30.0
MOST_CONNECTIONS = 64  # at once; more are answered with 503
CONTENT_TYPE = "application/octet-stream"
_DISPLAYED = 448  # side of the images that are returned, in pixels
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


class ImpatientProtocol(H11Protocol):
    """A connection that is closed where nothing goes on: others want its place.

    Within `HEAD_SECONDS` a whole request must begin on it, and within twice that an answer be read to its end. Of more
    connections than twice `MOST_CONNECTIONS` it is closed at once.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to look whether there are requests."""
        super().connection_made(transport)
        if len(self.connections) > 2 * MOST_CONNECTIONS:
            transport.abort()
        self.loop.call_later(HEAD_SECONDS, self._look, None, 0)

    def _look(self, last: object, unread: int) -> None:
        """Closes the connection where no request has begun since ``last`` one, or an answer is still not read.

        Who asks again and again and reads less than comes is no reader either.

        What a closed connection still has to send keeps it open until somebody reads it.
        """
        left = self.transport.get_write_buffer_size()
        if left and unread and (self.cycle is last or left >= unread):
            self.transport.abort()
        elif not left and self.transport.is_closing():
            return
        elif self.cycle is last and getattr(self.cycle, "response_complete", True):  # before the first there is none
            self.transport.close()
        if left or not self.transport.is_closing():
            self.loop.call_later(HEAD_SECONDS, self._look, self.cycle, left)


class RefusedError(ValueError):
    """A request that is refused; the message gives the reason to its sender."""

    def __init__(self, status: int, reason: str) -> None:
        """Takes the HTTP status beside the reason."""
        super().__init__(reason)
        self.status = status


def make_app(predictor: Predictor, rate: float, samples: Images | None = None) -> FastAPI:
    """Returns the server.

    Args:
        predictor: of the images, one at a time.
        rate: share of known images that may be called unknown.
        samples: uint8 (n, size, size, channels), pictures to try; None, or channels that no PNG holds, for none.
    """
    shown = samples if samples is not None and samples.shape[3] in (1, 3) else None
    count = 0 if shown is None else len(shown)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)  # their pages load scripts from other servers
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    turn = threading.Lock()

    @app.middleware("http")
    async def add_headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(RefusedError)
    async def report_refusal(request: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse({"problem": str(error)}, status_code=error.status)

    for path, name in _FILES.items():
        app.add_api_route(path, _file(name), methods=["GET"])

    @app.get("/about")
    async def about() -> dict[str, object]:
        classes = list(predictor.class_names)
        return {"name": predictor.name, "classes": classes, "bytes": MAX_BYTES, "rate": rate, "samples": count}

    @app.get("/sample/{number}")
    async def sample(number: int) -> Response:
        if shown is None or not 0 <= number < count:
            raise RefusedError(404, f"There is no sample {number}; there are {count}.")
        return Response(_encode_png(shown[number]), media_type="image/png")

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, object]:
        content = await _body(request)
        return await run_in_threadpool(_predict, predictor, content, rate, turn)

    return app


def _file(name: str) -> Callable[[], FileResponse]:
    def send() -> FileResponse:
        return FileResponse(Path(__file__).with_name(name))

    return send


async def _body(request: Request) -> bytes:
    """Reads the request's body, up to the largest size."""
    if request.headers.get("content-type") != CONTENT_TYPE:
        raise RefusedError(415, f"send the image as {CONTENT_TYPE}")
    parts, length = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length > MAX_BYTES:
                    raise RefusedError(413, f"The file is too large: the limit is {MAX_BYTES / 1e6:.0f} MB.")
                parts.append(part)
    except TimeoutError as error:
        raise RefusedError(408, f"The image did not arrive within {BODY_SECONDS:g} seconds.") from error
    except ClientDisconnect as error:  # a page that is closed while it sends is not an error here
        raise RefusedError(400, "The image did not arrive completely.") from error
    return b"".join(parts)


def _predict(predictor: Predictor, content: bytes, rate: float, turn: threading.Lock) -> dict[str, object]:
    displayed_form = replace(predictor.form, size=max(predictor.form.size, _DISPLAYED), dtype="uint8")
    with turn:  # decoding, too: a large image takes half a gigabyte
        try:
            pixels = decode_bytes(content, predictor.form, MAX_PIXELS).levels[None]
            displayed = decode_bytes(content, displayed_form, MAX_PIXELS).pixels
        except BrokenImageError as error:
            raise RefusedError(422, f"The image cannot be read: {error}.") from error
        predictions = predictor.predict(pixels)
        heat = predictor.compute_heat(pixels, predictor.choose_columns(predictions))[0] if predictor.has_heat else None
    result = to_json(make_results(["picture"], predictions, predictor, rate)[0])
    plain = np.ascontiguousarray(np.broadcast_to(make_displayed(displayed), (*displayed.shape[:2], 3)))
    return result | {"seen": _png(plain), "heat": _png(overlay_heat(displayed, heat)) if heat is not None else None}


def _png(pixels: Images) -> str:
    return "data:image/png;base64," + base64.b64encode(_encode_png(pixels)).decode("ascii")


def _encode_png(pixels: Images) -> bytes:
    out = io.BytesIO()
    whole = round_levels(pixels)
    Image.fromarray(whole[..., 0] if whole.shape[2] == 1 else whole).save(out, "PNG")
    return out.getvalue()
