"""Helpers without a model: compatibility, files, checkpoints, environment."""
