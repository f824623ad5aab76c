"""The registry of recipes, in a module of its own: reading a pipeline config needs no PyTorch."""

from mmengine.registry import Registry

# Chains of a pipeline: functions of mmwsss.apis.recipes.
RECIPES = Registry('recipe', scope='mmwsss', locations=['mmwsss.apis.recipes'])
