"""The analysis of attention as a program: files, numbers that other parts of the project compute
too, and what it refuses.
"""

import csv

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import PixelData
from PIL import Image

from mmwsss.apis import infer_cams, init_model
from mmwsss.apis.layer_analysis import LayerAnalysis
from mmwsss.functional.attention import AFFINITY_MODES, AttentionRequest
from mmwsss.registry import DATASETS
from mmwsss.utils.io import read_json, write_json
from tests import single_stage_models
from tests.tools.program import one_line, run_tool
from tools.analysis_tools.analyze_affinity import MODES

COLUMNS = (
    'layer',
    'hellinger',
    'hellinger_std',
    'hellinger_spread',
    'entropy',
    'entropy_gap',
    'entropy_gap_std',
    'w_hat',
    'attended_foreground',
    'object_to_object',
    'background_to_object',
    'cam_mIoU',
    'cam_threshold',
    'first_mIoU',
    'first_threshold',
    'truth_mIoU',
)
PLOTS = (
    'hellinger',
    'cam_mIoU',
    'first_mIoU',
    'entropy_gap',
    'w_hat',
    'attended_foreground',
    'affinity',
    'attended_tokens',
)


def test_the_help_lists_every_mode():
    assert MODES == AFFINITY_MODES


def analyze(classifier, out, *args, **options):
    return run_tool(
        'analysis_tools/analyze_affinity.py',
        classifier.config,
        classifier.checkpoint,
        '--out',
        out,
        '--workers',
        '0',
        *args,
        options={**classifier.options, **options},
    )


@pytest.fixture(scope='module')
def report(classifier, tmp_path_factory):
    out = tmp_path_factory.mktemp('analysis') / 'out'
    result = analyze(classifier, out, '--split', 'val', '--samples', '2')
    assert result.code == 0, result
    return out


def rows_of(file):
    with open(file, newline='') as stream:
        return list(csv.DictReader(stream))


def test_files(report):
    rows = rows_of(report / 'layers.csv')
    assert tuple(rows[0]) == COLUMNS and [row['layer'] for row in rows] == ['1', '2']
    assert all(float(value) >= 0 for row in rows for value in row.values())
    assert {row['maps'] for row in rows_of(report / 'maps.csv')} == {
        'unrefined',
        'mean',
        'reactivated',
        'truth_unrefined',
        'truth_mean',
    }
    metrics = read_json(report / 'metrics.json')
    assert metrics['protocol']['images'] == 3 and metrics['protocol']['split'] == 'val'
    assert metrics['cam/mIoU'] == pytest.approx(float(rows[1]['first_mIoU']))
    assert metrics['first_1/mIoU'] == pytest.approx(float(rows[0]['first_mIoU']))
    assert metrics['layer_2/mIoU'] == pytest.approx(float(rows[1]['cam_mIoU']))
    assert len(read_json(report / 'layer_weights.json')['w_hat']) == 2
    for name in PLOTS:
        assert min(Image.open(report / f'{name}.png').size) > 100, name
    page = (report / 'report.html').read_text()
    for text in (
        'Hellinger distance',
        'Figures 1 and 6',
        'Table III',
        'Eq. 8',
        'Figure 7',
        'patches that layers attend to',
        'reactivated/mIoU',
    ):
        assert text in page, text


