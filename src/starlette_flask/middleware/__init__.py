"""
What you add to an app: thin pure-ASGI adapters without rules of their own.
"""
