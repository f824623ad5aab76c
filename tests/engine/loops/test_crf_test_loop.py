"""What the loop with a dense CRF does to the scores of an image; whole runs are in the tests of
``tools/test.py``.
"""

import numpy as np
import torch
from PIL import Image

from mmwsss.engine.loops.crf_test_loop import apply_crf, keep_tagged
from mmwsss.models.refiners import DenseCRF


def test_labels_of_all_score_maps(tmp_path):
    """The CRF sees the image in RGB."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / 'a.png')
    maps = [rng.random((number, 12, 16), np.float32) for number in (3, 2)]
    maps = [scores / scores.sum(0) for scores in maps]
    options = dict(preset='psa', backend='torch')
    labels = apply_crf((tmp_path / 'a.png', maps), options)
    for label, scores in zip(labels, maps):
        expected = DenseCRF(**options)(image, scores).argmax(0)
        np.testing.assert_array_equal(label, expected)


def test_untagged_classes_lose():
    logits = torch.randn(4, 2, 3)
    kept = keep_tagged(logits, torch.tensor([0, 1, 0]))
    assert torch.equal(kept[[0, 2]], logits[[0, 2]]) and (kept[[1, 3]] == -1e5).all()
    assert (kept.softmax(0)[[1, 3]] == 0).all()
