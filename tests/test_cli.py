"""
The command line: what somebody sees who holds a cookie in their hands.
"""

import base64
import hmac
import importlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import flask
import itsdangerous
import pytest
import time_machine
from click.testing import CliRunner, Result

from starlette_flask import SessionSerializer
from starlette_flask.cli import main
from starlette_flask.cookie_kinds import (
    ADVICE,
    DJANGO,
    DJANGO_SIGNED,
    FLASK,
    FLASK_SESSION,
    JWT,
    QUART,
    REMEMBER,
    STARLETTE,
    UNKNOWN,
    kind_of,
)
from starlette_flask.formats.signing import TimestampSigner, base64_encode

NOW = 1_700_000_000
DAY = 24 * 60 * 60
DATA = {"id": UUID(int=5), "pair": (1, 2), "user": "ada"}


@pytest.fixture(autouse=True)
def at_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def cookie(data: dict[str, Any] | None = None, key: str = "secret", at: int = NOW) -> str:
    with time_machine.travel(at, tick=False):
        return SessionSerializer(key).dumps(DATA if data is None else data)


def signed(payload: bytes) -> str:
    with time_machine.travel(NOW, tick=False):
        return TimestampSigner("secret", salt="cookie-session").sign(base64_encode(payload)).decode()


def starlette_cookie(data: object) -> str:
    with time_machine.travel(NOW, tick=False):
        return itsdangerous.TimestampSigner("secret").sign(base64.b64encode(json.dumps(data).encode())).decode()


def inspect(*arguments: str, env: dict[str, str] | None = None, **options: Any) -> Result:
    given: dict[str, str | None] = {"SECRET_KEY": None, "FLASK_SECRET_KEY": None, **(env or {})}
    return CliRunner().invoke(main, ["inspect", *arguments], env=given, **options)


