"""
What the doctor says, and what it never says: a secret, or the text of somebody else's exception, which may quote one.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from inspect import signature
from string import ascii_uppercase
from traceback import walk_tb
from typing import Any

from starlette_flask.exceptions import ConfigError

STRANGER = "who logs in to one app is a stranger in the other"
FROM_FLASK = "app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))"
# How the fix begins in a message of ours, if there is one.
_IMPERATIVES = (
    "ask ",
    "call ",
    "decorate ",
    "drop ",
    "give ",
    "pass ",
    "pip install ",
    "set ",
    "start ",
    "update ",
    "use ",
)
# What the names of settings end with whose values are nobody's business.
_SECRET = ("KEY", "KEYS", "SECRET", "SECRETS", "PASSWORD", "TOKEN", "FALLBACKS")


@dataclass(frozen=True)
class Finding:
    """
    Something that is wrong between the two apps.

    Args:
        check: What was looked at, in a word that stays the same from version to version.
        what: What is wrong, and what a user notices; one line.
        fix: What to do; one line.
    """

    check: str
    what: str
    fix: str

    def __post_init__(self) -> None:
        for field in fields(self):
            text = " ".join(str(getattr(self, field.name)).split())
            # What steers a terminal is as little a part of a line as its end is.
            object.__setattr__(self, field.name, "".join(each if each.isprintable() else "?" for each in text))

    def __str__(self) -> str:
        return f"{self.check}: {self.what}. Fix: {self.fix}"


class Keys:
    """
    Calls secrets by names: ``key A``, ``key B``, in the order in which they come.

    A digest, however short, would let whoever reads the output try out guesses; a letter tells no more than which
    secrets are the same.

    Args:
        known: Secrets to be hidden wherever they turn up.
    """

    def __init__(self, known: Iterable[object]) -> None:
        forms = {form for key in known for form in _forms(key) if form}
        self._known = sorted(forms, key=len, reverse=True)
        self._letters: dict[bytes, str] = {}

    def name(self, key: bytes, what: str = "key") -> str:
        """
        Return what a secret is called.
        """
        number = len(self._letters)
        letter = ascii_uppercase[number % 26] + "'" * (number // 26)
        return f"{what} {self._letters.setdefault(key, letter)}"

    def hide(self, text: str) -> str:
        """
        Return *text* without any secret that is known: wherever it is, or only where it is quoted if it is so short
        that it is a word like others.
        """
        for form in self._known:
            if len(form) >= 8:
                text = text.replace(form, "***")
            for quote in "'\"":
                text = text.replace(f"{quote}{form}{quote}", "***")
        return text

    def shown(self, value: object) -> str:
        """
        Return a value as Python writes it.
        """
        return self.hide(repr(value))


def secrets_in(settings: Mapping[Any, Any]) -> Iterator[object]:
    """
    Yield the values of settings that are secret by their names.
    """
    for name, value in settings.items():
        if str(name).upper().endswith(_SECRET):
            yield from value if isinstance(value, (list, tuple)) else (value,)


def reason_of(exc: BaseException, called: Any = None) -> tuple[str, str]:
    """
    Return why something can't be, and what to do, of what it has raised.

    Of our own errors the text, which quotes nothing secret; of others the kind, and where it was raised.

    Args:
        exc: The exception.
        called: What was called, if a wrong argument may be the reason.
    """
    if isinstance(exc, (ConfigError, ImportError)):
        text = text_of(exc)
        what, _, fix = text.replace(": pip install ", "; pip install ").partition("; ")
        return (what, fix) if fix.startswith(_IMPERATIVES) else (text, "give what it must be")
    if isinstance(exc, TypeError) and called is not None and exc.__traceback__.tb_next is None:  # type: ignore[union-attr]
        return str(exc), _argument_fix(exc, called)  # it says names and numbers of arguments
    return f"{type(exc).__name__} in {where(exc)}", "see what is raised there"


def text_of(exc: BaseException) -> str:
    """
    Return the text of an error of ours, which may quote that of its cause: without that.
    """
    cause = exc.__cause__
    name = type(cause).__name__
    return str(exc) if cause is None else str(exc).replace(f"{name}: {cause}", f"{name} in {where(cause)}")


def where(exc: BaseException) -> str:
    """
    Return where an exception was raised: the last line that is in the current folder, or else the last one.
    """
    here = os.path.join(os.getcwd(), "")
    lines = [(frame.f_code.co_filename, number) for frame, number in walk_tb(exc.__traceback__)]
    own = [line for line in lines if line[0].startswith(here) and "site-packages" not in line[0]]
    path, number = (own or lines)[-1]
    return f"{path.removeprefix(here)}, line {number}"


def _argument_fix(exc: TypeError, called: Any) -> str:
    names = [name for name in signature(called).parameters if name != "app"]
    _, _, wrong = str(exc).partition("unexpected keyword argument ")
    wrong = wrong.split("'")[1] if "'" in wrong else ""
    close = get_close_matches(wrong, names, 1)
    if close:
        return f"for {wrong} write {close[0]}"
    return f"see help({getattr(called, '__name__', '')})"


def _forms(key: object) -> Iterator[str]:
    """
    Yield how a secret may be written.
    """
    if isinstance(key, str):
        yield key
        yield repr(key)[1:-1]
        key = key.encode(errors="surrogatepass")
    if isinstance(key, bytes):
        yield key.decode("latin-1")
        yield repr(key)[2:-1]
