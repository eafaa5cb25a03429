"""A stand-in for Kaggle on this machine, for the real command line client.

`serving` starts a server on a free port; `lead_there` sets the environment so that the client finds it (by a proxy
variable) and knows nothing of the person who runs the tests. `conftest.py` makes the fixture ``kaggle_server`` of the
two. A test sets what Kaggle holds and how it behaves, runs the client or a verb, and looks at what arrived:

    def test_something(kaggle_server: KaggleServer) -> None:
        kaggle_server.archive = zip_bytes                                    # what a download gives
        kaggle_server.refuse("CreateSubmission", 429, "Too Many Requests")   # every call of that method
        kaggle_server.drop("ListSubmissions", times=1)                       # the connection breaks, once
        kaggle_server.score_after = 2                                        # listings that still say PENDING
        ...
        assert kaggle_server.calls("CreateSubmission")

Every call wants the key or the token; without it, 401 as from Kaggle. The protocol is that of client 2.2.4.
"""

import base64
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from support.kaggle_machines import KaggleMachines

USERNAME = "someone"
KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "KGAT_fedcba9876543210fedcba9876543210"
SECRETS = (KEY, TOKEN, base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode())
RULES = "You must accept this competition's rules before you'll be able to continue"

_SERVICE = "/api/v1/competitions.CompetitionApiService/"
_MODIFIED = "Fri, 01 Nov 2019 00:00:00 GMT"

Json = dict[str, Any]


class NotebookMissingError(Exception):
    """Kaggle has no such notebook."""


@dataclass
class Trouble:
    """How calls of one method go wrong; status 0 breaks the connection. ``times`` None: always."""

    status: int
    message: str
    times: int | None
    done_first: bool = False


@dataclass
class Call:
    """One call that arrived: the method's name, what it carried, and the range that was asked for."""

    method: str
    body: Json
    range: str | None = None


@dataclass
class KaggleServer:
    """What Kaggle holds, and how it behaves.

    Attributes:
        port: where it listens.
        slug: the one competition there is.
        archive: the zip that a download gives.
        files: name -> content of the competition's files, for listings and single downloads.
        cut_at: a download breaks off after so many bytes, ``cuts`` times; None: never. The client keeps whole MiB.
        public: score that a submission gets; None: its status becomes ERROR.
        private: private score, which is empty until a competition ends.
        score_after: listings that still show a submission as pending; None: all of them.
        listed: whether new submissions are listed at all.
        lag: listings after a submission that do not show it yet.
        limits: what GetSubmissionLimits answers; a submission changes it.
        upload_status: what the upload itself is answered.
        machines: quota, data sets and notebooks that run.
        notebooks: the notebooks that a code competition may be given.
        submissions: newest first, as they are listed.
        uploads: what was uploaded, by the token that was handed out.
        log: every call, in order.
    """

    port: int = 0
    slug: str = "tiny-pets"
    archive: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_at: int | None = None
    cuts: int = 1
    public: str | None = "0.81250"
    private: str = ""
    score_after: int | None = 0
    listed: bool = True
    lag: int = 0
    limits: Json = field(
        default_factory=lambda: {"numToday": 1, "numTotal": 1, "numAllowedNow": 4, "limitedByTotal": False}
    )
    upload_status: int = 200
    notebooks: tuple[str, ...] = ("someone/tiny-predict",)
    machines: KaggleMachines = field(default_factory=KaggleMachines)
    submissions: list[Json] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    log: list[Call] = field(default_factory=list)
    _troubles: dict[str, Trouble] = field(default_factory=dict)
    _seen: Counter[int] = field(default_factory=Counter)

    def refuse(self, method: str, status: int, message: str, times: int | None = None) -> None:
        """Answers calls of a method with Kaggle's error: {code, message}."""
        self._troubles[method] = Trouble(status, message, times)

    def drop(self, method: str, times: int | None = None, done_first: bool = False) -> None:
        """Breaks the connection on calls of a method; ``done_first``: after having done what was asked."""
        self._troubles[method] = Trouble(0, "", times, done_first)

    def calls(self, method: str) -> list[Call]:
        """Returns the calls of one method that arrived."""
        return [call for call in self.log if call.method == method]

    def trouble(self, method: str) -> Trouble | None:
        """Takes the next trouble of a method, if one is left."""
        trouble = self._troubles.get(method)
        if trouble is None or trouble.times == 0:
            return None
        if trouble.times is not None:
            trouble.times -= 1
        return trouble

    def answer(self, method: str, body: Json) -> Json:
        """Answers a call as Kaggle would.

        Raises:
            KeyError: no such method, or no such competition.
        """
        if method == "IntrospectToken":
            return {"active": True, "username": USERNAME}
        if (answer := self.machines.answer(method, body, self.uploads, self.files)) is not None:
            return answer
        if body["competitionName"] != self.slug:
            raise KeyError(body["competitionName"])
        return {
            "StartSubmissionUpload": self._start,
            "CreateSubmission": self._create,
            "CreateCodeSubmission": self._create_of_notebook,
            "GetSubmissionLimits": lambda _: self.limits,
            "ListSubmissions": self._list,
            "ListDataFiles": self._list_files,
        }[method](body)

    def _start(self, body: Json) -> Json:
        token = f"blob-{len(self.uploads)}-{body['fileName']}"
        self.uploads[token] = b""
        return {"token": token, "createUrl": f"http://localhost/upload/{token}"}

    def _create(self, body: Json) -> Json:
        token = body["blobFileTokens"]
        return self._add(token.split("-", 2)[2], body, len(self.uploads[token]))

    def _create_of_notebook(self, body: Json) -> Json:
        if f"{body['kernelOwner']}/{body['kernelSlug']}" not in self.notebooks:
            raise NotebookMissingError
        return self._add(body["fileName"], body, 0)

    def _add(self, name: str, body: Json, size: int) -> Json:
        ref = 50_000_000 + len(self.submissions)
        submission = {
            "ref": ref,
            "fileName": name,
            "date": f"2026-11-21T12:00:{len(self.submissions):02}Z",
            "description": body.get("submissionDescription", ""),
            "totalBytes": size,
        }
        if self.listed:
            self.submissions.insert(0, submission)
        for name, change in (("numToday", 1), ("numTotal", 1), ("numAllowedNow", -1)):
            self.limits = {**self.limits, name: self.limits[name] + change}
        return {"message": f"Successfully submitted to {self.slug}", "ref": ref}

    def _list(self, body: Json) -> Json:
        start = 0
        if self.submissions and self.lag:
            self.lag, start = self.lag - 1, 1
        shown = self.submissions[start : body.get("pageSize", 20)]
        return {"submissions": [self._standing(submission) for submission in shown]}

    def _standing(self, submission: Json) -> Json:
        seen, ref = self._seen, submission["ref"]
        seen[ref] += 1
        if self.score_after is None or seen[ref] <= self.score_after:
            return {**submission, "status": "PENDING"}
        if self.public is None:
            return {**submission, "status": "ERROR", "errorDescription": "Evaluation Exception"}
        return {**submission, "status": "COMPLETE", "publicScore": self.public, "privateScore": self.private}

    def _list_files(self, body: Json) -> Json:
        names = sorted(self.files)
        start, size = int(body.get("pageToken") or 0), body.get("pageSize", 20)
        page = [{"name": name, "totalBytes": len(self.files[name])} for name in names[start : start + size]]
        more = {"nextPageToken": str(start + size)} if start + size < len(names) else {}
        return {"files": page, **more}


