"""Metrics that are sums of counts: state, merging, completeness, files."""

import json

import pytest
import torch

from mmwsss.evaluation.counter_metric import CounterMetric


class Pixels(CounterMetric):
    """Counts pixels of each class, and the largest side is an error."""

    def counter_shapes(self):
        return {'pixels': (len(self.classes),), 'total': ()}

    def count_image(self, sample):
        labels = sample['labels']
        if labels.numel() > 100:
            raise ValueError('too large')
        counts = torch.bincount(labels.flatten(), minlength=len(self.classes))
        return {'pixels': counts, 'total': torch.tensor(labels.numel())}

    def compute_metrics(self, counters):
        self.table = 'a table'
        self.curve = {}
        self.protocol = {'ignore_index': self.ignore_index}
        share = 100 * counters['pixels'][1] / counters['total']
        return {'share': float(share)}


def metric(**options):
    result = Pixels(**options)
    result.dataset_meta = dict(classes=('background', 'cat', 'dog'))
    return result


def sample(*labels, name='a'):
    return dict(labels=torch.tensor(labels), img_id=name)


def test_counts_of_all_batches():
    ours = metric(prefix='x')
    ours.process(None, [sample(0, 1), sample(1, 1, 2)])
    ours.process(None, [sample(0, 0, 0)])
    assert ours.counters.tolist() == [3, 4, 3, 1, 8] and ours.counters.dtype == torch.int64
    assert ours.summarize(3) == {'x/share': 37.5}


def test_counters_of_another_process():
    whole, first, second = metric(), metric(), metric()
    samples = [sample(0, 1), sample(2, 2)]
    whole.process(None, samples)
    first.process(None, samples[:1])
    second.process(None, samples[1:])
    first.merge(second.counters)
    assert torch.equal(first.counters, whole.counters)


def test_every_image_exactly_once():
    ours = metric()
    ours.process(None, [sample(0)])
    with pytest.raises(ValueError, match='1'):
        ours.summarize(2)


def test_errors_name_the_image():
    large = dict(labels=torch.zeros(101, dtype=torch.long), img_path='folder/big.jpg', img_id='big')
    with pytest.raises(ValueError, match='big.*too large'):
        metric().process(None, [large])


def test_numbers_are_written(tmp_path):
    ours = metric(out_file=str(tmp_path / 'out.json'))
    ours.process(None, [sample(0, 1)])
    ours.summarize(1)
    content = json.loads((tmp_path / 'out.json').read_text())
    assert content['share'] == 50 and content['protocol']['ignore_index'] == 255


@pytest.mark.parametrize('options', [dict(mean='x'), dict(rates='x')])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))} must be one of'):
        metric(**options)


def test_classes_are_needed():
    with pytest.raises(ValueError, match="Pixels needs dataset_meta\\['classes'\\]"):
        _ = Pixels().classes
