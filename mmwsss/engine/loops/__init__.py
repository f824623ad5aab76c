"""Loops."""

from .crf_test_loop import CRFTestLoop

__all__ = ['CRFTestLoop']
