"""
The doctor on real pairs of apps: modules in a folder, as somebody has them who calls the command.

Each broken pair has one fault, which is named with its fix. Of a sound pair nothing is said, and that it is sound is
shown: who logs in to one app is known to the other.
"""

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from starlette_flask.cli import main
from tests.helpers import ask_asgi, ask_wsgi
from tests.interop.apps import needs_flask

# The Flask app. Both apps can log in Ada, and show their session.
LEGACY = """
import flask

app = flask.Flask(__name__)
app.config.update(SECRET_KEY="a long random value")
app.add_url_rule("/in", "in", lambda: flask.session.setdefault("user", "ada"))
app.add_url_rule("/me", "me", lambda: dict(flask.session))
"""

LOGIN = """
import flask_login

manager = flask_login.LoginManager(app)


@manager.user_loader
def load_user(user_id):
    user = flask_login.UserMixin()
    user.id = user_id
    return user
"""

FORMS = """
import flask_wtf

guard = flask_wtf.CSRFProtect(app)
app.add_url_rule("/note", "note", lambda: "noted", methods=["POST"])
"""

# The ASGI app, but for its middleware.
API = """
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware as StarlettesOwn
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles

from legacy import app as flask_app
from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.csrf import CSRFConfig
from starlette_flask.login import LoginBackend, LoginManager, current_user
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware


def log_in(request: Request):
    return request.session.setdefault("user", "ada")


def show(request: Request):
    return dict(request.session)


def routed(app, prefix="/api"):
    app.add_api_route(f"{prefix}/in", log_in)
    app.add_api_route(f"{prefix}/me", show)
    return app


ROUTES = [
    Route("/api/in", lambda request: JSONResponse(log_in(request))),
    Route("/api/me", lambda request: JSONResponse(show(request))),
]
app = routed(FastAPI())
"""

SHARED = """
app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))
"""
MOUNTED = """
app.mount("/legacy", WSGIMiddleware(flask_app))
"""

STRANGER = "who logs in to one app is a stranger in the other"
FROM_FLASK = "app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))"
LOGIN_FROM_FLASK = "app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))"
CSRF_FROM_FLASK = "app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app))"