class TestInspect:
    SECRET = {"SECRET_KEY": "secret"}  # noqa: RUF012  # read only

    def test_accepted(self) -> None:
        """
        A good cookie: what it says with its types, its age, its size, and by which key it is accepted.
        """
        value = cookie(at=NOW - 3 * DAY - 61)
        result = inspect(value, env=self.SECRET)
        assert result.exit_code == 0
        assert result.output == (
            "looks like  a session of Flask's\n"
            "content     {'id': UUID('00000000-0000-0000-0000-000000000005'), 'pair': (1, 2), 'user': 'ada'}\n"
            "signed      2023-11-11 22:12:19 UTC, 3 days, 0:01:01 ago\n"
            f"size        {len('session=' + value)} bytes, without attributes; browsers drop a line over 4093\n"
            "verdict     accepted, by key 1 of 1\n"
        )

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("{0}", id="value"),
            pytest.param(" {0}\n", id="white space"),
            pytest.param('"{0}"', id="quoted"),
            pytest.param("session={0}", id="pair"),
            pytest.param("Cookie: _ga=1; session={0}; theme=dark", id="Cookie line"),
            pytest.param("cookie:session={0}", id="HTTP/2"),
            pytest.param("Set-Cookie: session={0}; HttpOnly; Path=/", id="Set-Cookie line"),
            pytest.param("session={0}; HttpOnly; Path=/", id="Set-Cookie line without its name"),
            pytest.param('Cookie: session="{0}"', id="quoted in a line"),
        ],
    )
    def test_pasted(self, text: str) -> None:
        """
        The value is found in what is pasted, as an argument or to standard input.
        """
        pasted = text.format(cookie())
        assert inspect(pasted, env=self.SECRET).exit_code == 0
        assert inspect(input=pasted, env=self.SECRET).exit_code == 0
        assert inspect("-", input=pasted, env=self.SECRET).exit_code == 0

    def test_another_name(self) -> None:
        """
        A cookie of another name is looked at if it is given.
        """
        line = f"Cookie: session=nonsense; shop={cookie()}"
        assert inspect(line, "--name", "shop", env=self.SECRET).exit_code == 0
        assert inspect(line, env=self.SECRET).exit_code == 1

    @pytest.mark.parametrize("text", ["", "Cookie: a=1", "Set-Cookie: other=1; Path=/"])
    def test_no_cookie(self, text: str) -> None:
        """
        If there is none, that is wrong usage.
        """
        result = inspect(input=text, env=self.SECRET)
        assert result.exit_code == 2
        assert "there is no cookie 'session'" in result.output

    @pytest.mark.parametrize(
        ("value", "verdict"),
        [
            pytest.param(cookie(key="other", at=NOW), "rejected: no key matches the signature", id="another key"),
            pytest.param(cookie(at=NOW - 32 * DAY), "expired: signed 2764800 s ago, accepted for 2678400 s", id="old"),
            pytest.param(cookie(at=NOW + 60), "signed 60 s in the future", id="future"),
            pytest.param(signed(b"[]"), "rejected: the payload is not an object but list", id="no object"),
            pytest.param("nonsense", "rejected: no key matches the signature", id="nonsense"),
        ],
    )
    def test_not_accepted(self, value: str, verdict: str) -> None:
        """
        A bad one is rejected or has expired, and the status says so, too.
        """
        result = inspect(value, env=self.SECRET)
        assert result.exit_code == 1
        assert result.output.splitlines()[-1] == f"verdict     {verdict}"

    def test_no_key(self) -> None:
        """
        Without a key what can be seen is shown, and not verified.
        """
        result = inspect(cookie())
        assert result.exit_code == 1
        assert "'user': 'ada'" in result.output
        assert "not verified: no secret key" in result.output

    def test_key_from_flask_s_own_variable(self) -> None:
        """
        FLASK_SECRET_KEY serves where there is no SECRET_KEY, as Flask's config.from_prefixed_env has it.
        """
        assert inspect(cookie(), env={"FLASK_SECRET_KEY": "secret"}).exit_code == 0
        assert inspect(cookie(), env={"FLASK_SECRET_KEY": "secret", "SECRET_KEY": "other"}).exit_code == 1

    def test_key_file(self, tmp_path: Path) -> None:
        """
        A file holds the key, and older ones after it.
        """
        keys = tmp_path / "keys"
        keys.write_text("new\n\nsecret\n")
        result = inspect(cookie(), "--key-file", str(keys))
        assert (result.exit_code, result.output.splitlines()[-1]) == (0, "verdict     accepted, by key 2 of 2")
        result = inspect(cookie(key="lost"), "--key-file", str(keys))
        assert result.output.splitlines()[-1] == "verdict     rejected: no key matches the signature"

    @pytest.mark.parametrize("key", ['"secret"', "'secret'", " secret", "secret\t"])
    def test_key_with_more_around_it(self, key: str) -> None:
        """
        A key that a file of settings, or a shell, has left quotes or white space around is told from a wrong one.
        """
        result = inspect(cookie(), env={"SECRET_KEY": key})
        assert result.exit_code == 1
        assert result.output.splitlines()[-1] == (
            "verdict     rejected: no key matches the signature;"
            " key 1 would, without the white space or quotes around it"
        )
        result = inspect(cookie(key="other"), env={"SECRET_KEY": key})
        assert result.output.splitlines()[-1] == "verdict     rejected: no key matches the signature"

    def test_asks_for_the_key(self) -> None:
        """
        The key can be typed, and isn't shown.
        """
        result = inspect(cookie(), "--ask", input="secret\n")
        assert result.exit_code == 0
        assert "secret" not in result.output

    def test_salt_and_age(self) -> None:
        """
        What the app does otherwise can be said.
        """
        value = SessionSerializer("secret", salt="pepper").dumps({})
        assert inspect(value, "--salt", "pepper", env=self.SECRET).exit_code == 0
        assert inspect(cookie(at=NOW - 10), "--max-age", "9", env=self.SECRET).exit_code == 1

    def test_strange_content(self) -> None:
        """
        What can't be read is shown as it is.
        """
        value = signed(b'{"a":{" u":"no UUID"}}')
        result = inspect(value, env=self.SECRET)
        assert """content     '{"a":{" u":"no UUID"}}'""" in result.output
        assert result.exit_code == 1

    def test_strange_time(self) -> None:
        """
        So is what is signed at no time of the calendar.
        """
        value = "e30.f_______8A." + "A" * 27
        result = inspect(value, env=self.SECRET)
        assert "signed " not in result.output
        assert result.exit_code == 1


