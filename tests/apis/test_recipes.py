"""Recipes of pipelines: typed functions that a config names."""

import inspect
import typing

import pytest
from mmengine.config import Config

from mmwsss.apis import recipes, stages
from mmwsss.apis.pipeline import Pipeline
from mmwsss.registry import RECIPES
from tests.tools.program import CONFIGS

PIPELINES = CONFIGS / 'pipelines'
VOC = stages.StageData(root='voc', masks='SegmentationClassAug', class_file=False)


def names(pipeline):
    return [stage['name'] for stage in pipeline.stages]


def args(pipeline, name):
    (stage,) = (stage for stage in pipeline.stages if stage['name'] == name)
    return stage['args']


@pytest.mark.parametrize('module', [stages, recipes], ids=['stages', 'recipes'])
def test_every_public_function_is_typed(module):
    functions = [
        function
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__
    ]
    assert len(functions) > 3
    for function in functions:
        hints = typing.get_type_hints(function)
        missing = set(inspect.signature(function).parameters) - set(hints)
        assert 'return' in hints and not missing, (function.__name__, missing)


def test_stage_arguments():
    stage = stages.refine_cams(
        'masks', VOC, '{cams}', method='psa', config='psa_voc', background=0.3, then_crf=True
    )
    assert stage == dict(
        name='masks',
        tool='refine_cams.py',
        args='--cams {cams} --images voc/JPEGImages --out {masks} --method psa --then-crf '
        '--config {configs}/psa_voc.py --background 0.3'.split(),
    )
    stage = stages.generate_cams('cams', 'a/b.py', 'x.pth', VOC, refine=False)
    assert stage['args'][:2] == ['a/b.py', 'x.pth'] and '--no-refine' in stage['args']
    assert '--refine' not in stage['args'] and stage['args'][-1] == 'data_root=voc'
    assert '--half' not in stages.generate_cams('m', 'a', 'x.pth', VOC, masks=0.5)['args']


def test_overrides_reach_every_stage(capsys):
    options = {'data': '/mnt/voc', 'resnet38': '/w/res38.pth'}
    run = Pipeline(PIPELINES / 'mctformer_plus_voc.py', options=options)
    run.run(dry_run=True)
    output = capsys.readouterr().out
    assert 'data/VOCdevkit' not in output and 'weights/res38_cls.pth' not in output
    assert output.count('data_root=/mnt/voc') == 5 and output.count('/w/res38.pth') == 2
    assert '--list /mnt/voc/ImageSets/Segmentation/train.txt' in output


def test_options_of_the_recipe():
    run = Pipeline(PIPELINES / 'acr_voc.py', options={'recipe.background': 0.2})
    masks = args(run, 'masks')
    assert masks[masks.index('--background') + 1] == '0.2'
    options = {'recipe.mask_sweep': None}
    masks = args(Pipeline(PIPELINES / 'mctformer_plus_voc.py', options=options), 'masks')
    assert masks[masks.index('--background') + 1] == '{cam_eval:cam/best_threshold}'


def test_options_of_the_refiner():
    """Those without an argument of the stage, from the recipe and from ``stage_options``."""
    options = {
        'recipe.method': 'superpixels',
        'recipe.refiner_options': dict(sizes=[50, 100]),
        'recipe.affinity': None,
        'stage_options.masks.refiner.compactness': 5,
    }
    masks = args(Pipeline(PIPELINES / 'mctformer_plus_toy.py', options=options), 'masks')
    at = masks.index('--cfg-options')
    assert masks[at + 1 :] == ['refiner.sizes=[50,100]', 'refiner.compactness=5']


def test_settings_that_a_sweep_chooses():
    """Labels and masks take what the sweep before them found, on the masks of train."""
    run = Pipeline(PIPELINES / 'acr_coco.py')
    order = ['label_sweep', 'affinity_labels', 'affinity', 'mask_sweep', 'masks', 'mask_eval']
    assert [name for name in names(run) if name in order] == order
    sweep, labels, masks = (args(run, name) for name in ('label_sweep', *order[1:5:3]))
    assert sweep[sweep.index('--values') + 1 :][:2] == [
        'low_alpha=1,2,3,4',
        'high_alpha=8,12,16,24',
    ]
    assert '{cams_star}' in sweep and sweep[sweep.index('--num') + 1] == '2000'
    assert labels[labels.index('--low-alpha') + 1] == '{label_sweep:best/low_alpha}'
    for option in ('background', 'beta', 'log2_steps'):
        at = masks.index(f'--{option.replace("_", "-")}')
        assert masks[at + 1] == f'{{mask_sweep:best/{option}}}'
    walk = args(run, 'mask_sweep')
    assert walk[walk.index('--checkpoint') + 1] == '{affinity.checkpoint}'
    fixed = Pipeline(PIPELINES / 'mctformer_v2_voc.py')
    assert not {'label_sweep', 'mask_sweep'} & set(names(fixed))
    assert args(fixed, 'masks')[-2:] == ['--background', '0.39']


