"""A server of `deepsynth_tui.child_session` for its tests."""

from __future__ import annotations

import os
import sys
from typing import Any

from deepsynth_tui.child_session import Answering, serve_session
from deepsynth_tui.errors import UserError


def answer(question: dict[str, Any], answering: Answering) -> Any:
    match question["task"]:
        case "count":
            for number in range(question["to"]):
                answering.part(number)
        case "forever":
            count = 0
            while not answering.is_cancelled:
                answering.part(count)
                count += 1
            return "cancelled"
        case "refuse":
            raise UserError("That is not known", "Ask something else")
        case "print":
            print("noise")  # noqa: T201 - a library that prints
        case "fail":
            raise ValueError("a bug")
        case "die":
            os._exit(3)
    return os.getpid()


if __name__ == "__main__":
    sys.exit(serve_session(answer, explain=lambda error: UserError(f"explained: {error}")))
