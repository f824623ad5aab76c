"""Helpers that do not depend on models: compatibility, files, checkpoints, environment."""
