"""The straight-line program: what a rule or an objective becomes when it is traced.

``trace`` writes a plain Python function down as a :class:`Program`; ``gradient`` and ``hessian`` differentiate it;
calling a program evaluates it with any kind of number; ``program.lowered`` is what the float backends print.
"""

from __future__ import annotations

from layda.program.arithmetic import Arithmetic, arithmetic, kind_of
from layda.program.contract import contracted
from layda.program.derivative import gradient, hessian, hessian_product, value_and_gradient
from layda.program.elementary import (
    absolute,
    apply,
    bit,
    both,
    either,
    exponent,
    floor,
    negate,
    scale,
    sqrt,
    where,
)
from layda.program.operations import CONDITIONS, ELEMENTARY, Operation, operation, operations, register
from layda.program.program import Node, Program, number_from_json, number_to_json
from layda.program.rewriting import joined, lower
from layda.program.tracing import Graph, Traced, trace

__all__ = [
    "CONDITIONS",
    "ELEMENTARY",
    "Arithmetic",
    "Graph",
    "Node",
    "Operation",
    "Program",
    "Traced",
    "absolute",
    "apply",
    "arithmetic",
    "bit",
    "both",
    "contracted",
    "either",
    "exponent",
    "floor",
    "gradient",
    "hessian",
    "hessian_product",
    "joined",
    "kind_of",
    "lower",
    "negate",
    "number_from_json",
    "number_to_json",
    "operation",
    "operations",
    "register",
    "scale",
    "sqrt",
    "trace",
    "value_and_gradient",
    "where",
]
