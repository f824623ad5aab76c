"""Batches of items with one key."""

import pytest

from mmwsss.utils.buckets import Buckets


class ByLetter(Buckets):
    def key(self, item):
        return item[0] if item[0] != '-' else None


def test_items_of_one_key_meet():
    items = ['a1', 'b1', 'a2', '--', 'b2', 'a3']
    assert list(ByLetter(2).lists(items)) == [['a1', 'a2'], ['--'], ['b1', 'b2'], ['a3']]
    assert list(ByLetter(1).lists(items)) == [[item] for item in items]


def test_few_items_wait():
    assert list(ByLetter(3, waiting=1).lists(['a1', 'b1', 'b2'])) == [['a1'], ['b1', 'b2']]
    with pytest.raises(ValueError, match='a batch has one image or more'):
        ByLetter(0)
