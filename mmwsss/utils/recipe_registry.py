"""The registry of recipes, in a separate module, so that reading a pipeline config does not import
PyTorch.
"""

from mmengine.registry import Registry

# Recipes of pipelines: functions of mmwsss.apis.recipes.
RECIPES = Registry('recipe', scope='mmwsss', locations=['mmwsss.apis.recipes'])
