"""
A tea shop that moves from Flask to FastAPI, route by route, while its visitors stay logged in.

To learn from it, read `flask_half` beside `fastapi_half`; `main` puts the two together. `moving` and `panel` are the
demo's own: they show what happens.
"""

import socket
from contextlib import suppress

_WELCOME = """\
The shop is open: {address}/

Half of it is Flask, half of it is FastAPI, and which half a page comes from is for you to say.
Log in as ada (password: lovelace), or as grace (password: hopper), who may open Flask-Admin.

Stop it with Ctrl+C."""


def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """
    Serve the shop until Ctrl+C or SIGTERM.

    Args:
        host: The address to listen on.
        port: The port; 0: any that is free. The address that it becomes is printed.

    Raises:
        ImportError: Flask, FastAPI or something else that the extra ``demo`` brings is missing.
        OSError: The port can't be had.
    """
    try:
        import uvicorn

        from starlette_flask.demo.main import app
    except ImportError as exc:
        raise ImportError(f"the demo needs more ({exc}): pip install 'starlette-flask[demo]'") from exc

    with socket.create_server((host, port)) as listener:
        # Else answers wait for 40 ms in the kernel: asyncio sets it only where a socket's proto says TCP, and it is 0.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(_WELCOME.format(address=f"http://{host}:{listener.getsockname()[1]}"), flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(app)).run(sockets=[listener])
