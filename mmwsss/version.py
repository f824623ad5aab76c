"""Version of mmwsss (semantic versioning)."""

__version__ = '0.1.0'
