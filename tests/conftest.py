"""Settings of every test: one thread, fixed seeds."""

import random

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seeds():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def toy_root(tmp_path_factory):
    """Folder of a tiny toy data set: 8 images to train, 3 to validate, 2 to test, of 64x64 to 80x80
    pixels. Not to be written to.
    """
    from mmwsss.preparation.toy_shapes import write_toy_shapes

    root = tmp_path_factory.mktemp('toy') / 'toy_shapes'
    write_toy_shapes(root, train=8, val=3, test=2, size=(64, 80), workers=1)
    return root
