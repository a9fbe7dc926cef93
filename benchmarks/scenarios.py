"""
What a visitor's request is like, and what the view does with the session.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

Session = MutableMapping[str, Any]

Cookie = Literal["none", "valid", "tampered", "expired"]
"""The state of the cookie that comes with a request."""


@dataclass(frozen=True)
class Scenario:
    """
    One kind of request.

    Args:
        name: As in the report.
        cookie: What the browser sends.
        act: What the view does with the session and gets from it; None: nothing, as with a public page.
        payloads: The sessions that it is measured with.
        if_unchanged: What to remark of a contender to whom the session is as before; empty: that is an error.
    """

    name: str
    cookie: Cookie
    act: Callable[[Session], object] | None
    payloads: tuple[str, ...] = ("s", "m", "l")
    if_unchanged: str = ""


def read(session: Session) -> object:
    """
    Read a key of a session that must be there.
    """
    return session["_user_id"]


def get(session: Session) -> object:
    """
    Read a key that may be missing.
    """
    return session.get("_user_id")


def write(session: Session) -> None:
    """
    Set a key.
    """
    session["seen"] = 1


def change_nested(session: Session) -> None:
    """
    Put something into the cart that is in the session already.
    """
    session["cart"]["items"].append({"id": "tea", "quantity": 1})


def clear(session: Session) -> None:
    """
    Log out.
    """
    session.clear()


SCENARIOS = (
    Scenario("no cookie", "none", None, ("s",)),
    Scenario("no cookie, read", "none", get, ("s",)),
    Scenario("untouched", "valid", None),
    Scenario("read", "valid", read),
    Scenario("write", "valid", write),
    Scenario("nested change", "valid", change_nested, ("m", "l"), if_unchanged="loses the change"),
    Scenario("tampered", "tampered", get),
    Scenario("expired", "expired", get, if_unchanged="accepts the cookie"),
    Scenario("clear", "valid", clear),
)
