"""
The errors of a bad configuration. A bad cookie is never one of them: it is an empty session.

* ConfigError (ValueError)
  x ConfigTypeError (TypeError)
"""


class ConfigError(ValueError):
    """
    The configuration can't work. Raised at construction; the message says the fix.
    """


class ConfigTypeError(ConfigError, TypeError):
    """
    A configuration value has the wrong type.
    """
