"""
The FastAPI half of docs/deployment.md, with more views, each of which `behind_flask` has too.
"""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import StreamingResponse
from shop import User, app  # type: ignore[import-not-found]  # of the page

from starlette_flask import flash as flashing
from starlette_flask.csrf import generate_csrf
from starlette_flask.login import current_user, login_fresh, login_user, logout_user

PATIENCE = 20.0
"""Seconds after which a stream no longer waits."""

views = APIRouter(prefix="/fastapi")


@views.get("/login/{user_id}")
async def login(request: Request, user_id: str) -> str:
    login_user(request, User(user_id), remember="remember" in request.query_params)
    return "welcome"


@views.get("/logout")
async def logout(request: Request) -> str:
    logout_user(request)
    return "bye"


@views.get("/who")
async def who(request: Request) -> dict[str, Any]:
    user = await current_user(request)
    return {"user": user.get_id(), "fresh": login_fresh(request)}


@views.get("/flash/{text}")
async def flash(request: Request, text: str) -> str:
    flashing.flash(request, text, "info")
    return "ok"


@views.get("/messages")
async def messages(request: Request) -> list[tuple[str, str]]:
    return flashing.get_flashed_messages(request, with_categories=True)


@views.get("/token")
async def token(request: Request) -> str:
    return generate_csrf(request)


@views.post("/save")
async def save(request: Request) -> int:
    return len(await request.body())


@views.get("/fill/{text}")
async def fill(request: Request, text: str) -> str:
    request.session["filling"] = text
    return "ok"


@views.get("/filling")
async def filling(request: Request) -> Any:
    return request.session["filling"]


@views.get("/request")
async def show_request(request: Request) -> dict[str, Any]:
    """
    Show what the app is told of the request.
    """
    return {
        "address": request.client and request.client.host,
        "url": str(request.url),
        "forwarded for": request.headers.get("X-Forwarded-For"),
        "cookie": request.headers.get("Cookie"),
    }


@views.get("/folder/")
async def folder() -> str:
    return "without the slash, it is a redirect"


@views.get("/events")
async def events(gate: str) -> StreamingResponse:
    """
    Server-sent events, the second of which waits for the file that is named in the query.
    """

    async def produce() -> AsyncIterator[str]:
        yield "data: first\n\n"
        end = time.monotonic() + PATIENCE
        while not Path(gate).exists() and time.monotonic() < end:
            await anyio.sleep(0.01)
        yield "data: second\n\n"

    return StreamingResponse(produce(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@views.get("/process")
async def process() -> int:
    return os.getpid()


@views.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    """
    Show what the app is told of a WebSocket.
    """
    await websocket.accept()
    await websocket.send_json({"address": websocket.client and websocket.client.host, "url": str(websocket.url)})
    await websocket.close()


app.include_router(views)