def test_numbers(classifier, report):
    """Refined by the mean of all layers is what the network does at test, from one view; shares and
    weights from plain maps.
    """
    model = init_model(
        classifier.config,
        classifier.checkpoint,
        cfg_options={
            **classifier.options,
            'model.test_cfg.refine': True,
            'model.test_cfg.flip': False,
        },
    )
    config = dict(model.cfg.val_dataloader.dataset, test_mode=True)
    dataset = DATASETS.build(config)
    analysis = LayerAnalysis(model, dataset.metainfo['classes'])
    shares, areas, queries = [], [], []
    for index in range(len(dataset)):
        item = dataset[index]
        sample = item['data_samples']
        seen = analysis.add(pseudo_collate([item]), [0, 1])
        keys = sample.gt_tags.nonzero().flatten().tolist()
        assert seen.keys == keys and seen.cams.max() <= 1 and len(seen.affinity) == 2
        view = model.data_preprocessor(pseudo_collate([dataset[index]]))['inputs'][0][0]
        with torch.no_grad():
            features = model.backbone(
                view, attention={'patches': AttentionRequest('patch_to_patch', reduce='stack')}
            )
        affinity = features.attention['patches'][:, 0]
        for ours, theirs in zip(seen.affinity, affinity):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(seen.attended.flatten(1), affinity.mean(1), rtol=1e-4, atol=1e-7)
        result = infer_cams(model, sample.img_path, keys, scales=(1.0,))
        mask = sample.gt_sem_seg.data[0]
        heat = torch.nn.functional.interpolate(seen.attended[None], mask.shape, mode='bilinear')[
            0, -1
        ]
        shares.append(float(heat[mask > 0].sum() / heat.sum()))
        areas.append(float((mask > 0).float().mean()))
        grid = seen.attended.shape[-2:]
        objects = torch.nn.functional.adaptive_avg_pool2d((mask > 0).float()[None], grid).flatten()
        objects = objects >= 0.5
        to_objects = affinity[:, :, objects].sum(2) / affinity.sum(2)
        queries.append([to_objects[:, objects].mean(1), to_objects[:, ~objects].mean(1)])
        assert result.cams.shape[1:] == mask.shape
    results = analysis.results()
    rows = rows_of(report / 'layers.csv')
    for row, layer in zip(rows, results['layers']):
        assert {key: float(value) for key, value in row.items()} == pytest.approx(layer, rel=1e-6)
    assert results['layers'][-1]['attended_foreground'] == pytest.approx(sum(shares) / 3, rel=1e-4)
    for index, layer in enumerate(results['layers']):
        found = (layer['object_to_object'], layer['background_to_object'])
        expected = [float(sum(image[kind][index] for image in queries)) / 3 for kind in (0, 1)]
        assert found == pytest.approx(expected, rel=1e-4)
    assert results['foreground_area'] == pytest.approx(sum(areas) / 3, rel=1e-4)
    assert min(results['w_hat']) == 0 and max(results['w_hat']) == 1
    test = run_tool(
        'test.py',
        classifier.config,
        classifier.checkpoint,
        '--split',
        'val',
        '--work-dir',
        report.parent / 'test',
        options={**classifier.options, 'model.test_cfg.refine': True, 'model.test_cfg.flip': False},
    )
    assert test.code == 0, test
    assert read_json(report.parent / 'test' / 'metrics.json')['cam/mIoU'] == pytest.approx(
        results['maps']['mean']['mIoU'], abs=0.05
    )


def test_refined_ground_truth(classifier):
    """A perfect map of whole patches stays perfect; attention to everything makes it flat."""
    model = init_model(classifier.config, classifier.checkpoint, cfg_options=classifier.options)
    for layer in model.backbone.layers:
        layer.attn.qkv.weight.data.zero_()  # every patch attends to all patches alike
        layer.attn.qkv.bias.data.zero_()
    dataset = DATASETS.build(dict(model.cfg.val_dataloader.dataset, test_mode=True))
    item = dataset[0]
    mask = torch.zeros_like(item['data_samples'].gt_sem_seg.data)
    mask[:, : 2 * model.backbone.patch_size] = 2
    item['data_samples'].gt_sem_seg.data = mask
    item['data_samples'].set_gt_tags([0, 1, *[0] * (model.num_classes - 2)])
    analysis = LayerAnalysis(model, dataset.metainfo['classes'])
    analysis.add(pseudo_collate([item]))
    results = analysis.results()
    height = mask.shape[1] // model.backbone.patch_size
    assert results['maps']['truth_unrefined']['mIoU'] > 90 / 9 * 2
    assert results['layers'][0]['truth_mIoU'] < 60 / 9 * 2
    for layer in results['layers']:
        assert layer['object_to_object'] == pytest.approx(2 / height)
        assert layer['background_to_object'] == pytest.approx(2 / height)


def test_single_stage_networks():
    """The network that predicts is looked at; images may be squashed."""
    torch.manual_seed(0)
    model = single_stage_models.build('CoSA').eval()
    image = single_stage_models.pictures(1)[0]
    sample = single_stage_models.samples([[1, 0, 0, 1, 0]])[0]
    sample.gt_sem_seg = PixelData(data=torch.randint(0, 6, (1, 64, 64)))
    names = ('background', *'abcde')
    results = []
    for network, size in ((model, None), (model.assignment, None), (model, (48, 32))):
        analysis = LayerAnalysis(network, names, size=size)
        assert analysis.add(dict(inputs=[[image]], data_samples=[sample])).attended.shape == (
            (3, 8, 8) if size is None else (3, 6, 4)
        )
        results.append(analysis.results())
    assert results[0] == results[1] != results[2]
    for parameter in model.backbone.parameters():
        parameter.data.mul_(2)  # the online network does not predict
    analysis = LayerAnalysis(model, names)
    analysis.add(dict(inputs=[[image]], data_samples=[sample]))
    assert analysis.results() == results[0]


