"""Analysis tools whose images are divided among two processes print and write what one does."""

import numpy as np
import pytest
import torch

from mmwsss.apis import init_model
from mmwsss.utils.io import read_id_list, read_json, read_mask, write_cam
from tests.distributed import run_distributed
from tests.tools.program import CONFIGS, TINY, run_tool

TIMES = ('images_per_s', 'MiB', 'checkpoint')


def analyse(rank, world_size, root, folder, out):
    """Run the tools; 1 where one of them printed something."""
    launcher = () if world_size == 1 else ('--launcher', 'pytorch')
    options = {**TINY, 'data_root': root}
    network = (CONFIGS / 'acr_toy.py', folder / 'acr.pth')
    number = ('--num', 3, '--device', 'cpu')
    split = root / 'ImageSets' / 'Segmentation' / 'train.txt'
    calls = [
        ('term_effects', *network, '--json', out / 'terms.json', *number),
        ('compare_cams', *network, '--out', out / 'cams', *number, '--pictures', 3, '--workers', 0,
         '--methods', 'config', 'cam', 'generic'),
        ('analyze_affinity', *network, '--out', out / 'layers', *number, '--workers', 0,
         '--samples', 2),
        ('label_reliability', folder / 'cams', '--gt', root / 'SegmentationClass', '--list', split,
         '--classes', folder / 'classes.txt', '--out', out / 'labels'),
    ]  # fmt: skip
    said = []
    for name, *words in calls:
        changes = {} if name == 'label_reliability' else dict(options=options)
        result = run_tool(f'analysis_tools/{name}.py', *words, *launcher, **changes)
        assert result.code == 0, result
        said.append(bool(result.out.strip()))
    return torch.tensor(said)


def without(value, names):
    """``value`` without some keys, at any depth."""
    if isinstance(value, dict):
        return {key: without(item, names) for key, item in value.items() if key not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


@pytest.mark.dist
def test_two_processes_find_what_one_finds(toy_root, tmp_path):
    torch.manual_seed(0)
    model = init_model(CONFIGS / 'acr_toy.py', device='cpu')
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'acr.pth')
    rng = np.random.default_rng(0)
    for name in read_id_list(toy_root / 'ImageSets' / 'Segmentation' / 'train.txt'):
        size = read_mask(toy_root / 'SegmentationClass' / f'{name}.png').shape
        write_cam(tmp_path / 'cams' / f'{name}.npz', [0, 2], rng.random((2, *size)), size)
    (tmp_path / 'classes.txt').write_text('\n'.join(['background', *'abcdefgh']))
    one = analyse(0, 1, toy_root, tmp_path, tmp_path / 'one')
    two = run_distributed(analyse, 2, tmp_path, toy_root, tmp_path, tmp_path / 'two')
    assert one.all() and two[0].all() and not two[1].any()
    for file in ('terms.json', 'cams/compare_cams.json', 'layers/metrics.json',
                 'layers/layer_weights.json', 'labels/label_reliability.json'):  # fmt: skip
        ours, theirs = (without(read_json(tmp_path / run / file), TIMES) for run in ('one', 'two'))
        assert ours == theirs, file
    for file in ('layers/layers.csv', 'layers/maps.csv', 'layers/attended_tokens.png',
                 'layers/affinity.png', 'cams/cams.png', 'labels/images.png'):  # fmt: skip
        ours, theirs = ((tmp_path / run / file).read_bytes() for run in ('one', 'two'))
        assert ours == theirs, file
