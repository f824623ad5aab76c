"""Loops."""

from .bucketed_test_loop import BucketedTestLoop
from .crf_test_loop import CRFTestLoop

__all__ = ['BucketedTestLoop', 'CRFTestLoop']
