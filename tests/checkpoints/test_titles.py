"""Titles of the released formats."""

from mmwsss.checkpoints.formats import FORMATS
from mmwsss.checkpoints.titles import TITLES


def test_every_format_has_its_title():
    assert list(TITLES) == list(FORMATS)
    assert TITLES == {name: entry.title for name, entry in FORMATS.items()}
