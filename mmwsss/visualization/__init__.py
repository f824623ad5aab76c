"""Visualisation of runs: CAM and mask overlays, plots, and the HTML report."""

from mmwsss.visualization.html_report import write_report
from mmwsss.visualization.overlay import (
    draw_cam_grid,
    draw_picture_grid,
    encode_image,
    overlay_cam,
    overlay_mask,
    sample_tiles,
)
from mmwsss.visualization.plots import (
    figure_to_png,
    plot_boxes,
    plot_class_iou,
    plot_curve_families,
    plot_curves,
    plot_layers,
    plot_matrices,
    plot_picture,
    plot_study,
    plot_threshold_curve,
    plot_threshold_curves,
    read_scalars,
)

__all__ = [
    'draw_cam_grid',
    'draw_picture_grid',
    'encode_image',
    'figure_to_png',
    'overlay_cam',
    'overlay_mask',
    'plot_boxes',
    'plot_class_iou',
    'plot_curve_families',
    'plot_curves',
    'plot_layers',
    'plot_matrices',
    'plot_picture',
    'plot_study',
    'plot_threshold_curve',
    'plot_threshold_curves',
    'read_scalars',
    'sample_tiles',
    'write_report',
]
