"""
Cookies in ASGI headers: the only reader of ``Cookie``, the only writer of ``Set-Cookie`` and ``Vary``.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime

from starlette_flask.exceptions import ConfigError, ConfigTypeError

Header = tuple[bytes, bytes]

MAX_COOKIE_BYTES = 4093
"""A longer ``Set-Cookie`` value may be dropped by browsers, which then keep the old cookie. Werkzeug's limit."""

# RFC 6265, section 4.1.1: a name is a token; a path holds anything but control characters and ";".
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PATH = re.compile(r"/[!-:<-~ ]*")
_DOMAIN = re.compile(r"[0-9A-Za-z_.-]+")

# One cookie of a Cookie header, exactly as werkzeug.sansio.http.parse_cookie (3.1) sees it; a piece that
# doesn't fit is skipped up to the next semicolon. Written so that no run of spaces can be matched in two
# ways: Werkzeug's own expression takes quadratic time over spaces.
_PAIR = re.compile(
    rb"""
    [ \t]* ([^ \t=";]+) [ \t]*
    (?: = [ \t]* (?: ( "[^\\"]*(?:\\.[^\\"]*)*" | [^ \t";]+ ) [ \t]* )? )?
    (?: ; | \Z )
    """,
    re.DOTALL | re.VERBOSE,
)
_QUOTE, _SPACE, _TAB = b'" \t'  # numbers: looking for one takes a fifth of the time of looking for bytes
_SECONDS = re.compile(rb"-?[0-9]+")
# What a value may hold without quotes, and what needs a backslash within them (werkzeug.http.dump_cookie, 3.1).
_PLAIN_VALUE = re.compile(rb"[\w!#$%&'()*+\-./:<=>?@\[\]^`{|}~]*")
_SPECIAL = re.compile(rb"[\x00-\x1f\",;\\\x7f-\xff]")
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)


