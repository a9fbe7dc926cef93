"""
What a user is.
"""

from typing import Protocol


class User(Protocol):
    """
    What is asked of a user, as in Flask-Login. `UserMixin` has it all.
    """

    @property
    def is_authenticated(self) -> bool: ...

    @property
    def is_active(self) -> bool: ...

    @property
    def is_anonymous(self) -> bool: ...

    def get_id(self) -> str | None: ...


class UserMixin:
    """
    What a class of users needs beside an ``id``. Mirrors ``flask_login.UserMixin``.
    """

    __hash__ = object.__hash__

    @property
    def is_active(self) -> bool:
        return True

    @property
    def is_authenticated(self) -> bool:
        return self.is_active

    @property
    def is_anonymous(self) -> bool:
        return False

    def get_id(self) -> str:
        """
        Return what the session keeps of the user.

        Raises:
            NotImplementedError: There is no ``id``; write a ``get_id`` of your own.
        """
        try:
            return str(self.id)  # type: ignore[attr-defined]  # of the class that this is mixed into
        except AttributeError:
            raise NotImplementedError("the user has no id; give it one, or a get_id of its own") from None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, UserMixin):
            return self.get_id() == other.get_id()
        return NotImplemented


class AnonymousUserMixin:
    """
    The user when nobody is logged in. Mirrors ``flask_login.AnonymousUserMixin``.
    """

    @property
    def is_authenticated(self) -> bool:
        return False

    @property
    def is_active(self) -> bool:
        return False

    @property
    def is_anonymous(self) -> bool:
        return True

    def get_id(self) -> None:
        return None