Diagnose = Callable[..., Result]
Sound = tuple[str, str, str | None, str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """
    The folder in which the command is called; what was imported from it is forgotten afterwards.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # of files of one second
    for name in ("UVICORN_RESET_CONTEXTVARS", "UVICORN_ROOT_PATH", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    forget(tmp_path)


def forget(folder: Path) -> None:
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        if str(folder) in str(getattr(module, "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def diagnose(folder: Path) -> Diagnose:
    """
    Writes the two modules, unless they are there, and calls the command.
    """

    def diagnose(
        legacy: str = LEGACY, api: str = API + SHARED, *options: str, names: tuple[str, str] = ("legacy:app", "api:app")
    ) -> Result:
        files = {folder / "legacy.py": legacy, folder / "api.py": api}
        if any(not file.exists() or file.read_text() != text for file, text in files.items()):
            forget(folder)
            for file, text in files.items():
                file.write_text(text)
        return CliRunner().invoke(main, ["doctor", *names, *options], catch_exceptions=False)

    return diagnose


def adds(legacy: str = "", api: str = "", shared: str = SHARED) -> tuple[str, str]:
    """
    Return the two modules, with something more at their ends: in ours, before the session middleware.
    """
    return LEGACY + legacy, API + api + shared


def keywords(more: str = "") -> str:
    """
    Return the session middleware with keywords that mean what the Flask app means, and these.
    """
    given = ", ".join(filter(None, ['secret_key="a long random value", same_site=None', more]))
    return f"app.add_middleware(SessionMiddleware, {given})\n"


BROKEN = [
    # The middleware.
    pytest.param(
        adds(shared=""),
        "middleware",
        f"the ASGI app has no SessionMiddleware of starlette_flask: {STRANGER}",
        FROM_FLASK,
        id="no middleware",
    ),
    pytest.param(
        adds(shared="app.add_middleware(SessionMiddleware)\n"),
        "middleware",
        "SessionMiddleware can't be made, so the ASGI app answers nobody: no secret key",
        "set secret_key (SECRET_KEY) to the Flask app's",
        id="no secret key",
    ),
    pytest.param(
        adds(shared="app.add_middleware(SessionMiddleware, secret='x')\n"),
        "middleware",
        "SessionMiddleware can't be made, so the ASGI app answers nobody: "
        "SessionMiddleware.__init__() got an unexpected keyword argument 'secret'",
        "for secret write secret_key",
        id="unknown keyword",
    ),
    pytest.param(
        adds(LOGIN, "app.add_middleware(LoginMiddleware, manager=flask_app.login_manager)\n"),
        "middleware",
        "LoginMiddleware can't be made, so the ASGI app answers nobody: manager must be a "
        "starlette_flask.login.LoginManager, not LoginManager; of a Flask app's own: "
        "LoginManager.from_flask(app)",
        "give what it must be",
        id="Flask-Login's manager",
    ),
    pytest.param(
        adds(
            LOGIN, shared=SHARED + "app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))\n"
        ),
        "order",
        "LoginMiddleware is outside SessionMiddleware, which it needs: every page that asks for the "
        "user ends in an error",
        "call app.add_middleware(LoginMiddleware, ...) before app.add_middleware(SessionMiddleware, "
        "...): what is added first is inside",
        id="login outside the session",
    ),
    pytest.param(
        adds(FORMS, shared=SHARED + "app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app))\n"),
        "order",
        "CSRFMiddleware is outside SessionMiddleware, which it needs: every form ends in an error",
        "call app.add_middleware(CSRFMiddleware, ...) before app.add_middleware(SessionMiddleware, "
        "...): what is added first is inside",
        id="CSRF outside the session",
    ),
    pytest.param(
        adds(
            LOGIN,
            """
from starlette.middleware.authentication import AuthenticationMiddleware

manager = LoginManager.from_flask(flask_app)
app.add_middleware(LoginMiddleware, manager=manager)
app.add_middleware(AuthenticationMiddleware, backend=LoginBackend(manager))
""",
        ),
        "order",
        "AuthenticationMiddleware is outside LoginMiddleware, which it needs: nobody is logged in, "
        "or every page ends in an error",
        "call app.add_middleware(AuthenticationMiddleware, ...) before "
        "app.add_middleware(LoginMiddleware, ...): what is added first is inside",
        id="users outside the login",
    ),
    pytest.param(
        adds(api=keywords("session_cookie='shop'")),
        "twice",
        "two SessionMiddleware around / differ: one undoes what the other has saved",
        "remove one of them; an app with users of its own gives the cookie another name (session_cookie)",
        id="twice, of which one has another name",
    ),
    pytest.param(
        adds(shared=SHARED + "app.add_middleware(StarlettesOwn, secret_key='another long random value')\n"),
        "foreign",
        "Starlette's own SessionMiddleware at / has the cookie 'session', as Flask has, in a format "
        "that Flask can't read: each app logs out the users of the other",
        "import SessionMiddleware from starlette_flask instead, with accept_starlette_cookies=True "
        "to keep its users; in a mounted app with users of its own, give the cookie another name",
        id="Starlette's own middleware",
    ),
    pytest.param(
        adds(
            api="""
admin = Starlette(middleware=[Middleware(StarlettesOwn, secret_key="another long random value")])
app.mount("/admin", admin)
"""
        ),
        "foreign",
        "Starlette's own SessionMiddleware at /admin has the cookie 'session', as Flask has, in a "
        "format that Flask can't read: each app logs out the users of the other",
        "import SessionMiddleware from starlette_flask instead, with accept_starlette_cookies=True "
        "to keep its users; in a mounted app with users of its own, give the cookie another name",
        id="Starlette's own in a mounted app, as of sqladmin",
    ),
    pytest.param(
        adds(api="app.add_middleware(StarlettesOwn, secret_key='another long random value', session_cookie='api')\n"),
        "foreign",
        "Starlette's own SessionMiddleware at / has the cookie 'api', and its session hides Flask's "
        f"from the views: {STRANGER}",
        "import SessionMiddleware from starlette_flask instead, with accept_starlette_cookies=True "
        "to keep its users; in a mounted app with users of its own, give the cookie another name",
        id="Starlette's own inside ours, under another name",
    ),
    # What the Flask app is.
    pytest.param(
        adds(
            "app.secret_key = None\n",
            shared="app.add_middleware(SessionMiddleware, secret_key='a long random value')\n",
        ),
        "flask",
        f"the Flask app's session can't be shared, {STRANGER}: the Flask app has no secret key",
        "set app.secret_key (SECRET_KEY) before from_flask",
        id="no secret key in Flask",
    ),
    pytest.param(
        adds(
            "app.config.update(SECRET_KEY_FALLBACKS='an old value')\n",
            shared="app.add_middleware(SessionMiddleware, secret_key='a long random value')\n",
        ),
        "flask",
        f"the Flask app's session can't be shared, {STRANGER}: secret_key_fallbacks "
        "(SECRET_KEY_FALLBACKS) must be a list of keys; of a bare string each character would become "
        "a key",
        "give what it must be",
        id="fallbacks of one string",
    ),
    pytest.param(
        adds(
            """
import cachelib
import flask_session

app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=cachelib.SimpleCache())
flask_session.Session(app)
""",
            shared=keywords(),
        ),
        "store",
        "the Flask app keeps its sessions on a server, by "
        "flask_session.cachelib.cachelib.CacheLibSessionInterface, and the ASGI app in signed "
        f"cookies: {STRANGER}",
        FROM_FLASK,
        id="Flask-Session",
    ),
    pytest.param(
        adds("app.config.update(SESSION_COOKIE_SAMESITE='None')\n"),
        "cookie",
        "users can't stay logged in: browsers refuse SameSite=None without Secure",
        "in the Flask app's config, set https_only=True (SESSION_COOKIE_SECURE)",
        id="a cookie that browsers refuse",
    ),
    pytest.param(
        adds("app.config.update(SESSION_COOKIE_SAME_SITE='Lax')\n"),
        "misspelt",
        "nobody reads the Flask app's config key SESSION_COOKIE_SAME_SITE: sessions are as if it weren't there",
        "write SESSION_COOKIE_SAMESITE",
        id="misspelt",
    ),
    # Settings that differ.
    pytest.param(
        adds("app.config.update(SESSION_COOKIE_NAME='shop')\n", shared=keywords()),
        "session_cookie",
        f"session_cookie is 'shop' in Flask and 'session' in the ASGI app: {STRANGER}",
        FROM_FLASK,
        id="name",
    ),
    pytest.param(
        adds(shared="app.add_middleware(SessionMiddleware, secret_key='another long random value', same_site=None)\n"),
        "secret_key",
        f"secret_key is key A in Flask and key B in the ASGI app: {STRANGER}",
        FROM_FLASK,
        id="secret key",
    ),
    pytest.param(
        adds(shared="app.add_middleware(SessionMiddleware, secret_key='\"a long random value\"', same_site=None)\n"),
        "secret_key",
        f"secret_key is key A in Flask and key B in the ASGI app (but for white space or quotes around it): {STRANGER}",
        FROM_FLASK,
        id="secret key with quotes around it, as of a .env file",
    ),
    pytest.param(
        adds("app.config.update(SECRET_KEY_FALLBACKS=['an old value'])\n", shared=keywords()),
        "secret_key_fallbacks",
        "secret_key_fallbacks is [key A] in Flask and [] in the ASGI app: users whose cookie an "
        "older key has signed are logged out in one app",
        FROM_FLASK,
        marks=needs_flask("3.1", "keys can be changed"),
        id="fallbacks missing",
    ),
    pytest.param(
        adds(shared=keywords("secret_key_fallbacks=['an old value']")),
        "secret_key_fallbacks",
        "secret_key_fallbacks is [] in Flask and [key A] in the ASGI app: users whose cookie an "
        "older key has signed are logged out in one app",
        FROM_FLASK,
        id="fallbacks missing in Flask",
    ),
    pytest.param(
        adds(
            """
