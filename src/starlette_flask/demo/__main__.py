"""
``python -m starlette_flask.demo`` serves the shop at 127.0.0.1, port 8000 or ``$PORT``.
"""

import os
import sys

from starlette_flask.demo import serve

port = os.environ.get("PORT") or "8000"
if not (port.isdecimal() and int(port) < 65536):
    sys.exit(f"PORT={port} is no port.")
try:
    serve(port=int(port))
except ImportError as exc:
    sys.exit(str(exc))
except OSError as exc:
    sys.exit(f"Can't listen on 127.0.0.1, port {port}. Is it taken? Try another: PORT=8001\n({exc})")
