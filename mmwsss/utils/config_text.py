"""The text of a config as plain data: parsed, never executed."""

import ast
from typing import Any


def parse_config_text(text: str) -> dict[str, Any] | None:
    """Read the assignments of a config's text.

    Literals and ``dict(...)`` become values; every other expression is kept as source text, so that
    two texts can still be compared.

    Args:
        text (str): Text as written by :attr:`mmengine.Config.pretty_text`, from any source.

    Returns:
        dict[str, Any] | None: Values by name; None if the text is not Python.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                values[target.id] = _value(node.value)
    return values


def _value(node: ast.AST) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        return _pairs(node.keys, node.values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _value(node.operand)
        if isinstance(operand, (int, float)):
            return -operand
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
        and not node.args
    ):
        names = [
            None if keyword.arg is None else ast.Constant(keyword.arg) for keyword in node.keywords
        ]
        return _pairs(names, [keyword.value for keyword in node.keywords])
    return ast.unparse(node)


def _pairs(keys: list, values: list) -> dict:
    """A dictionary; entries without a key are spread into it (``**{...}``)."""
    result = {}
    for key, node in zip(keys, values):
        value = _value(node)
        if key is not None:
            name = _value(key)
            result[name if isinstance(name, (str, int, float, tuple)) else str(name)] = value
        elif isinstance(value, dict):
            result.update(value)
    return result
