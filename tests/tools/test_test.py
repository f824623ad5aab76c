"""Testing from the command line."""

import tarfile

import pytest
import torch

from mmwsss.utils.io import read_cam, read_id_list, read_image, read_json, read_mask, write_mask
from tests.tools.program import one_line, run_tool


def evaluate(cams, root, split):
    """CAM mIoU of files, as tools/evaluate_masks.py computes it."""
    out, ids = cams.parent / 'evaluated.json', root / 'ImageSets' / 'Segmentation' / f'{split}.txt'
    result = run_tool(
        'evaluate_masks.py',
        '--gt',
        root / 'SegmentationClass',
        '--list',
        ids,
        '--cams',
        cams,
        '--classes',
        root / 'classes.txt',
        '--json',
        out,
        '--workers',
        1,
        '--thresholds',
        '0:1:0.01',
    )
    assert result.code == 0, result
    return read_json(out)


@pytest.mark.parametrize('split', [None, 'val'])
def test_classifier(split, classifier, toy_root, tmp_path):
    """The metrics of a test are those of the files it writes; by default it tests the split of the
    config.
    """
    result = run_tool(
        'test.py',
        classifier.config,
        classifier.checkpoint,
        '--work-dir',
        tmp_path,
        '--out',
        tmp_path / 'cams',
        *(['--split', split] if split else []),
        options=classifier.options,
    )
    assert result.code == 0, result
    ids = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / f'{split or "test"}.txt')
    assert sorted(path.stem for path in (tmp_path / 'cams').iterdir()) == sorted(ids)
    metrics = read_json(tmp_path / 'metrics.json')
    assert (
        metrics['protocol']['cam']['split'] == (split or 'test')
        and metrics['protocol']['loop'] == 'test'
    )
    for path in (tmp_path / 'cams').iterdir():
        maps = read_cam(path)
        assert (
            len(maps.keys) and maps.cam.min() == 0 and maps.cam.max() == pytest.approx(1, abs=1e-4)
        )
    from_files = evaluate(tmp_path / 'cams', toy_root, split or 'test')
    for key in ('cam/mIoU', 'cam/best_threshold', 'cam/FP', 'cam/FN', 'cam/IoU'):
        assert metrics[key] == pytest.approx(from_files[key]), key
    if split == 'val':  # the same network on the same images as at the end of training
        trained = read_json(classifier.folder / 'metrics.json')
        assert {key: value for key, value in metrics.items() if key != 'protocol'} == {
            key: value for key, value in trained.items() if key != 'protocol'
        }


def test_segmentation_network(segmentor, toy_root, tmp_path):
    result = run_tool(
        'test.py',
        segmentor.config,
        segmentor.checkpoint,
        '--work-dir',
        tmp_path,
        '--out',
        tmp_path / 'masks',
        options=segmentor.options,
    )
    assert result.code == 0, result
    ids = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'test.txt')
    gts = [read_mask(toy_root / 'SegmentationClass' / f'{name}.png', 9) for name in ids]
    masks = [
        read_mask(tmp_path / 'masks' / f'{name}.png', 9, gt.shape) for name, gt in zip(ids, gts)
    ]
    metrics = read_json(tmp_path / 'metrics.json')
    correct = sum(((mask == gt) & (gt == 0)).sum() for mask, gt in zip(masks, gts))
    union = sum(((mask == 0) | (gt == 0)).sum() for mask, gt in zip(masks, gts))
    assert metrics['seg/IoU']['background'] == pytest.approx(100 * correct / union)


def test_protocols(classifier, segmentor, tmp_path):
    """The rules of a paper on other data: its scales, thresholds, fusion and CRF, under its name
    with a remark.
    """

    def test(trained, name, *args):
        result = run_tool(
            'test.py',
            trained.config,
            trained.checkpoint,
            '--work-dir',
            tmp_path / name,
            '--protocol',
            name,
            *args,
            options=trained.options,
        )
        assert result.code == 0, result
        return read_json(tmp_path / name / 'metrics.json')

    metrics = test(classifier, 'acr-voc-train-cam', '--out', tmp_path / 'cams')
    protocol = metrics['protocol']['cam']
    assert (
        protocol['num_thresholds'] == 100
        and protocol['rule'] == 'best'
        and protocol['split'] == 'test'
    )
    assert protocol['name'] == metrics['protocol']['tags']['name']
    assert protocol['name'].startswith('acr-voc-train-cam (its rules; data: test (')
    assert (
        len(list((tmp_path / 'cams').glob('*.npz')))
        and 'cam/mIoU' in metrics
        and 'tags/mAP' in metrics
    )
    metrics = test(segmentor, 'mcc-voc-val-ms', '--out', tmp_path / 'masks')
    assert (
        metrics['protocol']['seg']['name'].startswith('mcc-voc-val-ms (')
        and metrics['protocol']['seg']['mean'] == 'present'
    )
    assert len(list((tmp_path / 'masks').glob('*.png')))

    def refused(trained, *args):
        return run_tool(
            'test.py', trained.config, trained.checkpoint, *args, options=trained.options
        )

    one_line(
        refused(classifier, '--protocol', 'mcc-voc-val'),
        'mcc-voc-val is one of segmentation, mmwsss.MCTformerPlus makes none',
    )
    one_line(
        refused(classifier, '--protocol', 'mcc'),
        "'mcc' is unknown; protocols: mctformer-voc-train-cam",
    )
    one_line(
        refused(segmentor, '--protocol', 'mcc-voc-val', '--tta'),
        'leave out --tta, --crf and --submission',
    )