JWT_VALUE = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.Dq3z1Wh1mJQ0W1jJt3cQ9v0cXQ7Jm5pFZ1n8cQb4w2E"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param(cookie(), FLASK, id="Flask"),
        pytest.param(cookie({"text": "x" * 200}), FLASK, id="Flask, compressed"),
        pytest.param(cookie({}), FLASK, id="Flask, empty"),
        pytest.param(signed(b'{"b":1,"a":2}'), QUART, id="Quart"),
        pytest.param(starlette_cookie({"user": "ada", "n": 1}), STARLETTE, id="Starlette"),
        pytest.param(JWT_VALUE, JWT, id="JWT"),
        pytest.param("ada|" + "0" * 128, REMEMBER, id="remember_token"),
        pytest.param("k9a3qv0c8d7e6f5g4h3i2j1k0l9m8n7o", DJANGO, id="Django"),
        pytest.param("eyJhIjoxfQ:1r2b3C:aGVsbG8gd29ybGQtX2hlbGxv", DJANGO_SIGNED, id="Django, signed"),
        pytest.param("Zr0w-VnTzE0hSfFxNc2q3uQn4b1yK8mPj5oRt7vXw9A", FLASK_SESSION, id="Flask-Session"),
        pytest.param("0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", FLASK_SESSION, id="Flask-Session, older"),
        pytest.param(
            "Zr0w-VnTzE0hSfFxNc2q3uQn4b1yK8mPj5oRt7vXw9A." + "A" * 27, FLASK_SESSION, id="Flask-Session, signed"
        ),
        pytest.param("", UNKNOWN, id="nothing"),
        pytest.param("hello world", UNKNOWN, id="text"),
        pytest.param(signed(b"[]"), UNKNOWN, id="no object"),
        pytest.param(signed(b"{"), UNKNOWN, id="no JSON"),
        pytest.param(signed(b"\xff"), UNKNOWN, id="no text"),
        pytest.param(signed(b"[" * 100_000), UNKNOWN, id="too deep"),
        pytest.param(".e30.AAAA.AAAA", UNKNOWN, id="not compressed"),
    ],
)
def test_kinds(value: str, kind: str) -> None:
    """
    What isn't Flask's is named, and what to do with it.
    """
    assert kind_of(value) == kind
    result = inspect(input=value or "?", env={"SECRET_KEY": "secret"})
    assert kind in result.output
    assert ADVICE.get(kind, "") in result.output


def test_kind_of_flask_s_own() -> None:
    """
    A cookie of real Flask is recognized.
    """
    app = flask.Flask(__name__)
    app.secret_key = "secret"
    app.add_url_rule("/", view_func=lambda: str(flask.session.setdefault("user", "ada")))
    [line] = app.test_client().get("/").headers.getlist("Set-Cookie")
    result = inspect(f"Set-Cookie: {line}", env={"SECRET_KEY": "secret"})
    assert result.exit_code == 0
    assert FLASK in result.output


def test_key_that_is_no_text() -> None:
    """
    A key in the environment that isn't text is wrong usage.
    """
    result = inspect(cookie(), env={"SECRET_KEY": "\udcff"})
    assert result.exit_code == 2
    assert "not valid text" in result.output


def remember_cookie(key: str) -> str:
    return f"ada|{hmac.digest(key.encode('latin-1'), b'ada', 'sha512').hex()}"


@pytest.mark.parametrize(
    ("value", "keys", "verdict"),
    [
        pytest.param(starlette_cookie({"user": "ada"}), "secret", "key 1 of 1 has signed it", id="Starlette"),
        pytest.param(starlette_cookie({"user": "ada"}), "new\nsecret", "key 2 of 2 has signed it", id="older"),
        pytest.param(remember_cookie("secret"), "new\nsecret", "key 2 of 2 has signed it", id="remember"),
        pytest.param(
            remember_cookie("grün"), "schön\n\u0433\u0440\ngrün", "key 3 of 3 has signed it", id="not latin-1"
        ),
        pytest.param(
            remember_cookie("secret"), "other", "no key of these has signed it, or it is too old", id="another key"
        ),
    ],
)
def test_who_has_signed_it(value: str, keys: str, verdict: str, tmp_path: Path) -> None:
    """
    Of Starlette's cookie and the remember cookie it can be told which key has signed them.
    """
    path = tmp_path / "keys"
    path.write_text(keys)
    result = inspect(value, "--key-file", str(path))
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == f"verdict     not accepted: it is no session of Flask's; {verdict}"
    assert inspect(value).output.splitlines()[-1] == "verdict     not accepted: it is no session of Flask's"


class TestDemo:
    """
    What it serves is tested with the demo.
    """

    def demo(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["demo", *arguments])

    def test_serves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        It serves the demo, at the address that is given.
        """
        served: list[tuple[str, int]] = []
        monkeypatch.setattr("starlette_flask.demo.serve", lambda host, port: served.append((host, port)))
        assert self.demo().exit_code == 0
        assert self.demo("--host", "::1", "--port", "0").exit_code == 0
        assert served == [("127.0.0.1", 8000), ("::1", 0)]

    def test_without_its_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Without what it needs, a line names the extra.
        """
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        result = self.demo()
        assert result.exit_code == 1
        [line] = result.output.splitlines()
        assert line.startswith("Error: ")
        assert line.endswith("pip install 'starlette-flask[demo]'")

    def test_a_port_that_is_taken(self) -> None:
        """
        A port that somebody else has is a line, too.
        """
        pytest.importorskip("flask_admin")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = self.demo("--port", str(port))
        assert result.exit_code == 1
        assert result.output.startswith(f"Error: can't listen on 127.0.0.1, port {port}; try another --port (")
        assert len(result.output.splitlines()) == 1


def test_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    ``python -m starlette_flask`` is the command.
    """
    monkeypatch.setattr(sys, "argv", ["python", "--help"])
    with pytest.raises(SystemExit) as caught:
        importlib.import_module("starlette_flask.__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: starlette-flask ")
