"""Segment Anything with random weights, asked as its own library asks it."""

import pickle

import pytest
import torch

from mmwsss.functional.regions import Region
from mmwsss.models.refiners.prompted_sam import PromptedSAM
from tests.models.refiners.networks import SAMS, save_sam

REGIONS = [Region((2, 20, 5, 30), (8, 9)), Region((10, 40, 0, 12), (33, 4))]


@pytest.fixture(scope='module', params=SAMS)
def folder(request, tmp_path_factory):
    return save_sam(tmp_path_factory.mktemp(request.param), request.param)


def photo():
    return torch.randint(0, 256, (3, 41, 63), generator=torch.Generator().manual_seed(0)).byte()


def asked_one_by_one(folder, image):
    """The best masks by plain calls of the library, without kept embeddings."""
    transformers = pytest.importorskip('transformers')
    model = transformers.AutoModelForMaskGeneration.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    for (top, bottom, left, right), (y, x) in REGIONS:
        inputs = processor(
            images=image.permute(1, 2, 0).numpy(),
            input_points=[[[[float(x), float(y)]]]],
            input_labels=[[[1]]],
            input_boxes=[[[float(left), float(top), float(right), float(bottom)]]],
            return_tensors='pt',
        )
        sizes = [inputs.pop(name) for name in list(inputs) if name.endswith('_sizes')]
        inputs = {k: v.float() if v.is_floating_point() else v for k, v in inputs.items()}
        with torch.no_grad():
            output = model(**inputs)
        masks = processor.post_process_masks([output.pred_masks[0]], *sizes)[0]
        yield masks[0, output.iou_scores[0, 0].argmax()]


def test_masks_are_those_of_the_library(folder, monkeypatch):
    sam, image = PromptedSAM(folder), photo()
    expected = list(asked_one_by_one(folder, image))
    assert not torch.equal(*expected)
    for most in (32, 1):  # together, and with the embeddings of the image kept
        monkeypatch.setattr('mmwsss.models.refiners.prompted_sam.MOST_PROMPTS', most)
        found = list(sam.masks(image, REGIONS))
        assert len(found) == 2 and found[0].dtype == torch.bool
        for mask, wanted in zip(found, expected):
            assert mask.shape == (41, 63)
            assert (mask == wanted).float().mean() > 0.999  # a logit near 0 may turn
    assert list(sam.masks(image, [])) == []
    assert pickle.loads(pickle.dumps(sam))._network is None


def test_bad_input(tmp_path):
    transformers = pytest.importorskip('transformers')
    with pytest.raises(ValueError, match='no network of transformers') as error:
        PromptedSAM(str(tmp_path / 'none'))
    assert '\n' not in str(error.value)
    transformers.ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match='a vit, which predicts no masks from prompts; use a SAM'):
        PromptedSAM(tmp_path)
