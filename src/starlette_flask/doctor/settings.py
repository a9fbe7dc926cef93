"""
Are there config keys in the Flask app that nobody reads?
"""

from collections.abc import Iterator
from difflib import get_close_matches

from starlette_flask.doctor.findings import Finding
from starlette_flask.doctor.pair import Pair

_COOKIE = "NAME DOMAIN PATH HTTPONLY SECURE SAMESITE"
_CSRF = "ENABLED CHECK_DEFAULT SECRET_KEY FIELD_NAME HEADERS METHODS META_NAME TIME_LIMIT SSL_STRICT"
_STORE = "TYPE PERMANENT USE_SIGNER KEY_PREFIX ID_LENGTH SERIALIZATION_FORMAT"
_KNOWN = (
    "SECRET_KEY_FALLBACKS",
    "PERMANENT_SESSION_LIFETIME",
    "APPLICATION_ROOT",
    "SESSION_REFRESH_EACH_REQUEST",
    *(f"SESSION_COOKIE_{name}" for name in f"{_COOKIE} PARTITIONED".split()),
    # Flask-Login
    "SESSION_PROTECTION",
    "USE_SESSION_FOR_NEXT",
    *(f"REMEMBER_COOKIE_{name}" for name in f"{_COOKIE} DURATION REFRESH_EACH_REQUEST".split()),
    # Flask-WTF
    *(f"WTF_CSRF_{name}" for name in _CSRF.split()),
    # Flask-Session
    *(f"SESSION_{name}" for name in _STORE.split()),
)
# What is called otherwise elsewhere, in Django and in Starlette.
_ELSEWHERE = {
    "SESSION_COOKIE_AGE": "PERMANENT_SESSION_LIFETIME",
    "SESSION_COOKIE_MAX_AGE": "PERMANENT_SESSION_LIFETIME",
    "SESSION_REFRESH_EVERY_REQUEST": "SESSION_REFRESH_EACH_REQUEST",
}
# A key that is meant for one of these has at least one of the words.
_WORDS = ("SESSION", "COOKIE", "CSRF", "FALLBACK", "APPLICATION_ROOT")


def misspelt(pair: Pair) -> Iterator[Finding]:
    """
    A key that is nearly one that would be read.
    """
    for key in map(str, pair.flask_app.config):
        name = key.upper()
        if key in _KNOWN or not any(word in name for word in _WORDS):
            continue
        for close in [_ELSEWHERE[name]] if name in _ELSEWHERE else get_close_matches(name, _KNOWN, 1, 0.9):
            yield pair.finding(
                "misspelt",
                f"nobody reads the Flask app's config key {key}: sessions are as if it weren't there",
                f"write {close}",
            )
