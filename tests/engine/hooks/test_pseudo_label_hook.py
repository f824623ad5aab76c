"""CAM files and masks from inside real runs."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.runner import Runner

from mmwsss.apis import dataset_of_split
from mmwsss.utils.io import read_cam, read_id_list, read_mask, read_tags
from tests.engine.toy_runs import toy_config, train


def loader_of(config, split):
    return ConfigDict(
        batch_size=1,
        num_workers=0,
        dataset=dataset_of_split(config, split),
        sampler=dict(type='mmengine.DefaultSampler', shuffle=False, round_up=False),
    )


def class_ids(root, img_id):
    names = (root / 'classes.txt').read_text().split()
    return sorted(names.index(tag) - 1 for tag in read_tags(root / 'image_tags.csv')[img_id])


def test_files_during_and_after_training(toy_root, tmp_path):
    # a patch head that has hardly learnt may leave nothing of a fused map
    config = toy_config(toy_root, tmp_path, epochs=2, **{'model.test_cfg.map_type': 'mct'})
    config.custom_hooks.append(
        dict(
            type='mmwsss.PseudoLabelHook',
            out_dir='labels',
            interval=1,
            dataloader=loader_of(config, 'train'),
        )
    )
    runner = train(config)
    ids = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt')
    for folder in (tmp_path / 'labels' / 'epoch_1', tmp_path / 'labels'):
        files = sorted(path.stem for path in folder.glob('*.npz'))
        assert files == ids
    assert not (tmp_path / 'labels' / 'epoch_2').exists()
    runner.model.eval()
    dataset = runner.build_dataloader(loader_of(config, 'train')).dataset
    for item in (dataset[0], dataset[5]):
        img_id = item['data_samples'].img_id
        found = read_cam(tmp_path / 'labels' / f'{img_id}.npz')
        assert found.keys.tolist() == class_ids(toy_root, img_id) and found.size == tuple(
            item['data_samples'].ori_shape
        )
        (result,) = runner.model.test_step(
            dict(inputs=[[view] for view in item['inputs']], data_samples=[item['data_samples']])
        )
        np.testing.assert_allclose(found.cam, result.pred_cams.data, atol=1e-4)
    earlier = read_cam(tmp_path / 'labels' / 'epoch_1' / f'{ids[0]}.npz')
    assert not np.allclose(earlier.cam, read_cam(tmp_path / 'labels' / f'{ids[0]}.npz').cam)


@pytest.mark.parametrize('kind', ['cams', 'masks'])
def test_tested_images(toy_root, tmp_path, kind):
    config = toy_config(
        toy_root,
        tmp_path,
        hooks=[
            dict(
                type='mmwsss.PseudoLabelHook',
                out_dir=str(tmp_path / 'elsewhere'),
                kind=kind,
                threshold=0.3,
                half=kind == 'cams',
            )
        ],
    )
    Runner.from_cfg(config).test()
    for img_id in read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'test.txt'):
        size = read_mask(toy_root / 'SegmentationClass' / f'{img_id}.png').shape
        if kind == 'cams':
            found = read_cam(tmp_path / 'elsewhere' / f'{img_id}.npz')
            assert found.size == size and found.cam.dtype == np.float16
        else:
            mask = read_mask(tmp_path / 'elsewhere' / f'{img_id}.png', 9, size)
            assert set(np.unique(mask)) <= {0, *(key + 1 for key in class_ids(toy_root, img_id))}
    assert len(list((tmp_path / 'elsewhere').iterdir())) == 2


def test_without_a_loader_training_writes_nothing(toy_root, tmp_path):
    train(toy_config(toy_root, tmp_path, hooks=[dict(type='mmwsss.PseudoLabelHook', interval=1)]))
    assert not (tmp_path / 'cams').exists()


def test_labels_do_not_change_the_training(toy_root, tmp_path):
    weights = []
    for hooked in (False, True):
        config = toy_config(
            toy_root,
            tmp_path / str(hooked),
            epochs=2,
            **{
                'train_dataloader.dataset.pipeline': [
                    dict(type='mmwsss.LoadImage'),
                    dict(type='mmpretrain.Resize', scale=(64, 64)),
                    dict(type='mmwsss.PackTagInputs'),
                ]
            },
        )
        if hooked:
            config.custom_hooks.append(
                dict(
                    type='mmwsss.PseudoLabelHook', interval=1, dataloader=loader_of(config, 'test')
                )
            )
        weights.append(train(config).model.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
