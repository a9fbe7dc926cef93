"""
The same shop in FastAPI: each view has moved, and the Flask app is mounted for what has not.

Session, login, CSRF tokens, flash messages and templates are those of the Flask half.
"""

from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.csrf import CSRFConfig, CSRFError
from starlette_flask.demo.flask_half import app as flask_app
from starlette_flask.demo.shop import (
    PRODUCTS,
    LoginForm,
    OrderForm,
    User,
    change_cart,
    find_user,
    items_of,
    place_order,
)
from starlette_flask.flash import flash
from starlette_flask.login import (
    LoginManager,
    current_user,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
    next_url,
)
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from starlette_flask.templating import flask_context

HERE = Path(__file__).parent

# Every page shows who is logged in, so every route loads the user. (The pages of FastAPI's own documentation are off:
# they load scripts from another host.)
app = FastAPI(title="Tea shop", dependencies=[Depends(current_user)], openapi_url=None)
app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app), exempt_mounts=("/",))
app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))
# Added last, so that it is outside. Files need no session.
app.add_middleware(
    SessionMiddleware, config=SessionConfig.from_flask(flask_app), allow_path_regex=r"(?!/(static|demo/session)\b).*"
)

templates = Jinja2Templates(HERE / "templates", context_processors=[flask_context(flask_app)])


@app.get("/products")
async def products(request: Request) -> Response:
    return templates.TemplateResponse(request, "products.html", {"products": PRODUCTS.values()})


@app.get("/cart")
async def cart(request: Request) -> Response:
    return templates.TemplateResponse(request, "cart.html", {"items": items_of(request.session.get("cart", {}))})


@app.post("/cart")
async def add_to_cart(
    request: Request, sku: Annotated[str, Form()] = "", number: Annotated[str, Form()] = ""
) -> Response:
    if sku not in PRODUCTS:
        raise HTTPException(404)
    what = change_cart(request.session.setdefault("cart", {}), sku, -1 if number == "-1" else 1)
    flash(request, f"FastAPI {what}")
    return RedirectResponse(request.url_for("cart").path, 303)


@app.get("/checkout", dependencies=[Depends(fresh_login_required)])
async def checkout(request: Request) -> Response:
    items = items_of(request.session.get("cart", {}))
    return templates.TemplateResponse(request, "checkout.html", {"form": OrderForm(), "items": items})


@app.post("/checkout")
async def order(request: Request, user: Annotated[User, Depends(fresh_login_required)]) -> Response:
    form, items = OrderForm(await request.form()), items_of(request.session.get("cart", {}))
    if not (form.validate() and items):
        return templates.TemplateResponse(request, "checkout.html", {"form": form, "items": items}, 400)
    placed = place_order(user, request.session.pop("cart"), form.note.data)
    request.session["last_order"] = (placed.id, placed.at)
    flash(request, "FastAPI has taken your order. Thank you!")
    return RedirectResponse(request.url_for("account").path, 303)


@app.get("/account", dependencies=[Depends(login_required)])
async def account(request: Request) -> Response:
    return templates.TemplateResponse(request, "account.html")


@app.post("/account", dependencies=[Depends(login_required)])
async def stay(request: Request, stay: Annotated[bool, Form()] = False) -> Response:
    request.session.permanent = stay  # type: ignore[attr-defined]  # to Starlette it is a dict
    flash(request, "FastAPI made your session " + ("permanent." if stay else "one that ends with the browser."))
    return RedirectResponse(request.url_for("account").path, 303)


@app.get("/login")
async def login(request: Request) -> Response:
    return templates.TemplateResponse(request, "login.html", {"form": LoginForm()})


@app.post("/login")
async def log_in(request: Request) -> Response:
    form = LoginForm(await request.form())
    user = find_user(form.name.data, form.password.data) if form.validate() else None
    if user is None:
        return templates.TemplateResponse(request, "login.html", {"form": form, "is_wrong": True}, 400)
    login_user(request, user, remember=form.remember.data)
    request.session["logged_in_at"] = datetime.now(timezone.utc)
    flash(request, f"FastAPI has logged you in, {user.name}.")
    return RedirectResponse(next_url(request, default="/account"), 303)


@app.post("/logout")
async def logout(request: Request) -> Response:
    logout_user(request)
    request.session.pop("logged_in_at", None)
    flash(request, "FastAPI has logged you out.")
    return RedirectResponse(request.url_for("products").path, 303)


@app.exception_handler(CSRFError)
@app.exception_handler(404)
async def say_why(request: Request, error: HTTPException) -> Response:
    await current_user(request)  # where the middleware refuses, no route has loaded it
    why = {"error": HTTPStatus(error.status_code).phrase, "reason": error.detail}
    return templates.TemplateResponse(request, "error.html", why, error.status_code)


app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
legacy = WSGIMiddleware(flask_app)
app.mount("/", legacy)  # last: it takes every path that is left
