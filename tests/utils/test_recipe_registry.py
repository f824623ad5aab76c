"""The registry of recipes is that of the package."""

from mmwsss import registry
from mmwsss.utils.recipe_registry import RECIPES


def test_one_registry():
    assert registry.RECIPES is RECIPES
    assert RECIPES.get('multi_stage').__module__ == 'mmwsss.apis.recipes'
