"""
What a configuration's values must be. What they are called is said in the error.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from email.utils import formatdate
from enum import Enum
from time import time
from typing import Any, TypeVar

from starlette.datastructures import Secret

from starlette_flask.exceptions import ConfigError, ConfigTypeError

C = TypeVar("C")


class Unset(Enum):
    """
    Tells "not given" from None, which means something of its own for several options.
    """

    UNSET = "not given"


UNSET = Unset.UNSET


def one_config(kind: type[C], config: C | None, keywords: Mapping[str, Any]) -> C:
    """
    Return the configuration that a middleware is given: *config*, or one of the keywords that are set.
    """
    given = {name: value for name, value in keywords.items() if value is not UNSET}
    if config is None:
        return kind(**{"secret_key": None, **given})
    if not isinstance(config, kind):
        raise ConfigTypeError(f"config must be a {kind.__name__}, not {type(config).__name__}")
    if given:
        raise ConfigError(f"config says it all; drop it or {', '.join(given)}")
    return config


def pattern(value: str | re.Pattern[str], what: str) -> re.Pattern[str]:
    """
    Return a regular expression, compiled.
    """
    if not isinstance(getattr(value, "pattern", value), str):
        raise ConfigTypeError(f"{what} must be str or a compiled pattern of str, not {value!r}")
    try:
        return re.compile(value)
    except re.error as exc:
        raise ConfigError(f"{what}={value!r} is not a regular expression: {exc}") from exc


def names(value: Any, what: str) -> tuple[str, ...]:
    """
    Return a list of names as a tuple.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ConfigTypeError(f"{what} must be a list of names, not {value!r}")
    listed = tuple(value)
    if not all(isinstance(name, str) and name for name in listed):
        raise ConfigTypeError(f"{what} must hold names only, not {listed!r}")
    return listed


def plain_key(key: Any) -> Any:
    """
    Return a secret key without the `Secret` around it.
    """
    if key is None:
        raise ConfigError("no secret key; set secret_key (SECRET_KEY) to the Flask app's")
    return str(key) if isinstance(key, Secret) else key


def plain_fallbacks(fallbacks: Any, what: str = "secret_key_fallbacks (SECRET_KEY_FALLBACKS)") -> tuple[Any, ...]:
    """
    Return older secret keys without the `Secret` around them.
    """
    if fallbacks is None:  # Flask's default
        return ()
    if isinstance(fallbacks, (str, bytes, Secret)) or not isinstance(fallbacks, Iterable):
        raise ConfigTypeError(f"{what} must be a list of keys; of a bare string each character would become a key")
    return tuple(str(key) if isinstance(key, Secret) else key for key in fallbacks)


def key_bytes(*keys: Any) -> tuple[bytes, ...]:
    """
    Return keys as itsdangerous takes them: ``str`` as UTF-8.
    """
    return tuple(key.encode() if isinstance(key, str) else key for key in keys)


def flag(value: Any, what: str) -> bool:
    """
    Return *value* as a bool, unless it is text.
    """
    if isinstance(value, (str, bytes)):  # of the environment, mostly, where "False" is true
        raise ConfigTypeError(f"{what} must be True or False, not the text {value!r}")
    return bool(value)


def duration(value: Any, what: str) -> timedelta:
    """
    Return seconds or a timedelta as a timedelta that ends at a date which a cookie can carry.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            value = timedelta(seconds=value)
        except OverflowError as exc:
            raise ConfigError(f"{what} is too long to be a date; give fewer seconds") from exc
    if not isinstance(value, timedelta):
        raise ConfigTypeError(f"{what} must be whole seconds or a timedelta, not {type(value).__name__}")
    try:
        formatdate(time() + value.total_seconds())
    except (OverflowError, OSError, ValueError) as exc:
        raise ConfigError(f"{what} ends after the year 9999; give a shorter one") from exc
    return value