@contextmanager
def serving() -> Iterator[KaggleServer]:
    """Yields a server that listens on 127.0.0.1."""
    state = KaggleServer()

    class Handler(_Handler):
        kaggle = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    # A short interval: shutdown waits for it at the end of every test.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def environment(port: int, home: Path) -> dict[str, str]:
    """Returns the variables that lead the client to the server, with a key to log in."""
    return {
        "HOME": str(home),
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "KAGGLE_USERNAME": USERNAME,
        "KAGGLE_KEY": KEY,
        "http_proxy": f"http://127.0.0.1:{port}",
    }


def lead_there(monkeypatch: pytest.MonkeyPatch, server: KaggleServer, home: Path) -> None:
    """Leads the client to the server, and hides the credentials and proxies of whoever runs the tests."""
    for name in [*os.environ]:
        if name.startswith("KAGGLE") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in environment(server.port, home).items():
        monkeypatch.setenv(name, value)


class _Handler(BaseHTTPRequestHandler):
    """HTTP around a `KaggleServer`. The client asks through a proxy variable: addresses arrive whole."""

    kaggle: KaggleServer

    def do_POST(self) -> None:
        body = json.loads(self._content() or b"{}")
        path = urlsplit(self.path).path
        method = path.rsplit("/", 1)[1]
        self.kaggle.log.append(Call(method, body))
        if not self._knows_the_person(method):
            self._json({"code": 401, "message": "Unauthenticated"}, 401)
            return
        trouble = self.kaggle.trouble(method)
        if trouble is not None:
            self._fail(trouble, method, body)
        elif method in ("DownloadDataFiles", "DownloadDataFile") and body["competitionName"] == self.kaggle.slug:
            name = body.get("fileName", "archive.zip")
            self._send(302, b"", {"Location": f"http://localhost/files/{name}"})
        else:
            try:
                self._json(self.kaggle.answer(method, body))
            except NotebookMissingError:
                self._json({"code": 404, "message": "Kernel not found"}, 404)
            except KeyError:
                self._json({"code": 404, "message": "Competition not found"}, 404)

    def do_PUT(self) -> None:
        content = self._content()
        token = unquote(urlsplit(self.path).path.rsplit("/", 1)[1])
        self.kaggle.log.append(Call("upload", {"token": token, "bytes": len(content)}))
        if self.kaggle.upload_status == 200:
            self.kaggle.uploads[token] = content
        self._send(self.kaggle.upload_status, b"")

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path.removeprefix("/files/"))
        asked = self.headers.get("Range")
        self.kaggle.log.append(Call("file", {"name": name}, asked))
        content = self.kaggle.archive if name == "archive.zip" else self.kaggle.files[name]
        validator = f'"{len(content)}"'
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        headers = {"ETag": validator, "Accept-Ranges": "bytes", "Content-Type": "application/zip"}
        if start and self.headers.get("If-Range", validator) == validator:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206, content[start:], headers, self._cut())
        else:
            self._send(200, content, headers, self._cut())

    def _cut(self) -> int | None:
        if self.kaggle.cut_at is None or not self.kaggle.cuts:
            return None
        self.kaggle.cuts -= 1
        return self.kaggle.cut_at

    def _knows_the_person(self, method: str) -> bool:
        given = self.headers.get("Authorization", "")
        return given in (f"Bearer {TOKEN}", f"Basic {SECRETS[2]}") or method == "IntrospectToken"

    def _fail(self, trouble: Trouble, method: str, body: Json) -> None:
        if trouble.done_first:
            self.kaggle.answer(method, body)
        if trouble.status:
            self._json({"code": trouble.status, "message": trouble.message}, trouble.status)
        else:
            self.close_connection = True

    def _content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, value: Json, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Last-Modified": _MODIFIED, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""
