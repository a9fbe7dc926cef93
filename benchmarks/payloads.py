"""
What a request carries: the session's data, and the headers of a browser around its cookie.
"""

import hashlib
import json
import sys
from itertools import count
from typing import Any
from uuid import UUID

from starlette.types import Scope

SECRET_KEY = "benchmark-secret-key-of-a-usual-length"  # noqa: S105  # guards nothing
SESSION_COOKIE = "session"


def scope_with(cookie: str | None) -> Scope:
    """
    Return the ASGI scope of a browser's request: twelve headers, three cookies with *cookie*, else two.

    Args:
        cookie: The value of the session's cookie; None for a visitor without one.
    """
    cookies = ["_ga=GA1.1.1094872366.1719482716", "theme=dark"]
    if cookie is not None:
        cookies.insert(1, f"{SESSION_COOKIE}={cookie}")
    headers = {
        "host": "shop.example.com",
        "connection": "keep-alive",
        "upgrade-insecure-requests": "1",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0"
        " Safari/537.36",
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "sec-fetch-site": "same-origin",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
        "referer": "https://shop.example.com/tea",
        "accept-encoding": "gzip, deflate, br, zstd",
        "accept-language": "en-GB,en;q=0.9,de;q=0.8",
        "cookie": "; ".join(cookies),
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/account",
        "raw_path": b"/account",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 51234),
        "server": ("127.0.0.1", 8000),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


def environ_of(scope: Scope) -> dict[str, Any]:
    """
    Return the environ of the same request, as a WSGI server makes it, but for ``wsgi.input``.
    """
    fields = {f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in scope["headers"]}
    return {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope["root_path"],
        "PATH_INFO": scope["path"],
        "QUERY_STRING": "",
        "CONTENT_LENGTH": fields.pop("HTTP_CONTENT_LENGTH", ""),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **fields,
    }


def json_size(data: dict[str, Any]) -> int:
    """
    Return how many bytes of JSON *data* is, as Flask writes it.
    """
    return len(json.dumps(data, separators=(",", ":")))


def payload_of(size: int) -> dict[str, Any]:
    """
    Return a session of exactly *size* bytes of JSON, from 100: a user, a cart that fills it, and a note.
    """
    data: dict[str, Any] = {"_user_id": "42", "cart": [], "note": ""}
    for item in map(_item, count()):
        if json_size({**data, "cart": [*data["cart"], item]}) > size:
            break
        data["cart"].append(item)
    data["note"] = "".join(map(_digest, range(3)))[: size - json_size(data)]
    return data


def _item(number: int) -> dict[str, Any]:
    # As a shop has it: the keys repeat, numbers and identifiers don't. zlib makes a third of a large cart.
    noise = _digest(number)
    names = ("Darjeeling First Flush", "Sencha", "Earl Grey", "Lapsang Souchong", "Genmaicha", "Rooibos")
    return {
        "id": str(UUID(noise[:32])),
        "name": names[number % len(names)],
        "quantity": 1 + number % 3,
        "price": f"{5 + int(noise[32:34], 16) / 10:.2f}",
        "options": {"size": ["50 g", "100 g", "250 g"][number % 3], "gift": number % 4 == 0},
    }


def _digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


# What flask_login.login_user leaves in a session; `_id` is a SHA-512 of the address and the browser.
_LOGIN = {"_fresh": True, "_id": hashlib.sha512(b"192.0.2.7|Mozilla/5.0").hexdigest(), "_user_id": "42"}


def _shop(items: int) -> dict[str, Any]:
    return {**_LOGIN, "csrf_token": _digest(-1)[:40], "cart": {"items": [*map(_item, range(items))], "currency": "EUR"}}


PAYLOADS: dict[str, dict[str, Any]] = {"s": _LOGIN, "m": _shop(6), "l": _shop(24)}
"""
The sessions of a user who is logged in (s), with a cart (m), with a large cart (l).
"""
