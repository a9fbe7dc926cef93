"""
Does the cookie mean the same to both?
"""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from starlette_flask.checks import Unset
from starlette_flask.config import SessionConfig
from starlette_flask.doctor.findings import FROM_FLASK, STRANGER, Finding, Keys
from starlette_flask.doctor.pair import Pair
from starlette_flask.flask_settings import InAppContext
from starlette_flask.formats.tagged_json import TaggedJSONSerializer

_TWICE = "users get two sessions, and logging out ends one of them"

# What a user notices if the two differ in this.
_NOTICED = {
    "session_cookie": STRANGER,
    "secret_key": STRANGER,
    "secret_key_fallbacks": "users whose cookie an older key has signed are logged out in one app",
    "salt": STRANGER,
    "signer_kwargs": STRANGER,
    "serializer": "what is in a session changes its type, or is lost, from one app to the other",
    "domain": _TWICE,
    "path": _TWICE,
    "partitioned": _TWICE,
    "lifetime": "users are logged out earlier in one app than in the other",
    "max_age": "browsers keep the cookie of one app longer than that of the other",
    "refresh_each_request": "a permanent session runs out for those who use one app only",
    "same_site": "links, forms and frames of other sites find users logged in after visits to one app only",
    "https_only": "one app lets browsers send the cookie over plain HTTP",
    "http_only": "one app shows the cookie to JavaScript",
}


def refused(pair: Pair) -> Iterator[Finding]:
    """
    A Flask app whose session nobody else can have.
    """
    if pair.refusal is not None and not pair.is_kept_by_itself:
        why, fix = pair.refusal
        yield pair.finding("flask", f"the Flask app's session can't be shared, {STRANGER}: {why}", fix)


def lost_at_once(pair: Pair) -> Iterator[Finding]:
    """
    A cookie that both agree on, and no browser keeps, or that is too old the moment it is sent.
    """
    if pair.theirs is None:
        return
    age = pair.theirs.accepted_age
    if age is not None and age < 1:
        what = f"sessions are accepted for {age} seconds: users are logged out at once"
        yield Finding("cookie", what, "set PERMANENT_SESSION_LIFETIME of the Flask app to seconds, or to a timedelta")
    if refusal := pair.theirs.cookie.browser_refusal():
        why, _, fix = refusal.partition("; ")
        yield pair.finding("cookie", f"users can't stay logged in: {why}", f"in the Flask app's config, {fix}")


def differences(pair: Pair) -> Iterator[Finding]:
    """
    Settings that differ.
    """
    if pair.theirs is None or not pair.configs:
        return
    name = pair.theirs.session_cookie
    # Middleware with a cookie of another name is for other users, unless there is none for Flask's.
    for config in [config for config in pair.configs if config.session_cookie == name] or pair.configs[:1]:
        if getattr(config.store, "flask_app", None) is None:  # which decides of the cookie as well
            yield from _differences(config, pair.theirs, pair.keys)


def _differences(ours: SessionConfig, theirs: SessionConfig, keys: Keys) -> Iterator[Finding]:
    mine, others = _comparable(ours), _comparable(theirs)
    for keyword in _NOTICED:
        if keyword not in mine or keyword not in others:  # where sessions are kept on a server
            continue
        value, other = mine[keyword], others[keyword]
        if _meant(keyword, mine) == _meant(keyword, others) or _is_rotation(keyword, mine, others):
            continue
        shown = _shown(keyword, other, keys), _shown(keyword, value, keys)
        yield Finding(
            keyword,
            f"{keyword} is {shown[0]} in Flask and {shown[1]} in the ASGI app{_hint(keyword, value, other)}:"
            f" {_NOTICED[keyword]}",
            f"{FROM_FLASK}{_keyword(keyword, others)}",
        )


def _comparable(config: SessionConfig) -> dict[str, Any]:
    return {
        **config.identity(),
        "lifetime": config.accepted_age,
        "max_age": None if isinstance(config.max_age, Unset) else config.max_age,
        "refresh_each_request": config.refresh_each_request,
        "same_site": config.same_site,
        "https_only": config.https_only,
        "http_only": config.http_only,
    }


def _meant(keyword: str, config: dict[str, Any]) -> Any:
    """
    Return of a setting what makes a difference for users.
    """
    value = config[keyword]
    if keyword == "secret_key_fallbacks":
        return {*value} - {config["secret_key"]}  # they are tried in any order
    if keyword == "signer_kwargs":
        return value["key_derivation"], value["digest_method"](b"probe").digest()
    if keyword != "serializer":
        return value
    serializer = _plain(value)
    if isinstance(serializer, TaggedJSONSerializer):
        # The order of keys and escapes in JSON are read all the same.
        return [*map(type, serializer.order)], _own_provider(serializer)
    return serializer if isinstance(serializer, ModuleType) else type(serializer)


def _own_provider(serializer: TaggedJSONSerializer) -> type | None:
    # Flask 2.2 has a provider of Flask's for its own settings.
    provider = type(serializer._writes_as[2])
    return None if provider.__module__ in ("builtins", "flask.json.provider") else provider


def _is_rotation(keyword: str, mine: dict[str, Any], others: dict[str, Any]) -> bool:
    """
    Tell whether the two sign with different keys, and each accepts what the other signs or ever has signed.
    """
    if keyword not in ("secret_key", "secret_key_fallbacks"):
        return False
    return {mine["secret_key"], *mine["secret_key_fallbacks"]} == {
        others["secret_key"],
        *others["secret_key_fallbacks"],
    }


def _shown(keyword: str, value: Any, keys: Keys) -> str:
    if keyword == "secret_key":
        return keys.name(value)
    if keyword == "salt":
        return keys.name(value, "salt")
    if keyword == "secret_key_fallbacks":
        return f"[{', '.join(map(keys.name, value))}]"
    if keyword == "signer_kwargs":
        return f"{value['key_derivation']}/{getattr(value['digest_method'], '__name__', 'another digest')}"
    if keyword == "serializer":
        return _name_of(_plain(value))
    if keyword in ("lifetime", "max_age") and value is not None:
        return f"{value} s"
    return keys.shown(value)


def _name_of(serializer: Any) -> str:
    if not isinstance(serializer, TaggedJSONSerializer):
        kind = type(serializer)
        return serializer.__name__ if isinstance(serializer, ModuleType) else f"{kind.__module__}.{kind.__qualname__}"
    own = [type(tag).__name__ for tag in serializer.order if type(tag) not in TaggedJSONSerializer.default_tags]
    provider = _own_provider(serializer)
    return "tagged JSON" + (f" with {', '.join(own)}" if own else "") + (f" by {provider.__name__}" if provider else "")


def _keyword(keyword: str, theirs: dict[str, Any]) -> str:
    """
    Return the keyword that would do as well, unless that isn't for everybody's eyes.
    """
    if keyword in ("session_cookie", "secret_key", "secret_key_fallbacks", "salt", "signer_kwargs", "serializer"):
        return ""
    if keyword == "max_age":
        return "; or leave out max_age"
    return f"; or {'permanent_session_lifetime' if keyword == 'lifetime' else keyword}={theirs[keyword]!r}"


def _hint(keyword: str, value: Any, other: Any) -> str:
    if keyword == "secret_key" and _bare(value) == _bare(other):
        return " (but for white space or quotes around it)"
    return ""


def _bare(key: bytes) -> bytes:
    return key.strip().strip(b"'\"").strip()


def _plain(serializer: Any) -> Any:
    return serializer.serializer if isinstance(serializer, InAppContext) else serializer