@dataclass(frozen=True)
class Cookie:
    """
    One cookie of ours: how to find it in a request, how to write it into a response.

    The lines it writes are those of ``werkzeug.http.dump_cookie`` (3.1), attribute by attribute.

    Args:
        name: An RFC 6265 token.
        path: Starts with ``/``.
        domain: A leading dot is dropped, as browsers and Werkzeug do; None binds the cookie to the host.
        secure: Send over HTTPS only.
        http_only: Hide from JavaScript.
        same_site: ``"lax"``, ``"strict"`` or ``"none"`` in any case, or None for no attribute.
        partitioned: Keep one cookie for each top-level site.

    Raises:
        ConfigError: A value would corrupt the header.
        ConfigTypeError: A value has the wrong type.
    """

    name: str
    path: str = "/"
    domain: str | None = None
    secure: bool = False
    http_only: bool = True
    same_site: str | None = None
    partitioned: bool = False

    _name: bytes = field(init=False, repr=False, compare=False)
    _prefix: bytes = field(init=False, repr=False, compare=False)
    _domain: bytes = field(init=False, repr=False, compare=False)
    _flags: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _fits(_NAME, self.name, "cookie name"):
            raise ConfigError(
                f"the cookie name {self.name!r} can't be used: no header can carry it;"
                " use letters, digits and !#$%&'*+-.^_`|~ (RFC 6265)"
            )
        if not _fits(_PATH, self.path, "cookie path"):
            raise ConfigError(
                f"the cookie path {self.path!r} can't be used;"
                " start it with / and percent-encode what is not ASCII, control characters and ';'"
            )
        domain = _ascii_domain(self.domain) if self.domain is not None else None
        if isinstance(self.same_site, str) and self.same_site.lower() not in ("lax", "strict", "none"):
            raise ConfigError(f"unknown same_site {self.same_site!r}; use 'lax', 'strict', 'none' or None")
        if not isinstance(self.same_site, (str, type(None))):
            raise ConfigTypeError(f"same_site must be str or None, not {type(self.same_site).__name__}")
        name = self.name.encode()
        flags = (
            ("; Secure" if self.secure else "")
            + ("; HttpOnly" if self.http_only else "")
            + f"; Path={self.path}"
            + (f"; SameSite={self.same_site.title()}" if self.same_site else "")
            + ("; Partitioned" if self.partitioned else "")
        )
        set_field = object.__setattr__  # the way of a frozen dataclass
        set_field(self, "domain", domain)
        set_field(self, "_name", name)
        set_field(self, "_prefix", name + b"=")
        set_field(self, "_domain", f"; Domain={domain}".encode("ascii") if domain else b"")
        set_field(self, "_flags", flags.encode("ascii"))

    def browser_refusal(self) -> str | None:
        """
        Return why browsers would refuse this cookie and what to change, or None if they wouldn't.

        The rules are those of RFC 6265bis, sections 4.1.3 and 5.7, and of CHIPS for Partitioned.
        """
        if self.same_site is not None and self.same_site.lower() == "none" and not self.secure:
            return "browsers refuse SameSite=None without Secure; set https_only=True (SESSION_COOKIE_SECURE)"
        if self.partitioned and not self.secure:
            return "browsers refuse Partitioned without Secure; set https_only=True (SESSION_COOKIE_SECURE)"
        prefix = self.name.lower()
        if prefix.startswith(("__host-", "__secure-")) and not self.secure:
            return f"browsers refuse {self.name} without Secure; set https_only=True (SESSION_COOKIE_SECURE)"
        if prefix.startswith("__host-") and (self.path != "/" or self.domain is not None):
            return f"browsers refuse {self.name} with a domain or a path other than /; drop them or the prefix __Host-"
        return None

    def find(self, headers: Iterable[Header]) -> bytes | None:
        """
        Return this cookie's value in a request, or None if it was not sent.

        The first of the name counts, over all ``cookie`` lines, as in Werkzeug. (Starlette takes the last.)

        Args:
            headers: The ASGI headers; the names are in lower case, as ASGI has them everywhere.
        """
        found = None
        for name, value in headers:
            if name == b"cookie":
                if found is not None:  # HTTP/2 clients may send each cookie by itself
                    return self._find_by_grammar(b";".join(value for name, value in headers if name == b"cookie"))
                found = value
        if found is None:
            return None
        at = found.find(self._name)
        if at < 0:
            return None
        # As browsers send it, so that what's next is found without parsing what's before: nothing quoted,
        # and the first mention of the name is the start of a cookie.
        if found.startswith(self._prefix, at) and (at == 0 or found.startswith(b"; ", at - 2)) and _QUOTE not in found:
            value, _, _ = found[at + len(self._prefix) :].partition(b";")
            if _SPACE not in value and _TAB not in value:
                return value
        return self._find_by_grammar(found)

    def _find_by_grammar(self, header: bytes) -> bytes | None:
        position = 0
        while position < len(header):
            match = _PAIR.match(header, position)
            if match is None:
                position = header.find(b";", position) + 1
                if position == 0:
                    break
                continue
            if match[1] == self._name:
                return _unquoted(match[2] or b"")
            position = match.end()
        return None

    def set(self, value: bytes, *, max_age: int | None = None, expires: float | None = None) -> bytes:
        """
        Return the ``Set-Cookie`` line that sets this cookie.

        Args:
            value: In URL-safe characters, or from `quoted`.
            max_age: Seconds to live, as ``Max-Age``.
            expires: Unix time of the end, as ``Expires``. Neither: until the browser is closed.
        """
        line = self._prefix + value + self._domain
        if expires is not None:
            line += f"; Expires={formatdate(expires, usegmt=True)}".encode("ascii")
        if max_age is not None:
            line += b"; Max-Age=%d" % max_age
        return line + self._flags

    def delete(self) -> bytes:
        """
        Return the ``Set-Cookie`` line that deletes this cookie: same name, domain, path and flags.
        """
        return self.set(b"", max_age=0, expires=0)

    def value_set_by(self, line: bytes, request_path: str) -> bytes | None:
        """
        Return the value that a ``Set-Cookie`` line gives to this very cookie, or None if it sets another.

        To a browser a cookie is its name, domain and path (RFC 6265, section 5.3), and its partition.
        A line that deletes it gives it an empty value, whatever else it says.

        Args:
            line: The header's value.
            request_path: The path that was asked for: a line without ``Path`` means its folder.
        """
        pair, *attributes = line.split(b";")
        name, _, value = pair.partition(b"=")
        if name.strip() != self._name:
            return None
        given = {key.strip().lower(): item.strip() for key, _, item in (each.partition(b"=") for each in attributes)}
        path = given.get(b"path", b"").decode("latin-1")
        if not path.startswith("/"):
            path = request_path[: request_path.rfind("/")] or "/"
        domain = given.get(b"domain", b"").decode("latin-1").lower().lstrip(".")
        is_this = (path, domain, b"partitioned" in given) == (
            self.path,
            (self.domain or "").lower(),
            self.partitioned,
        )
        if not is_this:
            return None
        return b"" if _is_expired(given) else _unquoted(value.strip())


