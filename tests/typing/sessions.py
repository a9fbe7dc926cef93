"""
Pins the public types. Checked by mypy, never run.
"""

import json
from datetime import timedelta
from typing import Any

from flask import Flask
from quart import Quart
from starlette.applications import Starlette
from starlette.datastructures import Secret
from starlette.middleware import Middleware

from starlette_flask import ConfigError, Session, SessionConfig, SessionMiddleware, SessionSerializer

config: SessionConfig = SessionConfig.from_flask(Flask(__name__))
config = SessionConfig.from_flask(Quart(__name__))
config = SessionConfig.from_mapping({"SECRET_KEY": "secret"})
config = SessionConfig(secret_key=Secret("secret"), same_site="strict", max_age=timedelta(days=1), serializer=json)
config = SessionConfig(secret_key=b"secret", same_site="anything")  # type: ignore[arg-type]

app = Starlette(middleware=[Middleware(SessionMiddleware, secret_key="secret", max_age=None)])
app.add_middleware(SessionMiddleware, "secret", "session", 60, "/", "lax", True, None)
app.add_middleware(SessionMiddleware, config=config, allow_path_regex="/api/.*", track_nested=False)
app.add_middleware(SessionMiddleware, secret="secret")  # type: ignore[call-arg]

serializer = SessionSerializer("secret", fallbacks=["old", b"older"])
value: str = serializer.dumps({"user": "ada"})
data: dict[str, Any] = serializer.loads(value, max_age=60)

session: Session = Session(user="ada")
flags: tuple[bool, bool, bool, bool] = (session.permanent, session.modified, session.accessed, session.new)
session.permanent = session.modified = True
plain: dict[str, Any] = session
error: ValueError = ConfigError("text")
