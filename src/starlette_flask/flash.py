"""
Flash messages: said in one request, shown in the next, whichever app answers it.

They are kept in the session as Flask keeps them: ``session["_flashes"]``, a list of ``(category, message)``.
"""

from collections.abc import Collection, Iterable
from typing import Any, Literal, overload

from starlette.requests import HTTPConnection

from starlette_flask.log import log_dropped_flashes
from starlette_flask.session import Session, fits_cookie

MAX_FLASHES = 50
"""How many messages wait to be shown, at most: a page that never shows them must not fill the cookie."""

_KEY = "_flashes"
# Where the messages that this request has taken out of its session are kept.
_TAKEN = "starlette_flask.flashes"


def flash(request: HTTPConnection, message: Any, category: str = "message") -> None:
    """
    Keep a message in the session until `get_flashed_messages` takes it.

    Of more than 50 messages the oldest are dropped, and so are those, this one at last, that would make
    the session's cookie longer than browsers keep. A record of the logger ``starlette_flask.sessions`` says so.

    Mirrors ``flask.flash`` (Flask 3.1).

    Args:
        request: The request, or any connection with a session.
        message: Text, Markup, or a lazy string of a translation. Of anything else, its ``str``.
        category: As ``"error"``, ``"info"``, ``"warning"``, or any other.
    """
    if not isinstance(message, str) and not hasattr(message, "__html__"):
        message = str(message)
    session = request.session
    waiting = [*_pairs(session.get(_KEY)), (category, message)]
    flashes = waiting[-MAX_FLASHES:]
    session[_KEY] = flashes
    if isinstance(session, Session):
        while flashes and not fits_cookie(session):
            flashes = session[_KEY] = flashes[1:]
        if not flashes:
            del session[_KEY]
    if len(flashes) < len(waiting):
        log_dropped_flashes(len(waiting) - len(flashes))


@overload
def get_flashed_messages(
    request: HTTPConnection, with_categories: Literal[True], category_filter: Collection[str] = ()
) -> list[tuple[str, Any]]: ...


@overload
def get_flashed_messages(
    request: HTTPConnection, with_categories: Literal[False] = False, category_filter: Collection[str] = ()
) -> list[Any]: ...


def get_flashed_messages(
    request: HTTPConnection, with_categories: bool = False, category_filter: Collection[str] = ()
) -> list[Any]:
    """
    Take the messages out of the session and return them; further calls in the same request return the same.

    Mirrors ``flask.get_flashed_messages`` (Flask 3.1).

    Args:
        request: The request.
        with_categories: Return pairs of category and message.
        category_filter: Only messages of these categories; empty: all.
    """
    if _TAKEN not in request.scope:
        session = request.session
        request.scope[_TAKEN] = _pairs(session.pop(_KEY)) if _KEY in session else []
    flashes = [pair for pair in request.scope[_TAKEN] if not category_filter or _is_in(pair[0], category_filter)]
    return flashes if with_categories else [message for _, message in flashes]


def _pairs(flashes: object) -> list[tuple[str, Any]]:
    # Other code may have put anything there; what isn't a message can't be shown.
    items: Iterable[Any] = flashes if isinstance(flashes, list) else ()
    return [(item[0], item[1]) for item in items if isinstance(item, (list, tuple)) and len(item) == 2]


def _is_in(category: object, categories: Collection[str]) -> bool:
    try:
        return category in categories
    except TypeError:  # a list, say, in a set
        return False
