"""Conversion of checkpoints from the command line."""

import torch

from mmwsss.apis import load_weights
from mmwsss.utils.compat import load_weights_only
from tests.mctformer_golden import INIT_ARCH, build, golden, state_of
from tests.tools.program import one_line, run_tool

CONVERT = 'model_converters/convert.py'


def load(file):
    return torch.load(file, weights_only=True)


def test_there_and_back(tmp_path):
    """A released MCTformer+ checkpoint becomes ours and the same again; our own one returns bit for
    bit.
    """
    released = state_of(golden('mctformer_plus_model'))
    torch.save(
        {'model': {f'module.{name}': value for name, value in released.items()}, 'epoch': 44},
        tmp_path / 'released.pth',
    )
    result = run_tool(CONVERT, tmp_path / 'released.pth', tmp_path / 'ours.pth')
    assert (
        result.code == 0
        and 'MCTformer+ (mctformer_plus)' in result.out
        and ', 5 classes' in result.out
    )
    assert (
        'left out (3): norm.bias, norm.weight, pos_embed' in result.out
        and 'configs/mctformer_plus_voc.py' in result.out
    )
    ours = load(tmp_path / 'ours.pth')
    assert list(ours) == ['state_dict', 'meta'] and ours['meta'] == {
        'converted_from': 'mctformer_plus'
    }
    model = build(5, dict(INIT_ARCH, embed_dims=32, num_layers=3, feedforward_channels=128))
    load_weights(model, tmp_path / 'ours.pth')
    model.load_state_dict(ours['state_dict'], strict=True)
    result = run_tool(
        CONVERT,
        tmp_path / 'ours.pth',
        tmp_path / 'again.pth',
        '--to',
        'released',
        '--format',
        'mctformer_plus',
    )
    assert result.code == 0, result
    # by its meta.converted_from
    result = run_tool(CONVERT, tmp_path / 'ours.pth', tmp_path / 'same.pth', '--to', 'released')
    assert result.code == 0 and '(mctformer_plus)' in result.out, result
    again, same = load(tmp_path / 'again.pth')['model'], load(tmp_path / 'same.pth')['model']
    assert set(again) == set(same) and all(torch.equal(again[name], same[name]) for name in again)
    one_line(
        run_tool(
            CONVERT,
            tmp_path / 'ours.pth',
            tmp_path / 'v2.pth',
            '--to',
            'released',
            '--format',
            'mctformer_v2',
        ),
        'ours.pth: is one of mctformer_plus (MCTformer+), not of mctformer_v2',
    )
    assert not (tmp_path / 'v2.pth').exists()
    used = set(released) - {'norm.weight', 'norm.bias', 'pos_embed'}
    assert set(again) == set(released) and all(
        torch.equal(again[name], released[name]) for name in used
    )
    assert again['pos_embed'].shape == released['pos_embed'].shape


def test_format_of_a_trained_model(classifier, tmp_path):
    """The config inside a checkpoint of ours says which format it is, without being run."""
    result = run_tool(CONVERT, classifier.checkpoint, tmp_path / 'released.pth', '--to', 'released')
    assert result.code == 0 and '(mctformer_plus)' in result.out, result
    assert run_tool(CONVERT, tmp_path / 'released.pth', tmp_path / 'ours.pth').code == 0
    one_line(
        run_tool(
            CONVERT,
            classifier.checkpoint,
            tmp_path / 'v2.pth',
            '--to',
            'released',
            '--format',
            'mctformer_v2',
        ),
        'is one of mctformer_plus (MCTformer+), not of mctformer_v2',
    )
    ours, trained = (
        load(tmp_path / 'ours.pth')['state_dict'],
        load_weights_only(classifier.checkpoint)['state_dict'],
    )
    assert set(ours) == set(trained) and all(
        torch.equal(ours[name], trained[name].cpu()) for name in trained
    )


def test_aream_is_written_as_either(tmp_path):
    """Our AReAM is trained with the network of V2 or of +: the config inside decides between them
    no more than by default.
    """
    torch.save(state_of(golden('mctformer_plus_model')), tmp_path / 'released.pth')
    assert run_tool(CONVERT, tmp_path / 'released.pth', tmp_path / 'ours.pth').code == 0
    state = load(tmp_path / 'ours.pth')['state_dict']
    torch.save(
        dict(state_dict=state, meta=dict(cfg="model = dict(type='mmwsss.AReAM')")),
        tmp_path / 'trained.pth',
    )
    for options, name in (((), 'mctformer_v2'), (('--format', 'mctformer_plus'), 'mctformer_plus')):
        result = run_tool(
            CONVERT, tmp_path / 'trained.pth', tmp_path / 'out.pth', '--to', 'released', *options
        )
        assert result.code == 0 and f'({name})' in result.out, result


def test_bad_input(tmp_path):
    torch.save({'a.weight': torch.ones(2)}, tmp_path / 'other.pth')
    released = state_of(golden('mctformer_plus_model'))
    torch.save(released, tmp_path / 'released.pth')
    one_line(run_tool(CONVERT, tmp_path / 'missing.pth', tmp_path / 'out.pth'), 'missing.pth')
    one_line(
        run_tool(CONVERT, tmp_path / 'other.pth', tmp_path / 'out.pth'),
        'other.pth: not a released checkpoint',
        '1 weights',
        'cosa',
    )
    one_line(
        run_tool(CONVERT, tmp_path / 'other.pth', tmp_path / 'out.pth', '--format', 'irn'),
        'lacks the parameter names of irn',
    )
    one_line(
        run_tool(CONVERT, tmp_path / 'released.pth', tmp_path / 'out.pth', '--format', 'irn'),
        'is one of mctformer_plus',
    )
    one_line(
        run_tool(CONVERT, tmp_path / 'released.pth', tmp_path / 'out.pth', '--to', 'released'),
        'is a released checkpoint already',
    )
    one_line(
        run_tool(CONVERT, tmp_path / 'other.pth', tmp_path / 'out.pth', '--to', 'released'),
        'choose one with --format',
    )
    for name in ('mctformer_v1', 'mcc', 'irn', 'acr', 'mctformer_v2'):
        one_line(
            run_tool(
                CONVERT,
                tmp_path / 'other.pth',
                tmp_path / 'out.pth',
                '--to',
                'released',
                '--format',
                name,
            ),
            'other.pth: ',
        )
    one_line(run_tool(CONVERT, tmp_path / 'other.pth', tmp_path / 'other.pth'), 'would overwrite')
    torch.save([1], tmp_path / 'list.pth')
    one_line(run_tool(CONVERT, tmp_path / 'list.pth', tmp_path / 'out.pth'), 'holds a list')
    (tmp_path / 'text.pth').write_text('text')
    one_line(
        run_tool(CONVERT, tmp_path / 'text.pth', tmp_path / 'out.pth'), 'text.pth: not a checkpoint'
    )
    assert not (tmp_path / 'out.pth').exists()
    assert (
        run_tool(CONVERT, tmp_path / 'other.pth', tmp_path / 'out.pth', '--format', 'none').code
        == 2
    )
