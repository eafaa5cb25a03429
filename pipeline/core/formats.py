"""File formats that the command line offers and the rooms write."""

from typing import Literal

ResultFormat = Literal["table", "csv", "json"]
GraphFormat = Literal["litert", "onnx", "savedmodel"]
WeightPrecision = Literal["float32", "float16", "int8"]
