"""
A shop that moves from Flask to FastAPI: one session, whichever half answers. Start it with ``scripts/demo``.
"""
