"""Files of predictions."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from PIL import Image
from torch import nn

from mmwsss.engine import prediction_writer
from mmwsss.engine.prediction_writer import (
    PredictionWriter,
    ThreadedWriter,
    largest_first,
    write_predictions,
)
from mmwsss.structures import WSSSDataSample
from mmwsss.utils import io
from mmwsss.utils.io import read_cam, read_mask


def sample_with(keys=(1, 3), size=(3, 4), **metainfo):
    metainfo = metainfo or dict(img_id='a')
    return WSSSDataSample(metainfo=metainfo).set_pred_cams(keys, torch.rand(len(keys), *size))


@pytest.mark.parametrize('half', [False, True])
@pytest.mark.parametrize('keys', [(1, 3), ()])
def test_cam_files(keys, half, tmp_path):
    sample = sample_with(keys)
    PredictionWriter(tmp_path / 'cams', half=half).write(sample)
    found = read_cam(tmp_path / 'cams' / 'a.npz')
    assert found.keys.tolist() == list(keys) and found.size == (3, 4)
    assert found.cam.dtype == (np.float16 if half else np.float32)
    np.testing.assert_allclose(found.cam, sample.pred_cams.data, atol=1e-3 if half else 0)
    assert [path.name for path in (tmp_path / 'cams').iterdir()] == ['a.npz']


def test_masks_from_cams(tmp_path):
    sample = WSSSDataSample(metainfo=dict(img_id='a')).set_pred_cams(
        [1, 4], torch.tensor([[[0.2, 0.9, 0.5]], [[0.3, 0.8, 0.5]]])
    )
    writer = PredictionWriter(tmp_path, kind='masks', threshold=0.4)
    writer.write(sample)
    assert read_mask(tmp_path / 'a.png').tolist() == [[0, 2, 2]]  # the first of equal classes
    writer.write(sample_with((), img_id='none'))
    assert (read_mask(tmp_path / 'none.png') == 0).all()


def test_masks_of_a_segmentation_network(tmp_path):
    sample = sample_with()
    sample.pred_sem_seg = PixelData(data=torch.tensor([[[0, 7], [255, 20]]]))
    PredictionWriter(tmp_path, kind='masks').write(sample)
    assert read_mask(tmp_path / 'a.png').tolist() == [[0, 7], [255, 20]]


def test_names(tmp_path):
    writer = PredictionWriter(tmp_path)
    writer.write(sample_with(img_path='images/photo.of.me.jpg'))
    writer.write(sample_with(img_id='sub/b', img_path='images/c.jpg'))
    assert (
        read_cam(tmp_path / 'photo.of.me.npz').keys.tolist()
        == read_cam(tmp_path / 'sub' / 'b.npz').keys.tolist()
        == [1, 3]
    )
    assert writer.pending(['photo.of.me', 'new', 'sub/b', 'other']) == [1, 3]
    with pytest.raises(ValueError, match="'maps'"):
        PredictionWriter(tmp_path, kind='maps')


@pytest.mark.parametrize('kind', ['cams', 'masks'])
@pytest.mark.parametrize('failure', ['full disk', 'no rename', 'interrupt'])
def test_an_interrupted_write_leaves_no_file(kind, failure, tmp_path, monkeypatch):
    writer = PredictionWriter(tmp_path, kind=kind)
    writer.write(sample_with(img_id='before'))

    class FullDisk:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

        def write(self, data):
            self.file.write(bytes(data)[:10])
            self.file.flush()
            raise (
                KeyboardInterrupt
                if failure == 'interrupt'
                else OSError(28, 'No space left on device')
            )

    def refuse(*args):
        raise OSError('rename')

    opened = io.os.fdopen
    with monkeypatch.context() as patch:
        if failure == 'no rename':
            patch.setattr(io.os, 'replace', refuse)
        else:
            patch.setattr(
                io.os, 'fdopen', lambda *args, **kwargs: FullDisk(opened(*args, **kwargs))
            )
        for img_id in ('a', 'before'):
            with pytest.raises((OSError, KeyboardInterrupt)):
                writer.write(sample_with(img_id=img_id))
    names = [path.name for path in tmp_path.iterdir()]
    # neither a half file nor its temporary one, and the old one is whole
    assert names == [writer.path('before').name]
    assert writer.pending(['before', 'a']) == [1]
    (read_cam if kind == 'cams' else read_mask)(writer.path('before'))


class Model(nn.Module):
    """Says of each item that it has no classes."""

    def __init__(self):
        super().__init__()
        self.states = []

    def test_step(self, data):
        self.states.append((self.training, torch.is_grad_enabled()))
        if 'bad' in data:
            raise ValueError('bad image')
        return [sample_with((), img_id=img_id) for img_id in data]


def test_all_images_of_a_loader(tmp_path, capsys):
    model = Model().train()
    write_predictions(model, [['a', 'b'], ['c']], PredictionWriter(tmp_path), description='cams')
    assert sorted(path.stem for path in tmp_path.iterdir()) == ['a', 'b', 'c']
    assert model.states == [(False, False)] * 2 and model.training
    assert (
        write_predictions(model.eval(), [], PredictionWriter(tmp_path)) is None
        and not model.training
    )


def test_a_failing_image_keeps_the_files_before_it(tmp_path):
    with pytest.raises(ValueError, match='bad image'):
        write_predictions(Model(), [['a'], ['bad'], ['c']], PredictionWriter(tmp_path))
    assert [path.stem for path in tmp_path.iterdir()] == ['a']


def test_only_the_main_process_shows_progress(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(prediction_writer, 'is_main_process', lambda: False)
    write_predictions(Model(), [['a']], PredictionWriter(tmp_path), description='cams of train')
    assert 'cams of train' not in capsys.readouterr().out


def test_an_error_of_a_writing_thread_is_raised(tmp_path):
    writer = PredictionWriter(tmp_path)
    with pytest.raises(ValueError, match='3 keys'):
        with ThreadedWriter(writer, threads=1, waiting=1) as files:
            broken = sample_with((0, 1), img_id='a')
            broken.set_metainfo(dict(cam_keys=(1, 2, 3)))
            files.write([broken])
            files.write([sample_with((), img_id='b')])
            files.write([sample_with((), img_id='c')])


def test_the_largest_images_come_first(tmp_path):
    class Images:
        def get_data_info(self, index):
            return dict(img_path=str(tmp_path / f'{index}.png'))

    for index, size in enumerate([(8, 4), (4, 8), (16, 16), (8, 4)]):
        Image.new('RGB', size).save(tmp_path / f'{index}.png')
    (tmp_path / '4.png').write_text('no image')
    assert largest_first(Images(), [4, 3, 2, 1, 0]) == [2, 3, 0, 1, 4]
