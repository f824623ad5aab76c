import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mmwsss.visualization import (
    encode_image,
    plot_class_iou,
    plot_curves,
    plot_threshold_curve,
    write_report,
)
from mmwsss.visualization.report_samples import picture_side

VOID = {'meta', 'link', 'img', 'br', 'input'}
METRICS = {
    'cam/mIoU': 45.123,
    'cam/best_threshold': 0.41,
    'cam/FP': 30.0,
    'cam/all_background_mIoU': 3.49,
    'cam/painted_tags_mIoU': 17.2,
    'mask/mIoU': 57.36,
    'seg/mIoU': 52.84,
    'seg/mIoU_with_image_tags': 56.1,
    'wsol/PxAP': 55.25,
    'seg/empty': None,
    'protocol': {
        'cam': {'split': 'train', 'scales': [1.0, 0.5], 'flip': True, 'crf': None},
        'threshold_rule': 'best',
    },
}


class Page(HTMLParser):
    """Checks that tags are balanced and collects attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.tags = [], [], []
        self.text, self.scripts = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == 'script':
            self.scripts.append(data)
        elif self.open and self.open[-1] != 'style':
            self.text.append(data)

    @property
    def data(self):
        """What the page hands to its script."""
        return json.loads(self.scripts[0]) if self.scripts else None


def report(tmp_path, **parts):
    path = write_report(tmp_path / 'out' / 'report.html', **{'title': 'Run', **parts})
    text = path.read_text(encoding='utf-8')
    page = Page(text)
    assert [file.name for file in path.parent.iterdir()] == ['report.html']
    assert not [
        value for _, value in page.attributes if value and re.search('https?:|^//|file:', value)
    ]
    style = re.search('<style>(.*?)</style>', text, re.DOTALL)[1]
    assert not re.search(r'@import|url\(', style)
    return page, ' '.join(' '.join(page.text).split())


def sample_of(name='img', height=20, width=30, num_cams=1, **parts):
    image = np.full((height, width, 3), 90, np.uint8)
    cams = [
        (('cat', 'dog')[index], np.ones((height, width), np.float32)) for index in range(num_cams)
    ]
    return {'id': name, 'image': image, 'cams': cams, 'tags': [cam[0] for cam in cams], **parts}


def picture(uri):
    assert uri.startswith('data:image/')
    return Image.open(io.BytesIO(base64.b64decode(uri.split(',', 1)[1])))


def figures_of(page):
    return [picture(value) for name, value in page.attributes if name == 'src']


CURVE = {'thresholds': [0.1, 0.2, 0.41], 'mIoU': [1.0, 2.0, 45.1], 'FP': [3.0, float('nan'), 1.0]}


def test_full_report_has_everything(tmp_path):
    labels = np.zeros((20, 30), np.uint8)
    labels[5:10, 5:10] = 2
    page, text = report(
        tmp_path,
        title='MCTformer+ on toy shapes',
        metrics={**METRICS, 'cam/IoU': {'background': 80.0, 'cat': 10.0, 'dog': None}},
        stages=[
            {'name': 'train', 'status': 'done', 'seconds': 7540},
            {'name': 'refine', 'status': 'failed', 'seconds': 61.2, 'detail': 'crf'},
            {'name': 'masks', 'status': 'skipped', 'seconds': 0.5},
            {'name': 'test', 'seconds': None},
        ],
        curve=CURVE,
        training={'classifier': [{'loss': 1.0, 'lr': 0.1, 'step': 1}], 'empty': []},
        figures={'Attention': encode_image(np.zeros((4, 5, 3), np.uint8))},
        samples=[sample_of(gt=labels, mask=labels, seg=labels), sample_of('other')],
        samples_note='The first two.',
        settings='lr = 0.1\nseed = 3',
        environment={
            'seed': 3,
            'time': '2026-01-02T03:04:05+00:00',
            'versions': {'mmwsss': '0.1.0', 'torch': '2.9'},
            'gpus': [],
            'git': {'commit': 'a' * 40, 'dirty': True},
        },
        classes=['background', 'cat', 'dog'],
    )
    for expected in (
        'MCTformer+ on toy shapes',
        '45.1 % mIoU',
        '57.4 % mIoU',
        '52.8 % mIoU',
        'chance: all background 3.5 %',
        'chance: painted with its tags 17.2 %',
        'best threshold 0.41',
        'false positives 30.0 %',
        'mIoU with image tags 56.1 %',
        'Measured on the split train.',
        'scales 1, 0.5',
        'flip yes',
        'crf none',
        'threshold rule best',
        'wsol/PxAP 55.25',
        '2 h 05 min',
        '1 min 01 s',
        'done before',
        'Total 2 h 06 min',
        'failed',
        'Attention',
        'The first two.',
        'lr = 0.1',
        '2 lines',
        'seed 3',
        'torch 2.9',
        'gpus none',
        'commit aaaaaaaaaa with local changes',
    ):
        assert expected in text, expected
    assert 'seg/empty' not in text and text.count('wsol/PxAP') == 1 and 'cam/FP' not in text
    assert [figure.size for figure in figures_of(page)] == [(5, 4)]
    data = page.data
    assert data['threshold'] == 0.41 and data['curve']['FP'] == [3.0, None, 1.0]
    assert data['class_iou'] == {'cam': {'background': 80.0, 'cat': 10.0, 'dog': None}}
    assert [entry['curves'][0]['name'] for entry in data['training']] == ['total']
    first, second = data['samples']
    assert first['names'] == [[1, 'cat', True], [2, 'dog', False]]
    assert first['iou']['mask'] == 100 and first['error']['mask'] == ''
    # the maps are 1 everywhere: all of the image is taken for a cat
    assert first['error']['cam'] == 'spurious' and first['iou']['cam'] == 0
    assert second['iou'] == {} and 'gt' not in second
    assert np.array_equal(np.asarray(picture(first['gt'])), labels)
    assert data['confusion'] == {
        'names': ['background', 'dog'],
        'shares': [[100.0, 0.0], [0.0, 100.0]],
    }


def test_only_known_scripts_run(tmp_path):
    page, _ = report(tmp_path, curve=CURVE)
    (policy,) = [value for _, value in page.attributes if value and 'default-src' in value]
    assert "default-src 'none'" in policy and 'unsafe-eval' not in policy
    executed = page.scripts[1:]
    assert len(executed) == 2  # the plotting library and our own
    for script in executed:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert len(report(tmp_path, samples=[sample_of()])[0].scripts) == 2  # no plot, no library


def test_empty_report(tmp_path):
    page, text = report(tmp_path)
    assert 'no results yet' in text and 'section' not in page.tags and not page.scripts
    assert (
        report(
            tmp_path,
            metrics={},
            stages=[],
            figures={},
            training={},
            samples=[],
            settings='',
            environment={},
            classes=[],
        )[1]
        == text
    )


@pytest.mark.parametrize(
    'parts, heading',
    [
        ({'metrics': {'mask/mIoU': 1.0}}, 'Results'),
        ({'stages': [{'name': 'a'}]}, 'Stages'),
        ({'settings': {'a': ''}}, 'Settings'),
        ({'samples': [sample_of(num_cams=0)]}, 'Images'),
        ({'environment': {'seed': None, 'git': None}}, 'Environment'),
        ({'figures': {'curve': plot_curves([])}}, 'Figures'),
        ({'curve': CURVE}, 'Threshold'),
        ({'training': {'a': [{'loss': 1.0, 'step': 1}]}}, 'Training'),
    ],
)
def test_each_part_stands_alone(tmp_path, parts, heading):
    page, text = report(tmp_path, **parts)
    assert page.tags.count('section') == 1 and f'{heading} ' in text


def test_sample_without_tags_and_cams(tmp_path):
    mask = np.zeros((20, 30), np.uint8)
    page, _ = report(
        tmp_path, samples=[sample_of('untagged', num_cams=0, gt=None, mask=mask, tags=None)]
    )
    (entry,) = page.data['samples']
    assert (entry['names'], entry['iou'], 'cam' in entry, 'mask' in entry) == ([], {}, False, True)


def test_pictures_are_bounded_and_streamed(tmp_path):
    page, _ = report(tmp_path, samples=[sample_of(height=900, width=300), sample_of(height=10)])
    sizes = [picture(entry['photo']).size for entry in page.data['samples']]
    assert sizes == [(128, 384), (30, 10)]
    assert [picture_side(count) for count in (1, 300, 1449)] == [384, 224, 120]
    alive = []

    def samples():
        for index in range(3):
            alive.append(index)
            yield sample_of(str(index), height=600, width=600)

    page, _ = report(tmp_path, samples=samples(), num_samples=1449)
    assert alive == [0, 1, 2]
    assert picture(page.data['samples'][0]['photo']).size == (120, 120)


def test_text_is_escaped(tmp_path):
    evil = '</script><script>alert("x")</script>&\''
    sample = sample_of(evil, tags=[evil])
    sample['cams'] = [(evil, np.zeros((20, 30)))]
    page, text = report(
        tmp_path,
        title=evil,
        metrics={
            'cam/mIoU': 1.0,
            'cam/IoU': {evil: 1.0},
            f'x/{evil}': evil,
            'protocol': {evil: evil, 'cam': {evil: [evil]}},
        },
        stages=[{'name': evil, 'status': evil, 'seconds': 1, 'detail': evil}],
        figures={evil: plot_curves([])},
        training={evil: [{evil: 1.0, 'loss': 2.0, 'step': 1}]},
        samples=[sample],
        settings={evil: evil},
        environment={
            'versions': {'mmwsss': evil},
            evil: {evil: evil},
            'git': {'commit': evil},
            'seed': evil,
        },
        classes=['background', evil],
    )
    assert len(page.scripts) == 3 and not any('alert' in text for text in page.scripts[1:])
    assert page.data['samples'][0]['id'] == evil and evil in page.data['class_iou']['cam']
    assert text.count('alert("x")') > 15
    assert [value for name, value in page.attributes if name == 'alt'].count(evil) == 1


def test_values_that_are_no_finite_numbers(tmp_path):
    page, text = report(
        tmp_path,
        metrics={
            'cam/mIoU': float('nan'),
            'mask/mIoU': None,
            'seg/mIoU': np.float32(12.34),
            'seg/all_background_mIoU': 250.0,
            'other': float('inf'),
            'note': 'fine',
        },
        stages=[
            {'name': 'a', 'seconds': float('nan')},
            {'name': 'b', 'status': None, 'seconds': 0},
        ],
    )
    assert (
        '12.3 % mIoU' in text
        and 'Class activation' not in text
        and 'nan' not in text
        and 'note fine' in text
        and 'inf' not in text
    )
    assert ('style', 'left:100.00%') in page.attributes


def test_metrics_without_a_headline_are_listed(tmp_path):
    _, text = report(tmp_path, metrics={'wsol/pIoU': 72.8, 'mIoU': 5.0, 'cam/best_threshold': 0.5})
    assert 'wsol/pIoU 72.8' in text and 'mIoU 5' in text and 'cam/best_threshold 0.5' in text


def test_names_that_are_no_valid_text_and_other_scripts(tmp_path):
    page, text = report(tmp_path, title='Größe 猫', samples=[sample_of('bad\udcff')])
    assert 'Größe 猫' in text and page.data['samples'][0]['id'] == 'bad\udcff'


def test_report_replaces_the_old_one_only_when_complete(tmp_path):
    path = tmp_path / 'report.html'
    path.write_text('old')
    with pytest.raises(ValueError, match='uint8'):
        write_report(path, title='t', samples=[{'id': 'a', 'image': np.zeros((3, 3))}])
    assert path.read_text() == 'old'
    write_report(path, title='t')
    assert path.read_text().startswith('<!DOCTYPE html>')


def test_half_figures_pair_up_and_a_lone_one_takes_the_row(tmp_path):
    half = plot_threshold_curve({'thresholds': [0.1], 'mIoU': [1]})
    wide = plot_class_iou([f'c{index}' for index in range(21)], {'a': [1] * 21})
    page, _ = report(tmp_path, figures={'a': half, 'b': half, 'c': half, 'd': wide, 'e': half})
    kinds = [
        value
        for name, value in page.attributes
        if name == 'class' and value in ('panel', 'panel wide')
    ]
    assert kinds == ['panel', 'panel', 'panel wide', 'panel wide', 'panel wide']
