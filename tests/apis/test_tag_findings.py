"""The audit in words and pictures."""

import numpy as np
from PIL import Image

from mmwsss.apis.tag_findings import (
    contact_sheet,
    disagreements,
    finding_sentences,
    map_overlaps,
    pair_rows,
    suspect_rows,
)
from mmwsss.preparation.tag_audit import Suspect, tag_matrix
from mmwsss.utils.io import write_cam, write_mask


def test_overlaps_of_photos_with_two_tags(tmp_path):
    maps = np.zeros((2, 8, 8), np.float32)
    maps[0, :4], maps[1, 2:6] = 1, 1
    write_cam(tmp_path / 'a.npz', [0, 2], maps)
    tags = tag_matrix([['x', 'z'], ['y']], ['x', 'y', 'z'])
    overlaps = map_overlaps(tmp_path, ['a', 'b'], tags)
    assert {*overlaps} == {(0, 2)} and 0.25 < overlaps[0, 2] < 0.45
    both = tag_matrix([['x', 'z']] * 4 + [['z']], ['x', 'y', 'z'])
    (row,) = pair_rows(both, ['x', 'y', 'z'], overlaps)
    assert (row['tag'], row['other'], row['with_other'], row['without_other']) == ('x', 'z', 4, 0)


def test_disagreements_and_sheet(tmp_path):
    files = {}
    for number, name in enumerate('ab'):
        files[name] = tmp_path / f'{name}.jpg'
        Image.fromarray(np.full((20, 24, 3), 90, np.uint8)).save(files[name])
        mask = np.zeros((20, 24), np.uint8)
        mask[:10] = 1
        write_mask(tmp_path / 'one' / f'{name}.png', mask)
        write_mask(tmp_path / 'two' / f'{name}.png', np.roll(mask, 5 * number, 0))
    found = disagreements(tmp_path / 'one', tmp_path / 'two', ['a', 'b'])
    assert [row for row, _ in found] == [1, 0] and found[1][1] == 0
    rows = [dict(photo='b', tag='dog'), dict(photo='a')]
    plain = contact_sheet(rows, files)
    assert plain.ndim == 3 and contact_sheet(rows, files, dict(m=tmp_path / 'one')).shape[1] > 400


def test_sentences():
    suspects = suspect_rows([Suspect(0, 1, 0.02, 0.8)], ['a'], ['cat', 'dog'])
    pair = dict(tag='boat', other='water', photos=9, with_other=9, without_other=0, overlap=0.5)
    content = dict(
        suspicious=suspects,
        missing=[],
        confounded=[pair, dict(pair, overlap=None)],
        draw=[dict(photo='a', score=0.5)],
        untagged=[dict(photo='c', score=0.25)],
    )
    found = {key: sentences for key, _, _, sentences in finding_sentences(content)}
    assert [*found] == ['suspicious', 'confounded', 'draw', 'untagged']
    assert 'a is tagged dog, which scores 0.02' in found['suspicious'][0]
    assert '9 of 9 photos of boat also show water; 0 do not; their maps' in found['confounded'][0]
    assert 'maps' not in found['confounded'][1]
