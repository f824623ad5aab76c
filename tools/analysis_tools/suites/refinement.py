"""Refinement of maps: PAR and dense CRF."""
import numpy as np
import torch
from torch.nn import functional as F

from mmwsss.functional.crf import background_alpha
from mmwsss.functional.pseudo_labels import labels_two_pass
from mmwsss.models.refiners import PAR, DenseCRF

from ..textbook.crf import crf_of_alphas
from ..textbook.par import PlainPAR
from ..textbook.par import labels_two_pass as plain_labels_two_pass
from . import Case


def par(device, quick):
    """PAR of 21 channels at 224 x 224, 10 iterations."""
    side = 40 if quick else 224
    image, masks = _smooth(1, 3, side) * 255, _smooth(1, 21, side)
    image, masks = image.to(device), masks.to(device)
    ours, plain = PAR().to(device), PlainPAR().to(device)
    return Case(lambda: ours(image, masks), lambda: plain(image, masks))


def par_labels(device, quick):
    """Training pattern: labels of four 448 x 448 images with two or three of 20 classes, high and low background."""
    side = 64 if quick else 448
    images, cams = _smooth(4, 3, side).to(device), _smooth(4, 20, side).to(device)
    tags = torch.zeros(4, 20, device=device)
    for index in range(4):
        tags[index, [index, index + 5, index + 9][:2 + index % 2]] = 1
    cams = cams * tags[:, :, None, None]
    ours, plain = PAR().to(device), PlainPAR().to(device)
    return Case(lambda: labels_two_pass(images, cams, tags, par=ours), lambda: plain_labels_two_pass(plain, images, cams, tags))


def crf(device, quick):
    """la/ha CRFs of a 375 x 500 image with two of 20 classes: present classes on one lattice, against 21 planes on two. CPU only."""
    size = (48, 64) if quick else (375, 500)
    image = (_smooth(1, 3, max(size))[0, :, :size[0], :size[1]].permute(1, 2, 0) * 255).numpy().astype(np.uint8)
    image, cams, keys = np.ascontiguousarray(image), _smooth(1, 2, max(size))[0, :, :size[0], :size[1]], np.array([3, 14])
    table = torch.tensor([0, *(key + 1 for key in keys)])
    refiner = DenseCRF('psa')

    def ours():
        probs = refiner.refine_many(image, [background_alpha(cams, alpha) for alpha in (1, 12)])
        return tuple(table[prob.argmax(0)] for prob in probs)

    def plainly():
        return tuple(table[torch.as_tensor(prob).argmax(0)] for prob in crf_of_alphas(image, keys, cams.numpy()))

    return Case(ours, plainly)


def _smooth(batch, channels, side):
    """Random maps with structure, (batch,channels,side,side) in [0,1]."""
    generator = torch.Generator().manual_seed(0)
    return F.interpolate(torch.rand(batch, channels, 12, 12, generator=generator), size=(side, side), mode='bicubic').clamp(0, 1)