from flask.sessions import SecureCookieSessionInterface


class Salted(SecureCookieSessionInterface):
    salt = "pepper"


app.session_interface = Salted()
""",
            shared=keywords(),
        ),
        "salt",
        f"salt is salt A in Flask and salt B in the ASGI app: {STRANGER}",
        FROM_FLASK,
        id="salt",
    ),
    pytest.param(
        adds(
            """
import hashlib

from flask.sessions import SecureCookieSessionInterface


class Sha256(SecureCookieSessionInterface):
    digest_method = staticmethod(hashlib.sha256)


app.session_interface = Sha256()
""",
            shared=keywords(),
        ),
        "signer_kwargs",
        f"signer_kwargs is hmac/openssl_sha256 in Flask and hmac/openssl_sha1 in the ASGI app: {STRANGER}",
        FROM_FLASK,
        id="digest",
    ),
    pytest.param(
        adds(
            """
from flask.json.tag import JSONTag, TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface


class TagComplex(JSONTag):
    key = " c"

    def check(self, value):
        return isinstance(value, complex)

    def to_json(self, value):
        return [value.real, value.imag]

    def to_python(self, value):
        return complex(*value)


class Tagging(SecureCookieSessionInterface):
    serializer = TaggedJSONSerializer()
    serializer.register(TagComplex)


app.session_interface = Tagging()
""",
            shared=keywords(),
        ),
        "serializer",
        "serializer is tagged JSON with TagComplex in Flask and tagged JSON in the ASGI app: what is "
        "in a session changes its type, or is lost, from one app to the other",
        FROM_FLASK,
        id="tags",
    ),
    pytest.param(
        adds(
            """
import json

from flask.sessions import SecureCookieSessionInterface


class Plain(SecureCookieSessionInterface):
    serializer = json


app.session_interface = Plain()
""",
            shared=keywords(),
        ),
        "serializer",
        "serializer is json in Flask and tagged JSON in the ASGI app: what is in a session changes "
        "its type, or is lost, from one app to the other",
        FROM_FLASK,
        id="serializer",
    ),
    pytest.param(
        adds("app.config.update(PERMANENT_SESSION_LIFETIME=3600)\n", shared=keywords()),
        "lifetime",
        "lifetime is 3600 s in Flask and 2678400 s in the ASGI app: users are logged out earlier in one "
        "app than in the other",
        f"{FROM_FLASK}; or permanent_session_lifetime=3600",
        id="lifetime",
    ),
    pytest.param(
        adds(shared=keywords("max_age=31 * 24 * 3600")),
        "max_age",
        "max_age is None in Flask and 2678400 s in the ASGI app: browsers keep the cookie of one app "
        "longer than that of the other",
        f"{FROM_FLASK}; or leave out max_age",
        id="max_age",
    ),
    pytest.param(
        adds("app.config.update(SESSION_REFRESH_EACH_REQUEST=False)\n", shared=keywords()),
        "refresh_each_request",
        "refresh_each_request is False in Flask and True in the ASGI app: a permanent session runs "
        "out for those who use one app only",
        f"{FROM_FLASK}; or refresh_each_request=False",
        id="refresh",
    ),
    pytest.param(
        adds("app.config.update(SESSION_COOKIE_DOMAIN='example.com')\n", shared=keywords()),
        "domain",
        "domain is 'example.com' in Flask and None in the ASGI app: users get two sessions, and "
        "logging out ends one of them",
        f"{FROM_FLASK}; or domain='example.com'",
        id="domain",
    ),
    pytest.param(
        adds(shared=keywords("path='/api'")),
        "path",
        "path is '/' in Flask and '/api' in the ASGI app: users get two sessions, and logging out ends one of them",
        f"{FROM_FLASK}; or path='/'",
        id="path",
    ),
    pytest.param(
        adds(shared="app.add_middleware(SessionMiddleware, secret_key='a long random value')\n"),
        "same_site",
        "same_site is None in Flask and 'lax' in the ASGI app: links, forms and frames of other "
        "sites find users logged in after visits to one app only",
        f"{FROM_FLASK}; or same_site=None",
        id="SameSite, Starlette's default",
    ),
    pytest.param(
        adds("app.config.update(SESSION_COOKIE_SECURE=True)\n", shared=keywords()),
        "https_only",
        "https_only is True in Flask and False in the ASGI app: one app lets browsers send the cookie over plain HTTP",
        f"{FROM_FLASK}; or https_only=True",
        id="Secure",
    ),
    pytest.param(
        adds("app.config.update(SESSION_COOKIE_HTTPONLY=False)\n", shared=keywords()),
        "http_only",
        "http_only is False in Flask and True in the ASGI app: one app shows the cookie to JavaScript",
        f"{FROM_FLASK}; or http_only=False",
        id="HttpOnly",
    ),
    pytest.param(
        adds("app.config.update(SESSION_COOKIE_SECURE=True)\n", shared=keywords("https_only=True, partitioned=True")),
        "partitioned",
        "partitioned is False in Flask and True in the ASGI app: users get two sessions, and logging "
        "out ends one of them",
        f"{FROM_FLASK}; or partitioned=False",
        id="Partitioned",
    ),
    # Where the session comes to.
    pytest.param(
        adds("app.config.update(APPLICATION_ROOT='/legacy')\n", MOUNTED),
        "cookie_path",
        "the cookie's path is /legacy, and browsers don't send it to /api/in: users are strangers there",
        'set SESSION_COOKIE_PATH = "/" in the Flask app; or say what needs no session, by '
        "allow_path_regex of SessionMiddleware, or what a proxy puts before all paths, by "
        "UVICORN_ROOT_PATH in the environment",
        id="a cookie path of /legacy",
    ),
    pytest.param(
        adds("app.config.update(SESSION_COOKIE_PATH='/api')\n", MOUNTED),
        "cookie_path",
        "the cookie's path is /api, and browsers don't send it to /legacy: users are strangers there",
        'set SESSION_COOKIE_PATH = "/" in the Flask app; or say what needs no session, by '
        "allow_path_regex of SessionMiddleware, or what a proxy puts before all paths, by "
        "UVICORN_ROOT_PATH in the environment",
        id="a cookie path below the mount",
    ),
    pytest.param(
        adds(
            shared="""
