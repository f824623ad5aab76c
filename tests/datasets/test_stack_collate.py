"""Images that are stacked when they are collated."""

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

from mmwsss.datasets import stack_collate
from mmwsss.models import ViewsDataPreprocessor
from tests.device.small_models import SEG_CONFIGS, small_config, training_batch
from tests.engine.toy_runs import toy_config


def items(*shapes: list[tuple[int, int]]) -> list[dict]:
    """Items with one image of each shape, or with views."""
    result = []
    for number, sizes in enumerate(shapes):
        views = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
        result.append(dict(inputs=views if len(views) > 1 else views[0], data_samples=number))
    return result


def test_images_and_views() -> None:
    single = stack_collate(items([(4, 5)], [(4, 5)]))
    assert single['inputs'].shape == (2, 3, 4, 5) and single['data_samples'] == [0, 1]
    views = stack_collate(items([(4, 5), (2, 2)], [(4, 5), (2, 3)]))['inputs']
    assert views[0].shape == (2, 3, 4, 5)
    assert [view.shape[-1] for view in views[1]] == [2, 3]


@pytest.mark.parametrize(
    'shapes', [[[(4, 5)]] * 2, [[(4, 5), (4, 5)]] * 2, [[(4, 5), (2, 2)], [(4, 5), (2, 3)]]]
)
def test_the_preprocessor_gives_the_same_batch(shapes: list) -> None:
    batch, preprocessor = items(*shapes), ViewsDataPreprocessor()
    ours, plain = (
        preprocessor(collate(batch), True)['inputs'] for collate in (stack_collate, pseudo_collate)
    )

    def flat(value: object) -> list[torch.Tensor]:
        if isinstance(value, torch.Tensor):
            return [value]
        return [tensor for part in value for tensor in flat(part)]

    assert len(flat(ours)) == len(flat(plain))
    assert all(torch.equal(one, two) for one, two in zip(flat(ours), flat(plain)))


def test_segmentation_batches() -> None:
    from mmwsss.registry import MODELS

    preprocessor = MODELS.build(small_config(SEG_CONFIGS[1]).model.data_preprocessor)
    batch = training_batch(SEG_CONFIGS[1])
    stacked = dict(batch, inputs=torch.stack(batch['inputs']))
    assert torch.equal(preprocessor(stacked, True)['inputs'], preprocessor(batch, True)['inputs'])


def test_a_run_with_it(toy_root, tmp_path) -> None:
    config = toy_config(
        toy_root,
        tmp_path,
        **{'train_dataloader.collate_fn': dict(type='mmwsss.stack_collate')},
    )
    loader = Runner.build_dataloader(config.train_dataloader)
    assert next(iter(loader))['inputs'].shape == (4, 3, 96, 96)
