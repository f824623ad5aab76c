"""Names of all components, and the options that they take."""

import ast
import inspect
import textwrap

import pytest
from mmengine import registry as root

from mmwsss import registry
from mmwsss.registry import REFINERS

REGISTRIES = {
    name: value for name, value in vars(registry).items() if isinstance(value, root.Registry)
}


def components():
    """Every component of the package: (name, class or function)."""
    for entry in REGISTRIES.values():
        entry.import_from_location()
        for name, component in sorted(entry.module_dict.items()):
            if component.__module__.startswith('mmwsss.'):
                yield name, component


def hands_on(function, name):
    """Whether a constructor hands ``**name`` on to that of its parent."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(
        isinstance(node, ast.Call)
        and ast.unparse(node.func) == 'super().__init__'
        and any(
            keyword.arg is None
            and name in [part.id for part in ast.walk(keyword.value) if isinstance(part, ast.Name)]
            for keyword in node.keywords
        )
        for node in ast.walk(tree)
    )


def swallows(component):
    """Where unknown options of a component end without an error; None where none does."""
    if not isinstance(component, type):
        return None
    for parent in component.__mro__:
        function = vars(parent).get('__init__')
        if function is None or not parent.__module__.startswith('mmwsss.'):
            continue  # what a parent of MMEngine's takes is its own affair
        parameters = inspect.signature(function).parameters.values()
        rest = [entry.name for entry in parameters if entry.kind is entry.VAR_KEYWORD]
        if not rest:
            return None
        if not hands_on(function, rest[0]):
            return f'{component.__name__}: {parent.__name__}.__init__ does not hand on **{rest[0]}'
    return None


def test_unknown_options_are_errors():
    found = list(components())
    assert len(found) > 80
    assert not [place for _, component in found if (place := swallows(component))]


def test_swallowed_options_are_found():
    class Parent:
        __module__ = 'mmwsss.models'

        def __init__(self, one):
            self.one = one

    class HandsOn(Parent):
        __module__ = 'mmwsss.models'

        def __init__(self, two, **rest):
            super().__init__(two, **rest)

    class Swallows(Parent):
        __module__ = 'mmwsss.models'

        def __init__(self, two, **rest):
            super().__init__(two)

    assert swallows(HandsOn) is None and 'does not hand on **rest' in swallows(Swallows)


@pytest.mark.parametrize('name', ['MCC', 'ToCo', 'CoSA', 'SingleStage', 'AReAM', 'ACRClassifier'])
def test_an_unknown_option_of_an_algorithm(name):
    backbone = dict(
        type='mmwsss.TokenViT',
        arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=16),
        img_size=32,
        aux_layer=-2,
        final_norm=True,
    )
    with pytest.raises(TypeError, match="unexpected keyword argument 'num_blocks'"):
        registry.MODELS.build(
            dict(type=f'mmwsss.{name}', backbone=backbone, num_classes=3, num_blocks=99)
        )


def test_scope_and_parents():
    """Scoped names resolve from MMEngine's root; ideas of this package have trees of their own."""
    own = {'REFINERS', 'RECIPES'}
    for name, entry in REGISTRIES.items():
        assert entry.scope == 'mmwsss', name
        assert entry.parent is (None if name in own else getattr(root, name)), name
    registry.MODELS.import_from_location()
    assert root.MODELS.get('mmwsss.TokenViT') is registry.MODELS.get('TokenViT')
    assert {'threshold', 'crf', 'par', 'psa', 'irn'} <= set(REFINERS.module_dict)
