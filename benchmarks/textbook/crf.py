"""Dense CRF of background-weighted CAMs in its plain form: all class planes, and a new lattice for
each alpha. For comparison only.
"""

import numpy as np


def crf_of_alphas(
    image,
    keys,
    cams,
    alphas=(1, 12),
    num_classes=20,
    num_iters=10,
    gauss=(3, 3),
    bilateral=(80, 13, 10),
):
    """Probabilities of background and present classes for each alpha.

    Args:
        image (np.ndarray): (H,W,3) uint8 RGB.
        keys (np.ndarray): (K,) present classes, 0-based.
        cams (np.ndarray): (K,H,W) in [0,1].
        alphas (tuple): Exponents of the background score.

    Returns:
        list[np.ndarray]: (K+1,H,W) per alpha.
    """
    from pydensecrf.densecrf import DenseCRF2D

    height, width = image.shape[:2]
    results = []
    for alpha in alphas:
        planes = np.zeros((num_classes + 1, height, width), np.float32)
        planes[keys + 1] = cams
        planes[0] = (1 - planes[1:].max(0)) ** alpha
        crf = DenseCRF2D(width, height, num_classes + 1)
        crf.setUnaryEnergy(
            np.ascontiguousarray(-np.log(np.clip(planes, 1e-5, 1)).reshape(num_classes + 1, -1))
        )
        crf.addPairwiseGaussian(sxy=gauss[0], compat=gauss[1])
        crf.addPairwiseBilateral(
            sxy=bilateral[0],
            srgb=bilateral[1],
            rgbim=np.ascontiguousarray(image),
            compat=bilateral[2],
        )
        marginals = np.array(crf.inference(num_iters), np.float32).reshape(
            num_classes + 1, height, width
        )
        results.append(marginals[np.concatenate([[0], keys + 1])])
    return results
