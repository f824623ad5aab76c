"""Dense energy in its plain form: the whole matrix of pixel similarities. For comparison only."""

import torch


def dense_energy(scores, gate, images, sigma_rgb, sigma_xy):
    """Value, and the gradient that the energy defines for itself: scores (B,K,h,w), gate (B,h,w),
    images (B,3,h,w) in 0..255.
    """
    batch, _, height, width = scores.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    place = torch.stack([x, y], -1).view(-1, 2).to(images) / sigma_xy
    value, gradient = 0, torch.empty_like(scores)
    for index in range(batch):
        features = torch.cat([place, images[index].flatten(1).t() / sigma_rgb], 1)
        similarity = torch.exp(
            -(torch.cdist(features, features, compute_mode='donot_use_mm_for_euclid_dist') ** 2) / 2
        )
        message = (similarity @ scores[index].flatten(1).t()).t().view_as(scores[index]) * gate[
            index
        ]
        value = value - (scores[index] * message).sum() / batch
        gradient[index] = -2 / batch * message
    return value, gradient
