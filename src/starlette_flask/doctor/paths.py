"""
Does the session come as far as the views?
"""

from collections.abc import Iterator

from starlette_flask.doctor.findings import STRANGER, Finding
from starlette_flask.doctor.pair import Pair
from starlette_flask.doctor.places import Kind, Place


def is_sent(cookie_path: str, path: str) -> bool:
    """
    Tell whether browsers send a cookie to a path (RFC 6265, section 5.1.4).
    """
    return path == cookie_path or path.startswith(cookie_path if cookie_path.endswith("/") else f"{cookie_path}/")


def cookie_path(pair: Pair) -> Iterator[Finding]:
    """
    Views that browsers don't send the cookie to.
    """
    if pair.theirs is None:
        return
    path = pair.theirs.path
    outside = [place for place in pair.places if place.needs_session and not is_sent(path, place.url_path)]
    outside += [place for place in pair.places if _is_flask_outside(pair, place, path)]
    if outside:
        yield pair.finding(
            "cookie_path",
            f"the cookie's path is {path}, and browsers don't send it to {outside[0].url_path}: users are strangers"
            " there",
            'set SESSION_COOKIE_PATH = "/" in the Flask app; or say what needs no session, by allow_path_regex of'
            " SessionMiddleware, or what a proxy puts before all paths, by UVICORN_ROOT_PATH in the environment",
        )


def _is_flask_outside(pair: Pair, place: Place, path: str) -> bool:
    """
    Tell whether none of the mounted Flask app's pages gets the cookie. Which of them need it only the app knows.
    """
    pages = [
        place.root_path + at + rule.rule
        for at, app in place.flask_apps
        if pair.is_same(app)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.rpartition(".")[2] != "static"
    ]
    return bool(pages) and not any(is_sent(path, page) for page in pages)


def allowed_paths(pair: Pair) -> Iterator[Finding]:
    """
    A regular expression that leaves no view with a session, or doesn't match where it begins to.
    """
    for layer in pair.layers(Kind.SESSIONS):
        allowed = getattr(layer.part, "_allowed_path", None)
        if allowed is None:
            continue
        around = [place for place in pair.places if layer in place.layers and not place.is_docs]
        matched = [place for place in around if any(map(allowed.fullmatch, place.examples()))]
        begun = [place for place in around if place not in matched and any(map(allowed.match, place.examples()))]
        if around and not matched:
            what = f"allow_path_regex matches no path of the ASGI app whole: {STRANGER}"
        elif begun:
            what = (
                f"allow_path_regex matches {begun[0].shown} in its beginning only, and not whole: users are"
                " strangers there"
            )
        else:
            continue
        yield Finding(
            "allow_path_regex", what, 'let it match what follows, too: allow_path_regex="/api(/.*)?", for example'
        )


def hidden_routes(pair: Pair) -> Iterator[Finding]:
    """
    Routes that come after the mount of Flask, which takes their requests.
    """
    hidden = [place for place in pair.places if place.hidden_by is not None and not place.is_docs]
    for mount in dict.fromkeys(place.hidden_by for place in hidden):
        first, *more = dict.fromkeys(place.shown for place in hidden if place.hidden_by == mount)
        routes = f"{first} and {len(more)} more are" if more else f"{first} is"
        yield Finding(
            "hidden_route",
            f"{routes} never reached: Flask is mounted at {mount} before, and answers instead",
            "mount Flask last, after all routes and routers",
        )
