"""Registries of mmwsss, which import their components lazily.

They are children of MMEngine's root registries, like those of MMSegmentation and MMPretrain: a
scoped name such as ``mmwsss.TokenViT`` then resolves from any of them, unlike a name in a
grandchild. In a config every ``type`` includes its scope: ``mmwsss.TokenViT``,
``mmseg.EncoderDecoder``, ``mmpretrain.RandAugment``.
"""

from mmwsss.utils.compat import import_dependencies

import_dependencies()  # before any other import of them, for its clear message

from mmengine import registry as root  # noqa: E402
from mmengine.registry import Registry  # noqa: E402

from mmwsss.utils.recipe_registry import RECIPES as RECIPES  # noqa: E402

MODELS = Registry('model', parent=root.MODELS, scope='mmwsss', locations=['mmwsss.models'])
DATASETS = Registry('dataset', parent=root.DATASETS, scope='mmwsss', locations=['mmwsss.datasets'])
TRANSFORMS = Registry(
    'transform', parent=root.TRANSFORMS, scope='mmwsss', locations=['mmwsss.datasets.transforms']
)
HOOKS = Registry('hook', parent=root.HOOKS, scope='mmwsss', locations=['mmwsss.engine.hooks'])
LOOPS = Registry('loop', parent=root.LOOPS, scope='mmwsss', locations=['mmwsss.engine.loops'])
PARAM_SCHEDULERS = Registry(
    'parameter scheduler',
    parent=root.PARAM_SCHEDULERS,
    scope='mmwsss',
    locations=['mmwsss.engine.optimizers'],
)
WEIGHT_INITIALIZERS = Registry(
    'weight initializer',
    parent=root.WEIGHT_INITIALIZERS,
    scope='mmwsss',
    locations=['mmwsss.checkpoints.packaged_weights'],
)
METRICS = Registry('metric', parent=root.METRICS, scope='mmwsss', locations=['mmwsss.evaluation'])
# Without a parent, because refiners are specific to this package. Their names are short (``par``,
# ``crf``).
REFINERS = Registry('refiner', scope='mmwsss', locations=['mmwsss.models.refiners'])

# These are empty; they exist so that MMEngine finds the scope ``mmwsss`` in every tree it
# searches.
OPTIMIZERS = Registry(
    'optimizer', parent=root.OPTIMIZERS, scope='mmwsss', locations=['mmwsss.engine']
)
OPTIM_WRAPPERS = Registry(
    'optim_wrapper', parent=root.OPTIM_WRAPPERS, scope='mmwsss', locations=['mmwsss.engine']
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor',
    parent=root.OPTIM_WRAPPER_CONSTRUCTORS,
    scope='mmwsss',
    locations=['mmwsss.engine'],
)
DATA_SAMPLERS = Registry(
    'data sampler', parent=root.DATA_SAMPLERS, scope='mmwsss', locations=['mmwsss.datasets']
)
FUNCTIONS = Registry(
    'function', parent=root.FUNCTIONS, scope='mmwsss', locations=['mmwsss.datasets']
)
EVALUATOR = Registry(
    'evaluator', parent=root.EVALUATOR, scope='mmwsss', locations=['mmwsss.engine']
)
LOG_PROCESSORS = Registry(
    'log_processor', parent=root.LOG_PROCESSORS, scope='mmwsss', locations=['mmwsss.engine']
)
VISUALIZERS = Registry(
    'visualizer', parent=root.VISUALIZERS, scope='mmwsss', locations=['mmwsss.engine']
)
VISBACKENDS = Registry(
    'vis_backend', parent=root.VISBACKENDS, scope='mmwsss', locations=['mmwsss.engine']
)
RUNNERS = Registry('runner', parent=root.RUNNERS, scope='mmwsss', locations=['mmwsss.engine'])