def test_entropy_of_version_1_is_of_signed_maps(classifier):
    model = init_model(classifier.config, classifier.checkpoint, cfg_options=classifier.options)
    dataset = DATASETS.build(dict(model.cfg.val_dataloader.dataset, test_mode=True))
    analysis = LayerAnalysis(model, dataset.metainfo['classes'], form='sum')
    item = dataset[0]
    analysis.add(pseudo_collate([item]))
    view = model.data_preprocessor(pseudo_collate([dataset[0]]))['inputs'][0][0]
    keys = item['data_samples'].gt_tags.nonzero().flatten().tolist()
    with torch.no_grad():
        features = model.backbone(
            view, attention={'patches': AttentionRequest('patch_to_patch', reduce='stack')}
        )
        head = model.patch_head(features.patch_map)[:, keys]
    assert head.min() < 0
    refined = torch.einsum('lqk,ck->lcq', features.attention['patches'][:, 0], head[0].flatten(1))
    probability = refined.double().sum(1).softmax(-1)
    expected = -(probability * probability.log2()).sum(-1)
    entropy = torch.tensor(
        [row['entropy'] for row in analysis.results()['layers']], dtype=torch.float64
    )
    torch.testing.assert_close(entropy, expected, rtol=1e-5, atol=1e-5)


def test_without_masks_on_a_part_of_the_images(classifier, tmp_path):
    """Layer weights for version 1 of AReAM."""
    result = analyze(
        classifier,
        tmp_path,
        '--split',
        'train',
        '--no-masks',
        '--num',
        '3',
        '--samples',
        '0',
        '--form',
        'sum',
    )
    assert result.code == 0, result
    assert read_json(tmp_path / 'metrics.json')['protocol']['images'] == 3
    rows = rows_of(tmp_path / 'layers.csv')
    assert all(
        row['cam_mIoU'] == row['attended_foreground'] == '' and float(row['entropy']) > 0
        for row in rows
    )
    weights = read_json(tmp_path / 'layer_weights.json')
    assert weights['form'] == 'sum' and sorted(weights['w_hat']) == [0, 1]
    assert not (tmp_path / 'cam_mIoU.png').exists() and (tmp_path / 'hellinger.png').exists()


def test_comparison(classifier, report, tmp_path):
    result = analyze(
        classifier,
        tmp_path,
        '--split',
        'val',
        '--num',
        '1',
        '--layers',
        '2',
        '--name',
        'after',
        '--compare',
        f'before={report}',
    )
    assert result.code == 0, result
    assert 'patches that layers attend to' in (tmp_path / 'report.html').read_text()


def test_images_without_tags(classifier, toy_root, tmp_path):
    """They count in the mIoU as background, and say nothing about entropy."""
    model = init_model(classifier.config, classifier.checkpoint, cfg_options=classifier.options)
    dataset = DATASETS.build(dict(model.cfg.val_dataloader.dataset, test_mode=True))
    analysis = LayerAnalysis(model, dataset.metainfo['classes'])
    item = dataset[0]
    item['data_samples'].set_gt_tags(torch.zeros(8))
    assert analysis.add(pseudo_collate([item])).cams.shape[0] == 0
    results = analysis.results()
    assert (
        results['w_hat'] is None
        and results['layers'][0]['entropy'] is None
        and results['layers'][0]['hellinger'] > 0
    )
    assert 0 < results['maps']['unrefined']['mIoU'] < 15


def test_bad_input(classifier, segmentor, report, tmp_path):
    assert one_line(
        analyze(classifier, tmp_path, '--compare', f'a={tmp_path}'),
        tmp_path / 'layers.csv',
        'not found',
    )
    assert one_line(analyze(classifier, tmp_path, '--compare', 'a'), '--compare a', 'NAME=D')
    (tmp_path / 'layers.csv').write_text('layer\n1\n')
    assert one_line(
        analyze(classifier, tmp_path, '--compare', f'a={tmp_path}'), 'no column hellinger'
    )
    assert one_line(analyze(classifier, tmp_path, '--layers', '3'), '--layers 3', 'layers 1 to 2')
    assert one_line(analyze(segmentor, tmp_path), 'is not a classifier on a vision transformer')
    write_json(tmp_path / 'x.json', {})
    result = run_tool(
        'analysis_tools/analyze_affinity.py',
        classifier.config,
        classifier.checkpoint,
        '--out',
        tmp_path,
        '--num',
        '0',
    )
    assert result.code == 2 and '--num must be at least 1' in result.err
    with pytest.raises(ValueError, match='no image has been analysed'):
        LayerAnalysis(
            init_model(classifier.config, cfg_options=classifier.options),
            ('background', *'abcdefgh'),
        ).results()
