"""
``python -m starlette_flask`` is the command ``starlette-flask``.
"""

from starlette_flask.cli import main

main(prog_name="starlette-flask")
