"""
Pins the public types of mounting and of the bridges. Checked by mypy, never run.
"""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, FastAPI
from flask import Flask
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates
from starlette.testclient import TestClient

from starlette_flask import Session, SessionConfig, SessionMiddleware, login
from starlette_flask.csrf import CSRFConfig, csrf_exempt, csrf_protect, generate_csrf, validate_csrf
from starlette_flask.flash import flash, get_flashed_messages
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware, flask_url_for, http_connection
from starlette_flask.templating import flask_context
from starlette_flask.testing import login_client, make_session_cookie, read_session_cookie, session_transaction

flask_app = Flask(__name__)
config = SessionConfig.from_flask(flask_app)


class User(login.UserMixin):
    id = 1


manager = login.LoginManager.from_flask(flask_app, login_view="/login")
manager = login.LoginManager.from_mapping({"SECRET_KEY": "secret"}, session_protection="strong")
manager = login.LoginManager(secret_key=b"secret", remember_cookie_duration=timedelta(days=1))


@manager.user_loader
async def load_user(user_id: str) -> User | None:
    return User() if user_id == "1" else None


@manager.unauthorized_handler
def turn_away(connection: HTTPConnection) -> Response:
    return RedirectResponse("/login")


def count_rejected(reason: str, connection: HTTPConnection) -> None: ...


app = FastAPI(
    middleware=[
        Middleware(SessionMiddleware, config=config, on_rejected=count_rejected, accept_starlette_cookies=["old"]),
        Middleware(LoginMiddleware, manager=manager),
        Middleware(AuthenticationMiddleware, backend=login.LoginBackend(manager)),
        Middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app), exempt_mounts=["/legacy"]),
        Middleware(CSRFMiddleware, secret_key="secret", time_limit=None, websocket_origins=()),
    ]
)
app.mount("/legacy", WSGIMiddleware(flask_app, workers=4, share_session=False))
app.mount("/other", WSGIMiddleware(flask_app, worker=4))  # type: ignore[call-arg]


@app.post("/account", responses=login.RESPONSES, dependencies=[Depends(csrf_protect)])
@csrf_exempt
async def account(request: Request, user: Annotated[User, Depends(login.login_required)]) -> int:
    is_in: bool = login.login_user(request, user, remember=True, duration=timedelta(days=1))
    flags: tuple[bool, bool] = (login.login_fresh(request), login.login_remembered(request))
    login.confirm_login(request)
    url: str = login.next_url(request, flask_url_for(request, "index", _external=True))
    flash(request, url, "info")
    pairs: list[tuple[str, str]] = get_flashed_messages(request, with_categories=True, category_filter={"info"})
    validate_csrf(request, generate_csrf(request))
    print(is_in, flags, pairs, http_connection({}).state)
    return user.id


templates = Jinja2Templates("templates", context_processors=[flask_context(flask_app)])

client = TestClient(app)
login_client(client, User(), remember=True)
with session_transaction(client, config) as session:
    opened: Session = session
value: str = make_session_cookie({"user": "ada"}, config)
content: dict[str, object] = read_session_cookie(client.get("/"), config)
