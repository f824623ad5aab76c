"""Names of the images in a batch."""

from types import SimpleNamespace

import pytest

from mmwsss.engine.batch_images import images_of_batch


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
