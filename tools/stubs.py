"""Write the stubs of ``layda.torch`` and ``layda.jax``, made from the list of rules: python tools/stubs.py.

Type checkers and editors that do not run the code read the signatures there; a test says when they are out of date.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1] / "src" / "layda"
_HEAD = "# Made by tools/stubs.py from the list of rules.\n"


def _parameter(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation
    known = {"bool": "bool", "str": "str", "int": "int", "bool | None": "bool | None"}
    known |= {"torch.dtype | None": "torch.dtype | None"}
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "Any")
    default = "" if parameter.default is parameter.empty else " = ..."
    return f"{parameter.name}: {known.get(name, 'Any')}{default}"


def _parameters(signature: inspect.Signature) -> list[str]:
    found: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in found:
            found.append("*")
        found.append(_parameter(parameter))
    return found


def _definition(name: str, first: list[str], signature: inspect.Signature, returned: str, indent: str) -> str:
    lines = "".join(f"{indent}    {text},\n" for text in (*first, *_parameters(signature)))
    return f"{indent}def {name}(\n{lines}{indent}) -> {returned}: ...\n"


def torch_stub() -> str:
    """The text of ``layda/torch/__init__.pyi``."""
    from layda.torch.named import NAMED

    text = _HEAD + "from typing import Any\n\nimport torch\n\n"
    text += "from layda.torch.optimizer import Optimizer as Optimizer\n"
    for name, cls in NAMED.items():
        text += f"\nclass {name}(Optimizer):\n"
        text += _definition("__init__", ["self"], inspect.signature(cls), "None", "    ")
    return text


def jax_stub() -> str:
    """The text of ``layda/jax/__init__.pyi``."""
    import layda.jax as room
    from layda.jax.named import function_name
    from layda.rules import ALL

    text = _HEAD + "from typing import Any\n\nimport optax\n\nfrom layda.jax.answers import estimates as estimates\n"
    text += "from layda.jax.answers import settings as settings\n"
    text += "from layda.jax.answers import with_hyperparams as with_hyperparams\n"
    text += "from layda.jax.state import State as State\n"
    text += "from layda.jax.transformation import Transformation as Transformation\n"
    text += "from layda.jax.transformation import optimizer as optimizer\n\n"
    for rule in ALL:
        made: Any = getattr(room, function_name(rule))
        returned = "optax.GradientTransformationExtraArgs"
        text += _definition(made.__name__, [], inspect.signature(made), returned, "")
    return text


STUBS = {SOURCE / "torch" / "__init__.pyi": torch_stub, SOURCE / "jax" / "__init__.pyi": jax_stub}


def main() -> None:
    """Write both."""
    for path, made in STUBS.items():
        path.write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    main()
