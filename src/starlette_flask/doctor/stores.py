"""
Do both keep sessions in the same place: in cookies, or on a server?
"""

from collections.abc import Iterator
from typing import Any

from starlette_flask.doctor.findings import FROM_FLASK, STRANGER, Finding
from starlette_flask.doctor.pair import Pair
from starlette_flask.flask_settings import name_of_interface, own_interface

# What two stores of one kind must have in common, to find each other's records.
_OPTIONS = ("key_prefix", "use_signer")


def kept_elsewhere(pair: Pair) -> Iterator[Finding]:
    """
    One keeps sessions where the other doesn't look.

    Of two stores that were made apart nobody can tell whether they are of one server.
    """
    if pair.theirs is None and not pair.is_kept_by_itself:
        return  # nobody knows where
    app, interface = pair.flask_app, own_interface(pair.flask_app)
    theirs = None if pair.theirs is None else pair.theirs.store
    is_on_server = theirs is not None or pair.is_kept_by_itself
    for ours in [config.store for config in pair.configs]:
        if ours is None and is_on_server:
            yield Finding(
                "store",
                f"the Flask app keeps its sessions on a server, by {name_of_interface(app)}, and the ASGI app in signed"
                f" cookies: {STRANGER}",
                _ASK if theirs is None else FROM_FLASK,
            )
        elif ours is not None and not is_on_server:
            yield Finding(
                "store",
                f"the ASGI app keeps its sessions on a server, by {type(ours).__name__}, and the Flask app in signed"
                f" cookies: {STRANGER}",
                f"drop store, {FROM_FLASK}; or let Flask-Session keep those of Flask in the same place",
            )
        elif ours is not None and not ours.is_of(app, interface):
            for what in _differences(ours, theirs):
                yield pair.finding("store", f"{what}: {STRANGER}", _ASK if theirs is None else FROM_FLASK)


_ASK = "app.add_middleware(SessionMiddleware, store=FlaskInterfaceStore(flask_app)), which asks the Flask app"


def _differences(ours: Any, theirs: Any) -> Iterator[str]:
    if not (isinstance(ours, type(theirs)) or isinstance(theirs, type(ours))):
        kind = "an interface of its own" if theirs is None else type(theirs).__name__
        yield f"the Flask app keeps its sessions by {kind}, and the ASGI app by {type(ours).__name__}"
        return
    for option in _OPTIONS:
        mine, other = getattr(ours, option, None), getattr(theirs, option, None)
        if mine != other:
            yield f"{option} of the stores is {other!r} in Flask and {mine!r} in the ASGI app"
