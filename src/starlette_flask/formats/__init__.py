"""
Flask's wire formats, as plain functions and small classes. Imports neither Starlette nor Flask.
"""
