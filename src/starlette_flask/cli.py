"""
The command ``starlette-flask``.
"""

import json
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from pprint import pformat

try:
    import click
except ImportError as exc:
    raise ImportError("the command needs click: pip install starlette-flask[cli]") from exc

from itsdangerous import BadData

from starlette_flask.cookie_kinds import ADVICE, FLASK, QUART, REMEMBER, STARLETTE, UNKNOWN, kind_of, payload_of
from starlette_flask.doctor import examine, importing
from starlette_flask.exceptions import ConfigError
from starlette_flask.formats.cookies import MAX_COOKIE_BYTES
from starlette_flask.formats.serializer import SessionSerializer
from starlette_flask.formats.signing import Refusal, base64_decode
from starlette_flask.formats.starlette_cookies import StarletteCookies
from starlette_flask.formats.tagged_json import TaggedJSONSerializer
from starlette_flask.login.remember_cookie import RememberCookie

_MONTH = int(timedelta(days=31).total_seconds())
_PASTED = re.compile(r"\s*(?:set-)?cookie:", re.IGNORECASE)


class _WrongUsage(click.ClickException):
    """
    Wrong usage, said in one line.
    """

    exit_code = 2


@click.group()
def main() -> None:
    """
    Tools for apps of Flask and Starlette that share their sessions.
    """


@main.command()
@click.argument("cookie", default="-")
@click.option("--name", default="session", show_default=True, help="The cookie to look at in a pasted line.")
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Holds the secret key in its first line, and older ones in further lines.",
)
@click.option("--ask", is_flag=True, help="Ask for the secret key.")
@click.option("--salt", default="cookie-session", show_default=True, help="Of the session interface.")
@click.option("--max-age", default=_MONTH, show_default="31 days", help="The accepted age, in seconds.")
@click.pass_context
def inspect(
    context: click.Context, cookie: str, name: str, key_file: Path | None, ask: bool, salt: str, max_age: int
) -> None:
    """
    Show what COOKIE says, and whether it would be accepted.

    COOKIE is a value, or a pasted line, Cookie: or Set-Cookie:. Without it, or for -, it is read from standard input.

    The secret key is taken from the environment, SECRET_KEY or else FLASK_SECRET_KEY, or as an option says; never from
    the command line, where others can see it. Without one nothing is verified.

    Exits with 0 if the cookie would be accepted, with 1 if not.
    """
    value = _value_in(sys.stdin.read() if cookie == "-" else cookie, name)
    if not value:
        raise click.UsageError(f"there is no cookie {name!r} in that; give its value, or another --name")
    keys = _keys(key_file, ask)
    kind = kind_of(value)
    click.echo(f"looks like  {kind}")
    if kind in ADVICE:
        click.echo(f"            {ADVICE[kind]}")
    if kind in (FLASK, QUART):
        _show(value)
    size = len(name) + 1 + len(value)
    click.echo(f"size        {size} bytes, without attributes; browsers drop a line over {MAX_COOKIE_BYTES}")
    if kind in (FLASK, QUART, UNKNOWN):
        verdict, is_accepted = _judge(value, keys, salt, max_age)
    else:
        verdict, is_accepted = f"not accepted: it is no session of Flask's{_signed_by(value, kind, keys)}", False
    click.echo(f"verdict     {verdict}")
    context.exit(0 if is_accepted else 1)


def _value_in(text: str, name: str) -> str:
    """
    Return the value in what somebody has pasted.
    """
    text = text.strip()
    is_line = _PASTED.match(text) is not None
    pairs = [pair.strip().partition("=") for pair in _PASTED.sub("", text, count=1).split(";")]
    named = [value for key, _, value in pairs if key == name]
    if named:
        return named[0].strip('"')
    return "" if is_line else text.strip('"')


def _keys(key_file: Path | None, ask: bool) -> list[str]:
    if key_file is not None:
        return [line for line in key_file.read_text().splitlines() if line]
    if ask:
        return [click.prompt("Secret key", hide_input=True, err=True)]
    key = os.environ.get("SECRET_KEY") or os.environ.get("FLASK_SECRET_KEY")
    return [key] if key else []


def _show(value: str) -> None:
    payload = payload_of(value)
    try:
        data = TaggedJSONSerializer().loads(payload or "")
    except Exception:  # a tag may hold anything; so it is shown as it is
        data = payload
    content = pformat(data, width=100, sort_dicts=False).replace("\n", "\n            ")
    click.echo(f"content     {content}")
    try:
        signed_at = int.from_bytes(base64_decode(value.rsplit(".", 2)[1].encode()), "big")
        moment = datetime.fromtimestamp(signed_at, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):
        return
    ago = timedelta(seconds=abs(int(time.time()) - signed_at))
    click.echo(f"signed      {moment:%Y-%m-%d %H:%M:%S} UTC, {ago} {'ago' if signed_at <= time.time() else 'ahead'}")


