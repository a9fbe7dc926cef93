"""
Looks at a Flask app and an ASGI app that are to share their users, and tells what would go wrong between them.

In a test of your own, with both apps set up:

    from starlette_flask.doctor import examine

    def test_users_are_shared():
        assert examine(flask_app, app) == []

A `Finding` has three texts, each a line: *check*, *what* and *fix*. ``starlette-flask doctor --json`` prints a list of
such objects, ``[]`` if there is nothing to say.

Nothing is changed, no page is asked for, and nothing is sent anywhere. Sessions are passed from one app to the other by
their own means, `SessionMiddleware` and the Flask app's session interface. Secrets are called key A, key B and so on.

What *check* can be:

- ``middleware``, ``order``, ``twice``, ``foreign``: the session middleware is missing or can't be made, is inside of
  what needs it, is there twice, or is somebody else's;
- ``flask``, ``cookie``, ``store``: the Flask app's session can't be shared, or isn't kept by any browser;
- ``session_cookie``, ``secret_key``, ``secret_key_fallbacks``, ``salt``, ``signer_kwargs``, ``serializer``, ``domain``,
  ``path``, ``partitioned``, ``lifetime``, ``max_age``, ``refresh_each_request``, ``same_site``, ``https_only``,
  ``http_only``: a setting of the two differs, by the keywords of `SessionConfig`;
- ``misspelt``: a config key that nobody reads;
- ``cookie_path``, ``allow_path_regex``, ``hidden_route``: the session doesn't come as far as a view;
- ``adapter``, ``other_flask_app``: how Flask is mounted, and what else is;
- ``login_middleware``, ``login``, ``remember_cookie``, ``login_view``, ``proxy``: Flask-Login's users;
- ``csrf_middleware``, ``csrf``, ``csrf_mount``: Flask-WTF's tokens;
- ``round_trip``: a session doesn't come through, though all settings agree;
- ``unknown``: something raised an exception when it was looked at.
"""

from collections.abc import Callable, Iterable
from typing import Any

from starlette_flask.doctor import csrf, login, middleware, mounts, paths, proxies, sessions, settings, stores
from starlette_flask.doctor.findings import Finding, where
from starlette_flask.doctor.pair import Pair
from starlette_flask.doctor.round_trip import round_trip

__all__ = ["Finding", "examine"]

Check = Callable[[Pair], Iterable[Finding]]

_OF_THE_SESSION: tuple[Check, ...] = (
    middleware.misbuilt,
    middleware.missing,
    stores.kept_elsewhere,
    sessions.refused,
    sessions.lost_at_once,
    sessions.differences,
    middleware.twice,
    middleware.foreign,
)
_OTHERS: tuple[Check, ...] = (
    middleware.order,
    settings.misspelt,
    paths.cookie_path,
    paths.allowed_paths,
    paths.hidden_routes,
    mounts.adapters,
    mounts.other_flask_apps,
    login.no_middleware,
    login.managers,
    login.login_views,
    proxies.proxies,
    csrf.no_guard,
    csrf.tokens,
    csrf.guarded_mounts,
)


def examine(flask_app: Any, asgi_app: Any) -> list[Finding]:
    """
    Return what is wrong between a Flask app and the ASGI app that is to share its users; nothing if they are sound.

    Args:
        flask_app: The Flask (or Quart) app, set up, extensions and all.
        asgi_app: The Starlette or FastAPI app, with what is around it. It needn't have answered yet.
    """
    try:
        pair = Pair(flask_app, asgi_app)
    except (Exception, SystemExit) as exc:  # whatever the objects do when they are looked at
        return [_unknown("the two apps", exc)]
    findings = _found_by(_OF_THE_SESSION, pair)
    if not findings:
        findings = _found_by((round_trip,), pair)
    # Many places have the same to say.
    return list(dict.fromkeys(findings + _found_by(_OTHERS, pair)))


def _found_by(checks: Iterable[Check], pair: Pair) -> list[Finding]:
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check(pair)
        except (Exception, SystemExit) as exc:
            findings.append(_unknown(f"{check.__module__.rpartition('.')[2]}, {check.__name__}", exc))
    return findings


def _unknown(what: str, exc: BaseException) -> Finding:
    return Finding(
        "unknown",
        f"{what}: can't be looked at, {type(exc).__name__} in {where(exc)}",
        "see what is raised there; if it is in starlette_flask, tell its maintainers",
    )
