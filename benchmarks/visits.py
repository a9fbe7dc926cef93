"""
What is asked of a Flask app that is mounted, and the app that answers.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import flask
from starlette.types import Message, Scope

from benchmarks.payloads import SECRET_KEY, scope_with

MESSAGE_BYTES = 64 * 1024
"""How much of an upload arrives at once."""

DOWNLOAD = bytes(range(256)) * 4096
UPLOAD = DOWNLOAD * 10
CHUNKS = tuple(b"%1023d\n" % number for number in range(100))
FILM_PATH = "/film"
FILM_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True)
class Visit:
    """
    One kind of request.

    Args:
        name: As in the report.
        path: Where to.
        answer: The body of the response.
        upload: The body of the request; a GET request has none.
    """

    name: str
    path: str
    answer: bytes
    upload: bytes = b""

    def scope(self, cookie: str | None) -> Scope:
        """
        Return the ASGI scope.
        """
        scope = scope_with(cookie)
        if self.upload:
            scope["headers"].append((b"content-length", b"%d" % len(self.upload)))
        method = "POST" if self.upload else "GET"
        return {**scope, "method": method, "path": self.path, "raw_path": self.path.encode()}

    def messages(self) -> Sequence[Message]:
        """
        Return what the app receives.
        """
        bodies = [self.upload[at : at + MESSAGE_BYTES] for at in range(0, len(self.upload), MESSAGE_BYTES)] or [b""]
        more = [*repeat(True, len(bodies) - 1), False]
        return [
            {"type": "http.request", "body": body, "more_body": has_more}
            for body, has_more in zip(bodies, more, strict=True)
        ]


SMALL = Visit("small JSON, session read", "/account", b'{"user":"42"}\n')
LARGE = (
    Visit("1 MB response", "/download", DOWNLOAD),
    Visit("10 MB upload", "/upload", b"%d" % len(UPLOAD), UPLOAD),
    Visit("stream of 100 chunks", "/stream", b"".join(CHUNKS)),
)
VISITS = (SMALL, *LARGE)
DIGEST = Visit("digest of an upload", "/digest", hashlib.sha256(UPLOAD).hexdigest().encode(), UPLOAD)


def whose_session(package: str) -> Visit:
    """
    Return a visit that tells from which package the session is.
    """
    return Visit("whose session", "/whose", package.encode())


def film() -> Iterator[bytes]:
    """
    Return a large body in blocks, each of them made anew, as if read from a file.
    """
    return ((b"%07d\n" % number) * 8192 for number in range(FILM_BYTES // (8 * 8192)))


def make_app() -> flask.Flask:
    """
    Return the app, of which each contender has its own.
    """
    app = flask.Flask("benchmarks")
    app.secret_key = SECRET_KEY

    @app.get(SMALL.path)
    def account() -> dict[str, str]:
        return {"user": flask.session["_user_id"]}

    @app.get("/whose")
    def whose() -> str:
        session = flask.session._get_current_object()  # type: ignore[attr-defined]  # a proxy, whatever its annotation
        return type(session).__module__.partition(".")[0]

    @app.get("/download")
    def download() -> flask.Response:
        return flask.Response(DOWNLOAD)

    @app.post("/upload")
    def upload() -> str:
        return str(sum(map(len, _uploaded())))

    @app.post("/digest")
    def digest() -> str:
        return hashlib.sha256(b"".join(_uploaded())).hexdigest()

    @app.get("/stream")
    def stream() -> flask.Response:
        return flask.Response(iter(CHUNKS))

    @app.get(FILM_PATH)
    def send_film() -> flask.Response:
        return flask.Response(film(), headers={"Content-Length": str(FILM_BYTES)})

    return app


def _uploaded() -> Iterator[bytes]:
    # As Werkzeug reads an uploaded file.
    return iter(partial(flask.request.stream.read, MESSAGE_BYTES), b"")
