"""Seeds of items: by item, not by process."""

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset
from torch.utils.data import DataLoader

from mmwsss.datasets.seeded_items import SeededItems, seed_items


class Draws(SeededItems, BaseDataset):
    """Items are random numbers."""

    def __init__(self, length: int) -> None:
        self.length = length
        super().__init__(pipeline=[self.draw], serialize_data=False)

    def load_data_list(self):
        return [dict(img_path=str(number)) for number in range(self.length)]

    @staticmethod
    def draw(_info):
        return np.random.rand(), torch.rand(()).item()


def numbers(dataset, workers):
    loader = DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=list)
    return [item for batch in loader for item in batch]


def test_numbers_depend_on_epoch_and_item_alone():
    dataset = Draws(6)
    seed_items(dataset, (3, 0))
    first = numbers(dataset, 0)
    assert first == numbers(dataset, 0) == numbers(dataset, 1) == numbers(dataset, 2)
    assert len(set(first)) == 6
    seed_items(dataset, (3, 1))
    second = numbers(dataset, 0)
    assert not set(first) & set(second) and second == numbers(dataset, 2)


def test_parts_of_a_concatenation_differ():
    dataset = ConcatDataset([Draws(3), Draws(3)])
    seed_items(dataset, (3, 0))
    first = numbers(dataset, 0)
    assert len(set(first)) == 6 and first == numbers(dataset, 2)


def test_other_data_sets_are_left_alone():
    seed_items([1, 2], (3, 0))
    dataset = Draws(2)
    assert dataset.epoch_entropy is None
    torch.manual_seed(0)
    before = torch.get_rng_state()
    dataset.get_data_info(0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize('workers', [0, 1])
def test_an_item_that_fails_is_named(workers):
    dataset = Draws(3)
    dataset.pipeline.transforms.append(lambda _: {}['missing'])
    with pytest.raises(RuntimeError, match=r"0: KeyError: 'missing'"):
        numbers(dataset, workers)
    dataset.pipeline.transforms[-1] = lambda _: int('b.png: unreadable mask')
    with pytest.raises(ValueError, match='unreadable mask') as error:
        numbers(dataset, workers)
    assert 'RuntimeError' not in str(error.value)
