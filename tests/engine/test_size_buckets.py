"""Batches of images of one size: the same numbers, every image once, bounded memory."""

from collections.abc import Iterator

import pytest
import torch
from mmengine.runner import Runner
from torch import nn

from mmwsss.engine.loops import BucketedTestLoop
from mmwsss.engine.size_buckets import BatchPredictor, SizeBuckets, merge, split
from mmwsss.structures import WSSSDataSample
from tests.device.small_models import small_model
from tests.engine.toy_runs import toy_config

SIZES = [(48, 64), (64, 48), (48, 64), (48, 64), (32, 64), (64, 48), (48, 64)]


def items(sizes: list[tuple[int, int]] = SIZES, scales: tuple[float, ...] = (1.0,)) -> list[dict]:
    """Collated batches of one image each, with one to three tags."""
    generator = torch.Generator().manual_seed(0)
    result = []
    for number, (height, width) in enumerate(sizes):
        views = [
            [
                torch.randint(
                    0,
                    256,
                    (3, int(scale * height), int(scale * width)),
                    dtype=torch.uint8,
                    generator=generator,
                )
            ]
            for scale in scales
        ]
        sample = WSSSDataSample(metainfo=dict(img_id=str(number), ori_shape=(height, width)))
        sample.set_gt_tags(torch.eye(20)[[number, (3 * number) % 20]].amax(0))
        result.append(dict(inputs=views if len(scales) > 1 else views[0], data_samples=[sample]))
    return result


def ids(batch: dict) -> list[int]:
    return [int(sample.img_id) for sample in batch['data_samples']]


def test_only_exact_sizes_meet_and_nothing_is_lost() -> None:
    batches = [ids(batch) for batch in SizeBuckets(3).batches(items())]
    assert batches == [[0, 2, 3], [6], [1, 5], [4]]


def test_waiting_images_are_bounded() -> None:
    taken = []

    def stream() -> Iterator[dict]:
        for item in items():
            taken.append(item)
            yield item

    seen = 0
    for batch in SizeBuckets(4, waiting=2).batches(stream()):
        seen += len(ids(batch))
        assert len(taken) - seen <= 3
    assert seen == len(SIZES)


def test_images_of_a_batch_can_share_their_tags() -> None:
    two = items([(48, 64)] * 4)
    for item, classes in zip(two, ([1], [2], [1], [2])):
        item['data_samples'][0].set_gt_tags(torch.eye(20)[classes].amax(0))
    assert [ids(batch) for batch in SizeBuckets(2, by_tags=True).batches(two)] == [[0, 2], [1, 3]]


@pytest.mark.parametrize('scales', [(1.0,), (1.0, 0.5)])
def test_halves_of_a_batch(scales: tuple[float, ...]) -> None:
    batch = merge(items([(48, 64)] * 3, scales))
    first, second = split(batch)
    assert (ids(first), ids(second)) == ([0], [1, 2])
    again = merge([first, *split(second)])
    view, other = (
        data['inputs'] if len(scales) == 1 else data['inputs'][1] for data in (batch, again)
    )
    assert all(torch.equal(one, two) for one, two in zip(view, other))


def test_a_batch_size_below_one() -> None:
    with pytest.raises(ValueError, match='a batch has one image or more, got a batch size of 0'):
        SizeBuckets(0)


@pytest.mark.parametrize('name', ['mctformer_plus_voc', 'acr_deit-s_voc', 'cosa_voc'])
def test_maps_are_those_of_one_image_after_the_other(name: str) -> None:
    model = small_model(name).eval()
    for layer in model.backbone.layers:  # contrast, as trained attention has
        nn.init.normal_(layer.attn.qkv.weight, std=1.5 * model.backbone.embed_dims**-0.5)
    scales = (1.0,) if name == 'cosa_voc' else (1.0, 1.5)

    def maps(batch_size: int) -> dict[str, tuple]:
        predictor = BatchPredictor(model, batch_size)
        with torch.no_grad():
            return {
                sample.img_id: (sample.cam_keys, sample.pred_cams.data, sample.pred_scores)
                for _, samples in predictor.predict(items(scales=scales))
                for sample in samples
            }

    single, batched = maps(1), maps(4)
    assert single.keys() == batched.keys() and len(single) == len(SIZES)
    for key, (keys, cams, scores) in single.items():
        assert batched[key][0] == keys and len(keys) in (1, 2)
        torch.testing.assert_close(batched[key][1], cams, rtol=0, atol=1e-5)
        torch.testing.assert_close(batched[key][2], scores, rtol=0, atol=1e-5)


class Narrow(nn.Module):
    """Has memory for two images."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def test_step(self, data: dict) -> list:
        if len(data['data_samples']) > 2:
            raise torch.OutOfMemoryError('too many images')
        self.batches.append(len(data['data_samples']))
        return data['data_samples']


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'empty_cache', lambda: None)
    model = Narrow()
    predictor = BatchPredictor(model, 4)
    found = [
        sample.img_id for _, samples in predictor.predict(items([(8, 8)] * 7)) for sample in samples
    ]
    assert found == list('0123456')
    assert model.batches == [2, 2, 2, 1] and predictor.buckets.batch_size == 2


def test_the_metrics_of_a_test_stay(toy_root, tmp_path) -> None:
    def metrics(**test_cfg) -> dict[str, float]:
        config = toy_config(toy_root, tmp_path, **{'test_dataloader.dataset.indices': 2})
        config.test_cfg = test_cfg
        torch.manual_seed(0)
        runner = Runner.from_cfg(config)
        results = runner.test()
        assert isinstance(runner.test_loop, BucketedTestLoop) == bool(test_cfg)
        return {key: value for key, value in results.items() if isinstance(value, float)}

    plain = metrics()
    assert plain
    assert metrics(type='mmwsss.BucketedTestLoop', batch_size=2) == pytest.approx(plain, abs=1e-3)
