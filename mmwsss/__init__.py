"""mmwsss: weakly supervised semantic segmentation with vision transformers, on MMSegmentation and
MMEngine.
"""

from mmwsss.utils.compat import prepare_dependencies
from mmwsss.version import __version__

prepare_dependencies()

__all__ = ['__version__']
