"""Faults at chosen steps of writing, for runs inside one process."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """In the place of SIGKILL: passes every handler of ``Exception``."""


class Faults:
    """Ends a run at the n-th call of what writing to a disk consists of.

    The clean-up that a killed process does not do is left out: after the fault nothing is removed.

    Args:
        monkeypatch (MonkeyPatch): Undoes everything.
        at (int, optional): Number of the step, from 0; None only counts.
        error (BaseException | type): What is raised there.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        at: int | None = None,
        error: BaseException | type[BaseException] = Killed,
    ) -> None:
        self.calls: list[tuple[str, str]] = []
        self.at, self.error, self.dead = at, error, False
        for name in ('fsync', 'replace', 'remove'):
            monkeypatch.setattr(os, name, self._watch(name, getattr(os, name)))
        unlink = Path.unlink
        monkeypatch.setattr(
            Path, 'unlink', lambda path, **options: self.dead or unlink(path, **options)
        )

    def _watch(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **options: Any) -> Any:
            self.calls.append((step, re.sub(r'\.[\w]{8}\.part', '.part', str(args[-1]))))
            if len(self.calls) - 1 == self.at:
                self.dead = self.error is Killed
                raise self.error
            return function(*args, **options)

        return watched
