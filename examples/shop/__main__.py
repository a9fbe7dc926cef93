"""
Serves the shop at 127.0.0.1, port 8000 or $PORT.
"""

import os
import socket
import sys
from contextlib import suppress

import uvicorn

from examples.shop.main import app

WELCOME = """\
The shop is open: {address}/

In a browser
  {address}/          FastAPI
  {address}/legacy/   Flask: the same pages, from the same templates
  {address}/checkout  FastAPI only; asks for a fresh login

With curl
  jar=$(mktemp)
  token=$(curl -s -b $jar -c $jar {address}/api/token)
  # Flask logs you in
  curl -b $jar -c $jar -H "X-CSRFToken: $token" -d user=ada {address}/legacy/login
  # FastAPI knows you
  curl -b $jar -c $jar {address}/api/me
  # Flask changes the cart, and FastAPI changes the same cart
  curl -b $jar -c $jar -H "X-CSRFToken: $token" -X POST {address}/legacy/cart/tea
  curl -b $jar -c $jar -H "X-CSRFToken: $token" -X POST {address}/api/cart/tea
  # Without the token nothing is changed
  curl -b $jar -c $jar -X POST {address}/api/cart/tea
  # FastAPI logs you out of both, as you see
  curl -b $jar -c $jar -H "X-CSRFToken: $token" -X POST {address}/logout
  curl -b $jar -c $jar {address}/api/me

Stop it with Ctrl+C.
"""


def main() -> None:
    port = os.environ.get("PORT") or "8000"
    try:
        listener = socket.create_server(("127.0.0.1", int(port)))
    except (OSError, OverflowError, ValueError) as exc:
        sys.exit(f"Can't listen on 127.0.0.1, port {port}. Is it taken? Try another: PORT=8001 scripts/demo\n({exc})")
    # Else answers wait for 40 ms in the kernel. asyncio sets this only where a socket's proto says TCP; here it is 0.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(WELCOME.format(address=f"http://127.0.0.1:{listener.getsockname()[1]}"), flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(app)).run(sockets=[listener])


main()
