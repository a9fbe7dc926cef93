"""
Flask's session in Starlette and FastAPI: one user, whichever app answers.
"""

from starlette_flask.config import SessionConfig
from starlette_flask.exceptions import ConfigError
from starlette_flask.formats.serializer import SessionSerializer
from starlette_flask.middleware.sessions import SessionMiddleware
from starlette_flask.session import Session

__all__ = ["ConfigError", "Session", "SessionConfig", "SessionMiddleware", "SessionSerializer"]