config = SessionConfig.from_flask(flask_app)
app.add_middleware(SessionMiddleware, config=config, allow_path_regex="/api")
"""
        ),
        "allow_path_regex",
        f"allow_path_regex matches no path of the ASGI app whole: {STRANGER}",
        'let it match what follows, too: allow_path_regex="/api(/.*)?", for example',
        id="allow_path_regex matches nothing",
    ),
    pytest.param(
        adds(
            shared="""
config = SessionConfig.from_flask(flask_app)
app.add_middleware(SessionMiddleware, config=config, allow_path_regex="/api/in|/api/m")
"""
        ),
        "allow_path_regex",
        "allow_path_regex matches /api/me in its beginning only, and not whole: users are strangers there",
        'let it match what follows, too: allow_path_regex="/api(/.*)?", for example',
        id="allow_path_regex matches not the whole path",
    ),
    pytest.param(
        adds(
            api="""
app.mount('/', WSGIMiddleware(flask_app))
app.add_api_route('/late', show)
"""
        ),
        "hidden_route",
        "/late is never reached: Flask is mounted at / before, and answers instead",
        "mount Flask last, after all routes and routers",
        id="a route after the mount",
    ),
    pytest.param(
        adds(
            api="""
app.mount('/', WSGIMiddleware(flask_app))
router = APIRouter(prefix='/v2')
router.add_api_route('/late', show)
app.include_router(router)
"""
        ),
        "hidden_route",
        "/v2/late is never reached: Flask is mounted at / before, and answers instead",
        "mount Flask last, after all routes and routers",
        id="a router after the mount",
    ),
    # How Flask is mounted.
    pytest.param(
        adds(
            api="""
import a2wsgi

app.mount('/legacy', a2wsgi.WSGIMiddleware(flask_app))
"""
        ),
        "adapter",
        "Flask is mounted at /legacy with a2wsgi.wsgi.WSGIMiddleware: on uvicorn, a stranger on the "
        "same connection can become the user who uploaded a file before",
        "mount it with starlette_flask.middleware.wsgi.WSGIMiddleware(flask_app); or run uvicorn "
        "--reset-contextvars, by UVICORN_RESET_CONTEXTVARS=1 in the environment, here as well",
        id="a2wsgi",
    ),
    pytest.param(
        adds(
            api="""
import a2wsgi
from werkzeug.middleware.proxy_fix import ProxyFix

app.router.routes.append(Mount('/old', routes=[Mount('/legacy', a2wsgi.WSGIMiddleware(ProxyFix(flask_app.wsgi_app)))]))
"""
        ),
        "adapter",
        "Flask is mounted at /old/legacy with a2wsgi.wsgi.WSGIMiddleware: on uvicorn, a stranger on "
        "the same connection can become the user who uploaded a file before",
        "mount it with starlette_flask.middleware.wsgi.WSGIMiddleware(flask_app); or run uvicorn "
        "--reset-contextvars, by UVICORN_RESET_CONTEXTVARS=1 in the environment, here as well",
        id="a2wsgi around ProxyFix, in a router",
    ),
    pytest.param(
        adds(
            api="""
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.middleware.wsgi import WSGIMiddleware as FastAPIsOwn

