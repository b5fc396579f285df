"""Driver around RapidOCR (PP-OCR models in ONNX, both inside its wheel): pictures to lines of text.

The only place that imports it (extra `ocr`). It needs no network: the model files are looked for beside the package
first, and a missing one is an error here, because the package itself would try to download it.
"""

import math
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from staffroom.records.errors import StaffroomError

__all__ = ["OcrDriver", "OcrLine", "ocr_available"]

_MODELS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")
_HINT = "make ocr"
_POOR = 0.8
_MAX_THREADS = 4


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of text; places in pixels of the picture turned upright, `score` from 0 to 1."""

    text: str
    score: float
    left: float
    top: float
    right: float
    height: float


def ocr_available() -> bool:
    """Say whether the extra `ocr` is installed, without loading it."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


class OcrDriver:
    """A loaded recogniser; one picture at a time, not for use by several threads at once."""

    def __init__(self) -> None:
        """Load the models (about a second); raises StaffroomError where the extra or a model is missing."""
        # onnxruntime writes a device number and reports its use from its import on, unless this is set before it.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        try:
            import rapidocr
        except ImportError as error:
            raise StaffroomError(f"reading pictures needs RapidOCR ({error})", hint=_HINT) from error
        folder = Path(rapidocr.__file__).parent / "models"
        for model in _MODELS:
            if not (folder / model).is_file():
                raise StaffroomError(f"RapidOCR's model {model} is missing in {folder}", hint=_HINT)
        threads = max(1, min(_MAX_THREADS, os.cpu_count() or 1))
        self._ocr: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Det.model_path": str(folder / _MODELS[0]),
                "Rec.model_path": str(folder / _MODELS[1]),
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            }
        )

    @property
    def identity(self) -> str:
        """Name and version of program and models."""
        try:
            number = version("rapidocr")
        except PackageNotFoundError:
            number = "?"
        return f"rapidocr {number} PP-OCRv6 small"

    def read(self, pixels: Any) -> tuple[OcrLine, ...]:
        """Return the lines of an RGB picture (height, width, 3) of bytes, in no particular order.

        A page that reads badly is tried again upside down and on both sides; the best reading is kept.
        """
        best, best_score = self._read(pixels)
        if best_score >= _POOR or not best:
            return best
        for quarters in (2, 1, 3):
            lines, score = self._read(_turned(pixels, quarters))
            if score > best_score:
                best, best_score = lines, score
            if best_score >= _POOR:
                break
        return best

    def _read(self, pixels: Any) -> tuple[tuple[OcrLine, ...], float]:
        result = self._ocr(pixels[:, :, ::-1].copy())
        if result.boxes is None or result.txts is None:
            return (), 0.0
        boxes = [[(float(x), float(y)) for x, y in box] for box in result.boxes]
        tilt = median(_angle(box) for box in boxes) if boxes else 0.0
        lines = tuple(
            _line(text, float(score), box, tilt)
            for text, score, box in zip(result.txts, result.scores, boxes, strict=True)
        )
        letters = sum(len(line.text) for line in lines)
        mean = sum(line.score * len(line.text) for line in lines) / letters if letters else 0.0
        upright = sum(line.right - line.left >= line.height for line in lines if len(line.text) > 1)
        sideways = bool(lines) and upright * 2 < sum(len(line.text) > 1 for line in lines)
        return lines, mean / 2 if sideways else mean


def _turned(pixels: Any, quarters: int) -> Any:
    import numpy as np

    return np.ascontiguousarray(np.rot90(pixels, quarters))


def _angle(box: list[tuple[float, float]]) -> float:
    (x0, y0), (x1, y1) = box[0], box[1]
    return math.atan2(y1 - y0, x1 - x0) if abs(x1 - x0) > abs(y1 - y0) else 0.0


def _line(text: str, score: float, box: list[tuple[float, float]], tilt: float) -> OcrLine:
    """Turn the corners (from the top left, clockwise) by the page's tilt, and take the upright box around them."""
    cos, sin = math.cos(-tilt), math.sin(-tilt)
    turned = [(x * cos - y * sin, x * sin + y * cos) for x, y in box]
    top = (turned[0][1] + turned[1][1]) / 2
    bottom = (turned[2][1] + turned[3][1]) / 2
    xs = [x for x, _ in turned]
    return OcrLine(text, score, min(xs), top, max(xs), max(1.0, bottom - top))
