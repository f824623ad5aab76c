"""The end of a pipeline: the numbers are written, whatever happens to the pictures."""

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from mmwsss.apis import pipeline_report
from mmwsss.apis.pipeline import Pipeline
from mmwsss.apis.pipeline_report import finish_pipeline, report_unfinished
from mmwsss.utils.io import read_json, write_cam, write_json, write_mask


class Finished:
    """A pipeline all of whose stages have run."""

    def __init__(self, folder):
        self.work_dir, self.name, self.stages = folder, 'test', []
        self.results, self.report, self.config, self.values = {}, {}, {}, {}
        self.console = Console(record=True, width=120, file=open(folder / 'console.txt', 'w'))

    def metrics(self):
        return {'seg/mIoU': 51.25, 'protocol': {'seg': {'split': 'val'}}}


@pytest.fixture
def pipeline(tmp_path):
    finished = Finished(tmp_path)
    yield finished
    finished.console.file.close()


def test_metrics_table_and_page(pipeline):
    metrics = finish_pipeline(pipeline, [dict(name='a', seconds=1.26, status='done')])
    assert metrics['seconds'] == 1.3
    assert read_json(pipeline.work_dir / 'metrics.json')['seg/mIoU'] == 51.25
    text = pipeline.console.export_text()
    assert 'segmentation network' in text and '51.25' in text.replace('51.3', '51.25')
    assert (pipeline.work_dir / 'report.html').is_file()


def test_a_report_that_cannot_be_drawn(pipeline, monkeypatch):
    """The stages have run: a warning, and the numbers."""

    def broken(*args, **options):
        raise ValueError('Invalid affine transformation matrix')

    monkeypatch.setattr(pipeline_report, 'write_report', broken)
    finish_pipeline(pipeline, [dict(name='a', seconds=1, status='done')])
    text = pipeline.console.export_text()
    assert 'Invalid affine transformation matrix' in text and 'not written' in text
    assert read_json(pipeline.work_dir / 'metrics.json')['seg/mIoU'] == 51.25


def test_findings_of_an_audit(pipeline, monkeypatch):
    monkeypatch.setattr(pipeline, 'metrics', lambda: {'protocol': {}})
    monkeypatch.setattr(pipeline, 'expand', lambda text: text, raising=False)
    pipeline.report = dict(findings=str(pipeline.work_dir))
    row = dict(photo='trip_1', tag='dog', score=0.04, typical=0.7)
    write_json(pipeline.work_dir / 'audit.json', dict(suspicious=[row]))
    finish_pipeline(pipeline, [dict(name='a', seconds=1, status='done')])
    page = (pipeline.work_dir / 'report.html').read_text()
    assert 'id="tags"' in page and 'trip_1 is tagged dog, which scores 0.04' in page
    text = pipeline.console.export_text()
    assert 'warning' not in text and 'mIoU' not in text


@pytest.fixture
def unfinished(tmp_path):
    """A pipeline of three stages, of which one is done and one has failed."""
    config = tmp_path / 'pipeline.py'
    names = ('classifier', 'cams', 'masks')
    stages = [dict(name=name, tool='evaluate_masks.py', args=['--gt', 'x']) for name in names]
    sample = dict(images='photos', list='list.txt', cams='{cams}', mask='{masks}', num=300)
    results = dict(cam='classifier', mask='masks')
    config.write_text(
        f'stages = {stages}\nresults = {results}\nreport = dict(samples=[{sample}])\n'
    )
    pipeline = Pipeline(config, work_dir=tmp_path / 'run')
    write_json(tmp_path / 'run' / 'classifier' / 'metrics.json', {'cam/mIoU': 41.5})
    for name, status in (('classifier', 'done'), ('cams', 'failed')):
        pipeline.notes.write(name, status, {}, 60.0)
    return pipeline


def test_report_of_a_half_finished_pipeline(unfinished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / 'photos' / 'a.png')
    (tmp_path / 'list.txt').write_text('a\n')
    path = report_unfinished(unfinished)
    text = path.read_text(encoding='utf-8')
    assert '41.5' in text and 'failed' in text and 'to do' in text
    assert 'without cams (failed), masks (to do)' in capsys.readouterr().out
    assert not (unfinished.work_dir / 'metrics.json').exists()


@pytest.mark.slow
def test_size_of_a_report_of_300_photos(unfinished, tmp_path, monkeypatch):
    """Photos of 500x375 with the noise of a camera, maps of two classes and masks; ten of them
    under 300 names.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    work_dir, names = unfinished.work_dir, [f'p{index:03d}' for index in range(300)]
    for name in names[:10]:
        write_photo(name, tmp_path / 'photos', work_dir)
    for index, name in enumerate(names[10:]):
        first = names[index % 10]
        (tmp_path / 'photos' / f'{name}.jpg').hardlink_to(tmp_path / 'photos' / f'{first}.jpg')
        (work_dir / 'cams' / f'{name}.npz').hardlink_to(work_dir / 'cams' / f'{first}.npz')
        (work_dir / 'masks' / f'{name}.png').hardlink_to(work_dir / 'masks' / f'{first}.png')
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    path = report_unfinished(unfinished)
    assert path.read_text(encoding='utf-8').count('p299') >= 1
    assert path.stat().st_size < 20e6


def write_photo(name, folder, work_dir):
    """A photo, maps of two classes, and the mask that they give."""
    rng = np.random.default_rng(int(name[1:]))
    rows, columns = np.mgrid[:375, :500] / 40
    phases = columns * rng.random(3)[:, None, None]
    waves = np.sin(rows + int(name[1:]))[..., None] * np.cos(phases).transpose(1, 2, 0)
    pixels = 128 + 90 * waves + rng.normal(0, 8, (375, 500, 3))
    photo = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    photo.save(folder / f'{name}.jpg', quality=90)
    maps = np.abs(waves[..., :2]).transpose(2, 0, 1).astype(np.float32)
    write_cam(work_dir / 'cams' / f'{name}.npz', [2, 5], maps)
    mask = np.where(maps[0] > 0.4, 3, np.where(maps[1] > 0.4, 6, 0)).astype(np.uint8)
    write_mask(work_dir / 'masks' / f'{name}.png', mask)
