"""
What a configuration's values must be. What they are called is said in the error.
"""

from datetime import timedelta
from email.utils import formatdate
from time import time
from typing import Any

from starlette.datastructures import Secret

from starlette_flask.exceptions import ConfigError, ConfigTypeError


def plain_key(key: Any) -> Any:
    """
    Return a secret key without the `Secret` around it.
    """
    if key is None:
        raise ConfigError("no secret key; set secret_key (SECRET_KEY) to the Flask app's")
    return str(key) if isinstance(key, Secret) else key


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
