"""Ask a warmline server, over its socket or over the memory bus. Standard library only.

``ask`` and ``stream`` ask over the socket; ``send_and_wait`` asks over the bus file, and
``monitor`` watches many questions there. ``warmline.aio`` has the same for asyncio.
"""

from .bus import BusAnswer, QuestionFailed, Sent, StillWaiting, send, send_and_wait, wait
from .bus_file import BusError
from .client import (Answer, Client, ConnectionLost, Delta, Pending, Progress, Timeout,
                     WarmlineError, ask, stream)
from .monitoring import Change, monitor

__all__ = ["Answer", "BusAnswer", "BusError", "Change", "Client", "ConnectionLost", "Delta",
           "Pending", "Progress", "QuestionFailed", "Sent", "StillWaiting", "Timeout",
           "WarmlineError", "ask", "monitor", "send", "send_and_wait", "stream", "wait"]
