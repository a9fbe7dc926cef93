"""
The two halves as one app, and the demo around them: its first page, the switch of `moving`, the panel of `panel`.
"""

from functools import partial
from typing import Any

from flask import request as flask_request
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from starlette_flask import SessionConfig
from starlette_flask.demo import moving, panel, shop
from starlette_flask.demo.fastapi_half import app, legacy, templates
from starlette_flask.demo.flask_half import app as flask_app
from starlette_flask.flash import flash
from starlette_flask.login import current_user
from starlette_flask.middleware.wsgi import http_connection

__all__ = ["app"]


def context(connection: HTTPConnection, half: str) -> dict[str, Any]:
    """
    Return what every page shows of the demo, whichever half it comes from.
    """
    return {
        "half": half,
        "half_of": moving.half_of,
        "path": moving.path_of(connection.scope),
        "query": connection.scope["query_string"].decode("latin-1"),
        "movable": moving.PAGES,
        "diff_of": moving.diff_of,
        "users": shop.USERS.values(),
        # Called when the page is nearly done, and its messages are out of the session.
        "session_panel": lambda: panel.describe(connection.session, connection.state, half),
    }


@flask_app.context_processor
def flask_context() -> dict[str, Any]:
    return context(http_connection(flask_request.environ), "Flask")


templates.context_processors.append(partial(context, half="FastAPI"))


async def start(request: Request) -> Response:
    await current_user(request)
    return templates.TemplateResponse(request, "start.html")


async def move(request: Request) -> Response:
    form = await request.form()
    path, half = str(form.get("path")), str(form.get("half"))
    if path not in moving.PAGES:
        return RedirectResponse("/", 303)
    moving.move(path, half)
    flash(request, f"{path} is served by {moving.half_of(path)} now. Same address, same session.")
    if "query" not in form:  # the button on the first page
        return RedirectResponse("/", 303)
    return RedirectResponse(f"{path}?{form['query']}".removesuffix("?"), 303)


async def close_browser(request: Request) -> Response:
    request.session.clear()  # so the cookie is deleted, as when a browser is closed; the remember cookie stays
    return RedirectResponse("/account", 303)


async def session_panel(request: Request) -> Response:
    # The middleware gives this path no session: it only looks, and never answers with a cookie.
    session = panel.read_session(config, config.cookie.find(request.scope["headers"]) or b"")
    described = panel.describe(session, request.state, "")
    html = templates.get_template("demo/panel.html").render(panel=described)
    return Response(html, media_type="text/html", headers={"cache-control": "no-store"})


config = SessionConfig.from_flask(flask_app)
app.add_middleware(panel.SessionTracer, config=config)
app.router.routes[:0] = [
    Route("/", start),
    Route("/demo/move", move, methods=["POST"]),
    Route("/demo/close-browser", close_browser, methods=["POST"]),
    Route("/demo/session", session_panel),
    moving.NotMoved("/", legacy),
]
