"""The ways a value can be carried over, alone (`how` of a field row names one) or nested in a formula. Pure.

Each is a plain function with a docstring and examples in one of these modules; see `mappings/registry.py`.
"""

from mappings.registry import REGISTRY as TRANSFORMS
from mappings.transforms import choices, lookups, markup, numbers, texts, times

__all__ = ["TRANSFORMS", "choices", "lookups", "markup", "numbers", "texts", "times"]
