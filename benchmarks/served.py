"""
The apps that `benchmarks.servers` has served: the same Starlette app without a session, with Starlette's, with ours.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.payloads import SECRET_KEY
from benchmarks.scenarios import read, write
from starlette_flask import SessionMiddleware


async def _answer(request: Request) -> Response:
    return Response(b"ok")


async def _read(request: Request) -> Response:
    read(request.session)
    return Response(b"ok")


async def _write(request: Request) -> Response:
    write(request.session)
    return Response(b"ok")


_ROUTES = [Route("/read", _read), Route("/write", _write)]

bare = Starlette(routes=[Route("/read", _answer), Route("/write", _answer)])
starlette = Starlette(routes=_ROUTES, middleware=[Middleware(StarletteSessionMiddleware, secret_key=SECRET_KEY)])
ours = Starlette(routes=_ROUTES, middleware=[Middleware(SessionMiddleware, secret_key=SECRET_KEY)])
