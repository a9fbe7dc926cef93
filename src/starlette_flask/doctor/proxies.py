"""
Do both take a user's address from the same place? Flask-Login knows a session by it.
"""

import os
from collections.abc import Iterator
from typing import Any

from starlette_flask.doctor.findings import Finding
from starlette_flask.doctor.login import protection_of
from starlette_flask.doctor.pair import Pair
from starlette_flask.doctor.places import DEEPEST, Kind

_NOTICED = {
    "strong": "who goes from one to the other is logged out",
    "basic": "who goes from one to the other has to log in again wherever a fresh login is required",
}


def proxies(pair: Pair) -> Iterator[Finding]:
    """
    Two servers, of which one is told of a proxy and the other isn't.

    Both sides take the first address of ``X-Forwarded-For``, where it is sent; one server has the same for both.
    """
    noticed = _NOTICED.get(protection_of(pair) or "")
    if pair.is_mounted or noticed is None or not pair.layers(Kind.LOGIN):
        return
    is_behind = bool(pair.layers(Kind.UVICORN_PROXY, Kind.HYPERCORN_PROXY)) or "FORWARDED_ALLOW_IPS" in os.environ
    if _is_flask_behind(pair.flask_app) == is_behind:
        return
    behind, other, fix = (
        ("ASGI app", "Flask app", "flask_app.wsgi_app = ProxyFix(flask_app.wsgi_app, x_for=1)")
        if is_behind
        else (
            "Flask app",
            "ASGI app",
            "run uvicorn --proxy-headers with FORWARDED_ALLOW_IPS in the environment, here as well, or"
            " app.add_middleware(uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware, trusted_hosts=...)",
        )
    )
    yield Finding(
        "proxy",
        f"the {behind} is told of a proxy, and the {other} isn't: if the proxy doesn't send both the same"
        f" X-Forwarded-For, {noticed}",
        f"let it send X-Forwarded-For to both, and tell the {other}: {fix}",
    )


def _is_flask_behind(flask_app: Any) -> bool:
    layer = getattr(flask_app, "wsgi_app", None)
    for _ in range(DEEPEST):
        names = [f"{base.__module__}.{base.__qualname__}" for base in type(layer).__mro__]
        if "werkzeug.middleware.proxy_fix.ProxyFix" in names:
            return True
        layer = getattr(layer, "app", None)
    return False
