"""Pixel-adaptive refinement in its plain form: every iteration stacks the 48 shifted copies of the
mask. For comparison only.
"""

import torch
import torch.nn.functional as F
from torch import nn


class PlainPAR(nn.Module):
    """Copies of all neighbours, then their weighted sum; the weights are recomputed in every call.

    ``(images (B,3,H,W), masks (B,K,h,w)) -> (B,K,H,W)``.
    """

    def __init__(self, dilations=(1, 2, 4, 8, 12, 24), num_iters=10):
        super().__init__()
        self.dilations, self.num_iters = dilations, num_iters
        steps = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
        selector = torch.zeros(8, 1, 3, 3)
        for index, (y, x) in enumerate(steps):
            selector[index, 0, y, x] = 1
        self.register_buffer('selector', selector)
        distance = [
            d * float((y - 1) ** 2 + (x - 1) ** 2) ** 0.5 for d in dilations for y, x in steps
        ]
        self.register_buffer('distance', torch.tensor(distance).view(1, 1, -1, 1, 1))

    def neighbours(self, maps):
        """(B,K,H,W) -> (B,K,S,H,W)."""
        batch, channels, height, width = maps.shape
        flat = maps.reshape(batch * channels, 1, height, width)
        copies = [
            F.conv2d(F.pad(flat, [d] * 4, mode='replicate'), self.selector, dilation=d).view(
                batch, channels, 8, height, width
            )
            for d in self.dilations
        ]
        return torch.cat(copies, 2)

    def forward(self, images, masks):
        masks = F.interpolate(masks, size=images.shape[-2:], mode='bilinear', align_corners=True)
        around = self.neighbours(images)
        color = -(
            ((around - images.unsqueeze(2)).abs() / (around.std(2, keepdim=True) + 1e-8) / 0.3) ** 2
        )
        place = -((self.distance / (self.distance.std(2, keepdim=True) + 1e-8) / 0.3) ** 2)
        weights = color.mean(1, keepdim=True).softmax(2) + 0.01 * place.softmax(2)
        for _ in range(self.num_iters):
            masks = (self.neighbours(masks) * weights).sum(2)
        return masks


def labels_two_pass(par, images, cams, tags, high=0.7, low=0.25):
    """Pseudo labels image by image, with one run for each threshold: 0 background, c+1, 255 ignore;
    (B,H,W).

    ``images`` (B,3,H,W), ``cams`` (B,C,H,W), ``tags`` (B,C).
    """
    size = images.shape[-2:]
    half = [side // 2 for side in size]
    results = []
    for image, cam, tag in zip(images, cams, tags):
        small = F.interpolate(image[None], size=half, mode='bilinear', align_corners=False)
        classes = torch.cat([tag.new_zeros(1, dtype=torch.long), tag.nonzero()[:, 0] + 1])
        maps = []
        for threshold in (high, low):
            stack = torch.cat([torch.full_like(cam[:1], threshold), cam])[None]
            stack = F.interpolate(stack, size=half, mode='bilinear', align_corners=False)[
                :, classes
            ].softmax(1)
            refined = F.interpolate(
                par(small, stack), size=size, mode='bilinear', align_corners=False
            )
            maps.append(classes[refined.argmax(1)[0]])
        label = torch.full_like(maps[0], 255)
        label[maps[0] > 0] = maps[0][maps[0] > 0]
        label[(maps[0] == 0) & (maps[1] == 0)] = 0
        results.append(label)
    return torch.stack(results)