app.mount('/legacy', FastAPIsOwn(flask_app))
"""
        ),
        "adapter",
        "Flask is mounted at /legacy with starlette.middleware.wsgi.WSGIMiddleware: it joins the "
        "cookies of a request over HTTP/2 with commas, which Flask can't read: behind a server that "
        "speaks it, users are strangers in Flask",
        "mount it with starlette_flask.middleware.wsgi.WSGIMiddleware(flask_app); or run uvicorn "
        "--reset-contextvars, by UVICORN_RESET_CONTEXTVARS=1 in the environment, here as well",
        id="FastAPI's own adapter",
    ),
    pytest.param(
        adds(api="app.mount('/legacy', flask_app)\n"),
        "adapter",
        "Flask is mounted at /legacy without an adapter: its pages end in an error",
        "mount it with starlette_flask.middleware.wsgi.WSGIMiddleware(flask_app)",
        id="no adapter",
    ),
    pytest.param(
        adds(
            api="""
from flask import Flask

other = Flask("other")
other.secret_key = "another long random value"
app.mount('/other', WSGIMiddleware(other))
"""
        ),
        "other_flask_app",
        "the Flask app at /other has a cookie 'session', too, with another secret_key: each logs out "
        "the users of the other",
        "give it the same SECRET_KEY and session_interface, or another SESSION_COOKIE_NAME",
        id="another Flask app",
    ),
    # The user.
    pytest.param(
        adds(
            LOGIN,
            """
@app.get("/api/who")
def who(request: Request):
    return request.session.get("_user_id")
""",
        ),
        "login_middleware",
        "/api/who takes the user out of the session (_user_id), without LoginMiddleware: who was remembered is a "
        "stranger there",
        f"{LOGIN_FROM_FLASK}, and after it app.add_middleware(SessionMiddleware, ...); and depend on "
        "starlette_flask.login.current_user",
        id="no LoginMiddleware",
    ),
    pytest.param(
        adds("app.config.update(SESSION_PROTECTION='strong')\n" + LOGIN),
        "login_middleware",
        "Flask-Login protects sessions (strong), and there is no LoginMiddleware around /api/in: when it writes into "
        "the session of somebody who was remembered, Flask forgets them",
        f"{LOGIN_FROM_FLASK}, and after it app.add_middleware(SessionMiddleware, ...)",
        id="no LoginMiddleware, strong protection",
    ),
    pytest.param(
        adds(api="app.add_api_route('/api/who', show, dependencies=[Depends(current_user)])\n"),
        "login_middleware",
        "/api/who needs current_user, without LoginMiddleware inside a SessionMiddleware for this "
        "path: it ends in an error",
        f"{LOGIN_FROM_FLASK}, and after it app.add_middleware(SessionMiddleware, ...)",
        id="a view asks for the user, without LoginMiddleware",
    ),
    pytest.param(
        adds(api="app.add_middleware(LoginMiddleware, manager=LoginManager(secret_key='a long random value'))\n"),
        "login",
        "the login manager of the ASGI app can't load users: whatever asks for one ends in an error",
        "decorate a function with manager.user_loader, or call LoginManager.from_flask(flask_app) "
        "when the Flask app has set its own",
        id="nobody loads users",
    ),
    pytest.param(
        adds(
            LOGIN,
            """
manager = LoginManager.from_flask(flask_app, session_protection="strong")
app.add_middleware(LoginMiddleware, manager=manager)
""",
        ),
        "login",
        "session_protection is 'basic' in Flask and 'strong' in the ASGI app: a session that one app "
        "takes for stolen is good in the other",
        LOGIN_FROM_FLASK,
        id="session protection",
    ),
    pytest.param(
        adds(
            LOGIN,
            """
manager = LoginManager.from_flask(flask_app, secret_key="another long random value")
app.add_middleware(LoginMiddleware, manager=manager)
""",
        ),
        "remember_cookie",
        "the remember cookies differ, in key, name or attributes: users are remembered, or logged out, by one app",
        LOGIN_FROM_FLASK,
        id="another key of the remember cookie",
    ),
    pytest.param(
        adds(
            "app.config.update(REMEMBER_COOKIE_PATH='/legacy')\n" + LOGIN,
            "app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))\n",
        ),
        "remember_cookie",
        "the remember cookie's path is /legacy, and browsers don't send it to /api/in: who was "
        "remembered is a stranger there",
        'set REMEMBER_COOKIE_PATH = "/" in the Flask app',
        id="the remember cookie isn't sent",
    ),
    pytest.param(
        adds(
            LOGIN + "manager.login_view = 'in'\n",
            "app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))\n",
        ),
        "login_view",
        "login_view is 'in', neither the name of a route nor an endpoint of a Flask app that is "
        "mounted by starlette_flask: who has to log in gets an error",
        "give its path, LoginManager.from_flask(flask_app, login_view='/in'), or mount the Flask app",
        id="the login view is of nobody",
    ),
    pytest.param(
        adds(
            LOGIN + "manager.login_view = '/in'\n",
            MOUNTED + "app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))\n",
        ),
        "login_view",
        "login_view is '/in', where nobody answers: who has to log in gets an error",
        "give the path as browsers ask for it, the mount's prefix included",
        id="the login view without the mount's prefix",
    ),
    pytest.param(
        adds(
            "app.config.update(SESSION_PROTECTION='strong')\n"
            + LOGIN
            + """
from werkzeug.middleware.proxy_fix import ProxyFix

