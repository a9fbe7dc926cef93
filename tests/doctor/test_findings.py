"""
What is said, and what is never said.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from flask.sessions import SecureCookieSessionInterface
from starlette.middleware import Middleware

from starlette_flask import ConfigError, SessionMiddleware
from starlette_flask.doctor import Finding, examine
from starlette_flask.doctor.findings import Keys, reason_of
from starlette_flask.middleware.login import LoginMiddleware
from tests.doctor.pairs import KEY, OTHER_KEY, make_flask, make_shared, one_finding


def test_a_finding_is_a_line() -> None:
    """
    Each text is a line, whatever it quotes: no end of a line, and nothing that steers a terminal.
    """
    finding = Finding("check", "one\ntwo\r\n  three", "\x1b[31mred\x07")
    assert str(finding) == "check: one two three. Fix: ?[31mred?"


def test_keys_are_letters() -> None:
    """
    A key is called by a letter, which says no more of it than which keys are the same.
    """
    keys = Keys([])
    names = [keys.name(b"%d" % number) for number in range(28)]
    assert names[:2] + names[25:] == ["key A", "key B", "key Z", "key A'", "key B'"]
    assert keys.name(b"1") == "key B"


@pytest.mark.parametrize(
    ("key", "text", "hidden"),
    [
        pytest.param("a long key", "before a long key after", "before *** after", id="text"),
        pytest.param(b"a long \xff", "it is 'a long \\xff'", "it is '***'", id="bytes"),
        pytest.param("dev", "development of 'dev'", "development of ***", id="short, quoted only"),
        pytest.param("a 'quoted' key", """is "a 'quoted' key" here""", 'is "***" here', id="quotes"),
        pytest.param(None, "None", "None", id="no key"),
        pytest.param(123, "123", "123", id="no text"),
        pytest.param("", "''", "''", id="empty"),
    ],
)
def test_keys_are_hidden(key: Any, text: str, hidden: str) -> None:
    """
    Where a key turns up in what others say, it is hidden.
    """
    assert Keys([key, "another"]).hide(text) == hidden


class Loud(SecureCookieSessionInterface):
    """
    Says its key in an exception.
    """

    def get_cookie_name(self, app: Any) -> str:
        raise ValueError(f"no name for {app.secret_key}")


def loud_session() -> tuple[Any, Any]:
    app = make_flask()
    app.session_interface = Loud()
    return app, make_shared(app, secret_key=KEY)


def named_by_the_key() -> tuple[Any, Any]:
    app = make_flask(SECRET_KEY="a_long_random_value")
    return app, make_shared(app, secret_key=OTHER_KEY, session_cookie="a_long_random_value")


def different_keys() -> tuple[Any, Any]:
    app = make_flask(SECRET_KEY_FALLBACKS=["an old value"], WTF_CSRF_SECRET_KEY="a value for forms")
    return app, make_shared(app, secret_key=OTHER_KEY, secret_key_fallbacks=["an older value"], salt="pepper")


@pytest.mark.parametrize("make", [loud_session, named_by_the_key, different_keys])
def test_no_secret_is_said(make: Any) -> None:
    """
    No secret is in any finding, nor a part of it, whatever is wrong.
    """
    said = "\n".join(map(str, examine(*make())))
    assert said
    assert re.findall("random|older? value|for forms|pepper", said.replace(repr(KEY), "")) == []


def test_a_failing_interface() -> None:
    """
    Of the exception of an app's code it is said what it is and where it was raised, and not its text.
    """
    what = one_finding(*loud_session()).what
    assert re.search(r"ValueError in .*test_findings.py, line \d+", what)
    assert "no name for" not in what


class Needing(SessionMiddleware):
    """
    Needs something to be made.
    """

    def __init__(self, app: Any, tenant: str) -> None:
        raise KeyError(tenant)


@pytest.mark.parametrize(
    ("middleware", "what", "fix"),
    [
        pytest.param(
            Middleware(SessionMiddleware, secret=KEY),  # type: ignore[call-arg]  # so it is wrong
            "SessionMiddleware.__init__() got an unexpected keyword argument 'secret'",
            "for secret write secret_key",
            id="a wrong argument",
        ),
        pytest.param(
            Middleware(SessionMiddleware, zzz=KEY),  # type: ignore[call-arg]  # so it is wrong
            "SessionMiddleware.__init__() got an unexpected keyword argument 'zzz'",
            "see help(SessionMiddleware)",
            id="an unknown argument",
        ),
        pytest.param(
            Middleware(LoginMiddleware),  # type: ignore[call-arg]  # so it is wrong
            "LoginMiddleware.__init__() missing 1 required positional argument: 'manager'",
            "see help(LoginMiddleware)",
            id="no argument",
        ),
        pytest.param(
            Middleware(SessionMiddleware, secret_key=5),  # type: ignore[arg-type]  # so it is wrong
            "the secret key must be str or bytes, not int",
            "give what it must be",
            id="a wrong type",
        ),
        pytest.param(
            Middleware(SessionMiddleware, secret_key=KEY, same_site=KEY),  # type: ignore[arg-type]  # so it is wrong
            "unknown same_site '***'",
            "use 'lax', 'strict', 'none' or None",
            id="a secret in the wrong place",
        ),
        pytest.param(
            Middleware(Needing, KEY),
            "KeyError in test_findings.py, line 107",
            "see what is raised there",
            id="a class of the app's own",
        ),
    ],
)
def test_middleware_that_can_t_be_made(
    middleware: Middleware, what: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Middleware that Starlette would fail to make at the first request is a finding, with the reason.
    """
    monkeypatch.chdir(Path(__file__).parent)
    app = make_flask()
    finding = one_finding(app, make_shared(app, middleware))
    assert finding.check == "middleware"
    name = middleware.cls.__name__  # type: ignore[attr-defined]  # it is a class
    assert finding.what == f"{name} can't be made, so the ASGI app answers nobody: {what}"
    assert finding.fix == fix


def test_a_reason_with_a_cause() -> None:
    """
    An error of ours that quotes another one is told without it.
    """
    try:
        try:
            raise ValueError(KEY)
        except ValueError as exc:
            raise ConfigError(f"it fails (ValueError: {exc}); give another one") from exc
    except ConfigError as exc:
        what, fix = reason_of(exc)
    assert re.fullmatch(r"it fails \(ValueError in .*test_findings.py, line \d+\)", what)
    assert fix == "give another one"
