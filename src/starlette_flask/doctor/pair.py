"""
The two apps, as the checks look at them.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from starlette_flask.config import SessionConfig
from starlette_flask.doctor.findings import Finding, Keys, reason_of, secrets_in
from starlette_flask.doctor.layout import places_in
from starlette_flask.doctor.places import Kind, Layer
from starlette_flask.exceptions import ConfigError
from starlette_flask.flask_settings import own_interface


class Pair:
    """
    A Flask app and an ASGI app.

    Args:
        flask_app: A Flask or Quart app.
        asgi_app: The app that is to share its users.
    """

    def __init__(self, flask_app: Any, asgi_app: Any) -> None:
        self.flask_app = flask_app
        self.places = places_in(asgi_app)
        self.keys = Keys(self._secrets())
        self.theirs: SessionConfig | None = None
        """The Flask app's configuration."""
        self.refusal: tuple[str, str] | None = None
        """Or why it has none that can be shared, and what to do."""
        try:
            self.theirs = SessionConfig.read_flask(flask_app)
        except (ConfigError, ImportError) as exc:  # without an extra
            self.refusal = reason_of(exc)

    def finding(self, check: str, what: str, fix: str) -> Finding:
        """
        Return a finding that quotes what others have said.
        """
        return Finding(check, self.keys.hide(what), self.keys.hide(fix))

    def layers(self, *kinds: Kind) -> list[Layer]:
        """
        Return the layers of these kinds, each once.
        """
        return list(dict.fromkeys(layer for place in self.places for layer in place.of(*kinds)))

    @cached_property
    def configs(self) -> list[SessionConfig]:
        """
        The different configurations of the ASGI app's session middleware.
        """
        configs: list[SessionConfig] = []
        for layer in self.layers(Kind.SESSIONS):
            if layer.part is not None and layer.part.config not in configs:
                configs.append(layer.part.config)
        return configs

    @cached_property
    def is_kept_by_itself(self) -> bool:
        """
        The Flask app keeps its sessions on a server, in a way that only itself knows.
        """
        interface = own_interface(self.flask_app)
        is_flask_session = type(interface).__module__.partition(".")[0] == "flask_session"
        return not (is_flask_session or hasattr(interface, "get_signing_serializer"))

    @cached_property
    def is_mounted(self) -> bool:
        """
        The Flask app is mounted in the ASGI app, or its twin of the same factory.
        """
        return any(self.is_same(app) for place in self.places for _, app in place.flask_apps)

    def is_same(self, app: Any) -> bool:
        """
        Tell whether *app* is the Flask app, or another one that the same code has made.
        """
        return app is self.flask_app or app.import_name == self.flask_app.import_name

    def _secrets(self) -> Iterator[object]:
        yield from secrets_in(self.flask_app.config)
        for layer in self.layers(Kind.SESSIONS, Kind.CSRF):
            if layer.part is not None:
                yield layer.part.config.secret_key
                yield from layer.part.config.secret_key_fallbacks
