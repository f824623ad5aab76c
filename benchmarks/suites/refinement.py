"""Refinement of maps with the colours of their images: PAR, dense CRF, dense energy."""

import importlib.util
import multiprocessing

import numpy as np
import torch
from torch.nn import functional as F

from mmwsss.functional.crf import background_alpha
from mmwsss.functional.energy import dense_energy
from mmwsss.functional.pseudo_labels import labels_two_pass
from mmwsss.models.refiners import PAR, DenseCRF

from ..textbook import energy as textbook_energy
from ..textbook.crf import crf_of_alphas
from ..textbook.par import PlainPAR
from ..textbook.par import labels_two_pass as plain_labels_two_pass
from . import Case

ALPHAS = (1, 12)  # weak and strong background


def par(device, quick):
    """Ten iterations of 21 maps of 224 x 224 pixels."""
    size = (40, 40) if quick else (224, 224)
    image, masks = _smooth(1, 3, size).to(device) * 255, _smooth(1, 21, size).to(device)
    ours, plain = PAR().to(device), PlainPAR().to(device)
    return Case(lambda: ours(image, masks), lambda: plain(image, masks))


def par_labels(device, quick):
    """As in training: pseudo labels of four 448 x 448 images with two or three tags of 20, for a
    high and a low threshold.
    """
    size = (64, 64) if quick else (448, 448)
    images, tags = _smooth(4, 3, size).to(device), torch.zeros(4, 20, device=device)
    for index in range(4):
        tags[index, [index, index + 5, index + 9][: 2 + index % 2]] = 1
    cams = _smooth(4, 20, size).to(device) * tags[:, :, None, None]
    ours, plain = PAR().to(device), PlainPAR().to(device)
    return Case(
        lambda: labels_two_pass(images, cams, tags, par=ours),
        lambda: plain_labels_two_pass(plain, images, cams, tags),
    )


def crf(device, quick):
    """Maps of four 375 x 500 images with two tags of 20, under a strong and a weak background; on
    the CPU, whatever the device.

    Present classes, one lattice and two processes, against 21 classes, a lattice for each
    background and one process.
    """
    if importlib.util.find_spec('pydensecrf') is None:
        raise ValueError('the comparison of dense CRFs needs pydensecrf: pip install pydensecrf2')
    size = (48, 64) if quick else (375, 500)
    jobs = [
        (
            np.ascontiguousarray(
                (_smooth(1, 3, size)[0].permute(1, 2, 0) * 255).numpy().astype(np.uint8)
            ),
            _smooth(1, 2, size)[0],
        )
        for _ in range(4)
    ]
    # started once, as for a folder of images
    pool = multiprocessing.get_context('spawn').Pool(2, torch.set_num_threads, (1,))

    def ours():
        return tuple(
            torch.from_numpy(maps)
            for result in pool.map(_refined, jobs, chunksize=1)
            for maps in result
        )

    def plainly():
        keys = np.array([3, 14])
        return tuple(
            torch.from_numpy(maps)
            for image, cams in jobs
            for maps in crf_of_alphas(image, keys, cams.numpy(), ALPHAS)
        )

    return Case(ours, plainly)


def crf_batch(device, quick):
    """Maps of four 375 x 500 images with two tags each, refined on the device by one lattice,
    against one image after the other: the gain of a batch alone.
    """
    size = (24, 32) if quick else (375, 500)
    images = (_smooth(4, 3, size) * 255).to(torch.uint8).permute(0, 2, 3, 1).to(device)
    probs = _smooth(4, 3, size).softmax(1).to(device)
    crf = DenseCRF('psa', backend='torch')
    return Case(
        lambda: crf.refine_batch(images, [probs], [3] * 4)[0],
        lambda: torch.stack([crf(image, maps) for image, maps in zip(images, probs)]),
    )


def _refined(job):
    """Marginals of background and two classes for each background score, as arrays."""
    image, cams = job
    maps = DenseCRF('psa', backend='pydensecrf').refine_many(
        image, [background_alpha(cams, alpha) for alpha in ALPHAS]
    )
    return [probs.numpy() for probs in maps]


def energy(device, quick):
    """Dense energy of 21 maps of 112 x 112 pixels and its gradient, exact: blocks of pixel pairs
    against the matrix of all of them.
    """
    size = (12, 12) if quick else (112, 112)
    probs = (8 * _smooth(1, 21, size)).softmax(1).to(device).requires_grad_()
    gate, image = _smooth(1, 1, size)[:, 0].to(device), _smooth(1, 3, size).to(device) * 255

    def ours():
        value = dense_energy(probs, gate, image, sigma_rgb=15, sigma_xy=50)
        return value.detach() / probs.numel(), torch.autograd.grad(value, probs)[0] / probs.numel()

    def plainly():
        value, gradient = textbook_energy.dense_energy(probs.detach(), gate, image, 15, 50)
        return value / probs.numel(), gradient / probs.numel()

    return Case(ours, plainly)


def _smooth(batch, channels, size):
    """Random maps (B,K,H,W) in [0,1] with structure."""
    return F.interpolate(
        torch.rand(batch, channels, 12, 16), size=size, mode='bilinear', align_corners=False
    )
