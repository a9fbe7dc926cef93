"""
Is a form of one app accepted by the other, and a forged one by neither?
"""

from collections.abc import Iterator
from typing import Any

from starlette_flask.csrf import CSRFConfig
from starlette_flask.doctor.findings import Finding, reason_of
from starlette_flask.doctor.pair import Pair
from starlette_flask.doctor.places import Kind, Layer, Place
from starlette_flask.exceptions import ConfigError

_FROM_FLASK = "app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app))"
_PROTECT = ("starlette_flask.csrf.csrf_protect",)

# What a user notices if the two differ in this.
_REFUSED = "a form that one app renders is refused by the other"
_NOTICED = {
    "secret_key": _REFUSED,
    "field_name": _REFUSED,
    "headers": "scripts that send the token in a header are refused by one app",
    "methods": "one app lets forged requests through",
    "time_limit": "a form that was open for a while is refused by one app only",
    "ssl_strict": "one app refuses requests without the right Referer, and the other doesn't",
    "enabled": "one app lets forged requests through",
    "check_default": "one app lets forged requests through",
}


def no_guard(pair: Pair) -> Iterator[Finding]:
    """
    Views that change something, without the guard that those of Flask have.
    """
    for place in pair.places:
        if place.depends_on(_PROTECT) and not place.of(Kind.CSRF):
            what = f"{place.shown} depends on csrf_protect, without CSRFMiddleware around it: it ends in an error"
            yield Finding("csrf_middleware", what, _FROM_FLASK)
            return
    theirs = _theirs(pair)
    if not (isinstance(theirs, CSRFConfig) and theirs.enabled and theirs.check_default and _guards(pair.flask_app)):
        return
    for place in pair.places:
        unsafe = sorted(place.methods & frozenset(theirs.methods))
        is_guarded = any("csrf" in layer.name.lower() for layer in place.layers)  # by ours or another
        if unsafe and place.needs_session and not (is_guarded or _is_exempt(place)):
            yield Finding(
                "csrf_middleware",
                f"{unsafe[0]} {place.shown} is not guarded as Flask's views are, by Flask-WTF: a page of another site"
                " can send it in a user's name",
                _FROM_FLASK,
            )
            return


def tokens(pair: Pair) -> Iterator[Finding]:
    """
    Tokens of one app that aren't good in the other.
    """
    parts = [layer.part for layer in pair.layers(Kind.CSRF) if layer.part is not None]
    theirs = _theirs(pair)
    if not parts or theirs is None:
        return
    if isinstance(theirs, ConfigError):
        why, fix = reason_of(theirs)
        yield pair.finding("csrf", f"Flask-WTF's tokens can't be shared: {why}", fix)
        return
    for part in parts:
        mine, others = _comparable(part.config), _comparable(theirs)
        for name, noticed in _NOTICED.items():
            if mine[name] != others[name]:
                shown = [
                    pair.keys.name(each[name]) if name == "secret_key" else _shown(each[name])
                    for each in (others, mine)
                ]
                what = f"{name} of CSRF tokens is {shown[0]} in Flask and {shown[1]} in the ASGI app: {noticed}"
                yield pair.finding("csrf", what, _FROM_FLASK)


def guarded_mounts(pair: Pair) -> Iterator[Finding]:
    """
    A guard around the Flask app that refuses what Flask takes; and one that is told of a mount that isn't there.
    """
    for place in pair.places:
        for layer in place.of(Kind.CSRF):
            for at, app in place.flask_apps if layer.part is not None else ():
                page = _refused_page(layer, at, app)
                if page is not None:
                    mount = place.path.removeprefix(layer.path) or "/"
                    yield Finding(
                        "csrf_mount",
                        f"CSRFMiddleware is around the Flask app at {place.shown}, and refuses {page}, for which Flask"
                        " asks no token",
                        f'CSRFMiddleware(..., exempt_mounts=("{mount}",)), and flask_wtf.CSRFProtect in the Flask app',
                    )
    for layer in pair.layers(Kind.CSRF):
        around = [place for place in pair.places if layer in place.layers]
        for mount in sorted(getattr(layer.part, "_exempt_mounts", ())):
            path = layer.path + mount
            is_there = [
                (place.route is None and place.path == path) or place.path.startswith(f"{path}/") for place in around
            ]
            if not any(is_there):
                yield pair.finding(
                    "csrf_mount",
                    f"exempt_mounts of CSRFMiddleware names {mount or '/'}, where nothing is mounted: what it is meant"
                    " for is refused without a token",
                    "give the path as it is in app.mount(...)",
                )


def _theirs(pair: Pair) -> CSRFConfig | ConfigError | None:
    """
    Return Flask-WTF's settings in the Flask app, or what is wrong with them; None if nothing speaks for it.
    """
    config = pair.flask_app.config
    if not _guards(pair.flask_app) and not any(str(key).startswith("WTF_CSRF_") for key in config):
        return None
    try:
        return CSRFConfig.from_flask(pair.flask_app)
    except ConfigError as exc:
        return exc


def _guards(flask_app: Any) -> bool:
    return "csrf" in getattr(flask_app, "extensions", ())


def _comparable(config: CSRFConfig) -> dict[str, Any]:
    return {
        **{name: getattr(config, name) for name in _NOTICED},
        "secret_key": config._key_bytes[0],
        "headers": frozenset(header.lower() for header in config.headers),
    }


def _shown(value: Any) -> str:
    return f"[{', '.join(map(repr, sorted(value)))}]" if isinstance(value, frozenset) else repr(value)


def _is_exempt(place: Place) -> bool:
    endpoint = getattr(place.route, "endpoint", None)
    return getattr(endpoint, "__dict__", {}).get("_csrf_exempt") is True


def _refused_page(layer: Layer, at: str, app: Any) -> str | None:
    """
    Return a page of the Flask app that takes requests without a token, and gets none through the guard.
    """
    guard = app.extensions.get("csrf")
    views = getattr(guard, "_exempt_views", ())
    blueprints = getattr(guard, "_exempt_blueprints", ())
    for rule in app.url_map.iter_rules():
        view = app.view_functions.get(rule.endpoint)
        name = f"{getattr(view, '__module__', '')}.{getattr(view, '__name__', '')}"
        blueprint = rule.endpoint.rpartition(".")[0]
        # Flask-WTF had the names of blueprints before 1.1.
        is_exempt = name in views or blueprint in blueprints or app.blueprints.get(blueprint) in blueprints
        is_free = "csrf" not in app.extensions or is_exempt
        for method in sorted(rule.methods or ()):
            path = at.removeprefix(layer.path) + rule.rule
            scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
            if is_free and layer.part._is_guarded(scope):
                return f"{method} {rule.rule}"
    return None
