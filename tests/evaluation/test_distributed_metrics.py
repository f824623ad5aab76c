import pytest

from mmwsss.evaluation import CAMMetric, SegMetric, TagMetric
from tests.distributed import run_distributed

from .data import META, random_sample

NUM_IMAGES = 5  # an odd number: the second process has one image less


def all_metrics(folder):
    return [
        CAMMetric(out_file=str(folder / 'cam.json')),
        SegMetric(use_image_tags=True),
        TagMetric(),
    ]


def evaluate_share(rank, world_size, folder, num_images):
    """Results of every metric over the images of this rank; text for errors."""
    results = {}
    for metric in all_metrics(folder):
        metric.dataset_meta = META
        metric.process(
            None, [random_sample(index).to_dict() for index in range(rank, num_images, world_size)]
        )
        results.update(metric.evaluate(num_images))
    lone = CAMMetric(prefix='lone')  # the second process sees no image at all
    lone.dataset_meta = META
    lone.process(None, [random_sample(1).to_dict()] if rank == 0 else [])
    results.update(lone.evaluate(1))
    padded = SegMetric()
    padded.dataset_meta = META
    padded.process(None, [random_sample(index).to_dict() for index in (0, 1, 2)[: 4 - world_size]])
    try:
        padded.evaluate(3)
    except ValueError as error:
        results['error'] = str(error)
    return results


@pytest.mark.dist
def test_two_processes_equal_one(tmp_path):
    both = run_distributed(evaluate_share, 2, tmp_path, tmp_path, NUM_IMAGES, start_method='fork')
    text = (tmp_path / 'cam.json').read_text()
    expected = evaluate_share(0, 1, tmp_path, NUM_IMAGES)
    assert (tmp_path / 'cam.json').read_text() == text
    assert 'error' not in expected
    for results in both:
        assert '4 images of 3' in results['error'] and 'round_up=False' in results['error']
        assert set(results) - {'error'} == set(expected)
        for name, value in expected.items():
            assert results[name] == (
                pytest.approx(value, abs=1e-4) if name.startswith('tags/') else value
            ), name
