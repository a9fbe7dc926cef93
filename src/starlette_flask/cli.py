"""
The command ``starlette-flask``.
"""

import os
import re
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from pprint import pformat

try:
    import click
except ImportError as exc:
    raise ImportError("the command needs click: pip install starlette-flask[cli]") from exc

from itsdangerous import BadData

from starlette_flask.cookie_kinds import ADVICE, FLASK, QUART, UNKNOWN, kind_of, payload_of
from starlette_flask.exceptions import ConfigError
from starlette_flask.formats.cookies import MAX_COOKIE_BYTES
from starlette_flask.formats.serializer import SessionSerializer
from starlette_flask.formats.signing import Refusal, base64_decode
from starlette_flask.formats.tagged_json import TaggedJSONSerializer

_MONTH = int(timedelta(days=31).total_seconds())
_PASTED = re.compile(r"\s*(?:set-)?cookie:", re.IGNORECASE)


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
        verdict, is_accepted = "not accepted: it is no session of Flask's", False
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
    return f"rejected: {reason}", False