def test_submission(segmentor, toy_root, tmp_path):
    """Masks at original size in the folder of the server, without ground truth."""
    root = tmp_path / 'without_masks'
    root.mkdir()
    for folder in ('JPEGImages', 'ImageSets', 'image_tags.csv'):
        (root / folder).symlink_to(toy_root / folder)
    options = {**segmentor.options, 'data_root': root}
    result = run_tool(
        'test.py',
        segmentor.config,
        segmentor.checkpoint,
        '--work-dir',
        tmp_path / 'log',
        '--out',
        tmp_path / 'out',
        '--tta',
        '--submission',
        '--crf',
        'cosa_test',
        '--crf-prune',
        '1e-4',
        options=options,
    )
    assert result.code == 0, result
    folder = 'results/VOC2012/Segmentation/comp6_test_cls'
    ids = read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'test.txt')
    with tarfile.open(tmp_path / 'out' / 'results.tar') as tar:
        assert tar.getnames() == sorted(f'{folder}/{name}.png' for name in ids)
    for name in ids:
        mask = read_mask(tmp_path / 'out' / folder / f'{name}.png', 9)
        assert (
            mask.shape == read_image(toy_root / 'JPEGImages' / f'{name}.jpg').shape[:2]
            and mask.max() < 9
        )
    one_line(
        run_tool(
            'test.py', segmentor.config, segmentor.checkpoint, '--submission', options=options
        ),
        '--submission needs --out',
    )
    one_line(
        run_tool(
            'test.py', segmentor.config, segmentor.checkpoint, '--crf-prune', '0.1', options=options
        ),
        'option of --crf',
    )


def test_bad_checkpoints(classifier, segmentor, tmp_path):
    def test(config, checkpoint, **options):
        return run_tool(
            'test.py',
            config.config,
            checkpoint,
            '--work-dir',
            tmp_path,
            options={**config.options, **options},
        )

    one_line(test(classifier, tmp_path / 'missing.pth'), 'missing.pth: checkpoint not found')
    (tmp_path / 'broken.pth').write_bytes(b'no checkpoint')
    one_line(
        test(classifier, tmp_path / 'broken.pth'), 'broken.pth: not a checkpoint, or a damaged one'
    )
    one_line(test(classifier, segmentor.checkpoint), segmentor.checkpoint, 'another architecture')
    one_line(
        test(segmentor, classifier.checkpoint),
        classifier.checkpoint,
        'belongs to another network than ResNetV1c',
        'choose the checkpoint that belongs to the config',
    )
    one_line(
        test(classifier, classifier.checkpoint, **{'model.backbone.arch.embed_dims': 64}),
        classifier.checkpoint,
        'another architecture',
    )
    one_line(
        test(segmentor, segmentor.checkpoint, **{'model.decode_head.channels': 8}),
        segmentor.checkpoint,
        'another architecture',
        'size mismatch for decode_head',
    )
    one_line(
        test(classifier, classifier.checkpoint, **{'model.num_classes': 5}),
        'the model has 5 classes, the data set 8',
    )
    one_line(
        test(segmentor, segmentor.checkpoint, **{'model.decode_head.num_classes': 5}),
        'the model has 5 classes, the data set 9',
    )


def test_bad_input(classifier, toy_root, tmp_path):
    def test(*args, **options):
        return run_tool(
            'test.py',
            classifier.config,
            classifier.checkpoint,
            '--work-dir',
            tmp_path,
            *args,
            options={**classifier.options, **options},
        )

    one_line(
        run_tool('test.py', tmp_path / 'missing.py', classifier.checkpoint),
        'missing.py: config not found',
    )
    one_line(test('--split', 'trainval'), 'trainval.txt')
    one_line(test('--tta'), '--tta needs tta_model and tta_pipeline')
    one_line(test(data_root=str(tmp_path)), str(tmp_path))
    root = tmp_path / 'masks_missing'
    root.mkdir()
    for folder in ('JPEGImages', 'ImageSets', 'image_tags.csv'):
        (root / folder).symlink_to(toy_root / folder)
    one_line(test(data_root=str(root)), 'SegmentationClass', 'mask')
    (root / 'SegmentationClass').mkdir()
    for name in read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'test.txt'):
        write_mask(root / 'SegmentationClass' / f'{name}.png', torch.full((5, 7), 3).numpy())
    one_line(test(data_root=str(root)), 'test_00000.png: mask is 7x5 (width x height)')
    result = run_tool('test.py', classifier.config)
    assert result.code == 2 and 'checkpoint' in result.err
