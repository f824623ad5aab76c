import io
import json
import math
import sys

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_hex
from PIL import Image

from mmwsss.visualization import (
    figure_to_png,
    plot_class_iou,
    plot_curves,
    plot_layers,
    plot_matrices,
    plot_threshold_curve,
    read_scalars,
)
from mmwsss.visualization.plots import SERIES, SMOOTH_ABOVE, _smooth

CURVE = {
    'thresholds': [0.1, 0.2, 0.3, 0.4],
    'mIoU': [10.0, 44.4, 30.0, 5.0],
    'FP': [80, 30, 20, 5],
    'FN': [10, 25.6, 50, 90],
}


def curves_of(axes):
    return {
        line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith('_')
    }


def panels_of(figure):
    return {axes.get_title(loc='left'): curves_of(axes) for axes in figure.axes}


def test_png_has_the_size_of_the_figure():
    figure = plot_threshold_curve(CURVE)
    picture = Image.open(io.BytesIO(figure_to_png(figure, dpi=50)))
    assert picture.size == tuple(round(side * 50) for side in figure.get_size_inches())
    pixels = np.array(picture.convert('RGB'))
    assert (pixels[0, 0] == 255).all() and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    assert (
        Image.open(io.BytesIO(figure_to_png(figure, dpi=50, transparent=True)))
        .convert('RGBA')
        .getpixel((0, 0))[3]
        == 0
    )


def test_threshold_curve_marks_the_best():
    (axes,) = plot_threshold_curve(CURVE).axes
    lines = curves_of(axes)
    assert list(lines) == ['mIoU', 'false positives', 'false negatives']
    np.testing.assert_array_equal(lines['false negatives'].get_ydata(), CURVE['FN'])
    assert [text.get_text() for text in axes.texts] == ['44.4 % at 0.2']


@pytest.mark.parametrize(
    'curve',
    [
        {'thresholds': [0.5], 'mIoU': [12.0]},
        {'thresholds': [0.1, 0.2], 'mIoU': [math.nan, math.nan], 'FP': None},
        {'thresholds': np.linspace(0, 1, 50), 'mIoU': np.zeros(50)},
    ],
)
def test_threshold_curve_edge_cases(curve):
    assert figure_to_png(plot_threshold_curve(curve), dpi=40).startswith(b'\x89PNG')


def test_threshold_curve_rejects_lists_that_do_not_fit():
    with pytest.raises(ValueError, match=r"4 thresholds.*'FN': 2"):
        plot_threshold_curve({**CURVE, 'FN': [1, 2]})
    with pytest.raises(ValueError, match='0 thresholds'):
        plot_threshold_curve({'thresholds': [], 'mIoU': []})


def test_class_iou_draws_each_series_in_its_colour():
    names = ['background', 'cat', '$a$ <dog>']
    figure = plot_class_iou(
        names, {'seg': {'cat': 50.0, 'background': 90.0}, 'mine': [10, math.nan, 30]}
    )
    (axes,) = figure.axes
    seg, mine = axes.containers
    assert [bar.get_width() for bar in seg] == [90, 50, 0] and [
        bar.get_width() for bar in mine
    ] == [10, 0, 30]
    assert to_hex(seg.patches[0].get_facecolor()) == SERIES['seg'][1]
    assert [text.get_text() for text in axes.texts] == ['90.0', '50.0', '–', '10.0', '–', '30.0']
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['segmentation', 'mine']
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert figure_to_png(figure, dpi=40).startswith(b'\x89PNG')


@pytest.mark.parametrize('number, columns', [(1, 1), (12, 1), (21, 2), (81, 3)])
def test_class_iou_breaks_long_lists_into_columns(number, columns):
    figure = plot_class_iou(
        [f'class {index}' for index in range(number)], {'cam': np.arange(number)}
    )
    assert len(figure.axes) == columns
    assert sum(len(axes.containers[0]) for axes in figure.axes) == number


def test_class_iou_rejects_nothing_and_wrong_lengths():
    with pytest.raises(ValueError, match="'cam' has 1 IoUs for 2"):
        plot_class_iou(['a', 'b'], {'cam': [1]})
    with pytest.raises(ValueError, match='0 classes and 1 series'):
        plot_class_iou([], {'cam': []})
    with pytest.raises(ValueError, match='1 classes and 0 series'):
        plot_class_iou(['a'], {})


def test_read_scalars_skips_what_is_no_record(tmp_path):
    path = tmp_path / 'scalars.json'
    path.write_text(
        json.dumps({'loss': 1.5, 'step': 1})
        + '\n\n[1]\n'
        + '{"loss": NaN, "step": 2}\n{"loss": 0.5, "st',
        encoding='utf-8',
    )
    records = read_scalars(path)
    assert records[0] == {'loss': 1.5, 'step': 1}
    assert len(records) == 2 and math.isnan(records[1]['loss'])
    with pytest.raises(FileNotFoundError, match='scalars.json'):
        read_scalars(tmp_path / 'none' / 'scalars.json')


