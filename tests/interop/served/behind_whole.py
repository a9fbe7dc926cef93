"""
The one process of docs/deployment.md, with the views of both halves.
"""

from tests.interop.served import behind_fastapi, behind_flask  # isort: skip  # before the mount

from whole import app, behind_proxy  # type: ignore[import-not-found]  # of the page

__all__ = ["app", "behind_fastapi", "behind_flask", "behind_proxy"]
