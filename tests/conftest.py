"""Settings of every test: one thread, fixed seeds, and the markers that a folder or a device
implies.
"""

import gc
import random
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(1)
TOOL_TESTS = Path(__file__).parent / 'tools'
LONG_FILES = (
    'test_ranks.py',
    'test_train.py',
    'test_run_pipeline.py',
    'test_readme.py',
    'test_hostile_inputs.py',
    'test_waits.py',
    'test_graphs.py',
    'test_worker_batches.py',
    'test_onnx_export.py',
    'test_corpus.py',
    'test_benchmark.py',
    'test_distributed_training.py',
    'test_epoch_seed_hook.py',
    'test_atomic_checkpoint_hook.py',
    'test_own_components.py',
    'test_photos.py',
    'test_packaging.py',
)
LONGEST = {name: place for place, name in enumerate(LONG_FILES)}
SHARED_IMPORTS = ('mmwsss.apis', 'mmwsss.engine.loops', 'mmwsss.models', 'mmwsss.datasets')


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests of command line tools; skip those of a GPU where there is none. The longest
    files come first, so that no process of ``make test`` waits for another at the end.
    """
    items.sort(key=lambda item: LONGEST.get(item.path.name, len(LONGEST)))
    without_gpu = pytest.mark.skip(reason='needs a CUDA device')
    for item in items:
        if TOOL_TESTS in item.path.parents:
            item.add_marker(pytest.mark.tools)
        if item.get_closest_marker('gpu') and not torch.cuda.is_available():
            item.add_marker(without_gpu)


def pytest_collection_finish():
    """Leave what the imports made to itself: MMEngine's data sets collect garbage when they are
    built, which would look through all of it each time.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    """Free it again: libraries list what is still there at the end as leaks."""
    gc.unfreeze()


@pytest.fixture(scope='session', autouse=True)
def imported_once():
    """Let the process that all workers are copies of import what they need, once for all tests."""
    set_preload = ForkServerContext.set_forkserver_preload

    def preload(context, names):
        set_preload(context, [*SHARED_IMPORTS, *names])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ForkServerContext, 'set_forkserver_preload', preload)
        yield


@pytest.fixture(scope='session', autouse=True)
def plain_configs():
    """Write configs without line breaks: every run writes its config several times, and laying it
    out takes longer than training a tiny network.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
        yield


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