def test_curves_are_sorted_into_panels():
    records = [
        {
            'lr': 0.1 / step,
            'base_lr': 0.1,
            'loss': 3.0,
            'loss_cls': 1.0,
            'loss_seg': 0.5,
            'decode.loss_ce': 1.5,
            'decode.acc_seg': 80.0,
            'grad_norm': 2.0,
            'time': 0.1,
            'iter': step,
            'step': step,
        }
        for step in (10, 20, 30)
    ]
    records += [
        {'cam/mIoU': 40.0, 'mIoU': 50.0, 'aAcc': 80.0, 'time': 0.1, 'step': 1},
        {'loss_cls': 1.0},
        {'note': 'text', 'step': 40},
    ]
    panels = panels_of(plot_curves(records))
    assert {title: list(curves) for title, curves in panels.items()} == {
        'Classification losses': ['total', 'loss_cls'],
        'Segmentation losses': ['loss_seg', 'decode.loss_ce'],
        'Learning rate': ['lr'],
        'Validation': ['cam/mIoU', 'mIoU'],
    }
    np.testing.assert_allclose(panels['Learning rate']['lr'].get_ydata(), [0.01, 0.005, 0.1 / 30])


def test_curves_label_the_axis_of_validation_by_its_unit():
    training = [{'loss': 1.0, 'step': step} for step in range(10, 101, 10)]
    by_epoch, by_iter = ([*training, {'mIoU': 5.0, 'step': step}] for step in (2, 100))
    assert plot_curves(by_epoch).axes[1].get_xlabel() == 'epoch'
    assert plot_curves(by_iter).axes[1].get_xlabel() == 'iteration'


def test_curves_of_a_resumed_run_keep_the_last_value():
    records = [{'loss': float(step), 'step': step} for step in (1, 2, 3)] + [
        {'loss': 30.0, 'step': 3},
        {'loss': math.inf, 'step': 4},
    ]
    line = panels_of(plot_curves(records))['Classification losses']['total']
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(line.get_ydata(), [1, 2, 30, math.nan])


def test_curves_show_the_total_only_beside_several_losses():
    assert list(panels_of(plot_curves([{'loss': 1.0, 'decode.loss_ce': 1.0, 'step': 1}]))) == [
        'Segmentation losses'
    ]
    panels = panels_of(
        plot_curves(
            [{'train/loss': 3.0, 'train/decode.loss_ce': 1.0, 'train/aux.loss_ce': 2.0, 'step': 1}]
        )
    )
    assert {title: list(curves) for title, curves in panels.items()} == {
        'Segmentation losses': ['total', 'decode.loss_ce', 'aux.loss_ce']
    }


def test_long_curves_are_smoothed_with_the_raw_values_behind():
    records = [{'loss': float(step % 2), 'step': step} for step in range(4 * SMOOTH_ABOVE)]
    (axes,) = plot_curves(records).axes
    raw, smooth = axes.get_lines()
    assert (
        raw.get_alpha() < 0.5
        and np.ptp(raw.get_ydata()) == 1
        and np.ptp(smooth.get_ydata()[20:-20]) < 0.2
    )


def test_smoothing_equals_the_naive_loop():
    values = np.random.default_rng(0).normal(size=23)
    values[[4, 5, 6, 20]] = np.nan
    smooth = _smooth(values, 5)
    for index, value in enumerate(values):
        near = values[max(0, index - 2) : index + 3]
        assert (
            math.isnan(smooth[index])
            if math.isnan(value)
            else smooth[index] == pytest.approx(np.nanmean(near))
        )


def test_curves_without_records_say_so():
    figure = plot_curves([])
    assert 'no training scalars' in figure.texts[0].get_text()
    assert figure_to_png(figure, dpi=30).startswith(b'\x89PNG')


def test_layers_of_networks_of_different_depth():
    figure = plot_layers(
        {'deep': [1.0, 2.0, None, 4.0], 'shallow': [3.0, 2.5]},
        ylabel='mIoU, percent',
        bands={'shallow': [0.5, 0.5]},
        levels={'not refined': 2.2},
    )
    (axes,) = figure.axes
    lines = curves_of(axes)
    assert list(lines) == ['deep', 'shallow', 'not refined'] and len(axes.collections) == 1
    np.testing.assert_array_equal(lines['deep'].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(lines['deep'].get_ydata(), [1, 2, math.nan, 4])
    assert (
        set(lines['not refined'].get_ydata()) == {2.2}
        and len({line.get_color() for line in lines.values()}) == 3
    )
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('layer', 'mIoU, percent')
    assert figure_to_png(plot_layers({'one': [1.0]}, ylabel='x'), dpi=30).startswith(b'\x89PNG')
    for curves, bands in (
        ({}, None),
        ({'a': [1.0]}, {'a': [1.0, 2.0]}),
        ({'a': [1.0]}, {'b': [1.0]}),
    ):
        with pytest.raises(ValueError, match='a plot of layers needs'):
            plot_layers(curves, ylabel='x', bands=bands)


def test_matrices():
    figure = plot_matrices(
        [(f'layer {layer}', np.full((3, 3), float(layer))) for layer in range(5)]
    )
    assert [axes.get_title() for axes in figure.axes] == [f'layer {layer}' for layer in range(5)]
    assert [axes.images[0].get_clim() for axes in figure.axes] == [
        (0, 1),
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
    ]
    with pytest.raises(ValueError, match='at least one'):
        plot_matrices([])


def test_global_state_of_matplotlib_stays_as_it_is():
    before = dict(rcParams)
    figure_to_png(plot_threshold_curve(CURVE), dpi=20)
    figure_to_png(plot_curves([{'loss': 1.0, 'step': 1}]), dpi=20)
    assert dict(rcParams) == before
    pyplot = sys.modules.get('matplotlib.pyplot')
    assert pyplot is None or not pyplot.get_fignums()