app.wsgi_app = ProxyFix(app.wsgi_app)
""",
            "app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))\n",
        ),
        "proxy",
        "the Flask app is told of a proxy, and the ASGI app isn't: if the proxy doesn't send both "
        "the same X-Forwarded-For, who goes from one to the other is logged out",
        "let it send X-Forwarded-For to both, and tell the ASGI app: run uvicorn --proxy-headers "
        "with FORWARDED_ALLOW_IPS in the environment, here as well, or "
        "app.add_middleware(uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware, "
        "trusted_hosts=...)",
        id="ProxyFix on one side",
    ),
    # Forms.
    pytest.param(
        adds(FORMS, "app.add_api_route('/api/note', show, methods=['POST'])\n"),
        "csrf_middleware",
        "POST /api/note is not guarded as Flask's views are, by Flask-WTF: a page of another site "
        "can send it in a user's name",
        CSRF_FROM_FLASK,
        id="no CSRFMiddleware",
    ),
    pytest.param(
        adds(FORMS, "app.add_middleware(CSRFMiddleware, secret_key='another long random value')\n"),
        "csrf",
        "secret_key of CSRF tokens is key A in Flask and key B in the ASGI app: a form that one app "
        "renders is refused by the other",
        CSRF_FROM_FLASK,
        id="another key of tokens",
    ),
    pytest.param(
        adds(
            "app.config.update(WTF_CSRF_SECRET_KEY='a key for forms')\n",
            "app.add_middleware(CSRFMiddleware, secret_key='a long random value')\n",
        ),
        "csrf",
        "secret_key of CSRF tokens is key A in Flask and key B in the ASGI app: a form that one app "
        "renders is refused by the other",
        CSRF_FROM_FLASK,
        id="the key of form classes",
    ),
    pytest.param(
        adds(
            "app.config.update(WTF_CSRF_TIME_LIMIT=None)\n" + FORMS,
            "app.add_middleware(CSRFMiddleware, secret_key='a long random value')\n",
        ),
        "csrf",
        "time_limit of CSRF tokens is None in Flask and 3600 in the ASGI app: a form that was open "
        "for a while is refused by one app only",
        CSRF_FROM_FLASK,
        id="the age of tokens",
    ),
    pytest.param(
        adds(
            "app.add_url_rule('/note', 'note', lambda: 'noted', methods=['POST'])\n",
            MOUNTED + "app.add_middleware(CSRFMiddleware, secret_key='a long random value')\n",
        ),
        "csrf_mount",
        "CSRFMiddleware is around the Flask app at /legacy, and refuses POST /note, for which Flask asks no token",
        'CSRFMiddleware(..., exempt_mounts=("/legacy",)), and flask_wtf.CSRFProtect in the Flask app',
        id="a guard around a Flask app without one",
    ),
    pytest.param(
        adds(
            FORMS + "guard.exempt(app.view_functions['note'])\n",
            MOUNTED + "app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app))\n",
        ),
        "csrf_mount",
        "CSRFMiddleware is around the Flask app at /legacy, and refuses POST /note, for which Flask asks no token",
        'CSRFMiddleware(..., exempt_mounts=("/legacy",)), and flask_wtf.CSRFProtect in the Flask app',
        id="a guard around an exempt view",
    ),
    pytest.param(
        adds(
            FORMS,
            MOUNTED
            + "app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app), exempt_mounts=['/legcy'])\n",
        ),
        "csrf_mount",
        "exempt_mounts of CSRFMiddleware names /legcy, where nothing is mounted: what it is meant "
        "for is refused without a token",
        "give the path as it is in app.mount(...)",
        id="a mount that isn't there",
    ),
    # What only the round trip shows.
    pytest.param(
        adds("""
from flask.sessions import SecureCookieSessionInterface


class Stamped(SecureCookieSessionInterface):
    def open_session(self, app, request):
        session = super().open_session(app, request)
        return session if not session or session.get("stamp") == "legacy" else self.session_class()

    def save_session(self, app, session, response):
        session["stamp"] = "legacy"
        super().save_session(app, session, response)


app.session_interface = Stamped()
"""),
        "round_trip",
        f"a session doesn't come through, it is another one on the way from the ASGI app to Flask: {STRANGER}",
        "use flask.sessions.SecureCookieSessionInterface, or a subclass of it that sets attributes only",
        id="an interface with code of its own",
    ),
    pytest.param(
        adds("""
from flask.sessions import SecureCookieSessionInterface


class Failing(SecureCookieSessionInterface):
    def save_session(self, app, session, response):
        raise RuntimeError(f"{app.secret_key}:\\nno database")


app.session_interface = Failing()
"""),
        "round_trip",
        f"a session doesn't come through, RuntimeError in legacy.py, line 14: {STRANGER}",
        "use flask.sessions.SecureCookieSessionInterface, or a subclass of it that sets attributes only",
        id="an interface that fails",
    ),
]


@pytest.mark.parametrize(("modules", "check", "what", "fix"), BROKEN)
def test_a_broken_pair(diagnose: Diagnose, modules: tuple[str, str], check: str, what: str, fix: str) -> None:
    """
    The fault is one line, which says what is wrong, what a user would notice, and the fix; and the status is 1.
    """
    result = diagnose(*modules)
    assert result.stdout == f"{check}: {what}. Fix: {fix}\n"
    assert result.exit_code == 1
    result = diagnose(*modules, "--json")
    assert json.loads(result.stdout) == [{"check": check, "what": what, "fix": fix}]
    assert result.exit_code == 1
    result = diagnose(*modules, "--ignore", check)
    assert (result.output, result.exit_code) == ("", 0)


STRANGERS = [case for case in BROKEN if case.values[1] in ("session_cookie", "secret_key", "salt", "signer_kwargs")]


@pytest.mark.parametrize(("modules", "check", "what", "fix"), STRANGERS)
def test_strangers(diagnose: Diagnose, modules: tuple[str, str], check: str, what: str, fix: str) -> None:
    """
    Who is said to be a stranger is one: the verdict is what happens.
    """
    assert diagnose(*modules).exit_code == 1
    ask_flask, ask_ours = partial(ask_wsgi, sys.modules["legacy"].app), partial(ask_asgi, sys.modules["api"].app)
    assert ask_ours("/api/me", cookies=[ask_flask("/in").cookie]).json == {}
    assert ask_flask("/me", cookies=[ask_ours("/api/in").cookie]).json == {}


def sound(legacy: str = "", api: str = "", shared: str = SHARED, at: str | None = None, prefix: str = "/api") -> Sound:
    """
    Return two modules, where the Flask app is mounted in ours, if it is, and where the views of ours are.
    """
    return (*adds(legacy, api, shared), at, prefix)


ROUTED = """
router = APIRouter(prefix="/v1")
routed(router)
app.include_router(router)
"""
LOGGED_IN = """
app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))
"""
GUARDED = """
app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app), exempt_mounts=["/legacy"])
"""
INTERFACE = """
from flask.sessions import SecureCookieSessionInterface


