"""Tables: from raw rows of a CSV or Parquet file to a trained model and predictions; each decision with its reason.

    >>> from bpnative import table
    >>> rows = {"x": [1, 2, 3, 4] * 10, "color": ["red", "blue"] * 20, "y": ["low", "low", "up", "up"] * 10}
    >>> rows = table.Table.of(rows)
    >>> result = table.train(rows, table.survey(rows, "y"))
    >>> result.metrics["accuracy"]
    1.0

``bpnative train``, ``predict`` and ``evaluate`` are these functions on the command line.
"""

from .inference import Finding, examine
from .model import Plan, TableModel
from .preparation import Preparation, Prepared
from .reading import Table, read_table
from .scores import score
from .target import Target, find_target
from .training import Result, Settings, Survey, survey, train

__all__ = [
    "Finding",
    "Plan",
    "Preparation",
    "Prepared",
    "Result",
    "Settings",
    "Survey",
    "Table",
    "TableModel",
    "Target",
    "examine",
    "find_target",
    "read_table",
    "score",
    "survey",
    "train",
]