def _judge(value: str, keys: list[str], salt: str, max_age: int) -> tuple[str, bool]:
    if not keys:
        return "not verified: no secret key; set SECRET_KEY, or use --key-file or --ask", False
    reason: str | Refusal | BadData = ""
    for number, key in enumerate(keys, start=1):
        try:
            serializer = SessionSerializer(key, salt=salt)
        except ConfigError as exc:
            raise click.UsageError(str(exc)) from exc
        payload = serializer.check(value.encode(), max_age)
        if isinstance(payload, Refusal):
            if payload.reason_class in ("expired", "future"):
                return str(payload), False
            reason = reason if payload.reason_class == "signature" and reason else payload
            continue
        try:
            serializer.load_payload(payload)
        except BadData as exc:
            return f"rejected: {exc}", False
        return f"accepted, by key {number} of {len(keys)}", True
    bare = next((number for number, key in enumerate(keys, start=1) if _is_bare_key_of(value, key, salt)), None)
    hint = f"; key {bare} would, without the white space or quotes around it" if bare else ""
    return f"rejected: {reason}{hint}", False


def _is_bare_key_of(value: str, key: str, salt: str) -> bool:
    # What a file of the environment, or a shell, has left there.
    bare = key.strip().strip("'\"").strip()
    if bare in ("", key):
        return False
    payload = SessionSerializer(bare, salt=salt).check(value.encode())
    return not (isinstance(payload, Refusal) and payload.reason_class == "signature")


def _signed_by(value: str, kind: str, keys: list[str]) -> str:
    """
    Return which key has signed what isn't a session of Flask's, where that can be told.
    """
    if kind not in (REMEMBER, STARLETTE) or not keys:
        return ""
    for number, key in enumerate(keys, start=1):
        with suppress(ConfigError):  # a key that can't have signed it
            if kind == STARLETTE and StarletteCookies([key]).loads(value.encode()) is not None:
                return f"; key {number} of {len(keys)} has signed it"
            if kind == REMEMBER and _remember_cookie(key).user_id(value.encode()) is not None:
                return f"; key {number} of {len(keys)} has signed it"
    return "; no key of these has signed it, or it is too old"


def _remember_cookie(key: str) -> RememberCookie:
    return RememberCookie(
        key, name="remember", duration=1, domain=None, path="/", secure=False, httponly=True, samesite=None
    )


@main.command()
@click.argument("flask_app")
@click.argument("asgi_app")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects, each with check, what and fix.")
@click.option("--ignore", multiple=True, metavar="CHECK", help="Say nothing of this check; may be given repeatedly.")
@click.pass_context
def doctor(context: click.Context, flask_app: str, asgi_app: str, as_json: bool, ignore: tuple[str, ...]) -> None:
    """
    Tell what would go wrong between FLASK_APP and ASGI_APP, each given as module:attribute.

    Both are imported, as servers do it. What each would send and accept is compared, and a session is passed from one
    to the other and back. No page is asked for, and nothing is changed.

    A line for each finding says what is wrong, what users would notice, and the fix. Secrets are called key A, key B
    and so on, in the order in which they come.

    Exits with 0, and says nothing, if the two are sound; with 1 if they aren't; with 2 if one can't be imported.
    """
    with importing.only_ours_on_stdout() as out:
        try:
            theirs, ours = importing.flask_app(flask_app), importing.asgi_app(asgi_app)
        except importing.CannotImport as exc:
            raise _WrongUsage(str(exc)) from exc
        findings = [finding for finding in examine(theirs, ours) if finding.check not in ignore]
        if as_json:
            click.echo(json.dumps([asdict(finding) for finding in findings], indent=2), file=out)
        else:
            for finding in findings:
                click.echo(str(finding), file=out)
    context.exit(1 if findings else 0)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8000, show_default=True, help="Where to listen; 0 is any that is free.")
def demo(host: str, port: int) -> None:
    """
    Serve a shop, half Flask and half FastAPI, to try things out.
    """
    from starlette_flask.demo import serve  # here, since the other commands don't need it

    try:
        serve(host, port)
    except ImportError as exc:  # which names the extra
        raise click.ClickException(str(exc)) from exc
    except OSError as exc:
        raise click.ClickException(f"can't listen on {host}, port {port}; try another --port ({exc})") from exc