class Interface(SecureCookieSessionInterface):
{0}

app.session_interface = Interface()
"""


def interface(*lines: str) -> str:
    """
    Return a session interface of the Flask app's own.
    """
    return INTERFACE.format("".join(f"    {line}\n" for line in lines))


SOUND = [
    pytest.param(sound(), id="two apps"),
    pytest.param(sound(api=MOUNTED, at="/legacy"), id="mounted"),
    pytest.param(sound(api='app.mount("/", WSGIMiddleware(flask_app))\n', at=""), id="mounted for the rest"),
    pytest.param(
        sound(api='app.mount("/legacy", WSGIMiddleware(flask_app, share_session=False))\n', at="/legacy"),
        id="mounted, the session not shared",
    ),
    pytest.param(sound(api=MOUNTED + 'app.mount("/old", WSGIMiddleware(flask_app))\n', at="/old"), id="mounted twice"),
    pytest.param(
        sound(
            shared="""
api = app
api.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))
app = FastAPI()
app.mount("/legacy", WSGIMiddleware(flask_app))
app.mount("/v2", api)
""",
            at="/legacy",
            prefix="/v2/api",
        ),
        id="side by side",
    ),
    pytest.param(sound(api=ROUTED, prefix="/v1/api"), id="routers"),
    pytest.param(sound('app.secret_key = b"\\xff a long random value"\n'), id="key of bytes"),
    pytest.param(
        sound(
            'app.secret_key = "a long random v\\u00e4lue"\n',
            shared="""
app.add_middleware(SessionMiddleware, secret_key="a long random v\u00e4lue".encode(), same_site=None)
""",
        ),
        id="key of text and of bytes",
    ),
    pytest.param(sound(shared=keywords()), id="keywords"),
    pytest.param(
        sound(
            "app.config.update(SESSION_COOKIE_NAME='shop', SESSION_COOKIE_SAMESITE='Strict')\n",
            shared="app.add_middleware(SessionMiddleware, config=SessionConfig.from_mapping(flask_app.config))\n",
        ),
        id="settings",
    ),
    pytest.param(
        sound(
            "app.config.update(SECRET_KEY_FALLBACKS=['an old value', 'an older value'])\n",
            shared=keywords("secret_key_fallbacks=['an older value', 'an old value', 'a long random value']"),
        ),
        marks=needs_flask("3.1", "keys can be changed"),
        id="fallbacks in another order",
    ),
    pytest.param(
        sound(
            "app.config.update(SECRET_KEY_FALLBACKS=['an old value'])\n",
            shared="""
fallbacks = ["a long random value"]
app.add_middleware(SessionMiddleware, secret_key="an old value", secret_key_fallbacks=fallbacks, same_site=None)
""",
        ),
        marks=needs_flask("3.1", "keys can be changed"),
        id="in the middle of a change of keys",
    ),
    pytest.param(sound(interface('salt = "pepper"')), id="salt"),
    pytest.param(sound(interface("serializer = __import__('json')")), id="plain JSON"),
    pytest.param(
        sound(interface("digest_method = staticmethod(lambda data=b'': __import__('hashlib').sha256(data))")),
        id="digest of a function",
    ),
    pytest.param(
        sound(
            """
from flask.json.tag import JSONTag, TaggedJSONSerializer


class TagComplex(JSONTag):
    key = " c"

    def check(self, value):
        return isinstance(value, complex)

    def to_json(self, value):
        return [value.real, value.imag]

    def to_python(self, value):
        return complex(*value)


serializer = TaggedJSONSerializer()
serializer.register(TagComplex)
"""
            + interface("serializer = serializer")
        ),
        id="tags",
    ),
    pytest.param(
        sound(
            interface(
                "def save_session(self, app, session, response):",
                "    super().save_session(app, session, response)",
                "    response.set_cookie('seen', 'yes')",
            )
        ),
        id="another cookie beside the session's",
    ),
    pytest.param(sound("app.json.sort_keys = False\n", shared=keywords()), id="keys in any order"),
    pytest.param(
        sound(
            """
import cachelib
import flask_session

