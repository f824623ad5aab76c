"""Names of the images in a batch."""

from types import SimpleNamespace

import pytest
from torch.utils.data import DataLoader

from mmwsss.engine.batch_images import images_of_batch, note_images


def sample(**metainfo):
    return SimpleNamespace(metainfo=metainfo)


@pytest.mark.parametrize(
    'batch, names',
    [
        (
            dict(data_samples=[sample(img_path='a.jpg', img_id='a'), sample(img_id=7)]),
            ['a.jpg', '7'],
        ),
        (dict(data_samples=sample(img_id='one')), ['one']),
        (dict(data_samples=[sample(), object()]), []),
        (dict(inputs=[1]), []),
        ([1, 2], []),
    ],
)
def test_files_come_before_ids(batch, names):
    assert images_of_batch(batch) == names


def caught(function):
    try:
        function()
    except ValueError as error:
        return error
    raise AssertionError('no error')


def no_item(_):
    raise ValueError('b.jpg: unreadable')


def test_an_error_takes_its_batch_along_but_not_the_one_before_it():
    batch = dict(data_samples=[sample(img_path='a.jpg')])
    error = caught(lambda: no_item(0))
    note_images(error, batch)
    assert error.images == ['a.jpg'] and error.has_begun
    loader = DataLoader(range(2), collate_fn=no_item)
    error = caught(lambda: next(iter(loader)))
    note_images(error, batch)
    assert error.images == [] and error.has_begun
    note_images(error, None)
    assert not error.has_begun
