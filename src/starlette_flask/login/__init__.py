"""
Flask-Login's user: who is logged in, wherever that happened, and logging in and out so that Flask-Login honours it.

The functions read as those of ``flask_login`` (0.6.3), with the request, or any `HTTPConnection`, in front. They
find their manager in the scope, where `LoginMiddleware` put it.
"""

from starlette_flask.login.dependencies import (
    RESPONSES,
    LoginBackend,
    current_user,
    fresh_login_required,
    login_required,
)
from starlette_flask.login.manager import LoginManager
from starlette_flask.login.users import AnonymousUserMixin, User, UserMixin
from starlette_flask.login.views import confirm_login, login_fresh, login_remembered, login_user, logout_user, next_url

__all__ = [
    "RESPONSES",
    "AnonymousUserMixin",
    "LoginBackend",
    "LoginManager",
    "User",
    "UserMixin",
    "confirm_login",
    "current_user",
    "fresh_login_required",
    "login_fresh",
    "login_remembered",
    "login_required",
    "login_user",
    "logout_user",
    "next_url",
]