app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=cachelib.FileSystemCache("sessions"))
flask_session.Session(app)
"""
        ),
        id="Flask-Session",
    ),
    pytest.param(sound(LOGIN), id="Flask-Login, and views that need the session only"),
    pytest.param(sound(LOGIN, LOGGED_IN), id="Flask-Login"),
    pytest.param(sound(FORMS), id="Flask-WTF, and nothing to guard"),
    pytest.param(sound(LOGIN + FORMS, MOUNTED + GUARDED + LOGGED_IN, at="/legacy"), id="everything"),
    pytest.param(
        sound(
            shared="""
app = GZipMiddleware(SessionMiddleware(app, config=SessionConfig.from_flask(flask_app)))
""",
        ),
        id="wrapped by hand",
    ),
    pytest.param(
        sound(
            shared="""
def sessions(app):
    return SessionMiddleware(app, config=SessionConfig.from_flask(flask_app))


app.add_middleware(sessions)
"""
        ),
        id="made by a function",
    ),
    pytest.param(
        sound(
            shared="""
from functools import partial

app.add_middleware(partial(SessionMiddleware, config=SessionConfig.from_flask(flask_app)))
"""
        ),
        id="a partial",
    ),
    pytest.param(
        sound(
            shared="""
session = Middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))
app = Starlette(routes=[Mount("/v1", routes=ROUTES, middleware=[session])])
""",
            prefix="/v1/api",
        ),
        id="in the middleware of a mount",
    ),
    pytest.param(
        sound(
            shared="""
app = Router(ROUTES, middleware=[Middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))])
"""
        ),
        id="a router alone",
    ),
    pytest.param(
        sound(
            api="""
session = Middleware(StarlettesOwn, secret_key="another long random value", session_cookie="admin")
app.mount("/admin", Starlette(middleware=[session]))
"""
        ),
        id="a mounted app with users of its own",
    ),
    pytest.param(sound(shared=SHARED + SHARED), id="twice the same"),
    pytest.param(
        sound(
            "app.config.update(SESSION_COOKIE_PATH='/api')\n",
            'app.mount("/static", StaticFiles(directory="."))\n',
        ),
        id="cookie path, files and FastAPI's docs outside",
    ),
    pytest.param(
        sound(
            "app.config.update(SESSION_COOKIE_PATH='/api')\n",
            'app.add_api_route("/health", lambda: "well")\n',
            "app.add_middleware(\n"
            "    SessionMiddleware, config=SessionConfig.from_flask(flask_app), allow_path_regex=r'/api/\\w+'\n"
            ")\n",
        ),
        id="cookie path, what needs no session outside",
    ),
    pytest.param(
        sound("app.config.update(APPLICATION_ROOT='/api')\n", 'app.mount("/api/old", WSGIMiddleware(flask_app))\n'),
        id="cookie path, around all",
    ),
]


@pytest.mark.parametrize("pair", SOUND)
def test_a_sound_pair(diagnose: Diagnose, pair: Sound) -> None:
    """
    Nothing is said, the status is 0, and who logs in to one app is known to the other: before its first request and
    after.
    """
    legacy, api, at, prefix = pair
    for _ in range(2):
        result = diagnose(legacy, api)
        assert (result.output, result.exit_code) == ("", 0)
        app = sys.modules["api"].app
        ask_flask = partial(ask_wsgi, sys.modules["legacy"].app) if at is None else partial(ask_asgi, app)
        flask, ours = (ask_flask, at or ""), (partial(ask_asgi, app), prefix)
        for (log_in, there), (show, here) in ((flask, ours), (ours, flask)):
            cookie = log_in(f"{there}/in").set_cookie[0].partition(";")[0]
            assert show(f"{here}/me", cookies=[cookie]).json["user"] == "ada"
    assert diagnose(legacy, api, "--json").stdout == "[]\n"


def blocks_of(page: str) -> list[str]:
    text = (Path(__file__).parents[2] / page).read_text()
    return re.findall(r"^```python.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_readme(diagnose: Diagnose) -> None:
    """
    The pair with which the README begins is sound.
    """
    first = next(block for block in blocks_of("README.md") if "WSGIMiddleware(flask_app)" in block)
    result = diagnose("", first, names=("api:flask_app", "api:app"))
    assert (result.output, result.exit_code) == ("", 0)


def test_the_demo() -> None:
    """
    So is the demo.
    """
    pytest.importorskip("flask_admin")
    result = CliRunner().invoke(
        main, ["doctor", "starlette_flask.demo.flask_half:app", "starlette_flask.demo.main:app"]
    )
    assert (result.output, result.exit_code) == ("", 0)


def test_quart(diagnose: Diagnose) -> None:
    """
    A Quart app is looked at as a Flask app is.
    """
    legacy = LEGACY.replace("import flask", "import quart as flask").replace("Flask(", "Quart(")
    result = diagnose(legacy)
    assert (result.output, result.exit_code) == ("", 0)
    result = diagnose(legacy.replace("a long", "another long"), API + keywords())
    assert result.stdout.startswith("secret_key: ")


def test_servers_settings(diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What uvicorn is told by its environment counts: that it hands no context on, and what stands before all paths.
    """
    mounted = adds("app.config.update(SESSION_COOKIE_PATH='/shop')\n", "import a2wsgi\n\n" + MOUNTED_BY_A2WSGI)
    assert len(diagnose(*mounted).stdout.splitlines()) == 2
    monkeypatch.setenv("UVICORN_RESET_CONTEXTVARS", "1")
    monkeypatch.setenv("UVICORN_ROOT_PATH", "/shop")
    assert diagnose(*mounted).output == ""


MOUNTED_BY_A2WSGI = """
app.mount("/legacy", a2wsgi.WSGIMiddleware(flask_app))
"""
