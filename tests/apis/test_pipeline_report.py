"""The end of a pipeline: the numbers are written, whatever happens to the pictures."""

import pytest
from rich.console import Console

from mmwsss.apis import pipeline_report
from mmwsss.apis.pipeline_report import finish_pipeline
from mmwsss.utils.io import read_json, write_json


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
