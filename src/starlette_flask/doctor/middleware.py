"""
Is the middleware there, can it be made, is it the right one, and in the right order?
"""

from collections.abc import Iterator
from itertools import pairwise

from starlette_flask.doctor.findings import FROM_FLASK, STRANGER, Finding
from starlette_flask.doctor.pair import Pair
from starlette_flask.doctor.places import Kind, Layer, Place
from starlette_flask.login.dependencies import LoginBackend

_FOREIGN = {Kind.STARLETTE: "Starlette's own", Kind.STARSESSIONS: "starsessions'"}

# What a user notices of middleware that is outside of what it needs.
_LOST = {
    Kind.LOGIN: "every page that asks for the user ends in an error",
    Kind.CSRF: "every form ends in an error",
    Kind.AUTHENTICATION: "nobody is logged in, or every page ends in an error",
}


def misbuilt(pair: Pair) -> Iterator[Finding]:
    """
    Middleware that Starlette will fail to make at the first request.
    """
    for place in pair.places:
        for layer in place.layers:
            if layer.trouble is not None:
                why, fix = layer.trouble
                yield pair.finding(
                    "middleware", f"{layer.name} can't be made, so the ASGI app answers nobody: {why}", fix
                )


def missing(pair: Pair) -> Iterator[Finding]:
    """
    No middleware at all.
    """
    if not pair.layers(Kind.SESSIONS):
        yield Finding("middleware", f"the ASGI app has no SessionMiddleware of starlette_flask: {STRANGER}", FROM_FLASK)


def order(pair: Pair) -> Iterator[Finding]:
    """
    Middleware outside of what it needs.
    """
    for place in pair.places:
        yield from _outside(place, place.of(Kind.LOGIN, Kind.CSRF), Kind.SESSIONS)
        yield from _outside(place, [layer for layer in place.of(Kind.AUTHENTICATION) if is_backend(layer)], Kind.LOGIN)


def twice(pair: Pair) -> Iterator[Finding]:
    """
    Two session middleware of ours around the same views, of which the inner one hides the other or undoes its work.
    """
    for place in pair.places:
        layers = [layer for layer in place.of(Kind.SESSIONS) if layer.part is not None]
        for outer, inner in pairwise(layers):
            config, other = outer.part.config, inner.part.config
            is_apart = outer.path != inner.path and config.session_cookie != other.session_cookie
            if config != other and not is_apart:
                yield Finding(
                    "twice",
                    f"two SessionMiddleware around {inner.path or '/'} differ: one undoes what the other has saved",
                    "remove one of them; an app with users of its own gives the cookie another name (session_cookie)",
                )


def foreign(pair: Pair) -> Iterator[Finding]:
    """
    The session middleware of others: with the same cookie, or in the place of ours.
    """
    name = "session" if pair.theirs is None else pair.theirs.session_cookie
    views = [place for place in pair.places if not (place.is_docs or place.of(Kind.STATIC) or place.flask_apps)]
    # An app that is mounted may have users of its own, under a name of its own, unless nobody else is left.
    is_everywhere = bool(views) and all(_innermost(place).kind in _FOREIGN for place in views)
    for place in pair.places:
        ours = {layer.path for layer in place.of(Kind.SESSIONS)}
        for layer in place.of(*_FOREIGN):
            if layer.part is None:
                continue
            cookie = getattr(layer.part, "session_cookie", None) or getattr(layer.part, "cookie_name", "session")
            is_same = cookie == name and getattr(layer.part, "path", "/") in (None, "/")
            hides_ours = layer is _innermost(place) and (layer.path in ours or (bool(ours) and is_everywhere))
            if is_same or hides_ours:
                yield pair.finding(
                    "foreign",
                    f"{_FOREIGN[layer.kind]} SessionMiddleware at {layer.path or '/'} has the cookie {cookie!r}, "
                    + (
                        "as Flask has, in a format that Flask can't read: each app logs out the users of the other"
                        if is_same
                        else f"and its session hides Flask's from the views: {STRANGER}"
                    ),
                    "import SessionMiddleware from starlette_flask instead, with accept_starlette_cookies=True to keep"
                    " its users; in a mounted app with users of its own, give the cookie another name",
                )


def _innermost(place: Place) -> Layer:
    layers = place.of(Kind.SESSIONS, *_FOREIGN)
    return layers[-1] if layers else Layer(Kind.OTHER, "", None)


def _outside(place: Place, layers: list[Layer], needed: Kind) -> Iterator[Finding]:
    # A second one further in doesn't help those that are outside of the first.
    first = next((index for index, layer in enumerate(place.layers) if layer.kind is needed), 0)
    other = needed.value.rpartition(".")[2]
    for layer in layers:
        if place.layers.index(layer) < first:
            yield Finding(
                "order",
                f"{layer.name} is outside {other}, which it needs: {_LOST[layer.kind]}",
                f"call app.add_middleware({layer.name}, ...) before app.add_middleware({other}, ...): what is added"
                " first is inside",
            )


def is_backend(layer: Layer) -> bool:
    """
    Tell whether Starlette's middleware for users has ours behind it.
    """
    return isinstance(getattr(layer.part, "backend", None), LoginBackend)
