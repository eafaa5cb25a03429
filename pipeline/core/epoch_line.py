"""One live line per epoch: fold, loss, score, images per second, time left."""

import sys
import time


class EpochLine:
    """Rewrites one terminal line while an epoch runs; without a terminal prints one line per finished epoch."""

    def __init__(self, title: str, epochs: int, steps: int, batch_size: int) -> None:
        """Takes what the line says throughout."""
        self._title, self._epochs, self._steps, self._batch_size = title, epochs, steps, batch_size
        self._live = sys.stdout.isatty()
        self._began = self._shown = 0.0
        self._epoch = 0
        self._spent: list[float] = []

    def start(self, epoch: int) -> None:
        """Begins an epoch, counted from zero."""
        self._epoch = epoch
        self._began = time.perf_counter()

    def step(self, step: int) -> None:
        """Shows how far the epoch is, a few times a second at most."""
        now = time.perf_counter()
        if not self._live or now - self._shown < 0.2:
            return
        self._shown = now
        rate = (step + 1) * self._batch_size / max(now - self._began, 1e-9)
        sys.stdout.write(f"\r\x1b[K{self._head()} {(step + 1) / self._steps:4.0%} {rate:,.0f} images/s")
        sys.stdout.flush()

    def finish(self, loss: float, score_name: str, score: float | None, rate: float) -> float:
        """Ends an epoch with its final line and returns its seconds, those of looking at the valid rows included."""
        seconds = time.perf_counter() - self._began
        self._spent.append(seconds)
        left = sum(self._spent) / len(self._spent) * (self._epochs - self._epoch - 1)
        speed = self._steps * self._batch_size / max(seconds, 1e-9)
        shown = "" if score is None else f" {score_name} {score:.4f}"
        start = "\r\x1b[K" if self._live else ""
        numbers = f"loss {loss:.4f}{shown} lr {rate:.2e} {speed:,.0f} images/s"
        sys.stdout.write(f"{start}{self._head()} {numbers}, {_clock(left)} left in this fold\n")
        sys.stdout.flush()
        return seconds

    def _head(self) -> str:
        return f"{self._title} epoch {self._epoch + 1}/{self._epochs}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
