"""
The tables of the pages say what the code does.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import flask_wtf  # type: ignore[import-untyped]  # ships no types
import pytest
from itsdangerous import BadData
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware

import starlette_flask
from starlette_flask import ConfigError, SessionConfig, SessionMiddleware, csrf, doctor, login, stores
from starlette_flask.csrf import CSRFConfig
from starlette_flask.formats.serializer import SessionSerializer
from starlette_flask.formats.signing import Refusal, TimestampSigner
from starlette_flask.login import LoginManager
from starlette_flask.middleware import wsgi
from tests.docs.blocks import ROOT
from tests.docs.tables import codes_in, rows_under

COMPATIBILITY = (ROOT / "docs/compatibility.md").read_text()

# Another value than the default one.
OTHERS: Mapping[str, Any] = {
    "SECRET_KEY": "another",
    "SECRET_KEY_FALLBACKS": ["old"],
    "SESSION_COOKIE_NAME": "other",
    "SESSION_COOKIE_DOMAIN": "example.com",
    "SESSION_COOKIE_PATH": "/other",
    "APPLICATION_ROOT": "/other",
    "SESSION_COOKIE_HTTPONLY": False,
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_SAMESITE": "Strict",
    "SESSION_COOKIE_PARTITIONED": True,
    "PERMANENT_SESSION_LIFETIME": 60,
    "SESSION_REFRESH_EACH_REQUEST": False,
    "SESSION_TYPE": "redis",
    "REMEMBER_COOKIE_NAME": "other",
    "REMEMBER_COOKIE_DURATION": 60,
    "REMEMBER_COOKIE_DOMAIN": "example.com",
    "REMEMBER_COOKIE_PATH": "/other",
    "REMEMBER_COOKIE_SECURE": True,
    "REMEMBER_COOKIE_HTTPONLY": False,
    "REMEMBER_COOKIE_SAMESITE": "Strict",
    "REMEMBER_COOKIE_REFRESH_EACH_REQUEST": True,
    "SESSION_PROTECTION": "strong",
    "LOGIN_DISABLED": True,
    "USE_SESSION_FOR_NEXT": True,
    "FORCE_HOST_FOR_REDIRECTS": "example.com",
    "WTF_CSRF_ENABLED": False,
    "WTF_CSRF_CHECK_DEFAULT": False,
    "WTF_CSRF_SECRET_KEY": "another",
    "WTF_CSRF_FIELD_NAME": "other",
    "WTF_CSRF_HEADERS": ["X-Other"],
    "WTF_CSRF_METHODS": ["POST"],
    "WTF_CSRF_TIME_LIMIT": 60,
    "WTF_CSRF_SSL_STRICT": False,
    "WTF_CSRF_META_NAME": "other",
}
# Of Flask 2.2's app.json, which no mapping has.
BY_THE_APP_ALONE = {"JSON_AS_ASCII", "JSON_SORT_KEYS"}


def states(heading: str) -> dict[str, str]:
    """
    Return what a table of keys says of each.
    """
    rows = [row for row in rows_under(COMPATIBILITY, heading) if len(row) == 3]
    return {key: state for keys, state, _ in rows for key in codes_in(keys)}


FLASK = states("Flask's config keys")
LOGIN = states("Flask-Login's config keys")
WTF = states("Flask-WTF's config keys")


def settings_in(*modules: Any) -> set[str]:
    """
    Return the config keys that modules read.
    """
    sources = "".join(inspect.getsource(module) for module in modules)
    keys = r"(?:REMEMBER_COOKIE_|WTF_|SESSION_|USE_SESSION|LOGIN_DISABLED|FORCE_HOST|AUTH_HEADER_NAME)\w*"
    return set(re.findall(rf'"({keys})"', sources))


class TestKeys:
    @pytest.mark.parametrize(
        ("found", "listed"),
        [
            pytest.param(set(flask.Flask.default_config), FLASK, id="Flask"),
            pytest.param(
                settings_in(flask_login.config, flask_login.login_manager, flask_login.utils), LOGIN, id="Flask-Login"
            ),
            pytest.param(settings_in(flask_wtf.csrf), WTF, id="Flask-WTF"),
        ],
    )
    def test_each_is_listed(self, found: set[str], listed: dict[str, str]) -> None:
        """
        The page knows every key of the versions that the tests run with.
        """
        assert found - set(listed) == set()

    @pytest.mark.parametrize(
        ("key", "state", "read"),
        [
            pytest.param(key, state, read, id=key)
            for keys, read in (
                (FLASK, SessionConfig.from_mapping),
                (LOGIN, lambda settings: vars(LoginManager.from_mapping(settings))),
                (WTF, CSRFConfig.from_mapping),
            )
            for key, state in keys.items()
            if key not in BY_THE_APP_ALONE and "*" not in key
        ],
    )
    def test_state(self, key: str, state: str, read: Callable[[dict[str, Any]], Any]) -> None:
        """
        A key that is honoured makes a difference, one that is ignored makes none, one that is refused is an error.
        """
        settings = {"SECRET_KEY": "secret"}
        other = settings | {key: OTHERS.get(key, "another")}
        if state == "refused":
            with pytest.raises(ConfigError, match=key):
                read(other)
        else:
            assert state in ("honoured", "ignored")
            assert (read(settings) != read(other)) is (state == "honoured")


class TestKeywords:
    def test_of_starlette(self) -> None:
        """
        The page lists every keyword of Starlette's middleware, and ours has it.
        """
        theirs = set(inspect.signature(StarletteSessionMiddleware).parameters) - {"app"}
        rows = rows_under(COMPATIBILITY, "Keywords of Starlette's SessionMiddleware")
        listed = {keyword for row in rows for keyword in codes_in(row[0])}
        assert theirs <= listed <= set(inspect.signature(SessionMiddleware).parameters)

    def test_of_ours(self) -> None:
        """
        The how-to lists every keyword of ours.
        """
        page = (ROOT / "docs/sessions.md").read_text()
        listed = {row[0].strip("`") for row in rows_under(page, "Keyword by keyword")}
        keywords = set(inspect.signature(SessionMiddleware).parameters) - {"app"}
        assert keywords - listed <= {"store"}  # which has a page of its own
        assert listed <= keywords


@pytest.mark.parametrize("module", [starlette_flask, doctor, login, stores, wsgi])
def test_reference(module: Any) -> None:
    """
    The reference has every public name.
    """
    text = "".join(path.read_text() for path in (ROOT / "docs/reference").glob("*.md"))
    listed = {name.rpartition(".")[2] for name in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)}
    assert set(module.__all__) - listed == set()


class TestVersions:
    NAMES = ("Starlette", "FastAPI", "Flask", "Werkzeug", "itsdangerous", "MarkupSafe", "Flask-Login", "Flask-WTF")
    OTHERS = ("Quart", "python-multipart", "uvicorn", "granian", "hypercorn", "a2wsgi")

    @staticmethod
    def pins(name: str) -> list[str]:
        """
        Return the oldest and the newest version of a package that the sets have.
        """
        found: list[str] = []
        for file, choose in (("oldest", min), ("newest", max)):
            text = (ROOT / f"requirements/{file}.txt").read_text()
            versions = re.findall(rf"^{name.lower()}==([\d.]+)", text, re.MULTILINE)
            found.append(choose(versions, key=lambda version: [int(part) for part in version.split(".")]))
        return found

    def test_are_those_of_the_tests(self) -> None:
        """
        The table has the versions that the tests run with.
        """
        expected = {name: self.pins(name) for name in (*self.NAMES, *self.OTHERS)}
        shown = {name: versions for name, *versions in rows_under(COMPATIBILITY, "Versions") if name != "Python"}
        wanted = "\n".join(f"| {name} | {' | '.join(versions)} |" for name, versions in expected.items())
        assert shown == expected, f"the rows should be\n{wanted}"


class TestReasons:
    PAGE = (ROOT / "docs/logged-out.md").read_text()
    SIGNER = TimestampSigner("secret", salt="cookie-session", key_derivation="hmac")
    SERIALIZER = SessionSerializer("secret")

    @pytest.mark.parametrize(
        ("value", "max_age"),
        [
            pytest.param(b"nonsense", None, id="signature"),
            pytest.param(b"e30." + SIGNER._macs[0].signature(b"e30"), None, id="timestamp"),
            pytest.param(SIGNER.sign(b"e30"), -1, id="expired"),
            pytest.param(SIGNER.sign(b"e"), None, id="payload"),
            pytest.param(SIGNER.sign(b".e30"), None, id="not compressed"),
            pytest.param(SIGNER.sign(b"W10"), None, id="no object"),
            pytest.param(SIGNER.sign(b"e30w"), None, id="no JSON"),
        ],
    )
    def test_is_explained(self, value: bytes, max_age: int | None) -> None:
        """
        The page has what the log says, and a heading for its class.
        """
        payload = self.SERIALIZER.check(value, max_age)
        reason: Refusal | BadData
        if isinstance(payload, Refusal):
            reason, reason_class = payload, payload.reason_class
        else:
            with pytest.raises(BadData) as caught:
                self.SERIALIZER.load_payload(payload)
            reason, reason_class = caught.value, "payload"
        listed = [
            re.escape(text.strip()).replace(r"\.\.\.", ".*")
            for heading in ("What the log says", "timestamp, payload")
            for row in rows_under(self.PAGE.replace("\n### ", "\n## "), heading)
            for text in re.split(r", (?=can't)", row[0])
        ]
        said = str(reason).removeprefix("the payload ") if "can't be inflated" in str(reason) else str(reason)
        assert any(re.fullmatch(pattern, said) for pattern in listed), (said, listed)
        assert re.search(rf"^### .*\b{reason_class}\b", self.PAGE, re.MULTILINE)

    def test_of_forms(self) -> None:
        """
        The page of CSRF tokens has every reason.
        """
        reasons = [csrf.MISSING, csrf.SESSION_MISSING, csrf.EXPIRED, csrf.INVALID, csrf.MISMATCH]
        reasons += [csrf.REFERRER_MISSING, csrf.REFERRER_MISMATCH]
        page = (ROOT / "docs/csrf.md").read_text()
        listed = [row[0].removeprefix("... ") for row in rows_under(page, "Who is refused")]
        assert [reason for reason in reasons if not any(reason.endswith(end) for end in listed)] == []
        assert len(listed) == len(reasons)
