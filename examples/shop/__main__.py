"""
Serves the shop at 127.0.0.1, port 8000 or $PORT.
"""

import os
import socket
import sys

import uvicorn

from examples.shop.main import app

WELCOME = """\
The shop is open: {address}/

In a browser
  {address}/legacy/login   log in, with a form in Flask
  {address}/               see who you are, in FastAPI

With curl
  jar=$(mktemp)
  curl -b $jar -c $jar -d user=ada {address}/legacy/login       # Flask logs you in
  curl -b $jar -c $jar {address}/api/me                         # FastAPI knows you
  curl -b $jar -c $jar -d sku=tea {address}/legacy/cart/add     # Flask changes the cart
  curl -b $jar -c $jar -X POST {address}/api/cart/tea           # FastAPI changes the same cart
  curl -b $jar -c $jar -X POST {address}/logout                 # FastAPI logs you out of both
  curl -b $jar -c $jar {address}/api/me                         # ... as you see

Stop it with Ctrl+C.
"""


def main() -> None:
    port = os.environ.get("PORT") or "8000"
    try:
        listener = socket.create_server(("127.0.0.1", int(port)))
    except (OSError, OverflowError, ValueError) as exc:
        sys.exit(f"Can't listen on 127.0.0.1, port {port}. Is it taken? Try another: PORT=8001 scripts/demo\n({exc})")
    print(WELCOME.format(address=f"http://127.0.0.1:{listener.getsockname()[1]}"), flush=True)
    # Without reset_contextvars, a2wsgi on uvicorn can hand one user's login to another. a2wsgi receives a
    # form upload from inside Flask's context; when uvicorn resumes reading, it takes that context over, and
    # the connection's later requests start in it, with the uploader's `flask.g`. A reverse proxy sends many
    # users' requests over one connection. The option gives each request an empty context.
    # On the command line: uvicorn --reset-contextvars. It needs uvicorn 0.45.
    config = uvicorn.Config(app, reset_contextvars=True)
    uvicorn.Server(config).run(sockets=[listener])


main()