@pytest.mark.parametrize(
    'options, message',
    [
        ({'recipe.backgroud': 0.2}, r"recipe multi_stage has no option 'backgroud'.*'background'"),
        ({'dataset.rot': 'a'}, r"dataset has no option 'rot'.*'root'"),
        ({'recipe.type': 'psa'}, r"recipe.type 'psa' is not registered; known: \['multi_stage'"),
        ({'resnet83': 'a'}, r"the override resnet83 changes nothing.*'resnet38'"),
        ({'stage_options.mask_eval.beta': 8}, r'evaluate_masks\.py reads no config'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Pipeline(PIPELINES / 'mctformer_plus_voc.py', options=options)


@pytest.mark.parametrize(
    'text, message',
    [
        ("recipe = dict(type='multi_stage', classifier='a')", r'needs dataset=dict\(root='),
        (
            "dataset = dict(root='a')\nrecipe = dict(type='multi_stage', classifier='a')",
            'recipe multi_stage needs segmentor',
        ),
        ("stages = []\nrecipe = dict(type='multi_stage')", 'has stages and a recipe'),
    ],
)
def test_bad_configs(tmp_path, text, message):
    (tmp_path / 'mine.py').write_text(text)
    with pytest.raises(ValueError, match=message):
        Pipeline(tmp_path / 'mine.py')


def test_a_recipe_of_the_user(tmp_path, monkeypatch):
    """A file in ``custom_imports`` registers it."""
    (tmp_path / 'my_recipes.py').write_text(
        'from mmwsss.apis import recipes, stages\n'
        'from mmwsss.registry import RECIPES\n'
        '@RECIPES.register_module()\n'
        'def my_chain(data, *, network):\n'
        "    return recipes.Recipe([stages.train('only', network, data)], dict(cam='only'), {})\n"
    )
    (tmp_path / 'mine.py').write_text(
        "custom_imports = dict(imports=['my_recipes'])\n"
        "dataset = dict(root='photos')\n"
        "recipe = dict(type='my_chain', network='mctformer_plus_toy')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = Pipeline(tmp_path / 'mine.py')
    assert names(run) == ['only'] and run.results == {'cam': 'only'}
    RECIPES.module_dict.pop('my_chain')


def test_cosa_is_tested_at_its_best_checkpoint():
    """Both networks, by the protocol of the paper."""
    run = Pipeline(PIPELINES / 'cosa_voc.py')
    assert run.results == {'seg': 'test', 'online': 'test_online'}
    for name in ('test', 'test_online'):
        assert '{training.best_checkpoint}' in args(run, name)
        assert 'cosa-voc-val' in args(run, name)
    assert 'model.test_cfg.network=online' in args(run, 'test_online')
    masks = args(Pipeline(PIPELINES / 'cosa_r38_voc.py'), 'masks')
    assert '{training.best_checkpoint}' in masks


@pytest.mark.parametrize(
    'name, protocol',
    [
        ('acr_voc', 'deeplabv2-voc-val'),
        ('acr_coco', 'deeplabv2-coco-val'),
        ('aream_r101_voc', 'deeplabv2-voc-val'),
        ('cosa_r101_coco', 'deeplabv2-coco-val'),
        ('irn_voc', 'deeplabv2-voc-val'),
        ('mctformer_plus_voc', 'mctformer-voc-val'),
        ('mctformer_v2_coco', 'mctformer-coco-val'),
    ],
)
def test_segmentation_is_tested_by_protocol(name, protocol):
    words = args(Pipeline(PIPELINES / f'{name}.py'), 'segmentation_test')
    assert words[words.index('--protocol') + 1] == protocol and '--tta' not in words


def test_steps_of_coco_are_epochs_of_voc():
    """PSA: 5 epochs of batches of 8; DeepLab-V1: 30 epochs of batches of 4."""
    for name, images in (('voc', 10_582), ('coco', 82_081)):
        psa = Config.fromfile(CONFIGS / f'psa_{name}.py')
        assert psa.train_cfg.max_iters == 5 * (images // 8)
        deeplab = Config.fromfile(CONFIGS / f'deeplabv1_r38_{name}_pseudo.py')
        assert deeplab.train_cfg.max_iters == pytest.approx(30 * images / 4, rel=1e-3)
        for config in (psa, deeplab):
            assert config.param_scheduler[0].end == config.train_cfg.max_iters + 1
