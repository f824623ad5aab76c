"""Files of text embeddings: what was written is read, and other classes are refused."""

import numpy as np
import pytest

from mmwsss.utils.text_embeddings import read_text_embeddings, write_text_embeddings

NAMES = ['cat', 'traffic light', 'sky']


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / 'texts.npz'
    write_text_embeddings(file, NAMES, 2, rng.random((3, 4)), rng.random((5, 4)), 100.0, NAMES)
    return file


def test_round_trip(path):
    content = read_text_embeddings(path, NAMES[:2])
    assert content.names.tolist() == NAMES and int(content.num_classes) == 2
    assert content.embeddings.shape == (3, 4) and content.projection.shape == (5, 4)
    assert content.embeddings.dtype == np.float32 and float(content.scale) == 100
    assert [file.name for file in path.parent.iterdir()] == ['texts.npz']


@pytest.mark.parametrize(
    'classes, message',
    [
        (['cat', 'dog'], "the first difference is number 1 \\('traffic light' instead of 'dog'"),
        (['cat'], '2 instead of 1'),
    ],
)
def test_other_classes(path, classes, message):
    with pytest.raises(ValueError, match=message) as error:
        read_text_embeddings(path, classes)
    assert str(path) in str(error.value)


def test_damaged_content(path, tmp_path):
    with pytest.raises(ValueError, match='damaged file of text embeddings'):
        write_text_embeddings(
            tmp_path / 'bad.npz', NAMES, 2, np.full((3, 4), np.nan), np.zeros((5, 4)), 1.0, NAMES
        )
    assert not (tmp_path / 'bad.npz').exists()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r'texts\.npz'):
        read_text_embeddings(path, NAMES[:2])
    with pytest.raises(FileNotFoundError):
        read_text_embeddings(tmp_path / 'missing.npz', NAMES[:2])
