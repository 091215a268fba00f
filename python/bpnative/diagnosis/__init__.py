"""Why a network does not learn: a few steps on a copy, looked at closely, and what was seen in words."""

from __future__ import annotations

from .report import CODES, Diagnosis, Finding, LayerReport

__all__ = ["CODES", "Diagnosis", "Finding", "LayerReport"]