def add_vary(headers: list[Header], name: bytes = b"Cookie") -> None:
    """
    Add *name* to the response's ``Vary``, unless it is there.

    Args:
        headers: The ASGI headers; changed in place.
        name: A header that the response depends on.
    """
    for index, (key, value) in enumerate(headers):
        if len(key) == 4 and key.lower() == b"vary":
            given = b",".join(value for key, value in headers if key.lower() == b"vary")
            if name.lower() not in (item.strip() for item in given.lower().split(b",")):
                headers[index] = (key, b"%b, %b" % (value, name) if value else name)
            return
    headers.append((b"vary", name))


def quoted(value: bytes) -> bytes:
    """
    Return *value* as a ``Set-Cookie`` line holds it: in quotes, with escapes, if it needs them.
    """
    if _PLAIN_VALUE.fullmatch(value):
        return value
    return b'"%b"' % _SPECIAL.sub(_escape, value)


def _escape(match: re.Match[bytes]) -> bytes:
    return b"\\" + match[0] if match[0] in b'"\\' else b"\\%03o" % match[0][0]


def _is_expired(attributes: Mapping[bytes, bytes]) -> bool:
    # RFC 6265, section 5.3: Max-Age comes first; what can't be read isn't there.
    max_age = attributes.get(b"max-age", b"")
    if _SECONDS.fullmatch(max_age):
        return max_age.startswith(b"-") or not max_age.strip(b"0")
    try:
        return parsedate_to_datetime(attributes[b"expires"].decode("latin-1")).timestamp() <= time.time()
    except (KeyError, TypeError, ValueError):
        return False


def _fits(pattern: re.Pattern[str], value: str, what: str) -> bool:
    if not isinstance(value, str):
        raise ConfigTypeError(f"the {what} must be str, not {type(value).__name__}")
    return pattern.fullmatch(value) is not None


def _ascii_domain(domain: str) -> str:
    if not isinstance(domain, str):
        raise ConfigTypeError(f"the cookie domain must be str or None, not {type(domain).__name__}")
    try:
        domain = domain.lstrip(".").encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise ConfigError(f"the cookie domain {domain!r} is not a domain name") from exc
    if not _DOMAIN.fullmatch(domain):
        raise ConfigError(
            f"the cookie domain {domain!r} can't be used; give a name such as 'example.com', without a port"
        )
    return domain


def _unquoted(value: bytes) -> bytes:
    if len(value) < 2 or value[0] != _QUOTE or value[-1] != _QUOTE:
        return value
    return _ESCAPE.sub(_unescape, value[1:-1])


def _unescape(match: re.Match[bytes]) -> bytes:
    return match[1] if len(match[1]) == 1 else bytes([int(match[1], 8)])
